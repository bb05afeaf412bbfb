//! VideoMAE with a classification head: `VideoMAEForVideoClassification`.
//!
//! Comes in: `pixel_values` [B, T, C, H, W]. Goes out: logits [B, K].

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};

use super::config::VideoMaeConfig;
use super::dropping::{Dropping, Sizes};
use super::embedding::Embeddings;
use super::encoder::EncoderLayer;
use super::norm::LayerNorm;
use super::weights;

/// fc_norm is a plain `nn.LayerNorm`: its epsilon is PyTorch's default, whatever `layer_norm_eps` says.
const POOLED_NORM_EPSILON: f64 = 1e-5;

/// The backbone, the pooling and the head.
#[derive(Module, Debug)]
pub struct VideoMae {
    pub embeddings: Embeddings,
    pub layers: Vec<EncoderLayer>,
    /// Over all tokens, where the first token stands for the clip (`use_mean_pooling` false).
    pub final_norm: Option<LayerNorm>,
    /// Over the mean of the tokens (`use_mean_pooling` true).
    pub pooled_norm: Option<LayerNorm>,
    /// [D, K].
    pub head: Linear,
}

impl VideoMae {
    /// A model for a checked configuration; weights are drawn from `seed` on the host, so that they are the same on
    /// every device: N(0, initializer_range) for matrices, 0 for biases, 1 and 0 for norms.
    pub fn new(config: &VideoMaeConfig, seed: u64, device: &Device) -> Self {
        weights::randomise(Self::unfilled(config, device), config.initializer_range, seed)
    }

    /// A model whose weights are still to be loaded: none is drawn, and none takes memory yet.
    pub fn unfilled(config: &VideoMaeConfig, device: &Device) -> Self {
        let width = config.hidden_size;
        let norm = |epsilon| LayerNorm::new(width, epsilon, device);
        Self {
            embeddings: Embeddings::new(config, device),
            layers: (0..config.num_hidden_layers).map(|_| EncoderLayer::new(config, device)).collect(),
            final_norm: (!config.use_mean_pooling).then(|| norm(config.layer_norm_eps)),
            pooled_norm: config.use_mean_pooling.then(|| norm(POOLED_NORM_EPSILON)),
            head: Self::head(config, device),
        }
    }

    /// A new head for the configuration's labels, drawn as the Trainer draws it: N(0, initializer_range), bias 0.
    pub fn fresh_head(config: &VideoMaeConfig, seed: u64, device: &Device) -> Linear {
        weights::randomise(Self::head(config, device), config.initializer_range, seed)
    }

    fn head(config: &VideoMaeConfig, device: &Device) -> Linear {
        LinearConfig::new(config.hidden_size, config.id2label.len().max(1)).init(device)
    }

    /// Its layers' products in 16 bits, or in 32 (mixed precision; Micikevicius et al., 2018). The weights stay in 32.
    pub fn in_half(self, half: bool) -> Self {
        let layers = self.layers.into_iter().map(|layer| layer.in_half(half)).collect();
        Self { layers, ..self }
    }

    /// [B, T, C, H, W] -> [B, K].
    pub fn forward(&self, pixel_values: Tensor<5>) -> Tensor<2> {
        self.forward_dropping(pixel_values, None)
    }

    /// As a training step does it, with some of it left out.
    pub fn forward_dropping(&self, pixel_values: Tensor<5>, dropping: Option<&Dropping>) -> Tensor<2> {
        self.classify(self.pooled(pixel_values, dropping), dropping)
    }

    /// What the head sees: [B, T, C, H, W] -> [B, D].
    pub fn features(&self, pixel_values: Tensor<5>) -> Tensor<2> {
        self.pooled(pixel_values, None)
    }

    /// What the head makes of [`Self::features`]: [B, D] -> [B, K].
    pub fn classify(&self, features: Tensor<2>, dropping: Option<&Dropping>) -> Tensor<2> {
        self.head.forward(match dropping {
            Some(dropping) => dropping.before_head(features),
            None => features,
        })
    }

    /// D: how many values the head sees.
    pub fn width(&self) -> usize {
        let [width, _] = self.head.weight.lazy_shape().dims();
        width
    }

    /// What a training step over so many clips may leave some of.
    pub fn sizes(&self, clips: usize) -> Sizes {
        let (depth, tokens) = (self.layers.len(), self.embeddings.tokens());
        Sizes { clips, depth, width: self.width(), tokens, first_stands: self.pooled_norm.is_none() }
    }

    fn pooled(&self, pixel_values: Tensor<5>, dropping: Option<&Dropping>) -> Tensor<2> {
        self.pooled_of(self.embedded(pixel_values, dropping), dropping)
    }

    /// Tokens with their positions, all or some of them: [B, T, C, H, W] -> [B, V, D].
    pub fn embedded(&self, pixel_values: Tensor<5>, dropping: Option<&Dropping>) -> Tensor<3> {
        match dropping.and_then(Dropping::tokens) {
            Some(rows) => self.embeddings.forward_rows(self.embeddings.tubelets(pixel_values), rows),
            None => self.embeddings.forward(pixel_values),
        }
    }

    /// What all layers and the pooling make of [`Self::embedded`]: [B, V, D] -> [B, D].
    pub(super) fn pooled_of(&self, mut tokens: Tensor<3>, dropping: Option<&Dropping>) -> Tensor<2> {
        for (index, layer) in self.layers.iter().enumerate() {
            tokens = layer.forward_kept(tokens, dropping.and_then(|dropping| dropping.layer(index)));
        }
        self.pool(tokens)
    }

    /// What the head sees of what the last layer put out: [B, V, D] -> [B, D].
    pub fn pool(&self, mut tokens: Tensor<3>) -> Tensor<2> {
        if let Some(norm) = &self.final_norm {
            tokens = norm.forward(tokens);
        }
        let [batch, _, width] = tokens.dims();
        match &self.pooled_norm {
            Some(norm) => norm.forward(tokens.mean_dim(1).reshape([batch, width])),
            None => tokens.slice([0..batch, 0..1]).reshape([batch, width]),
        }
    }
}

/// Mean cross-entropy of `logits` [B, K] against the clips' label ids; goes out: [1].
pub fn cross_entropy(logits: Tensor<2>, labels: &[i32]) -> Tensor<1> {
    let [clips, classes] = logits.dims();
    let mut targets = vec![0.0f32; clips * classes];
    for (row, label) in targets.chunks_mut(classes.max(1)).zip(labels) {
        if let Some(target) = usize::try_from(*label).ok().and_then(|label| row.get_mut(label)) {
            *target = 1.0;
        }
    }
    let targets = Tensor::from_data(TensorData::new(targets, [clips, classes]), &logits.device());
    cliptune_kernels::cross_entropy(logits, targets)
}
