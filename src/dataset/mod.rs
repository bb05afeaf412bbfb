//! A folder's paths -> labelled videos -> groups -> train, validation and test splits.
//!
//! Comes in: relative paths. Goes out: a [`Catalogue`]. Never opens a file; whether a video can be decoded is
//! the business of [`crate::video`].

pub mod catalogue;
pub mod direction;
pub mod group;
pub mod layout;
pub mod split;

use serde::{Deserialize, Serialize};

/// Which part of the data a video belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    Train,
    Validation,
    Test,
}

/// What a folder holds: what can be used, and what cannot, with the reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Catalogue {
    /// Sorted; a class's place is its label id.
    pub classes: Vec<ClassSummary>,
    pub videos: Vec<VideoSummary>,
    pub unusable: Vec<Unusable>,
    /// Sentences about the data as a whole, such as a class with a single video.
    pub warnings: Vec<String>,
    /// Why nothing can be trained on this folder, where that is so; a sentence.
    pub blocked: Option<String>,
}

/// Counts of usable videos.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassSummary {
    pub name: String,
    pub train: usize,
    pub validation: usize,
    pub test: usize,
}

/// One usable video.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VideoSummary {
    pub path: String,
    /// Counts into [`Catalogue::classes`].
    pub class: usize,
    pub split: Split,
    /// The recording that the video was cut from, where its name tells (`_g07_`).
    pub group: Option<String>,
    pub seconds: f64,
    /// Upright, in pixels.
    pub width: u32,
    pub height: u32,
}

/// A file that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unusable {
    pub path: String,
    /// A sentence: what is wrong and what to do.
    pub reason: String,
}
