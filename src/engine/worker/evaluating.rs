//! Evaluating a checkpoint on the imported folder, and looking at what came of it.
//!
//! Comes in: a checkpoint's id and splits, or what a button of the report carries. Goes out: how far it is, the report, and
//! clips as reports. Only the last evaluation is kept, in memory.

use std::rc::Rc;

use js_sys::Array;

use super::{Engine, Outcome, sentence};
use crate::dataset::Split;
use crate::engine::evaluation::{Asked, evaluate};
use crate::engine::fit;
use crate::engine::review::Review;
use crate::evaluation::{EvaluationEvent, Views};
use crate::files::FileSource;
use crate::model::config::VideoMaeConfig;
use crate::protocol::{Event, JobId, StepLoad};
use crate::storage::CheckpointStore;

/// Clips a forward pass, where the device holds so many.
const BATCH: usize = 8;

impl Engine {
    pub(super) async fn evaluate(&self, job: JobId, id: &str, splits: &[Split], views: Views) -> Outcome {
        let (folder, device) = (self.folder()?, self.device()?);
        let checkpoint = self.store.load(id).await.map_err(sentence)?;
        let config = VideoMaeConfig::from_json(&checkpoint.config).map_err(sentence)?;
        self.refuse_what_does_not_fit(&config, None)?;
        let batch = fit::clips_at_a_time(&config, BATCH, self.limits.get());
        let replicas = self.replicas(&config, StepLoad { batch, ..StepLoad::LEAST });
        let asked = Asked { checkpoint: &checkpoint, folder: &folder, splits, views, batch, device: &device, replicas };
        let told = |event| {
            // The others stand in the report.
            if let EvaluationEvent::Progress { done, total } = event {
                self.report(job, Event::Looked { done, total });
            }
        };
        let evaluated = evaluate(asked, told).await.map_err(sentence)?;
        let review = Review::new(checkpoint, folder, evaluated).map_err(sentence)?;
        let report = review.for_page();
        *self.review.borrow_mut() = Some(Rc::new(review));
        self.report(job, Event::Evaluated { report });
        Ok(())
    }

    pub(super) async fn show_clips(&self, job: JobId, clips: &str) -> Outcome {
        let review = self.review()?;
        let shown = review.find(clips).ok_or("These clips are of another evaluation. Evaluate again.")?;
        self.report(job, Event::Clips { title: shown.title, list: shown.list });
        for (canvas, clip) in shown.clips {
            let clip = review.picture(clip).await.map_err(|unusable| unusable.reason);
            self.report(job, Event::Clip { canvas, clip });
        }
        Ok(())
    }

    pub(super) fn export_report(&self, job: JobId) -> Outcome {
        let (file_name, html) = self.review()?.file();
        let blob = FileSource::from_bytes(html.into_bytes()).to_blob();
        let blob = blob.map_err(|error| format!("The report could not be saved: {error}"))?;
        self.report_with(job, Event::Exported { file_name }, &Array::of1(&blob));
        Ok(())
    }

    fn review(&self) -> Result<Rc<Review>, String> {
        self.review.borrow().clone().ok_or_else(|| "There is no evaluation any more. Evaluate again.".into())
    }
}
