//! The training loop.
//!
//! Comes in: a model, settings, examples, a source of clips. Goes out: the best model by what the settings choose it by,
//! and events and checkpoints through an [`Observer`]. Every random choice comes from the settings' seed. Reads back
//! once a step. Cancelled by dropping the future; stopped, keeping what was learnt, through the observer.

mod judging;
mod observer;
mod underway;

use std::collections::{BTreeSet, VecDeque};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use futures_channel::mpsc;
use futures_util::future::{self, Either, maybe_done};
use futures_util::{FutureExt, TryFutureExt};
use judging::early_end;
pub use observer::{Best, Moment, Observer, Occasion, Resumption, TuneError};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use replace_with::replace_with_or_abort;
use underway::{Numbers, Underway, while_underway};

use super::data_parallel::DataParallel;
use super::evaluate::{evaluate, read, upload};
use super::features::{self, Features, Saving};
use super::feed::{BATCHES_AHEAD, Batch, ClipSource, Example, feed, gather, shuffle};
use super::kept_features::KeptFeatures;
use super::lesson::{Lesson, Manner, Seen};
use super::loss_scale::LossScale;
use super::mixing::Mix;
use super::objective::Objective;
use super::optimizer::{AdamW, GradientSum};
use super::pace::{Pace, Spent};
use super::record::Progress;
use super::schedule::Schedule;
use super::settings::{Regularisation, TuneSettings};
use super::strategy::layer_rates;
use crate::dataset::Split;
use crate::model::classifier::VideoMae;
use crate::model::dropping::{Drawn, Rates};
use crate::protocol::{StepReport, TuneEvent};
use crate::video::clip::{ClipShape, View};

/// The random numbers' streams of steps, one each; those of the epochs' views are below.
const STEP_STREAMS: u64 = 1 << 33;
/// Those of the views that a frozen backbone sees again and again, one for each video.
const FROZEN_STREAMS: u64 = 1 << 34;

/// The examples of each split.
#[derive(Clone, Debug, Default)]
pub struct Examples {
    pub train: Vec<Example>,
    pub validation: Vec<Example>,
    pub test: Vec<Example>,
}

impl Examples {
    pub fn of(&self, split: Split) -> &[Example] {
        match split {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        }
    }
}

/// Everything that a run reads.
pub struct Run<'a, S> {
    pub settings: &'a TuneSettings,
    pub examples: &'a Examples,
    pub source: &'a S,
    pub shape: &'a ClipShape,
    /// Labels of the data, by their ids.
    pub classes: &'a [String],
    /// What the backbone makes of clips while it is frozen.
    pub kept: &'a KeptFeatures,
    /// Whether a step computes each layer twice instead of keeping what it computed ([`super::recomputing`]).
    pub recomputes: bool,
    /// Workers that share the computing, where there are some; with 32 bits only.
    pub parallel: Option<&'a DataParallel>,
    /// With or without autodiff; the run adds it where it is needed.
    pub device: &'a Device,
}

/// Trains `model` (on an autodiff device), from the start or from where it stood. Goes out: the best model on the
/// validation split, without autodiff; the last where there is none.
pub async fn tune<S: ClipSource, O: Observer>(
    run: Run<'_, S>,
    model: VideoMae,
    resumption: Option<Resumption>,
    observer: &mut O,
) -> Result<VideoMae, TuneError> {
    let settings = run.settings;
    let steps_per_epoch = steps_per_epoch(settings, run.examples.train.len());
    let (total_steps, last_epoch) = settings.length(steps_per_epoch);
    let (parameters, trained) = (model.num_params(), settings.strategy.trained_count(&model, last_epoch));
    observer.event(TuneEvent::Started { total_steps, steps_per_epoch, parameters, trained });

    let fresh = Resumption { progress: Progress::default(), optimizer: AdamW::new(settings.weight_decay), best: None };
    let Resumption { progress, optimizer, best } = resumption.unwrap_or(fresh);
    let fp16 = settings.optimization.fp16;
    let model = model.in_half(fp16);
    let best = best.map(|best| Best { model: best.model.in_half(fp16), ..best });
    let mut trainer = Trainer {
        optimizer: as_set(optimizer, settings, &model, &progress),
        schedule: Schedule::of(settings, total_steps),
        objective: Objective::new(&settings.regularisation, &run.examples.train, run.classes.len()),
        model,
        progress,
        best,
        total_steps,
        last_epoch,
        pace: Pace::default(),
        repeating: BTreeSet::new(),
        saving: Saving::default(),
        underway: VecDeque::new(),
        left_out: 0,
        loss_scale: fp16.then(|| LossScale::new(progress.loss_scale, run.device)),
        run: &run,
    };
    let first = if progress.drawn > 0 { progress.epoch } else { progress.epoch + 1 };
    for epoch in first..=last_epoch {
        if observer.should_stop() || trainer.is_over() {
            break;
        }
        let computed = run.kept.computed();
        while trainer.epoch(epoch, observer).await? {
            trainer.evaluate_between_steps(observer).await?;
        }
        if features::are_kept(settings, epoch)
            && let Some(seconds) = trainer.saving.after_epoch(trainer.pace.epoch(), run.kept.computed() - computed)
        {
            observer.event(TuneEvent::FeaturesKept { views: run.kept.count(), seconds });
        }
        if epoch == first && !trainer.repeating.is_empty() {
            let sentence = repeating(trainer.repeating.len(), run.shape.frames);
            observer.event(TuneEvent::Warning(sentence));
        }
        trainer.end_epoch(epoch, observer).await?;
        if trainer.is_out_of_patience() {
            if !trainer.is_done(epoch) {
                observer.event(TuneEvent::Warning(early_end(settings, epoch, trainer.progress.step)));
            }
            break;
        }
    }
    let Trainer { model, best, .. } = trainer;
    // None where the user stopped it before it began.
    let model = best.map_or_else(|| model.valid(), |best| best.model);
    if !observer.should_stop() {
        run.parallel.iter().for_each(|parallel| parallel.forget());
        let test = evaluate(&run, &model, Split::Test, None, observer).await?;
        if let Some(test) = &test {
            observer.event(TuneEvent::Tested(test.evaluation));
        }
        observer.ended(test).await?;
    }
    Ok(model)
}

/// What a user is told, once a run, of so many videos with clips of fewer than `frames` frames.
fn repeating(videos: usize, frames: usize) -> String {
    let (whose, them) = match videos {
        1 => ("1 training video has".to_string(), "its"),
        videos => (format!("{videos} training videos have"), "their"),
    };
    format!(
        "{whose} fewer than {frames} frames in a clip, so {them} frames repeat. Longer clips, or videos of more frames a second, \
         would hold more."
    )
}

/// The optimizer with a run's settings, for parameters some of which may have been frozen at first.
fn as_set(optimizer: AdamW, settings: &TuneSettings, model: &VideoMae, progress: &Progress) -> AdamW {
    let set = &settings.optimization;
    let mut optimizer = optimizer
        .with_betas((set.adam_beta1, set.adam_beta2))
        .with_epsilon(set.adam_epsilon)
        .with_rates(layer_rates(model, set.layer_decay));
    for (milestone, steps) in progress.milestones.into_iter().enumerate() {
        for id in settings.strategy.thawed_at(model, milestone) {
            optimizer.frozen_for(&id, steps);
        }
    }
    optimizer
}

/// Optimizer steps in an epoch over so many training clips.
pub fn steps_per_epoch(settings: &TuneSettings, clips: usize) -> usize {
    clips.div_ceil(settings.batch).div_ceil(settings.accumulation)
}

impl<S: ClipSource> Run<'_, S> {
    /// The epoch's examples in its own order, each with its own view; drawn from the seed and the epoch alone.
    fn draw_epoch(&self, epoch: usize) -> Vec<(Example, View)> {
        let mut random = ChaCha8Rng::seed_from_u64(self.settings.seed);
        random.set_stream(epoch as u64);
        let mut order = self.examples.train.clone();
        shuffle(&mut order, &mut random);
        let round = features::are_kept(self.settings, epoch).then(|| (epoch - 1) % self.settings.frozen_views.max(1));
        let mut view = |example: Example| {
            let class = self.classes.get(example.label).map_or("", String::as_str);
            let drawn = random.random();
            let seed = round.map_or(drawn, |round| self.frozen_seed(example.video, round));
            View::Training { seed, augmentation: self.settings.augmentation(class) }
        };
        order.into_iter().map(|example| (example, view(example))).collect()
    }

    /// The seed of the view of a video that a frozen backbone sees in each such round of epochs.
    fn frozen_seed(&self, video: usize, round: usize) -> u64 {
        let mut random = ChaCha8Rng::seed_from_u64(self.settings.seed);
        random.set_stream(FROZEN_STREAMS + video as u64);
        (0..round).for_each(|_| _ = random.random::<u64>());
        random.random()
    }

    /// The random numbers of the step after `done` steps, drawn from the seed and the step alone.
    fn step_numbers(&self, done: usize) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.settings.seed);
        random.set_stream(STEP_STREAMS + done as u64);
        random
    }
}

struct Trainer<'a, S> {
    model: VideoMae,
    optimizer: AdamW,
    schedule: Schedule,
    objective: Objective,
    progress: Progress,
    best: Option<Best>,
    total_steps: usize,
    last_epoch: usize,
    pace: Pace,
    /// Training videos with fewer frames in a clip than the model takes.
    repeating: BTreeSet<usize>,
    saving: Saving,
    /// Oldest first.
    underway: VecDeque<Underway>,
    /// Steps in a row whose gradients were too large for 16 bits.
    left_out: usize,
    /// Where the layers compute with 16 bits.
    loss_scale: Option<LossScale>,
    run: &'a Run<'a, S>,
}

impl<S: ClipSource> Trainer<'_, S> {
    /// Whether as many steps are done as the settings ask for; where the epochs decide, they are counted elsewhere.
    fn is_over(&self) -> bool {
        let most = self.run.settings.optimization.max_steps;
        most > 0 && self.progress.step >= most
    }

    /// One pass over the training examples, or what is left of it, up to the next evaluation. Goes out: whether it is time
    /// for one in the middle of the epoch. No clip is decoded ahead meanwhile: decoders that wait for each other's turn
    /// would wait for ever.
    async fn epoch<O: Observer>(&mut self, epoch: usize, observer: &mut O) -> Result<bool, TuneError> {
        let settings = self.run.settings;
        if self.progress.epoch != epoch || self.progress.drawn == 0 {
            self.progress = self.progress.in_epoch(epoch);
            let milestone = settings.strategy.milestone_before(epoch);
            if let Some(steps) = milestone.and_then(|milestone| self.progress.milestones.get_mut(milestone)) {
                *steps = self.progress.step;
            }
            self.pace.begin_epoch();
        }
        self.model = settings.strategy.prepare(self.model.clone(), epoch);
        let (sender, mut batches) = mpsc::channel::<Batch>(BATCHES_AHEAD);
        let mut wanted = self.run.draw_epoch(epoch);
        let all = wanted.len();
        wanted.drain(..self.progress.drawn.min(all));
        let Run { source, shape, device, kept, parallel, .. } = *self.run;
        // Held only where it is looked at: nobody else may have the weights while a step changes them where they are.
        let frozen = features::are_kept(settings, epoch).then(|| self.model.valid());
        let device = device.clone().without_autodiff();
        let features = frozen.as_ref().map(|model| Features { source, model, kept, shape, device: &device, parallel });
        let consume = async move {
            let mut more = true;
            while more && !observer.should_stop() && !self.is_over() && !self.is_out_of_patience() {
                let from = observer.now();
                let gathering = gather(&mut batches, settings.accumulation);
                let (gathered, waiting) = while_underway(&mut self.underway, gathering, || observer.now()).await;
                let spent = Spent { waiting, computing: observer.now() - from - waiting, clips: 0 };
                gathered.left_out.into_iter().for_each(|unusable| observer.event(TuneEvent::LeftOut(unusable)));
                self.repeating.extend(gathered.repeating);
                self.progress.drawn += gathered.drawn;
                more = !gathered.last;
                if gathered.batches.is_empty() {
                    continue;
                }
                self.step(epoch, gathered.batches, spent, observer).await?;
                if self.progress.drawn < all && !self.is_over() {
                    if self.is_to_be_evaluated() {
                        self.settle(0, observer).await?;
                        return Ok(true);
                    }
                    self.save_between_steps(observer).await?;
                }
                let from = observer.now();
                observer.breathe().await;
                self.pace.pause(observer.now() - from);
            }
            self.settle(0, observer).await?;
            if self.progress.sums.clips == 0 && !observer.should_stop() {
                return Err(TuneError::NothingDecoded);
            }
            if !more {
                self.progress.drawn = 0;
            }
            Ok(false)
        };
        let feeding = match &features {
            Some(features) => Either::Left(feed(features, wanted, settings.batch, sender)),
            None => Either::Right(feed(source, wanted, settings.batch, sender)),
        };
        let (_, result) = future::join(feeding, consume).await;
        kept.failure()?;
        result
    }

    /// Adds up the gradients of a batch that is so large a share of the step's clips. Goes out: its loss, times its share, and
    /// how many of its clips were classified rightly, without autodiff; [1] each.
    async fn learn(
        &self,
        epoch: usize,
        (batch, weight, seed): (Batch, f32, u32),
        gradients: &mut GradientSum,
        random: &mut ChaCha8Rng,
        device: &Device,
    ) -> Result<[Tensor<1>; 2], TuneError> {
        let Run { settings, shape, recomputes, parallel, .. } = *self.run;
        let Regularisation { fc_drop_rate, drop_path, token_keep, .. } = settings.regularisation;
        let mut rates = Rates { fc_drop_rate, drop_path, token_keep };
        if settings.strategy.is_frozen(epoch) {
            // A frozen backbone answers as it does when it is asked.
            rates = Rates { fc_drop_rate, ..Rates::NONE };
        }
        let mix = Mix::draw(&settings.regularisation, [shape.height, shape.width], random);
        let drawn = Drawn::draw(rates, self.model.sizes(batch.labels.len()), random);
        let targets = self.objective.targets(&batch.labels, mix.as_ref());
        let mut seen = batch.labels.clone();
        // Of two labels the one that weighs more.
        if mix.as_ref().is_some_and(|mix| mix.share() < 0.5) {
            seen.reverse();
        }
        let lesson = Lesson { epoch, targets, seen, drawn, weight, seed };
        let manner = Manner { recomputes, loss_scale: self.loss_scale.as_ref(), device };
        if features::are_kept(settings, epoch) {
            let seen = Seen::Features(features::upload(batch, self.model.width(), device));
            return Ok(lesson.learn(&self.model, seen, manner, gradients));
        }
        let pixels = upload(batch, shape, device);
        let pixels = mix.iter().fold(pixels, |pixels, mix| mix.apply(pixels));
        match parallel {
            Some(parallel) => {
                parallel.learn(&self.model, pixels, &lesson, manner, gradients).await.map_err(TuneError::Device)
            }
            None => Ok(lesson.learn(&self.model, Seen::Pixels(pixels), manner, gradients)),
        }
    }

    /// Forward, backward, clip and update; one read-back, which may come when the next steps are under way. So much time went
    /// by until the batches were there.
    async fn step<O: Observer>(
        &mut self,
        epoch: usize,
        batches: Vec<Batch>,
        until: Spent,
        observer: &mut O,
    ) -> Result<(), TuneError> {
        let from = observer.now();
        let settings = self.run.settings;
        let device = self.run.device.clone().autodiff();
        let clips: usize = batches.iter().map(|batch| batch.labels.len()).sum();
        let mut random = self.run.step_numbers(self.progress.step);
        let seed: u64 = random.random();
        // For dropout of the model's own, where its configuration has some.
        device.seed(seed);
        let mut gradients = GradientSum::default();
        let mut sums: Option<Tensor<1>> = None;
        for batch in batches {
            let weight = batch.labels.len() as f32 / clips as f32;
            let batch = (batch, weight, seed as u32);
            let told = self.learn(epoch, batch, &mut gradients, &mut random, &device).await?;
            let both = Tensor::cat(told.to_vec(), 0);
            sums = Some(match sums {
                Some(sums) => sums + both,
                None => both,
            });
        }
        let learning_rate = self.schedule.learning_rate(self.progress.step);
        let norm = gradients.clip_scaled(settings.max_grad_norm, self.loss_scale.as_mut());
        let (Some(sums), Some(norm)) = (sums, norm) else { return Err(TuneError::NothingDecoded) };
        // Without a copy, the weights change where they are.
        replace_with_or_abort(&mut self.model, |model| self.optimizer.step(model, gradients, learning_rate));
        self.progress.step += 1;
        if let Some(parallel) = self.run.parallel {
            parallel.trained();
            parallel.complaint().into_iter().for_each(|sentence| observer.event(TuneEvent::Warning(sentence)));
        }

        let scale = self.loss_scale.as_ref().map(LossScale::current);
        let told = Tensor::cat([sums, norm].into_iter().chain(scale.clone()).collect(), 0);
        let mut numbers = maybe_done(match scale {
            Some(_) => read(told)
                .map_ok(|[loss, right, gradient_norm, scale]| Numbers {
                    loss,
                    right,
                    gradient_norm,
                    loss_scale: Some(scale),
                })
                .boxed_local(),
            None => read(told)
                .map_ok(|[loss, right, gradient_norm]| Numbers { loss, right, gradient_norm, loss_scale: None })
                .boxed_local(),
        });
        // Asked for now, behind this step's work and before the next one's.
        _ = (&mut numbers).now_or_never();
        let spent = Spent { computing: until.computing + observer.now() - from, clips, ..until };
        self.underway.push_back(Underway { step: self.progress.step, epoch, learning_rate, spent, numbers });
        self.settle(underway::MOST, observer).await
    }
}
