//! Known ways to test a model on a video: how many clips of it, which frames, and which part of each frame.
//!
//! Comes in: the name of a way, a video's length. Goes out: [`TestView`]s, whose answers are to be averaged. Never
//! decodes.

use super::sampler::{FrameNumbers, KINETICS_CLIPS, SOMETHING_SOMETHING_CLIPS, constant_starts, uniform_starts};

/// Which frames of a video make a clip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClipChoice {
    /// Window `index` of `count`, spread evenly over the video.
    Spread { index: usize, count: usize },
    /// The window that starts at this second.
    Window { start: f64 },
    /// Frames by number.
    Numbered(FrameNumbers),
}

/// Which part of a frame the model sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// At 0, 1 and 2 the start, the centre and the end of the frame's long side, its short side whole. The centre
    /// rounds down, as transformers' `center_crop` and the paper's code do.
    Crop(usize),
    /// The same, but the centre rounds up, as in pytorchvideo's `uniform_crop`.
    UniformCrop(usize),
    /// The whole frame, squashed into the model's shape, as by the guide's `Resize((224, 224))`.
    Squash,
}

impl Framing {
    pub const CENTRE: Self = Self::Crop(1);

    /// Where the crop begins in the resized frame; all as `[height, width]`.
    pub fn offset(self, resized: [usize; 2], crop: [usize; 2]) -> [usize; 2] {
        let [rows, columns] = [resized[0].saturating_sub(crop[0]), resized[1].saturating_sub(crop[1])];
        let (place, rounding) = match self {
            Self::Crop(place) => (place, 0),
            Self::UniformCrop(place) => (place, 1),
            Self::Squash => return [0, 0],
        };
        let at = |room: usize, place: usize| (room * place.min(2) + rounding) / 2;
        if resized[0] > resized[1] { [at(rows, place), at(columns, 1)] } else { [at(rows, 1), at(columns, place)] }
    }
}

/// One look at a video in which nothing is random.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TestView {
    pub clip: ClipChoice,
    pub framing: Framing,
}

impl TestView {
    /// The middle of the video, the centre of its frames.
    pub const CENTRE: Self = Self::spread(0, 1);

    /// Window `index` of `count`, spread evenly over the video; the centre of its frames.
    pub const fn spread(index: usize, count: usize) -> Self {
        Self { clip: ClipChoice::Spread { index, count }, framing: Framing::CENTRE }
    }
}

/// How a model is tested on a video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TestViews {
    /// As many windows as the video holds, at most 5, spread evenly; the centre of the frames.
    #[default]
    Spread,
    /// The guide's evaluation: one window after the other, the rest dropped; frames squashed.
    Guide,
    /// Windows that overlap by half, up to the video's end, so that nothing is missed; the centre of the frames.
    Dense,
    /// pytorchvideo's `constant_clips_per_video`: 5 windows, 3 crops of each.
    Constant,
    /// The paper's on Kinetics and UCF101: 5 clips, 3 crops of each (VideoMAE, appendix).
    Kinetics,
    /// The paper's on Something-Something V2: 2 clips, 3 crops of each.
    SomethingSomething,
    /// transformers 5's video-classification pipeline: one clip from the whole video.
    Pipeline,
    /// transformers 4's: the first frames.
    Pipeline4,
}

/// Windows of [`TestViews::Spread`] at most; the paper's number for Kinetics.
pub const MOST_SPREAD: usize = 5;
/// Windows of [`TestViews::Constant`].
const CONSTANT_CLIPS: usize = 5;

impl TestViews {
    /// All ways with their names for the command line.
    pub const ALL: [(&'static str, Self); 8] = [
        ("spread", Self::Spread),
        ("guide", Self::Guide),
        ("dense", Self::Dense),
        ("constant", Self::Constant),
        ("kinetics", Self::Kinetics),
        ("something-something", Self::SomethingSomething),
        ("pipeline", Self::Pipeline),
        ("pipeline-4", Self::Pipeline4),
    ];

    /// The views of a video of `duration` seconds, of which the model sees `clip` at a time.
    pub fn of(self, duration: f64, clip: f64) -> Vec<TestView> {
        let windows = |starts: Vec<f64>| starts.into_iter().map(|start| ClipChoice::Window { start }).collect();
        let numbered = |clips: &[FrameNumbers]| clips.iter().copied().map(ClipChoice::Numbered).collect::<Vec<_>>();
        let thirds = [0, 1, 2].map(Framing::Crop);
        let centre = [Framing::CENTRE];
        match self {
            Self::Spread => {
                let count = ((duration / clip).ceil() as usize).clamp(1, MOST_SPREAD);
                (0..count).map(|index| TestView::spread(index, count)).collect()
            }
            Self::Guide => each(windows(uniform_starts(duration, clip, clip, false)), &[Framing::Squash]),
            Self::Dense => each(windows(uniform_starts(duration, clip, clip / 2.0, true)), &centre),
            Self::Constant => {
                each(windows(constant_starts(duration, clip, CONSTANT_CLIPS)), &[0, 1, 2].map(Framing::UniformCrop))
            }
            Self::Kinetics => {
                let clips: [_; KINETICS_CLIPS] = std::array::from_fn(|index| FrameNumbers::Kinetics { index });
                each(numbered(&clips), &thirds)
            }
            Self::SomethingSomething => {
                let clips: [_; SOMETHING_SOMETHING_CLIPS] =
                    std::array::from_fn(|index| FrameNumbers::SomethingSomething { index });
                each(numbered(&clips), &thirds)
            }
            Self::Pipeline => each(numbered(&[FrameNumbers::Whole]), &centre),
            Self::Pipeline4 => each(numbered(&[FrameNumbers::First]), &centre),
        }
    }
}

/// Each clip in each framing.
fn each(clips: Vec<ClipChoice>, framings: &[Framing]) -> Vec<TestView> {
    let views = clips.into_iter().flat_map(|clip| framings.iter().map(move |&framing| TestView { clip, framing }));
    views.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_looks_as_often_as_its_name_says() {
        let count = |views: TestViews, seconds: f64| views.of(seconds, 2.0).len();
        assert_eq!([0.5, 2.0, 3.0, 90.0].map(|seconds| count(TestViews::Spread, seconds)), [1, 1, 2, 5]);
        assert_eq!(count(TestViews::Guide, 9.0), 4);
        assert_eq!(count(TestViews::Dense, 9.5), 9);
        for (views, expected) in [
            (TestViews::Constant, 15),
            (TestViews::Kinetics, 15),
            (TestViews::SomethingSomething, 6),
            (TestViews::Pipeline, 1),
            (TestViews::Pipeline4, 1),
        ] {
            assert_eq!(count(views, 9.0), expected, "{views:?}");
        }
        assert!(TestViews::ALL.iter().all(|(_, views)| !views.of(f64::NAN, 2.0).is_empty()));
    }

    #[test]
    fn a_crop_moves_along_the_long_side_only() {
        let offsets = |size| [0, 1, 2].map(|place| Framing::Crop(place).offset(size, [10, 10]));
        assert_eq!(offsets([10, 15]), [[0, 0], [0, 2], [0, 5]]);
        assert_eq!(offsets([15, 10]), [[0, 0], [2, 0], [5, 0]]);
        assert_eq!(Framing::UniformCrop(1).offset([10, 15], [10, 10]), [0, 3]);
        assert_eq!(Framing::Squash.offset([15, 10], [10, 10]), [0, 0]);
    }
}
