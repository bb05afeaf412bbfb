//! A linear layer on tokens of either precision.
//!
//! Comes in: tokens, in 32 or in 16 bits. Goes out: the same kind. The weights are kept in 32.

use burn::nn::Linear;
use burn::tensor::{DType, FloatDType, Tensor, module::linear};

/// [B, N, D] -> [B, N, E], computed with as many bits as the tokens have.
pub fn project(layer: &Linear, tokens: Tensor<3>) -> Tensor<3> {
    if tokens.dtype() != DType::F16 {
        return layer.forward(tokens);
    }
    let bias = layer.bias.as_ref().map(|bias| bias.val().cast(FloatDType::F16));
    linear(tokens, layer.weight.val().cast(FloatDType::F16), bias)
}
