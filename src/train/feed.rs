//! Examples in an order -> batches of clips, decoded ahead of whoever consumes them.
//!
//! Comes in: a [`ClipSource`] and which views of which videos are wanted. Goes out: [`Batch`]es through a bounded
//! channel. A video that cannot be decoded is reported and left out; it never ends the feed.

use futures_channel::mpsc::{Receiver, Sender};
use futures_util::{SinkExt, StreamExt, stream};
use rand::RngExt;

use crate::dataset::Unusable;
use crate::video::clip::{Clip, View};

/// Where clips come from: the imported folder, in the browser or on disk.
pub trait ClipSource {
    /// The clip of that view of a video, [T, C, H, W].
    fn clip(&self, video: usize, view: &View) -> impl Future<Output = Result<Clip, Unusable>>;
}

/// A video of the catalogue and its label id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    pub video: usize,
    pub label: usize,
}

/// Clips side by side, as the model takes them.
#[derive(Debug, Default)]
pub struct Batch {
    /// [B, T, C, H, W].
    pub pixels: Vec<f32>,
    /// [B].
    pub labels: Vec<i32>,
    /// Videos that were to be in the batch and could not be decoded.
    pub left_out: Vec<Unusable>,
    /// Videos whose clips have fewer frames than the model takes.
    pub repeating: Vec<usize>,
    /// How many of the wanted views it used up, the left-out ones included.
    pub drawn: usize,
}

/// Clips being decoded at a time: decoding waits on the browser's decoders and on workers of ours, so some overlap; the
/// frames of each lie in memory meanwhile.
const CLIPS_AT_A_TIME: usize = 6;

/// Batches that wait in the channel.
pub const BATCHES_AHEAD: usize = 2;

/// The batches of one optimizer step, and what they were drawn from.
#[derive(Debug, Default)]
pub struct StepBatches {
    /// None of them empty; fewer than were asked for where the feed ends.
    pub batches: Vec<Batch>,
    /// As the batches have them.
    pub left_out: Vec<Unusable>,
    pub repeating: Vec<usize>,
    pub drawn: usize,
    /// Nothing follows.
    pub last: bool,
}

/// Waits for `count` batches that have clips.
pub async fn gather(feed: &mut Receiver<Batch>, count: usize) -> StepBatches {
    let mut gathered = StepBatches::default();
    while gathered.batches.len() < count {
        let Some(mut batch) = feed.next().await else {
            gathered.last = true;
            break;
        };
        gathered.left_out.append(&mut batch.left_out);
        gathered.repeating.append(&mut batch.repeating);
        gathered.drawn += batch.drawn;
        if !batch.labels.is_empty() {
            gathered.batches.push(batch);
        }
    }
    gathered
}

/// In an order drawn from `random`: Fisher and Yates' shuffle.
pub fn shuffle<T>(order: &mut [T], random: &mut impl RngExt) {
    for last in (1..order.len()).rev() {
        order.swap(last, random.random_range(0..=last));
    }
}

/// Decodes `wanted` in order into batches of `size`; ends when all is sent or nobody listens any more.
pub async fn feed<S: ClipSource>(source: &S, wanted: Vec<(Example, View)>, size: usize, mut batches: Sender<Batch>) {
    let mut clips = stream::iter(wanted)
        .map(|(example, view)| async move { (example, source.clip(example.video, &view).await) })
        .buffered(CLIPS_AT_A_TIME);
    let mut batch = Batch::default();
    while let Some((example, clip)) = clips.next().await {
        batch.drawn += 1;
        match clip {
            Ok(clip) => {
                batch.pixels.extend_from_slice(&clip.pixels);
                batch.labels.push(example.label as i32);
                if clip.repeats {
                    batch.repeating.push(example.video);
                }
            }
            Err(unusable) => batch.left_out.push(unusable),
        }
        if batch.labels.len() == size && batches.send(std::mem::take(&mut batch)).await.is_err() {
            return;
        }
    }
    if !batch.labels.is_empty() || !batch.left_out.is_empty() {
        // Nobody listening any more is how a job ends early, not an error.
        let _ = batches.send(batch).await;
    }
}
