//! What VideoMAE computes most, each as one operation with a gradient of its own.
//!
//! Comes in and goes out: tensors on any of Burn's devices. A package of its own, so that it is optimised for speed while
//! the engine is for size, and so that it builds in seconds. Knows nothing of models. Never keeps the scores of an attention
//! for the backward pass: they take 112 MiB a clip and layer at 1568 tokens and 12 heads, and are computed anew there.

mod cpu;
mod gpu;
mod gradient;
mod several;
pub mod squares;
pub mod update;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::{DType, Tensor};

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

/// Queries, keys and values of tokens side by side, by one product: [B, N, D], three times [D, E] -> [B, N, 3 E], computed with
/// as many bits as the tokens have.
pub fn projections(tokens: Tensor<3>, weights: [Tensor<2>; 3]) -> Tensor<3> {
    let [query, key, value] = weights.map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::fused_projections(tokens.into_dispatch(), query, key, value))
}

/// What [`projections`] made, with a bias for queries and one for values: [B, N, 3 E], two times [E] -> [B, N, 3 E].
pub fn query_value_biased(projected: Tensor<3>, biases: [Tensor<1>; 2]) -> Tensor<3> {
    let [query, value] = biases.map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::fused_biases(projected.into_dispatch(), query, value))
}

/// softmax(Q K^T / sqrt(E / heads)) V, every head on its own share of the width: Q, K and V side by side,
/// [B, N, 3 E] -> [B, N, E]. The same as `VideoMAESelfAttention` between its projections (transformers,
/// `modeling_videomae.py`).
pub fn attention(projected: Tensor<3>, heads: usize) -> Tensor<3> {
    Tensor::from_dispatch(Dispatch::fused_attention(projected.into_dispatch(), heads))
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

/// What a product makes of tokens, with a bias for each column, added to what they were before, which is in 32 bits:
/// [.., D], [D], [.., D] -> [.., D].
pub fn biased_sum<const D: usize>(product: Tensor<D>, bias: Tensor<1>, before: Tensor<D>) -> Tensor<D> {
    let before = before.into_dispatch();
    Tensor::from_dispatch(Dispatch::fused_sum(product.into_dispatch(), bias.into_dispatch(), before))
}

/// -sum(targets * ln softmax(logits)) / B, PyTorch's `CrossEntropyLoss` for class probabilities: [B, K], [B, K] -> [1].
/// A row's targets need not sum to 1; they get no gradient.
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::fused_cross_entropy(logits.into_dispatch(), targets.into_dispatch()))
}

/// The operations, on whichever device their tensors are.
#[backend_extension(Flex, Cube, Autodiff)]
trait Fused: Backend {
    fn fused_projections(
        tokens: FloatTensor<Self>,
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    fn fused_biases(
        projected: FloatTensor<Self>,
        query: FloatTensor<Self>,
        value: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    fn fused_attention(projected: FloatTensor<Self>, heads: usize) -> FloatTensor<Self>;

    fn fused_gelu(input: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self>;

    fn fused_layer_norm(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self>;

    fn fused_sum(product: FloatTensor<Self>, bias: FloatTensor<Self>, before: FloatTensor<Self>) -> FloatTensor<Self>;

    fn fused_cross_entropy(logits: FloatTensor<Self>, targets: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// Forward and backward passes that a device brings along.
trait Kernels: Backend {
    /// What an attention's backward pass wants to know of the forward pass besides inputs and output.
    type Kept: Clone + Send + std::fmt::Debug + 'static;
    /// Mean and 1 / sqrt(variance + epsilon) of each of a LayerNorm's rows.
    type Statistics: Clone + Send + std::fmt::Debug + 'static;

    /// Three times [D, E] -> [D, 3 E], kept as `kept_as` says.
    fn side_by_side(weights: [FloatTensor<Self>; 3], kept_as: DType) -> FloatTensor<Self>;

    /// [D, 3 E] -> three times [D, E], in 32 bits.
    fn apart(joined: FloatTensor<Self>) -> [FloatTensor<Self>; 3];

    /// [B, N, 3 E] with [E] added to the first third, and [E] to the last.
    fn add_biases(projected: FloatTensor<Self>, biases: [FloatTensor<Self>; 2]) -> FloatTensor<Self>;

    /// [B, N, 3 E] -> [B, N, E].
    fn attention_forward(projected: FloatTensor<Self>, heads: usize) -> (FloatTensor<Self>, Self::Kept);

    /// The gradient of what came in.
    fn attention_gradient(forward: Forward<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self>;

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

    /// [.., D], [D], [.., D] -> [.., D] in 32 bits.
    fn biased_sum(product: FloatTensor<Self>, bias: FloatTensor<Self>, before: FloatTensor<Self>) -> FloatTensor<Self>;

    /// [B, K], [B, K] -> the loss [1], and its slope for each of the logits.
    fn cross_entropy(logits: FloatTensor<Self>, targets: FloatTensor<Self>) -> [FloatTensor<Self>; 2];
}

impl<B: Kernels> Fused for B {
    fn fused_projections(
        tokens: FloatTensor<Self>,
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let weights = B::side_by_side([query, key, value], tokens.dtype());
        B::linear(tokens, weights, None)
    }

    fn fused_biases(
        projected: FloatTensor<Self>,
        query: FloatTensor<Self>,
        value: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        B::add_biases(projected, [query, value])
    }

    fn fused_attention(projected: FloatTensor<Self>, heads: usize) -> FloatTensor<Self> {
        B::attention_forward(projected, heads).0
    }

    fn fused_gelu(input: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        B::gelu_forward(input, bias)
    }

    fn fused_layer_norm(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        B::layer_norm_forward(input, gamma, beta, epsilon as f32).0
    }

    fn fused_sum(product: FloatTensor<Self>, bias: FloatTensor<Self>, before: FloatTensor<Self>) -> FloatTensor<Self> {
        B::biased_sum(product, bias, before)
    }

    fn fused_cross_entropy(logits: FloatTensor<Self>, targets: FloatTensor<Self>) -> FloatTensor<Self> {
        let [loss, _] = B::cross_entropy(logits, targets);
        loss
    }
}

/// An attention that was computed.
#[derive(Clone, Debug)]
struct Forward<B: Kernels> {
    projected: FloatTensor<B>,
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
