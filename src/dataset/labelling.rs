//! What a user decides about labels and splits: where they come from, and what is corrected by hand.
//!
//! Comes in: choices made on the page. Goes out: a [`Labelling`], kept beside the folder and applied to it anew each
//! time. Changes no file.

use serde::{Deserialize, Serialize};

/// Splits depend on the data and on this seed alone, so that runs with other seeds can be compared.
pub const SPLIT_SEED: u64 = 42;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labelling {
    pub labels: Labels,
    pub groups: Groups,
    /// Draws the splits that nothing gives.
    pub seed: u64,
    /// In the order in which they were made; each speaks of the names that those before it left.
    pub edits: Vec<Edit>,
}

impl Default for Labelling {
    fn default() -> Self {
        Self { labels: Labels::Automatic, groups: Groups::Automatic, seed: SPLIT_SEED, edits: Vec::new() }
    }
}

/// Where labels come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Labels {
    /// A list where one labels at least half of the videos; else folders; else names, where they follow a usual pattern.
    Automatic,
    Folders,
    Lists,
    /// A pattern with `{label}`, see [`super::pattern`].
    Names(String),
}

/// Which clips are of one recording, and so lie in one split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Groups {
    /// `_g07_` in a name, counted within a class as UCF101 does, or the `{group}` of the labels' pattern.
    Automatic,
    /// A pattern with `{group}`; a group then spans classes, as a person does who appears in several.
    Pattern(String),
    /// Each clip for itself.
    None,
}

/// A correction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edit {
    /// Renames a class; to another's name merges the two; to nothing leaves its videos out.
    Class { from: String, to: String },
    /// Moves a video, by [`super::VideoSummary::name`], to a class; to nothing leaves it out.
    Video { name: String, to: String },
}
