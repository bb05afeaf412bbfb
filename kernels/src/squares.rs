//! Sums of squares of many tensors, for the norm of all gradients: one launch a tensor on the GPU.
//!
//! Comes in: tensors. Goes out: their sums, in parts, in one tensor that the whole is summed from.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Cube, Dispatch, Flex, backend_extension};
use burn::tensor::{Device, Tensor};

use crate::{cpu, gpu};

/// Parts of a tensor's sum, at most.
pub(crate) const PARTS: usize = 64;

/// Sums of squares, tensor by tensor.
pub struct Squares {
    /// [count * PARTS].
    parts: Tensor<1>,
    added: usize,
}

impl Squares {
    /// Room for so many tensors; without autodiff.
    pub fn of(count: usize, device: &Device) -> Self {
        Self { parts: Tensor::zeros([count.max(1) * PARTS], device), added: 0 }
    }

    /// One more tensor, flat: [P].
    ///
    /// # Panics
    /// Where there is no room for it.
    pub fn add(&mut self, values: Tensor<1>) {
        let from = self.added * PARTS;
        assert!(from + PARTS <= self.parts.dims()[0], "more tensors than there is room for");
        self.added += 1;
        // Nobody else may read the parts while they change where they are.
        let parts = std::mem::replace(&mut self.parts, Tensor::empty([1], &values.device()));
        let parts = Dispatch::fused_squares(parts.into_dispatch(), values.into_dispatch(), from);
        self.parts = Tensor::from_dispatch(parts);
    }

    /// Of all of them, [1].
    pub fn sum(self) -> Tensor<1> {
        self.parts.sum()
    }
}

#[backend_extension(Flex, Cube)]
trait SumSquares: Backend {
    /// `parts` with those of `values` at `from`.
    fn fused_squares(parts: FloatTensor<Self>, values: FloatTensor<Self>, from: usize) -> FloatTensor<Self>;
}

impl SumSquares for Flex {
    fn fused_squares(parts: FloatTensor<Self>, values: FloatTensor<Self>, from: usize) -> FloatTensor<Self> {
        cpu::squares(parts, values, from)
    }
}

impl SumSquares for Cube {
    fn fused_squares(parts: FloatTensor<Self>, values: FloatTensor<Self>, from: usize) -> FloatTensor<Self> {
        gpu::squares(parts, values, from)
    }
}
