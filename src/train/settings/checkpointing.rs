//! How often a run is evaluated and kept.
//!
//! Comes in: values. Goes out: [`Checkpointing`], and sentences about values that make no sense.

use serde::{Deserialize, Serialize};

use super::Problems;

/// When a run is evaluated on the validation split, with the names of transformers' `IntervalStrategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvalStrategy {
    /// After each epoch.
    #[default]
    Epoch,
    /// After every so many steps, and at the end.
    Steps,
}

impl EvalStrategy {
    pub const ALL: [(&'static str, Self); 2] = [("epoch", Self::Epoch), ("steps", Self::Steps)];

    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, kind)| *kind == self).map_or("epoch", |(name, _)| name)
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(other, _)| *other == name).map(|(_, kind)| kind)
    }
}

/// The Trainer's names. Whatever is evaluated is kept as a checkpoint, and so is each epoch's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checkpointing {
    pub eval_strategy: EvalStrategy,
    /// Steps from one evaluation to the next, where steps decide.
    pub eval_steps: usize,
    /// Steps after which the run is kept in the middle of an epoch, in place of what was kept there before; 0: at the
    /// epochs' ends alone.
    pub save_steps: usize,
}

/// What is lost at most. The Trainer's 500 would be hours of a large model on a slow GPU; with fewer steps than this a
/// GPU that is fast would wait for the disk: a checkpoint of the base size with its moments is 1 GB, some seconds to
/// write, and 100 of its steps a minute or more.
const USUAL_STEPS: usize = 100;

impl Default for Checkpointing {
    fn default() -> Self {
        Self { eval_strategy: EvalStrategy::Epoch, eval_steps: USUAL_STEPS, save_steps: USUAL_STEPS }
    }
}

impl Checkpointing {
    /// Whether steps decide, and an evaluation follows that many of them.
    pub fn evaluates_after(&self, steps: usize) -> bool {
        self.eval_strategy == EvalStrategy::Steps && self.eval_steps > 0 && steps.is_multiple_of(self.eval_steps)
    }

    /// Whether the run is kept after that many steps.
    pub fn saves_after(&self, steps: usize) -> bool {
        self.save_steps > 0 && steps.is_multiple_of(self.save_steps)
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        problems.check((1..=1_000_000).contains(&self.eval_steps), "eval_steps", "Choose 1 to 1000000 steps.");
        problems.check(
            self.save_steps <= 1_000_000,
            "save_steps",
            "Choose at most 1000000 steps; 0: a checkpoint after each epoch only.",
        );
    }
}
