//! A video and a view of it -> a clip as the model takes it.
//!
//! Comes in: a [`VideoSource`] and which [`View`] of it. Goes out: a [`Clip`], normalised. Keeps short videos'
//! frames in a bounded cache, because every epoch asks for them again. Never batches.

use std::{cell::RefCell, rc::Rc};

use super::{
    Frame, Video, VideoError, VideoReader, VideoSource,
    cache::LeastRecentlyUsed,
    sampler::{evaluation_start, generator, nearest, training_start, uniform_temporal_subsample},
    transform::{TrainingDraw, evaluation, pictures, training},
};
use crate::{model::config::VideoMaeConfig, protocol::ClipPicture};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// A random part, randomly scaled, cropped and mirrored; the seed decides all of it.
    Training { seed: u64, horizontal_flip: bool },
    /// View `index` of `count`, spread evenly over the video; the centre of each frame.
    Evaluation { index: usize, count: usize },
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
        let mut start_of = |seconds: f64| match *view {
            View::Training { .. } => training_start(seconds, self.clip_seconds, &mut generator),
            View::Evaluation { index, count } => evaluation_start(seconds, self.clip_seconds, index, count),
        };
        // The borrow ends here, before any await.
        let kept = self.cache.borrow_mut().get(source.key());
        let sampled = match kept {
            Some(whole) => {
                let start = start_of(whole.seconds);
                self.sample_whole(whole, start)
            }
            None => {
                let video = Video::open(source).await?;
                let start = start_of(video.info().seconds);
                match self.keep_whole(source, &video).await? {
                    Some(whole) => self.sample_whole(whole, start),
                    None => self.sample(&video, start).await?,
                }
            }
        };
        let frames = || sampled.indices.iter().filter_map(|&index| sampled.frames.get(index));
        let Some(first) = frames().next() else { return Err(VideoError::NoFrames) };
        let pixels = match *view {
            View::Evaluation { .. } => evaluation(frames(), &self.shape)?,
            View::Training { horizontal_flip, .. } => {
                let size = [first.height as usize, first.width as usize];
                let crop = [self.shape.height, self.shape.width];
                let draw = TrainingDraw::new(size, crop, horizontal_flip, &mut generator);
                training(frames(), &self.shape, &draw)?
            }
        };
        Ok(Clip { pixels, start: sampled.start, seconds: sampled.seconds })
    }

    /// The clip un-normalised; `video` is what the page calls the video by.
    pub fn picture(&self, clip: &Clip, video: usize) -> ClipPicture {
        ClipPicture { video, frames: pictures(&clip.pixels, &self.shape), seconds: clip.seconds }
    }

    /// Decodes all of a short video and keeps it. None where it is too long.
    async fn keep_whole(&self, source: &VideoSource, video: &Video) -> Result<Option<Rc<WholeVideo>>, VideoError> {
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

    fn sample_whole(&self, whole: Rc<WholeVideo>, start: f64) -> Sampled {
        let end = start + self.clip_seconds;
        let inside = |time: &f64| (start..end).contains(time);
        let first = whole.timestamps.iter().position(inside);
        // An empty window falls back to the nearest frame.
        let (first, count) = match first {
            Some(first) => (first, whole.timestamps.iter().filter(|time| inside(time)).count()),
            None => {
                let time = nearest(&whole.timestamps, start);
                (whole.timestamps.iter().position(|&one| Some(one) == time).unwrap_or(0), 1)
            }
        };
        let indices = uniform_temporal_subsample(count, self.shape.frames);
        let indices = indices.into_iter().map(|index| first + index).collect();
        Sampled { start, seconds: self.clip_seconds.min(whole.seconds), indices, frames: Frames::Kept(whole) }
    }

    async fn sample(&self, video: &Video, start: f64) -> Result<Sampled, VideoError> {
        let mut timestamps = video.timestamps(start, start + self.clip_seconds).await?;
        if timestamps.is_empty() {
            let all = video.timestamps(0.0, f64::INFINITY).await?;
            timestamps.extend(nearest(&all, start));
        }
        let mut chosen = uniform_temporal_subsample(timestamps.len(), self.shape.frames);
        let mut distinct = chosen.clone();
        distinct.dedup();
        let wanted: Vec<f64> = distinct.iter().filter_map(|&index| timestamps.get(index).copied()).collect();
        let frames = video.frames(&wanted).await?;
        // Indices into the distinct frames; `chosen` rises, so each lies among them.
        chosen.iter_mut().for_each(|index| *index = distinct.partition_point(|one| *one < *index));
        Ok(Sampled {
            start,
            seconds: self.clip_seconds.min(video.info().seconds),
            indices: chosen,
            frames: Frames::Fresh(frames),
        })
    }
}
