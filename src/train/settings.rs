//! What a user chooses before fine-tuning, with the Hugging Face Trainer's names and defaults where it has them.
//!
//! Comes in: what the page or the command line was given. Goes out: [`TuneSettings`], checked. Never reads a file.

use serde::{Deserialize, Serialize};

use super::augmentation::{self, Augmentation, ColourJitter, GUIDE_SHORT_SIDES};
use crate::model::config::ModelSize;

/// What the weights start from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartFrom {
    /// The small model that comes with the page, pre-trained on drawn motions.
    Starter,
    /// A new model of this size, with random weights.
    Size(ModelSize),
    /// A checkpoint on this device, by its id; other labels give it a new head.
    Checkpoint(String),
}

/// Everything that a run depends on besides its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TuneSettings {
    /// What the user calls the run.
    pub name: String,
    pub start: StartFrom,
    pub epochs: usize,
    /// Clips a forward pass.
    pub batch: usize,
    /// Forward passes an optimizer step; their gradients are averaged.
    pub accumulation: usize,
    /// AdamW's peak learning rate.
    pub learning_rate: f64,
    /// Share of the steps over which the learning rate rises from 0 to its peak.
    pub warmup_ratio: f64,
    pub weight_decay: f64,
    /// Gradients are scaled down to this global norm; 0 leaves them as they are.
    pub max_grad_norm: f64,
    /// Mirror half of the training clips, except those of the classes in `unmirrored`.
    pub horizontal_flip: bool,
    /// Names of the classes in which left and right mean something.
    #[serde(default)]
    pub unmirrored: Vec<String>,
    /// The least and the greatest short side to which training clips are scaled before the crop, in pixels, for a
    /// model of 224 pixels; in proportion for others.
    #[serde(default = "guide_short_sides")]
    pub short_sides: [usize; 2],
    #[serde(default)]
    pub colour_jitter: ColourJitter,
    /// Length of a clip in seconds; the guide's 16 frames at every 4th of 30 frames a second are 2.133 s.
    pub clip_seconds: f64,
    /// Every random choice of the run comes from it.
    pub seed: u64,
}

/// What records from before the setting ran with.
fn guide_short_sides() -> [usize; 2] {
    GUIDE_SHORT_SIDES
}

/// The guide's clip: 16 frames * rate 4 / 30 frames a second.
pub const GUIDE_CLIP_SECONDS: f64 = 16.0 * 4.0 / 30.0;

impl TuneSettings {
    /// Good settings for training a model of `size` from random weights.
    pub fn for_size(size: ModelSize) -> Self {
        let (epochs, batch, learning_rate) = match size {
            ModelSize::Micro => (90, 8, 1e-3),
            ModelSize::Tiny => (30, 8, 5e-4),
            ModelSize::Small => (20, 4, 1e-4),
            ModelSize::Base => (20, 2, 5e-5),
        };
        Self {
            name: "My model".into(),
            start: StartFrom::Size(size),
            epochs,
            batch,
            accumulation: 1,
            learning_rate,
            warmup_ratio: 0.1,
            // The paper's; the Trainer's 0 is for weights that are already good.
            weight_decay: 0.05,
            max_grad_norm: 1.0,
            horizontal_flip: true,
            unmirrored: Vec::new(),
            short_sides: GUIDE_SHORT_SIDES,
            colour_jitter: ColourJitter::default(),
            clip_seconds: GUIDE_CLIP_SECONDS,
            seed: 42,
        }
    }

    /// Good settings for the starter model.
    pub fn for_starter() -> Self {
        Self { start: StartFrom::Starter, epochs: 20, ..Self::for_size(ModelSize::Micro) }
    }

    /// Good settings for going on from trained weights: the guide's own.
    pub fn for_checkpoint(id: String) -> Self {
        Self {
            start: StartFrom::Checkpoint(id),
            epochs: 4,
            batch: 8,
            learning_rate: 5e-5,
            weight_decay: 0.0,
            ..Self::for_size(ModelSize::Micro)
        }
    }

    /// What is done to the training clips of this class.
    pub fn augmentation(&self, class: &str) -> Augmentation {
        let horizontal_flip = self.horizontal_flip && !self.unmirrored.iter().any(|name| name == class);
        Augmentation { short_sides: self.short_sides, horizontal_flip, colour_jitter: self.colour_jitter }
    }

    /// What is wrong with the settings, field by field: the field's name and a sentence. Empty where all is well.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut check = |holds: bool, field: &'static str, sentence: &str| {
            if !holds {
                problems.push((field, sentence.to_string()));
            }
        };
        check((1..=1000).contains(&self.epochs), "epochs", "Choose 1 to 1000 epochs.");
        check((1..=256).contains(&self.batch), "batch", "Choose a batch of 1 to 256 clips.");
        check((1..=256).contains(&self.accumulation), "accumulation", "Choose 1 to 256 batches a step.");
        check(
            self.learning_rate > 0.0 && self.learning_rate <= 1.0,
            "learning_rate",
            "Choose a learning rate above 0 and at most 1; 0.00005 is usual.",
        );
        check((0.0..1.0).contains(&self.warmup_ratio), "warmup_ratio", "Choose a warm-up share from 0 to below 1.");
        check((0.0..=1.0).contains(&self.weight_decay), "weight_decay", "Choose a weight decay from 0 to 1.");
        check(
            self.max_grad_norm >= 0.0 && self.max_grad_norm.is_finite(),
            "max_grad_norm",
            "Choose a gradient norm of 0 or more.",
        );
        check(
            self.clip_seconds > 0.0 && self.clip_seconds <= 60.0,
            "clip_seconds",
            "Choose a clip length above 0 and up to 60 seconds.",
        );
        problems.extend(augmentation::problems(self.short_sides, &self.colour_jitter));
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_from_before_augmentation_was_one_read_as_they_ran() {
        let mut json = serde_json::to_value(TuneSettings::for_size(ModelSize::Micro)).unwrap();
        for added in ["unmirrored", "short_sides", "colour_jitter"] {
            json.as_object_mut().unwrap().remove(added).unwrap();
        }
        let settings: TuneSettings = serde_json::from_value(json).unwrap();
        assert_eq!(settings.augmentation("any"), Augmentation::default());
    }

    #[test]
    fn marked_classes_alone_are_not_mirrored() {
        let unmirrored = vec!["Left".to_string()];
        let mut settings = TuneSettings { unmirrored, ..TuneSettings::for_size(ModelSize::Micro) };
        assert!(settings.augmentation("Up").horizontal_flip && !settings.augmentation("Left").horizontal_flip);
        settings.horizontal_flip = false;
        assert!(!settings.augmentation("Up").horizontal_flip);
    }

    #[test]
    fn every_bad_value_has_a_sentence_of_its_own() {
        let jitter = ColourJitter { brightness: -1.0, contrast: 2.0, saturation: f64::NAN, hue: 0.6, per_frame: true };
        let good = TuneSettings::for_size(ModelSize::Micro);
        let bad = TuneSettings { short_sides: [400, 300], colour_jitter: jitter, ..good.clone() };
        let fields: Vec<&str> = bad.problems().into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["short_side_most", "brightness", "contrast", "saturation", "hue"]);
        assert!(TuneSettings { short_sides: [0, 5000], ..good.clone() }.problems().len() == 2);
        assert!(good.problems().is_empty());
    }
}
