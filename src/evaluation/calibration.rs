//! Whether a model is right as often as it says: the reliability diagram, its error, and one number that mends it.
//!
//! Comes in: answers with their labels. Goes out: [`Calibration`], and the [`Temperature`] that makes the answers least
//! surprised. Source: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017.

use serde::{Deserialize, Serialize};

use super::answer::Answer;
use crate::dataset::Split;

/// Bins of the reliability diagram, of equal width from 0 to 1; the paper's number.
pub const BINS: usize = 15;
/// The lowest and the highest temperature that is looked for.
const TEMPERATURES: [f64; 2] = [1e-2, 1e2];
/// Newton's steps on a convex function in one dimension; far fewer are taken.
const MOST_STEPS: usize = 100;

/// How sure a model is against how often it is right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// [`BINS`] of them: the m-th holds the clips with a confidence above `m / BINS` and up to `(m + 1) / BINS`.
    pub bins: Vec<Bin>,
    /// The expected calibration error: how far confidence and accuracy lie apart, the mean over clips (the paper's
    /// equation 3), 0 to 1.
    pub error: f64,
}

/// The clips of which a model is about equally sure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    pub clips: usize,
    /// Mean probability of the predictions, 0 where there is no clip.
    pub confidence: f64,
    /// Share of the predictions that are right.
    pub accuracy: f64,
}

/// What all logits are divided by so that confidences are true.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Temperature {
    /// Above 1 where the model was too sure.
    pub value: f64,
    /// Where it was found.
    pub fitted_on: Split,
    /// How many clips it was found with.
    pub clips: usize,
}

impl Calibration {
    /// From each clip's probability of its prediction, and whether that was right.
    pub fn new(predictions: impl IntoIterator<Item = (f64, bool)>) -> Self {
        let mut bins = [Bin::default(); BINS];
        for (confidence, right) in predictions {
            let place = (1..BINS).filter(|&edge| confidence > edge as f64 / BINS as f64).count();
            if let Some(bin) = bins.get_mut(place) {
                bin.clips += 1;
                bin.confidence += confidence;
                bin.accuracy += f64::from(u8::from(right));
            }
        }
        let clips: usize = bins.iter().map(|bin| bin.clips).sum();
        let apart: f64 = bins.iter().map(|bin| (bin.confidence - bin.accuracy).abs()).sum();
        for bin in bins.iter_mut().filter(|bin| bin.clips > 0) {
            bin.confidence /= bin.clips as f64;
            bin.accuracy /= bin.clips as f64;
        }
        Self { bins: bins.to_vec(), error: apart / clips.max(1) as f64 }
    }
}

/// The temperature with the lowest mean loss over these answers and labels; none where there is no lowest one, as where
/// every answer is right: surer would always be better.
pub fn fit_temperature(answers: &[(&Answer, usize)]) -> Option<f64> {
    // In 1 / temperature the loss is convex, so its slope has one root, which Newton's steps find; a step that leaves
    // where the root can be is replaced by the middle of that.
    let [mut least, mut most] = [1.0 / TEMPERATURES[1], 1.0 / TEMPERATURES[0]];
    if answers.is_empty() || slope(answers, most).0 <= 0.0 || slope(answers, least).0 >= 0.0 {
        return None;
    }
    let mut inverse = 1.0;
    for _ in 0..MOST_STEPS {
        let (first, second) = slope(answers, inverse);
        if first > 0.0 {
            most = inverse
        } else {
            least = inverse
        }
        let newton = inverse - first / second;
        let next = if newton >= least && newton <= most { newton } else { (least * most).sqrt() };
        if (next - inverse).abs() <= 1e-12 * inverse {
            break;
        }
        inverse = next;
    }
    Some(1.0 / inverse)
}

/// The first and the second derivative of the mean loss by `1 / temperature`: the mean of what the label's logit lacks to
/// the expected one, and the mean variance of the logits, both under the scaled probabilities.
fn slope(answers: &[(&Answer, usize)], inverse: f64) -> (f64, f64) {
    let (mut first, mut second) = (0.0, 0.0);
    for (answer, label) in answers {
        let logits = answer.log_probabilities();
        let own = logits.get(*label).copied().unwrap_or_default();
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (mut sum, mut mean, mut square) = (0.0, 0.0, 0.0);
        for logit in logits {
            let weight = ((logit - largest) * inverse).exp();
            sum += weight;
            mean += weight * (logit - own);
            square += weight * (logit - own) * (logit - own);
        }
        first += mean / sum;
        second += square / sum - (mean / sum) * (mean / sum);
    }
    let count = answers.len().max(1) as f64;
    (first / count, second / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fixed stream of numbers from 0 to 1: SplitMix64.
    fn drawn(count: usize) -> Vec<f64> {
        let mut state = 20_261_121u64;
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
        };
        (0..count).map(|_| next()).collect()
    }

    /// Answers that are right exactly as often as they say, times `scale`: labels are drawn from the probabilities.
    fn calibrated(scale: f32) -> Vec<(Answer, usize)> {
        let numbers = drawn(5 * 20_000);
        let clips = numbers.chunks_exact(5).map(|numbers| {
            let logits: Vec<f32> = numbers[..4].iter().map(|number| (6.0 * number - 3.0) as f32).collect();
            let truth = Answer::from_logits(&logits).unwrap();
            let mut left = numbers[4];
            let label = (0..3).find(|&class| {
                left -= truth.probability(class);
                left < 0.0
            });
            let said: Vec<f32> = logits.iter().map(|logit| logit * scale).collect();
            (Answer::from_logits(&said).unwrap(), label.unwrap_or(3))
        });
        clips.collect()
    }

    fn fitted(clips: &[(Answer, usize)]) -> Option<f64> {
        fit_temperature(&clips.iter().map(|(answer, label)| (answer, *label)).collect::<Vec<_>>())
    }

    fn error(clips: &[(Answer, usize)], temperature: f64) -> f64 {
        let scaled = clips.iter().map(|(answer, label)| {
            let scaled = answer.scaled(temperature);
            (scaled.probability(scaled.prediction()), scaled.prediction() == *label)
        });
        Calibration::new(scaled).error
    }

    #[test]
    fn calibrated_answers_need_no_temperature() {
        let clips = calibrated(1.0);
        let temperature = fitted(&clips).unwrap();
        assert!((temperature - 1.0).abs() < 0.02, "{temperature}");
        assert!(error(&clips, 1.0) < 0.015, "{}", error(&clips, 1.0));
    }

    #[test]
    fn a_known_scaling_is_found_and_undone() {
        let true_ones = fitted(&calibrated(1.0)).unwrap();
        for scale in [0.02f32, 0.3, 4.0, 30.0] {
            let clips = calibrated(scale);
            let temperature = fitted(&clips).unwrap();
            assert!((temperature / (true_ones * f64::from(scale)) - 1.0).abs() < 1e-4, "{scale}: {temperature}");
            assert!(error(&clips, temperature) < 0.015 && error(&clips, 1.0) > 0.1, "{scale}");
        }
    }

    #[test]
    fn there_is_no_temperature_where_surer_or_unsurer_were_always_better() {
        let answer = |logits: &[f32]| Answer::from_logits(logits).unwrap();
        assert_eq!(fitted(&[(answer(&[3.0, 0.0]), 0), (answer(&[0.0, 1.0]), 1)]), None, "all right");
        assert_eq!(fitted(&[(answer(&[90.0, 0.0]), 0)]), None, "all right and sure");
        assert_eq!(fitted(&[(answer(&[3.0, 0.0]), 1)]), None, "all wrong");
        assert_eq!(fitted(&[(answer(&[1.0, 1.0]), 1)]), None, "nothing is said");
        assert_eq!(fitted(&[(answer(&[1.0]), 0)]), None, "one class");
        assert_eq!(fitted(&[]), None);
    }

    #[test]
    fn the_error_of_a_set_that_was_made_for_it_is_what_it_was_made_to_be() {
        // Ten clips at 0.95, of which 7 are right: 0.25 apart; ten at 0.55, of which 6 are: 0.05 apart.
        let sure = (0..10).map(|clip| (0.95, clip < 7));
        let unsure = (0..10).map(|clip| (0.55, clip < 6));
        let calibration = Calibration::new(sure.chain(unsure));
        assert!((calibration.error - 0.15).abs() < 1e-12, "{}", calibration.error);
        let filled: Vec<usize> = (0..BINS).filter(|&bin| calibration.bins[bin].clips > 0).collect();
        assert_eq!(filled, [8, 14]);
        assert!((calibration.bins[14].accuracy - 0.7).abs() < 1e-12);
        assert_eq!(Calibration::new([]).error, 0.0);
    }

    #[test]
    fn a_bin_holds_its_upper_edge_and_not_its_lower_one() {
        let place = |confidence: f64| {
            let bins = Calibration::new([(confidence, true)]).bins;
            bins.iter().position(|bin| bin.clips == 1).unwrap()
        };
        assert_eq!([0.0, 1.0 / 15.0, 0.2, 3.0 / 15.0, 0.200_001, 1.0].map(place), [0, 0, 2, 2, 3, 14]);
    }
}
