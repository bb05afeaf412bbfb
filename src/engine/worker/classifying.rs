//! Classifying clips with a checkpoint, which stays loaded for the next ones.
//!
//! Comes in: a checkpoint's id, files. Goes out: an answer for each file as a report.

use std::rc::Rc;

use burn::tensor::Device;
use web_sys::File;

use super::{Engine, Outcome, sentence};
use crate::engine::classification::{ClassifyError, classify};
use crate::engine::folder::unusable;
use crate::engine::loaded::LoadedModel;
use crate::model::config::VideoMaeConfig;
use crate::protocol::{Event, JobId};
use crate::storage::CheckpointStore;
use crate::video::VideoSource;
use crate::video::clip::ClipLoader;
use crate::video::views::TestViews;

impl Engine {
    pub(super) async fn classify(&self, job: JobId, id: &str, files: Vec<File>, top: usize) -> Outcome {
        let device = self.device()?;
        let loaded = self.loaded(id, &device).await?;
        for file in files {
            let source = source(&file.name(), file);
            match classify(&loaded.0, &loaded.1, &source, TestViews::default(), top, &device).await {
                Ok(classification) => self.report(job, Event::Classified(classification)),
                Err(ClassifyError::Video(error)) => {
                    self.report(job, Event::Unusable(unusable(&source.name(), &error)));
                }
                Err(error @ ClassifyError::Device(_)) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    async fn loaded(&self, id: &str, device: &Device) -> Result<Rc<(LoadedModel, ClipLoader)>, String> {
        if let Some((last, loaded)) = &*self.loaded.borrow()
            && last == id
        {
            return Ok(loaded.clone());
        }
        let checkpoint = self.store.load(id).await.map_err(sentence)?;
        self.refuse_what_does_not_fit(&VideoMaeConfig::from_json(&checkpoint.config).map_err(sentence)?, None)?;
        let loaded = LoadedModel::open(&checkpoint, device).await.map_err(sentence)?;
        let loader = ClipLoader::new(loaded.shape, loaded.clip_seconds);
        let loaded = Rc::new((loaded, loader));
        *self.loaded.borrow_mut() = Some((id.to_string(), loaded.clone()));
        Ok(loaded)
    }
}

/// A file under a key that changes with its contents.
fn source(path: &str, file: File) -> VideoSource {
    VideoSource::new(format!("{path}, {} bytes, {}", file.size(), file.last_modified()), file)
}
