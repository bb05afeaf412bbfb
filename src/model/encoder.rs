//! One pre-norm Transformer layer: attention, then a feed-forward block, each added to what came in.
//!
//! Comes in and goes out: tokens [B, N, D].

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{Device, FloatDType, Tensor, activation};
use cliptune_kernels as kernels;

use super::attention::Attention;
use super::config::{Activation, VideoMaeConfig};
use super::norm::LayerNorm;
use super::projection::{project, project_onto, project_unbiased};

/// `VideoMAELayer`.
#[derive(Module, Debug)]
pub struct EncoderLayer {
    pub norm_before: LayerNorm,
    pub attention: Attention,
    pub norm_after: LayerNorm,
    /// [D, intermediate].
    pub intermediate: Linear,
    /// [intermediate, D].
    pub output: Linear,
    dropout: Dropout,
    #[module(skip)]
    activation: Activation,
    /// What attention and the feed-forward block compute with; norms and what is added up stay in 32 bits.
    #[module(skip)]
    precision: FloatDType,
}

impl EncoderLayer {
    pub fn new(config: &VideoMaeConfig, device: &Device) -> Self {
        let norm = || LayerNorm::new(config.hidden_size, config.layer_norm_eps, device);
        Self {
            norm_before: norm(),
            attention: Attention::new(config, device),
            norm_after: norm(),
            intermediate: LinearConfig::new(config.hidden_size, config.intermediate_size).init(device),
            output: LinearConfig::new(config.intermediate_size, config.hidden_size).init(device),
            dropout: DropoutConfig::new(config.hidden_dropout_prob).init(),
            activation: config.hidden_act,
            precision: FloatDType::F32,
        }
    }

    /// Computes with 16 bits, or with 32; its weights stay as they are.
    pub fn in_half(self, half: bool) -> Self {
        Self { precision: if half { FloatDType::F16 } else { FloatDType::F32 }, ..self }
    }

    /// [B, N, D] -> [B, N, D].
    pub fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        self.forward_kept(tokens, None)
    }

    /// As a training step does it: attention and the feed-forward block each times what is `kept` of them, [B, 1, 1].
    pub fn forward_kept(&self, tokens: Tensor<3>, kept: Option<&[Tensor<3>; 2]>) -> Tensor<3> {
        let before = self.norm_before.forward(tokens.clone()).cast(self.precision);
        let attended = self.attention.forward(before, tokens, kept.map(|[kept, _]| kept));
        let after = self.norm_after.forward(attended.clone()).cast(self.precision);
        let activated = match (self.activation, &self.intermediate.bias) {
            (Activation::Gelu, Some(bias)) => {
                kernels::biased_gelu(project_unbiased(&self.intermediate, after), bias.val())
            }
            (Activation::Gelu, None) => activation::gelu(project(&self.intermediate, after)),
            (Activation::GeluTanh, _) => activation::gelu_approximate(project(&self.intermediate, after)),
            (Activation::Relu, _) => activation::relu(project(&self.intermediate, after)),
        };
        project_onto(attended, &self.output, activated, &self.dropout, kept.map(|[_, kept]| kept))
    }
}
