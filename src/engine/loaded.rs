//! A model in memory with all that is needed to feed it.
//!
//! Comes in: a size or a checkpoint. Goes out: a [`LoadedModel`].

use burn::tensor::Device;

use crate::model::classifier::VideoMae;
use crate::model::config::{ConfigError, ModelSize, VideoMaeConfig};
use crate::model::weights::{self, WeightsError};
use crate::storage::checkpoint::{CheckpointError, read_preprocessor};
use crate::storage::{Checkpoint, Normalisation};
use crate::video::clip::{ClipShape, IMAGENET_MEAN, IMAGENET_STD};

/// ImageNet's statistics, which every published VideoMAE was trained with.
pub const IMAGENET: Normalisation = Normalisation { mean: IMAGENET_MEAN, std: IMAGENET_STD };

/// Why a checkpoint cannot be used as a model; each a sentence.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OpenError {
    #[error("The model cannot be opened: {0}.")]
    Config(#[from] ConfigError),
    #[error("The model cannot be opened: {0}.")]
    Weights(#[from] WeightsError),
    #[error("The model cannot be opened: {0}")]
    Preprocessor(#[from] CheckpointError),
    #[error(
        "The model cannot be opened: its weights lack {0} of the tensors that its config.json asks for, such as {1}."
    )]
    Incomplete(usize, String),
    #[error("The model takes {0} colour channels; only models of 3 (red, green, blue) can be used.")]
    Channels(usize),
}

/// A model, its configuration and the clips that it takes.
pub struct LoadedModel {
    pub model: VideoMae,
    pub config: VideoMaeConfig,
    pub normalisation: Normalisation,
    pub shape: ClipShape,
    pub clip_seconds: f64,
}

impl LoadedModel {
    /// A new model with random weights.
    pub fn fresh(size: ModelSize, labels: &[String], clip_seconds: f64, seed: u64, device: &Device) -> Self {
        let config = size.config(labels);
        let model = VideoMae::new(&config, seed, device);
        Self::assemble(model, config, IMAGENET, clip_seconds)
    }

    /// A checkpoint as it is.
    pub fn open(checkpoint: &Checkpoint, device: &Device) -> Result<Self, OpenError> {
        let config = VideoMaeConfig::from_json(&checkpoint.config)?;
        if config.num_channels != 3 {
            return Err(OpenError::Channels(config.num_channels));
        }
        let normalisation = read_preprocessor(&checkpoint.preprocessor)?;
        let (model, report) = weights::load(VideoMae::new(&config, 0, device), &config, &checkpoint.weights)?;
        if !report.is_complete() {
            let mut lacking = report.missing;
            lacking.extend(report.misshapen.into_iter().map(|(name, _, _)| name));
            let example = lacking.first().cloned().unwrap_or_default();
            return Err(OpenError::Incomplete(lacking.len(), example));
        }
        Ok(Self::assemble(model, config, normalisation, checkpoint.summary.clip_seconds))
    }

    /// A checkpoint to train further: with other labels it gets a new head, drawn from `seed`.
    pub fn open_for(
        checkpoint: &Checkpoint,
        labels: &[String],
        clip_seconds: f64,
        seed: u64,
        device: &Device,
    ) -> Result<Self, OpenError> {
        let mut opened = Self::open(checkpoint, device)?;
        opened.clip_seconds = clip_seconds;
        if opened.config.labels() != labels {
            opened.config.set_labels(labels);
            opened.model.head = VideoMae::new(&opened.config, seed, device).head;
        }
        Ok(opened)
    }

    fn assemble(model: VideoMae, config: VideoMaeConfig, normalisation: Normalisation, clip_seconds: f64) -> Self {
        let shape = clip_shape(&config, normalisation);
        Self { model, config, normalisation, shape, clip_seconds }
    }
}

/// The clips that a model of this configuration takes.
pub fn clip_shape(config: &VideoMaeConfig, normalisation: Normalisation) -> ClipShape {
    ClipShape::new(config, normalisation.mean, normalisation.std)
}

/// The clips that a checkpoint takes, without loading its weights.
pub fn clip_shape_of(checkpoint: &Checkpoint) -> Result<ClipShape, OpenError> {
    Ok(clip_shape(&VideoMaeConfig::from_json(&checkpoint.config)?, read_preprocessor(&checkpoint.preprocessor)?))
}
