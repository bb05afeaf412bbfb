//! A video -> one small picture of it for the page.
//!
//! Comes in: a [`VideoSource`]. Goes out: a [`Picture`]. Never crops.

use super::{Frame, Video, VideoError, VideoReader, VideoSource, sampler::nearest, transform::resize};
use crate::protocol::Picture;

/// Pixels on the longer side.
const LONGEST_SIDE: usize = 160;
/// How far around the middle a frame is looked for before all are listed, in seconds.
const AROUND: f64 = 1.0;

/// The frame nearest to the middle of the video; the longer side is 160 pixels, or fewer where the video has fewer.
pub async fn thumbnail(source: &VideoSource) -> Result<Picture, VideoError> {
    let video = Video::open(source).await?;
    let middle = video.info().seconds / 2.0;
    let mut timestamps = video.timestamps(middle - AROUND, middle + AROUND).await?;
    if timestamps.is_empty() {
        timestamps = video.timestamps(0.0, f64::INFINITY).await?;
    }
    let time = nearest(&timestamps, middle).ok_or(VideoError::NoFrames)?;
    let frame = video.frames(&[time]).await?.into_iter().next().ok_or(VideoError::NoFrames)?;
    small(&frame)
}

fn small(frame: &Frame) -> Result<Picture, VideoError> {
    let [height, width] = [frame.height as usize, frame.width as usize];
    let longest = height.max(width).max(1);
    let side = LONGEST_SIDE.min(longest);
    let resized = resize(frame, [height, width].map(|length| (length * side / longest).max(1)))?;
    let rgba = resized.rgb.chunks_exact(3).flat_map(|pixel| pixel.iter().copied().chain([255])).collect();
    Ok(Picture { width: resized.width, height: resized.height, rgba })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_side_is_160_and_small_frames_stay() {
        let size = |width: u32, height: u32| {
            let rgb = vec![7; (width * height * 3) as usize];
            let picture = small(&Frame { width, height, rgb }).unwrap();
            assert_eq!(picture.rgba.len() as u32, picture.width * picture.height * 4);
            (picture.width, picture.height)
        };
        assert_eq!(size(320, 240), (160, 120));
        assert_eq!(size(240, 480), (80, 160));
        assert_eq!(size(64, 48), (64, 48));
        assert_eq!(size(2000, 1), (160, 1));
    }
}
