//! softmax(Q K^T / sqrt(d)) V and its gradients, in launches that write no scores (FlashAttention, Dao et al. 2022, sections
//! 3.1 and B.4): each score is computed where it is used, in the backward pass once for the queries' gradients and once for
//! the keys' and values'.
//!
//! Burn 0.22's own keeps every score for its backward pass, and its kernel that does not in the forward pass wants autotune.

mod backward;
mod forward;
mod plain;

use burn::backend::TensorMetadata;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

pub use plain::{gradients as plain_gradients, output as plain_output};

/// Four numbers as they are computed with, whatever they are kept as.
type Four = Vector<f32, Const<4>>;
/// Four numbers as they are kept.
type Kept<F> = Vector<F, Const<4>>;

/// What every WebGPU device has of workgroup memory, in bytes.
const SHARED: usize = 16 << 10;
/// Registers set a limit to a head's width.
const WIDEST: usize = 96;

/// Whether the kernels can do heads of this width.
pub fn fits(head_width: usize) -> bool {
    head_width > 0 && head_width.is_multiple_of(4) && head_width <= WIDEST
}

/// [B, N, H * d] three times -> [B, N, H * d], and ln of the sum of e^score of each query, [B, H, N].
pub fn output(inputs: [CubeTensor; 3], heads: usize) -> (CubeTensor, CubeTensor) {
    forward::launch(inputs, heads)
}

/// Query, key, value, output and the output's gradient, [B, N, H * d] each, with the forward pass's logarithms [B, H, N] ->
/// the gradients of the first three.
pub fn gradients(all: [CubeTensor; 5], log_sums: CubeTensor, heads: usize) -> [CubeTensor; 3] {
    backward::launch(all, log_sums, heads)
}

/// How a [B, N, H * d] tensor is cut up.
#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    tokens: usize,
    heads: usize,
    head_width: usize,
}

impl Sizes {
    fn of(query: &CubeTensor, heads: usize) -> Self {
        let [batch, tokens, width] = query.shape().dims();
        Self { batch, tokens, heads, head_width: width / heads }
    }

    /// 1 / sqrt(d).
    fn scale(self) -> f32 {
        (self.head_width as f32).sqrt().recip()
    }

    /// A workgroup for so many tokens of each head of each clip.
    fn workgroups(self, tokens: usize) -> CubeCount {
        CubeCount::Static(self.tokens.div_ceil(tokens) as u32, self.heads as u32, self.batch as u32)
    }
}
