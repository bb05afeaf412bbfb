//! The operations on the GPU, composed of Burn's own.
//!
//! An attention's backward pass computes the scores anew, some clips' at a time: see [`clips_at_once`].

mod attention;
mod gelu;
mod norm;
mod squares;
mod total;
mod update;

use burn::backend::Cube;
use burn::backend::ops::{ActivationOps, FloatTensorOps};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Scalar, TensorMetadata};
use burn::tensor::Shape;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{Forward, Fused, Kernels, Normed, clips_at_once};
pub use squares::squares;
pub use update::update;

impl Fused for Cube {
    fn fused_attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        heads: usize,
    ) -> FloatTensor<Self> {
        <Self as Kernels>::attention_forward([query, key, value], heads).0
    }

    fn fused_gelu(input: FloatTensor<Self>) -> FloatTensor<Self> {
        <Self as Kernels>::gelu_forward(input)
    }

    fn fused_layer_norm(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        Self::layer_norm_forward(input, gamma, beta, epsilon as f32).0
    }
}

impl Kernels for Cube {
    /// The logarithms of the sums of e^score, [B, H, N], where the fused kernel did it.
    type Kept = Option<FloatTensor<Self>>;
    /// [R, 2].
    type Statistics = FloatTensor<Self>;

    fn attention_forward(inputs: [FloatTensor<Self>; 3], heads: usize) -> (FloatTensor<Self>, Self::Kept) {
        let width = inputs[0].shape()[2];
        if attention::fits(width / heads) {
            let (output, log_sums) = attention::forward(inputs, heads);
            return (output, Some(log_sums));
        }
        let [query, key, value] = inputs.map(|input| split(input, heads));
        let scale = scale(&query);
        let output = Self::float_matmul(probabilities(Self::float_mul_scalar(query, scale), key, None), value);
        (join(output), None)
    }

    fn attention_gradient(forward: Forward<Self>, gradient: FloatTensor<Self>) -> [FloatTensor<Self>; 3] {
        let Forward { inputs: [query, key, value], output, kept, heads } = forward;
        let [batch, tokens, _] = query.shape().dims();
        let clips = clips_at_once(batch, heads * tokens * tokens);
        if clips == batch {
            return gradients([query, key, value, output, gradient], kept, heads);
        }
        let parts = (0..batch).step_by(clips).map(|first| {
            let part = |tensor: &FloatTensor<Self>| {
                let clips = burn::tensor::Slice::from(first..(first + clips).min(batch));
                Self::float_slice(tensor.clone(), &[clips])
            };
            gradients([&query, &key, &value, &output, &gradient].map(part), kept.as_ref().map(part), heads)
        });
        let mut all = [const { Vec::new() }; 3];
        for part in parts {
            all.iter_mut().zip(part).for_each(|(all, part)| all.push(part));
        }
        all.map(|parts| Self::float_cat(parts, 0))
    }

    fn gelu_forward(input: FloatTensor<Self>) -> FloatTensor<Self> {
        gelu::forward(input)
    }

    fn gelu_gradient(input: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        gelu::backward(input, gradient)
    }

    fn layer_norm_forward(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> (FloatTensor<Self>, Self::Statistics) {
        norm::forward(input, gamma, beta, epsilon)
    }

    fn layer_norm_gradient(normed: Normed<Self>, gradient: FloatTensor<Self>) -> [FloatTensor<Self>; 3] {
        norm::backward(normed.input, normed.gamma, normed.statistics, gradient)
    }
}

/// A tensor that nobody else reads.
fn owned(tensor: CubeTensor) -> CubeTensor {
    let tensor = into_contiguous(tensor);
    if tensor.can_mut() { tensor } else { tensor.copy() }
}

/// Query, key, value, output and the output's gradient [B, N, D] -> the gradients of the first three.
fn gradients(all: [FloatTensor<Cube>; 5], log_sums: Option<FloatTensor<Cube>>, heads: usize) -> [FloatTensor<Cube>; 3] {
    let [query, key, value, output, gradient] = all.map(|tensor| split(tensor, heads));
    let scale = scale(&query);
    let query = Cube::float_mul_scalar(query, scale);
    let probabilities = probabilities(query.clone(), key.clone(), log_sums);
    let for_value = Cube::float_matmul(transposed(probabilities.clone()), gradient.clone());
    let through = Cube::float_sum_dim(Cube::float_mul(gradient.clone(), output), 3);
    let slopes = attention::slopes(Cube::float_matmul(gradient, transposed(value)), probabilities, through);
    let for_query = Cube::float_mul_scalar(Cube::float_matmul(slopes.clone(), key), scale);
    let for_key = Cube::float_matmul(transposed(slopes), query);
    [for_query, for_key, for_value].map(join)
}

/// Queries times 1 / sqrt(d), and keys, [B, H, N, d] each -> [B, H, N, N], each row summing to 1.
fn probabilities(
    query: FloatTensor<Cube>,
    key: FloatTensor<Cube>,
    log_sums: Option<FloatTensor<Cube>>,
) -> FloatTensor<Cube> {
    let scores = Cube::float_matmul(query, transposed(key));
    match log_sums {
        Some(log_sums) => attention::probabilities(scores, log_sums),
        None => Cube::softmax(scores, 3),
    }
}

/// 1 / sqrt(d) of queries [B, H, N, d].
fn scale(query: &FloatTensor<Cube>) -> Scalar {
    Scalar::Float(1.0 / (query.shape()[3] as f64).sqrt())
}

fn transposed(tensor: FloatTensor<Cube>) -> FloatTensor<Cube> {
    Cube::float_swap_dims(tensor, 2, 3)
}

/// [B, N, D] -> [B, H, N, D / H].
fn split(tensor: FloatTensor<Cube>, heads: usize) -> FloatTensor<Cube> {
    let [batch, tokens, width] = tensor.shape().dims();
    Cube::float_swap_dims(Cube::float_reshape(tensor, Shape::new([batch, tokens, heads, width / heads])), 1, 2)
}

/// [B, H, N, d] -> [B, N, H * d].
fn join(tensor: FloatTensor<Cube>) -> FloatTensor<Cube> {
    let [batch, heads, tokens, head_width] = tensor.shape().dims();
    Cube::float_reshape(Cube::float_swap_dims(tensor, 1, 2), Shape::new([batch, tokens, heads * head_width]))
}
