//! Frames -> the pixels that the model takes, and back to pictures for the eye.
//!
//! Comes in: `[H, W, 3]` u8 frames. Goes out: `[T, C, H, W]` f32, normalised. Evaluation follows transformers'
//! VideoMAEImageProcessor (its PIL form); training follows the transforms of the Hugging Face video classification
//! guide (pytorchvideo). Never chooses frames.

use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images::Image, images::ImageRef};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Frame, VideoError, clip::ClipShape};
use crate::protocol::Picture;

/// The guide's short sides, for an image side of [`GUIDE_SIDE`].
const GUIDE_SHORT_SIDES: [f64; 2] = [256.0, 320.0];
const GUIDE_SIDE: f64 = 224.0;

/// The size to resize to before the crop: as small as covers `crop`, at the frame's proportions. For a square crop
/// that is transformers' `shortest_edge`: the short side exactly, the long side `int(side * long / short)`.
/// Both as `[height, width]`.
pub fn covering_size(frame: [usize; 2], crop: [usize; 2]) -> [usize; 2] {
    let [height, width] = frame.map(|side| side.max(1));
    let [crop_height, crop_width] = crop;
    if is_height_bound([height, width], crop) {
        [crop_height, crop_height * width / height]
    } else {
        [crop_width * height / width, crop_width]
    }
}

/// Whether the height is what a crop leaves no room in.
fn is_height_bound([height, width]: [usize; 2], [crop_height, crop_width]: [usize; 2]) -> bool {
    crop_height * width >= crop_width * height
}

/// Bilinear with antialiasing, rounded to u8 between the two passes as Pillow does, then the centre of `crop`,
/// from `(resized - crop) / 2`. `[crop height, crop width, 3]`.
pub fn resize_and_crop(frame: &Frame, resized: [usize; 2], crop: [usize; 2]) -> Result<Vec<u8>, VideoError> {
    let resized = [resized[0].max(crop[0]), resized[1].max(crop[1])];
    let frame = resize(frame, resized)?;
    let [top, left] = [(resized[0] - crop[0]) / 2, (resized[1] - crop[1]) / 2];
    let row_bytes = resized[1] * 3;
    let rows = frame.rgb.chunks_exact(row_bytes).skip(top).take(crop[0]);
    Ok(rows.flat_map(|row| row.iter().skip(left * 3).take(crop[1] * 3)).copied().collect())
}

/// To `[height, width]`, as Pillow's `resize` with `BILINEAR`.
pub fn resize(frame: &Frame, [height, width]: [usize; 2]) -> Result<Frame, VideoError> {
    check(frame)?;
    let (width, height) = (width as u32, height as u32);
    if (frame.width, frame.height) == (width, height) {
        return Ok(frame.clone());
    }
    let wrong = |error: &dyn std::fmt::Display| VideoError::Damaged(format!("a frame cannot be resized: {error}"));
    let stored =
        ImageRef::new(frame.width, frame.height, &frame.rgb, PixelType::U8x3).map_err(|error| wrong(&error))?;
    let mut resized = Image::new(width, height, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize(&stored, &mut resized, &options).map_err(|error| wrong(&error))?;
    Ok(Frame { width, height, rgb: resized.into_vec() })
}

/// Every later index into the frame holds.
fn check(frame: &Frame) -> Result<(), VideoError> {
    let pixels = frame.width as usize * frame.height as usize;
    if pixels == 0 || frame.rgb.len() != pixels * 3 {
        return Err(VideoError::Damaged("a frame has no pixels".into()));
    }
    Ok(())
}

/// transformers' evaluation pixels: resize, centre crop, `(x / 255 - mean) / std`. `[T, 3, H, W]`.
pub fn evaluation<'a>(frames: impl Iterator<Item = &'a Frame>, shape: &ClipShape) -> Result<Vec<f32>, VideoError> {
    let crop = [shape.height, shape.width];
    let area = shape.height * shape.width;
    let mut pixels = Vec::with_capacity(shape.frames * 3 * area);
    for frame in frames {
        let resized = covering_size([frame.height as usize, frame.width as usize], crop);
        let rgb = resize_and_crop(frame, resized, crop)?;
        for ((channel, mean), std) in shape.mean.iter().enumerate().zip(shape.std) {
            pixels.extend(rgb.iter().skip(channel).step_by(3).map(|&value| (f32::from(value) / 255.0 - mean) / std));
        }
    }
    Ok(pixels)
}

/// The random choices for a training clip, the same for all its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrainingDraw {
    /// `[height, width]` before the crop.
    pub resized: [usize; 2],
    pub top: usize,
    pub left: usize,
    pub flip: bool,
}

impl TrainingDraw {
    /// The guide's RandomShortSideScale(256 to 320, scaled by image side / 224), RandomCrop and
    /// RandomHorizontalFlip(0.5). `frame` and `crop` are `[height, width]`.
    pub fn new(frame: [usize; 2], crop: [usize; 2], horizontal_flip: bool, generator: &mut ChaCha8Rng) -> Self {
        let bound = if is_height_bound(frame, crop) { crop[0] } else { crop[1] };
        let [least, most] = GUIDE_SHORT_SIDES.map(|side| (side * bound as f64 / GUIDE_SIDE).round() as u32);
        let side = generator.random_range(least..=most.max(least)) as usize;
        let resized = scaled_size(frame, crop, side);
        let mut offset = |room: usize| generator.random_range(0..=room as u32) as usize;
        let [top, left] = [offset(resized[0] - crop[0]), offset(resized[1] - crop[1])];
        // Drawn even where it is not used, so that the other draws do not depend on it.
        let mirrored = generator.random::<f32>() < 0.5;
        Self { resized, top, left, flip: mirrored && horizontal_flip }
    }
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
/// `align_corners=False`), of which only the crop is computed. `[T, 3, H, W]`.
pub fn training<'a>(
    frames: impl Iterator<Item = &'a Frame>,
    shape: &ClipShape,
    draw: &TrainingDraw,
) -> Result<Vec<f32>, VideoError> {
    let area = shape.height * shape.width;
    let mut pixels = Vec::with_capacity(shape.frames * 3 * area);
    for frame in frames {
        check(frame)?;
        let rows = taps(frame.height as usize, draw.resized[0], draw.top, shape.height);
        let mut columns = taps(frame.width as usize, draw.resized[1], draw.left, shape.width);
        if draw.flip {
            columns.reverse();
        }
        let stride = frame.width as usize * 3;
        for ((channel, mean), std) in shape.mean.iter().enumerate().zip(shape.std) {
            for row in &rows {
                let (upper, lower) = (row.first * stride + channel, row.second * stride + channel);
                for column in &columns {
                    let value = |line: usize, at: usize| f32::from(frame.rgb[line + at * 3]);
                    let mix = |line| {
                        (1.0 - column.share) * value(line, column.first) + column.share * value(line, column.second)
                    };
                    let value = (1.0 - row.share) * mix(upper) + row.share * mix(lower);
                    pixels.push((value / 255.0 - mean) / std);
                }
            }
        }
    }
    Ok(pixels)
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

/// Normalised pixels, `[T, 3, H, W]`, as pictures for the eye: one a frame.
pub fn pictures(pixels: &[f32], shape: &ClipShape) -> Vec<Picture> {
    let area = shape.height * shape.width;
    if area == 0 {
        return Vec::new();
    }
    let picture = |frame: &[f32]| {
        let mut rgba = vec![255; area * 4];
        for (channel, plane) in frame.chunks_exact(area).enumerate().take(3) {
            let (mean, std) = (shape.mean[channel], shape.std[channel]);
            for (pixel, value) in rgba.chunks_exact_mut(4).zip(plane) {
                pixel[channel] = ((value * std + mean) * 255.0).round().clamp(0.0, 255.0) as u8;
            }
        }
        Picture { width: shape.width as u32, height: shape.height as u32, rgba }
    };
    pixels.chunks_exact(3 * area).map(picture).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::sampler::generator;

    #[test]
    fn the_size_before_the_crop_covers_it_at_any_proportions() {
        assert_eq!(covering_size([240, 320], [224, 224]), [224, 298]);
        assert_eq!(covering_size([320, 240], [224, 224]), [298, 224]);
        for crop in [[32, 32], [48, 32], [32, 64], [1, 7], [96, 16]] {
            for frame in [[97, 131], [131, 97], [20, 25], [1, 1], [1, 500], [500, 1], [720, 1280]] {
                let size = covering_size(frame, crop);
                assert!(size[0] >= crop[0] && size[1] >= crop[1], "{frame:?} for {crop:?} gives {size:?}");
                assert!(size[0] == crop[0] || size[1] == crop[1], "{frame:?} for {crop:?} gives {size:?}");
            }
        }
    }

    #[test]
    fn a_draw_stays_inside_the_frame_and_its_range() {
        for crop in [[224, 224], [32, 32], [48, 32], [32, 64], [1, 7]] {
            for frame in [[240, 320], [131, 97], [1, 1], [1, 500]] {
                for seed in 0..200 {
                    let draw = TrainingDraw::new(frame, crop, seed % 2 == 0, &mut generator(seed));
                    assert!(draw.top + crop[0] <= draw.resized[0] && draw.left + crop[1] <= draw.resized[1]);
                    assert!(seed % 2 == 0 || !draw.flip);
                }
            }
        }
        let sides = (0..2000).map(|seed| TrainingDraw::new([240, 320], [224, 224], true, &mut generator(seed)));
        let draws: Vec<TrainingDraw> = sides.collect();
        assert_eq!(draws.iter().map(|draw| draw.resized[0]).min(), Some(256));
        assert_eq!(draws.iter().map(|draw| draw.resized[0]).max(), Some(320));
        let flipped = draws.iter().filter(|draw| draw.flip).count();
        assert!((900..1100).contains(&flipped), "{flipped} of 2000");
    }

    #[test]
    fn pictures_undo_the_normalisation() {
        let shape =
            ClipShape { frames: 2, height: 4, width: 6, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
        let rgb: Vec<u8> = (0..72).map(|value| value * 3).collect();
        let frame = Frame { width: 6, height: 4, rgb };
        let pixels = evaluation([&frame, &frame].into_iter(), &shape).unwrap();
        let pictures = pictures(&pixels, &shape);
        assert_eq!(pictures.len(), 2);
        for picture in pictures {
            let back: Vec<u8> = picture.rgba.chunks(4).flat_map(|pixel| pixel[..3].to_vec()).collect();
            assert_eq!(back, frame.rgb);
            assert!(picture.rgba.chunks(4).all(|pixel| pixel[3] == 255));
        }
    }

    #[test]
    fn a_frame_without_pixels_is_an_error() {
        let shape = ClipShape { frames: 1, height: 4, width: 4, mean: [0.5; 3], std: [0.5; 3] };
        for frame in [Frame { width: 0, height: 0, rgb: Vec::new() }, Frame { width: 2, height: 2, rgb: vec![0; 11] }] {
            let draw = TrainingDraw { resized: [4, 4], top: 0, left: 0, flip: false };
            assert!(evaluation([&frame].into_iter(), &shape).is_err());
            assert!(training([&frame].into_iter(), &shape, &draw).is_err());
        }
    }
}
