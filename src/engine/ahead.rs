//! Decoding ahead: an imported folder -> what a run will ask for first, decoded and on disk.
//!
//! Comes in: a folder's clips, the disk. Goes out: nothing but how far it is; a run then finds its training videos, and the
//! very clips of validation, where they were kept. Ends when the disk is full. Never decodes what memory has soon enough.

use futures_util::{StreamExt, stream};

use super::folder::FolderClips;
use crate::train::feed::ClipSource;
use crate::video::clip::View;
use crate::video::disk::DiskCache;
use crate::video::views::TestView;

/// Videos being decoded at a time; the page and the engine have something to do besides.
const VIDEOS_AT_A_TIME: usize = 3;
/// Less room than for so many bytes, and the disk is full.
const LEAST_ROOM: u64 = 4 << 20;

/// What is kept of a video.
#[derive(Clone, Copy)]
enum Wanted {
    AllFrames,
    EvaluationClip,
}

/// Decodes the folder's training videos for views like this one, then the clips of its validation. `told` hears how many
/// are done.
pub async fn decode_ahead(clips: &FolderClips<'_>, view: &View, disk: &DiskCache, mut told: impl FnMut(usize, usize)) {
    let _filling = disk.fill();
    let examples = clips.folder.examples();
    let train = examples.train.iter().map(|example| (example.video, Wanted::AllFrames));
    let validation = examples.validation.iter().map(|example| (example.video, Wanted::EvaluationClip));
    let wanted: Vec<(usize, Wanted)> = train.chain(validation).collect();
    let total = wanted.len();
    let with_room = wanted.into_iter().take_while(|_| disk.has_room(LEAST_ROOM));
    let mut kept = stream::iter(with_room)
        .map(|(video, wanted)| async move {
            match wanted {
                Wanted::AllFrames => clips.keep(video, view).await,
                // The disk keeps it; a run tells of one that cannot be decoded.
                Wanted::EvaluationClip => drop(clips.clip(video, &View::Evaluation(TestView::CENTRE)).await),
            }
        })
        .buffer_unordered(VIDEOS_AT_A_TIME);
    let mut done = 0;
    while kept.next().await.is_some() {
        done += 1;
        told(done, total);
    }
}
