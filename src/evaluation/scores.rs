//! Labels and predictions -> precision, recall and F1 by class, and the confusion matrix.
//!
//! Comes in: a label and a prediction for each clip, in order. Goes out: the numbers of scikit-learn's
//! `precision_recall_fscore_support` with `zero_division=0`, and who was taken for what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How well a model knows one class; all shares 0 to 1, and 0 where nothing was to be divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    /// Of the clips that were predicted to be of the class, those that are.
    pub precision: f64,
    /// Of the clips of the class, those that were predicted to be.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
    /// Clips of the class.
    pub support: usize,
    /// Clips that were predicted to be of it.
    pub predicted: usize,
}

/// Means over classes, each of the same weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Macro {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
}

/// The clips of one class that were taken for one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    pub label: usize,
    pub prediction: usize,
    /// Counts into the clips, in their order.
    pub clips: Vec<usize>,
}

/// The scores of each of `classes`.
pub fn by_class(classes: usize, pairs: &[(usize, usize)]) -> Vec<ClassScores> {
    let mut counts = vec![[0usize; 3]; classes];
    let mut add = |class: usize, of: usize| {
        if let Some(count) = counts.get_mut(class).and_then(|counts| counts.get_mut(of)) {
            *count += 1;
        }
    };
    for &(label, prediction) in pairs {
        add(label, 0);
        add(prediction, 1);
        if label == prediction {
            add(label, 2);
        }
    }
    let scores = counts.into_iter().map(|[support, predicted, right]| ClassScores {
        precision: share(right, predicted),
        recall: share(right, support),
        f1: share(2 * right, support + predicted),
        support,
        predicted,
    });
    scores.collect()
}

/// Over the classes that a clip has or was taken for, as scikit-learn's `average="macro"` does it: what a model knows
/// beside the classes of the data says nothing about the data.
pub fn macro_average(scores: &[ClassScores]) -> Macro {
    let met: Vec<&ClassScores> = scores.iter().filter(|score| score.support + score.predicted > 0).collect();
    let mean = |of: fn(&ClassScores) -> f64| met.iter().map(|score| of(score)).sum::<f64>() / met.len().max(1) as f64;
    Macro { precision: mean(|score| score.precision), recall: mean(|score| score.recall), f1: mean(|score| score.f1) }
}

/// The cells of the confusion matrix that hold a clip, by label and then by prediction.
pub fn confusion(pairs: &[(usize, usize)]) -> Vec<Cell> {
    let mut cells: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for (clip, &pair) in pairs.iter().enumerate() {
        cells.entry(pair).or_default().push(clip);
    }
    cells.into_iter().map(|((label, prediction), clips)| Cell { label, prediction, clips }).collect()
}

/// 0 of 0 is 0.
pub fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perfect_predictions_score_one_everywhere() {
        let pairs: Vec<(usize, usize)> = (0..12).map(|clip| (clip % 3, clip % 3)).collect();
        let scores = by_class(3, &pairs);
        let perfect = ClassScores { precision: 1.0, recall: 1.0, f1: 1.0, support: 4, predicted: 4 };
        assert!(scores.iter().all(|score| *score == perfect));
        assert_eq!(macro_average(&scores), Macro { precision: 1.0, recall: 1.0, f1: 1.0 });
        assert!(confusion(&pairs).iter().all(|cell| cell.label == cell.prediction));
    }

    #[test]
    fn a_class_that_is_never_predicted_scores_zero_and_one_that_is_never_met_counts_for_nothing() {
        let scores = by_class(4, &[(0, 0), (0, 0), (1, 0), (0, 2)]);
        assert_eq!(scores[1], ClassScores { support: 1, ..ClassScores::default() });
        assert_eq!(scores[2], ClassScores { predicted: 1, ..ClassScores::default() });
        assert_eq!(scores[3], ClassScores::default());
        let macro_average = macro_average(&scores);
        assert_eq!(macro_average.recall, (2.0 / 3.0) / 3.0);
        assert_eq!(super::macro_average(&by_class(2, &[])), Macro::default());
    }

    #[test]
    fn every_clip_lies_in_exactly_one_cell() {
        let pairs = [(2, 1), (0, 0), (2, 1), (1, 2), (0, 0)];
        let cells = confusion(&pairs);
        let places: Vec<(usize, usize)> = cells.iter().map(|cell| (cell.label, cell.prediction)).collect();
        assert_eq!(places, [(0, 0), (1, 2), (2, 1)]);
        assert_eq!(cells[2].clips, [0, 2]);
        let mut clips: Vec<usize> = cells.into_iter().flat_map(|cell| cell.clips).collect();
        clips.sort_unstable();
        assert_eq!(clips, [0, 1, 2, 3, 4]);
    }
}
