//! A linear layer on tokens of either precision.
//!
//! Comes in: tokens, in 32 or in 16 bits. Goes out: the same kind. The weights are kept in 32.

use burn::nn::Linear;
use burn::tensor::{DType, FloatDType, Tensor, module::linear};

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

fn precision_of(tokens: &Tensor<3>) -> FloatDType {
    if tokens.dtype() == DType::F16 { FloatDType::F16 } else { FloatDType::F32 }
}
