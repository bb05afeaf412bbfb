//! VideoMAE's self-supervised pre-training: `VideoMAEForPreTraining`, as Hugging Face transformers 4.57 computes it.
//!
//! Comes in: `pixel_values` [B, T, 3, H, W] and which tokens are hidden. Goes out: the hidden patches' reconstruction
//! [B, K, t * h * w * 3], and its loss. The encoder computes with the visible tokens alone. Never draws a mask.

pub mod config;

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};

use self::config::DecoderConfig;
use super::config::VideoMaeConfig;
use super::embedding::{Embeddings, position_table};
use super::encoder::EncoderLayer;
use super::masking::{Masks, Rows};
use super::norm::LayerNorm;
use super::weights;

/// `decoder.norm` is a plain `nn.LayerNorm`: its epsilon is PyTorch's default, whatever `layer_norm_eps` says.
const DECODER_NORM_EPSILON: f64 = 1e-5;
/// Added to a patch's standard deviation (modeling_videomae.py, `VideoMAEForPreTraining.forward`).
pub const DEVIATION_EPSILON: f64 = 1e-6;

/// The encoder under the names of [`VideoMae`](super::classifier::VideoMae)'s fields, and what reconstructs.
#[derive(Module, Debug)]
pub struct PretrainingModel {
    pub embeddings: Embeddings,
    pub layers: Vec<EncoderLayer>,
    /// Over the visible tokens (`use_mean_pooling` false).
    pub final_norm: Option<LayerNorm>,
    /// [D, decoder's D].
    pub encoder_to_decoder: Linear,
    /// Stands for every hidden token; [decoder's D], which Hugging Face keeps as [1, 1, D].
    pub mask_token: Param<Tensor<1>>,
    pub decoder: Decoder,
    /// [1, N, decoder's D]; fixed.
    positions: Tensor<3>,
    #[module(skip)]
    norm_pix_loss: bool,
}

/// `VideoMAEDecoder`.
#[derive(Module, Debug)]
pub struct Decoder {
    pub layers: Vec<EncoderLayer>,
    pub norm: LayerNorm,
    /// [decoder's D, t * h * w * 3].
    pub head: Linear,
}

impl PretrainingModel {
    /// A model for a checked configuration; weights are drawn from `seed` on the host, so that they are the same on
    /// every device: N(0, initializer_range) for matrices, 0 for biases and the mask token, 1 and 0 for norms.
    pub fn new(config: &VideoMaeConfig, decoder: &DecoderConfig, seed: u64, device: &Device) -> Self {
        weights::randomise(Self::unfilled(config, decoder, device), config.initializer_range, seed)
    }

    /// A model whose weights are still to be loaded: none is drawn, and none takes memory yet.
    pub fn unfilled(config: &VideoMaeConfig, decoder: &DecoderConfig, device: &Device) -> Self {
        let (width, inner) = (config.hidden_size, decoder.hidden_size);
        let norm = |width, epsilon| LayerNorm::new(width, epsilon, device);
        let layers = decoder.layers(config);
        let table = TensorData::new(position_table(config.tokens(), inner), [1, config.tokens(), inner]);
        Self {
            embeddings: Embeddings::new(config, device),
            layers: (0..config.num_hidden_layers).map(|_| EncoderLayer::new(config, device)).collect(),
            final_norm: (!config.use_mean_pooling).then(|| norm(width, config.layer_norm_eps)),
            encoder_to_decoder: LinearConfig::new(width, inner).with_bias(false).init(device),
            mask_token: Initializer::Zeros.init([inner], device),
            decoder: Decoder {
                layers: (0..decoder.num_hidden_layers).map(|_| EncoderLayer::new(&layers, device)).collect(),
                norm: norm(inner, DECODER_NORM_EPSILON),
                head: LinearConfig::new(inner, config.tubelet_values()).init(device),
            },
            positions: Tensor::from_data(table, device),
            norm_pix_loss: decoder.norm_pix_loss,
        }
    }

    /// Whether it reconstructs each patch less its mean and divided by its standard deviation.
    pub fn norm_pix_loss(&self) -> bool {
        self.norm_pix_loss
    }

    /// The hidden patches as the model fills them in: [B, T, 3, H, W] -> [B, K, t * h * w * 3], in the form of
    /// [`Self::targets`].
    pub fn forward(&self, pixel_values: Tensor<5>, masks: &Masks) -> Tensor<3> {
        let device = pixel_values.device();
        self.reconstruct(self.embeddings.tubelets(pixel_values), &masks.visible(&device), &masks.hidden(&device))
    }

    /// What is to be reconstructed: [B, T, 3, H, W], normalised by `mean` and `std`, -> [B, K, t * h * w * 3], colours
    /// fastest. The frames from 0 to 1; with `norm_pix_loss` each patch, colour by colour, less its mean and divided by
    /// its standard deviation (unbiased) + 1e-6 (modeling_videomae.py, `VideoMAEForPreTraining.forward`, which always
    /// takes ImageNet's `mean` and `std`).
    pub fn targets(&self, pixel_values: Tensor<5>, masks: &Masks, mean: [f32; 3], std: [f32; 3]) -> Tensor<3> {
        let hidden = masks.hidden(&pixel_values.device());
        self.patches(hidden.of(self.embeddings.tubelets(pixel_values)), mean, std)
    }

    /// Mean squared error of the hidden patches' reconstruction; goes out: [1].
    pub fn loss(&self, pixel_values: Tensor<5>, masks: &Masks, mean: [f32; 3], std: [f32; 3]) -> Tensor<1> {
        let device = pixel_values.device();
        let tubelets = self.embeddings.tubelets(pixel_values);
        let hidden = masks.hidden(&device);
        let targets = self.patches(hidden.of(tubelets.clone()), mean, std);
        let difference = self.reconstruct(tubelets, &masks.visible(&device), &hidden) - targets;
        (difference.clone() * difference).mean()
    }

    /// Tubelets [B, N, 3 * t * h * w] -> [B, K, t * h * w * 3].
    fn reconstruct(&self, tubelets: Tensor<3>, visible: &Rows, hidden: &Rows) -> Tensor<3> {
        let mut tokens = self.embeddings.forward_rows(tubelets, visible);
        for layer in &self.layers {
            tokens = layer.forward(tokens);
        }
        if let Some(norm) = &self.final_norm {
            tokens = norm.forward(tokens);
        }
        let seen = self.encoder_to_decoder.forward(tokens) + visible.of_each(self.positions.clone());
        let masked = self.mask_token.val().unsqueeze::<3>() + hidden.of_each(self.positions.clone());
        let [_, count, _] = masked.dims();
        let mut tokens = Tensor::cat(vec![seen, masked], 1);
        for layer in &self.decoder.layers {
            tokens = layer.forward(tokens);
        }
        let [_, all, _] = tokens.dims();
        self.decoder.head.forward(self.decoder.norm.forward(tokens.narrow(1, all - count, count)))
    }

    /// Normalised tubelets [B, K, 3 * t * h * w] -> targets [B, K, t * h * w * 3].
    fn patches(&self, tubelets: Tensor<3>, mean: [f32; 3], std: [f32; 3]) -> Tensor<3> {
        let [clips, count, values] = tubelets.dims();
        let device = tubelets.device();
        let colours = |values: [f32; 3]| Tensor::<1>::from_floats(values, &device).reshape([1, 1, 1, 3]);
        let mut pixels = tubelets.reshape([clips, count, 3, values / 3]).swap_dims(2, 3) * colours(std) + colours(mean);
        if self.norm_pix_loss {
            // Less its first pixel, so that a patch of one colour comes out as 0, not as the sum's rounding over 1e-6.
            pixels = pixels.clone() - pixels.narrow(2, 0, 1);
            let (variance, mean) = pixels.clone().var_mean(2);
            pixels = (pixels - mean) / variance.sqrt().add_scalar(DEVIATION_EPSILON);
        }
        pixels.reshape([clips, count, values])
    }
}
