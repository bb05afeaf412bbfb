//! What a model's answers are worth: scores by class, confusions, calibration, and which clips to look at.
//!
//! Comes in: an [`Answer`] for each clip of a split, and the clip's label. Goes out: an [`Evaluated`], which reports,
//! pages and files are made from. Plain arithmetic: never decodes, never computes with a model.

pub mod answer;
pub mod calibration;
pub mod chosen;
pub mod evaluated;
pub mod scores;

use serde::{Deserialize, Serialize};

pub use answer::Answer;
pub use calibration::{Calibration, Temperature};
pub use chosen::{Chosen, Clips};
pub use evaluated::{Answered, Evaluated};

use crate::dataset::Unusable;

/// How often a model looks at each video; the probabilities of its views are averaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Views {
    /// The centre of the middle of the video: what a run validates with after each epoch.
    #[default]
    Single,
    /// The paper's on Kinetics and UCF101: 5 clips, 3 crops of each (VideoMAE, appendix).
    Kinetics,
    /// The paper's on Something-Something V2: 2 clips, 3 crops of each.
    SomethingSomething,
}

impl Views {
    /// All ways with their names for the command line.
    pub const ALL: [(&'static str, Self); 3] =
        [("single", Self::Single), ("kinetics", Self::Kinetics), ("something-something", Self::SomethingSomething)];

    /// In words, for a heading.
    pub fn words(self) -> &'static str {
        match self {
            Self::Single => "one view of each video",
            Self::Kinetics => "15 views of each video (5 clips, 3 crops), averaged",
            Self::SomethingSomething => "6 views of each video (2 clips, 3 crops), averaged",
        }
    }
}

/// What an evaluation tells while it goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EvaluationEvent {
    /// Views that the model has seen, of all splits together.
    Progress { done: usize, total: usize },
    /// A video that could not be decoded, or whose class the model does not know; the evaluation goes on without it.
    LeftOut(Unusable),
    /// A sentence about the data.
    Warning(String),
}
