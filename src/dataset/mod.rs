//! A folder's paths -> labelled videos -> groups -> train, validation and test splits.
//!
//! Comes in: relative paths, and lists that lie beside them. Goes out: a [`Catalogue`]. Never opens a file; whether a
//! video can be decoded is the business of [`crate::video`].

pub mod catalogue;
pub mod class_lists;
pub mod delimited;
pub mod direction;
mod entries;
pub mod group;
pub mod labelling;
pub mod layout;
pub mod leakage;
pub mod list;
pub mod listed;
pub mod listing;
pub mod pattern;
pub mod split;
pub mod words;

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
    /// None of them on the page: a large folder's are more than it can take at once.
    #[serde(skip_deserializing)]
    pub videos: Vec<VideoSummary>,
    /// On the page the first few.
    pub unusable: Vec<Unusable>,
    pub unusable_count: usize,
    /// About the data as a whole, such as a class with a single video.
    pub warnings: Vec<Warning>,
    /// Why nothing can be fine-tuned on this folder, where that is so; a sentence.
    pub blocked: Option<String>,
    /// Videos to learn from without their labels, whatever those are: all but the unusable and those held out.
    pub learnable: usize,
    pub found: Found,
}

/// How labels, groups and splits were found, in words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Where labels come from; a sentence.
    pub labels: String,
    /// Where splits come from; a sentence.
    pub splits: String,
    /// How evenly clips are spread over the classes; a sentence.
    pub balance: String,
    /// The pattern that labels are read from names with, or one that would do.
    pub pattern: String,
    /// What is wrong with the pattern of labels and that of groups.
    pub problems: [Option<String>; 2],
    /// A few videos of different classes and groups.
    pub examples: Vec<Example>,
}

/// What was read from a file's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    pub path: String,
    pub label: String,
    pub group: Option<String>,
}

/// Counts of usable videos.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassSummary {
    pub name: String,
    pub train: usize,
    pub validation: usize,
    pub test: usize,
}

/// A part of a video, in seconds from its start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    pub start: f64,
    pub end: f64,
}

/// One usable video.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VideoSummary {
    pub path: String,
    /// The part of it that is meant, where a list says so; several videos may then be of one file.
    pub part: Option<Part>,
    /// Counts into [`Catalogue::classes`].
    pub class: usize,
    pub split: Split,
    /// The recording that the video was cut from, where it is told.
    pub group: Option<String>,
    /// None until it was opened.
    pub measured: Option<Measured>,
}

/// What opening a video told about it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measured {
    pub seconds: f64,
    /// Upright, in pixels.
    pub width: u32,
    pub height: u32,
}

/// A file that cannot be used, or not as it lies, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unusable {
    /// A list's row has its line here as well.
    pub path: String,
    /// A sentence: what is wrong and what to do.
    pub reason: String,
}

/// Something about the data that spoils what is learnt or measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    pub sentence: String,
    /// The files that it is about, each with its part in it; not all where there are many.
    pub files: Vec<Unusable>,
}

impl Warning {
    pub fn new(sentence: String) -> Self {
        Self { sentence, files: Vec::new() }
    }
}

impl VideoSummary {
    /// Tells it from every other video of the folder.
    pub fn name(&self) -> String {
        named(&self.path, self.part)
    }
}

/// A video, or a part of one, in a word.
pub fn named(path: &str, part: Option<Part>) -> String {
    match part {
        Some(Part { start, end }) => format!("{path}, {start} to {end} s"),
        None => path.to_string(),
    }
}
