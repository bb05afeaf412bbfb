//! A clip as the model fills it in, for the eye.
//!
//! Comes in: a model, a clip, a mask. Goes out: a [`Reconstruction`]: the clip, what of it the encoder sees, and that
//! with the hidden patches filled in, as VideoMAE's own visualisation shows them (MCG-NJU/VideoMAE, run_videomae_vis.py).

use burn::tensor::{Device, Tensor, TensorData};

use super::events::Reconstruction;
use super::run::PretrainError;
use crate::model::config::VideoMaeConfig;
use crate::model::masking::Masks;
use crate::model::pretraining::{DEVIATION_EPSILON, PretrainingModel};
use crate::model::read_back::read_back;
use crate::protocol::ClipPicture;
use crate::train::run::TuneError;
use crate::video::clip::{Clip, ClipShape};
use crate::video::transform::pictures;

/// What `model` (without autodiff) makes of a clip of which `hidden`, N long, is hidden. Reads the reconstruction back.
pub async fn reconstruct(
    model: &PretrainingModel,
    config: &VideoMaeConfig,
    clip: &Clip,
    shape: &ClipShape,
    hidden: &[bool],
    device: &Device,
) -> Result<Reconstruction, PretrainError> {
    let masks = Masks::new(vec![hidden.to_vec()])?;
    let dims = [1, shape.frames, 3, shape.height, shape.width];
    let pixels = Tensor::from_data(TensorData::new(clip.pixels.clone(), dims), &device.clone().without_autodiff());
    let patches = read_back(model.forward(pixels, &masks)).await;
    let patches = patches.map_err(TuneError::Device)?;
    let patches: Vec<f32> = patches.iter::<f32>().collect();
    Ok(fill_in(config, clip, shape, hidden, &patches, model.norm_pix_loss()))
}

/// Puts `patches` [K, t * h * w * 3] in the place of the clip's hidden ones. With `normalised` each is brought back,
/// colour by colour, with the mean and the standard deviation of the patch that it stands for.
pub fn fill_in(
    config: &VideoMaeConfig,
    clip: &Clip,
    shape: &ClipShape,
    hidden: &[bool],
    patches: &[f32],
    normalised: bool,
) -> Reconstruction {
    let places = Places::new(config);
    let (mut masked, mut filled) = (clip.pixels.clone(), clip.pixels.clone());
    let hidden = hidden.iter().enumerate().filter_map(|(token, hidden)| hidden.then_some(token));
    for (token, patch) in hidden.zip(patches.chunks_exact(config.tubelet_values().max(1))) {
        for (colour, (mean, std)) in shape.mean.into_iter().zip(shape.std).enumerate() {
            let places = places.of(token, colour);
            let original = places.iter().filter_map(|&place| clip.pixels.get(place).map(|value| value * std + mean));
            let (centre, deviation) = if normalised { moments(&original.collect::<Vec<_>>()) } else { (0.0, 1.0) };
            for (place, value) in places.into_iter().zip(patch.iter().skip(colour).step_by(3)) {
                let pixel = value * deviation + centre;
                if let (Some(masked), Some(filled)) = (masked.get_mut(place), filled.get_mut(place)) {
                    (*masked, *filled) = ((0.0 - mean) / std, (pixel - mean) / std);
                }
            }
        }
    }
    let picture =
        |pixels: &[f32]| ClipPicture { frames: pictures(pixels, shape), size: clip.size, seconds: clip.seconds };
    Reconstruction { original: picture(&clip.pixels), masked: picture(&masked), reconstructed: picture(&filled) }
}

/// Mean, and the standard deviation by which a target was divided.
fn moments(values: &[f32]) -> (f32, f32) {
    let count = values.len().max(2) as f32;
    let mean = values.iter().sum::<f32>() / count;
    let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f32>() / (count - 1.0);
    (mean, variance.sqrt() + DEVIATION_EPSILON as f32)
}

/// Where a token's pixels lie in a clip [T, 3, H, W].
struct Places {
    rows: usize,
    columns: usize,
    /// Times, height and width of a tubelet.
    tubelet: [usize; 3],
    height: usize,
    width: usize,
}

impl Places {
    fn new(config: &VideoMaeConfig) -> Self {
        let [_, rows, columns] = config.grid();
        let [height, width] = config.image_size.height_width();
        let [patch_height, patch_width] = config.patch_size.height_width();
        Self { rows, columns, tubelet: [config.tubelet_size, patch_height, patch_width], height, width }
    }

    /// Of one colour, ordered by time, then row, then column.
    fn of(&self, token: usize, colour: usize) -> Vec<usize> {
        let [times, high, wide] = self.tubelet;
        let (time, row, column) =
            (token / (self.rows * self.columns), token / self.columns % self.rows, token % self.columns);
        let mut places = Vec::with_capacity(times * high * wide);
        for frame in time * times..(time + 1) * times {
            for y in row * high..(row + 1) * high {
                let line = ((frame * 3 + colour) * self.height + y) * self.width;
                places.extend((column * wide..(column + 1) * wide).map(|x| line + x));
            }
        }
        places
    }
}
