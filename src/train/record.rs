//! What a run was made of and what happened in it: enough to tell its story, to resume it, and to repeat it elsewhere.
//!
//! Comes in: settings, the data, and a run's events. Goes out: a [`RunRecord`], the `run.json` of a checkpoint.
//! Never holds a tensor or a file's contents.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::pretraining::settings::Masking;
use super::settings::TuneSettings;
use crate::dataset::{Catalogue, Part, Split, named};
use crate::protocol::{EpochReport, Evaluation, Origin, StepEvaluation};

/// The form of `run.json` that this program writes.
pub const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    pub format: u32,
    /// Of pre-training those that fine-tuning has as well.
    pub settings: TuneSettings,
    /// What only pre-training has; none where the run was fine-tuning. A pre-training run's steps and epochs have losses of
    /// reconstruction, and accuracies that mean nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretraining: Option<Masking>,
    pub data: Manifest,
    /// What the run started from.
    pub origin: Origin,
    pub steps_per_epoch: usize,
    /// Where the run stood.
    pub progress: Progress,
    /// One for each optimizer step so far.
    pub steps: Vec<StepRecord>,
    pub epochs: Vec<EpochReport>,
    /// Those between the ends of two epochs.
    #[serde(default)]
    pub evaluations: Vec<StepEvaluation>,
    /// The checkpoint's own evaluation on the validation split, clip by clip.
    pub validation: Option<Outcomes>,
    /// The best checkpoint's, on the test split.
    pub test: Option<Outcomes>,
}

impl RunRecord {
    /// Of a run that is about to begin.
    pub fn begun(
        settings: TuneSettings,
        pretraining: Option<Masking>,
        data: Manifest,
        origin: Origin,
        steps_per_epoch: usize,
    ) -> Self {
        Self {
            format: FORMAT,
            settings,
            pretraining,
            data,
            origin,
            steps_per_epoch,
            progress: Progress::default(),
            steps: Vec::new(),
            epochs: Vec::new(),
            evaluations: Vec::new(),
            validation: None,
            test: None,
        }
    }

    /// Optimizer steps that were done when this epoch was over, or so far. An epoch of which not all files can be read has
    /// fewer steps than others.
    pub fn steps_until(&self, epoch: usize) -> usize {
        self.steps.partition_point(|step| step.epoch <= epoch)
    }
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
    /// Evaluations since the best one.
    #[serde(default)]
    pub since_best: usize,
    /// Optimizer steps that were done when the strategy's first and second milestone came.
    #[serde(default)]
    pub milestones: [usize; 2],
    /// Optimizer steps that were done at the last evaluation that the settings ask for.
    #[serde(default)]
    pub evaluated: usize,
    /// What the loss is multiplied by, where layers compute with 16 bits.
    #[serde(default)]
    pub loss_scale: Option<f32>,
}

impl Progress {
    /// At the start of that epoch.
    pub fn in_epoch(self, epoch: usize) -> Self {
        Self { epoch, drawn: 0, sums: EpochSums::default(), ..self }
    }
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
    /// The part of it that is meant, where it is not all of it.
    #[serde(default)]
    pub part: Option<Part>,
    /// Counts into [`Manifest::classes`].
    pub label: usize,
    pub split: Split,
    /// The recording that it was cut from.
    pub group: Option<String>,
}

impl ManifestVideo {
    /// Tells it from every other video of the data.
    pub fn name(&self) -> String {
        named(&self.path, self.part)
    }
}

/// One optimizer step, as the Trainer's log has it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// From 1.
    pub epoch: usize,
    pub loss: f32,
    /// Share of the step's clips that were classified rightly, 0 to 1.
    pub accuracy: f32,
    pub learning_rate: f64,
    pub gradient_norm: f32,
    /// When it was done, in seconds since 1970, UTC; none in records from before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<f64>,
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
            part: video.part,
            label: video.class,
            split: video.split,
            group: video.group.clone(),
        });
        Self { classes: catalogue.labels(), videos: videos.collect() }
    }

    /// Videos that are learnt from whatever they show.
    pub fn unlabelled(paths: &[String]) -> Self {
        let video = |path: &String| ManifestVideo {
            path: path.clone(),
            part: None,
            label: 0,
            split: Split::Train,
            group: None,
        };
        Self { classes: Vec::new(), videos: paths.iter().map(video).collect() }
    }

    /// How the data differ from another run's, as a sentence; none where they are the same.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.classes != other.classes {
            return Some(format!("its classes were {}", self.classes.join(", ")));
        }
        let others: HashMap<String, &ManifestVideo> = other.videos.iter().map(|video| (video.name(), video)).collect();
        let lacking = |video: &&ManifestVideo| others.get(&video.name()).is_none_or(|other| other != video);
        if let Some(first) = self.videos.iter().find(lacking) {
            let count = self.videos.iter().filter(lacking).count();
            return Some(format!(
                "{count} of its videos are missing or labelled or split otherwise, such as {}",
                first.path
            ));
        }
        let known: HashSet<String> = self.videos.iter().map(ManifestVideo::name).collect();
        let mut new = other.videos.iter().filter(|video| !known.contains(&video.name()));
        new.next().map(|first| format!("{} of its videos are new, such as {}", new.count() + 1, first.path))
    }

    /// The name of the folder that all the videos lie in; empty where they share none.
    pub fn folder(&self) -> &str {
        let mut tops = self.videos.iter().map(|video| video.path.split_once('/').map_or("", |(top, _)| top));
        let first = tops.next().unwrap_or_default();
        if tops.all(|top| top == first) { first } else { "" }
    }

    /// Videos in a split.
    pub fn count(&self, split: Split) -> usize {
        self.videos.iter().filter(|video| video.split == split).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config::ModelSize;

    fn video(path: &str, label: usize, split: Split, group: Option<&str>) -> ManifestVideo {
        ManifestVideo { path: path.into(), part: None, label, split, group: group.map(str::to_string) }
    }

    fn manifest() -> Manifest {
        let videos = vec![
            video("train/a/v_g07_c01.webm", 0, Split::Train, Some("g07")),
            video("train/b/v_g08_c01.webm", 1, Split::Train, Some("g08")),
            video("val/a/one.webm", 0, Split::Validation, None),
        ];
        Manifest { classes: vec!["a".into(), "b".into()], videos }
    }

    #[test]
    fn every_difference_of_the_data_is_told_with_a_file() {
        let before = manifest();
        assert_eq!(before.difference(&before), None);
        let after = |change: fn(&mut Manifest)| {
            let mut after = manifest();
            change(&mut after);
            before.difference(&after).unwrap()
        };
        assert!(after(|data| data.classes[1] = "c".into()).contains("a, b"));
        for change in [
            (|data| data.videos[1].label = 0) as fn(&mut Manifest),
            |data| data.videos[1].split = Split::Test,
            |data| data.videos[1].group = None,
            |data| data.videos[1].path = "train/b/renamed.webm".into(),
            |data| drop(data.videos.remove(1)),
        ] {
            let sentence = after(change);
            assert!(sentence.contains("train/b/v_g08_c01.webm") && sentence.starts_with("1 of"), "{sentence}");
        }
        let sentence = after(|data| data.videos.push(video("val/b/new.webm", 1, Split::Validation, None)));
        assert!(sentence.contains("val/b/new.webm"), "{sentence}");
    }

    #[test]
    fn the_order_in_which_a_disk_lists_the_videos_is_no_difference() {
        let mut other = manifest();
        other.videos.reverse();
        assert_eq!(manifest().difference(&other), None);
    }

    #[test]
    fn the_folder_is_the_one_that_all_videos_lie_in() {
        let of = |paths: &[&str]| {
            let videos = paths.iter().map(|path| video(path, 0, Split::Train, None)).collect();
            Manifest { classes: Vec::new(), videos }.folder().to_string()
        };
        assert_eq!(of(&["sample/train/a/1.webm", "sample/val/a/2.webm"]), "sample");
        assert_eq!(of(&["train/a/1.webm", "val/a/2.webm"]), "");
        assert_eq!((of(&["1.webm"]), of(&[])), (String::new(), String::new()));
    }

    #[test]
    fn a_confusion_counts_each_video_once_and_what_is_out_of_range_never() {
        let evaluation = Evaluation { split: Split::Test, loss: 0.5, accuracy: 0.5, videos: 5, score: None };
        let outcomes = Outcomes::new(evaluation, 2, &[0, 0, 1, 1, 7], &[0, 1, 1, 1, 0]);
        assert_eq!(outcomes.confusion, [[1, 1], [0, 2]]);
    }

    #[test]
    fn sums_that_go_on_from_a_record_are_those_that_never_stopped() {
        let steps = [(1.386_294_4f32, 1.0, 3), (0.1, 2.0, 3), (7.7e-3, 2.0, 2)];
        let (mut whole, mut half) = (EpochSums::default(), EpochSums::default());
        for (index, (loss, right, clips)) in steps.into_iter().enumerate() {
            whole.add(loss, right, clips);
            half.add(loss, right, clips);
            if index == 1 {
                half = serde_json::from_str(&serde_json::to_string(&half).unwrap()).unwrap();
            }
        }
        assert_eq!(half, whole);
        assert_eq!(EpochSums::default().means(), (0.0, 0.0));
    }

    #[test]
    fn all_that_a_run_computes_with_is_read_as_it_was_written_to_the_last_bit() {
        let evaluation =
            Evaluation { split: Split::Validation, loss: 0.1, accuracy: 1.0 / 3.0, videos: 3, score: Some(-0.1) };
        let steps = (1..1000u16).map(|step| StepRecord {
            epoch: usize::from(step).div_ceil(3),
            loss: f32::from(step).sqrt(),
            accuracy: 1.0 / f32::from(step),
            learning_rate: f64::from(step) / 1e5,
            gradient_norm: 1.0 / f32::from(step),
            time: (step % 2 == 0).then(|| 1.7e9 + f64::from(step) / 3.0),
        });
        let record = RunRecord {
            format: FORMAT,
            settings: TuneSettings { learning_rate: 3.7e-5, ..TuneSettings::for_size(ModelSize::Micro) },
            pretraining: Some(Masking { mask_ratio: 0.1, norm_pix_loss: true }),
            data: manifest(),
            origin: Origin { source: "somewhere".into(), revision: Some("abc".into()), licence: None },
            steps_per_epoch: 3,
            progress: Progress {
                step: 4,
                epoch: 2,
                drawn: 3,
                sums: EpochSums { loss: 0.693_147_2, right: 2.0, clips: 3 },
                ..Progress::default()
            },
            steps: steps.collect(),
            epochs: vec![EpochReport { epoch: 1, train_loss: 0.7, train_accuracy: 0.3, validation: Some(evaluation) }],
            evaluations: vec![StepEvaluation { step: 2, evaluation }],
            validation: Some(Outcomes::new(evaluation, 2, &[0, 0, 1], &[1, 1, 1])),
            test: None,
        };
        let back: RunRecord = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
        assert_eq!(back, record);
    }
}
