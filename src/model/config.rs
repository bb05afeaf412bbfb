//! `config.json` as Hugging Face transformers writes it for VideoMAE, and the sizes that the page offers.
//!
//! Comes in: JSON. Goes out: [`VideoMaeConfig`], checked so that every later division and index holds.
//! Never holds a tensor.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A model size that the page offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelSize {
    /// Learns simple motion from random weights in minutes, on a CPU too.
    Micro,
    Tiny,
    /// The paper's ViT-S at 16x224x224.
    Small,
    /// The paper's ViT-B at 16x224x224.
    Base,
}

impl ModelSize {
    pub const ALL: [Self; 4] = [Self::Micro, Self::Tiny, Self::Small, Self::Base];

    /// The size's name, as commands and addresses write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Micro => "micro",
            Self::Tiny => "tiny",
            Self::Small => "small",
            Self::Base => "base",
        }
    }

    /// The size of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|size| size.name() == name)
    }

    /// The size's configuration for these labels, in label-id order.
    pub fn config(self, labels: &[String]) -> VideoMaeConfig {
        let (hidden_size, num_hidden_layers, num_attention_heads, image_size, patch_size, num_frames) = match self {
            Self::Micro => (64, 2, 4, 32, 8, 8),
            Self::Tiny => (192, 4, 3, 64, 16, 8),
            Self::Small => (384, 12, 6, 224, 16, 16),
            Self::Base => (768, 12, 12, 224, 16, 16),
        };
        let mut config = VideoMaeConfig {
            hidden_size,
            num_hidden_layers,
            num_attention_heads,
            image_size: Sides::Square(image_size),
            patch_size: Sides::Square(patch_size),
            num_frames,
            intermediate_size: 4 * hidden_size,
            // The published 0.02 suits widths of hundreds; narrow models hardly move for the first epochs with it.
            initializer_range: if hidden_size < 128 { 0.05 } else { 0.02 },
            ..VideoMaeConfig::default()
        };
        config.set_labels(labels);
        config
    }
}

/// A height and width: one number for both, or `[height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sides {
    Square(usize),
    HeightWidth([usize; 2]),
}

impl Sides {
    /// `[height, width]`.
    pub fn height_width(self) -> [usize; 2] {
        match self {
            Self::Square(side) => [side, side],
            Self::HeightWidth(sides) => sides,
        }
    }
}

/// The activation between the two layers of the feed-forward block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// x * Phi(x), with the error function.
    #[serde(rename = "gelu")]
    Gelu,
    /// The tanh form.
    #[serde(rename = "gelu_new", alias = "gelu_pytorch_tanh", alias = "gelu_fast")]
    GeluTanh,
    #[serde(rename = "relu")]
    Relu,
}

/// `VideoMAEConfig` of transformers: the same names, the same defaults. Fields that it does not know are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VideoMaeConfig {
    pub architectures: Vec<String>,
    pub model_type: String,
    pub image_size: Sides,
    pub patch_size: Sides,
    pub num_channels: usize,
    pub num_frames: usize,
    pub tubelet_size: usize,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub hidden_act: Activation,
    pub hidden_dropout_prob: f64,
    pub attention_probs_dropout_prob: f64,
    pub initializer_range: f64,
    pub layer_norm_eps: f64,
    /// transformers 5.23 writes `qv_bias`.
    #[serde(alias = "qv_bias")]
    pub qkv_bias: bool,
    pub use_mean_pooling: bool,
    /// Absent where there are none: transformers takes an empty table for a classifier without classes.
    #[serde(with = "numbered", skip_serializing_if = "BTreeMap::is_empty")]
    pub id2label: BTreeMap<usize, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub label2id: BTreeMap<String, usize>,
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

impl Default for VideoMaeConfig {
    fn default() -> Self {
        Self {
            architectures: vec!["VideoMAEForVideoClassification".into()],
            model_type: "videomae".into(),
            image_size: Sides::Square(224),
            patch_size: Sides::Square(16),
            num_channels: 3,
            num_frames: 16,
            tubelet_size: 2,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: Activation::Gelu,
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            initializer_range: 0.02,
            layer_norm_eps: 1e-12,
            qkv_bias: true,
            use_mean_pooling: true,
            id2label: BTreeMap::new(),
            label2id: BTreeMap::new(),
            other: BTreeMap::new(),
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConfigError {
    #[error("config.json cannot be read: {0}")]
    Json(String),
    #[error("config.json describes a {0}, not a videomae model")]
    OtherModel(String),
    #[error("config.json does not fit together: {0}")]
    Inconsistent(String),
}

impl VideoMaeConfig {
    /// Reads and checks `config.json`.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let config: Self = serde_json::from_str(text).map_err(|error| ConfigError::Json(error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    /// Every division and index that the model makes holds for a configuration that passes.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.model_type != "videomae" {
            return Err(ConfigError::OtherModel(self.model_type.clone()));
        }
        let wrong = |what: &str| Err(ConfigError::Inconsistent(what.to_string()));
        let [height, width] = self.image_size.height_width();
        let [patch_height, patch_width] = self.patch_size.height_width();
        let sizes = [
            height,
            width,
            patch_height,
            patch_width,
            self.num_channels,
            self.num_frames,
            self.tubelet_size,
            self.hidden_size,
            self.num_hidden_layers,
            self.num_attention_heads,
            self.intermediate_size,
        ];
        if sizes.iter().any(|&size| size == 0 || size > 1 << 16) {
            return wrong("every size must be between 1 and 65536");
        }
        if !height.is_multiple_of(patch_height) || !width.is_multiple_of(patch_width) {
            return wrong("image_size is not a multiple of patch_size");
        }
        if !self.num_frames.is_multiple_of(self.tubelet_size) {
            return wrong("num_frames is not a multiple of tubelet_size");
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return wrong("hidden_size is not a multiple of num_attention_heads");
        }
        if self.num_hidden_layers > 512 {
            return wrong("more than 512 layers");
        }
        let tokens = self.grid().iter().try_fold(1usize, |product, &side| product.checked_mul(side));
        if tokens.is_none_or(|tokens| tokens > 1 << 16) {
            return wrong("a clip has more than 65536 tokens");
        }
        let clip = [self.num_frames, self.num_channels, height, width];
        let values = clip.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        if values.is_none_or(|values| values > 1 << 28) {
            return wrong("a clip has more than 268435456 values");
        }
        let ids = self.id2label.keys().copied();
        if !ids.eq(0..self.id2label.len()) {
            return wrong("id2label does not number its labels from 0");
        }
        Ok(())
    }

    /// Labels in id order.
    pub fn labels(&self) -> Vec<String> {
        self.id2label.values().cloned().collect()
    }

    /// Replaces the labels.
    pub fn set_labels(&mut self, labels: &[String]) {
        self.id2label = labels.iter().cloned().enumerate().collect();
        self.label2id = labels.iter().cloned().enumerate().map(|(id, label)| (label, id)).collect();
    }

    /// Tubelets in time, rows and columns: `[T / t, H / h, W / w]`.
    pub fn grid(&self) -> [usize; 3] {
        let [height, width] = self.image_size.height_width();
        let [patch_height, patch_width] = self.patch_size.height_width();
        [self.num_frames / self.tubelet_size, height / patch_height, width / patch_width]
    }

    /// Tokens a clip.
    pub fn tokens(&self) -> usize {
        self.grid().iter().product()
    }

    /// Values in a tubelet: C * t * h * w.
    pub fn tubelet_values(&self) -> usize {
        let [patch_height, patch_width] = self.patch_size.height_width();
        self.num_channels * self.tubelet_size * patch_height * patch_width
    }
}

/// `{"0": "archery", …}`: numbers as text, which a flattened struct would not read as numbers by itself.
mod numbered {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::collections::BTreeMap;

    pub fn serialize<S: Serializer>(labels: &BTreeMap<usize, String>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(labels.iter().map(|(id, label)| (id.to_string(), label)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<usize, String>, D::Error> {
        BTreeMap::<String, String>::deserialize(deserializer)?
            .into_iter()
            .map(|(id, label)| match id.parse() {
                Ok(id) => Ok((id, label)),
                Err(_) => Err(D::Error::custom(format!("id2label has the key {id:?}, which is not a number"))),
            })
            .collect()
    }
}
