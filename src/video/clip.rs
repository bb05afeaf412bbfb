//! A video and a view of it -> a clip as the model takes it.
//!
//! Comes in: a [`VideoSource`] and which [`View`] of it. Goes out: a [`Clip`], normalised. Keeps short videos'
//! frames in a bounded cache, because every epoch asks for them again. Never batches.

use std::{cell::RefCell, rc::Rc};

use rand::RngExt;

use super::{
    Frame, VideoError, VideoReader, VideoSource,
    augmentation::{TrainingDraw, training},
    cache::LeastRecentlyUsed,
    part::PartOfVideo,
    sampler::{FrameNumbers, evaluation_start, generator, nearest, training_start, uniform_temporal_subsample},
    transform::{evaluation, pictures},
    views::{ClipChoice, TestView},
};
use crate::{model::config::VideoMaeConfig, protocol::ClipPicture, train::augmentation::Augmentation};

/// ImageNet's channel means, as the hub's VideoMAE repositories have them in preprocessor_config.json.
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// ImageNet's channel standard deviations.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// How many bytes of decoded frames are kept.
const CACHE_BYTES: usize = 256 << 20;
/// A video is kept whole where its frames take at most this many bytes.
const WHOLE_BYTES: usize = 4 << 20;
/// The least frames a second that a video is taken for before its frames are counted.
const LEAST_FRAME_RATE: f64 = 4.0;

/// What the model takes: `[frames, 3, height, width]`, `(x / 255 - mean) / std`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClipShape {
    pub frames: usize,
    pub height: usize,
    pub width: usize,
    pub mean: [f32; 3],
    pub std: [f32; 3],
}

impl ClipShape {
    pub fn new(config: &VideoMaeConfig, mean: [f32; 3], std: [f32; 3]) -> Self {
        let [height, width] = config.image_size.height_width();
        Self { frames: config.num_frames, height, width, mean, std }
    }
}

/// Which clip of a video, and what is done to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum View {
    /// A random part, randomly changed; the seed decides all of it.
    Training { seed: u64, augmentation: Augmentation },
    /// Nothing is random.
    Evaluation(TestView),
}

/// One clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// `[T, C, H, W]`.
    pub pixels: Vec<f32>,
    /// Where it starts in the video, in seconds.
    pub start: f64,
    /// How long it lasts, in seconds.
    pub seconds: f64,
    /// Width and height of the video's frames.
    pub size: [u32; 2],
    /// Whether frames repeat, because there were fewer than the model takes.
    pub repeats: bool,
}

/// Loads clips of one shape and length.
pub struct ClipLoader {
    shape: ClipShape,
    clip_seconds: f64,
    cache: RefCell<LeastRecentlyUsed<WholeVideo>>,
}

/// All frames of a short video.
struct WholeVideo {
    seconds: f64,
    timestamps: Vec<f64>,
    frames: Vec<Frame>,
}

/// What of a video makes a clip.
#[derive(Clone, Copy)]
enum Part {
    /// The frames shown from this second on, for as long as a clip lasts.
    From(f64),
    Numbered(FrameNumbers),
}

/// The frames of a clip, some of them perhaps repeated.
struct Sampled {
    start: f64,
    seconds: f64,
    /// Each counts into `frames`.
    indices: Vec<usize>,
    frames: Frames,
}

enum Frames {
    Kept(Rc<WholeVideo>),
    Fresh(Vec<Frame>),
}

impl Frames {
    fn get(&self, index: usize) -> Option<&Frame> {
        match self {
            Self::Kept(whole) => whole.frames.get(index),
            Self::Fresh(frames) => frames.get(index),
        }
    }
}

impl ClipLoader {
    /// Clips of `clip_seconds`.
    pub fn new(shape: ClipShape, clip_seconds: f64) -> Self {
        Self { shape, clip_seconds, cache: RefCell::new(LeastRecentlyUsed::new(CACHE_BYTES)) }
    }

    pub fn shape(&self) -> &ClipShape {
        &self.shape
    }

    /// Decodes, samples and transforms one clip.
    pub async fn load(&self, source: &VideoSource, view: &View) -> Result<Clip, VideoError> {
        let mut generator = generator(match *view {
            View::Training { seed, .. } => seed,
            View::Evaluation { .. } => 0,
        });
        let mut part_of = |seconds: f64| match *view {
            View::Training { .. } => Part::From(training_start(seconds, self.clip_seconds, generator.random())),
            View::Evaluation(TestView { clip, .. }) => match clip {
                ClipChoice::Spread { index, count } => {
                    Part::From(evaluation_start(seconds, self.clip_seconds, index, count))
                }
                ClipChoice::Window { start } => Part::From(start),
                ClipChoice::Numbered(numbers) => Part::Numbered(numbers),
            },
        };
        // The borrow ends here, before any await.
        let kept = self.cache.borrow_mut().get(source.key());
        let sampled = match kept {
            Some(whole) => {
                let part = part_of(whole.seconds);
                self.sample_whole(whole, part)
            }
            None => {
                let video = PartOfVideo::open(source).await?;
                let part = part_of(video.info().seconds);
                match self.keep_whole(source, &video).await? {
                    Some(whole) => self.sample_whole(whole, part),
                    None => self.sample(&video, part).await?,
                }
            }
        };
        let frames = || sampled.indices.iter().filter_map(|&index| sampled.frames.get(index));
        let size = frames().next().map(|first| [first.width, first.height]).ok_or(VideoError::NoFrames)?;
        let pixels = match *view {
            View::Evaluation(TestView { framing, .. }) => evaluation(frames(), &self.shape, framing)?,
            View::Training { augmentation, .. } => {
                let [width, height] = size.map(|side| side as usize);
                let draw = TrainingDraw::new([height, width], &self.shape, &augmentation, &mut generator);
                training(frames(), &self.shape, &draw)?
            }
        };
        let repeats = !sampled.indices.is_sorted_by(|one, two| one < two);
        Ok(Clip { pixels, start: sampled.start, seconds: sampled.seconds, size, repeats })
    }

    /// The clip un-normalised.
    pub fn picture(&self, clip: &Clip) -> ClipPicture {
        ClipPicture { frames: pictures(&clip.pixels, &self.shape), size: clip.size, seconds: clip.seconds }
    }

    /// Decodes all of a short video and keeps it. None where it is too long.
    async fn keep_whole(
        &self,
        source: &VideoSource,
        video: &PartOfVideo,
    ) -> Result<Option<Rc<WholeVideo>>, VideoError> {
        let info = video.info();
        let frame_bytes = info.width as usize * info.height as usize * 3;
        if info.seconds * LEAST_FRAME_RATE * frame_bytes as f64 > WHOLE_BYTES as f64 {
            return Ok(None);
        }
        let timestamps = video.timestamps(0.0, f64::INFINITY).await?;
        let bytes = timestamps.len() * frame_bytes;
        if bytes > WHOLE_BYTES {
            return Ok(None);
        }
        let frames = video.frames(&timestamps).await?;
        let whole = Rc::new(WholeVideo { seconds: info.seconds, timestamps, frames });
        self.cache.borrow_mut().insert(source.key().to_string(), whole.clone(), bytes);
        Ok(Some(whole))
    }

    fn sample_whole(&self, whole: Rc<WholeVideo>, part: Part) -> Sampled {
        let (first, indices) = match part {
            Part::Numbered(numbers) => (0, numbers.of(whole.timestamps.len(), self.shape.frames)),
            Part::From(start) => {
                let (first, count) = window(&whole.timestamps, start, start + self.clip_seconds);
                (first, uniform_temporal_subsample(count, self.shape.frames))
            }
        };
        let indices: Vec<usize> = indices.into_iter().map(|index| first + index).collect();
        let (start, seconds) = self.extent(part, &indices, &whole.timestamps, whole.seconds);
        Sampled { start, seconds, indices, frames: Frames::Kept(whole) }
    }

    async fn sample(&self, video: &PartOfVideo, part: Part) -> Result<Sampled, VideoError> {
        let (timestamps, mut chosen) = match part {
            Part::Numbered(numbers) => {
                let timestamps = video.timestamps(0.0, f64::INFINITY).await?;
                let chosen = numbers.of(timestamps.len(), self.shape.frames);
                (timestamps, chosen)
            }
            Part::From(start) => {
                let mut timestamps = video.timestamps(start, start + self.clip_seconds).await?;
                if timestamps.is_empty() {
                    let all = video.timestamps(0.0, f64::INFINITY).await?;
                    timestamps.extend(nearest(&all, start));
                }
                let chosen = uniform_temporal_subsample(timestamps.len(), self.shape.frames);
                (timestamps, chosen)
            }
        };
        let (start, seconds) = self.extent(part, &chosen, &timestamps, video.info().seconds);
        let mut distinct = chosen.clone();
        distinct.dedup();
        let wanted: Vec<f64> = distinct.iter().filter_map(|&index| timestamps.get(index).copied()).collect();
        let frames = video.frames(&wanted).await?;
        // Indices into the distinct frames; `chosen` rises, so each lies among them.
        chosen.iter_mut().for_each(|index| *index = distinct.partition_point(|one| *one < *index));
        Ok(Sampled { start, seconds, indices: chosen, frames: Frames::Fresh(frames) })
    }

    /// When a clip of these frames begins, and how long it lasts, in a video of so many seconds.
    fn extent(&self, part: Part, chosen: &[usize], timestamps: &[f64], seconds: f64) -> (f64, f64) {
        match part {
            Part::From(start) => (start, self.clip_seconds.min(seconds)),
            Part::Numbered(_) => {
                let time = |index: Option<&usize>| index.and_then(|&index| timestamps.get(index)).copied();
                let (first, last) = (time(chosen.first()).unwrap_or(0.0), time(chosen.last()).unwrap_or(0.0));
                (first, last - first)
            }
        }
    }
}

/// The first of the timestamps from `start` to before `end`, and how many there are. An empty window falls back to
/// the nearest frame.
fn window(timestamps: &[f64], start: f64, end: f64) -> (usize, usize) {
    let inside = |time: &f64| (start..end).contains(time);
    match timestamps.iter().position(inside) {
        Some(first) => (first, timestamps.iter().filter(|time| inside(time)).count()),
        None => {
            let time = nearest(timestamps, start);
            (timestamps.iter().position(|&one| Some(one) == time).unwrap_or(0), 1)
        }
    }
}
