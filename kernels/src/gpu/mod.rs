//! The operations on the GPU: kernels in CubeCL's language, which becomes WGSL in a browser and SPIR-V natively.

mod attention;
mod cross_entropy;
mod gelu;
mod norm;
mod projections;
mod squares;
mod sum;
mod total;
mod update;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, TensorMetadata};
use burn::tensor::DType;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::{ElemType, FloatKind};
use cubecl::prelude::Client;

use super::{Forward, Kernels, Normed};
pub use attention::fits;
pub use squares::squares;
pub use update::update;

impl Kernels for Cube {
    /// The logarithms of the sums of e^score, [B, H, N], where the fused kernel did it.
    type Kept = Option<FloatTensor<Self>>;
    /// [R, 2].
    type Statistics = FloatTensor<Self>;

    fn side_by_side(weights: [FloatTensor<Self>; 3], kept_as: DType) -> FloatTensor<Self> {
        projections::side_by_side(weights, kept_as)
    }

    fn apart(joined: FloatTensor<Self>) -> [FloatTensor<Self>; 3] {
        projections::apart(joined)
    }

    fn add_biases(projected: FloatTensor<Self>, biases: [FloatTensor<Self>; 2]) -> FloatTensor<Self> {
        projections::add_biases(projected, biases)
    }

    fn attention_forward(projected: FloatTensor<Self>, heads: usize) -> (FloatTensor<Self>, Self::Kept) {
        if attention::fits(projected.shape()[2] / 3 / heads) {
            let (output, log_sums) = attention::output(projected, heads);
            return (output, Some(log_sums));
        }
        (attention::plain_output(projected, heads), None)
    }

    fn attention_gradient(forward: Forward<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        let Forward { projected, output, kept, heads } = forward;
        let all = [projected, output, gradient];
        match kept {
            Some(log_sums) => attention::gradient(all, log_sums, heads),
            None => attention::plain_gradient(all, heads),
        }
    }

    fn gelu_forward(input: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        gelu::forward(input, bias)
    }

    fn gelu_gradient([input, bias]: [FloatTensor<Self>; 2], gradient: FloatTensor<Self>) -> [FloatTensor<Self>; 2] {
        gelu::backward(input, bias, gradient)
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

    fn biased_sum(product: FloatTensor<Self>, bias: FloatTensor<Self>, before: FloatTensor<Self>) -> FloatTensor<Self> {
        sum::biased(product, bias, before)
    }

    fn cross_entropy(logits: FloatTensor<Self>, targets: FloatTensor<Self>) -> [FloatTensor<Self>; 2] {
        cross_entropy::with_slopes(logits, targets)
    }
}

/// What a tensor's numbers are kept as; they are computed with as f32.
fn element(tensor: &CubeTensor) -> ElemType {
    ElemType::Float(if tensor.dtype == DType::F16 { FloatKind::F16 } else { FloatKind::F32 })
}

/// How many tensors a kernel may bind besides its own numbers, no more than are worth it.
fn tensors_at_once(client: &Client) -> usize {
    // Of WebGPU's 8 one is for the numbers.
    let every_device_can = 7;
    (client.properties().hardware.max_bindings as usize).clamp(every_device_can, 25)
}

/// A tensor that nobody else reads.
fn owned(tensor: CubeTensor) -> CubeTensor {
    let tensor = into_contiguous(tensor);
    if tensor.can_mut() { tensor } else { tensor.copy() }
}
