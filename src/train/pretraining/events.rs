//! What a pre-training job tells while it runs, and its pictures.

use serde::{Deserialize, Serialize};

use crate::dataset::Unusable;
use crate::protocol::{CheckpointSummary, ClipPicture};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PretrainEvent {
    Started {
        total_steps: usize,
        steps_per_epoch: usize,
        parameters: usize,
    },
    /// After an optimizer step.
    Step(PretrainStep),
    Epoch(PretrainEpoch),
    /// What the model makes of a clip by now.
    Reconstructed(Box<Reconstruction>),
    /// A checkpoint is safe on disk.
    Saved(Box<CheckpointSummary>),
    /// A video that could not be decoded; the job goes on without it.
    LeftOut(Unusable),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PretrainStep {
    /// From 1.
    pub step: usize,
    /// From 1.
    pub epoch: usize,
    /// Mean squared error of the hidden patches, the mean over the step's clips.
    pub loss: f32,
    pub learning_rate: f64,
    /// Global norm of the gradient before clipping.
    pub gradient_norm: f32,
    pub clips_per_second: f64,
    /// For the whole job; none until it can be told.
    pub seconds_left: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PretrainEpoch {
    /// From 1.
    pub epoch: usize,
    /// Mean loss over the epoch's clips.
    pub loss: f32,
}

/// One clip three times, as VideoMAE's own visualisation shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reconstruction {
    pub original: ClipPicture,
    /// What the encoder sees; the rest is black.
    pub masked: ClipPicture,
    /// What the encoder sees, and the rest as the model fills it in.
    pub reconstructed: ClipPicture,
}
