//! Classifying clips with a checkpoint, which stays loaded for the next ones, and showing what an answer rested on.
//!
//! Comes in: a checkpoint's id, files with their numbers. Goes out: an answer for each file as a report.

use std::rc::Rc;

use burn::tensor::Device;
use web_sys::File;

use super::{Engine, Outcome, sentence};
use crate::engine::attention_map::attention_map;
use crate::engine::classification::Classifying;
use crate::engine::fit;
use crate::engine::folder::unusable;
use crate::engine::loaded::LoadedModel;
use crate::model::config::VideoMaeConfig;
use crate::protocol::{Event, JobId, StepLoad};
use crate::storage::CheckpointStore;
use crate::train::data_parallel::DataParallel;
use crate::train::replica::Blueprint;
use crate::video::VideoSource;
use crate::video::clip::ClipLoader;
use crate::video::views::{MOST_SPREAD, TestViews};

/// Files whose handles are kept: as many as a page shows, and more.
const FILES_KEPT: usize = 1000;

impl Engine {
    pub(super) async fn classify(&self, job: JobId, id: &str, files: Vec<(usize, File)>, top: usize) -> Outcome {
        let device = self.device()?;
        let loaded = self.loaded(id, &device).await?;
        let config = &loaded.0.config;
        let replicas =
            fit::is_slow(config).then(|| self.replicas(config, StepLoad { batch: MOST_SPREAD, ..StepLoad::LEAST }));
        let parallel = replicas.flatten().map(|replicas| DataParallel::new(replicas, Blueprint::fixed(config)));
        let videos: Vec<VideoSource> = files
            .into_iter()
            .map(|(number, file)| {
                let video = source(&file.name(), file);
                self.remember(number, id, &video);
                video
            })
            .collect();
        let classifying = Classifying {
            loaded: &loaded.0,
            loader: &loaded.1,
            videos: &videos,
            views: TestViews::default(),
            top,
            device: &device,
            parallel: parallel.as_ref(),
        };
        let report = |video: &VideoSource, answer| {
            let event = match answer {
                Ok(classification) => Event::Classified(classification),
                Err(error) => Event::Unusable(unusable(&video.name(), &error)),
            };
            self.report(job, event);
        };
        classifying.run(report).await.map_err(sentence)
    }

    /// Keeps a file's handle, not its bytes.
    fn remember(&self, number: usize, id: &str, source: &VideoSource) {
        let mut classified = self.classified.borrow_mut();
        classified.insert(number, (id.to_string(), source.clone()));
        if classified.len() > FILES_KEPT {
            classified.pop_first();
        }
    }

    pub(super) async fn show_attention(&self, job: JobId, number: usize) -> Outcome {
        let device = self.device()?;
        let classified = self.classified.borrow().get(&number).cloned();
        let (id, source) = classified.ok_or("This clip was classified too long ago. Classify it once more.")?;
        let loaded = self.loaded(&id, &device).await?;
        let map = attention_map(&loaded.0, &loaded.1, &source, TestViews::default(), &device).await;
        let clip = map.map_err(sentence)?;
        self.report(job, Event::Preview { clip, path: source.name() });
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
