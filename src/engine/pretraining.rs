//! The pre-training job: a folder of videos, labelled or not, and settings -> a checkpoint that fine-tuning starts from.
//!
//! Comes in: an imported folder, [`PretrainSettings`], a device, a store. Goes out: [`PretrainEvent`]s, and one checkpoint
//! that is replaced as the run goes on. Videos that a labelled folder holds out for validation and test are never looked
//! at. Never touches the page.

use std::rc::Rc;

use burn::module::Module;
use burn::tensor::Device;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::brake::Brake;
use super::clock::{self, Breath};
use super::contents::Contents;
use super::folder::unusable;
use super::loaded::{IMAGENET, OpenError, clip_shape, lacking};
use super::starter;
use super::tuning::Workplace;
use crate::dataset::Unusable;
use crate::model::config::VideoMaeConfig;
use crate::model::masking::TubeMasking;
use crate::model::pretraining::PretrainingModel;
use crate::model::pretraining::config::{DecoderConfig, for_size};
use crate::model::weights::names::expected_for_pretraining;
use crate::model::weights::{self, WeightsError, compare_with};
use crate::protocol::{CheckpointSummary, EpochReport, Origin, RANDOM_WEIGHTS};
use crate::storage::checkpoint::WEIGHTS;
use crate::storage::preprocessor::{preprocessor_json, read_preprocessor};
use crate::storage::{Checkpoint, CheckpointError, CheckpointStore, Normalisation, StorageError};
use crate::tensors::NumberFormat;
use crate::train::feed::ClipSource;
use crate::train::pretraining::events::{PretrainEpoch, PretrainEvent};
use crate::train::pretraining::reconstruction::reconstruct;
use crate::train::pretraining::run::{self, Moment, Observer, PretrainError, Run};
use crate::train::pretraining::settings::PretrainSettings;
use crate::train::record::{Manifest, RunRecord, StepRecord};
use crate::train::run::TuneError;
use crate::train::settings::StartFrom;
use crate::video::clip::{Clip, ClipLoader, ClipShape, View};
use crate::video::views::TestView;

/// Epochs of a small folder are short: the checkpoint is not written, and no picture made, more often than this.
const SECONDS_BETWEEN_CHECKPOINTS: f64 = 30.0;
const SECONDS_BETWEEN_PICTURES: f64 = 3.0;

/// Why a pre-training job ended before its time; each a sentence.
#[derive(Debug, thiserror::Error)]
pub enum PretrainJobError {
    #[error("{0}")]
    Settings(String),
    #[error("The folder holds no video to learn from. Choose one with videos; they need no labels.")]
    NoVideos,
    #[error("{0}")]
    Open(#[from] OpenError),
    #[error("{0}")]
    Store(#[from] StorageError),
    #[error("{0}")]
    Pretrain(#[from] PretrainError),
}

/// Pre-trains on a folder. Goes out: the id of the run's checkpoint; none where the user stopped it before its first
/// step.
pub async fn pretrain<Store: CheckpointStore>(
    settings: &PretrainSettings,
    place: Workplace<'_, Store>,
    report: impl FnMut(PretrainEvent),
) -> Result<Option<String>, PretrainJobError> {
    if let Some((_, sentence)) = settings.problems().into_iter().next() {
        return Err(PretrainJobError::Settings(sentence));
    }
    let paths = place.folder.without_labels();
    if paths.is_empty() {
        return Err(PretrainJobError::NoVideos);
    }
    let device = place.device.clone().autodiff();
    let Opened { model, config, normalisation, origin } = open(settings, place.store, &device).await?;
    let shape = clip_shape(&config, normalisation);
    let masking = TubeMasking::new(config.grid(), settings.mask_ratio).map_err(PretrainError::from)?;
    let numbers: Vec<usize> = (0..paths.len()).collect();
    let loader = ClipLoader::keeping(shape, settings.clip_seconds, place.kept_clips.clone());
    let source = FolderVideos { contents: place.folder.contents(), paths, loader };
    let (masking_settings, tuning_settings) = settings.recorded();
    let (data, steps) = (Manifest::unlabelled(&source.paths), run::steps_per_epoch(settings, numbers.len()));
    let record = RunRecord::begun(tuning_settings, Some(masking_settings), data, origin, steps);
    let run_id = format!("run-{:.0}", clock::seconds() * 1e3);
    let mut keeper = Keeper {
        id: format!("{run_id}-pretrained"),
        run_id,
        saved: None,
        pictured: None,
        shown: None,
        hidden: masking.draw(&mut ChaCha8Rng::seed_from_u64(settings.seed)),
        settings,
        config: &config,
        shape: &shape,
        preprocessor: preprocessor_json(shape.height, shape.width, normalisation),
        record,
        source: &source,
        store: place.store,
        device: place.device,
        brake: place.brake,
        breath: Breath::default(),
        report,
    };
    let run = Run { settings, videos: &numbers, source: &source, shape: &shape, grid: config.grid(), device: &device };
    run::pretrain(run, model, None, &mut keeper).await?;
    Ok(keeper.saved.map(|_| keeper.id))
}

/// What a run starts from.
struct Opened {
    model: PretrainingModel,
    config: VideoMaeConfig,
    normalisation: Normalisation,
    origin: Origin,
}

async fn open<Store: CheckpointStore>(
    settings: &PretrainSettings,
    store: &Store,
    device: &Device,
) -> Result<Opened, PretrainJobError> {
    let checkpoint = match &settings.start {
        StartFrom::Size(size) => {
            let (encoder, decoder) = for_size(*size);
            let decoder = DecoderConfig { norm_pix_loss: settings.norm_pix_loss, ..decoder };
            let config = decoder.pretraining(&encoder);
            let model = PretrainingModel::new(&config, &decoder, settings.seed, device);
            let origin = Origin { source: RANDOM_WEIGHTS.into(), ..Origin::default() };
            return Ok(Opened { model, config, normalisation: IMAGENET, origin });
        }
        StartFrom::Starter => starter::motions().await.map_err(OpenError::from)?,
        StartFrom::People => starter::people().await.map_err(OpenError::from)?,
        StartFrom::Checkpoint(id) => store.load(id).await?,
    };
    Ok(go_on_from(&checkpoint, settings, device).await?)
}

/// The checkpoint's encoder, and its decoder where it has one; what it lacks is drawn from the seed.
async fn go_on_from(
    checkpoint: &Checkpoint,
    settings: &PretrainSettings,
    device: &Device,
) -> Result<Opened, OpenError> {
    let encoder = VideoMaeConfig::from_json(&checkpoint.config)?;
    if encoder.num_channels != 3 {
        return Err(OpenError::Channels(encoder.num_channels));
    }
    let normalisation = read_preprocessor(&checkpoint.preprocessor)?;
    let tensors = checkpoint.tensors().await.map_err(CheckpointError::from)?;
    // transformers writes a decoder's sizes into every configuration, whether or not there is one.
    let decoder = match tensors.get("mask_token") {
        Some(_) => DecoderConfig::read(&encoder)?,
        None => DecoderConfig::beside(&encoder),
    };
    let decoder = DecoderConfig { norm_pix_loss: settings.norm_pix_loss, ..decoder };
    let config = decoder.pretraining(&encoder);
    let mut report = compare_with(expected_for_pretraining(&config, &decoder), &tensors);
    // A classifier that pools has no norm over its tokens.
    let needed = |name: &str| name.starts_with("videomae.") && !name.starts_with("videomae.layernorm.");
    report.missing.retain(|(name, _)| needed(name));
    report.misshapen.retain(|(name, ..)| needed(name));
    if !report.is_complete() {
        return Err(OpenError::Incomplete(lacking(&report)));
    }
    let model = PretrainingModel::new(&config, &decoder, settings.seed, device);
    let model = weights::load(model, &config, &tensors).await?;
    Ok(Opened { model, config, normalisation, origin: checkpoint.summary.origin.clone() })
}

/// A folder's videos by their number, whatever labels they have or lack.
struct FolderVideos<'a> {
    contents: &'a Contents,
    paths: Vec<String>,
    loader: ClipLoader,
}

impl ClipSource for FolderVideos<'_> {
    async fn clip(&self, video: usize, view: &View) -> Result<Clip, Unusable> {
        let gone =
            |path: String| Unusable { path, reason: "It is not at hand any more. Choose the folder again.".into() };
        let Some(path) = self.paths.get(video) else { return Err(gone(format!("video {video}"))) };
        let source = self.contents.source(path).await.ok_or_else(|| gone(path.clone()))?;
        self.loader.load(&source, view).await.map_err(|error| unusable(path, &error))
    }
}

/// Watches a run for a job: keeps its checkpoint, makes its pictures, and passes its events on.
struct Keeper<'a, Store, Report> {
    id: String,
    run_id: String,
    /// When the checkpoint was last written and the last picture made, in seconds.
    saved: Option<f64>,
    pictured: Option<f64>,
    /// The clip of the pictures: the middle of the first video that opens.
    shown: Option<Clip>,
    /// What of it is hidden.
    hidden: Vec<bool>,
    settings: &'a PretrainSettings,
    config: &'a VideoMaeConfig,
    shape: &'a ClipShape,
    preprocessor: String,
    record: RunRecord,
    source: &'a FolderVideos<'a>,
    store: &'a Store,
    device: &'a Device,
    brake: Rc<Brake>,
    breath: Breath,
    report: Report,
}

impl<Store: CheckpointStore, Report: FnMut(PretrainEvent)> Keeper<'_, Store, Report> {
    fn summary(&self, moment: &Moment<'_>, bytes: u64) -> CheckpointSummary {
        CheckpointSummary {
            id: self.id.clone(),
            name: self.settings.name.clone(),
            run: self.run_id.clone(),
            created: clock::seconds() * 1e3,
            epoch: moment.progress.epoch,
            labels: Vec::new(),
            parameters: moment.model.num_params(),
            bytes: bytes as usize,
            validation: None,
            test: None,
            best: false,
            frames: self.config.num_frames,
            image_size: self.config.image_size.height_width()[0],
            clip_seconds: self.settings.clip_seconds,
            origin: self.record.origin.clone(),
            resumable: false,
            note: String::new(),
            stands: None,
        }
    }

    async fn keep(&mut self, moment: &Moment<'_>) -> Result<(), PretrainError> {
        self.record.progress = moment.progress;
        let weights = |error: WeightsError| PretrainError::from(TuneError::from(error));
        let wrong = |error: &dyn std::fmt::Display| TuneError::Storage(error.to_string());
        let file = weights::save(moment.model, self.config, NumberFormat::F32).await.map_err(weights)?;
        let checkpoint = Checkpoint {
            summary: self.summary(moment, file.len()),
            config: serde_json::to_string_pretty(self.config).map_err(|error| wrong(&error))?,
            preprocessor: self.preprocessor.clone(),
            weights: vec![(WEIGHTS.to_string(), file)],
            record: Some(self.record.clone()),
            training: None,
            adapter: None,
        };
        let saved = self.store.save(&checkpoint).await.map_err(|error| wrong(&error))?;
        (self.report)(PretrainEvent::Saved(Box::new(saved)));
        Ok(())
    }

    /// What the model makes of a clip by now; nothing where no video opens, which the run tells itself.
    async fn show(&mut self, model: &PretrainingModel) -> Result<(), PretrainError> {
        let view = View::Evaluation(TestView::CENTRE);
        for video in 0..self.source.paths.len() {
            if self.shown.is_some() {
                break;
            }
            self.shown = self.source.clip(video, &view).await.ok();
        }
        if let Some(clip) = &self.shown {
            let shown = reconstruct(model, self.config, clip, self.shape, &self.hidden, self.device).await?;
            (self.report)(PretrainEvent::Reconstructed(Box::new(shown)));
        }
        Ok(())
    }
}

impl<Store: CheckpointStore, Report: FnMut(PretrainEvent)> Observer for Keeper<'_, Store, Report> {
    fn event(&mut self, event: PretrainEvent) {
        match &event {
            PretrainEvent::Step(step) => self.record.steps.push(StepRecord {
                epoch: step.epoch,
                loss: step.loss,
                accuracy: 0.0,
                learning_rate: step.learning_rate,
                gradient_norm: step.gradient_norm,
                time: Some(clock::seconds()),
            }),
            PretrainEvent::Epoch(PretrainEpoch { epoch, loss }) => self.record.epochs.push(EpochReport {
                epoch: *epoch,
                train_loss: *loss,
                train_accuracy: 0.0,
                validation: None,
            }),
            _ => {}
        }
        (self.report)(event);
    }

    async fn checkpoint(&mut self, moment: Moment<'_>) -> Result<(), PretrainError> {
        let last = !moment.unfinished || self.should_stop();
        let due = |past: Option<f64>, pause| last || past.is_none_or(|past| clock::seconds() - past > pause);
        if due(self.saved, SECONDS_BETWEEN_CHECKPOINTS) {
            self.keep(&moment).await?;
            self.saved = Some(self.now());
        }
        if due(self.pictured, SECONDS_BETWEEN_PICTURES) {
            self.show(moment.model).await?;
            self.pictured = Some(self.now());
        }
        Ok(())
    }

    fn should_stop(&self) -> bool {
        self.brake.is_stopped()
    }

    async fn breathe(&self) {
        self.breath.take().await;
        self.brake.released().await;
    }

    fn now(&self) -> f64 {
        clock::seconds()
    }
}
