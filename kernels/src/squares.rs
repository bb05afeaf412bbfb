//! Sums of squares of many tensors, for the norm of all gradients: a launch for some tensors at a time on the GPU.
//!
//! Comes in: tensors. Goes out: their sums, in parts, in one tensor that the whole is summed from.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Cube, Dispatch, Flex, backend_extension};
use burn::tensor::{Device, Tensor};

use crate::several::Several;
use crate::{cpu, gpu};

/// Parts of a tensor's sum, at most.
pub(crate) const PARTS: usize = 64;

/// The sum of all squares of these tensors [P], without autodiff; goes out: [1].
pub fn sum_of_squares(tensors: Vec<Tensor<1>>, device: &Device) -> Tensor<1> {
    let parts = Tensor::<1>::zeros([tensors.len().max(1) * PARTS], device);
    let parts = Dispatch::fused_squares(parts.into_dispatch(), Several::of(tensors));
    Tensor::<1>::from_dispatch(parts).sum()
}

#[backend_extension(Flex, Cube)]
trait SumSquares: Backend {
    /// `parts`, which are zeros, with those of these tensors.
    fn fused_squares(parts: FloatTensor<Self>, #[extension_type] tensors: Several<Self>) -> FloatTensor<Self>;
}

impl SumSquares for Flex {
    fn fused_squares(parts: FloatTensor<Self>, tensors: Several<Self>) -> FloatTensor<Self> {
        let tensors = tensors.0.into_iter().enumerate();
        tensors.fold(parts, |parts, (index, values)| cpu::squares(parts, values, index * PARTS))
    }
}

impl SumSquares for Cube {
    fn fused_squares(parts: FloatTensor<Self>, tensors: Several<Self>) -> FloatTensor<Self> {
        gpu::squares(parts, tensors.0)
    }
}
