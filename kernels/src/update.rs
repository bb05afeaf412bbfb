//! AdamW's step (Loshchilov and Hutter, 2019, as PyTorch's `_single_tensor_adamw` computes it), of many parameters at once.
//!
//! Comes in: parameters, their running means and their gradients, flat. Goes out: the first two after the step, in the same
//! memory where nobody else reads it.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Cube, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;

use crate::several::Several;
use crate::{cpu, gpu};

/// What a step multiplies and adds, the same for all parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// beta1, and 1 - beta1.
    pub keep_first: f32,
    pub take_first: f32,
    /// beta2, and 1 - beta2.
    pub keep_second: f32,
    pub take_second: f32,
    pub epsilon: f32,
}

/// The same for each of one parameter's numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnRates {
    /// The root of 1 - beta2^t.
    pub root_correction: f32,
    /// 1 - learning rate * weight decay.
    pub decay: f32,
    /// Learning rate / (1 - beta1^t).
    pub length: f32,
}

/// A parameter, and what is to change it.
pub struct Update {
    /// [P].
    pub value: Tensor<1>,
    /// The running mean of the gradient, and behind it that of the gradient's square: [2 P].
    pub moments: Tensor<1>,
    /// [P].
    pub gradient: Tensor<1>,
    pub rates: OwnRates,
}

/// Values and moments after one step with the gradients times `scale` [1], in the order of the updates; a scale of 0 leaves
/// them as they are, whatever the gradients. Without autodiff.
pub fn update(updates: Vec<Update>, scale: Tensor<1>, rates: Rates) -> Vec<[Tensor<1>; 2]> {
    let [mut values, mut moments, mut gradients] = [const { Vec::new() }; 3];
    let mut own_rates = Vec::new();
    for update in updates {
        values.push(update.value);
        moments.push(update.moments);
        gradients.push(update.gradient);
        own_rates.push(update.rates);
    }
    let [values, moments, gradients] = [values, moments, gradients].map(Several::of);
    let (values, moments) = Dispatch::fused_update(values, moments, gradients, scale.into_dispatch(), own_rates, rates);
    values.into_tensors().zip(moments.into_tensors()).map(<[_; 2]>::from).collect()
}

#[backend_extension(Flex, Cube)]
trait AdamW: Backend {
    /// Values, moments -> the same after the step.
    fn fused_update(
        #[extension_type] values: Several<Self>,
        #[extension_type] moments: Several<Self>,
        #[extension_type] gradients: Several<Self>,
        scale: FloatTensor<Self>,
        own_rates: Vec<OwnRates>,
        rates: Rates,
    ) -> (Several<Self>, Several<Self>);
}

impl AdamW for Flex {
    fn fused_update(
        values: Several<Self>,
        moments: Several<Self>,
        gradients: Several<Self>,
        scale: FloatTensor<Self>,
        own_rates: Vec<OwnRates>,
        rates: Rates,
    ) -> (Several<Self>, Several<Self>) {
        let changed = values.0.into_iter().zip(moments.0);
        let found = gradients.0.into_iter().zip(own_rates);
        let (values, moments) =
            changed.zip(found).map(|(changed, found)| cpu::update(changed, found, &scale, rates)).unzip();
        (Several(values), Several(moments))
    }
}

impl AdamW for Cube {
    fn fused_update(
        values: Several<Self>,
        moments: Several<Self>,
        gradients: Several<Self>,
        scale: FloatTensor<Self>,
        own_rates: Vec<OwnRates>,
        rates: Rates,
    ) -> (Several<Self>, Several<Self>) {
        let (values, moments) = gpu::update([values.0, moments.0, gradients.0], own_rates, scale, rates);
        (Several(values), Several(moments))
    }
}
