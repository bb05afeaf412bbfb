//! Random changes of brightness, contrast, saturation and hue.
//!
//! Comes in: one frame's `[3, H, W]` f32 pixels from 0 to 1. Goes out: the same pixels, changed in place. The maths is
//! torchvision's for float tensors (transforms/_functional_tensor.py); the draw is its ColorJitter's.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::train::augmentation::ColourJitter;

/// torchvision's weights of red, green and blue in grey (`rgb_to_grayscale`).
const GREY: [f32; 3] = [0.2989, 0.587, 0.114];

/// One change of all pixels of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Adjustment {
    /// `adjust_brightness`: times this factor.
    Brightness(f32),
    /// `adjust_contrast`: away from the frame's mean grey by this factor.
    Contrast(f32),
    /// `adjust_saturation`: away from each pixel's grey by this factor.
    Saturation(f32),
    /// `adjust_hue`: around the colour circle by this share of it.
    Hue(f32),
}

/// What is done to a frame, in this order; ColorJitter's `get_params`.
pub fn draw(jitter: &ColourJitter, generator: &mut ChaCha8Rng) -> Vec<Adjustment> {
    let mut factor = |amount: f64| {
        let (least, most) = ((1.0 - amount).max(0.0), 1.0 + amount);
        (least + (most - least) * generator.random::<f64>()) as f32
    };
    let [brightness, contrast, saturation] = [jitter.brightness, jitter.contrast, jitter.saturation].map(&mut factor);
    let hue = (jitter.hue * (2.0 * generator.random::<f64>() - 1.0)) as f32;
    let mut adjustments = vec![
        (jitter.brightness, Adjustment::Brightness(brightness)),
        (jitter.contrast, Adjustment::Contrast(contrast)),
        (jitter.saturation, Adjustment::Saturation(saturation)),
        (jitter.hue, Adjustment::Hue(hue)),
    ];
    // Fisher and Yates' shuffle, over all four, so that one that is off changes nothing for the others.
    for last in (1..adjustments.len()).rev() {
        adjustments.swap(last, generator.random_range(0..=last as u32) as usize);
    }
    adjustments.into_iter().filter(|(amount, _)| *amount > 0.0).map(|(_, adjustment)| adjustment).collect()
}

impl Adjustment {
    /// Changes `[3, H, W]`.
    pub fn apply(self, pixels: &mut [f32]) {
        match self {
            Self::Brightness(factor) => pixels.iter_mut().for_each(|value| *value = blend(*value, 0.0, factor)),
            Self::Contrast(factor) => {
                let mut sum = 0.0;
                each_pixel(pixels, |pixel| {
                    sum += f64::from(grey(pixel));
                    pixel
                });
                let mean = (sum / (pixels.len() / 3).max(1) as f64) as f32;
                pixels.iter_mut().for_each(|value| *value = blend(*value, mean, factor));
            }
            Self::Saturation(factor) => each_pixel(pixels, |pixel| {
                let grey = grey(pixel);
                pixel.map(|value| blend(value, grey, factor))
            }),
            Self::Hue(shift) => each_pixel(pixels, |pixel| {
                let [hue, saturation, value] = hsv(pixel);
                rgb([(hue + shift).rem_euclid(1.0), saturation, value])
            }),
        }
    }
}

fn each_pixel(pixels: &mut [f32], mut change: impl FnMut([f32; 3]) -> [f32; 3]) {
    let area = pixels.len() / 3;
    let (red, others) = pixels.split_at_mut(area);
    let (green, blue) = others.split_at_mut(area);
    for ((red, green), blue) in red.iter_mut().zip(green).zip(blue) {
        [*red, *green, *blue] = change([*red, *green, *blue]);
    }
}

/// torchvision's `_blend`.
fn blend(value: f32, other: f32, factor: f32) -> f32 {
    (factor * value + (1.0 - factor) * other).clamp(0.0, 1.0)
}

fn grey([red, green, blue]: [f32; 3]) -> f32 {
    GREY[0] * red + GREY[1] * green + GREY[2] * blue
}

/// torchvision's `_rgb2hsv`; all from 0 to 1.
fn hsv([red, green, blue]: [f32; 3]) -> [f32; 3] {
    let greatest = red.max(green).max(blue);
    let least = red.min(green).min(blue);
    if greatest == least {
        return [0.0, 0.0, greatest];
    }
    let range = greatest - least;
    let [from_red, from_green, from_blue] = [red, green, blue].map(|value| (greatest - value) / range);
    let sector = if greatest == red {
        from_blue - from_green
    } else if greatest == green {
        2.0 + from_red - from_blue
    } else {
        4.0 + from_green - from_red
    };
    [(sector / 6.0 + 1.0) % 1.0, range / greatest, greatest]
}

/// torchvision's `_hsv2rgb`.
fn rgb([hue, saturation, value]: [f32; 3]) -> [f32; 3] {
    let sector = (hue * 6.0).floor();
    let share = hue * 6.0 - sector;
    let darkened = |by: f32| (value * (1.0 - by)).clamp(0.0, 1.0);
    let [lowest, falling, rising] =
        [darkened(saturation), darkened(saturation * share), darkened(saturation * (1.0 - share))];
    match sector as i32 % 6 {
        0 => [value, rising, lowest],
        1 => [falling, value, lowest],
        2 => [lowest, value, rising],
        3 => [lowest, falling, value],
        4 => [rising, lowest, value],
        _ => [value, lowest, falling],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::sampler::generator;

    const ALL: ColourJitter =
        ColourJitter { brightness: 0.4, contrast: 0.3, saturation: 0.2, hue: 0.1, per_frame: false };

    #[test]
    fn draws_fill_their_ranges_in_every_order() {
        let draws: Vec<Vec<Adjustment>> = (0..2000).map(|seed| draw(&ALL, &mut generator(seed))).collect();
        let mut orders = std::collections::BTreeSet::new();
        let mut seen = [(f32::MAX, f32::MIN); 4];
        for adjustments in &draws {
            let kinds: Vec<usize> = adjustments
                .iter()
                .map(|adjustment| {
                    let (kind, factor) = match *adjustment {
                        Adjustment::Brightness(factor) => (0, factor),
                        Adjustment::Contrast(factor) => (1, factor),
                        Adjustment::Saturation(factor) => (2, factor),
                        Adjustment::Hue(factor) => (3, factor),
                    };
                    seen[kind] = (seen[kind].0.min(factor), seen[kind].1.max(factor));
                    kind
                })
                .collect();
            orders.insert(kinds);
        }
        assert_eq!(orders.len(), 24);
        for ((least, most), expected) in seen.into_iter().zip([(0.6, 1.4), (0.7, 1.3), (0.8, 1.2), (-0.1, 0.1)]) {
            assert!((expected.0..expected.0 + 0.01).contains(&least), "{least}");
            assert!((expected.1 - 0.01..=expected.1).contains(&most), "{most}");
        }
    }

    #[test]
    fn what_is_off_is_not_done_and_changes_nothing_for_the_others() {
        assert!(draw(&ColourJitter::default(), &mut generator(1)).is_empty());
        let without = ColourJitter { contrast: 0.0, ..ALL };
        for seed in 0..20 {
            let mut expected = draw(&ALL, &mut generator(seed));
            expected.retain(|adjustment| !matches!(adjustment, Adjustment::Contrast(_)));
            assert_eq!(draw(&without, &mut generator(seed)), expected);
        }
    }

    #[test]
    fn a_hue_all_the_way_around_comes_back() {
        let pixels: Vec<f32> = (0..300).map(|index| (index * 37 % 101) as f32 / 100.0).collect();
        let mut turned = pixels.clone();
        for _ in 0..4 {
            Adjustment::Hue(0.25).apply(&mut turned);
        }
        assert!(pixels.iter().zip(&turned).all(|(one, two)| (one - two).abs() < 1e-5));
    }
}
