//! The decoder's part of `config.json`: what `VideoMAEForPreTraining` has besides the encoder.
//!
//! Comes in: a [`VideoMaeConfig`], whose unknown fields hold it. Goes out: [`DecoderConfig`], checked. Never holds a
//! tensor.

use serde::{Deserialize, Serialize};

use crate::model::config::{ConfigError, ModelSize, VideoMaeConfig};

/// The decoder's fields of transformers' `VideoMAEConfig`: the same defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DecoderConfig {
    #[serde(rename = "decoder_hidden_size")]
    pub hidden_size: usize,
    #[serde(rename = "decoder_num_hidden_layers")]
    pub num_hidden_layers: usize,
    #[serde(rename = "decoder_num_attention_heads")]
    pub num_attention_heads: usize,
    #[serde(rename = "decoder_intermediate_size")]
    pub intermediate_size: usize,
    /// Reconstruct each patch less its mean and divided by its standard deviation; else its plain pixels.
    pub norm_pix_loss: bool,
}

impl Default for DecoderConfig {
    fn default() -> Self {
        Self {
            hidden_size: 384,
            num_hidden_layers: 4,
            num_attention_heads: 6,
            intermediate_size: 1536,
            norm_pix_loss: true,
        }
    }
}

impl DecoderConfig {
    /// The decoder that a configuration describes.
    pub fn read(config: &VideoMaeConfig) -> Result<Self, ConfigError> {
        let fields = config.other.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let decoder: Self = serde_json::from_value(serde_json::Value::Object(fields))
            .map_err(|error| ConfigError::Json(error.to_string()))?;
        if config.num_channels != 3 {
            return Err(ConfigError::Inconsistent("pre-training needs 3 colour channels".into()));
        }
        decoder.layers(config).check()?;
        Ok(decoder)
    }

    /// A decoder as the paper builds it: half as wide as the encoder and of 4 layers (VideoMAE, appendix, table of
    /// ViT-B's design), less deep below small encoders.
    pub fn beside(config: &VideoMaeConfig) -> Self {
        let hidden_size = (config.hidden_size / 2).max(1);
        let heads = config.num_attention_heads;
        let fitting = [heads / 2, heads, 1].into_iter().find(|&heads| heads > 0 && hidden_size.is_multiple_of(heads));
        Self {
            hidden_size,
            num_hidden_layers: (config.num_hidden_layers / 3).clamp(2, 4),
            num_attention_heads: fitting.unwrap_or(1),
            intermediate_size: 4 * hidden_size,
            norm_pix_loss: true,
        }
    }

    /// The encoder's configuration with the sizes of the decoder's layers, as transformers makes it for them.
    pub fn layers(&self, config: &VideoMaeConfig) -> VideoMaeConfig {
        VideoMaeConfig {
            hidden_size: self.hidden_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            intermediate_size: self.intermediate_size,
            ..config.clone()
        }
    }

    /// What `config.json` says of an encoder that is pre-trained with this decoder. No labels, and the final norm over
    /// all tokens, as the published pre-trained models have it: a classifier that starts from it finds its norm there.
    pub fn pretraining(&self, encoder: &VideoMaeConfig) -> VideoMaeConfig {
        let mut config = VideoMaeConfig {
            architectures: vec!["VideoMAEForPreTraining".into()],
            use_mean_pooling: false,
            ..encoder.clone()
        };
        config.set_labels(&[]);
        let fields = serde_json::to_value(self).ok();
        if let Some(serde_json::Value::Object(fields)) = fields {
            config.other.extend(fields);
        }
        config
    }
}

/// The configuration with which a model of `size` is pre-trained, and its decoder.
pub fn for_size(size: ModelSize) -> (VideoMaeConfig, DecoderConfig) {
    let encoder = size.config(&[]);
    let decoder = DecoderConfig::beside(&encoder);
    (decoder.pretraining(&encoder), decoder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_comes_back_from_the_configuration_that_it_was_written_into() {
        for size in ModelSize::ALL {
            let (config, decoder) = for_size(size);
            let text = serde_json::to_string(&config).unwrap();
            assert!(!text.contains("id2label"), "{text}");
            let read = VideoMaeConfig::from_json(&text).unwrap();
            assert_eq!((DecoderConfig::read(&read).unwrap(), read), (decoder, config));
        }
        assert_eq!(
            for_size(ModelSize::Base).1,
            DecoderConfig::default(),
            "the paper's, which are transformers' defaults"
        );
    }

    #[test]
    fn decoders_that_no_layer_could_be_built_from_are_refused() {
        for (field, value) in [
            ("decoder_hidden_size", serde_json::json!(0)),
            ("decoder_num_attention_heads", serde_json::json!(5)),
            ("decoder_num_hidden_layers", serde_json::json!(100_000)),
            ("decoder_intermediate_size", serde_json::json!("wide")),
            ("norm_pix_loss", serde_json::json!(3)),
        ] {
            let mut config = for_size(ModelSize::Micro).0;
            config.other.insert(field.into(), value);
            assert!(DecoderConfig::read(&config).is_err(), "{field}");
        }
        let (config, _) = for_size(ModelSize::Micro);
        assert!(DecoderConfig::read(&VideoMaeConfig { num_channels: 1, ..config }).is_err());
    }
}
