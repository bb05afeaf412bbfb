//! What a pre-training job tells while it runs, and its pictures.

use serde::{Deserialize, Serialize};

use crate::dataset::Unusable;
use crate::protocol::{CheckpointSummary, ClipPicture, Picture};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PretrainEvent {
    Started {
        total_steps: usize,
        steps_per_epoch: usize,
        parameters: usize,
    },
    /// After an optimizer step.
    Step(PretrainStep),
    Epoch(PretrainEpoch),
    /// What the model makes of a clip by now.
    Reconstructed(Box<Reconstruction>),
    /// A checkpoint is safe on disk.
    Saved(Box<CheckpointSummary>),
    /// A video that could not be decoded; the job goes on without it.
    LeftOut(Unusable),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PretrainStep {
    /// From 1.
    pub step: usize,
    /// From 1.
    pub epoch: usize,
    /// Mean squared error of the hidden patches, the mean over the step's clips.
    pub loss: f32,
    pub learning_rate: f64,
    /// Global norm of the gradient before clipping.
    pub gradient_norm: f32,
    pub clips_per_second: f64,
    /// For the whole job; none until it can be told.
    pub seconds_left: Option<f64>,
    /// As [`crate::protocol::StepReport`] has them.
    pub waiting_per_clip: f64,
    pub computing_per_clip: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PretrainEpoch {
    /// From 1.
    pub epoch: usize,
    /// Mean loss over the epoch's clips.
    pub loss: f32,
}

/// One clip three times, as VideoMAE's own visualisation shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reconstruction {
    pub original: ClipPicture,
    /// What the encoder sees; the rest is black.
    pub masked: ClipPicture,
    /// What the encoder sees, and the rest as the model fills it in.
    pub reconstructed: ClipPicture,
}

impl Reconstruction {
    /// A few frames, spread over the clip, in one picture: the original ones in the first row, below them the masked, below
    /// those the reconstructed, `gap` clear pixels apart.
    pub fn sheet(&self, frames: usize, gap: u32) -> Picture {
        let rows = [&self.original, &self.masked, &self.reconstructed];
        let Some(first) = self.original.frames.first() else {
            return Picture { width: 0, height: 0, rgba: Vec::new() };
        };
        let count = self.original.frames.len();
        let columns = frames.clamp(1, count);
        let side = |length: u32, number: usize| (length + gap) * number as u32 - gap;
        let (width, height) = (side(first.width, columns), side(first.height, rows.len()));
        let mut rgba = vec![0; width as usize * height as usize * 4];
        for (row, clip) in rows.into_iter().enumerate() {
            for column in 0..columns {
                let frame = clip.frames.get((2 * column + 1) * count / (2 * columns));
                let at = [(first.width + gap) * column as u32, (first.height + gap) * row as u32];
                frame.into_iter().for_each(|frame| paste(frame, at, width, &mut rgba));
            }
        }
        Picture { width, height, rgba }
    }
}

/// Puts a picture into a larger one of `width`, its upper left corner at x and y.
fn paste(picture: &Picture, [x, y]: [u32; 2], width: u32, onto: &mut [u8]) {
    let line = picture.width as usize * 4;
    for (row, pixels) in picture.rgba.chunks_exact(line.max(4)).enumerate() {
        let start = ((y as usize + row) * width as usize + x as usize) * 4;
        if let Some(place) = onto.get_mut(start..start + line) {
            place.copy_from_slice(pixels);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_has_a_row_of_each_kind_and_frames_from_the_whole_clip() {
        let clip = |shade: u8| {
            let frame = |time: u8| Picture { width: 2, height: 3, rgba: [shade, time, 0, 255].repeat(6) };
            ClipPicture { frames: (0..8).map(frame).collect(), size: [20, 30], seconds: 1.0 }
        };
        let sheet = Reconstruction { original: clip(1), masked: clip(2), reconstructed: clip(3) }.sheet(4, 1);
        assert_eq!((sheet.width, sheet.height, sheet.rgba.len()), (11, 11, 11 * 11 * 4));
        let at = |x: usize, y: usize| &sheet.rgba[(y * 11 + x) * 4..][..4];
        for (row, shade) in [1, 2, 3].into_iter().enumerate() {
            for (column, time) in [1, 3, 5, 7].into_iter().enumerate() {
                for (x, y) in [(0, 0), (1, 2)] {
                    assert_eq!(at(column * 3 + x, row * 4 + y), [shade, time, 0, 255]);
                }
            }
        }
        assert_eq!((at(2, 0), at(0, 3)), (&[0; 4][..], &[0; 4][..]), "between them nothing");
    }
}
