//! The runs that left checkpoints: listing, comparing, noting, and files about one.
//!
//! Comes in: the page's commands about runs. Goes out: HTML, files and settings as reports. Loads no weights.

use js_sys::Array;

use super::{Engine, Outcome, sentence};
use crate::export::runs::{self, Run};
use crate::files::FileSource;
use crate::protocol::{Along, Event, JobId, RunFile};
use crate::storage::CheckpointStore;

impl Engine {
    pub(super) async fn list_runs(&self, job: JobId) -> Outcome {
        let (runs, damaged) = runs::read(&self.store).await.map_err(sentence)?;
        let compared = runs::usually_compared(&runs);
        let list = runs::list(&runs, &damaged, &compared);
        let comparison = runs::comparison(&runs, &compared, Along::default());
        self.report(job, Event::Runs { list, compared, comparison });
        Ok(())
    }

    pub(super) async fn compare_runs(&self, job: JobId, compared: &[String], along: Along) -> Outcome {
        let (runs, _) = runs::read(&self.store).await.map_err(sentence)?;
        self.report(job, Event::Compared(runs::comparison(&runs, compared, along)));
        Ok(())
    }

    pub(super) async fn note_run(&self, run: &str, note: &str) -> Outcome {
        self.store.annotate(run, note).await.map_err(sentence)
    }

    pub(super) async fn export_run(&self, job: JobId, id: &str, file: RunFile) -> Outcome {
        let (file_name, bytes) = self.run_of(id).await?.file(file).map_err(sentence)?;
        let blob = FileSource::from_bytes(bytes).to_blob().map_err(sentence)?;
        self.report_with(job, Event::Exported { file_name }, &Array::of1(&blob));
        Ok(())
    }

    pub(super) async fn run_settings(&self, job: JobId, id: &str) -> Outcome {
        let settings = self.run_of(id).await?.record.settings;
        self.report(job, Event::Settings(Box::new(settings)));
        Ok(())
    }

    async fn run_of(&self, id: &str) -> Result<Run, String> {
        let (runs, _) = runs::read(&self.store).await.map_err(sentence)?;
        let run = runs.into_iter().find(|run| run.id == id);
        run.ok_or_else(|| "This run is gone; its checkpoints may have been deleted in another tab.".into())
    }
}
