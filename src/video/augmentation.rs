//! Frames -> training pixels: randomly scaled, cropped, mirrored and coloured.
//!
//! Comes in: `[H, W, 3]` u8 frames, and the seed's random numbers. Goes out: `[T, C, H, W]` f32, normalised, as by the
//! transforms of the Hugging Face video classification guide (pytorchvideo, torchvision). Never chooses frames.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    Frame, VideoError,
    clip::ClipShape,
    colour_jitter::{self, Adjustment},
    transform::{check, is_height_bound},
};
use crate::train::augmentation::{Augmentation, GUIDE_SIDE};

/// The random choices for a training clip, the same for all its frames but for the colours.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingDraw {
    /// `[height, width]` before the crop.
    pub resized: [usize; 2],
    pub top: usize,
    pub left: usize,
    pub flip: bool,
    /// What is done to the colours: of every frame, or of each.
    pub colours: Vec<Vec<Adjustment>>,
}

impl TrainingDraw {
    /// The guide's RandomShortSideScale (in proportion to its side of 224), RandomCrop and RandomHorizontalFlip(0.5),
    /// then torchvision's ColorJitter. `frame` and `crop` are `[height, width]`.
    pub fn new(frame: [usize; 2], shape: &ClipShape, augmentation: &Augmentation, generator: &mut ChaCha8Rng) -> Self {
        let crop = [shape.height, shape.width];
        let [least, most] = augmentation.short_sides.map(|side| bound_side(frame, crop, side) as u32);
        let side = generator.random_range(least..=most.max(least)) as usize;
        let resized = scaled_size(frame, crop, side);
        let mut offset = |room: usize| generator.random_range(0..=room as u32) as usize;
        let [top, left] = [offset(resized[0] - crop[0]), offset(resized[1] - crop[1])];
        // Drawn even where it is not used, so that the other draws do not depend on it.
        let mirrored = generator.random::<f32>() < 0.5;
        let jitter = &augmentation.colour_jitter;
        let draws = if jitter.per_frame { shape.frames } else { 1 };
        let colours = (0..draws).map(|_| colour_jitter::draw(jitter, generator)).collect();
        Self { resized, top, left, flip: mirrored && augmentation.horizontal_flip, colours }
    }
}

/// How long the bound side becomes where it would be `side` for the guide's pictures. `frame` and `crop` are `[height, width]`.
pub fn bound_side(frame: [usize; 2], crop: [usize; 2], side: usize) -> usize {
    let bound = if is_height_bound(frame, crop) { crop[0] } else { crop[1] };
    (side as f64 * bound as f64 / GUIDE_SIDE as f64).round() as usize
}

/// pytorchvideo's short_side_scale: the bound side becomes `side`, the other `floor(other / bound * side)`, in f64;
/// never less than the crop.
pub fn scaled_size(frame: [usize; 2], crop: [usize; 2], side: usize) -> [usize; 2] {
    let [height, width] = frame.map(|side| side.max(1) as f64);
    let [resized_height, resized_width] = if is_height_bound(frame, crop) {
        [side, (width / height * side as f64).floor() as usize]
    } else {
        [(height / width * side as f64).floor() as usize, side]
    };
    [resized_height.max(crop[0]), resized_width.max(crop[1])]
}

/// The guide's training pixels, in f32 throughout: bilinear without antialiasing (torch's `interpolate` with
/// `align_corners=False`), of which only the crop is computed; colours change last. `[T, 3, H, W]`.
pub fn training<'a>(
    frames: impl Iterator<Item = &'a Frame>,
    shape: &ClipShape,
    draw: &TrainingDraw,
) -> Result<Vec<f32>, VideoError> {
    let area = shape.height * shape.width;
    let mut pixels = Vec::with_capacity(shape.frames * 3 * area);
    for (index, frame) in frames.enumerate() {
        let begin = pixels.len();
        scale_and_crop(frame, shape, draw, &mut pixels)?;
        let Some(fresh) = pixels.get_mut(begin..) else { continue };
        let colours = draw.colours.get(index).or(draw.colours.last());
        colours.into_iter().flatten().for_each(|adjustment| adjustment.apply(fresh));
        for ((plane, mean), std) in fresh.chunks_exact_mut(area.max(1)).zip(shape.mean).zip(shape.std) {
            plane.iter_mut().for_each(|value| *value = (*value - mean) / std);
        }
    }
    Ok(pixels)
}

/// Adds the frame's part, `[3, H, W]` from 0 to 1.
fn scale_and_crop(
    frame: &Frame,
    shape: &ClipShape,
    draw: &TrainingDraw,
    pixels: &mut Vec<f32>,
) -> Result<(), VideoError> {
    check(frame)?;
    let rows = taps(frame.height as usize, draw.resized[0], draw.top, shape.height);
    let mut columns = taps(frame.width as usize, draw.resized[1], draw.left, shape.width);
    if draw.flip {
        columns.reverse();
    }
    let stride = frame.width as usize * 3;
    for channel in 0..3 {
        for row in &rows {
            let (upper, lower) = (row.first * stride + channel, row.second * stride + channel);
            for column in &columns {
                let value = |line: usize, at: usize| f32::from(frame.rgb[line + at * 3]);
                let mix =
                    |line| (1.0 - column.share) * value(line, column.first) + column.share * value(line, column.second);
                let value = (1.0 - row.share) * mix(upper) + row.share * mix(lower);
                pixels.push(value / 255.0);
            }
        }
    }
    Ok(())
}

/// Between which two stored pixels a resized pixel lies, and how near to the second.
struct Tap {
    first: usize,
    second: usize,
    share: f32,
}

/// torch's source coordinates: `max((index + 0.5) * stored / resized - 0.5, 0)`, in f32.
fn taps(stored: usize, resized: usize, from: usize, count: usize) -> Vec<Tap> {
    let scale = stored as f32 / resized as f32;
    let last = stored - 1;
    (from..from + count)
        .map(|index| {
            let position = (scale * (index as f32 + 0.5) - 0.5).max(0.0);
            let first = (position as usize).min(last);
            Tap { first, second: (first + 1).min(last), share: position - first as f32 }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::augmentation::ColourJitter;
    use crate::video::clip::{IMAGENET_MEAN, IMAGENET_STD};
    use crate::video::sampler::generator;

    fn shape([height, width]: [usize; 2]) -> ClipShape {
        ClipShape { frames: 4, height, width, mean: IMAGENET_MEAN, std: IMAGENET_STD }
    }

    #[test]
    fn a_draw_stays_inside_the_frame_and_its_range() {
        let off = Augmentation { horizontal_flip: false, ..Augmentation::default() };
        for crop in [[224, 224], [32, 32], [48, 32], [32, 64], [1, 7]] {
            for frame in [[240, 320], [131, 97], [1, 1], [1, 500]] {
                for seed in 0..200 {
                    let augmentation = if seed % 2 == 0 { Augmentation::default() } else { off };
                    let draw = TrainingDraw::new(frame, &shape(crop), &augmentation, &mut generator(seed));
                    assert!(draw.top + crop[0] <= draw.resized[0] && draw.left + crop[1] <= draw.resized[1]);
                    assert!(seed % 2 == 0 || !draw.flip);
                }
            }
        }
        let draws = |augmentation: Augmentation| -> Vec<TrainingDraw> {
            let draw = |seed| TrainingDraw::new([240, 320], &shape([224, 224]), &augmentation, &mut generator(seed));
            (0..2000).map(draw).collect()
        };
        let range = |draws: &[TrainingDraw]| {
            let sides = draws.iter().map(|draw| draw.resized[0]);
            (sides.clone().min(), sides.max())
        };
        let guide = draws(Augmentation::default());
        assert_eq!(range(&guide), (Some(256), Some(320)));
        let flipped = guide.iter().filter(|draw| draw.flip).count();
        assert!((900..1100).contains(&flipped), "{flipped} of 2000");
        let wider = draws(Augmentation { short_sides: [224, 400], ..Augmentation::default() });
        assert_eq!(range(&wider), (Some(224), Some(400)));
    }

    #[test]
    fn colours_are_drawn_after_all_else_and_once_or_for_each_frame() {
        let jitter = ColourJitter { brightness: 0.5, hue: 0.2, ..ColourJitter::default() };
        let draw = |colour_jitter| {
            let augmentation = Augmentation { colour_jitter, ..Augmentation::default() };
            TrainingDraw::new([240, 320], &shape([32, 32]), &augmentation, &mut generator(5))
        };
        let (plain, clip) = (draw(ColourJitter::default()), draw(jitter));
        let frames = draw(ColourJitter { per_frame: true, ..jitter });
        assert_eq!(plain.colours, [[]]);
        assert_eq!((clip.colours.len(), frames.colours.len()), (1, 4));
        assert_eq!(clip.colours[0], frames.colours[0]);
        assert_ne!(frames.colours[0], frames.colours[1]);
        for other in [clip, frames] {
            assert_eq!(TrainingDraw { colours: plain.colours.clone(), ..other }, plain);
        }
    }

    #[test]
    fn frames_without_pixels_are_refused() {
        let draw = TrainingDraw { resized: [4, 4], top: 0, left: 0, flip: false, colours: Vec::new() };
        for (width, height, bytes) in [(0, 0, 0), (4, 4, 47), (0, 4, 0)] {
            let frame = Frame { width, height, rgb: vec![0; bytes] };
            assert!(training([&frame].into_iter(), &shape([4, 4]), &draw).is_err());
        }
    }

    #[test]
    fn each_frame_gets_its_own_colours() {
        let frame = Frame { width: 8, height: 8, rgb: (0..192).collect() };
        let pixels = |colours: Vec<Vec<Adjustment>>| {
            let draw = TrainingDraw { resized: [8, 8], top: 0, left: 0, flip: false, colours };
            training([&frame; 4].into_iter(), &shape([8, 8]), &draw).unwrap()
        };
        let (one, two) = (vec![Adjustment::Brightness(0.5)], vec![Adjustment::Saturation(0.0)]);
        let (ones, twos) = (pixels(vec![one.clone()]), pixels(vec![two.clone()]));
        let mixed = pixels(vec![one.clone(), two.clone(), one, two]);
        for (index, part) in mixed.chunks(192).enumerate() {
            let expected = if index % 2 == 0 { &ones } else { &twos };
            assert!(part == &expected[index * 192..][..192]);
        }
        assert_ne!(ones, twos);
    }
}
