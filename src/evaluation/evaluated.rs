//! All that an evaluation of one split tells, in a form that is kept, sent and shown.
//!
//! Comes in: a split's clips with their labels and answers. Goes out: an [`Evaluated`]; every number in it is finite.

use serde::{Deserialize, Serialize};

use super::Views;
use super::answer::Answer;
use super::calibration::{Calibration, Temperature, fit_temperature};
use super::scores::{Cell, ClassScores, Macro, by_class, confusion, macro_average, share};
use crate::dataset::{Part, Split, Unusable, named};

/// Top-5 accuracy counts labels among so many of the likeliest classes.
const TOP: usize = 5;

/// A clip of a split and what the model says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// Relative to the folder, `/` between parts.
    pub path: String,
    /// The part of it that is meant, where it is not all of it.
    pub part: Option<Part>,
    /// Counts into the classes.
    pub label: usize,
    /// Over all views.
    pub answer: Answer,
}

/// A model on one split of a folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    pub split: Split,
    pub views: Views,
    /// The model's, in label-id order.
    pub classes: Vec<String>,
    /// 0 to 1, as the next.
    pub accuracy: f64,
    /// Share of the clips whose label is among the five likeliest classes.
    pub top5: f64,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// One for each class.
    pub by_class: Vec<ClassScores>,
    pub macro_average: Macro,
    /// The cells of the confusion matrix that hold a clip.
    pub confusion: Vec<Cell>,
    pub calibration: Calibration,
    /// After temperature scaling, where a temperature is known.
    pub scaled: Option<Scaled>,
    pub clips: Vec<ClipOutcome>,
    /// What of the split could not be evaluated.
    pub left_out: Vec<Unusable>,
    /// Sentences about the data.
    pub warnings: Vec<String>,
}

/// What temperature scaling changes. It never changes what is predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaled {
    pub temperature: Temperature,
    pub loss: f64,
    pub calibration: Calibration,
}

/// What a model made of one clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClipOutcome {
    pub path: String,
    #[serde(default)]
    pub part: Option<Part>,
    /// Count into the classes, as the next.
    pub label: usize,
    pub prediction: usize,
    /// Probability of the prediction, 0 to 1.
    pub confidence: f64,
    /// How many classes the model finds likelier than the label; 0 where it is right.
    pub rank: usize,
    pub loss: f64,
    /// Of all probabilities, in nats: how uncertain the model is.
    pub entropy: f64,
}

impl ClipOutcome {
    fn new(clip: &Answered) -> Self {
        let Answered { path, part, label, answer } = clip;
        let prediction = answer.prediction();
        Self {
            path: path.clone(),
            part: *part,
            label: *label,
            prediction,
            confidence: answer.probability(prediction),
            rank: answer.rank(*label),
            loss: answer.loss(*label),
            entropy: answer.entropy(),
        }
    }

    pub fn is_right(&self) -> bool {
        self.label == self.prediction
    }

    /// Tells it from every other clip of the folder.
    pub fn name(&self) -> String {
        named(&self.path, self.part)
    }
}

impl Evaluated {
    /// From the clips of a split, each of whose labels is one of `classes`. None where there are no clips.
    pub fn new(
        (split, views): (Split, Views),
        classes: Vec<String>,
        answered: &[Answered],
        temperature: Option<Temperature>,
    ) -> Option<Self> {
        if answered.is_empty() {
            return None;
        }
        let clips: Vec<ClipOutcome> = answered.iter().map(ClipOutcome::new).collect();
        let pairs: Vec<(usize, usize)> = clips.iter().map(|clip| (clip.label, clip.prediction)).collect();
        let count =
            |holds: fn(&ClipOutcome) -> bool| share(clips.iter().filter(|clip| holds(clip)).count(), clips.len());
        let by_class = by_class(classes.len(), &pairs);
        Some(Self {
            split,
            views,
            classes,
            accuracy: count(ClipOutcome::is_right),
            top5: count(|clip| clip.rank < TOP),
            loss: mean(clips.iter().map(|clip| clip.loss)),
            macro_average: macro_average(&by_class),
            by_class,
            confusion: confusion(&pairs),
            calibration: Calibration::new(clips.iter().map(|clip| (clip.confidence, clip.is_right()))),
            scaled: temperature.map(|temperature| Scaled::new(answered, temperature)),
            clips,
            left_out: Vec::new(),
            warnings: Vec::new(),
        })
    }

    /// The clips of a class that were taken for a class, as counts into [`Evaluated::clips`].
    pub fn cell(&self, label: usize, prediction: usize) -> &[usize] {
        let cell = self.confusion.iter().find(|cell| (cell.label, cell.prediction) == (label, prediction));
        cell.map_or(&[], |cell| &cell.clips)
    }

    /// The wrongly classified clips with the highest losses, highest first; `count` at most. Each with its count into
    /// [`Evaluated::clips`].
    pub fn most_wrong(&self, count: usize) -> Vec<(usize, &ClipOutcome)> {
        let clips = self.clips.iter().enumerate();
        first_by(clips.filter(|(_, clip)| !clip.is_right()).collect(), count, |clip| clip.loss)
    }

    /// The clips with the highest entropies, right or wrong, highest first; `count` at most. Each with its count.
    pub fn most_uncertain(&self, count: usize) -> Vec<(usize, &ClipOutcome)> {
        first_by(self.clips.iter().enumerate().collect(), count, |clip| clip.entropy)
    }

    pub fn class(&self, label: usize) -> &str {
        self.classes.get(label).map_or("", String::as_str)
    }
}

impl Scaled {
    fn new(answered: &[Answered], temperature: Temperature) -> Self {
        let scaled: Vec<(Answer, usize)> =
            answered.iter().map(|clip| (clip.answer.scaled(temperature.value), clip.label)).collect();
        let predictions = scaled.iter().map(|(answer, label)| {
            let prediction = answer.prediction();
            (answer.probability(prediction), prediction == *label)
        });
        Self {
            temperature,
            loss: mean(scaled.iter().map(|(answer, label)| answer.loss(*label))),
            calibration: Calibration::new(predictions),
        }
    }
}

impl Temperature {
    /// The one with which the answers on a split, the validation split as a rule, are least surprised by their labels.
    pub fn fit(fitted_on: Split, answered: &[Answered]) -> Option<Self> {
        let answers: Vec<(&Answer, usize)> = answered.iter().map(|clip| (&clip.answer, clip.label)).collect();
        Some(Self { value: fit_temperature(&answers)?, fitted_on, clips: answered.len() })
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}

/// Those with the highest values; of equal ones the first.
fn first_by(
    mut clips: Vec<(usize, &ClipOutcome)>,
    count: usize,
    value: fn(&ClipOutcome) -> f64,
) -> Vec<(usize, &ClipOutcome)> {
    clips.sort_by(|(_, one), (_, other)| value(other).total_cmp(&value(one)));
    clips.truncate(count);
    clips
}
