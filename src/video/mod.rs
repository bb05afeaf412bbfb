//! One video file -> upright frames -> clips as the model takes them.
//!
//! Comes in: a [`VideoSource`] (a path natively, a `File` in the browser). Goes out: [`Frame`]s by timestamp, and
//! normalised clips ([`clip::ClipLoader`]). Reads lazily: the index, and the packets of the wanted frames.
//! Never says which file an error is about: who asked knows, and adds it.

pub mod augmentation;
pub mod cache;
pub mod clip;
pub mod colour_jitter;
pub mod disk;
pub mod hidden;
pub mod kept;
pub mod part;
pub mod sampler;
pub mod shrinking;
pub mod signature;
pub mod source;
pub mod thumbnail;
pub mod transform;
pub mod upright;
pub mod views;

#[cfg(target_family = "wasm")]
mod browser;
#[cfg(target_family = "wasm")]
mod codec;
#[cfg(not(target_family = "wasm"))]
mod ffmpeg;
#[cfg(not(target_family = "wasm"))]
mod ffprobe;
#[cfg(target_family = "wasm")]
mod mediabunny;
#[cfg(target_family = "wasm")]
mod packets;
#[cfg(target_family = "wasm")]
mod software;
#[cfg(target_family = "wasm")]
mod wide_colours;

#[cfg(target_family = "wasm")]
pub use browser::BrowserVideo as Video;
#[cfg(not(target_family = "wasm"))]
pub use ffmpeg::FfmpegVideo as Video;
pub use source::VideoSource;

use crate::container::ContainerError;

/// One picture of a video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub width: u32,
    pub height: u32,
    /// `[height, width, 3]`, rows from the top, upright.
    pub rgb: Vec<u8>,
}

/// What opening a video told.
#[derive(Clone, Debug, PartialEq)]
pub struct VideoInfo {
    /// From the first frame's start to the last frame's end.
    pub seconds: f64,
    /// Upright, in pixels.
    pub width: u32,
    pub height: u32,
    /// The codec's name for people, such as `H.264`.
    pub codec: String,
}

/// Why a video cannot be used: a sentence that says what to do, without the file's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VideoError {
    #[error("The file is empty (0 bytes). Copy it again from where it came from.")]
    Empty,
    #[error("This is not a video but {0}, whatever its name says. Leave it out.")]
    NotAVideo(String),
    #[error("The file holds sound but no picture. Leave it out.")]
    NoPicture,
    #[error("This is {0}, which cannot be opened here; convert it to mp4 (H.264), for example with HandBrake.")]
    Container(String),
    #[error(
        "The video comes in a codec ({0}) that cannot be decoded here; convert it to mp4 (H.264), for example with \
         HandBrake."
    )]
    Codec(String),
    #[error("The video is encrypted. Use a copy without copy protection.")]
    Encrypted,
    #[error(
        "This is one piece of a stream, without the start that says how to decode it. Save the whole video, or leave it \
         out."
    )]
    PieceOfStream,
    #[error("The file is cut off or damaged: {0}. Copy it again, or leave it out.")]
    Damaged(String),
    #[error(
        "The decoder gave up on the video ({0}). It may be damaged: convert it to mp4 (H.264), for example with \
         HandBrake, or leave it out."
    )]
    GaveUp(&'static str),
    #[error("No frame of the video could be decoded. It may be damaged: play it to check, or leave it out.")]
    NoFrames,
    #[error("The file can no longer be read ({0}). If it was moved or changed, choose the folder again.")]
    Unreadable(String),
    #[error("The program `{0}` was not found. Install ffmpeg 5.1 or newer and make sure that it is in PATH.")]
    MissingProgram(String),
}

impl From<ContainerError> for VideoError {
    fn from(error: ContainerError) -> Self {
        match error {
            ContainerError::Damaged(how) => Self::Damaged(how.into()),
            ContainerError::Unreadable(how) => Self::Unreadable(how),
        }
    }
}

/// One open video. Dropping it, or a future of it, ends what it was doing and frees what it held.
#[allow(async_fn_in_trait)] // One executor, one thread: futures need not be Send.
pub trait VideoReader: Sized {
    /// Reads the index.
    async fn open(source: &VideoSource) -> Result<Self, VideoError>;

    fn info(&self) -> &VideoInfo;

    /// When the frames with `start <= timestamp < end` are shown, in seconds, in that order. The first frame of
    /// the video is at 0.
    async fn timestamps(&self, start: f64, end: f64) -> Result<Vec<f64>, VideoError>;

    /// The frames at `wanted`, in the order of `wanted`, each of which [`VideoReader::timestamps`] gave. Where one
    /// cannot be decoded, the nearest of the others stands in.
    async fn frames(&self, wanted: &[f64]) -> Result<Vec<Frame>, VideoError> {
        self.frames_of_size(wanted, None).await
    }

    /// The same, each resized to this width and height as soon as it is decoded.
    async fn frames_of_size(&self, wanted: &[f64], size: Option<[u32; 2]>) -> Result<Vec<Frame>, VideoError>;
}

/// Opens a video and decodes its first frame: whether it can be used, and what it is.
pub async fn probe(source: &VideoSource) -> Result<VideoInfo, VideoError> {
    let video = Video::open(source).await?;
    let first = video.timestamps(0.0, FIRST_SECOND).await?.into_iter().next().unwrap_or(0.0);
    video.frames(&[first]).await?;
    Ok(video.info().clone())
}

/// The first frame lies at 0; a little more than 0 is enough to find it.
const FIRST_SECOND: f64 = 1e-3;

/// For each wanted time the decoded frame nearest to it; `decoded` holds pairs of seconds and frame, in any order.
pub(crate) fn nearest_frames(wanted: &[f64], decoded: Vec<(f64, Frame)>) -> Result<Vec<Frame>, VideoError> {
    let (times, frames): (Vec<f64>, Vec<Frame>) = decoded.into_iter().unzip();
    let nearest = |time: &f64| {
        let distance = |index: &usize| times.get(*index).map_or(f64::INFINITY, |other| (other - time).abs());
        (0..times.len()).min_by(|one, two| distance(one).total_cmp(&distance(two)))
    };
    let chosen: Vec<Option<usize>> = wanted.iter().map(nearest).collect();
    // Frames are large: each moves out at its last use.
    let mut frames: Vec<Option<Frame>> = frames.into_iter().map(Some).collect();
    let mut taken = Vec::with_capacity(wanted.len());
    for (place, index) in chosen.iter().enumerate() {
        let again = chosen.iter().skip(place + 1).any(|later| later == index);
        let held = index.and_then(|index| frames.get_mut(index)).ok_or(VideoError::NoFrames)?;
        let frame = if again { held.clone() } else { held.take() };
        taken.push(frame.ok_or(VideoError::NoFrames)?);
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_did_not_come_is_replaced_by_the_nearest() {
        let frame = |grey: u8| Frame { width: 1, height: 1, rgb: vec![grey; 3] };
        let decoded = || vec![(0.2, frame(2)), (0.0, frame(0))];
        let greys = |wanted: &[f64]| -> Vec<u8> {
            nearest_frames(wanted, decoded()).unwrap().iter().map(|frame| frame.rgb[0]).collect()
        };
        assert_eq!(greys(&[0.0, 0.05, 0.15, 0.2, 0.9]), [0, 0, 2, 2, 2]);
        assert_eq!(greys(&[]), [0; 0]);
        assert_eq!(nearest_frames(&[0.0], Vec::new()), Err(VideoError::NoFrames));
    }
}
