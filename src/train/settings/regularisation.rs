//! What keeps a model from learning its few clips by heart, besides what is done to the clips themselves.
//!
//! Comes in: values. Goes out: [`Regularisation`], and sentences about values that make no sense. Draws nothing.

use serde::{Deserialize, Serialize};

use super::Problems;

/// How much each class counts in the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeights {
    /// Each clip the same.
    #[default]
    Uniform,
    /// Each class the same, however few clips it has: scikit-learn's `class_weight="balanced"`.
    Balanced,
}

/// All off by default. The names are the Trainer's where it has them, else those of the VideoMAE repository's
/// run_class_finetuning.py.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Regularisation {
    /// The share of the target that all classes get alike.
    pub label_smoothing_factor: f64,
    pub class_weights: ClassWeights,
    /// The share of the values before the head that are left out of a training step.
    pub fc_drop_rate: f64,
    /// The share of the clips for which the last layer's branches are left out of a training step; less for layers
    /// below it, 0 for the first.
    pub drop_path: f64,
    /// Alpha of the Beta distribution that clips are blended in pairs by; 0 is off, the repository's is 0.8.
    pub mixup: f64,
    /// Alpha of the Beta distribution for the part of the picture that another clip is pasted over; 0 is off, the
    /// repository's is 1. With both, each batch gets one of the two at random.
    pub cutmix: f64,
    /// The share of each clip's tokens that a training step looks at, drawn at random; 1 is all. The layers compute with
    /// no others (PatchDropout, Liu et al., 2023).
    pub token_keep: f64,
}

impl Default for Regularisation {
    fn default() -> Self {
        Self {
            label_smoothing_factor: 0.0,
            class_weights: ClassWeights::Uniform,
            fc_drop_rate: 0.0,
            drop_path: 0.0,
            mixup: 0.0,
            cutmix: 0.0,
            token_keep: 1.0,
        }
    }
}

impl Regularisation {
    pub(super) fn check(&self, problems: &mut Problems) {
        let share = |value: f64| (0.0..1.0).contains(&value);
        problems.check(
            share(self.label_smoothing_factor),
            "label_smoothing_factor",
            "Choose 0 to below 1; 0 is off, and 0.1 is usual.",
        );
        problems.check(share(self.fc_drop_rate), "fc_drop_rate", "Choose 0 to below 1; 0 is off, and 0.5 is usual.");
        problems.check(share(self.drop_path), "drop_path", "Choose 0 to below 1; 0 is off, and 0.1 is usual.");
        let alpha = |value: f64| (0.0..=100.0).contains(&value);
        problems.check(alpha(self.mixup), "mixup", "Choose 0 to 100; 0 is off, and 0.8 is usual.");
        problems.check(alpha(self.cutmix), "cutmix", "Choose 0 to 100; 0 is off, and 1 is usual.");
        problems.check(
            self.token_keep > 0.0 && self.token_keep <= 1.0,
            "token_keep",
            "Choose a share above 0 and at most 1; 1 is all, and 0.5 is usual.",
        );
    }
}
