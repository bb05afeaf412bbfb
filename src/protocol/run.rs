//! What a fine-tuning run tells, and what it leaves.

use serde::{Deserialize, Serialize};

use super::Origin;
use crate::dataset::{Split, Unusable};

/// Bytes of decoded clips that are kept on disk where nothing else was chosen.
pub const USUAL_DISK: u64 = 4_000_000_000;

/// What of the decoded clips lies on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecodedOnDisk {
    pub bytes: u64,
    pub limit: u64,
    /// The disk is full, or the browser keeps no files for this page.
    pub refused: bool,
}

/// What a fine-tuning or pre-training job tells while it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TuneEvent {
    Started {
        total_steps: usize,
        steps_per_epoch: usize,
        parameters: usize,
        /// How many of the parameters change in the course of the run.
        trained: usize,
    },
    /// After an optimizer step.
    Step(StepReport),
    /// After an epoch's validation.
    Epoch(EpochReport),
    /// After a validation between the ends of two epochs.
    Evaluated(StepEvaluation),
    /// A checkpoint is safe on disk.
    Saved(Box<CheckpointSummary>),
    /// A video that could not be decoded; the job goes on without it.
    LeftOut(Unusable),
    /// A sentence about the data, told once a run.
    Warning(String),
    /// After an epoch.
    DecodedOnDisk(DecodedOnDisk),
    /// After an epoch that computed nothing anew with the frozen part of the model: what of it is kept, and how many
    /// seconds that saved.
    FeaturesKept { views: usize, seconds: f64 },
    /// So many bytes of the GPU are reserved now; told when it changes.
    GpuMemory(u64),
    /// The best checkpoint on the test split.
    Tested(Evaluation),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// From 1.
    pub step: usize,
    /// From 1.
    pub epoch: usize,
    /// Cross-entropy, the mean over the step's clips.
    pub loss: f32,
    /// Share of the step's training clips that were classified rightly, 0 to 1.
    pub accuracy: f32,
    pub learning_rate: f64,
    /// Global norm of the gradient before clipping.
    pub gradient_norm: f32,
    pub clips_per_second: f64,
    /// For the whole job; none until it can be told.
    pub seconds_left: Option<f64>,
    /// Seconds a clip, in this epoch so far, that the device stood still because no clip was decoded yet.
    pub waiting_per_clip: f64,
    /// Seconds a clip, in this epoch so far, that the device computed.
    pub computing_per_clip: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// From 1.
    pub epoch: usize,
    /// Mean loss over the epoch's steps.
    pub train_loss: f32,
    pub train_accuracy: f32,
    /// None where the data has no validation split, or the epoch's end was no time to evaluate.
    pub validation: Option<Evaluation>,
}

/// An evaluation on the validation split after so many steps of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepEvaluation {
    pub step: usize,
    pub evaluation: Evaluation,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    pub split: Split,
    pub loss: f32,
    /// 0 to 1.
    pub accuracy: f32,
    pub videos: usize,
    /// What the run chooses its best by, where that is not the accuracy; greater is better.
    #[serde(default)]
    pub score: Option<f32>,
}

impl Evaluation {
    /// Greater is better: higher accuracy, or what else the run goes by; of equals, as small validation splits often
    /// give, lower loss.
    pub fn compare(&self, other: &Self) -> std::cmp::Ordering {
        let by_score = match (self.score, other.score) {
            (Some(score), Some(other)) => score.total_cmp(&other),
            _ => self.accuracy.total_cmp(&other.accuracy),
        };
        by_score.then(other.loss.total_cmp(&self.loss))
    }
}

/// A checkpoint on this device, as the list of models shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointSummary {
    pub id: String,
    pub name: String,
    /// Which run it belongs to; checkpoints of one run share it.
    pub run: String,
    /// Milliseconds since 1970, UTC.
    pub created: f64,
    /// 0 where it was imported and does not say.
    pub epoch: usize,
    /// Empty where the model has no classifier yet, as pre-trained models have none.
    pub labels: Vec<String>,
    pub parameters: usize,
    pub bytes: usize,
    pub validation: Option<Evaluation>,
    pub test: Option<Evaluation>,
    /// The best of its run by validation accuracy.
    pub best: bool,
    /// Frames a clip and pixels a side, as the model takes them.
    pub frames: usize,
    pub image_size: usize,
    /// How much of a video the model was trained to look at, in seconds.
    pub clip_seconds: f64,
    /// What the model was made from.
    #[serde(default)]
    pub origin: Origin,
    /// Whether the run can go on from here: its optimizer's state is kept.
    #[serde(default)]
    pub resumable: bool,
    /// What the user wrote about its run; the same for all checkpoints of one.
    #[serde(default)]
    pub note: String,
    /// None where no run made it, or one that did not tell.
    #[serde(default)]
    pub stands: Option<Standing>,
}

/// How far a run was when a checkpoint was kept, and what it needs to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub step: usize,
    pub total_steps: usize,
    /// The name of the folder of videos, where it is known.
    pub folder: String,
}
