//! Which checkpoint of a run is its best, and when the run may end early.
//!
//! Comes in: values. Goes out: [`Selection`], and sentences about values that make no sense.

use serde::{Deserialize, Serialize};

use super::Problems;

/// What the best checkpoint is chosen by, on the validation split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    #[default]
    Accuracy,
    Loss,
    /// The mean of the classes' F1: each class counts the same, however few clips it has.
    F1,
}

impl Metric {
    pub const ALL: [(&'static str, Self); 3] = [("accuracy", Self::Accuracy), ("loss", Self::Loss), ("f1", Self::F1)];

    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, metric)| *metric == self).map_or("accuracy", |(name, _)| name)
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(other, _)| *other == name).map(|(_, metric)| metric)
    }
}

/// The Trainer's names, and those of its `EarlyStoppingCallback`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    pub metric_for_best_model: Metric,
    /// The run ends after so many evaluations in a row without a new best; 0: never early.
    pub early_stopping_patience: usize,
}

impl Selection {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.check(
            self.early_stopping_patience <= 1000,
            "early_stopping_patience",
            "Choose at most 1000 evaluations; 0: the run never ends early.",
        );
    }
}
