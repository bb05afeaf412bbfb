//! AdamW's step of one parameter (Loshchilov and Hutter, 2019, as PyTorch's `_single_tensor_adamw` computes it).
//!
//! Comes in: the parameter, its running means and its gradient, flat. Goes out: the first three after the step, in the same
//! memory where nobody else reads it.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Cube, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;

use crate::{cpu, gpu};

/// What a step multiplies and adds, the same for each of a parameter's numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// beta1, and 1 - beta1.
    pub keep_first: f32,
    pub take_first: f32,
    /// beta2, and 1 - beta2.
    pub keep_second: f32,
    pub take_second: f32,
    /// The root of 1 - beta2^t.
    pub root_correction: f32,
    pub epsilon: f32,
    /// 1 - learning rate * weight decay.
    pub decay: f32,
    /// Learning rate / (1 - beta1^t).
    pub length: f32,
}

/// A parameter, and the running means of its gradient and of the gradient's square, flat: [P] each.
pub struct Updated {
    pub value: Tensor<1>,
    pub first: Tensor<1>,
    pub second: Tensor<1>,
}

/// One step with the gradient [P] times `scale` [1]; a scale of 0 leaves all as it is, whatever the gradient. Without autodiff.
pub fn update(before: Updated, gradient: Tensor<1>, scale: Tensor<1>, rates: Rates) -> Updated {
    let Updated { value, first, second } = before;
    let [value, first, second] = [value, first, second].map(Tensor::into_dispatch);
    let after = Dispatch::fused_update(value, first, second, gradient.into_dispatch(), scale.into_dispatch(), rates);
    let [value, first, second] = <[_; 3]>::from(after).map(Tensor::from_dispatch);
    Updated { value, first, second }
}

#[backend_extension(Flex, Cube)]
trait Update: Backend {
    fn fused_update(
        value: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        rates: Rates,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

impl Update for Flex {
    fn fused_update(
        value: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        rates: Rates,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        cpu::update([value, first, second], gradient, scale, rates).into()
    }
}

impl Update for Cube {
    fn fused_update(
        value: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        rates: Rates,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        gpu::update([value, first, second], gradient, scale, rates).into()
    }
}
