//! Multi-head self-attention over all tokens of a clip.
//!
//! Comes in: tokens [B, N, D], and what they were before their norm. Goes out: the latter with what attention adds to them. No
//! mask: every token sees every other.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation::softmax};
use cliptune_kernels as kernels;

use super::config::VideoMaeConfig;
use super::projection::{project, project_onto};

/// `VideoMAESelfAttention` and its output projection. The key has no bias: it cannot change a softmax.
#[derive(Module, Debug)]
pub struct Attention {
    pub query: Linear,
    pub key: Linear,
    pub value: Linear,
    pub output: Linear,
    probability_dropout: Dropout,
    output_dropout: Dropout,
    heads: usize,
}

impl Attention {
    pub fn new(config: &VideoMaeConfig, device: &Device) -> Self {
        let width = config.hidden_size;
        let project = |bias| LinearConfig::new(width, width).with_bias(bias).init(device);
        Self {
            query: project(config.qkv_bias),
            key: project(false),
            value: project(config.qkv_bias),
            output: project(true),
            probability_dropout: DropoutConfig::new(config.attention_probs_dropout_prob).init(),
            output_dropout: DropoutConfig::new(config.hidden_dropout_prob).init(),
            heads: config.num_attention_heads,
        }
    }

    /// softmax(Q K^T / sqrt(D / heads)) V, scaled after the product as transformers does, projected and times what is `kept`
    /// of it, added to what the tokens were `before`: [B, N, D], [B, N, D], [B, 1, 1] -> [B, N, D].
    pub fn forward(&self, tokens: Tensor<3>, before: Tensor<3>, kept: Option<&Tensor<3>>) -> Tensor<3> {
        let context = match self.probability_dropout.prob > 0.0 {
            true => self.dropped(tokens),
            false => {
                let weights = [&self.query, &self.key, &self.value].map(|layer| layer.weight.val());
                let projected = kernels::projections(tokens, weights);
                let projected = match (&self.query.bias, &self.value.bias) {
                    (Some(query), Some(value)) => kernels::query_value_biased(projected, [query.val(), value.val()]),
                    _ => projected,
                };
                kernels::attention(projected, self.heads)
            }
        };
        project_onto(before, &self.output, context, &self.output_dropout, kept)
    }

    /// Before the output projection, with some of the probabilities dropped, which no single operation does.
    fn dropped(&self, tokens: Tensor<3>) -> Tensor<3> {
        let probabilities = self.probability_dropout.forward(self.probabilities(tokens.clone()));
        let value = self.split(project(&self.value, tokens.clone()));
        probabilities.matmul(value).swap_dims(1, 2).reshape(tokens.dims())
    }

    /// How much each token looks at each other: [B, N, D] -> [B, heads, N, N], each row summing to 1.
    pub fn probabilities(&self, tokens: Tensor<3>) -> Tensor<4> {
        let head_width = tokens.dims()[2] / self.heads;
        let query = self.split(project(&self.query, tokens.clone()));
        let key = self.split(project(&self.key, tokens));
        softmax(query.matmul(key.transpose()) / (head_width as f32).sqrt(), 3)
    }

    /// [B, N, D] -> [B, heads, N, D / heads].
    fn split(&self, projected: Tensor<3>) -> Tensor<4> {
        let [batch, count, width] = projected.dims();
        projected.reshape([batch, count, self.heads, width / self.heads]).swap_dims(1, 2)
    }
}
