//! The operations on the GPU, composed of Burn's own.
//!
//! The backward pass computes the scores anew, so that no more than one layer's are there at a time.

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

use super::{Forward, Fused, Kernels, Normed};
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
    type Kept = ();
    /// [R, 2].
    type Statistics = FloatTensor<Self>;

    fn attention_forward(inputs: [FloatTensor<Self>; 3], heads: usize) -> (FloatTensor<Self>, Self::Kept) {
        let width = inputs[0].shape()[2];
        if attention::fits(width / heads) {
            return (attention::forward(inputs, heads), ());
        }
        let [query, key, value] = inputs.map(|input| split(input, heads));
        let output = Self::float_matmul(probabilities(query, key), value);
        (join(output), ())
    }

    fn attention_gradient(forward: Forward<Self>, gradient: FloatTensor<Self>) -> [FloatTensor<Self>; 3] {
        let heads = forward.heads;
        let [query, key, value] = forward.inputs.map(|input| split(input, heads));
        let [output, gradient] = [forward.output, gradient].map(|tensor| split(tensor, heads));
        let scale = scale(&query);
        let probabilities = probabilities(query.clone(), key.clone());
        let for_value = Self::float_matmul(transposed(probabilities.clone()), gradient.clone());
        let through = Self::float_sum_dim(Self::float_mul(gradient.clone(), output), 3);
        let slopes = Self::float_matmul(gradient, transposed(value));
        let slopes = Self::float_mul(probabilities, Self::float_sub(slopes, through));
        let slopes = Self::float_mul_scalar(slopes, scale);
        let for_query = Self::float_matmul(slopes.clone(), key);
        let for_key = Self::float_matmul(transposed(slopes), query);
        [for_query, for_key, for_value].map(join)
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

/// [B, H, N, d] twice -> [B, H, N, N], each row summing to 1.
fn probabilities(query: FloatTensor<Cube>, key: FloatTensor<Cube>) -> FloatTensor<Cube> {
    let scale = scale(&query);
    Cube::softmax(Cube::float_mul_scalar(Cube::float_matmul(query, transposed(key)), scale), 3)
}

/// Of queries [B, H, N, d].
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
