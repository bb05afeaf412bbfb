//! What a user chooses before fine-tuning, with the Hugging Face Trainer's names and defaults where it has them.
//!
//! Comes in: what the page or the command line was given. Goes out: [`TuneSettings`], checked. Never reads a file.

use serde::{Deserialize, Serialize};

use crate::model::config::ModelSize;

/// What the weights start from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartFrom {
    /// The small model that comes with the page, pre-trained on drawn motions.
    Starter,
    /// A new model of this size, with random weights.
    Size(ModelSize),
    /// A checkpoint on this device, by its id; other labels give it a new head.
    Checkpoint(String),
}

/// Everything that a run depends on besides its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TuneSettings {
    /// What the user calls the run.
    pub name: String,
    pub start: StartFrom,
    pub epochs: usize,
    /// Clips a forward pass.
    pub batch: usize,
    /// Forward passes an optimizer step; their gradients are averaged.
    pub accumulation: usize,
    /// AdamW's peak learning rate.
    pub learning_rate: f64,
    /// Share of the steps over which the learning rate rises from 0 to its peak.
    pub warmup_ratio: f64,
    pub weight_decay: f64,
    /// Gradients are scaled down to this global norm; 0 leaves them as they are.
    pub max_grad_norm: f64,
    /// Mirror half of the training clips. Wrong where left and right mean something.
    pub horizontal_flip: bool,
    /// Length of a clip in seconds; the guide's 16 frames at every 4th of 30 frames a second are 2.133 s.
    pub clip_seconds: f64,
    /// Every random choice of the run comes from it.
    pub seed: u64,
}

/// The guide's clip: 16 frames * rate 4 / 30 frames a second.
pub const GUIDE_CLIP_SECONDS: f64 = 16.0 * 4.0 / 30.0;

impl TuneSettings {
    /// Good settings for training a model of `size` from random weights.
    pub fn for_size(size: ModelSize) -> Self {
        let (epochs, batch, learning_rate) = match size {
            ModelSize::Micro => (90, 8, 1e-3),
            ModelSize::Tiny => (30, 8, 5e-4),
            ModelSize::Small => (20, 4, 1e-4),
            ModelSize::Base => (20, 2, 5e-5),
        };
        Self {
            name: "My model".into(),
            start: StartFrom::Size(size),
            epochs,
            batch,
            accumulation: 1,
            learning_rate,
            warmup_ratio: 0.1,
            // The paper's; the Trainer's 0 is for weights that are already good.
            weight_decay: 0.05,
            max_grad_norm: 1.0,
            horizontal_flip: true,
            clip_seconds: GUIDE_CLIP_SECONDS,
            seed: 42,
        }
    }

    /// Good settings for the starter model.
    pub fn for_starter() -> Self {
        Self { start: StartFrom::Starter, epochs: 20, ..Self::for_size(ModelSize::Micro) }
    }

    /// Good settings for going on from trained weights: the guide's own.
    pub fn for_checkpoint(id: String) -> Self {
        Self {
            start: StartFrom::Checkpoint(id),
            epochs: 4,
            batch: 8,
            learning_rate: 5e-5,
            weight_decay: 0.0,
            ..Self::for_size(ModelSize::Micro)
        }
    }

    /// What is wrong with the settings, field by field: the field's name and a sentence. Empty where all is well.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut check = |holds: bool, field: &'static str, sentence: &str| {
            if !holds {
                problems.push((field, sentence.to_string()));
            }
        };
        check((1..=1000).contains(&self.epochs), "epochs", "Choose 1 to 1000 epochs.");
        check((1..=256).contains(&self.batch), "batch", "Choose a batch of 1 to 256 clips.");
        check((1..=256).contains(&self.accumulation), "accumulation", "Choose 1 to 256 batches a step.");
        check(
            self.learning_rate > 0.0 && self.learning_rate <= 1.0,
            "learning_rate",
            "Choose a learning rate above 0 and at most 1; 0.00005 is usual.",
        );
        check((0.0..1.0).contains(&self.warmup_ratio), "warmup_ratio", "Choose a warm-up share from 0 to below 1.");
        check((0.0..=1.0).contains(&self.weight_decay), "weight_decay", "Choose a weight decay from 0 to 1.");
        check(
            self.max_grad_norm >= 0.0 && self.max_grad_norm.is_finite(),
            "max_grad_norm",
            "Choose a gradient norm of 0 or more.",
        );
        check(
            self.clip_seconds > 0.0 && self.clip_seconds <= 60.0,
            "clip_seconds",
            "Choose a clip length above 0 and up to 60 seconds.",
        );
        problems
    }
}
