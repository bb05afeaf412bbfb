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

pub use plain::{gradient as plain_gradient, output as plain_output};

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

/// Queries, keys and values side by side [B, N, 3 * H * d] -> [B, N, H * d], and ln of the sum of e^score of each query,
/// [B, H, N].
pub fn output(projected: CubeTensor, heads: usize) -> (CubeTensor, CubeTensor) {
    forward::launch(projected, heads)
}

/// What was projected [B, N, 3 * H * d], output and the output's gradient [B, N, H * d], and the forward pass's logarithms
/// [B, H, N] -> the gradient of what was projected.
pub fn gradient(all: [CubeTensor; 3], log_sums: CubeTensor, heads: usize) -> CubeTensor {
    backward::launch(all, log_sums, heads)
}

/// How a [B, N, 3 * H * d] tensor is cut up.
#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    tokens: usize,
    heads: usize,
    head_width: usize,
}

impl Sizes {
    fn of(projected: &CubeTensor, heads: usize) -> Self {
        let [batch, tokens, width] = projected.shape().dims();
        Self { batch, tokens, heads, head_width: width / 3 / heads }
    }

    fn width(self) -> usize {
        self.heads * self.head_width
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
