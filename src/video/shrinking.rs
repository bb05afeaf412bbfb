//! Videos too large to be kept as they are -> how small their frames are for training.
//!
//! Comes in: what training asks for, a video's size. Goes out: a size, the same whether a video was decoded before or is
//! decoded now, so that a run does not depend on what the disk had room for. Never touches a pixel, nor a clip of an
//! evaluation.

use super::augmentation::{bound_side, scaled_size};
use super::clip::{ClipShape, View};

/// Frames of a longer short side, in pixels, are large: ten seconds of them take half a gigabyte and more.
pub const LARGE: u32 = 480;

/// As VideoMAE's authors prepare their videos (DATASET.md: the short edge to 320 pixels), for a model of any size: to the
/// largest short side that training draws.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shrinking {
    /// `[height, width]` of the model's pictures.
    crop: [usize; 2],
    /// The greatest that is drawn, for the guide's pictures.
    short_side: usize,
}

impl Shrinking {
    /// None where the view takes frames as they are.
    pub fn of(view: &View, shape: &ClipShape) -> Option<Self> {
        match view {
            View::Training { augmentation, .. } if augmentation.shrink_large => {
                Some(Self { crop: [shape.height, shape.width], short_side: augmentation.short_sides[1] })
            }
            View::Training { .. } | View::Evaluation(_) => None,
        }
    }

    /// Width and height for a video of `size`, likewise; none where it is not large, or no larger than that.
    pub fn size(&self, size: [u32; 2]) -> Option<[u32; 2]> {
        let [width, height] = size.map(|side| side as usize);
        let frame = [height, width];
        let [height, width] = scaled_size(frame, self.crop, bound_side(frame, self.crop, self.short_side));
        let is_large = size[0].min(size[1]) > LARGE && height < frame[0] && width < frame[1];
        is_large.then_some([width as u32, height as u32])
    }

    /// What tells the shrunk video from the whole one.
    pub fn key(&self, source: &str) -> String {
        format!("{source}, {} pixels for {:?}", self.short_side, self.crop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::augmentation::Augmentation;
    use crate::video::clip::{IMAGENET_MEAN, IMAGENET_STD};
    use crate::video::views::TestView;

    fn shrinking(side: usize, augmentation: Augmentation) -> Option<Shrinking> {
        let shape = ClipShape { frames: 16, height: side, width: side, mean: IMAGENET_MEAN, std: IMAGENET_STD };
        Shrinking::of(&View::Training { seed: 1, augmentation }, &shape)
    }

    #[test]
    fn large_videos_shrink_to_what_training_draws_at_most() {
        let size = |side: usize, video: [u32; 2]| shrinking(side, Augmentation::default()).unwrap().size(video);
        assert_eq!(size(224, [1920, 1080]), Some([568, 320]));
        assert_eq!(size(224, [1080, 1920]), Some([320, 568]));
        assert_eq!(size(64, [1280, 720]), Some([161, 91]));
        // UCF101, HMDB51, Kinetics as it is distributed, and what is no larger than the model's pictures.
        for small in [[320, 240], [340, 256], [640, 480], [480, 854]] {
            assert_eq!(size(224, small), None, "{small:?}");
        }
        assert_eq!(size(512, [1280, 720]), None);
    }

    #[test]
    fn what_is_not_to_shrink_stays() {
        assert_eq!(shrinking(224, Augmentation { shrink_large: false, ..Augmentation::default() }), None);
        let shape = ClipShape { frames: 16, height: 224, width: 224, mean: IMAGENET_MEAN, std: IMAGENET_STD };
        assert_eq!(Shrinking::of(&View::Evaluation(TestView::CENTRE), &shape), None);
    }
}
