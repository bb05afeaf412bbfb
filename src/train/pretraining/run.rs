//! The pre-training loop.
//!
//! Comes in: a model, settings, videos, a source of clips. Goes out: the trained model, and events and checkpoints
//! through an [`Observer`]. Every random choice comes from the settings' seed. Reads back once a step. Cancelled by
//! dropping the future; stopped, keeping what was learnt, through the observer.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use futures_channel::mpsc;
use futures_util::future;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::events::{PretrainEpoch, PretrainEvent, PretrainStep};
use super::settings::{BETAS, PretrainSettings};
use crate::model::masking::{MaskingError, TubeMasking};
use crate::model::pretraining::PretrainingModel;
use crate::train::evaluate::{read, upload};
use crate::train::feed::{BATCHES_AHEAD, Batch, ClipSource, Example, feed, gather, shuffle};
use crate::train::optimizer::{AdamW, GradientSum};
use crate::train::pace::{Pace, Spent};
use crate::train::record::Progress;
use crate::train::run::TuneError;
use crate::train::schedule::Schedule;
use crate::video::clip::{ClipShape, View};

/// The random numbers' streams of masks, one a step; those of the epochs' views are below.
const MASK_STREAMS: u64 = 1 << 32;

/// Why pre-training ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum PretrainError {
    #[error("{0}")]
    Masking(#[from] MaskingError),
    #[error("{0}")]
    Training(#[from] TuneError),
}

/// A run at a moment worth keeping: after an epoch, or where the user stopped it.
pub struct Moment<'a> {
    /// Without autodiff.
    pub model: &'a PretrainingModel,
    pub optimizer: &'a AdamW,
    pub progress: Progress,
    /// Whether steps are left to be done.
    pub unfinished: bool,
}

/// Who watches a run: tells the page, keeps checkpoints, and knows the time.
pub trait Observer {
    fn event(&mut self, event: PretrainEvent);
    fn checkpoint(&mut self, moment: Moment<'_>) -> impl Future<Output = Result<(), PretrainError>>;
    /// Whether the user asked to stop and keep what was learnt.
    fn should_stop(&self) -> bool;
    /// Lets others on this thread run, and waits as long as the user holds the run.
    fn breathe(&self) -> impl Future<Output = ()>;
    /// Seconds since some fixed moment.
    fn now(&self) -> f64;
}

/// Where a run goes on that was begun before.
pub struct Resumption {
    pub progress: Progress,
    pub optimizer: AdamW,
}

/// Everything that a run reads.
pub struct Run<'a, S> {
    pub settings: &'a PretrainSettings,
    /// By their number in the source; labelled or not.
    pub videos: &'a [usize],
    pub source: &'a S,
    pub shape: &'a ClipShape,
    /// Tokens of a clip in time, rows and columns: [`crate::model::config::VideoMaeConfig::grid`].
    pub grid: [usize; 3],
    /// With or without autodiff; the run adds it where it is needed.
    pub device: &'a Device,
}

/// The optimizer of a run from its start: the paper's.
pub fn optimizer(settings: &PretrainSettings) -> AdamW {
    AdamW::new(settings.weight_decay).with_betas(BETAS)
}

/// Optimizer steps in an epoch over so many videos.
pub fn steps_per_epoch(settings: &PretrainSettings, videos: usize) -> usize {
    videos.div_ceil(settings.batch).div_ceil(settings.accumulation)
}

/// Trains `model` (on an autodiff device), from the start or from where it stood. Goes out: the model as it is at the
/// end, without autodiff.
pub async fn pretrain<S: ClipSource, O: Observer>(
    run: Run<'_, S>,
    model: PretrainingModel,
    resumption: Option<Resumption>,
    observer: &mut O,
) -> Result<PretrainingModel, PretrainError> {
    let settings = run.settings;
    let steps_per_epoch = steps_per_epoch(settings, run.videos.len());
    let total_steps = steps_per_epoch * settings.epochs;
    observer.event(PretrainEvent::Started { total_steps, steps_per_epoch, parameters: model.num_params() });

    let fresh = Resumption { progress: Progress::default(), optimizer: optimizer(settings) };
    let Resumption { progress, optimizer } = resumption.unwrap_or(fresh);
    let mut trainer = Trainer {
        optimizer,
        schedule: Schedule::cosine(settings.learning_rate, settings.warmup_ratio, total_steps),
        masking: TubeMasking::new(run.grid, settings.mask_ratio)?,
        model,
        progress,
        total_steps,
        pace: Pace::default(),
        run: &run,
    };
    let first = if progress.drawn > 0 { progress.epoch } else { progress.epoch + 1 };
    for epoch in first..=settings.epochs {
        if observer.should_stop() {
            break;
        }
        trainer.epoch(epoch, observer).await?;
        let sums = trainer.progress.sums;
        // None where the user stopped it before the epoch's first step.
        if sums.clips > 0 {
            observer.event(PretrainEvent::Epoch(PretrainEpoch { epoch, loss: sums.means().0 }));
        }
        let moment = Moment {
            model: &trainer.model.valid(),
            optimizer: &trainer.optimizer,
            progress: trainer.progress,
            unfinished: trainer.progress.drawn > 0 || epoch < settings.epochs,
        };
        observer.checkpoint(moment).await?;
    }
    Ok(trainer.model.valid())
}

impl<S: ClipSource> Run<'_, S> {
    /// The epoch's videos in its own order, each with its own view; drawn from the seed and the epoch alone.
    fn draw_epoch(&self, epoch: usize) -> Vec<(Example, View)> {
        let mut random = ChaCha8Rng::seed_from_u64(self.settings.seed);
        random.set_stream(epoch as u64);
        let mut order = self.videos.to_vec();
        shuffle(&mut order, &mut random);
        let augmentation = self.settings.augmentation();
        // No label is ever looked at; the feed's batches have one.
        let wanted = order.into_iter().map(|video| Example { video, label: 0 });
        wanted.map(|example| (example, View::Training { seed: random.random(), augmentation })).collect()
    }

    /// The masks' random numbers of the step after `done` steps.
    fn mask_numbers(&self, done: usize) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.settings.seed);
        random.set_stream(MASK_STREAMS + done as u64);
        random
    }
}

struct Trainer<'a, S> {
    model: PretrainingModel,
    optimizer: AdamW,
    schedule: Schedule,
    masking: TubeMasking,
    progress: Progress,
    total_steps: usize,
    pace: Pace,
    run: &'a Run<'a, S>,
}

impl<S: ClipSource> Trainer<'_, S> {
    /// One pass over the videos, or what is left of it.
    async fn epoch<O: Observer>(&mut self, epoch: usize, observer: &mut O) -> Result<(), PretrainError> {
        let settings = self.run.settings;
        if self.progress.epoch != epoch || self.progress.drawn == 0 {
            self.progress = Progress { epoch, step: self.progress.step, ..Progress::default() };
        }
        self.pace.begin_epoch();
        let (sender, mut batches) = mpsc::channel::<Batch>(BATCHES_AHEAD);
        let mut wanted = self.run.draw_epoch(epoch);
        wanted.drain(..self.progress.drawn.min(wanted.len()));
        let source = self.run.source;
        let consume = async move {
            let mut more = true;
            while more && !observer.should_stop() {
                let from = observer.now();
                let gathered = gather(&mut batches, settings.accumulation).await;
                let waiting = observer.now() - from;
                gathered.left_out.into_iter().for_each(|unusable| observer.event(PretrainEvent::LeftOut(unusable)));
                self.progress.drawn += gathered.drawn;
                more = !gathered.last;
                if gathered.batches.is_empty() {
                    continue;
                }
                self.step(epoch, gathered.batches, waiting, observer).await?;
                let from = observer.now();
                observer.breathe().await;
                self.pace.pause(observer.now() - from);
            }
            if self.progress.sums.clips == 0 && !observer.should_stop() {
                return Err(TuneError::NothingDecoded.into());
            }
            if !more {
                self.progress.drawn = 0;
            }
            Ok(())
        };
        let (_, result) = future::join(feed(source, wanted, settings.batch, sender), consume).await;
        result
    }

    /// Forward, backward, clip and update; one read-back. The batches were waited for so many seconds.
    async fn step<O: Observer>(
        &mut self,
        epoch: usize,
        batches: Vec<Batch>,
        waiting: f64,
        observer: &mut O,
    ) -> Result<(), PretrainError> {
        let from = observer.now();
        let ClipShape { mean, std, .. } = *self.run.shape;
        let device = self.run.device.clone().autodiff();
        let clips: usize = batches.iter().map(|batch| batch.labels.len()).sum();
        let mut random = self.run.mask_numbers(self.progress.step);
        let mut gradients = GradientSum::default();
        let mut sum: Option<Tensor<1>> = None;
        for batch in batches {
            let share = batch.labels.len() as f32 / clips as f32;
            let masks = self.masking.batch(batch.labels.len(), &mut random)?;
            let pixels = upload(batch, self.run.shape, &device);
            let loss = self.model.loss(pixels, &masks, mean, std);
            gradients.add(&self.model, &mut loss.backward(), share);
            let loss = loss.without_autodiff().mul_scalar(share);
            sum = Some(match sum {
                Some(sum) => sum + loss,
                None => loss,
            });
        }
        let learning_rate = self.schedule.learning_rate(self.progress.step);
        let norm = gradients.clip(self.run.settings.max_grad_norm);
        let (Some(sum), Some(norm)) = (sum, norm) else { return Err(TuneError::NothingDecoded.into()) };
        self.model = self.optimizer.step(self.model.clone(), gradients, learning_rate);
        self.progress.step += 1;
        let step = self.progress.step;

        let [loss, gradient_norm] = read(Tensor::cat(vec![sum, norm], 0)).await?;
        if !loss.is_finite() || !gradient_norm.is_finite() {
            return Err(TuneError::Diverged { step }.into());
        }
        let now = observer.now();
        self.pace.add(now, Spent { waiting, computing: now - from, clips });
        observer.event(PretrainEvent::Step(PretrainStep {
            step,
            epoch,
            loss,
            learning_rate,
            gradient_norm,
            clips_per_second: self.pace.clips_per_second(),
            seconds_left: self.pace.seconds_left(self.total_steps.saturating_sub(step)),
            waiting_per_clip: self.pace.epoch().waiting_per_clip(),
            computing_per_clip: self.pace.epoch().computing_per_clip(),
        }));
        self.progress.sums.add(loss, 0.0, clips);
        Ok(())
    }
}
