//! Sums of squares of many tensors, for the norm of all gradients: a launch for some tensors at a time on the GPU.
//!
//! Comes in: tensors. Goes out: their sums, in parts, in one tensor that the whole is summed from.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Cube, Dispatch, Flex, backend_extension};
use burn::tensor::{Device, Tensor};

use crate::{cpu, gpu};

/// Parts of a tensor's sum, at most.
pub(crate) const PARTS: usize = 64;
/// Tensors of a launch: with the parts and the kernel's own numbers, as many buffers as every WebGPU device lets a kernel bind.
pub(crate) const AT_ONCE: usize = 6;

/// The sum of all squares of these tensors [P], without autodiff; goes out: [1].
pub fn sum_of_squares(tensors: Vec<Tensor<1>>, device: &Device) -> Tensor<1> {
    let mut parts = Tensor::<1>::zeros([tensors.len().max(1) * PARTS], device);
    for (index, some) in tensors.chunks(AT_ONCE).enumerate() {
        let mut some = some.iter().cloned();
        let Some(first) = some.next() else { break };
        let count = some.len() + 1;
        // Where there are fewer, the first stands for those that are not there, and is not counted.
        let mut next = || some.next().unwrap_or_else(|| first.clone()).into_dispatch();
        let others = [(); AT_ONCE - 1].map(|()| next());
        let [second, third, fourth, fifth, sixth] = others;
        let (parts_so_far, first) = (parts.into_dispatch(), first.clone().into_dispatch());
        let from = index * AT_ONCE * PARTS;
        let six = Dispatch::fused_squares(parts_so_far, first, second, third, fourth, fifth, sixth, count, from);
        parts = Tensor::from_dispatch(six);
    }
    parts.sum()
}

#[backend_extension(Flex, Cube)]
trait SumSquares: Backend {
    /// `parts` with those of the first `count` tensors from `from` on.
    #[allow(clippy::too_many_arguments, reason = "an operation's tensors are arguments of their own")]
    fn fused_squares(
        parts: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        third: FloatTensor<Self>,
        fourth: FloatTensor<Self>,
        fifth: FloatTensor<Self>,
        sixth: FloatTensor<Self>,
        count: usize,
        from: usize,
    ) -> FloatTensor<Self>;
}

impl SumSquares for Flex {
    fn fused_squares(
        parts: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        third: FloatTensor<Self>,
        fourth: FloatTensor<Self>,
        fifth: FloatTensor<Self>,
        sixth: FloatTensor<Self>,
        count: usize,
        from: usize,
    ) -> FloatTensor<Self> {
        let tensors = [first, second, third, fourth, fifth, sixth].into_iter().take(count);
        tensors.enumerate().fold(parts, |parts, (index, values)| cpu::squares(parts, values, from + index * PARTS))
    }
}

impl SumSquares for Cube {
    fn fused_squares(
        parts: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        third: FloatTensor<Self>,
        fourth: FloatTensor<Self>,
        fifth: FloatTensor<Self>,
        sixth: FloatTensor<Self>,
        count: usize,
        from: usize,
    ) -> FloatTensor<Self> {
        gpu::squares(parts, [first, second, third, fourth, fifth, sixth], count, from)
    }
}
