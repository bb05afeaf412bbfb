//! What a run was made of and what happened in it: enough to tell its story, to resume it, and to repeat it elsewhere.
//!
//! Comes in: settings, the data, and a run's events. Goes out: a [`RunRecord`], the `run.json` of a checkpoint.
//! Never holds a tensor or a file's contents.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::settings::TuneSettings;
use crate::dataset::{Catalogue, Split};
use crate::protocol::{EpochReport, Evaluation, Origin};

/// The form of `run.json` that this program writes.
pub const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    pub format: u32,
    pub settings: TuneSettings,
    pub data: Manifest,
    /// What the run started from.
    pub origin: Origin,
    pub steps_per_epoch: usize,
    /// Where the run stood.
    pub progress: Progress,
    /// One for each optimizer step so far.
    pub steps: Vec<StepRecord>,
    pub epochs: Vec<EpochReport>,
    /// The checkpoint's own evaluation on the validation split, clip by clip.
    pub validation: Option<Outcomes>,
    /// The best checkpoint's, on the test split.
    pub test: Option<Outcomes>,
}

/// Where a run stands: with the weights and the optimizer's moments, all that it takes to go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Optimizer steps done.
    pub step: usize,
    /// From 1; the epoch that was being trained, or the last that was.
    pub epoch: usize,
    /// Clips of that epoch's order that are used up; 0 where the epoch is complete.
    pub drawn: usize,
    /// Sums over that epoch's clips so far.
    pub sums: EpochSums,
}

/// What an epoch's means are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochSums {
    pub loss: f32,
    pub right: f32,
    pub clips: usize,
}

impl EpochSums {
    pub fn add(&mut self, loss: f32, right: f32, clips: usize) {
        self.loss += loss * clips as f32;
        self.right += right;
        self.clips += clips;
    }

    /// Mean loss and accuracy.
    pub fn means(&self) -> (f32, f32) {
        let clips = self.clips.max(1) as f32;
        (self.loss / clips, self.right / clips)
    }
}

/// The data of a run: which files, their labels, groups and splits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// In label-id order.
    pub classes: Vec<String>,
    pub videos: Vec<ManifestVideo>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManifestVideo {
    /// Relative to the folder, `/` between parts.
    pub path: String,
    /// Counts into [`Manifest::classes`].
    pub label: usize,
    pub split: Split,
    /// The recording that it was cut from.
    pub group: Option<String>,
}

/// One optimizer step, as the Trainer's log has it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    pub loss: f32,
    pub learning_rate: f64,
    pub gradient_norm: f32,
}

/// What a model said of a split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcomes {
    pub evaluation: Evaluation,
    /// `confusion[label][prediction]`: videos.
    pub confusion: Vec<Vec<u32>>,
}

impl Outcomes {
    /// From each video's label and prediction, in the same order.
    pub fn new(evaluation: Evaluation, classes: usize, labels: &[usize], predictions: &[usize]) -> Self {
        let mut confusion = vec![vec![0; classes]; classes];
        for (label, prediction) in labels.iter().zip(predictions) {
            if let Some(count) = confusion.get_mut(*label).and_then(|row| row.get_mut(*prediction)) {
                *count += 1;
            }
        }
        Self { evaluation, confusion }
    }
}

impl Manifest {
    pub fn of(catalogue: &Catalogue) -> Self {
        let videos = catalogue.videos.iter().map(|video| ManifestVideo {
            path: video.path.clone(),
            label: video.class,
            split: video.split,
            group: video.group.clone(),
        });
        Self { classes: catalogue.labels(), videos: videos.collect() }
    }

    /// How the data differ from another run's, as a sentence; none where they are the same.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.classes != other.classes {
            return Some(format!("its classes were {}", self.classes.join(", ")));
        }
        let others: HashMap<&str, &ManifestVideo> =
            other.videos.iter().map(|video| (video.path.as_str(), video)).collect();
        let lacking = |video: &&ManifestVideo| others.get(video.path.as_str()).is_none_or(|other| other != video);
        if let Some(first) = self.videos.iter().find(lacking) {
            let count = self.videos.iter().filter(lacking).count();
            return Some(format!(
                "{count} of its videos are missing or labelled or split otherwise, such as {}",
                first.path
            ));
        }
        let more = other.videos.len().saturating_sub(self.videos.len());
        (more > 0).then(|| format!("there are {more} videos more"))
    }

    /// Videos in a split.
    pub fn count(&self, split: Split) -> usize {
        self.videos.iter().filter(|video| video.split == split).count()
    }
}
