//! Fine-tuning: a new run, one that goes on, whether either fits, and how long it will take.
//!
//! Comes in: settings, or a checkpoint's id. Goes out: the run's events as reports. One run at a time.

use std::cell::Cell;
use std::rc::Rc;

use super::{Engine, Outcome, sentence};
use crate::dataset::Split;
use crate::engine::brake::Brake;
use crate::engine::{fit, probe, starter, tuning};
use crate::model::config::VideoMaeConfig;
use crate::protocol::{Event, JobId, StepLoad};
use crate::storage::CheckpointStore;
use crate::storage::checkpoint::Checkpoint;
use crate::train::settings::{Regularisation, StartFrom, TuneSettings};

impl Engine {
    pub(super) async fn tune(&self, job: JobId, run: Run<'_>, disk: u64, brake: Rc<Brake>) -> Outcome {
        let (folder, device) = (self.folder()?, self.device()?);
        let _claim = self.claim()?;
        let replicas = match run {
            Run::New(settings) => {
                let (config, step) = (self.config_of(&settings.start).await?, StepLoad::of(settings));
                self.refuse_what_does_not_fit(&config, Some(step))?;
                self.replicas(&config, step)
            }
            Run::Old(id) => {
                let Checkpoint { config, record, .. } = self.store.load(id).await.map_err(sentence)?;
                let config = VideoMaeConfig::from_json(&config).map_err(sentence)?;
                record.and_then(|record| self.replicas(&config, StepLoad::of(&record.settings)))
            }
        };
        let report = |event| self.report(job, Event::Tune(event));
        self.kept_clips.disk().set_limit(disk).await;
        let (store, kept_clips) = (&self.store, &self.kept_clips);
        let limits = self.limits.get();
        let place = tuning::Workplace { folder: &folder, store, device: &device, limits, kept_clips, replicas, brake };
        let ended = match run {
            Run::New(settings) => tuning::tune(settings, place, report).await,
            Run::Old(checkpoint) => tuning::resume(checkpoint, place, report).await,
        };
        ended.map(|_| ()).map_err(sentence)
    }

    /// For as long as a model is trained: two at once would take each other's memory.
    pub(super) fn claim(&self) -> Result<Claim<'_>, String> {
        match self.tuning.get() {
            true => Err("A model is being trained already. Wait until it is done, or stop it.".into()),
            false => Ok(Claim::new(&self.tuning)),
        }
    }

    /// The checkpoint that a run starts from, where it starts from one.
    pub(super) async fn beginning(&self, start: &StartFrom) -> Result<Checkpoint, String> {
        match start {
            StartFrom::Checkpoint(id) => self.store.load(id).await.map_err(sentence),
            StartFrom::People => starter::people().await.map_err(sentence),
            _ => starter::motions().await.map_err(sentence),
        }
    }

    pub(super) async fn config_of(&self, start: &StartFrom) -> Result<VideoMaeConfig, String> {
        match start {
            StartFrom::Size(size) => Ok(size.config(&[])),
            start => VideoMaeConfig::from_json(&self.beginning(start).await?.config).map_err(sentence),
        }
    }

    /// Before its weights are loaded: memory that is not there would end the engine.
    pub(super) fn refuse_what_does_not_fit(&self, config: &VideoMaeConfig, step: Option<StepLoad>) -> Outcome {
        fit::estimate(config, step, self.limits.get()).refusal.map_or(Ok(()), Err)
    }

    pub(super) async fn ask_time(&self, job: JobId, settings: &TuneSettings) -> Outcome {
        let (folder, device) = (self.folder()?, self.device()?);
        let mut config = self.config_of(&settings.start).await?;
        self.refuse_what_does_not_fit(&config, Some(StepLoad::of(settings)))?;
        config.set_labels(&folder.catalogue.labels());
        let TuneSettings { start, clip_seconds, regularisation, .. } = settings.clone();
        let step = StepLoad::of(settings);
        let what = Measurable { start, step, clip_seconds, regularisation, import: self.imports.get() };
        let known = self.measured.borrow().as_ref().filter(|(other, _)| *other == what).map(|(_, measured)| *measured);
        let measured = match known {
            Some(measured) => measured,
            // Both would measure each other.
            None if self.tuning.get() => return Ok(()),
            None => {
                let limits = self.limits.get();
                let replicas = self.replicas(&config, step);
                let measured = probe::measure(settings, &config, &folder, &device, limits, replicas).await;
                let measured = measured.map_err(sentence)?;
                *self.measured.borrow_mut() = Some((what, measured));
                measured
            }
        };
        if let Some(measured) = measured {
            let folder = folder.usable();
            let [train, validation] = [Split::Train, Split::Validation].map(|split| folder.examples().of(split).len());
            self.report(job, Event::Estimated(measured.estimate(settings, train, validation)));
        }
        Ok(())
    }

    pub(super) async fn ask_fit(&self, job: JobId, start: &StartFrom, step: StepLoad) -> Outcome {
        let config = self.config_of(start).await?;
        self.report(job, Event::Fit(fit::estimate(&config, Some(step), self.limits.get())));
        Ok(())
    }
}

/// What a measurement holds for.
#[derive(Clone, PartialEq)]
pub(super) struct Measurable {
    start: StartFrom,
    step: StepLoad,
    clip_seconds: f64,
    regularisation: Regularisation,
    /// Which import of a folder.
    import: usize,
}

/// What a fine-tuning job runs.
pub(super) enum Run<'a> {
    New(&'a TuneSettings),
    /// Goes on from a checkpoint.
    Old(&'a str),
}

/// Holds a flag while a job runs, also where the job is aborted.
pub(super) struct Claim<'a>(&'a Cell<bool>);

impl<'a> Claim<'a> {
    fn new(flag: &'a Cell<bool>) -> Self {
        flag.set(true);
        Self(flag)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
