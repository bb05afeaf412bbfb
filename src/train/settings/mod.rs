//! What a user chooses before fine-tuning, with the Hugging Face Trainer's names and defaults where it has them.
//!
//! Comes in: what the page or the command line was given. Goes out: [`TuneSettings`], checked. Never reads a file.

mod checkpointing;
mod file;
mod lora;
mod optimization;
mod regularisation;
mod selection;
mod strategy;

use serde::{Deserialize, Serialize};

pub use checkpointing::{Checkpointing, EvalStrategy};
pub use file::SettingsFileError;
pub use lora::{Lora, Target, Targets};
pub use optimization::{GradientCheckpointing, Optimization, SchedulerType};
pub use regularisation::{ClassWeights, Regularisation};
pub use selection::{Metric, Selection};
pub use strategy::{Knowledge, Situation, Strategy};

use super::augmentation::{self, Augmentation, ColourJitter, GUIDE_SHORT_SIDES};
use crate::model::config::ModelSize;

/// What the weights start from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartFrom {
    /// The smallest model that comes with the page, pre-trained on drawn shapes that move.
    Starter,
    /// The larger one that comes with it, pre-trained on drawn figures of people.
    People,
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
    /// Training clips of videos whose short side is above [`crate::video::shrinking::LARGE`] are made from frames that were
    /// shrunk first, so that the disk has room for them.
    #[serde(default = "yes")]
    pub shrink_large: bool,
    /// Length of a clip in seconds; the guide's 16 frames at every 4th of 30 frames a second are 2.133 s.
    pub clip_seconds: f64,
    /// Every random choice of the run comes from it.
    pub seed: u64,
    #[serde(default)]
    pub strategy: Strategy,
    /// How many views of a clip are looked at while nothing but the head trains. What a frozen backbone makes of a view
    /// is computed once, so each view more costs an epoch more of computing.
    #[serde(default = "one_view")]
    pub frozen_views: usize,
    #[serde(default)]
    pub optimization: Optimization,
    #[serde(default)]
    pub regularisation: Regularisation,
    #[serde(default)]
    pub selection: Selection,
    #[serde(default)]
    pub checkpointing: Checkpointing,
}

/// What is wrong, field by field: the field's name and a sentence.
#[derive(Debug, Default)]
struct Problems(Vec<(&'static str, String)>);

impl Problems {
    fn check(&mut self, holds: bool, field: &'static str, sentence: &str) {
        if !holds {
            self.0.push((field, sentence.to_string()));
        }
    }
}

/// What records from before the setting ran with.
fn guide_short_sides() -> [usize; 2] {
    GUIDE_SHORT_SIDES
}

fn yes() -> bool {
    true
}

fn one_view() -> usize {
    1
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
            shrink_large: true,
            clip_seconds: GUIDE_CLIP_SECONDS,
            seed: 42,
            strategy: Strategy::default(),
            frozen_views: one_view(),
            optimization: Optimization::default(),
            regularisation: Regularisation::default(),
            selection: Selection::default(),
            checkpointing: Checkpointing::default(),
        }
    }

    /// Good settings for the starter model of shapes.
    pub fn for_starter() -> Self {
        Self { start: StartFrom::Starter, epochs: 20, ..Self::for_size(ModelSize::Micro) }
    }

    /// Good settings for the starter model of people.
    pub fn for_people() -> Self {
        Self {
            start: StartFrom::People,
            epochs: 30,
            learning_rate: 2e-3,
            optimization: Optimization { layer_decay: 0.75, ..Optimization::default() },
            regularisation: Regularisation { label_smoothing_factor: 0.1, ..Regularisation::default() },
            ..Self::for_size(ModelSize::Micro)
        }
    }

    /// Good settings for what the weights start from.
    pub fn for_start(start: StartFrom) -> Self {
        match start {
            StartFrom::Starter => Self::for_starter(),
            StartFrom::People => Self::for_people(),
            StartFrom::Size(size) => Self::for_size(size),
            StartFrom::Checkpoint(id) => Self::for_checkpoint(id),
        }
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

    /// Another strategy, with the learning rate that goes with it.
    pub fn set_strategy(&mut self, strategy: Strategy) {
        self.learning_rate *= strategy.rate_factor() / self.strategy.rate_factor();
        self.strategy = strategy;
    }

    /// What is done to the training clips of this class.
    pub fn augmentation(&self, class: &str) -> Augmentation {
        let horizontal_flip = self.horizontal_flip && !self.unmirrored.iter().any(|name| name == class);
        let Self { short_sides, colour_jitter, shrink_large, .. } = *self;
        Augmentation { short_sides, horizontal_flip, colour_jitter, shrink_large }
    }

    /// Optimizer steps of the run, and the epoch that has the last of them: `epochs`, or as far as `max_steps` goes.
    pub fn length(&self, steps_per_epoch: usize) -> (usize, usize) {
        match self.optimization.max_steps {
            0 => (steps_per_epoch.saturating_mul(self.epochs), self.epochs),
            steps => (steps, steps.div_ceil(steps_per_epoch.max(1))),
        }
    }

    /// What is wrong with the settings, field by field: the field's name and a sentence. Empty where all is well.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Problems::default();
        problems.check((1..=1000).contains(&self.epochs), "epochs", "Choose 1 to 1000 epochs.");
        problems.check((1..=256).contains(&self.batch), "batch", "Choose a batch of 1 to 256 clips.");
        problems.check((1..=256).contains(&self.accumulation), "accumulation", "Choose 1 to 256 batches a step.");
        problems.check(
            self.learning_rate > 0.0 && self.learning_rate <= 1.0,
            "learning_rate",
            "Choose a learning rate above 0 and at most 1; 0.00005 is usual.",
        );
        problems.check(
            (0.0..1.0).contains(&self.warmup_ratio),
            "warmup_ratio",
            "Choose a warm-up share from 0 to below 1.",
        );
        problems.check((0.0..=1.0).contains(&self.weight_decay), "weight_decay", "Choose a weight decay from 0 to 1.");
        problems.check(
            self.max_grad_norm >= 0.0 && self.max_grad_norm.is_finite(),
            "max_grad_norm",
            "Choose a gradient norm of 0 or more.",
        );
        problems.check(
            self.clip_seconds > 0.0 && self.clip_seconds <= 60.0,
            "clip_seconds",
            "Choose a clip length above 0 and up to 60 seconds.",
        );
        self.strategy.check(if self.optimization.max_steps > 0 { 0 } else { self.epochs }, &mut problems);
        problems.check((1..=100).contains(&self.frozen_views), "frozen_views", "Choose 1 to 100 views.");
        self.optimization.check(&mut problems);
        self.regularisation.check(&mut problems);
        self.selection.check(&mut problems);
        self.checkpointing.check(&mut problems);
        problems.0.extend(augmentation::problems(self.short_sides, &self.colour_jitter));
        problems.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_from_before_a_setting_was_one_read_as_they_ran() {
        let defaults = TuneSettings::for_size(ModelSize::Micro);
        let mut json = serde_json::to_value(&defaults).unwrap();
        let later = ["strategy", "frozen_views", "optimization", "regularisation", "selection", "checkpointing"];
        for added in ["unmirrored", "short_sides", "colour_jitter"].into_iter().chain(later) {
            json.as_object_mut().unwrap().remove(added).unwrap();
        }
        let settings: TuneSettings = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(settings.augmentation("any"), Augmentation::default());
        assert_eq!(settings, defaults);
        // A group that gained a setting later.
        json["optimization"] = serde_json::json!({ "layer_decay": 0.75, "lr_scheduler_type": "constant_with_warmup" });
        json["regularisation"] = serde_json::json!({ "mixup": 0.8 });
        let settings: TuneSettings = serde_json::from_value(json).unwrap();
        assert_eq!((settings.regularisation.mixup, settings.regularisation.token_keep), (0.8, 1.0));
        assert_eq!((settings.optimization.layer_decay, settings.optimization.adam_beta2), (0.75, 0.999));
        assert_eq!(settings.optimization.lr_scheduler_type, SchedulerType::ConstantWithWarmup);
    }

    #[test]
    fn names_on_disk_are_the_names_that_a_user_writes() {
        for (name, kind) in SchedulerType::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), name);
            assert_eq!((SchedulerType::from_name(name), kind.name()), (Some(kind), name));
        }
        for (name, kind) in GradientCheckpointing::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), name);
            assert_eq!((GradientCheckpointing::from_name(name), kind.name()), (Some(kind), name));
        }
        for (name, strategy) in EvalStrategy::ALL {
            assert_eq!(serde_json::to_value(strategy).unwrap(), name);
            assert_eq!((EvalStrategy::from_name(name), strategy.name()), (Some(strategy), name));
        }
        for (name, metric) in Metric::ALL {
            assert_eq!(serde_json::to_value(metric).unwrap(), name);
            assert_eq!((Metric::from_name(name), metric.name()), (Some(metric), name));
        }
    }

    #[test]
    fn steps_go_before_epochs() {
        let mut settings = TuneSettings { epochs: 3, ..TuneSettings::for_size(ModelSize::Micro) };
        assert_eq!(settings.length(7), (21, 3));
        settings.optimization.max_steps = 22;
        assert_eq!(settings.length(7), (22, 4));
        assert_eq!(settings.length(22), (22, 1));
    }

    #[test]
    fn every_bad_number_is_refused_under_its_name() {
        let good = TuneSettings::for_size(ModelSize::Micro);
        let optimization = Optimization {
            adam_beta1: 1.0,
            adam_beta2: f64::NAN,
            adam_epsilon: 0.0,
            layer_decay: 0.0,
            warmup_steps: 5,
            max_steps: 5,
            ..Optimization::default()
        };
        let regularisation = Regularisation {
            label_smoothing_factor: 1.0,
            class_weights: ClassWeights::Balanced,
            fc_drop_rate: 1.0,
            drop_path: -0.1,
            mixup: f64::INFINITY,
            cutmix: -1.0,
            token_keep: 0.0,
        };
        let selection = Selection { early_stopping_patience: 1001, ..Selection::default() };
        let checkpointing = Checkpointing { eval_steps: 0, save_steps: 1_000_001, ..Checkpointing::default() };
        let bad = TuneSettings { optimization, regularisation, selection, checkpointing, ..good };
        let fields: Vec<&str> = bad.problems().into_iter().map(|(field, _)| field).collect();
        let of_optimization = ["adam_beta1", "adam_beta2", "adam_epsilon", "layer_decay", "warmup_steps"];
        let of_others = ["label_smoothing_factor", "fc_drop_rate", "drop_path", "mixup", "cutmix", "token_keep"];
        let of_keeping = ["early_stopping_patience", "eval_steps", "save_steps"];
        assert_eq!(fields, [of_optimization.as_slice(), &of_others, &of_keeping].concat());
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
