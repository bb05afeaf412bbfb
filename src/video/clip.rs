//! A video and a view of it -> a clip as the model takes it.
//!
//! Comes in: a [`VideoSource`] and which [`View`] of it. Goes out: a [`Clip`], normalised. Keeps what it decoded, in memory
//! and then on disk, because every epoch asks for it again; a clip from there is the same to the last bit. Never batches.

use std::rc::Rc;

use rand::RngExt;

use super::{
    Frame, VideoError, VideoInfo, VideoReader, VideoSource,
    augmentation::{TrainingDraw, training},
    kept::{KeptClips, Outline, Purpose, SMALL_BYTES, Whole, WholeFrames},
    part::PartOfVideo,
    sampler::{FrameNumbers, evaluation_start, generator, nearest, training_start, uniform_temporal_subsample},
    shrinking::Shrinking,
    transform::{evaluation, pictures},
    views::{ClipChoice, TestView},
};
use crate::{
    files::FileError, model::config::VideoMaeConfig, protocol::ClipPicture, train::augmentation::Augmentation,
};

/// ImageNet's channel means, as the hub's VideoMAE repositories have them in preprocessor_config.json.
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// ImageNet's channel standard deviations.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

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

impl View {
    /// Nothing of it is random.
    fn is_same_each_time(&self) -> bool {
        matches!(self, Self::Evaluation(_))
    }
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
    kept: Rc<KeptClips>,
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
    /// Width and height of the video's frames, before they were shrunk.
    full_size: [u32; 2],
}

enum Frames {
    InMemory(Rc<Whole>),
    Fresh(Vec<Frame>),
}

impl Frames {
    fn get(&self, index: usize) -> Option<&Frame> {
        match self {
            Self::InMemory(whole) => match &whole.frames {
                WholeFrames::InMemory(frames) => frames.get(index),
                WholeFrames::OnDisk(_) => None,
            },
            Self::Fresh(frames) => frames.get(index),
        }
    }
}

impl ClipLoader {
    /// Clips of `clip_seconds`, from videos of which memory alone keeps some.
    pub fn new(shape: ClipShape, clip_seconds: f64) -> Self {
        Self::keeping(shape, clip_seconds, Rc::new(KeptClips::new(0)))
    }

    /// Finds what others kept, and keeps videos and clips for others: for whoever asks for every one again and again.
    pub fn keeping(shape: ClipShape, clip_seconds: f64, kept: Rc<KeptClips>) -> Self {
        Self { shape, clip_seconds, kept }
    }

    pub fn shape(&self) -> &ClipShape {
        &self.shape
    }

    /// One clip, decoded, sampled and transformed; one that is the same each time is found where it was kept.
    pub async fn load(&self, source: &VideoSource, view: &View) -> Result<Clip, VideoError> {
        if !view.is_same_each_time() {
            return self.make(source, view).await;
        }
        let key = format!("{}, {view:?}, {:?}, {} s", source.key(), self.shape, self.clip_seconds);
        if let Some(clip) = self.kept.clip(&key).await {
            return Ok(clip);
        }
        let clip = self.make(source, view).await?;
        self.kept.keep_clip(key, &clip, source.key()).await;
        Ok(clip)
    }

    /// Decodes a video to disk, where there is room for it, so that such views of it come from there.
    pub async fn keep(&self, source: &VideoSource, view: &View) -> Result<(), VideoError> {
        let shrinking = Shrinking::of(view, &self.shape);
        if self.find(source, shrinking).is_none() {
            let video = PartOfVideo::open(source).await?;
            self.decode_whole(source, &video, shrinking, Purpose::Later).await?;
        }
        Ok(())
    }

    /// The video where it was kept, its frames as large as they are wanted.
    fn find(&self, source: &VideoSource, shrinking: Option<Shrinking>) -> Option<Rc<Whole>> {
        let shrunk = shrinking.and_then(|shrinking| self.kept.video(&shrinking.key(source.key())));
        let is_wanted = |size| shrinking.is_none_or(|shrinking| shrinking.size(size).is_none());
        shrunk.or_else(|| self.kept.video(source.key()).filter(|whole| is_wanted(whole.outline.size)))
    }

    async fn make(&self, source: &VideoSource, view: &View) -> Result<Clip, VideoError> {
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
        let shrinking = Shrinking::of(view, &self.shape);
        let sampled = match self.find(source, shrinking) {
            Some(whole) => {
                let part = part_of(whole.outline.seconds);
                match self.sample_whole(whole, part).await {
                    Ok(sampled) => sampled,
                    // The user emptied the browser's storage, for example.
                    Err(_) => {
                        self.forget(source, shrinking).await;
                        self.sample(&PartOfVideo::open(source).await?, shrinking, part).await?
                    }
                }
            }
            None => {
                let video = PartOfVideo::open(source).await?;
                let part = part_of(video.info().seconds);
                let purpose = if view.is_same_each_time() { Purpose::OneClip } else { Purpose::Clips };
                match self.decode_whole(source, &video, shrinking, purpose).await? {
                    Some(whole) => self.sample_memory(whole, part),
                    None => self.sample(&video, shrinking, part).await?,
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
        Ok(Clip { pixels, start: sampled.start, seconds: sampled.seconds, size: sampled.full_size, repeats })
    }

    async fn forget(&self, source: &VideoSource, shrinking: Option<Shrinking>) {
        self.kept.forget_video(source.key()).await;
        if let Some(shrinking) = shrinking {
            self.kept.forget_video(&shrinking.key(source.key())).await;
        }
    }

    /// The clip un-normalised.
    pub fn picture(&self, clip: &Clip) -> ClipPicture {
        ClipPicture { frames: pictures(&clip.pixels, &self.shape), size: clip.size, seconds: clip.seconds }
    }

    /// Decodes all of a video where it is to be kept.
    async fn decode_whole(
        &self,
        source: &VideoSource,
        video: &PartOfVideo,
        shrinking: Option<Shrinking>,
        purpose: Purpose,
    ) -> Result<Option<Rc<Whole>>, VideoError> {
        let info = video.info();
        let stored = [info.width, info.height];
        let shrunk = shrinking.and_then(|shrinking| Some((shrinking.size(stored)?, shrinking.key(source.key()))));
        let (size, key) = shrunk.unwrap_or_else(|| (stored, source.key().to_string()));
        let is_shrunk = size != stored;
        let frame_bytes = size[0] as usize * size[1] as usize * 3;
        let bytes = |frames: usize| frames.saturating_mul(frame_bytes);
        let at_least = bytes((info.seconds * LEAST_FRAME_RATE) as usize);
        // It may be larger than this, so it is not taken for too small to be decoded ahead.
        let at_least = if purpose == Purpose::Later { at_least.max(SMALL_BYTES + 1) } else { at_least };
        if self.kept.room(at_least, is_shrunk, purpose).is_none() {
            return Ok(None);
        }
        let timestamps = video.timestamps(0.0, f64::INFINITY).await?;
        let Some(_room) = self.kept.room(bytes(timestamps.len()), is_shrunk, purpose) else { return Ok(None) };
        let frames = video.frames_of_size(&timestamps, is_shrunk.then_some(size)).await?;
        let outline = Outline { seconds: info.seconds, timestamps, size, full_size: stored };
        let whole = Rc::new(Whole { outline: Rc::new(outline), frames: WholeFrames::InMemory(frames) });
        self.kept.keep_video(&key, &whole).await;
        Ok(Some(whole))
    }

    /// Counts into all frames of a video, and the clip's start and length.
    fn choose(&self, outline: &Outline, part: Part) -> (Vec<usize>, (f64, f64)) {
        let (first, indices) = match part {
            Part::Numbered(numbers) => (0, numbers.of(outline.timestamps.len(), self.shape.frames)),
            Part::From(start) => {
                let (first, count) = window(&outline.timestamps, start, start + self.clip_seconds);
                (first, uniform_temporal_subsample(count, self.shape.frames))
            }
        };
        let indices: Vec<usize> = indices.into_iter().map(|index| first + index).collect();
        let extent = self.extent(part, &indices, &outline.timestamps, outline.seconds);
        (indices, extent)
    }

    fn sample_memory(&self, whole: Rc<Whole>, part: Part) -> Sampled {
        let (indices, (start, seconds)) = self.choose(&whole.outline, part);
        let full_size = whole.outline.full_size;
        Sampled { start, seconds, indices, frames: Frames::InMemory(whole), full_size }
    }

    async fn sample_whole(&self, whole: Rc<Whole>, part: Part) -> Result<Sampled, FileError> {
        let WholeFrames::OnDisk(file) = &whole.frames else { return Ok(self.sample_memory(whole, part)) };
        let (chosen, (start, seconds)) = self.choose(&whole.outline, part);
        let (distinct, indices) = distinct(&chosen);
        let frames = Frames::Fresh(whole.read(file, &distinct).await?);
        Ok(Sampled { start, seconds, indices, frames, full_size: whole.outline.full_size })
    }

    async fn sample(
        &self,
        video: &PartOfVideo,
        shrinking: Option<Shrinking>,
        part: Part,
    ) -> Result<Sampled, VideoError> {
        let (timestamps, chosen) = match part {
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
        let (distinct, indices) = distinct(&chosen);
        let wanted: Vec<f64> = distinct.iter().filter_map(|&index| timestamps.get(index).copied()).collect();
        let VideoInfo { width, height, .. } = *video.info();
        let full_size = [width, height];
        let size = shrinking.and_then(|shrinking| shrinking.size(full_size));
        let frames = Frames::Fresh(video.frames_of_size(&wanted, size).await?);
        Ok(Sampled { start, seconds, indices, frames, full_size })
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

/// The different ones of `chosen`, which rise, and where among them each lies.
fn distinct(chosen: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let mut distinct = chosen.to_vec();
    distinct.dedup();
    let places = chosen.iter().map(|index| distinct.partition_point(|one| one < index)).collect();
    (distinct, places)
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
