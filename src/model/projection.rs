//! A linear layer on tokens of either precision, and what it adds to those that a block began with.
//!
//! Comes in: tokens, in 32 or in 16 bits. Goes out: the same kind, or a sum in 32. The weights are kept in 32.

use burn::nn::{Dropout, Linear};
use burn::tensor::{DType, FloatDType, Tensor, module::linear};
use cliptune_kernels as kernels;

/// [B, N, D] -> [B, N, E], computed with as many bits as the tokens have.
pub fn project(layer: &Linear, tokens: Tensor<3>) -> Tensor<3> {
    let precision = precision_of(&tokens);
    let bias = layer.bias.as_ref().map(|bias| bias.val().cast(precision));
    linear(tokens, layer.weight.val().cast(precision), bias)
}

/// The same without the layer's bias.
pub fn project_unbiased(layer: &Linear, tokens: Tensor<3>) -> Tensor<3> {
    let precision = precision_of(&tokens);
    linear(tokens, layer.weight.val().cast(precision), None)
}

/// What a block of a layer ends with: the projection with some of it dropped, times what is `kept` of it [B, 1, 1], added to
/// what the tokens were `before` the block [B, N, E], in 32 bits.
pub fn project_onto(
    before: Tensor<3>,
    layer: &Linear,
    tokens: Tensor<3>,
    dropout: &Dropout,
    kept: Option<&Tensor<3>>,
) -> Tensor<3> {
    match (&layer.bias, kept) {
        (Some(bias), None) if dropout.prob == 0.0 => {
            kernels::biased_sum(project_unbiased(layer, tokens), bias.val(), before)
        }
        _ => {
            let projected = dropout.forward(project(layer, tokens)).cast(FloatDType::F32);
            let projected = match kept {
                Some(kept) => projected * kept.clone(),
                None => projected,
            };
            projected + before
        }
    }
}

fn precision_of(tokens: &Tensor<3>) -> FloatDType {
    if tokens.dtype() == DType::F16 { FloatDType::F16 } else { FloatDType::F32 }
}
