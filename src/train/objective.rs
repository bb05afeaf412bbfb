//! What a training step minimises: cross-entropy, with smoothed and mixed labels and weighted classes where the settings
//! ask for them.
//!
//! Comes in: settings, the training examples, a batch's labels. Goes out: [`Targets`], and losses. Draws nothing.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use cliptune_kernels as kernels;
use serde::{Deserialize, Serialize};

use super::feed::Example;
use super::mixing::Mix;
use super::settings::{ClassWeights, Regularisation};
use crate::model::classifier::cross_entropy;

/// The loss of a run.
pub struct Objective {
    smoothing: f32,
    /// One for each class; none where all count the same.
    weights: Option<Vec<f32>>,
    classes: usize,
}

impl Objective {
    pub fn new(settings: &Regularisation, train: &[Example], classes: usize) -> Self {
        let weights = match settings.class_weights {
            ClassWeights::Uniform => None,
            ClassWeights::Balanced => Some(balanced(train, classes)),
        };
        Self { smoothing: settings.label_smoothing_factor as f32, weights, classes }
    }

    /// What a batch of clips with these labels is to be answered with.
    pub fn targets(&self, labels: &[i32], mix: Option<&Mix>) -> Targets {
        if self.smoothing == 0.0 && self.weights.is_none() && mix.is_none() {
            return Targets::Labels(labels.to_vec());
        }
        Targets::Shares { values: self.shares(labels, mix), classes: self.classes }
    }

    /// What the model is to answer, times the class's weight: [B, K], row by row. Smoothed as the Trainer's
    /// `LabelSmoother` and timm's `mixup_target` do it: of each row's 1, all classes share `smoothing` alike.
    fn shares(&self, labels: &[i32], mix: Option<&Mix>) -> Vec<f32> {
        let own = mix.map_or(1.0, |mix| mix.share() as f32);
        let rest = self.smoothing / self.classes.max(1) as f32;
        let mut targets = vec![rest; labels.len() * self.classes];
        let others = labels.iter().rev();
        for ((row, own_label), other_label) in targets.chunks_mut(self.classes.max(1)).zip(labels).zip(others) {
            for (label, share) in [(own_label, own), (other_label, 1.0 - own)] {
                if let Some(target) = usize::try_from(*label).ok().and_then(|label| row.get_mut(label)) {
                    *target += (1.0 - self.smoothing) * share;
                }
            }
            for (target, weight) in row.iter_mut().zip(self.weights.iter().flatten()) {
                *target *= weight;
            }
        }
        targets
    }
}

/// What the clips of a batch are to be answered with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Targets {
    /// A label id for each clip.
    Labels(Vec<i32>),
    /// [B, K], row by row: for each clip how much of each of so many classes.
    Shares { values: Vec<f32>, classes: usize },
}

impl Targets {
    /// Of some of the clips, one after another; of those that there are.
    pub fn of(&self, clips: Range<usize>) -> Self {
        match self {
            Self::Labels(labels) => Self::Labels(labels.get(clips).unwrap_or_default().to_vec()),
            Self::Shares { values, classes } => {
                let values = values.get(clips.start * classes..clips.end * classes).unwrap_or_default();
                Self::Shares { values: values.to_vec(), classes: *classes }
            }
        }
    }

    /// The mean loss of the clips' `logits` [B, K], [1]. With plain labels it is [`cross_entropy`].
    pub fn loss(&self, logits: Tensor<2>, device: &Device) -> Tensor<1> {
        match self {
            Self::Labels(labels) => cross_entropy(logits, labels),
            Self::Shares { values, classes } => {
                let shares = TensorData::new(values.clone(), [values.len() / (*classes).max(1), *classes]);
                kernels::cross_entropy(logits, Tensor::from_data(shares, device))
            }
        }
    }
}

/// scikit-learn's `compute_class_weight("balanced")`: clips / (classes * the class's clips), so that a clip counts 1 on
/// average. Classes without a clip have weight 0 and are not counted.
fn balanced(train: &[Example], classes: usize) -> Vec<f32> {
    let mut counts = vec![0usize; classes];
    for example in train {
        if let Some(count) = counts.get_mut(example.label) {
            *count += 1;
        }
    }
    let met = counts.iter().filter(|count| **count > 0).count();
    let weight = |count: usize| if count > 0 { train.len() as f32 / (met * count) as f32 } else { 0.0 };
    counts.into_iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(labels: &[usize]) -> Vec<Example> {
        labels.iter().map(|&label| Example { video: 0, label }).collect()
    }

    fn objective(label_smoothing_factor: f64, class_weights: ClassWeights, train: &[usize]) -> Objective {
        let settings = Regularisation { label_smoothing_factor, class_weights, ..Regularisation::default() };
        Objective::new(&settings, &examples(train), 3)
    }

    fn loss(objective: &Objective, labels: &[i32], mix: Option<&Mix>) -> f64 {
        let values = [[2.0f32, 0.0, -1.0], [0.5, 0.5, 1.5]];
        let logits = Tensor::from_floats(values, &Device::flex());
        let loss = objective.targets(labels, mix).loss(logits, &Device::flex()).into_data();
        f64::from(loss.iter::<f32>().next().unwrap())
    }

    /// The logarithms of the two rows' probabilities.
    fn logs() -> [[f64; 3]; 2] {
        [[2.0f64, 0.0, -1.0], [0.5, 0.5, 1.5]].map(|row| {
            let sum = row.iter().map(|value| value.exp()).sum::<f64>().ln();
            row.map(|value| value - sum)
        })
    }

    #[test]
    fn balanced_weights_are_scikit_learns() {
        // compute_class_weight("balanced", classes=[0, 1], y=[0, 0, 0, 1]) is [2/3, 2].
        assert_eq!(balanced(&examples(&[0, 0, 0, 1]), 2), [2.0 / 3.0, 2.0]);
        assert_eq!(balanced(&examples(&[0, 0, 2, 2]), 3), [1.0, 0.0, 1.0]);
    }

    #[test]
    fn smoothed_loss_is_the_trainers() {
        // transformers' LabelSmoother: (1 - eps) * nll + eps * the mean of -log p over the classes.
        let logs = logs();
        let own = -(logs[0][0] + logs[1][1]) / 2.0;
        let all = -logs.iter().flatten().sum::<f64>() / 6.0;
        let expected = 0.9 * own + 0.1 * all;
        let ours = loss(&objective(0.1, ClassWeights::Uniform, &[]), &[0, 1], None);
        assert!((ours - expected).abs() < 1e-6, "{ours} and {expected}");
        let plain = loss(&objective(0.0, ClassWeights::Uniform, &[]), &[0, 1], None);
        assert!((plain - own).abs() < 1e-6, "{plain} and {own}");
    }

    #[test]
    fn mixed_and_weighted_labels_are_pytorchs_loss_for_probabilities() {
        // torch.nn.CrossEntropyLoss(weight=w) with class probabilities: the mean over clips of -sum w t log p.
        let logs = logs();
        let weighted = loss(&objective(0.0, ClassWeights::Balanced, &[0, 0, 0, 1]), &[0, 1], None);
        let expected = -(2.0 / 3.0 * logs[0][0] + 2.0 * logs[1][1]) / 2.0;
        assert!((weighted - expected).abs() < 1e-6, "{weighted} and {expected}");

        let mix = Mix::Blend { share: 0.7 };
        let mixed = loss(&objective(0.0, ClassWeights::Uniform, &[]), &[0, 2], Some(&mix));
        let expected = -(0.7 * logs[0][0] + 0.3 * logs[0][2] + 0.7 * logs[1][2] + 0.3 * logs[1][0]) / 2.0;
        assert!((mixed - expected).abs() < 1e-6, "{mixed} and {expected}");

        // timm's mixup_target with smoothing: each row still sums to 1.
        let targets = objective(0.1, ClassWeights::Uniform, &[]).shares(&[0, 2], Some(&mix));
        let off = 0.1f32 / 3.0;
        assert!((targets[0] - (0.9 * 0.7 + off)).abs() < 1e-6 && (targets[1] - off).abs() < 1e-6);
        assert!((targets[2] - (0.9 * 0.3 + off)).abs() < 1e-6, "{targets:?}");
        assert!((targets[..3].iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
