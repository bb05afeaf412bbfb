//! Attention of Burn's own operations, which write all scores: for heads that the kernels cannot do.

use burn::backend::ops::{ActivationOps, FloatTensorOps};
use burn::backend::{Cube, Scalar, TensorMetadata};
use burn::tensor::{Shape, Slice};
use burn_cubecl::tensor::CubeTensor;

use crate::clips_at_once;

/// Queries, keys and values side by side [B, N, 3 * H * d] -> [B, N, H * d].
pub fn output(projected: CubeTensor, heads: usize) -> CubeTensor {
    let [output] = some_at_a_time(thirds(projected), heads, |[query, key, value]| {
        let scale = scale(&query);
        [Cube::float_matmul(probabilities(Cube::float_mul_scalar(query, scale), key), value)]
    });
    output
}

/// What was projected [B, N, 3 * H * d], output and the output's gradient [B, N, H * d] -> the gradient of what was projected;
/// the scores are computed anew.
pub fn gradient([projected, output, gradient]: [CubeTensor; 3], heads: usize) -> CubeTensor {
    let [query, key, value] = thirds(projected);
    let all = [query, key, value, output, gradient];
    let found = some_at_a_time(all, heads, |[query, key, value, output, gradient]| {
        let scale = scale(&query);
        let query = Cube::float_mul_scalar(query, scale);
        let probabilities = probabilities(query.clone(), key.clone());
        let for_value = Cube::float_matmul(transposed(probabilities.clone()), gradient.clone());
        let through = Cube::float_sum_dim(Cube::float_mul(gradient.clone(), output), 3);
        let slopes = Cube::float_sub(Cube::float_matmul(gradient, transposed(value)), through);
        let slopes = Cube::float_mul(slopes, probabilities);
        let for_query = Cube::float_mul_scalar(Cube::float_matmul(slopes.clone(), key), scale);
        [for_query, Cube::float_matmul(transposed(slopes), query), for_value]
    });
    Cube::float_cat(found.into(), 2)
}

/// [B, N, 3 * H * d] -> three times [B, N, H * d].
fn thirds(projected: CubeTensor) -> [CubeTensor; 3] {
    let width = projected.shape()[2] / 3;
    [0, 1, 2].map(|third| {
        let columns = Slice::from(third * width..(third + 1) * width);
        Cube::float_slice(projected.clone(), &[Slice::full(), Slice::full(), columns])
    })
}

/// Heads apart and together again, for as many clips at a time as scores have room for: see [`clips_at_once`].
fn some_at_a_time<const I: usize, const O: usize>(
    inputs: [CubeTensor; I],
    heads: usize,
    compute: impl Fn([CubeTensor; I]) -> [CubeTensor; O],
) -> [CubeTensor; O] {
    let [batch, tokens, _] = inputs[0].shape().dims();
    let clips = clips_at_once(batch, heads * tokens * tokens);
    let of_some = |some: [CubeTensor; I]| compute(some.map(|tensor| split(tensor, heads))).map(join);
    if clips == batch {
        return of_some(inputs);
    }
    let mut found = [const { Vec::new() }; O];
    for first in (0..batch).step_by(clips) {
        let some = Slice::from(first..(first + clips).min(batch));
        let part = of_some(inputs.each_ref().map(|tensor| Cube::float_slice(tensor.clone(), &[some])));
        found.iter_mut().zip(part).for_each(|(found, part)| found.push(part));
    }
    found.map(|parts| Cube::float_cat(parts, 0))
}

/// Queries times 1 / sqrt(d), and keys, [B, H, N, d] each -> [B, H, N, N], each row summing to 1.
fn probabilities(query: CubeTensor, key: CubeTensor) -> CubeTensor {
    Cube::softmax(Cube::float_matmul(query, transposed(key)), 3)
}

/// 1 / sqrt(d) of queries [B, H, N, d].
fn scale(query: &CubeTensor) -> Scalar {
    Scalar::Float(1.0 / (query.shape()[3] as f64).sqrt())
}

fn transposed(tensor: CubeTensor) -> CubeTensor {
    Cube::float_swap_dims(tensor, 2, 3)
}

/// [B, N, D] -> [B, H, N, D / H].
fn split(tensor: CubeTensor, heads: usize) -> CubeTensor {
    let [batch, tokens, width] = tensor.shape().dims();
    Cube::float_swap_dims(Cube::float_reshape(tensor, Shape::new([batch, tokens, heads, width / heads])), 1, 2)
}

/// [B, H, N, d] -> [B, N, H * d].
fn join(tensor: CubeTensor) -> CubeTensor {
    let [batch, heads, tokens, head_width] = tensor.shape().dims();
    Cube::float_reshape(Cube::float_swap_dims(tensor, 1, 2), Shape::new([batch, tokens, heads * head_width]))
}
