//! A model in memory with all that is needed to feed it.
//!
//! Comes in: a size or a checkpoint. Goes out: a [`LoadedModel`].

use burn::tensor::Device;

use super::starter::StarterError;
use crate::model::classifier::VideoMae;
use crate::model::config::{ConfigError, ModelSize, VideoMaeConfig};
use crate::model::weights::{self, WeightsError, lacks_only_the_head};
use crate::protocol::LoadReport;
use crate::storage::preprocessor::read_preprocessor;
use crate::storage::{Checkpoint, CheckpointError, Normalisation};
use crate::video::clip::{ClipShape, IMAGENET_MEAN, IMAGENET_STD};

/// ImageNet's statistics, which every published VideoMAE was trained with.
pub const IMAGENET: Normalisation = Normalisation { mean: IMAGENET_MEAN, std: IMAGENET_STD };

/// Tensors named in a sentence; the others are counted.
const NAMED: usize = 3;

/// Why a checkpoint cannot be used as a model; each a sentence.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OpenError {
    #[error("The model cannot be opened: {0}.")]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Weights(#[from] WeightsError),
    #[error("The model cannot be opened. {0}")]
    Files(#[from] CheckpointError),
    #[error("{0}")]
    Starter(#[from] StarterError),
    #[error("The model cannot be opened: its weights do not fit its config.json; {0}. Get the two from one place.")]
    Incomplete(String),
    #[error("\"{0}\" has no classifier yet: it was only pre-trained. Fine-tune from it first.")]
    NoClassifier(String),
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

    /// A checkpoint as it is, to classify with.
    pub async fn open(checkpoint: &Checkpoint, device: &Device) -> Result<Self, OpenError> {
        if checkpoint.summary.labels.is_empty() {
            return Err(OpenError::NoClassifier(checkpoint.summary.name.clone()));
        }
        Self::load(checkpoint, &checkpoint.summary.labels, None, device).await
    }

    /// A checkpoint to train further: with other labels, or without a classifier, it gets a new head, drawn from `seed`.
    pub async fn open_for(
        checkpoint: &Checkpoint,
        labels: &[String],
        clip_seconds: f64,
        seed: u64,
        device: &Device,
    ) -> Result<Self, OpenError> {
        let mut opened = Self::load(checkpoint, labels, Some(seed), device).await?;
        opened.clip_seconds = clip_seconds;
        Ok(opened)
    }

    async fn load(
        checkpoint: &Checkpoint,
        labels: &[String],
        head_seed: Option<u64>,
        device: &Device,
    ) -> Result<Self, OpenError> {
        let mut config = readable_config(checkpoint)?;
        let normalisation = read_preprocessor(&checkpoint.preprocessor)?;
        let tensors = checkpoint.tensors().await.map_err(CheckpointError::from)?;
        let same_labels = config.labels() == labels;
        config.set_labels(labels);
        let report = weights::compare(&config, &tensors);
        let fits = if head_seed.is_some() { lacks_only_the_head(&report) } else { report.is_complete() };
        if !fits {
            return Err(OpenError::Incomplete(lacking(&report)));
        }
        let mut model = weights::load(VideoMae::unfilled(&config, device), &config, &tensors).await?;
        if let Some(seed) = head_seed
            && !(same_labels && report.is_complete())
        {
            config.architectures = VideoMaeConfig::default().architectures;
            model.head = VideoMae::fresh_head(&config, seed, device);
        }
        Ok(Self::assemble(model, config, normalisation, checkpoint.summary.clip_seconds))
    }

    fn assemble(model: VideoMae, config: VideoMaeConfig, normalisation: Normalisation, clip_seconds: f64) -> Self {
        let shape = clip_shape(&config, normalisation);
        Self { model, config, normalisation, shape, clip_seconds }
    }
}

/// Refuses what no training and no classifying could use, before it is kept.
pub fn check_usable(checkpoint: &Checkpoint, report: &LoadReport) -> Result<(), OpenError> {
    readable_config(checkpoint)?;
    match lacks_only_the_head(report) {
        true => Ok(()),
        false => Err(OpenError::Incomplete(lacking(report))),
    }
}

fn readable_config(checkpoint: &Checkpoint) -> Result<VideoMaeConfig, OpenError> {
    let config = VideoMaeConfig::from_json(&checkpoint.config)?;
    if config.num_channels != 3 {
        return Err(OpenError::Channels(config.num_channels));
    }
    Ok(config)
}

/// What is missing or misshapen, the first few by name and shape.
pub(super) fn lacking(report: &LoadReport) -> String {
    let missing = report.missing.iter().map(|(name, shape)| format!("{name} {shape:?} is missing"));
    let misshapen = report.misshapen.iter().map(|(name, ours, theirs)| format!("{name} is {theirs:?}, not {ours:?}"));
    let all: Vec<String> = missing.chain(misshapen).collect();
    let named = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    match all.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}; and {more} tensors more"),
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
