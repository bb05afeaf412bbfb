//! LayerNorm with a bias, in one operation.
//!
//! Comes in and goes out: [.., D].

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

/// `nn.LayerNorm`: Burn's own takes a launch for each of its terms, and many more for its gradient.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// [D].
    pub gamma: Param<Tensor<1>>,
    /// [D].
    pub beta: Param<Tensor<1>>,
    epsilon: f64,
}

impl LayerNorm {
    pub fn new(width: usize, epsilon: f64, device: &Device) -> Self {
        Self { gamma: Initializer::Ones.init([width], device), beta: Initializer::Zeros.init([width], device), epsilon }
    }

    /// [.., D] -> [.., D].
    pub fn forward<const N: usize>(&self, input: Tensor<N>) -> Tensor<N> {
        cliptune_kernels::layer_norm(input, self.gamma.val(), self.beta.val(), self.epsilon)
    }
}
