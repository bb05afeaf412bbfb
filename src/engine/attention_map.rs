//! What an answer rested on, painted over the clip.
//!
//! Comes in: a model and a clip's video. Goes out: the clip's frames, grey where the model looked least and glowing where
//! it looked most ([`crate::model::rollout`]).

use burn::tensor::Device;

use super::classification::{pixels, views};
use super::loaded::LoadedModel;
use crate::model::read_back::read_back;
use crate::protocol::{ClipPicture, Picture};
use crate::train::run::TuneError;
use crate::video::clip::{ClipLoader, View};
use crate::video::views::{TestView, TestViews};
use crate::video::{VideoError, VideoSource};

/// The colours that the least and the most looked at places shine in.
const GLOW: [[f32; 3]; 2] = [[196.0, 50.0, 10.0], [255.0, 214.0, 74.0]];
/// How much of the glow covers the frame where the model looked most.
const COVER: f32 = 0.72;
/// How bright the grey frame is below it.
const DIMMED: f32 = 0.7;

/// Why there is no map; each a sentence.
#[derive(Debug, thiserror::Error)]
pub enum AttentionError {
    #[error("{0}")]
    Video(#[from] VideoError),
    #[error("{0}")]
    Device(#[from] TuneError),
}

/// The first of the views that a video was classified by, with what its answer rested on.
pub async fn attention_map(
    loaded: &LoadedModel,
    loader: &ClipLoader,
    source: &VideoSource,
    ways: TestViews,
    device: &Device,
) -> Result<ClipPicture, AttentionError> {
    let first = views(loaded, source, ways).await?.first().copied().unwrap_or(TestView::CENTRE);
    let clip = loader.load(source, &View::Evaluation(first)).await?;
    let rolled = read_back(loaded.model.rollout(pixels(loaded, &clip, device))).await;
    let rolled = rolled.map_err(TuneError::Device)?;
    let mut picture = loader.picture(&clip);
    let map = Map { shares: stretched(&rolled.iter::<f32>().collect::<Vec<f32>>()), grid: loaded.config.grid() };
    map.paint(&mut picture.frames);
    Ok(picture)
}

/// From 0 for the least to 1 for the most; all 0 where there is no difference.
fn stretched(shares: &[f32]) -> Vec<f32> {
    let least = shares.iter().copied().fold(f32::INFINITY, f32::min);
    let most = shares.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let range = most - least;
    shares.iter().map(|share| if range > 0.0 { (share - least) / range } else { 0.0 }).collect()
}

/// 0 to 1 for each tubelet, by time, then row, then column.
struct Map {
    shares: Vec<f32>,
    grid: [usize; 3],
}

impl Map {
    fn paint(&self, frames: &mut [Picture]) {
        let count = frames.len().max(1);
        for (number, frame) in frames.iter_mut().enumerate() {
            let time = number * self.grid[0] / count;
            let (width, height) = (frame.width.max(1) as usize, frame.height.max(1) as usize);
            for (place, pixel) in frame.rgba.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let across = (place % width) as f32 / width as f32 + 0.5 / width as f32;
                let down = (place / width) as f32 / height as f32 + 0.5 / height as f32;
                *pixel = lit(*pixel, self.at(time, down, across));
            }
        }
    }

    /// Between the centres of the four nearest tubelets; `down` and `across` are shares of the frame.
    fn at(&self, time: usize, down: f32, across: f32) -> f32 {
        let [_, rows, columns] = self.grid;
        let (top, bottom, below) = between(down, rows);
        let (left, right, beside) = between(across, columns);
        let share = |row: usize, column: usize| {
            self.shares.get((time * rows + row) * columns + column).copied().unwrap_or_default()
        };
        let mixed = |row| share(row, left) * (1.0 - beside) + share(row, right) * beside;
        mixed(top) * (1.0 - below) + mixed(bottom) * below
    }
}

/// The cells around a place, and how far it is from the first one's centre to the second one's.
fn between(place: f32, cells: usize) -> (usize, usize, f32) {
    let last = cells.saturating_sub(1);
    let at = (place * cells as f32 - 0.5).clamp(0.0, last as f32);
    let first = at as usize;
    (first, (first + 1).min(last), at - first as f32)
}

fn lit([red, green, blue, alpha]: [u8; 4], share: f32) -> [u8; 4] {
    // Luma of BT.601.
    let grey = DIMMED * (0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue));
    let channel = |channel: usize| {
        let glow = GLOW[0][channel] * (1.0 - share) + GLOW[1][channel] * share;
        let cover = COVER * share;
        (grey * (1.0 - cover) + glow * cover).round() as u8
    };
    [channel(0), channel(1), channel(2), alpha]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(shares: &[f32], grid: [usize; 3], frames: usize) -> Vec<Picture> {
        let picture = Picture { width: 8, height: 8, rgba: [90, 120, 60, 255].repeat(64) };
        let mut frames = vec![picture; frames];
        Map { shares: stretched(shares), grid }.paint(&mut frames);
        frames
    }

    fn pixel(picture: &Picture, column: usize, row: usize) -> [u8; 4] {
        picture.rgba.as_chunks().0[row * 8 + column]
    }

    #[test]
    fn what_was_looked_at_glows_where_and_when_it_was() {
        // Of the second of two tubelets in time the right lower one.
        let frames = painted(&[0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.3], [2, 2, 2], 4);
        let grey = pixel(&frames[0], 0, 0);
        assert!(grey[0] == grey[1] && grey[1] == grey[2] && grey[3] == 255, "{grey:?}");
        assert!(frames[..2].iter().all(|frame| frame.rgba == grey.repeat(64)));
        for frame in &frames[2..] {
            let glow = pixel(frame, 7, 7);
            assert!(glow[0] > 150 && glow[0] > glow[2] + 50, "{glow:?}");
            assert_eq!(pixel(frame, 0, 0), grey);
            let rising: Vec<u8> = (0..8).map(|column| pixel(frame, column, 7)[0]).collect();
            assert!(rising.is_sorted(), "{rising:?}");
        }
    }

    #[test]
    fn rows_and_columns_are_told_apart() {
        let frames = painted(&[0.0, 0.0, 1.0, 0.0, 0.0, 0.0], [1, 2, 3], 1);
        let brightest = (0..64).max_by_key(|place| pixel(&frames[0], place % 8, place / 8)[0]).unwrap();
        assert!(brightest % 8 > 4 && brightest / 8 < 4, "{brightest}");
    }

    #[test]
    fn where_nothing_stands_out_all_is_grey() {
        for (shares, grid) in [(vec![0.25; 4], [1, 2, 2]), (Vec::new(), [0, 0, 0]), (vec![f32::NAN; 4], [1, 2, 2])] {
            let [frame] = painted(&shares, grid, 1).try_into().unwrap();
            assert!(frame.rgba.as_chunks::<4>().0.iter().all(|[red, green, blue, _]| red == green && green == blue));
        }
    }
}
