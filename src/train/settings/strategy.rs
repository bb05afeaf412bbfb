//! How much of a model is trained, and when: Lightning Flash's strategies by their names, low-rank adapters, and which one
//! to recommend.
//!
//! Comes in: a choice; or a folder's, a model's and a device's size. Goes out: [`Strategy`], sentences about choices that
//! make no sense, and a recommendation with its reason.

use serde::{Deserialize, Serialize};

use super::{Lora, Problems};

/// Flash's `flash.core.finetuning`. The epochs are how many are over before something more is trained. Flash divides the
/// learning rate of what it unfreezes by 10; here the layers' decay is what sets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// All of it is trained.
    #[default]
    NoFreeze,
    /// The head alone is trained.
    Freeze,
    /// The head alone for so many epochs, then all of it.
    FreezeUnfreeze(usize),
    /// The head alone until the first epoch is over, then also so many of the last layers, and after the second all.
    UnfreezeMilestones((usize, usize), usize),
    /// The head and low-rank factors beside frozen weights.
    Lora(Lora),
}

/// What a recommendation is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// To train on.
    pub clips: usize,
    pub classes: usize,
    /// What the weights know.
    pub knows: Knowledge,
    /// Of the model.
    pub parameters: usize,
    /// Whether a GPU computes.
    pub gpu: bool,
}

/// What weights were trained for before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// Random weights.
    Nothing,
    /// Pre-trained without labels.
    Pictures,
    /// Trained to tell classes apart.
    Classes,
}

/// Below it a model is trained in no time, whatever is trained of it.
const SMALL_MODEL: usize = 3_000_000;
/// From so many parameters on, factors of a rank of 8 are a hundredth of the model and enough to teach it.
const LARGE_MODEL: usize = 50_000_000;
/// Below so many clips a class, all of a large model would learn the clips by heart.
const FEW_CLIPS: usize = 10;
/// From so many clips a class on, training all of it from the start does no harm.
const MANY_CLIPS: usize = 50;

impl Strategy {
    /// The strategy for a run of `epochs`, and why, in a sentence.
    pub fn recommended(situation: &Situation, epochs: usize) -> (Self, String) {
        let Situation { clips, classes, knows, parameters, gpu } = *situation;
        let each = clips / classes.max(1);
        let millions = parameters / 1_000_000;
        match knows {
            Knowledge::Nothing => {
                (Self::NoFreeze, "Random weights know nothing yet, so all of them are trained.".into())
            }
            _ if parameters < SMALL_MODEL => {
                (Self::NoFreeze, "The model is small, so training all of it is quick and does best.".into())
            }
            Knowledge::Pictures => (
                Self::NoFreeze,
                "What the model learnt without labels serves only when all of it is trained on.".into(),
            ),
            Knowledge::Classes if !gpu => (
                Self::Freeze,
                format!(
                    "Without a GPU, training all {millions} million parameters would take too long; the head is quick."
                ),
            ),
            Knowledge::Classes if each < FEW_CLIPS => (
                Self::Freeze,
                format!("With about {each} clips a class, training more than the head would learn the clips by heart."),
            ),
            Knowledge::Classes if each < MANY_CLIPS && parameters >= LARGE_MODEL => (
                Self::Lora(Lora::default()),
                format!(
                    "With about {each} clips a class, small factors beside the {millions} million frozen parameters learn \
                     what is new and spoil nothing of what the model knows."
                ),
            ),
            Knowledge::Classes if each < MANY_CLIPS && epochs > 1 => (
                Self::FreezeUnfreeze((epochs / 4).max(1)),
                format!(
                    "With about {each} clips a class, a head that has settled first spoils less of what the model knows."
                ),
            ),
            Knowledge::Classes => {
                (Self::NoFreeze, format!("With about {each} clips a class, training all of it does best."))
            }
        }
    }

    /// What the usual learning rate is multiplied by: factors start at 0 and have far to go (PEFT's guide to image
    /// classification takes 0.005, where training all of it takes 0.00005 in the Trainer's).
    pub fn rate_factor(self) -> f64 {
        if matches!(self, Self::Lora(_)) { 10.0 } else { 1.0 }
    }

    /// With `epochs` 0 for a run that ends by its steps.
    pub(super) fn check(self, epochs: usize, problems: &mut Problems) {
        let within = |epoch: usize| epoch >= 1 && (epochs == 0 || epoch < epochs);
        const WITHIN: &str = "Choose 1 or more, and fewer epochs than the run has.";
        match self {
            Self::NoFreeze | Self::Freeze => {}
            Self::Lora(lora) => lora.check(problems),
            Self::FreezeUnfreeze(epoch) => problems.check(within(epoch), "unfreeze_epoch", WITHIN),
            Self::UnfreezeMilestones((first, second), layers) => {
                problems.check(within(first), "first_milestone", WITHIN);
                problems.check(
                    within(second) && first < second,
                    "second_milestone",
                    "Choose more epochs than the first milestone's, and fewer than the run has.",
                );
                problems.check((1..=1000).contains(&layers), "unfrozen_layers", "Choose 1 layer or more.");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recommendation_follows_clips_model_and_device() {
        let many = Situation { clips: 1000, classes: 10, knows: Knowledge::Classes, parameters: 86_000_000, gpu: true };
        let of = |situation: Situation| Strategy::recommended(&situation, 20).0;
        assert_eq!(of(many), Strategy::NoFreeze);
        assert_eq!(of(Situation { clips: 400, ..many }), Strategy::Lora(Lora::default()));
        let smaller = Situation { parameters: 22_000_000, ..many };
        assert_eq!(of(Situation { clips: 400, ..smaller }), Strategy::FreezeUnfreeze(5));
        assert_eq!(of(Situation { clips: 90, ..many }), Strategy::Freeze);
        assert_eq!(of(Situation { gpu: false, ..many }), Strategy::Freeze);
        assert_eq!(of(Situation { knows: Knowledge::Pictures, clips: 90, ..many }), Strategy::NoFreeze);
        assert_eq!(of(Situation { knows: Knowledge::Nothing, gpu: false, ..many }), Strategy::NoFreeze);
        assert_eq!(of(Situation { parameters: 200_000, clips: 20, gpu: false, ..many }), Strategy::NoFreeze);
        let (_, why) = Strategy::recommended(&Situation { clips: 90, ..many }, 20);
        assert!(why.contains("9 clips"), "{why}");
        let (only, _) = Strategy::recommended(&Situation { clips: 400, ..smaller }, 1);
        assert_eq!(only, Strategy::NoFreeze);
    }

    #[test]
    fn a_recommendation_is_never_refused() {
        for epochs in 1..30 {
            for clips in [1, 20, 300, 5000] {
                for knows in [Knowledge::Nothing, Knowledge::Pictures, Knowledge::Classes] {
                    for gpu in [false, true] {
                        let situation = Situation { clips, classes: 10, knows, parameters: 86_000_000, gpu };
                        let mut problems = Problems::default();
                        Strategy::recommended(&situation, epochs).0.check(epochs, &mut problems);
                        assert!(problems.0.is_empty(), "{situation:?}, {epochs} epochs: {problems:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn names_on_disk_are_flashs_and_milestones_that_never_come_are_refused() {
        let json = |strategy: Strategy| serde_json::to_string(&strategy).unwrap();
        assert_eq!(json(Strategy::NoFreeze), "\"no_freeze\"");
        assert_eq!(json(Strategy::FreezeUnfreeze(5)), "{\"freeze_unfreeze\":5}");
        assert_eq!(json(Strategy::UnfreezeMilestones((5, 10), 4)), "{\"unfreeze_milestones\":[[5,10],4]}");
        let lora: Strategy = serde_json::from_str(r#"{"lora": {"rank": 4}}"#).unwrap();
        assert_eq!(lora, Strategy::Lora(Lora { rank: 4, ..Lora::default() }));
        let fields = |strategy: Strategy, epochs| -> Vec<&'static str> {
            let mut problems = Problems::default();
            strategy.check(epochs, &mut problems);
            problems.0.into_iter().map(|(field, _)| field).collect()
        };
        assert_eq!(fields(Strategy::FreezeUnfreeze(4), 4), ["unfreeze_epoch"]);
        assert_eq!(fields(Strategy::FreezeUnfreeze(4), 0), [""; 0]);
        let milestones = Strategy::UnfreezeMilestones((3, 3), 0);
        assert_eq!(fields(milestones, 4), ["second_milestone", "unfrozen_layers"]);
    }
}
