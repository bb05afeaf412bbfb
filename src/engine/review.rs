//! An evaluation that was made: its report, and its clips to look at.
//!
//! Comes in: a checkpoint, the folder it was evaluated on, and what came of it. Goes out: HTML, and clips as the model
//! sees them. Computes with no model.

use std::rc::Rc;

use super::folder::Folder;
use super::loaded::{OpenError, clip_shape_of};
use crate::dataset::Unusable;
use crate::evaluation::evaluated::ClipOutcome;
use crate::evaluation::{Chosen, Evaluated};
use crate::export::report;
use crate::export::report::clips::{CLIPS_AT_A_TIME, canvas, list};
use crate::model::config::VideoMaeConfig;
use crate::protocol::ClipPicture;
use crate::storage::Checkpoint;
use crate::storage::archive::plain_name;
use crate::video::clip::{ClipLoader, View};
use crate::video::views::TestView;

pub struct Review {
    checkpoint: Checkpoint,
    config: VideoMaeConfig,
    folder: Rc<Folder>,
    loader: ClipLoader,
    evaluated: Vec<Evaluated>,
}

/// Clips that a button of the report leads to.
pub struct Shown<'a> {
    /// What they have in common.
    pub title: String,
    /// HTML with a canvas for each.
    pub list: String,
    /// Each with its canvas's id.
    pub clips: Vec<(String, &'a ClipOutcome)>,
}

impl Review {
    pub fn new(checkpoint: Checkpoint, folder: Rc<Folder>, evaluated: Vec<Evaluated>) -> Result<Self, OpenError> {
        let config = VideoMaeConfig::from_json(&checkpoint.config)?;
        let loader = ClipLoader::new(clip_shape_of(&checkpoint)?, checkpoint.summary.clip_seconds);
        Ok(Self { checkpoint, config, folder, loader, evaluated })
    }

    /// HTML for a shadow root.
    pub fn for_page(&self) -> String {
        report::for_page(&self.checkpoint, &self.evaluated)
    }

    /// The report as a file: its name and its HTML.
    pub fn file(&self) -> (String, String) {
        let name = plain_name(&self.checkpoint.summary.name).unwrap_or_default();
        let parts: Vec<&str> = [name.as_str(), "evaluation.html"].into_iter().filter(|part| !part.is_empty()).collect();
        (parts.join("-"), report::html(&self.checkpoint, &self.config, &self.evaluated))
    }

    /// The clips that a button's text means; none where no button says that.
    pub fn find(&self, text: &str) -> Option<Shown<'_>> {
        let chosen = Chosen::from_text(text)?;
        let (evaluated, clips) = chosen.find(&self.evaluated)?;
        let title = clips.first().map(|clip| evaluated.outcome(clip.label, clip.prediction)).unwrap_or_default();
        let list = list(chosen, &clips);
        let shown = clips.into_iter().skip(chosen.from).take(CLIPS_AT_A_TIME).enumerate();
        Some(Shown { title, list, clips: shown.map(|(place, clip)| (canvas(place), clip)).collect() })
    }

    /// The middle of a clip's video as the model sees it.
    pub async fn picture(&self, clip: &ClipOutcome) -> Result<ClipPicture, Unusable> {
        let unusable = |reason: String| Unusable { path: clip.name(), reason };
        let gone = || unusable("It is not in the folder any more.".into());
        let mut videos = self.folder.catalogue.videos.iter();
        let video = videos.position(|video| video.path == clip.path && video.part == clip.part).ok_or_else(gone)?;
        let preview = self.folder.preview(video, &View::Evaluation(TestView::CENTRE), &self.loader).await;
        preview.map(|(picture, _)| picture).map_err(|failed| unusable(failed.reason))
    }
}
