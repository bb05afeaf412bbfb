//! The fine-tuning job: a folder and settings -> checkpoints in a store.
//!
//! Comes in: an imported [`Folder`], [`TuneSettings`], a device, a store. Goes out: [`TuneEvent`]s, and a checkpoint
//! after each epoch and when the user stops. Never touches the page.

use std::cell::Cell;
use std::rc::Rc;

use burn::module::Module;
use burn::tensor::Device;

use super::clock::{self, Breath};
use super::folder::{Folder, FolderClips};
use super::loaded::{LoadedModel, OpenError};
use crate::model::classifier::VideoMae;
use crate::model::config::VideoMaeConfig;
use crate::model::weights;
use crate::protocol::{CheckpointSummary, Evaluation, TuneEvent};
use crate::storage::checkpoint::preprocessor_json;
use crate::storage::{Checkpoint, CheckpointStore, StorageError};
use crate::train::run::{self, Observer, Run, TuneError};
use crate::train::settings::{StartFrom, TuneSettings};
use crate::video::clip::ClipLoader;

/// Why a fine-tuning job ended before its time; each a sentence.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("{0}")]
    Settings(String),
    #[error("{0}")]
    Data(String),
    #[error("{0}")]
    Open(#[from] OpenError),
    #[error("{0}")]
    Store(#[from] StorageError),
    #[error("{0}")]
    Tune(#[from] TuneError),
}

/// Fine-tunes on `folder`; `stop` ends it after the current step, keeping what was learnt.
/// Goes out: the id of the run's best checkpoint.
pub async fn tune<Store: CheckpointStore>(
    settings: &TuneSettings,
    folder: &Folder,
    store: &Store,
    device: &Device,
    stop: Rc<Cell<bool>>,
    report: impl FnMut(TuneEvent),
) -> Result<String, JobError> {
    if let Some((_, sentence)) = settings.problems().into_iter().next() {
        return Err(JobError::Settings(sentence));
    }
    if let Some(reason) = &folder.catalogue.blocked {
        return Err(JobError::Data(reason.clone()));
    }
    let labels: Vec<String> = folder.catalogue.classes.iter().map(|class| class.name.clone()).collect();
    let device = device.clone().autodiff();
    let loaded = match &settings.start {
        StartFrom::Size(size) => LoadedModel::fresh(*size, &labels, settings.clip_seconds, settings.seed, &device),
        StartFrom::Checkpoint(id) => {
            let checkpoint = store.load(id).await?;
            LoadedModel::open_for(&checkpoint, &labels, settings.clip_seconds, settings.seed, &device)?
        }
    };
    let LoadedModel { model, config, normalisation, shape, clip_seconds } = loaded;
    let source = FolderClips { folder, loader: ClipLoader::new(shape, clip_seconds) };
    let run_id = format!("run-{:.0}", clock::seconds() * 1e3);
    let mut observer = Keeper {
        best_id: checkpoint_id(&run_id, 0),
        preprocessor: preprocessor_json(shape.height, shape.width, normalisation),
        best: None,
        breath: Breath::default(),
        run_id,
        config: &config,
        settings,
        store,
        stop,
        report,
    };
    let examples = folder.examples();
    let run = Run { settings, examples: &examples, source: &source, shape: &shape, device: &device };
    run::tune(run, model, &mut observer).await?;
    Ok(observer.best_id)
}

fn checkpoint_id(run_id: &str, epoch: usize) -> String {
    format!("{run_id}-epoch-{epoch:04}")
}

/// Watches a run for a job: keeps its checkpoints and passes its events on.
struct Keeper<'a, Store, Report> {
    run_id: String,
    config: &'a VideoMaeConfig,
    preprocessor: String,
    settings: &'a TuneSettings,
    store: &'a Store,
    stop: Rc<Cell<bool>>,
    report: Report,
    breath: Breath,
    best_id: String,
    best: Option<Evaluation>,
}

impl<Store: CheckpointStore, Report: FnMut(TuneEvent)> Observer for Keeper<'_, Store, Report> {
    fn event(&mut self, event: TuneEvent) {
        (self.report)(event);
    }

    async fn checkpoint(
        &mut self,
        model: &VideoMae,
        epoch: usize,
        validation: Option<Evaluation>,
    ) -> Result<(), TuneError> {
        let weights = weights::save(model, self.config).await?;
        let id = checkpoint_id(&self.run_id, epoch);
        if epoch == 1 || run::is_better(validation, self.best) {
            self.best = validation;
            self.best_id = id.clone();
        }
        let summary = CheckpointSummary {
            id,
            name: format!("{}, epoch {epoch}", self.settings.name),
            run: self.run_id.clone(),
            created: clock::seconds() * 1e3,
            epoch,
            labels: self.config.labels(),
            parameters: model.num_params(),
            bytes: weights.len(),
            validation,
            test: None,
            best: false,
            frames: self.config.num_frames,
            image_size: self.config.image_size.height_width()[0],
            clip_seconds: self.settings.clip_seconds,
        };
        let config =
            serde_json::to_string_pretty(self.config).map_err(|error| TuneError::Storage(error.to_string()))?;
        let checkpoint = Checkpoint { summary, config, preprocessor: self.preprocessor.clone(), weights };
        let saved = self.store.save(&checkpoint).await.map_err(|error| TuneError::Storage(error.to_string()))?;
        self.event(TuneEvent::Saved(saved));
        Ok(())
    }

    async fn tested(&mut self, epoch: usize, test: Evaluation) -> Result<(), TuneError> {
        let id = checkpoint_id(&self.run_id, epoch);
        self.store.record_test(&id, test).await.map_err(|error| TuneError::Storage(error.to_string()))
    }

    fn should_stop(&self) -> bool {
        self.stop.get()
    }

    async fn breathe(&self) {
        self.breath.take().await;
    }

    fn now(&self) -> f64 {
        clock::seconds()
    }
}
