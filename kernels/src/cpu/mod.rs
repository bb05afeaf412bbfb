//! The operations on the CPU: tensors of Burn's as slices, and back.
//!
//! Loops are written so that the compiler turns them into SIMD, in wasm too.

mod attention;
mod cross_entropy;
mod exponential;
mod gelu;
mod norm;
mod product;
mod sum;
mod update;

use std::sync::Arc;

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{DType, FloatDType, Shape, Slice, TensorData};

use super::{Forward, Kernels, Normed};
use crate::update::{OwnRates, Rates};

impl Kernels for Flex {
    /// [B * H * N]: ln of the sum of e^score of each query.
    type Kept = Arc<Vec<f32>>;
    type Statistics = Arc<Vec<[f32; 2]>>;

    fn side_by_side(weights: [FloatTensor<Self>; 3], kept_as: DType) -> FloatTensor<Self> {
        as_kept(Self::float_cat(weights.into(), 1), kept_as)
    }

    fn apart(joined: FloatTensor<Self>) -> [FloatTensor<Self>; 3] {
        let width = joined.shape()[1] / 3;
        [0, 1, 2].map(|third| {
            let columns = Slice::from(third * width..(third + 1) * width);
            in_full(Self::float_slice(joined.clone(), &[Slice::full(), columns]))
        })
    }

    fn add_biases(projected: FloatTensor<Self>, [query, value]: [FloatTensor<Self>; 2]) -> FloatTensor<Self> {
        let width = query.shape().num_elements();
        let bias = [numbers(&in_full(query)), &vec![0.0; width], numbers(&in_full(value))].concat();
        let bias = Self::float_from_data(TensorData::new(bias, [1, 1, 3 * width]), &projected.device());
        let kept_as = projected.dtype();
        Self::float_add(projected, as_kept(bias, kept_as))
    }

    fn attention_forward(projected: FloatTensor<Self>, heads: usize) -> (FloatTensor<Self>, Self::Kept) {
        let (sizes, kept_as) = (sizes(&projected, heads), projected.dtype());
        let projected = in_full(projected);
        let mut output = vec![0.0; sizes.batch * sizes.tokens * heads * sizes.head_width];
        let mut log_sums = vec![0.0; sizes.batch * heads * sizes.tokens];
        attention::forward(sizes, numbers(&projected), &mut output, &mut log_sums);
        let shape = Shape::new([sizes.batch, sizes.tokens, heads * sizes.head_width]);
        let output = Self::float_from_data(TensorData::new(output, shape), &projected.device());
        (as_kept(output, kept_as), log_sums.into())
    }

    fn attention_gradient(forward: Forward<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        let (sizes, kept_as) = (sizes(&forward.projected, forward.heads), gradient.dtype());
        let [projected, output, gradient] = [forward.projected, forward.output, gradient].map(in_full);
        let kept =
            attention::Kept { projected: numbers(&projected), output: numbers(&output), log_sums: &forward.kept };
        let found = attention::backward(sizes, &kept, numbers(&gradient));
        as_kept(like(&projected, found), kept_as)
    }

    fn gelu_forward(input: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        let kept_as = input.dtype();
        let [input, bias] = [input, bias].map(in_full);
        let mut values = numbers(&input).to_vec();
        gelu::forward(&mut values, numbers(&bias));
        as_kept(like(&input, values), kept_as)
    }

    fn gelu_gradient([input, bias]: [FloatTensor<Self>; 2], gradient: FloatTensor<Self>) -> [FloatTensor<Self>; 2] {
        let kept_as = input.dtype();
        let [input, bias, gradient] = [input, bias, gradient].map(in_full);
        let mut gradients = numbers(&gradient).to_vec();
        let mut for_bias = vec![0.0; numbers(&bias).len()];
        gelu::backward(numbers(&input), numbers(&bias), &mut gradients, &mut for_bias);
        [as_kept(like(&input, gradients), kept_as), like(&bias, for_bias)]
    }

    fn layer_norm_forward(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> (FloatTensor<Self>, Self::Statistics) {
        let [input, gamma, beta] = &[input, gamma, beta].map(|tensor| tensor.to_contiguous());
        let [input_numbers, gamma, beta] = [input, gamma, beta].map(numbers);
        let mut output = vec![0.0; input_numbers.len()];
        let mut statistics = vec![[0.0; 2]; input_numbers.len() / gamma.len().max(1)];
        norm::forward(input_numbers, gamma, beta, epsilon, &mut output, &mut statistics);
        (like(input, output), statistics.into())
    }

    fn layer_norm_gradient(normed: Normed<Self>, gradient: FloatTensor<Self>) -> [FloatTensor<Self>; 3] {
        let [input, gamma] = &[normed.input, normed.gamma].map(|tensor| tensor.to_contiguous());
        let mut gradients = numbers(&gradient.to_contiguous()).to_vec();
        let width = numbers(gamma).len();
        let [mut for_gamma, mut for_beta] = [0, 1].map(|_| vec![0.0; width]);
        let of_rows = [&mut for_gamma[..], &mut for_beta[..]];
        norm::backward(numbers(input), numbers(gamma), &normed.statistics, &mut gradients, of_rows);
        [like(input, gradients), like(gamma, for_gamma), like(gamma, for_beta)]
    }

    fn biased_sum(product: FloatTensor<Self>, bias: FloatTensor<Self>, before: FloatTensor<Self>) -> FloatTensor<Self> {
        let [product, bias, mut sum] = [product, bias, before].map(in_full);
        let (start, count) = (sum.layout().start_offset(), sum.layout().num_elements());
        sum::biased(&mut sum.storage_mut::<f32>()[start..start + count], numbers(&product), numbers(&bias));
        sum
    }

    fn cross_entropy(logits: FloatTensor<Self>, targets: FloatTensor<Self>) -> [FloatTensor<Self>; 2] {
        let [logits, targets] = [logits, targets].map(in_full);
        let [_, classes] = logits.shape().dims();
        let mut slopes = vec![0.0; numbers(&logits).len()];
        let loss = cross_entropy::with_slopes(numbers(&logits), numbers(&targets), classes, &mut slopes);
        [Self::float_from_data(TensorData::new(vec![loss], [1]), &logits.device()), like(&logits, slopes)]
    }
}

/// [`crate::update`] of one parameter on the CPU: value and moments, changed in place where nobody else reads them.
pub fn update(
    (value, moments): (FloatTensor<Flex>, FloatTensor<Flex>),
    (gradient, own): (FloatTensor<Flex>, OwnRates),
    scale: &FloatTensor<Flex>,
    rates: Rates,
) -> (FloatTensor<Flex>, FloatTensor<Flex>) {
    let [mut value, mut moments] =
        [value, moments].map(|tensor| if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() });
    let scale = numbers(&scale.to_contiguous()).first().copied().unwrap_or(1.0);
    if scale == 0.0 {
        return (value, moments);
    }
    let [value_numbers, moment_numbers] = [&mut value, &mut moments].map(|tensor| {
        let (start, count) = (tensor.layout().start_offset(), tensor.layout().num_elements());
        &mut tensor.storage_mut::<f32>()[start..start + count]
    });
    update::update(value_numbers, moment_numbers, (numbers(&gradient.to_contiguous()), own), scale, rates);
    (value, moments)
}

/// [`crate::squares`] on the CPU: a tensor's sum is in one part, at `from`.
pub fn squares(parts: FloatTensor<Flex>, values: FloatTensor<Flex>, from: usize) -> FloatTensor<Flex> {
    let mut parts = if parts.is_contiguous() { parts } else { parts.to_contiguous() };
    let sum = sum::squares(numbers(&values.to_contiguous()));
    let start = parts.layout().start_offset();
    parts.storage_mut::<f32>()[start + from] = sum as f32;
    parts
}

/// Of queries, keys and values [B, N, 3 E].
fn sizes(projected: &FloatTensor<Flex>, heads: usize) -> attention::Sizes {
    let [batch, tokens, width] = projected.shape().dims();
    attention::Sizes { batch, tokens, heads, head_width: width / 3 / heads }
}

/// Contiguous, in f32, which is what is computed with.
fn in_full(tensor: FloatTensor<Flex>) -> FloatTensor<Flex> {
    Flex::float_cast(tensor, FloatDType::F32).to_contiguous()
}

/// As the inputs were kept, in f16 perhaps.
fn as_kept(tensor: FloatTensor<Flex>, kept_as: DType) -> FloatTensor<Flex> {
    Flex::float_cast(tensor, kept_as.into())
}

/// A contiguous tensor's numbers, in f32.
fn numbers(tensor: &FloatTensor<Flex>) -> &[f32] {
    let start = tensor.layout().start_offset();
    &tensor.storage::<f32>()[start..start + tensor.layout().num_elements()]
}

fn like(tensor: &FloatTensor<Flex>, numbers: Vec<f32>) -> FloatTensor<Flex> {
    Flex::float_from_data(TensorData::new(numbers, tensor.shape()), &tensor.device())
}
