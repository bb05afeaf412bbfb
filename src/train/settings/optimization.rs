//! How weights change: AdamW, the learning rate's course, and how long it goes on.
//!
//! Comes in: values. Goes out: [`Optimization`], and sentences about values that make no sense.

use serde::{Deserialize, Serialize};

use super::Problems;

/// The learning rate's course, with the names of transformers' `SchedulerType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchedulerType {
    /// Falls to 0 in a straight line.
    #[default]
    Linear,
    /// Falls to 0 along half a cosine.
    Cosine,
    /// Stays at its peak, from the first step on.
    Constant,
    /// Stays at its peak after the warm-up.
    ConstantWithWarmup,
}

impl SchedulerType {
    pub const ALL: [(&'static str, Self); 4] = [
        ("linear", Self::Linear),
        ("cosine", Self::Cosine),
        ("constant", Self::Constant),
        ("constant_with_warmup", Self::ConstantWithWarmup),
    ];

    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, kind)| *kind == self).map_or("linear", |(name, _)| name)
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(other, _)| *other == name).map(|(_, kind)| kind)
    }
}

/// Whether each layer is computed twice in a step, so that its activations need not be kept. The Trainer's has no `auto`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GradientCheckpointing {
    /// Where the memory estimate says that a step would not fit without.
    #[default]
    Auto,
    Always,
    Never,
}

impl GradientCheckpointing {
    pub const ALL: [(&'static str, Self); 3] = [("auto", Self::Auto), ("always", Self::Always), ("never", Self::Never)];

    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, kind)| *kind == self).map_or("auto", |(name, _)| name)
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(other, _)| *other == name).map(|(_, kind)| kind)
    }
}

/// The Trainer's names and defaults; `layer_decay` is the VideoMAE repository's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Optimization {
    pub adam_beta1: f64,
    pub adam_beta2: f64,
    pub adam_epsilon: f64,
    /// Each layer learns at this share of the rate of the one above it; 1 is off. The paper fine-tunes with 0.75.
    pub layer_decay: f64,
    pub lr_scheduler_type: SchedulerType,
    /// Steps of warm-up; 0: `warmup_ratio` says.
    pub warmup_steps: usize,
    /// Optimizer steps of the run; 0: `epochs` says.
    pub max_steps: usize,
    pub gradient_checkpointing: GradientCheckpointing,
    /// The layers' products in 16 bits, all else in 32, and the loss scaled: on GPUs that have `shader-f16`.
    pub fp16: bool,
}

impl Default for Optimization {
    fn default() -> Self {
        Self {
            adam_beta1: 0.9,
            adam_beta2: 0.999,
            adam_epsilon: 1e-8,
            layer_decay: 1.0,
            lr_scheduler_type: SchedulerType::Linear,
            warmup_steps: 0,
            max_steps: 0,
            gradient_checkpointing: GradientCheckpointing::Auto,
            fp16: false,
        }
    }
}

impl Optimization {
    pub(super) fn check(&self, problems: &mut Problems) {
        let share = |value: f64| (0.0..1.0).contains(&value);
        problems.check(share(self.adam_beta1), "adam_beta1", "Choose 0 to below 1; 0.9 is usual.");
        problems.check(share(self.adam_beta2), "adam_beta2", "Choose 0 to below 1; 0.999 is usual.");
        problems.check(
            self.adam_epsilon > 0.0 && self.adam_epsilon <= 1e-2,
            "adam_epsilon",
            "Choose a value above 0 and at most 0.01; 0.00000001 is usual.",
        );
        problems.check(
            self.layer_decay > 0.0 && self.layer_decay <= 1.0,
            "layer_decay",
            "Choose a value above 0 and at most 1; 1 is off, and 0.75 is the paper's.",
        );
        problems.check(self.max_steps <= 1_000_000, "max_steps", "Choose at most 1000000 steps; 0: the epochs decide.");
        problems.check(
            self.warmup_steps <= 1_000_000 && (self.max_steps == 0 || self.warmup_steps < self.max_steps),
            "warmup_steps",
            "Choose fewer steps than the run has; 0: the warm-up share decides.",
        );
    }
}
