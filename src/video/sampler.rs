//! Which part of a video makes a clip, and which of its frames.
//!
//! Comes in: times in seconds, or numbers of frames. Goes out: start times and frame indices. Never opens a video.
//!
//! Where there are fewer frames than the model takes, frames repeat. A choice by time repeats them evenly, as
//! pytorchvideo's UniformTemporalSubsample does in the guide, so that the motion keeps its order and fills the clip;
//! a choice by frame numbers repeats the last one, as the paper's code does.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// pytorchvideo compares times with this tolerance, in seconds (data/clip_sampling.py, UniformClipSampler).
const EPSILON: f64 = 1e-6;
/// The paper's Kinetics clips take every 4th frame (MCG-NJU/VideoMAE, kinetics.py).
const KINETICS_RATE: usize = 4;
/// Clips of a video in the paper's test on Kinetics, and on UCF101.
pub const KINETICS_CLIPS: usize = 5;
/// Clips of a video in the paper's test on Something-Something V2.
pub const SOMETHING_SOMETHING_CLIPS: usize = 2;
/// transformers 4's pipeline takes every frame unless told otherwise (`frame_sampling_rate`).
const PIPELINE_RATE: usize = 1;

/// Clips of one video at most.
const MOST_CLIPS: usize = 10_000;

/// Frames by their numbers, whatever their times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameNumbers {
    /// Clip `index` of the paper's 5 on Kinetics: every 4th frame.
    Kinetics { index: usize },
    /// Clip `index` of the paper's 2 on Something-Something V2: a frame of each of equal segments.
    SomethingSomething { index: usize },
    /// The first ones, as transformers 4's video-classification pipeline takes them.
    First,
    /// Evenly over the whole video, as transformers 5's pipeline takes them.
    Whole,
}

impl FrameNumbers {
    /// `count` frames of `total`, none where there is none.
    pub fn of(self, total: usize, count: usize) -> Vec<usize> {
        match self {
            _ if total == 0 => Vec::new(),
            Self::Kinetics { index } => kinetics_clip(total, count, index),
            Self::SomethingSomething { index } => something_something_clip(total, count, index),
            Self::First => first_frames(count, PIPELINE_RATE).into_iter().map(|number| number.min(total - 1)).collect(),
            Self::Whole => whole_video(total, count),
        }
    }
}

/// The start of a training clip: pytorchvideo's RandomClipSampler, `uniform(0, max(duration - clip, 0))`, for `drawn`
/// out of 0 to 1.
pub fn training_start(duration: f64, clip: f64, drawn: f64) -> f64 {
    drawn * latest_start(duration, clip)
}

/// The start of evaluation view `index` of `count`: evenly from the first to the last possible, as the
/// VideoMAE paper's multi-view test spaces them; a single view is the centre.
pub fn evaluation_start(duration: f64, clip: f64, index: usize, count: usize) -> f64 {
    let latest = latest_start(duration, clip);
    if count <= 1 { latest / 2.0 } else { latest * index.min(count - 1) as f64 / (count - 1) as f64 }
}

/// The starts of pytorchvideo's UniformClipSampler: one clip every `stride` seconds. What is left at the end is
/// dropped, or with `backpad_last` covered by a clip that ends with the video. 10 000 at most: a damaged file may
/// claim any length.
pub fn uniform_starts(duration: f64, clip: f64, stride: f64, backpad_last: bool) -> Vec<f64> {
    let latest = latest_start(duration, clip);
    let mut starts = vec![0.0];
    while let Some(last) = starts.last().copied().filter(|_| starts.len() < MOST_CLIPS) {
        let next = starts.len() as f64 * stride;
        if backpad_last && next.min(latest) - last > EPSILON {
            starts.push(next.min(latest));
        } else if next > last && next + clip - duration <= EPSILON {
            starts.push(next);
        } else {
            break;
        }
    }
    starts
}

/// The starts of pytorchvideo's ConstantClipsPerVideoSampler: `latest * index / count`, so that none starts latest.
pub fn constant_starts(duration: f64, clip: f64, count: usize) -> Vec<f64> {
    (0..count).map(|index| latest_start(duration, clip) * index as f64 / count as f64).collect()
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

/// transformers 4's video-classification pipeline: `linspace(0, count * rate - 1, count)`, whatever the video's
/// length (pipelines/video_classification.py).
pub fn first_frames(count: usize, rate: usize) -> Vec<usize> {
    uniform_temporal_subsample(count * rate, count)
}

/// transformers 5's pipeline: `arange(count) * total // count` (video_utils.py, default_sample_indices_fn).
pub fn whole_video(total: usize, count: usize) -> Vec<usize> {
    (0..count).map(|index| index * total / count).collect()
}

/// Every 4th frame, the last of them repeated up to `count`; from the `index`-th of 5 starts, spread evenly
/// (MCG-NJU/VideoMAE, kinetics.py, `test` mode).
fn kinetics_clip(total: usize, count: usize, index: usize) -> Vec<usize> {
    let strided = total.div_ceil(KINETICS_RATE);
    let start = index * strided.saturating_sub(count) / (KINETICS_CLIPS - 1);
    (start..start + count).map(|place| place.min(strided - 1) * KINETICS_RATE).collect()
}

/// Each of `count` equal segments gives its first and its middle frame; of all, sorted, every second one from `index`
/// (MCG-NJU/VideoMAE, ssv2.py, `test` mode).
fn something_something_clip(total: usize, count: usize, index: usize) -> Vec<usize> {
    let tick = total as f64 / count as f64;
    let numbers = |from: f64| (0..count).map(move |segment| (from + tick * segment as f64) as usize);
    let mut all: Vec<usize> = numbers(tick / 2.0).chain(numbers(0.0)).collect();
    all.sort_unstable();
    all.into_iter().skip(index).step_by(SOMETHING_SOMETHING_CLIPS).collect()
}

/// The timestamp nearest to `time`.
pub fn nearest(timestamps: &[f64], time: f64) -> Option<f64> {
    timestamps.iter().copied().min_by(|one, two| (one - time).abs().total_cmp(&(two - time).abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_starts_fill_the_possible_range() {
        assert_eq!([0.0, 0.5, 1.0].map(|drawn| training_start(10.0, 2.0, drawn)), [0.0, 4.0, 8.0]);
        assert_eq!(training_start(1.0, 2.0, 0.7), 0.0);
        assert_eq!(training_start(f64::NAN, 2.0, 0.7), 0.0);
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
    fn uniform_clips_end_whatever_the_numbers() {
        for backpad_last in [false, true] {
            for strange in [0.0, -1.0, f64::NAN] {
                assert!(uniform_starts(10.0, 2.0, strange, backpad_last).len() <= 2);
                assert_eq!(uniform_starts(strange, 2.0, 1.0, backpad_last), [0.0]);
            }
            assert_eq!(uniform_starts(f64::INFINITY, 2.0, 1.0, backpad_last).len(), MOST_CLIPS);
        }
    }

    #[test]
    fn short_clips_repeat_frames_by_the_same_formula() {
        assert_eq!(uniform_temporal_subsample(3, 8), [0, 0, 0, 0, 1, 1, 1, 2]);
        assert_eq!(uniform_temporal_subsample(1, 4), [0, 0, 0, 0]);
        assert_eq!(uniform_temporal_subsample(9, 1), [0]);
        assert!(uniform_temporal_subsample(0, 4).is_empty());
        assert!(uniform_temporal_subsample(4, 0).is_empty());
    }

    #[test]
    fn choices_by_number_stay_inside_the_video_and_give_as_many_as_asked() {
        let choices = (0..2).map(|index| FrameNumbers::SomethingSomething { index });
        let choices = choices.chain((0..5).map(|index| FrameNumbers::Kinetics { index }));
        for choice in choices.chain([FrameNumbers::First, FrameNumbers::Whole]) {
            assert!(choice.of(0, 16).is_empty());
            for total in 1..200 {
                for count in [1, 2, 8, 16, 30] {
                    let numbers = choice.of(total, count);
                    assert_eq!(numbers.len(), count, "{choice:?}, {total} frames");
                    assert!(numbers.is_sorted() && numbers.iter().all(|&number| number < total), "{choice:?}");
                }
            }
        }
        assert_eq!(FrameNumbers::First.of(3, 5), [0, 1, 2, 2, 2]);
    }
}
