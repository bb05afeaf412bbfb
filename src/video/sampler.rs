//! Which part of a video makes a clip, and which of its frames.
//!
//! Comes in: times in seconds. Goes out: start times and frame indices. Never opens a video.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The start of a training clip: uniform over `[0, max(duration - clip, 0)]`, as pytorchvideo's RandomClipSampler.
pub fn training_start(duration: f64, clip: f64, generator: &mut ChaCha8Rng) -> f64 {
    // Drawn even where there is nothing to choose, so that later draws do not depend on the video's length.
    let drawn: f64 = generator.random();
    drawn * latest_start(duration, clip)
}

/// The start of evaluation view `index` of `count`: evenly from the first to the last possible, as the
/// VideoMAE paper's multi-view test spaces them; a single view is the centre.
pub fn evaluation_start(duration: f64, clip: f64, index: usize, count: usize) -> f64 {
    let latest = latest_start(duration, clip);
    if count <= 1 { latest / 2.0 } else { latest * index.min(count - 1) as f64 / (count - 1) as f64 }
}

fn latest_start(duration: f64, clip: f64) -> f64 {
    // max ignores NaN.
    (duration - clip).max(0.0)
}

/// The stream of random numbers of one training clip.
pub fn generator(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// pytorchvideo's UniformTemporalSubsample: `trunc(linspace(0, total - 1, count))`. Fewer frames than `count`
/// repeat. Empty where `total` is 0.
pub fn uniform_temporal_subsample(total: usize, count: usize) -> Vec<usize> {
    match (total, count) {
        (0, _) => Vec::new(),
        (_, 1) => vec![0],
        (total, count) => (0..count).map(|index| index * (total - 1) / (count - 1)).collect(),
    }
}

/// The timestamp nearest to `time`.
pub fn nearest(timestamps: &[f64], time: f64) -> Option<f64> {
    timestamps.iter().copied().min_by(|one, two| (one - time).abs().total_cmp(&(two - time).abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_starts_fill_the_possible_range_and_come_from_the_seed() {
        let starts: Vec<f64> = (0..2000).map(|seed| training_start(10.0, 2.0, &mut generator(seed))).collect();
        assert!(starts.iter().all(|start| (0.0..=8.0).contains(start)));
        let mean = starts.iter().sum::<f64>() / starts.len() as f64;
        assert!((mean - 4.0).abs() < 0.2, "{mean}");
        assert_eq!(starts[7], training_start(10.0, 2.0, &mut generator(7)));
        assert_eq!(training_start(1.0, 2.0, &mut generator(7)), 0.0);
        assert_eq!(training_start(f64::NAN, 2.0, &mut generator(7)), 0.0);
    }

    #[test]
    fn evaluation_views_spread_evenly() {
        let starts = |count| (0..count).map(|index| evaluation_start(10.0, 2.0, index, count)).collect::<Vec<_>>();
        assert_eq!(starts(1), [4.0]);
        assert_eq!(starts(2), [0.0, 8.0]);
        assert_eq!(starts(5), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(evaluation_start(1.0, 2.0, 1, 3), 0.0);
    }

    #[test]
    fn short_clips_repeat_frames_by_the_same_formula() {
        assert_eq!(uniform_temporal_subsample(3, 8), [0, 0, 0, 0, 1, 1, 1, 2]);
        assert_eq!(uniform_temporal_subsample(1, 4), [0, 0, 0, 0]);
        assert_eq!(uniform_temporal_subsample(9, 1), [0]);
        assert!(uniform_temporal_subsample(0, 4).is_empty());
        assert!(uniform_temporal_subsample(4, 0).is_empty());
    }
}
