//! Frames -> the pixels that the model takes, and back to pictures for the eye.
//!
//! Comes in: `[H, W, 3]` u8 frames. Goes out: `[T, C, H, W]` f32, normalised, as transformers'
//! VideoMAEImageProcessor makes them (its PIL form). Never chooses frames; what training does to them stands in
//! [`super::augmentation`].

use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images::Image, images::ImageRef};

use super::{Frame, VideoError, clip::ClipShape, views::Framing};
use crate::protocol::Picture;

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
pub fn is_height_bound([height, width]: [usize; 2], [crop_height, crop_width]: [usize; 2]) -> bool {
    crop_height * width >= crop_width * height
}

/// Bilinear with antialiasing, rounded to u8 between the two passes as Pillow does, then the crop of the framing.
/// All sizes are `[height, width]`; goes out: `[crop height, crop width, 3]`.
pub fn resize_and_crop(
    frame: &Frame,
    resized: [usize; 2],
    crop: [usize; 2],
    framing: Framing,
) -> Result<Vec<u8>, VideoError> {
    let resized = [resized[0].max(crop[0]), resized[1].max(crop[1])];
    let frame = resize(frame, resized)?;
    let [top, left] = framing.offset(resized, crop);
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

/// To width and height where there are any, as [`resize`].
pub fn fitted(frame: Frame, size: Option<[u32; 2]>) -> Result<Frame, VideoError> {
    match size {
        Some([width, height]) => resize(&frame, [height as usize, width as usize]),
        None => Ok(frame),
    }
}

/// Every later index into the frame holds.
pub fn check(frame: &Frame) -> Result<(), VideoError> {
    let pixels = frame.width as usize * frame.height as usize;
    if pixels == 0 || frame.rgb.len() != pixels * 3 {
        return Err(VideoError::Damaged("a frame has no pixels".into()));
    }
    Ok(())
}

/// Evaluation pixels: resize, crop, `(x / 255 - mean) / std`. transformers' own with [`Framing::CENTRE`], the guide's
/// with [`Framing::Squash`]. `[T, 3, H, W]`.
pub fn evaluation<'a>(
    frames: impl Iterator<Item = &'a Frame>,
    shape: &ClipShape,
    framing: Framing,
) -> Result<Vec<f32>, VideoError> {
    let crop = [shape.height, shape.width];
    let area = shape.height * shape.width;
    let mut pixels = Vec::with_capacity(shape.frames * 3 * area);
    for frame in frames {
        let resized = match framing {
            Framing::Squash => crop,
            Framing::Crop(_) | Framing::UniformCrop(_) => {
                covering_size([frame.height as usize, frame.width as usize], crop)
            }
        };
        let rgb = resize_and_crop(frame, resized, crop, framing)?;
        for ((channel, mean), std) in shape.mean.iter().enumerate().zip(shape.std) {
            pixels.extend(rgb.iter().skip(channel).step_by(3).map(|&value| (f32::from(value) / 255.0 - mean) / std));
        }
    }
    Ok(pixels)
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
    fn pictures_undo_the_normalisation() {
        let shape =
            ClipShape { frames: 2, height: 4, width: 6, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
        let rgb: Vec<u8> = (0..72).map(|value| value * 3).collect();
        let frame = Frame { width: 6, height: 4, rgb };
        let pixels = evaluation([&frame, &frame].into_iter(), &shape, Framing::CENTRE).unwrap();
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
            assert!(evaluation([&frame].into_iter(), &shape, Framing::CENTRE).is_err());
        }
    }
}
