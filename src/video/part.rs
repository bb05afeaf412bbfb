//! A part of a video as a video of its own.
//!
//! Comes in: a [`VideoSource`], with a part where only that is meant. Goes out: what a [`VideoReader`] tells, with times
//! from the part's start. Reads no more than the video itself would.

use super::{Frame, Video, VideoError, VideoInfo, VideoReader, VideoSource};

pub struct PartOfVideo {
    video: Video,
    info: VideoInfo,
    /// In seconds of the video.
    start: f64,
    end: f64,
}

impl VideoReader for PartOfVideo {
    async fn open(source: &VideoSource) -> Result<Self, VideoError> {
        let video = Video::open(source).await?;
        let mut info = video.info().clone();
        let (start, end) = source.part().map_or((0.0, f64::INFINITY), |part| (part.start, part.end));
        info.seconds = (info.seconds.min(end) - start).max(0.0);
        Ok(Self { video, info, start, end })
    }

    fn info(&self) -> &VideoInfo {
        &self.info
    }

    async fn timestamps(&self, start: f64, end: f64) -> Result<Vec<f64>, VideoError> {
        let (start, end) = ((self.start + start).max(self.start), (self.start + end).min(self.end));
        let times = self.video.timestamps(start, end).await?;
        Ok(times.into_iter().map(|time| time - self.start).collect())
    }

    async fn frames_of_size(&self, wanted: &[f64], size: Option<[u32; 2]>) -> Result<Vec<Frame>, VideoError> {
        let wanted: Vec<f64> = wanted.iter().map(|time| time + self.start).collect();
        self.video.frames_of_size(&wanted, size).await
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::dataset::Part;

    #[test]
    fn a_part_has_the_videos_frames_of_its_time_from_zero_on() {
        let path = "public/sample/train/SpinLeft/v_SpinLeft_g01_c01.webm";
        let source = VideoSource::new("whole", path);
        let whole = PartOfVideo::open(&source).now_or_never().unwrap().unwrap();
        let all = whole.timestamps(0.0, f64::INFINITY).now_or_never().unwrap().unwrap();
        let half = whole.info().seconds / 2.0;
        let part = source.of_part(Part { start: half, end: half + 0.5 });
        assert_ne!(part.key(), source.key());
        let part = PartOfVideo::open(&part).now_or_never().unwrap().unwrap();
        assert!((part.info().seconds - 0.5).abs() < 1e-9);
        let times = part.timestamps(-1.0, f64::INFINITY).now_or_never().unwrap().unwrap();
        let expected: Vec<f64> = all.into_iter().filter(|time| (half..half + 0.5).contains(time)).collect();
        assert!(times.len() > 2 && times.len() == expected.len(), "{times:?} {expected:?}");
        let (last, same) = (times[times.len() - 1], expected[times.len() - 1]);
        let frames = |video: &PartOfVideo, time: f64| video.frames(&[time]).now_or_never().unwrap().unwrap();
        assert_eq!(frames(&part, last), frames(&whole, same));
    }
}
