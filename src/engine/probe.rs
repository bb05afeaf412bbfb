//! How long a run will take and how much of a GPU it needs, from a few training steps before it begins.
//!
//! Comes in: settings, a model's configuration, an imported folder, a device. Goes out: [`Measured`], and from it the
//! estimate of a run of any length. The steps are those of a run (`train::run`) on some of its real clips, with weights
//! drawn for the purpose and thrown away. Keeps nothing, and can be dropped at any await.

use std::rc::Rc;

use burn::tensor::Device;
use futures_util::future::join_all;

use super::clock;
use super::fit::{self, Limits};
use super::folder::{Folder, FolderClips};
use super::loaded::{IMAGENET, clip_shape};
use super::tuning::JobError;
use crate::dataset::words::{counted, duration, size};
use crate::model::classifier::VideoMae;
use crate::model::config::VideoMaeConfig;
use crate::protocol::{Estimate, StepLoad, TuneEvent};
use crate::train::data_parallel::{DataParallel, Replicas};
use crate::train::features;
use crate::train::feed::{ClipSource, Example};
use crate::train::kept_features::KeptFeatures;
use crate::train::lora;
use crate::train::record::Outcomes;
use crate::train::replica::Blueprint;
use crate::train::run::{self, Examples, Moment, Observer, Run, TuneError, steps_per_epoch};
use crate::train::settings::{Checkpointing, EvalStrategy, Optimization, Selection, Strategy, TuneSettings};
use crate::video::clip::{ClipLoader, View};

/// The first step compiles kernels; of the others the fastest counts.
const STEPS: usize = 3;
/// Videos that are decoded for it; their clips come again and again.
const VIDEOS: usize = 4;
/// With two steps done, no other is begun after so many seconds.
const LONGEST: f64 = 6.0;
/// Multiplications and additions of a step on the CPU, about a second of wasm: a step there holds up the engine.
const CPU_STEP: f64 = 2e9;
/// Of a clip; where one takes more on the CPU, nothing is measured: it would be days.
const CPU_CLIP: f64 = 6e9;
/// A training step is a forward pass and a backward pass that costs twice as much.
const FORWARD_SHARE: f64 = 1.0 / 3.0;
/// What the head alone costs of a whole model, about.
const HEAD_SHARE: f64 = 1.0 / 200.0;

/// What training takes here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Seconds until a clip is decoded that was never seen before.
    pub decoding: f64,
    /// Seconds a clip of training all of the model, or low-rank factors where they are what trains, with clips that were
    /// decoded before.
    pub training: f64,
    /// What the GPU's allocator has reserved while it trains, where the device is one.
    pub gpu_bytes: Option<u64>,
}

/// Measures, with as many clips a step as the settings say, or as the CPU can take in a moment; none where even one is
/// too many for it. `config` has the folder's labels.
pub async fn measure(
    settings: &TuneSettings,
    config: &VideoMaeConfig,
    folder: &Folder,
    device: &Device,
    limits: Limits,
    replicas: Option<Rc<dyn Replicas>>,
) -> Result<Option<Measured>, JobError> {
    let on_gpu = matches!(limits, Limits::Gpu { .. });
    // Low-rank factors are measured as they train; of other strategies, the epochs that train everything.
    let strategy = match settings.strategy {
        Strategy::Lora(lora) => Strategy::Lora(lora),
        _ => Strategy::NoFreeze,
    };
    let fit = fit::estimate(config, Some(StepLoad { strategy, ..StepLoad::of(settings) }), limits);
    let parameters = fit.parameters;
    let clip_cost = 6.0 * parameters as f64 * config.tokens() as f64;
    if !on_gpu && clip_cost > CPU_CLIP {
        return Ok(None);
    }
    let workers = 1 + replicas.as_ref().map_or(0, |replicas| replicas.count());
    let at_once = (workers as f64 * CPU_STEP / clip_cost) as usize;
    let most = if on_gpu { settings.batch } else { at_once.clamp(1, settings.batch) };
    let folder = folder.usable();
    let all = folder.examples().train;
    let apart = (all.len() / VIDEOS).max(1);
    let few: Vec<Example> = all.iter().step_by(apart).take(VIDEOS).copied().collect();
    let train: Vec<Example> = few.iter().cycle().take(most.min(all.len())).copied().collect();

    let shape = clip_shape(config, IMAGENET);
    let source = FolderClips { folder: &folder, loader: ClipLoader::new(shape, settings.clip_seconds) };
    let view = View::Training { seed: settings.seed, augmentation: settings.augmentation("") };
    let from = clock::seconds();
    join_all(few.iter().map(|example| source.clip(example.video, &view))).await;
    let decoding = (clock::seconds() - from) / few.len().max(1) as f64;

    let short = TuneSettings {
        batch: train.len(),
        accumulation: 1,
        epochs: STEPS,
        strategy,
        optimization: Optimization { max_steps: 0, warmup_steps: 0, ..settings.optimization },
        selection: Selection::default(),
        checkpointing: Checkpointing { save_steps: 0, ..Checkpointing::default() },
        ..settings.clone()
    };
    let examples = Examples { train, ..Examples::default() };
    let classes = config.labels();
    let (plain, trained) = (device.clone().without_autodiff(), device.clone().autodiff());
    plain.memory_cleanup();
    let mut watch = Watch { device: &plain, began: clock::seconds(), steps: 0, training: None, gpu_bytes: None };
    let parallel =
        replicas.map(|replicas| DataParallel::new(replicas, Blueprint::new(config, strategy, STEPS, fit.recomputes)));
    let run = Run {
        settings: &short,
        examples: &examples,
        source: &source,
        shape: &shape,
        classes: &classes,
        kept: &KeptFeatures::new(0),
        recomputes: fit.recomputes,
        parallel: parallel.as_ref(),
        device: &trained,
    };
    let model = VideoMae::unfilled(config, &trained);
    let model = match strategy {
        Strategy::Lora(lora) => lora::attach(model, &lora, settings.seed),
        _ => model,
    };
    let measured = run::tune(run, model, None, &mut watch).await.map(drop);
    plain.memory_cleanup();
    measured?;
    Ok(watch.training.map(|training| Measured { decoding, training, gpu_bytes: watch.gpu_bytes }))
}

/// Watches the steps.
struct Watch<'a> {
    device: &'a Device,
    began: f64,
    steps: usize,
    training: Option<f64>,
    gpu_bytes: Option<u64>,
}

impl Observer for Watch<'_> {
    fn event(&mut self, event: TuneEvent) {
        let TuneEvent::Step(step) = event else { return };
        self.steps += 1;
        self.gpu_bytes = gpu_bytes(self.device).max(self.gpu_bytes);
        let seconds = step.waiting_per_clip + step.computing_per_clip;
        if self.steps > 1 {
            self.training = Some(self.training.map_or(seconds, |fastest| fastest.min(seconds)));
        }
    }

    async fn checkpoint(&mut self, _: Moment<'_>) -> Result<(), TuneError> {
        Ok(())
    }

    async fn ended(&mut self, _: Option<Outcomes>) -> Result<(), TuneError> {
        Ok(())
    }

    fn should_stop(&self) -> bool {
        self.steps > 1 && self.now() - self.began > LONGEST
    }

    async fn breathe(&self) {
        clock::turn().await;
    }

    fn now(&self) -> f64 {
        clock::seconds()
    }
}

/// Bytes that a GPU's allocator has reserved; none on the CPU. `device` without autodiff.
pub fn gpu_bytes(device: &Device) -> Option<u64> {
    device.memory_pool_usage().map(|usage| usage.bytes_reserved)
}

impl Measured {
    /// What a run with these settings takes, with so many clips to train on and to validate.
    pub fn estimate(&self, settings: &TuneSettings, train: usize, validation: usize) -> Estimate {
        let steps_per_epoch = steps_per_epoch(settings, train).max(1);
        let (total_steps, last_epoch) = settings.length(steps_per_epoch);
        let epochs = total_steps as f64 / steps_per_epoch as f64;
        let evaluations = match settings.checkpointing.eval_strategy {
            EvalStrategy::Epoch => 1.0,
            EvalStrategy::Steps => steps_per_epoch as f64 / settings.checkpointing.eval_steps.max(1) as f64,
        };
        let (train, validation) = (train as f64, validation as f64);
        let later = train * self.training;
        let mut seconds = (self.decoding * train - later).max(0.0) + self.decoding * validation;
        for epoch in 1..=last_epoch {
            let part = (epochs - (epoch - 1) as f64).clamp(0.0, 1.0);
            let share = Self::share(settings, epoch);
            let clips = share * train + share.min(FORWARD_SHARE) * evaluations * validation;
            seconds += part * clips * self.training;
        }
        let length = match settings.optimization.max_steps {
            0 => counted(settings.epochs, "epoch", "epochs"),
            steps => counted(steps, "step", "steps"),
        };
        let each = if later < 1.0 { "under a second".to_string() } else { duration(later) };
        // Of other strategies some epochs are shorter.
        let all_alike = matches!(settings.strategy, Strategy::NoFreeze | Strategy::Lora(_));
        let each = if all_alike { format!(", {each} an epoch") } else { String::new() };
        // The head alone takes less than what was measured.
        let measured = self.gpu_bytes.filter(|_| settings.strategy != Strategy::Freeze);
        let memory = measured.map(|bytes| format!(" It needs {} of GPU memory.", size(bytes))).unwrap_or_default();
        Estimate {
            seconds,
            words: format!("About {} for {length}{each}, as measured here.{memory}", duration(seconds)),
        }
    }

    /// What a clip of an epoch costs of one that was measured.
    fn share(settings: &TuneSettings, epoch: usize) -> f64 {
        match settings.strategy.is_frozen(epoch) {
            false => 1.0,
            true if features::are_kept(settings, epoch) && epoch > settings.frozen_views => HEAD_SHARE,
            true => FORWARD_SHARE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::settings::Lora;

    const MEASURED: Measured = Measured { decoding: 0.05, training: 0.1, gpu_bytes: Some(1_900_000_000) };

    #[test]
    fn the_estimate_grows_with_the_run_and_shrinks_with_what_is_frozen() {
        let all = TuneSettings { epochs: 10, batch: 4, ..TuneSettings::for_starter() };
        let of = |settings: &TuneSettings| MEASURED.estimate(settings, 100, 0);
        let estimate = of(&all);
        assert!((estimate.seconds - 100.0).abs() < 1e-6, "{estimate:?}");
        assert_eq!(
            estimate.words,
            "About 1 min 40 s for 10 epochs, 10 s an epoch, as measured here. It needs 1.9 GB of GPU memory."
        );
        let head = TuneSettings { strategy: Strategy::Freeze, ..all.clone() };
        assert!(of(&head).seconds < 0.1 * estimate.seconds, "{:?}", of(&head));
        assert!(!of(&head).words.contains("GPU"), "what was measured trains more than the head: {:?}", of(&head));
        let adapters = TuneSettings { strategy: Strategy::Lora(Lora::default()), ..all.clone() };
        assert_eq!(of(&adapters), estimate, "they were what was measured");
        let late = TuneSettings { strategy: Strategy::FreezeUnfreeze(5), ..all.clone() };
        assert!((0.4..0.7).contains(&(of(&late).seconds / estimate.seconds)), "{:?}", of(&late));
        let half = Optimization { max_steps: 125, ..all.optimization };
        assert!((of(&TuneSettings { optimization: half, ..all.clone() }).seconds - 50.0).abs() < 1e-6);
        let slow = Measured { decoding: 1.0, ..MEASURED }.estimate(&all, 100, 10);
        assert!((200.0..210.0).contains(&slow.seconds), "the first epoch waits for each clip: {slow:?}");
    }
}
