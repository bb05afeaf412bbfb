//! The fine-tuning job: a folder and settings, or a checkpoint whose run goes on -> checkpoints in a store.
//!
//! Comes in: an imported [`Folder`], [`TuneSettings`] or a checkpoint's id, a device, a store. Goes out:
//! [`TuneEvent`]s, and checkpoints: after each epoch and each evaluation, every so many steps between them, and when the
//! user stops. Never touches the page.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use burn::module::{Module, ParamId};
use burn::tensor::{DType, Device};

use super::brake::Brake;
use super::clock::{self, Breath};
use super::fit::{self, Limits};
use super::folder::{Folder, FolderClips};
use super::loaded::{LoadedModel, OpenError};
use super::probe::gpu_bytes;
use super::starter;
use crate::files::FileSource;
use crate::model::config::VideoMaeConfig;
use crate::model::weights::{self, WeightsError};
use crate::protocol::{CheckpointSummary, Origin, RANDOM_WEIGHTS, Standing, StepLoad, StepReport, TuneEvent};
use crate::storage::checkpoint::{ADAPTER, TRAINING_STATE, WEIGHTS};
use crate::storage::preprocessor::preprocessor_json;
use crate::storage::retention::{best_of_run, latest_id};
use crate::storage::{Checkpoint, CheckpointStore, StorageError};
use crate::tensors::{NumberFormat, TensorFiles};
use crate::train::data_parallel::{DataParallel, Replicas};
use crate::train::kept_features::KeptFeatures;
use crate::train::lora;
use crate::train::optimizer::AdamW;
use crate::train::record::{Manifest, Outcomes, Progress, RunRecord, StepRecord};
use crate::train::replica::Blueprint;
use crate::train::run::{self, Best, Moment, Observer, Occasion, Resumption, Run, TuneError, steps_per_epoch};
use crate::train::settings::{StartFrom, Strategy, TuneSettings};
use crate::video::clip::ClipLoader;
use crate::video::disk::DiskCache;
use crate::video::kept::KeptClips;

/// The optimizer's moments in a training state, before each parameter's name; PyTorch's own words.
const FIRST_MOMENT: &str = "exp_avg.";
const SECOND_MOMENT: &str = "exp_avg_sq.";

/// Why a fine-tuning job ended before its time; each a sentence.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("{0}")]
    Settings(String),
    #[error("{0}")]
    Data(String),
    #[error("\"{0}\" cannot go on: only the newest checkpoint of an unfinished run can. Fine-tune from it instead.")]
    NotResumable(String),
    #[error(
        "This run cannot go on with this folder: {0}. Choose the folder that the run began with, or fine-tune from the checkpoint."
    )]
    OtherData(String),
    #[error(
        "These settings ask for products in 16 bits, which this device does not compute with. Turn “Products in 16 bits” off under \
         “More settings”."
    )]
    NoHalf,
    #[error("{0}")]
    Open(#[from] OpenError),
    #[error("{0}")]
    Store(#[from] StorageError),
    #[error("{0}")]
    Tune(#[from] TuneError),
}

/// What a job works with.
pub struct Workplace<'a, Store> {
    pub folder: &'a Folder,
    pub store: &'a Store,
    pub device: &'a Device,
    /// What the device can hold.
    pub limits: Limits,
    /// What was decoded of the folder already, and what will be.
    pub kept_clips: &'a Rc<KeptClips>,
    /// Workers that share the computing, where there are some.
    pub replicas: Option<Rc<dyn Replicas>>,
    /// Holds the run after a step, or ends it, keeping what was learnt.
    pub brake: Rc<Brake>,
}

/// Fine-tunes on a folder. Goes out: the id of the run's best checkpoint.
pub async fn tune<Store: CheckpointStore>(
    settings: &TuneSettings,
    place: Workplace<'_, Store>,
    report: impl FnMut(TuneEvent),
) -> Result<String, JobError> {
    if let Some((_, sentence)) = settings.problems().into_iter().next() {
        return Err(JobError::Settings(sentence));
    }
    // Files that are not looked at yet are left out when they are met.
    let folder = place.folder.usable();
    let place = Workplace { folder: &folder, ..place };
    if let Some(reason) = &place.folder.catalogue.blocked {
        return Err(JobError::Data(reason.clone()));
    }
    let data = Manifest::of(&place.folder.catalogue);
    let device = place.device.clone().autodiff();
    let (seconds, seed) = (settings.clip_seconds, settings.seed);
    let (loaded, origin) = match &settings.start {
        StartFrom::Size(size) => {
            let origin = Origin { source: RANDOM_WEIGHTS.into(), ..Origin::default() };
            (LoadedModel::fresh(*size, &data.classes, seconds, seed, &device), origin)
        }
        start => {
            let checkpoint = match start {
                StartFrom::Checkpoint(id) => place.store.load(id).await?,
                StartFrom::People => starter::people().await.map_err(OpenError::from)?,
                _ => starter::motions().await.map_err(OpenError::from)?,
            };
            let loaded = LoadedModel::open_for(&checkpoint, &data.classes, seconds, seed, &device).await?;
            (loaded, checkpoint.summary.origin)
        }
    };
    let loaded = match &settings.strategy {
        Strategy::Lora(lora) => LoadedModel { model: lora::attach(loaded.model, lora, seed), ..loaded },
        _ => loaded,
    };
    let clips = data.count(crate::dataset::Split::Train);
    let record = RunRecord::begun(settings.clone(), None, data, origin, steps_per_epoch(settings, clips));
    let run_id = format!("run-{:.0}", clock::seconds() * 1e3);
    go(place, loaded, record, run_id, Kept::default(), None, report).await
}

/// Goes on with the run of a checkpoint, as if it had never stopped. Goes out: the id of the run's best checkpoint.
pub async fn resume<Store: CheckpointStore>(
    id: &str,
    place: Workplace<'_, Store>,
    report: impl FnMut(TuneEvent),
) -> Result<String, JobError> {
    let checkpoint = place.store.load(id).await?;
    let not_resumable = || JobError::NotResumable(checkpoint.summary.name.clone());
    let (Some(mut record), Some(state)) = (checkpoint.record.clone(), &checkpoint.training) else {
        return Err(not_resumable());
    };
    if !can_be_true(&record, &checkpoint.summary) {
        return Err(not_resumable());
    }
    let folder = place.folder.as_recorded(&record.data).await;
    let place = Workplace { folder: &folder, ..place };
    if let Some(difference) = record.data.difference(&Manifest::of(&place.folder.catalogue)) {
        return Err(JobError::OtherData(difference));
    }
    let device = place.device.clone().autodiff();
    let mut loaded = LoadedModel::open(&checkpoint, &device).await?;
    loaded.clip_seconds = record.settings.clip_seconds;
    let tensors = opened(TRAINING_STATE, state).await?;
    if let Strategy::Lora(lora) = &record.settings.strategy {
        let factors = opened(ADAPTER, checkpoint.adapter.as_ref().ok_or_else(not_resumable)?).await?;
        let restored = lora::restore(loaded.model, lora, &loaded.config, &tensors, &factors).await;
        loaded.model = restored.map_err(OpenError::from)?.ok_or_else(not_resumable)?;
    }
    let moments = async |prefix| weights::read(&loaded.model, &loaded.config, &tensors, prefix).await;
    let first = moments(FIRST_MOMENT).await.map_err(OpenError::from)?;
    let second = moments(SECOND_MOMENT).await.map_err(OpenError::from)?;
    let trained = record.settings.strategy.trained(&loaded.model, record.progress.epoch);
    let has = |moments: &HashMap<ParamId, _>| {
        moments.len() == trained.len() && trained.iter().all(|id| moments.contains_key(id))
    };
    if !has(&first) || !has(&second) {
        return Err(not_resumable());
    }
    let optimizer = AdamW::restored(record.settings.weight_decay, record.progress.step, first, second);
    if record.progress.drawn > 0 {
        // An epoch that is trained on after a stop is told once, as a whole.
        record.epochs.retain(|report| report.epoch < record.progress.epoch);
    }
    let run_id = checkpoint.summary.run.clone();
    let (best_id, best) = best_of(&place, &run_id, record.progress).await?.unzip();
    let resumption = Resumption { progress: record.progress, optimizer, best };
    let kept = Kept { best: best_id.unwrap_or_else(|| id.to_string()), unfinished: Some(id.to_string()) };
    go(place, loaded, record, run_id, kept, Some(resumption), report).await
}

async fn opened(name: &str, file: &FileSource) -> Result<TensorFiles, OpenError> {
    Ok(TensorFiles::open_safetensors(name, file).await.map_err(WeightsError::from)?)
}

/// Whether a run can have this record: anybody may have written it.
fn can_be_true(record: &RunRecord, summary: &CheckpointSummary) -> bool {
    let settings = &record.settings;
    let (_, last_epoch) = settings.length(record.steps_per_epoch);
    settings.problems().is_empty() && record.progress.epoch <= last_epoch && record.data.classes == summary.labels
}

/// The best checkpoint of a run that goes on, and its id, where the store has it. An epoch that is trained on, and whose
/// checkpoint is replaced then, is judged when it is complete.
async fn best_of<Store: CheckpointStore>(
    place: &Workplace<'_, Store>,
    run_id: &str,
    progress: Progress,
) -> Result<Option<(String, Best)>, JobError> {
    let mut listed = place.store.list().await?;
    let replaced = epoch_id(run_id, progress.epoch);
    listed.retain(|summary| progress.drawn == 0 || summary.id != replaced);
    let Some(summary) = best_of_run(&listed, run_id) else { return Ok(None) };
    let checkpoint = place.store.load(&summary.id).await?;
    let model = LoadedModel::open(&checkpoint, place.device).await?.model;
    Ok(Some((summary.id.clone(), Best { model, validation: summary.validation })))
}

async fn go<Store: CheckpointStore>(
    place: Workplace<'_, Store>,
    loaded: LoadedModel,
    record: RunRecord,
    run_id: String,
    kept: Kept,
    resumption: Option<Resumption>,
    report: impl FnMut(TuneEvent),
) -> Result<String, JobError> {
    let LoadedModel { model, config, normalisation, shape, clip_seconds } = loaded;
    let settings = record.settings.clone();
    // In a browser the CPU would be many times slower with them.
    let is_able = place.limits != Limits::Wasm && place.device.supports_dtype(DType::F16);
    if settings.optimization.fp16 && !is_able {
        return Err(JobError::NoHalf);
    }
    let classes = record.data.classes.clone();
    let plain = place.device.clone().without_autodiff();
    let mut keeper = Keeper {
        kept,
        preprocessor: preprocessor_json(shape.height, shape.width, normalisation),
        breath: Breath::default(),
        run_id,
        record,
        config: &config,
        store: place.store,
        disk: place.kept_clips.disk(),
        device: &plain,
        gpu_bytes: None,
        brake: place.brake,
        report,
    };
    let source = FolderClips {
        folder: place.folder,
        loader: ClipLoader::keeping(shape, clip_seconds, place.kept_clips.clone()),
    };
    let examples = place.folder.examples();
    let device = place.device.clone().autodiff();
    let kept = KeptFeatures::new(place.kept_clips.disk().report().limit);
    let recomputes = fit::estimate(&config, Some(StepLoad::of(&settings)), place.limits).recomputes;
    let (_, last_epoch) = settings.length(steps_per_epoch(&settings, examples.train.len()));
    let parallel = place.replicas.map(|replicas| {
        let blueprint = Blueprint::new(&config, settings.strategy, last_epoch, recomputes);
        DataParallel::new(replicas, blueprint)
    });
    let run = Run {
        settings: &settings,
        examples: &examples,
        source: &source,
        shape: &shape,
        classes: &classes,
        kept: &kept,
        recomputes,
        parallel: parallel.as_ref(),
        device: &device,
    };
    run::tune(run, model, resumption, &mut keeper).await?;
    Ok(keeper.kept.best)
}

/// What a run has kept so far, by its id.
#[derive(Default)]
struct Kept {
    best: String,
    /// The last checkpoint, where the run can go on from there.
    unfinished: Option<String>,
}

fn epoch_id(run_id: &str, epoch: usize) -> String {
    format!("{run_id}-epoch-{epoch:04}")
}

/// Watches a run for a job: keeps its record and its checkpoints, and passes its events on.
struct Keeper<'a, Store, Report> {
    run_id: String,
    record: RunRecord,
    config: &'a VideoMaeConfig,
    preprocessor: String,
    store: &'a Store,
    disk: &'a DiskCache,
    /// Without autodiff.
    device: &'a Device,
    /// Reserved when it was told last.
    gpu_bytes: Option<u64>,
    brake: Rc<Brake>,
    report: Report,
    breath: Breath,
    kept: Kept,
}

impl<Store, Report> Keeper<'_, Store, Report> {
    fn summary(&self, moment: &Moment<'_>, parameters: usize, bytes: u64) -> CheckpointSummary {
        let Progress { epoch, step, .. } = moment.progress;
        let (id, place) = match moment.occasion {
            Occasion::Epoch { .. } | Occasion::Stop => (epoch_id(&self.run_id, epoch), format!("epoch {epoch}")),
            Occasion::Evaluation => (format!("{}-step-{step:07}", self.run_id), format!("step {step}")),
            Occasion::Steps => (latest_id(&self.run_id), format!("step {step}")),
        };
        let (total_steps, _) = self.record.settings.length(self.record.steps_per_epoch);
        CheckpointSummary {
            id,
            name: format!("{}, {place}", self.record.settings.name),
            run: self.run_id.clone(),
            created: clock::seconds() * 1e3,
            epoch,
            labels: self.config.labels(),
            parameters,
            bytes: bytes as usize,
            validation: moment.validation.as_ref().map(|validation| validation.evaluation),
            test: None,
            best: false,
            frames: self.config.num_frames,
            image_size: self.config.image_size.height_width()[0],
            clip_seconds: self.record.settings.clip_seconds,
            origin: self.record.origin.clone(),
            resumable: moment.unfinished,
            note: String::new(),
            stands: Some(Standing { step, total_steps, folder: self.record.data.folder().into() }),
        }
    }

    fn tell_memory(&mut self)
    where
        Report: FnMut(TuneEvent),
    {
        let bytes = gpu_bytes(self.device);
        if let Some(bytes) = bytes.filter(|_| bytes != self.gpu_bytes) {
            (self.report)(TuneEvent::GpuMemory(bytes));
        }
        self.gpu_bytes = bytes;
    }

    /// What happened before a run went on, so that its curves are whole.
    fn retell(&mut self)
    where
        Report: FnMut(TuneEvent),
    {
        for (index, step) in self.record.steps.iter().enumerate() {
            (self.report)(TuneEvent::Step(StepReport {
                step: index + 1,
                epoch: step.epoch,
                loss: step.loss,
                accuracy: step.accuracy,
                learning_rate: step.learning_rate,
                gradient_norm: step.gradient_norm,
                clips_per_second: 0.0,
                seconds_left: None,
                waiting_per_clip: 0.0,
                computing_per_clip: 0.0,
            }));
        }
        for evaluation in &self.record.evaluations {
            (self.report)(TuneEvent::Evaluated(*evaluation));
        }
        for epoch in &self.record.epochs {
            (self.report)(TuneEvent::Epoch(epoch.clone()));
        }
    }
}

/// The optimizer's moments under the parameters' names, and the weights that have low-rank adapters, without them.
async fn training_state(moment: &Moment<'_>, config: &VideoMaeConfig) -> Result<FileSource, WeightsError> {
    let optimizer = moment.optimizer;
    let metadata = BTreeMap::from([
        ("format".to_string(), "pt".to_string()),
        ("step".to_string(), moment.progress.step.to_string()),
        ("epoch".to_string(), moment.progress.epoch.to_string()),
    ]);
    let (base, bases) = lora::bases(moment.model);
    let choices: [(&str, weights::Choice<'_>); 3] = [
        (FIRST_MOMENT, &|_, id| optimizer.first_moment(id)),
        (SECOND_MOMENT, &|_, id| optimizer.second_moment(id)),
        (base, &bases),
    ];
    weights::write(moment.model, config, &choices, NumberFormat::F32, &metadata).await
}

impl<Store: CheckpointStore, Report: FnMut(TuneEvent)> Observer for Keeper<'_, Store, Report> {
    fn event(&mut self, event: TuneEvent) {
        match &event {
            TuneEvent::Step(step) => self.record.steps.push(StepRecord {
                epoch: step.epoch,
                loss: step.loss,
                accuracy: step.accuracy,
                learning_rate: step.learning_rate,
                gradient_norm: step.gradient_norm,
                time: Some(clock::seconds()),
            }),
            TuneEvent::Epoch(epoch) => self.record.epochs.push(epoch.clone()),
            TuneEvent::Evaluated(evaluation) => self.record.evaluations.push(*evaluation),
            _ => {}
        }
        if matches!(event, TuneEvent::Step(_)) {
            self.tell_memory();
        }
        let (begins, epoch) = (matches!(event, TuneEvent::Started { .. }), matches!(event, TuneEvent::Epoch(_)));
        (self.report)(event);
        if begins {
            self.retell();
        }
        if epoch {
            (self.report)(TuneEvent::DecodedOnDisk(self.disk.report()));
        }
    }

    async fn checkpoint(&mut self, moment: Moment<'_>) -> Result<(), TuneError> {
        // With low-rank adapters worked in, as every reader takes weights.
        let merged = moment.model.clone().materialize();
        let weights = weights::save(&merged, self.config, NumberFormat::F32).await?;
        let adapter = match self.record.settings.strategy {
            strategy @ Strategy::Lora(_) => {
                let trained = strategy.trained(moment.model, moment.progress.epoch);
                Some(lora::save(moment.model, self.config, &trained).await?)
            }
            _ => None,
        };
        let training = if moment.unfinished { Some(training_state(&moment, self.config).await?) } else { None };
        let summary = self.summary(&moment, merged.num_params(), weights.len());
        if moment.improved {
            self.kept.best = summary.id.clone();
        }
        self.record.progress = moment.progress;
        self.record.validation = moment.validation;
        let wrong = |error: &dyn std::fmt::Display| TuneError::Storage(error.to_string());
        let checkpoint = Checkpoint {
            summary,
            config: serde_json::to_string_pretty(self.config).map_err(|error| wrong(&error))?,
            preprocessor: self.preprocessor.clone(),
            weights: vec![(WEIGHTS.to_string(), weights)],
            record: Some(self.record.clone()),
            training,
            adapter,
        };
        let saved = self.store.save(&checkpoint).await.map_err(|error| wrong(&error))?;
        self.kept.unfinished = saved.resumable.then(|| saved.id.clone());
        self.event(TuneEvent::Saved(Box::new(saved)));
        Ok(())
    }

    async fn ended(&mut self, test: Option<Outcomes>) -> Result<(), TuneError> {
        let wrong = |error: StorageError| TuneError::Storage(error.to_string());
        if let Some(test) = test {
            self.store.record_test(&self.kept.best, test).await.map_err(wrong)?;
        }
        match self.kept.unfinished.take() {
            Some(last) => self.store.complete(&last).await.map_err(wrong),
            None => Ok(()),
        }
    }

    fn should_stop(&self) -> bool {
        self.brake.is_stopped()
    }

    async fn breathe(&self) {
        self.brake.released().await;
        self.breath.take().await;
    }

    fn now(&self) -> f64 {
        clock::seconds()
    }
}
