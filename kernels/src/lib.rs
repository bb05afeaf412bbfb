//! What VideoMAE computes most, each as one operation with a gradient of its own.
//!
//! Comes in and goes out: tensors on any of Burn's devices. A package of its own, so that it is optimised for speed while
//! the engine is for size, and so that it builds in seconds. Knows nothing of models. Never keeps the scores of an attention
//! for the backward pass: they take 112 MiB a clip and layer at 1568 tokens and 12 heads, and are computed anew there.

mod cpu;
mod gpu;
mod gradient;
pub mod squares;
pub mod update;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;

/// Bytes of scores that a GPU writes at once where it writes any, or one clip's: what every WebGPU device lets a kernel bind.
const SCORES: usize = 128 << 20;

/// Scores of an attention that a GPU has in memory at once: none, but for heads whose width the kernels cannot do.
pub fn scores_at_once(batch: usize, tokens: usize, heads: usize, head_width: usize) -> usize {
    let of_clip = tokens.saturating_mul(tokens).saturating_mul(heads);
    if gpu::fits(head_width) { 0 } else { of_clip.saturating_mul(clips_at_once(batch, of_clip)) }
}

/// How many of a batch's clips a GPU does at once, where each has so many scores that are written.
fn clips_at_once(batch: usize, scores: usize) -> usize {
    (SCORES / scores.saturating_mul(4).max(1)).clamp(1, batch.max(1))
}

/// softmax(Q K^T / sqrt(D / heads)) V, every head on its own share of the width: three times [B, N, D] -> [B, N, D].
/// The same as `VideoMAESelfAttention` between its projections (transformers, `modeling_videomae.py`).
pub fn attention([query, key, value]: [Tensor<3>; 3], heads: usize) -> Tensor<3> {
    let [query, key, value] = [query, key, value].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::fused_attention(query, key, value, heads))
}

/// x * Phi(x) of each number x of the input with the bias added along the last axis: [.., D], [D] -> [.., D].
pub fn biased_gelu<const D: usize>(input: Tensor<D>, bias: Tensor<1>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::fused_gelu(input.into_dispatch(), bias.into_dispatch()))
}

/// (x - mean) / sqrt(variance + epsilon) * gamma + beta over the last axis: [.., D], [D], [D] -> [.., D].
pub fn layer_norm<const D: usize>(input: Tensor<D>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> Tensor<D> {
    let [gamma, beta] = [gamma, beta].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::fused_layer_norm(input.into_dispatch(), gamma, beta, epsilon))
}

/// The operations, on whichever device their tensors are.
#[backend_extension(Flex, Cube, Autodiff)]
trait Fused: Backend {
    fn fused_attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        heads: usize,
    ) -> FloatTensor<Self>;

    fn fused_gelu(input: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self>;

    fn fused_layer_norm(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self>;
}

/// Forward and backward passes that a device brings along.
trait Kernels: Backend {
    /// What an attention's backward pass wants to know of the forward pass besides inputs and output.
    type Kept: Clone + Send + std::fmt::Debug + 'static;
    /// Mean and 1 / sqrt(variance + epsilon) of each of a LayerNorm's rows.
    type Statistics: Clone + Send + std::fmt::Debug + 'static;

    /// [B, N, D] three times -> [B, N, D].
    fn attention_forward(inputs: [FloatTensor<Self>; 3], heads: usize) -> (FloatTensor<Self>, Self::Kept);

    /// Gradients of the three inputs.
    fn attention_gradient(forward: Forward<Self>, gradient: FloatTensor<Self>) -> [FloatTensor<Self>; 3];

    /// [.., D], [D] -> [.., D].
    fn gelu_forward(input: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Gradients of input and bias.
    fn gelu_gradient(inputs: [FloatTensor<Self>; 2], gradient: FloatTensor<Self>) -> [FloatTensor<Self>; 2];

    /// [.., D], gamma and beta [D] -> [.., D].
    fn layer_norm_forward(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> (FloatTensor<Self>, Self::Statistics);

    /// Gradients of input, gamma and beta.
    fn layer_norm_gradient(normed: Normed<Self>, gradient: FloatTensor<Self>) -> [FloatTensor<Self>; 3];
}

/// An attention that was computed.
#[derive(Clone, Debug)]
struct Forward<B: Kernels> {
    inputs: [FloatTensor<B>; 3],
    output: FloatTensor<B>,
    kept: B::Kept,
    heads: usize,
}

/// A LayerNorm that was computed.
#[derive(Clone, Debug)]
struct Normed<B: Kernels> {
    input: FloatTensor<B>,
    gamma: FloatTensor<B>,
    statistics: B::Statistics,
}
