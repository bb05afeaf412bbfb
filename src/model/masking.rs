//! Which tokens of a clip are hidden: tubes while pre-training, any while fine-tuning on a share of them.
//!
//! Comes in: a clip's grid of tokens, a ratio, random numbers. Goes out: [`Masks`] of a batch, and the rows that they
//! leave and hide on a device. Never looks at pixels.

use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Why clips cannot be masked; a sentence.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MaskingError {
    #[error(
        "Of the {patches} patches of a frame, {hidden} would be hidden: nothing would be left to see, or to reconstruct. \
         Choose another mask ratio, or a model with more patches."
    )]
    NothingLeft { patches: usize, hidden: usize },
    #[error("The clips of a batch must all hide the same number of tokens, and each some, but not all.")]
    Uneven,
}

/// Tube masking: the same patches are hidden in every frame, so that nothing can be copied from the frame before
/// (VideoMAE, section 3.2; MCG-NJU/VideoMAE, masking_generator.py, `TubeMaskingGenerator`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TubeMasking {
    times: usize,
    patches: usize,
    hidden: usize,
}

impl TubeMasking {
    /// Hides `int(ratio * patches)` of each frame's patches; `grid` as [`crate::model::config::VideoMaeConfig::grid`]
    /// gives it.
    pub fn new([times, rows, columns]: [usize; 3], ratio: f64) -> Result<Self, MaskingError> {
        let patches = rows * columns;
        let hidden = (ratio * patches as f64) as usize;
        match hidden > 0 && hidden < patches {
            true => Ok(Self { times, patches, hidden }),
            false => Err(MaskingError::NothingLeft { patches, hidden }),
        }
    }

    /// A clip's mask: true where a token is hidden, N long, ordered by time, then row, then column.
    pub fn draw(&self, random: &mut ChaCha8Rng) -> Vec<bool> {
        let mut tube: Vec<bool> = (0..self.patches).map(|patch| patch < self.hidden).collect();
        // Fisher and Yates' shuffle.
        for last in (1..tube.len()).rev() {
            tube.swap(last, random.random_range(0..=last));
        }
        tube.repeat(self.times)
    }

    /// One mask for each clip of a batch.
    pub fn batch(&self, clips: usize, random: &mut ChaCha8Rng) -> Result<Masks, MaskingError> {
        Masks::new((0..clips).map(|_| self.draw(random)).collect())
    }
}

/// The masks of a batch, true where a token is hidden: as many in every clip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Masks {
    clips: Vec<Vec<bool>>,
    hidden: usize,
}

impl Masks {
    /// From a mask of N tokens for each clip.
    pub fn new(clips: Vec<Vec<bool>>) -> Result<Self, MaskingError> {
        let counts = |mask: &Vec<bool>| (mask.len(), mask.iter().filter(|hidden| **hidden).count());
        let mut all = clips.iter().map(counts);
        let (tokens, hidden) = all.next().ok_or(MaskingError::Uneven)?;
        if hidden == 0 || hidden == tokens || all.any(|other| other != (tokens, hidden)) {
            return Err(MaskingError::Uneven);
        }
        Ok(Self { clips, hidden })
    }

    /// Keeps so many of each clip's `tokens`, drawn for each clip, the first among them where `with_first`; none where that
    /// hides nothing or everything.
    pub fn keeping(kept: usize, [clips, tokens]: [usize; 2], with_first: bool, random: &mut impl Rng) -> Option<Self> {
        if clips == 0 || kept == 0 || kept >= tokens {
            return None;
        }
        let first = usize::from(with_first);
        let mut draw = || -> Vec<bool> {
            let mut mask: Vec<bool> = (0..tokens).map(|token| token >= kept).collect();
            // Fisher and Yates' shuffle.
            for last in (first + 1..tokens).rev() {
                mask.swap(last, random.random_range(first..=last));
            }
            mask
        };
        Some(Self { clips: (0..clips).map(|_| draw()).collect(), hidden: tokens - kept })
    }

    /// Those of some of the clips, one after another; of those that there are.
    pub fn of(&self, clips: Range<usize>) -> Self {
        Self { clips: self.clips.get(clips).unwrap_or_default().to_vec(), hidden: self.hidden }
    }

    /// Hidden tokens of a clip.
    pub fn hidden_count(&self) -> usize {
        self.hidden
    }

    /// The tokens that the encoder sees.
    pub fn visible(&self, device: &Device) -> Rows {
        self.rows(false, device)
    }

    /// The tokens to be reconstructed.
    pub fn hidden(&self, device: &Device) -> Rows {
        self.rows(true, device)
    }

    fn rows(&self, hidden: bool, device: &Device) -> Rows {
        let (mut in_batch, mut in_clip) = (Vec::new(), Vec::new());
        for (clip, mask) in self.clips.iter().enumerate() {
            for place in mask.iter().enumerate().filter_map(|(place, is)| (*is == hidden).then_some(place)) {
                in_batch.push((clip * mask.len() + place) as i32);
                in_clip.push(place as i32);
            }
        }
        let each = in_clip.len() / self.clips.len().max(1);
        let upload = |rows: Vec<i32>| {
            let count = rows.len();
            Tensor::from_data(TensorData::new(rows, [count]), device)
        };
        Rows { in_batch: upload(in_batch), in_clip: upload(in_clip), clips: self.clips.len(), each }
    }
}

/// Some tokens of each clip of a batch, in their order.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Count into the B * N tokens of the batch.
    in_batch: Tensor<1, Int>,
    /// Count into the N tokens of a clip.
    in_clip: Tensor<1, Int>,
    clips: usize,
    each: usize,
}

impl Rows {
    /// Each clip's own: [B, N, W] -> [B, K, W].
    pub fn of(&self, tokens: Tensor<3>) -> Tensor<3> {
        let [clips, count, width] = tokens.dims();
        let flat = tokens.reshape([clips * count, width]);
        flat.select(0, self.in_batch.clone()).reshape([self.clips, self.each, width])
    }

    /// Of what is the same for every clip: [1, N, W] -> [B, K, W].
    pub fn of_each(&self, positions: Tensor<3>) -> Tensor<3> {
        let [_, count, width] = positions.dims();
        let flat = positions.reshape([count, width]);
        flat.select(0, self.in_clip.clone()).reshape([self.clips, self.each, width])
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn a_mask_is_tubes_of_exactly_the_ratio() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        for (grid, ratio, hidden) in [([8, 14, 14], 0.9, 176), ([4, 4, 4], 0.9, 14), ([1, 2, 3], 0.5, 3)] {
            let masking = TubeMasking::new(grid, ratio).unwrap();
            let patches = grid[1] * grid[2];
            for _ in 0..50 {
                let mask = masking.draw(&mut random);
                let frames: Vec<&[bool]> = mask.chunks(patches).collect();
                assert_eq!(frames.len(), grid[0]);
                assert!(frames.iter().all(|frame| *frame == frames[0]), "the same patches in every frame");
                assert_eq!(frames[0].iter().filter(|hidden| **hidden).count(), hidden);
            }
        }
    }

    #[test]
    fn a_seed_decides_every_mask_and_every_patch_is_hidden_as_often() {
        let masking = TubeMasking::new([2, 4, 4], 0.75).unwrap();
        let draw = |seed| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            (0..2000).map(|_| masking.draw(&mut random)).collect::<Vec<_>>()
        };
        let masks = draw(7);
        assert_eq!(masks, draw(7));
        assert_ne!(masks, draw(8));
        for patch in 0..16 {
            let hidden = masks.iter().filter(|mask| mask[patch]).count();
            assert!((1400..1600).contains(&hidden), "patch {patch}: {hidden} of 2000");
        }
    }

    #[test]
    fn masks_that_leave_nothing_or_differ_in_number_are_refused() {
        for (grid, ratio) in [([4, 1, 1], 0.9), ([4, 4, 4], 0.0), ([4, 4, 4], 1.0), ([4, 4, 4], f64::NAN)] {
            assert!(TubeMasking::new(grid, ratio).is_err(), "{grid:?} {ratio}");
        }
        for masks in [vec![], vec![vec![true]], vec![vec![true, false], vec![true, false, false]], vec![vec![false; 4]]]
        {
            assert_eq!(Masks::new(masks), Err(MaskingError::Uneven));
        }
        assert!(Masks::new(vec![vec![true, false, true], vec![false, true, false]]).is_err());
    }

    #[test]
    fn every_token_is_kept_as_often_and_the_first_always_where_it_must_be() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let clips = 4000;
        for with_first in [false, true] {
            let masks = Masks::keeping(3, [clips, 6], with_first, &mut random).unwrap();
            assert_eq!((masks.hidden_count(), masks.clips.len()), (3, clips));
            for token in 0..6 {
                let kept = masks.clips.iter().filter(|mask| !mask[token]).count() as f64 / clips as f64;
                let expected = match (with_first, token) {
                    (false, _) => 0.5,
                    (true, 0) => 1.0,
                    (true, _) => 0.4,
                };
                assert!((kept - expected).abs() < 0.03, "token {token}: {kept}");
            }
        }
        assert!(Masks::keeping(6, [2, 6], false, &mut random).is_none());
    }

    #[test]
    fn rows_are_taken_from_their_own_clips_in_order() {
        let device = Device::flex();
        let masks = Masks::new(vec![vec![true, false, true], vec![false, true, true]]).unwrap();
        let tokens = Tensor::<1>::from_floats([0.0, 1.0, 2.0, 10.0, 11.0, 12.0], &device).reshape([2, 3, 1]);
        let values = |tensor: Tensor<3>| tensor.into_data().iter::<f32>().collect::<Vec<f32>>();
        assert_eq!(values(masks.hidden(&device).of(tokens.clone())), [0.0, 2.0, 11.0, 12.0]);
        assert_eq!(values(masks.visible(&device).of(tokens.clone())), [1.0, 10.0]);
        let positions = tokens.slice([0..1]);
        assert_eq!(values(masks.hidden(&device).of_each(positions)), [0.0, 2.0, 1.0, 2.0]);
    }
}
