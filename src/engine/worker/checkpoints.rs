//! The models on this device: listing, exporting, importing, and the Hub both ways.
//!
//! Comes in: the page's commands about models. Goes out: lists, zips, transfers and load reports as reports.

use js_sys::Array;
use web_sys::File;

use super::{Engine, Outcome, sentence};
use crate::engine::models;
use crate::hub;
use crate::protocol::{CheckpointSummary, Event, Hub, JobId, LoadReport, Numbers, Origin};
use crate::storage::CheckpointStore;
use crate::storage::checkpoint::{NamedFile, Stranger};

impl Engine {
    pub(super) async fn list(&self, job: JobId) -> Outcome {
        let checkpoints = self.store.list().await.map_err(sentence)?;
        self.report(job, Event::Checkpoints(checkpoints));
        Ok(())
    }

    pub(super) async fn export(&self, job: JobId, id: &str, numbers: Numbers) -> Outcome {
        let checkpoint = self.store.load(id).await.map_err(sentence)?;
        let name = &checkpoint.summary.name;
        let failed = |error: &dyn std::fmt::Display| format!("\"{name}\" could not be exported: {error}");
        let (file_name, zip) = models::zip(&checkpoint, numbers).await.map_err(|error| failed(&error))?;
        let blob = zip.to_blob().map_err(|error| failed(&error))?;
        self.report_with(job, Event::Exported { file_name }, &Array::of1(&blob));
        Ok(())
    }

    pub(super) async fn import_checkpoint(&self, job: JobId, paths: Vec<String>, files: Vec<File>) -> Outcome {
        let first = paths.first().ok_or("No file came with the request. Choose the files again.")?;
        // The folder that was chosen, or the one file; loose files tell no name.
        let name = match first.split_once(['/', '\\']) {
            Some((folder, _)) => folder.to_string(),
            None if paths.len() == 1 => first.clone(),
            None => "model".to_string(),
        };
        let chosen: Vec<NamedFile> =
            paths.iter().cloned().zip(files).map(|(path, file)| (path, web_sys::Blob::from(file).into())).collect();
        let origin = Origin { source: name.clone(), ..Origin::default() };
        let stranger = stranger(name.strip_suffix(".zip").unwrap_or(&name), origin);
        let failed = |error: models::ModelError| format!("\"{name}\": {error}");
        let files = models::model_files(chosen).map_err(failed)?;
        let (checkpoint, report) = models::keep(files, &stranger, &self.store).await.map_err(failed)?;
        self.added(job, checkpoint, report).await
    }

    pub(super) async fn download(&self, job: JobId, model: &str, hub: &Hub) -> Outcome {
        let progress =
            |file: &str, done, total| self.report(job, Event::Transferring { file: file.to_string(), done, total });
        let fetched = hub::fetch(model, hub, progress).await.map_err(sentence)?;
        let origin = Origin {
            source: fetched.repository.clone(),
            revision: Some(fetched.revision.clone()),
            licence: fetched.licence.clone(),
        };
        let name = fetched.repository.rsplit('/').next().unwrap_or(model);
        let stranger = stranger(name, origin);
        let kept = models::keep(fetched.files.clone(), &stranger, &self.store).await;
        let (checkpoint, report) = kept.map_err(|error| format!("\"{model}\": {error}"))?;
        hub::forget(&fetched).await;
        self.added(job, checkpoint, report).await
    }

    pub(super) async fn push(
        &self,
        job: JobId,
        id: &str,
        numbers: Numbers,
        repository: &str,
        private: bool,
        hub: &Hub,
    ) -> Outcome {
        let checkpoint = self.store.load(id).await.map_err(sentence)?;
        let files = crate::export::files(&checkpoint, numbers).await.map_err(sentence)?;
        let progress =
            |file: &str, done, total| self.report(job, Event::Transferring { file: file.to_string(), done, total });
        let address = hub::push::push(&files, repository, private, hub, progress).await.map_err(sentence)?;
        self.report(job, Event::Pushed { address });
        Ok(())
    }

    async fn added(&self, job: JobId, checkpoint: CheckpointSummary, report: LoadReport) -> Outcome {
        self.report(job, Event::Added { checkpoint: Box::new(checkpoint), report });
        self.list(job).await
    }
}

/// A model from elsewhere, under an id of its own.
fn stranger(name: &str, origin: Origin) -> Stranger {
    let created = crate::engine::clock::seconds() * 1e3;
    Stranger { id: format!("model-{created:.0}"), name: name.to_string(), created, origin }
}
