//! What a user chooses before pre-training; the paper's values where they suit a small folder.
//!
//! Comes in: what the page or the command line was given. Goes out: [`PretrainSettings`], checked. Never reads a file.

use serde::{Deserialize, Serialize};

use crate::model::config::ModelSize;
use crate::train::augmentation::{self, Augmentation, ColourJitter, GUIDE_SIDE};
use crate::train::settings::{GUIDE_CLIP_SECONDS, Optimization, SchedulerType, StartFrom, TuneSettings};

/// AdamW's betas in the paper's pre-training (VideoMAE, appendix, pre-training setting; from MAE).
pub const BETAS: (f64, f64) = (0.9, 0.95);

/// The paper crops 1, 0.875, 0.75 or 0.66 of the frame's short side and scales that to 224 (MCG-NJU/VideoMAE,
/// transforms.py, `GroupMultiScaleCrop`): short sides of 224 to 339 before a crop of 224.
const SHORT_SIDES: [usize; 2] = [GUIDE_SIDE, 339];

/// Everything that a pre-training run depends on besides its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PretrainSettings {
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
    /// Share of the patches that are hidden, the same ones in every frame.
    pub mask_ratio: f64,
    /// Reconstruct each patch less its mean and divided by its standard deviation; else its plain pixels.
    pub norm_pix_loss: bool,
    /// Mirror half of the clips.
    pub horizontal_flip: bool,
    /// As [`crate::train::settings::TuneSettings::short_sides`].
    pub short_sides: [usize; 2],
    /// Length of a clip in seconds.
    pub clip_seconds: f64,
    /// Every random choice of the run comes from it.
    pub seed: u64,
}

/// What of the settings only pre-training has.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Masking {
    pub mask_ratio: f64,
    pub norm_pix_loss: bool,
}

impl PretrainSettings {
    /// What of them only pre-training has, and the rest as fine-tuning writes it.
    pub fn recorded(&self) -> (Masking, TuneSettings) {
        let optimization = Optimization {
            adam_beta1: BETAS.0,
            adam_beta2: BETAS.1,
            lr_scheduler_type: SchedulerType::Cosine,
            ..Optimization::default()
        };
        let settings = TuneSettings {
            name: self.name.clone(),
            start: self.start.clone(),
            epochs: self.epochs,
            batch: self.batch,
            accumulation: self.accumulation,
            learning_rate: self.learning_rate,
            warmup_ratio: self.warmup_ratio,
            weight_decay: self.weight_decay,
            max_grad_norm: self.max_grad_norm,
            horizontal_flip: self.horizontal_flip,
            short_sides: self.short_sides,
            clip_seconds: self.clip_seconds,
            seed: self.seed,
            optimization,
            ..TuneSettings::for_size(ModelSize::Micro)
        };
        (Masking { mask_ratio: self.mask_ratio, norm_pix_loss: self.norm_pix_loss }, settings)
    }

    /// Good settings for pre-training a model of `size` from random weights.
    pub fn for_size(size: ModelSize) -> Self {
        let (epochs, batch, learning_rate) = match size {
            ModelSize::Micro => (200, 8, 1e-3),
            ModelSize::Tiny => (100, 8, 5e-4),
            ModelSize::Small => (100, 4, 1.5e-4),
            ModelSize::Base => (100, 2, 1.5e-4),
        };
        Self {
            name: "My pre-trained model".into(),
            start: StartFrom::Size(size),
            epochs,
            batch,
            accumulation: 1,
            learning_rate,
            // The paper's 40 of 800 epochs.
            warmup_ratio: 0.05,
            weight_decay: 0.05,
            max_grad_norm: 1.0,
            mask_ratio: 0.9,
            norm_pix_loss: true,
            horizontal_flip: true,
            short_sides: SHORT_SIDES,
            clip_seconds: GUIDE_CLIP_SECONDS,
            seed: 42,
        }
    }

    /// Good settings for going on from trained weights.
    pub fn for_checkpoint(id: String) -> Self {
        Self { start: StartFrom::Checkpoint(id), epochs: 50, learning_rate: 1.5e-4, ..Self::for_size(ModelSize::Micro) }
    }

    /// What is done to every clip.
    pub fn augmentation(&self) -> Augmentation {
        Augmentation {
            short_sides: self.short_sides,
            horizontal_flip: self.horizontal_flip,
            colour_jitter: ColourJitter::default(),
            shrink_large: true,
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
        check((1..=10_000).contains(&self.epochs), "epochs", "Choose 1 to 10000 epochs.");
        check((1..=256).contains(&self.batch), "batch", "Choose a batch of 1 to 256 clips.");
        check((1..=256).contains(&self.accumulation), "accumulation", "Choose 1 to 256 batches a step.");
        check(
            self.learning_rate > 0.0 && self.learning_rate <= 1.0,
            "learning_rate",
            "Choose a learning rate above 0 and at most 1; 0.00015 is the paper's.",
        );
        check((0.0..1.0).contains(&self.warmup_ratio), "warmup_ratio", "Choose a warm-up share from 0 to below 1.");
        check((0.0..=1.0).contains(&self.weight_decay), "weight_decay", "Choose a weight decay from 0 to 1.");
        check(
            self.max_grad_norm >= 0.0 && self.max_grad_norm.is_finite(),
            "max_grad_norm",
            "Choose a gradient norm of 0 or more.",
        );
        check(
            self.mask_ratio > 0.0 && self.mask_ratio < 1.0,
            "mask_ratio",
            "Choose a share above 0 and below 1 of the patches to hide; 0.9 is the paper's.",
        );
        check(
            self.clip_seconds > 0.0 && self.clip_seconds <= 60.0,
            "clip_seconds",
            "Choose a clip length above 0 and up to 60 seconds.",
        );
        problems.extend(augmentation::problems(self.short_sides, &ColourJitter::default()));
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_value_has_a_sentence_and_the_offered_ones_have_none() {
        for size in ModelSize::ALL {
            assert_eq!(PretrainSettings::for_size(size).problems(), []);
        }
        let good = PretrainSettings::for_checkpoint("one".into());
        assert_eq!(good.problems(), []);
        let bad = PretrainSettings {
            epochs: 0,
            batch: 0,
            accumulation: 0,
            learning_rate: f64::NAN,
            warmup_ratio: 1.0,
            weight_decay: -1.0,
            max_grad_norm: f64::INFINITY,
            mask_ratio: 1.0,
            clip_seconds: 0.0,
            short_sides: [400, 300],
            ..good
        };
        let fields: Vec<&str> = bad.problems().into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields.len(), 10, "{fields:?}");
    }
}
