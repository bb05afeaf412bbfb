//! Mixup (Zhang et al., 2018) and CutMix (Yun et al., 2019) of a batch, as timm's `Mixup` does them in batch mode, which
//! the VideoMAE repository's mixup.py copies: each clip with the one as far from the batch's other end.
//!
//! Comes in: settings, random numbers, clips. Goes out: mixed clips, and how much of each clip's own is left. Never
//! touches labels.

use std::ops::Range;

use burn::tensor::Tensor;
use rand::{Rng, RngExt};

use super::settings::Regularisation;

/// How a batch is mixed; everything random is drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum Mix {
    /// Both clips shine through; the first has this share.
    Blend { share: f64 },
    /// The second clip is pasted over these rows and columns of the first, which keeps this share.
    Paste { share: f64, rows: Range<usize>, columns: Range<usize> },
}

impl Mix {
    /// Draws how a batch of pictures of `height` x `width` is mixed; none where both are off.
    pub fn draw(settings: &Regularisation, [height, width]: [usize; 2], random: &mut impl Rng) -> Option<Self> {
        let Regularisation { mixup, cutmix, .. } = *settings;
        let paste = match (mixup > 0.0, cutmix > 0.0) {
            (false, false) => return None,
            (true, true) => random.random_bool(0.5),
            (_, paste) => paste,
        };
        let share = beta(if paste { cutmix } else { mixup }, random);
        if !paste {
            return Some(Self::Blend { share });
        }
        // `rand_bbox` of timm's data/mixup.py, and the share corrected for what the picture's edge cuts off.
        let side = (1.0 - share).sqrt();
        let mut cut = |length: usize| {
            let half = (length as f64 * side) as usize / 2;
            let centre = random.random_range(0..length);
            centre.saturating_sub(half)..(centre + half).min(length)
        };
        let (rows, columns) = (cut(height), cut(width));
        let share = 1.0 - (rows.len() * columns.len()) as f64 / (height * width) as f64;
        Some(Self::Paste { share, rows, columns })
    }

    /// How much of each clip is its own, 0 to 1.
    pub fn share(&self) -> f64 {
        match self {
            Self::Blend { share } | Self::Paste { share, .. } => *share,
        }
    }

    /// [B, T, C, H, W] -> the same shape.
    pub fn apply(&self, pixels: Tensor<5>) -> Tensor<5> {
        let others = pixels.clone().flip([0]);
        match self {
            Self::Blend { share } => pixels.mul_scalar(*share) + others.mul_scalar(1.0 - share),
            Self::Paste { rows, columns, .. } if rows.is_empty() || columns.is_empty() => pixels,
            Self::Paste { rows, columns, .. } => {
                let [batch, frames, channels, ..] = pixels.dims();
                let place = [0..batch, 0..frames, 0..channels, rows.clone(), columns.clone()];
                pixels.slice_assign(place.clone(), others.slice(place))
            }
        }
    }
}

/// Beta(alpha, alpha): of two draws of Gamma(alpha), the first's share in their sum.
fn beta(alpha: f64, random: &mut impl Rng) -> f64 {
    let (one, other) = (gamma(alpha, random), gamma(alpha, random));
    // Both may be too small for a number where alpha is tiny: then one clip is all.
    if one + other > 0.0 { one / (one + other) } else { 1.0 }
}

/// Marsaglia and Tsang's way (A simple method for generating gamma variables, 2000); below 1 by their boost.
fn gamma(shape: f64, random: &mut impl Rng) -> f64 {
    if shape < 1.0 {
        let uniform = 1.0 - random.random::<f64>();
        return gamma(shape + 1.0, random) * uniform.powf(1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        // Box and Muller's transform.
        let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * random.random::<f64>()).cos();
        let cube = (1.0 + c * normal).powi(3);
        let uniform = 1.0 - random.random::<f64>();
        if cube > 0.0 && uniform.ln() < 0.5 * normal * normal + d - d * cube + d * cube.ln() {
            return d * cube;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    fn settings(mixup: f64, cutmix: f64) -> Regularisation {
        Regularisation { mixup, cutmix, ..Regularisation::default() }
    }

    #[test]
    fn shares_have_the_mean_and_the_variance_of_the_beta_distribution() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for alpha in [0.2, 0.8, 1.0, 3.0] {
            let shares: Vec<f64> = (0..20_000).map(|_| beta(alpha, &mut random)).collect();
            let mean = shares.iter().sum::<f64>() / shares.len() as f64;
            let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / shares.len() as f64;
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!((mean - 0.5).abs() < 0.01, "{alpha}: mean {mean}");
            assert!((variance / expected - 1.0).abs() < 0.05, "{alpha}: variance {variance} and {expected}");
        }
    }

    #[test]
    fn either_way_of_mixing_is_drawn_only_where_it_is_on() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let mut pasted = |mixup, cutmix| -> Vec<bool> {
            let drawn = (0..100).filter_map(|_| Mix::draw(&settings(mixup, cutmix), [32, 32], &mut random));
            drawn.map(|mix| matches!(mix, Mix::Paste { .. })).collect()
        };
        assert!(pasted(0.0, 0.0).is_empty());
        assert_eq!(pasted(0.8, 0.0), [false; 100]);
        assert_eq!(pasted(0.0, 1.0), [true; 100]);
        let both = pasted(0.8, 1.0).into_iter().filter(|pasted| *pasted).count();
        assert!((30..70).contains(&both), "{both}");
    }

    #[test]
    fn a_pasted_clip_covers_what_its_share_says_in_every_frame_and_nothing_else() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let (height, width) = (6, 8);
        for _ in 0..50 {
            let mix = Mix::draw(&settings(0.0, 1.0), [height, width], &mut random).unwrap();
            // Two clips of two frames: all of the first's values are 0, all of the second's 1.
            let count = 2 * 3 * height * width;
            let values = [vec![0f32; count], vec![1f32; count]].concat();
            let pixels = Tensor::<5>::from_data(TensorData::new(values, [2, 2, 3, height, width]), &Device::flex());
            let mixed = mix.apply(pixels);
            let means: Vec<f32> = mixed.reshape([2, count]).mean_dim(1).into_data().iter::<f32>().collect();
            assert!((f64::from(means[0]) - (1.0 - mix.share())).abs() < 1e-6, "{mix:?}: {means:?}");
            assert!((f64::from(means[1]) - mix.share()).abs() < 1e-6, "{mix:?}: {means:?}");
        }
    }

    #[test]
    fn blended_clips_are_weighted_sums_and_a_clip_in_the_middle_stays_as_it_is() {
        let values = TensorData::new(vec![0f32, 4.0, 8.0], [3, 1, 1, 1, 1]);
        let mixed = Mix::Blend { share: 0.75 }.apply(Tensor::from_data(values, &Device::flex()));
        assert_eq!(mixed.into_data().iter::<f32>().collect::<Vec<f32>>(), [2.0, 4.0, 6.0]);
    }
}
