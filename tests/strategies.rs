//! What a run trains, when it ends and which of its checkpoints is the best are what its settings say. Real clips of the
//! sample.
#![cfg(feature = "native")]

#[allow(dead_code, reason = "each test program uses its own part of it")]
mod runs;
#[allow(dead_code, reason = "each test program uses its own part of it")]
mod sample;

use std::cell::Cell;
use std::collections::BTreeSet;

use burn::tensor::{Device, Tensor, TensorData};
use cliptune::dataset::Unusable;
use cliptune::engine::folder::FolderClips;
use cliptune::engine::loaded::LoadedModel;
use cliptune::files::FileSource;
use cliptune::model::classifier::VideoMae;
use cliptune::model::config::ModelSize;
use cliptune::protocol::{CheckpointSummary, TuneEvent};
use cliptune::storage::directory::DirectoryStore;
use cliptune::storage::{Checkpoint, CheckpointStore};
use cliptune::tensors::TensorFiles;
use cliptune::train::feed::ClipSource;
use cliptune::train::kept_features::KeptFeatures;
use cliptune::train::lora;
use cliptune::train::record::Outcomes;
use cliptune::train::run::{self, Moment, Observer, Run, TuneError};
use cliptune::train::settings::{
    ClassWeights, Lora, Metric, Optimization, Regularisation, SchedulerType, Selection, StartFrom, Strategy, Targets,
    TuneSettings,
};
use cliptune::video::clip::{Clip, ClipLoader, View};
use futures_executor::block_on;
use half::f16;
use runs::{after_epoch, settings, to_the_end, tune};
use safetensors::tensor::SafeTensors;

struct Place {
    data: runs::Imported,
    store: DirectoryStore,
    _folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = DirectoryStore::open(folder.path()).unwrap();
        Self { data: runs::import_sample([3, 1, 1]), store, _folder: folder }
    }

    fn tune(&self, settings: &TuneSettings, stop: impl Fn(&TuneEvent) -> bool) -> (String, Vec<TuneEvent>) {
        let (best, events) = tune(settings, &self.data, &self.store, stop);
        (best.unwrap(), events)
    }

    /// Oldest first.
    fn checkpoints(&self) -> Vec<Checkpoint> {
        let summaries: Vec<CheckpointSummary> = block_on(self.store.list()).unwrap();
        summaries.iter().rev().map(|summary| block_on(self.store.load(&summary.id)).unwrap()).collect()
    }
}

fn losses(events: &[TuneEvent]) -> Vec<u32> {
    let loss = |event: &TuneEvent| if let TuneEvent::Step(step) = event { Some(step.loss.to_bits()) } else { None };
    events.iter().filter_map(loss).collect()
}

/// The names of the weights that differ between two checkpoints.
fn changed(before: &Checkpoint, after: &Checkpoint) -> BTreeSet<String> {
    let read = |checkpoint: &Checkpoint| block_on(checkpoint.weights[0].1.read_all()).unwrap();
    let (before, after) = (read(before), read(after));
    let (before, after) = (SafeTensors::deserialize(&before).unwrap(), SafeTensors::deserialize(&after).unwrap());
    let differs = |name: &&str| before.tensor(name).unwrap().data() != after.tensor(name).unwrap().data();
    before.names().into_iter().filter(differs).map(str::to_string).collect()
}

/// The names of the parameters that a checkpoint has moments of.
fn moments(checkpoint: &Checkpoint) -> BTreeSet<String> {
    let state = block_on(checkpoint.training.as_ref().unwrap().read_all()).unwrap();
    let state = SafeTensors::deserialize(&state).unwrap();
    state.names().into_iter().filter_map(|name| name.strip_prefix("exp_avg.")).map(str::to_string).collect()
}

#[test]
fn what_is_frozen_stays_as_it_was_to_the_last_bit_and_has_no_moments() {
    let place = Place::new();
    let settings = TuneSettings { strategy: Strategy::Freeze, ..settings() };
    place.tune(&settings, after_epoch(2));
    let checkpoints = place.checkpoints();
    let head = BTreeSet::from(["classifier.bias", "classifier.weight"].map(str::to_string));
    assert_eq!(changed(&checkpoints[0], &checkpoints[1]), head);
    assert_eq!(moments(&checkpoints[1]), head);
}

#[test]
fn each_milestone_thaws_the_layers_that_it_is_said_to() {
    let place = Place::new();
    let settings = TuneSettings { epochs: 5, strategy: Strategy::UnfreezeMilestones((2, 3), 1), ..settings() };
    place.tune(&settings, after_epoch(4));
    let checkpoints = place.checkpoints();
    let of = |from: usize| changed(&checkpoints[from - 1], &checkpoints[from]);
    assert_eq!(of(1).len(), 2, "the head alone");
    let second = of(2);
    assert!(second.len() > 10, "{second:?}");
    assert!(second.iter().all(|name| !name.contains("layer.0.") && !name.contains("embeddings")), "{second:?}");
    let third = of(3);
    assert!(third.iter().any(|name| name.contains("layer.0.")), "{third:?}");
    assert!(third.iter().any(|name| name.contains("embeddings")) && third.is_superset(&second));
    assert_eq!(moments(&checkpoints[3]).len(), SafeTensors::deserialize(&weights(&checkpoints[3])).unwrap().len());
}

fn weights(checkpoint: &Checkpoint) -> Vec<u8> {
    block_on(checkpoint.weights[0].1.read_all()).unwrap()
}

#[test]
fn adapters_learn_beside_weights_that_stay_as_they_were_to_the_last_bit() {
    let place = Place::new();
    let lora = Lora { rank: 4, alpha: 4, targets: Targets::of_names("value,dense").unwrap() };
    let strategy = Strategy::Lora(lora);
    // Mirrored, either class would be the other.
    let settings = TuneSettings { start: StartFrom::Starter, horizontal_flip: false, strategy, ..settings() };
    let settings = TuneSettings { learning_rate: 3e-3, epochs: 14, batch: 6, ..settings };
    let (_, events) = place.tune(&settings, after_epoch(12));
    let losses: Vec<f32> = losses(&events).into_iter().map(f32::from_bits).collect();
    let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
    assert!(mean(&losses[8..]) < 0.9 * mean(&losses[..3]), "it learns: {losses:?}");

    let newest = place.checkpoints().pop().unwrap();
    let state = block_on(newest.training.as_ref().unwrap().read_all()).unwrap();
    let (state, merged) = (SafeTensors::deserialize(&state).unwrap(), weights(&newest));
    let (starter, merged) =
        (std::fs::read("starter/model.safetensors").unwrap(), SafeTensors::deserialize(&merged).unwrap());
    let starter = SafeTensors::deserialize(&starter).unwrap();
    let widened = |bytes: &[u8]| -> Vec<u8> {
        let halves = bytes.as_chunks::<2>().0.iter().map(|bytes| f16::from_le_bytes(*bytes));
        halves.flat_map(|half| half.to_f32().to_le_bytes()).collect()
    };
    let mut adapted = 0;
    for (name, before) in starter.tensors().into_iter().filter(|(name, _)| !name.starts_with("classifier.")) {
        let (before, targeted) =
            (widened(before.data()), name.ends_with(".value.weight") || name.ends_with(".dense.weight"));
        assert_eq!(merged.tensor(&name).unwrap().data() != before, targeted, "{name}");
        let base = state.tensor(&format!("base.{name}"));
        assert_eq!(base.is_ok(), targeted, "{name}");
        assert!(base.is_err() || base.unwrap().data() == before, "{name}");
        adapted += usize::from(targeted);
    }
    let trained = moments(&newest);
    assert!(trained.iter().all(|name| name.contains(".lora_") || name.starts_with("classifier.")), "{trained:?}");
    assert_eq!((adapted % 4, trained.len()), (0, 2 * adapted + 2));
    let count: usize = merged.tensors().iter().map(|(_, tensor)| tensor.shape().iter().product::<usize>()).sum();
    assert_eq!(newest.summary.parameters, count);

    // What was merged answers as what it was merged of.
    let open = |file: &Option<FileSource>| block_on(TensorFiles::open_safetensors("", file.as_ref().unwrap())).unwrap();
    let LoadedModel { model, config, shape, .. } = block_on(LoadedModel::open(&newest, &Device::flex())).unwrap();
    let (state, factors) = (open(&newest.training), open(&newest.adapter));
    let unmerged = block_on(lora::restore(model.clone(), &lora, &config, &state, &factors)).unwrap().unwrap();
    let pixels = || {
        let dims = [1, shape.frames, 3, shape.height, shape.width];
        let values: Vec<f32> = (0..dims.iter().product()).map(|index: usize| (index as f32 * 0.37).sin()).collect();
        Tensor::<5>::from_data(TensorData::new(values, dims), &Device::flex())
    };
    let logits = |model: &VideoMae| model.forward(pixels()).into_data().iter::<f32>().collect::<Vec<f32>>();
    for (merged, unmerged) in logits(&model).into_iter().zip(logits(&unmerged)) {
        assert!((merged - unmerged).abs() < 1e-5, "{merged} and {unmerged}");
    }
}

#[test]
fn the_same_seed_gives_the_same_losses_whatever_is_drawn_at_random() {
    let regularisation = Regularisation {
        label_smoothing_factor: 0.1,
        class_weights: ClassWeights::Balanced,
        fc_drop_rate: 0.3,
        drop_path: 0.3,
        mixup: 0.8,
        cutmix: 1.0,
        token_keep: 0.5,
    };
    let plain = TuneSettings { epochs: 2, ..settings() };
    let drawn = TuneSettings { regularisation, ..plain.clone() };
    let place = Place::new();
    let run = |settings: &TuneSettings| losses(&place.tune(settings, to_the_end).1);
    let first = run(&drawn);
    assert_eq!(run(&drawn), first);
    assert_ne!(run(&TuneSettings { seed: 43, ..drawn.clone() }), first);
    assert_ne!(run(&plain), first);
    // Each of them does something by itself.
    let alone: [fn(&mut Regularisation); 6] = [
        |settings| settings.label_smoothing_factor = 0.1,
        |settings| settings.fc_drop_rate = 0.3,
        |settings| settings.drop_path = 0.9,
        |settings| settings.mixup = 0.8,
        |settings| settings.cutmix = 1.0,
        |settings| settings.token_keep = 0.5,
    ];
    let plain_losses = run(&plain);
    for (index, set) in alone.into_iter().enumerate() {
        let mut settings = plain.clone();
        set(&mut settings.regularisation);
        assert_ne!(run(&settings), plain_losses, "{index}");
    }
}

#[test]
fn a_run_that_gets_no_better_ends_when_its_patience_does() {
    let place = Place::new();
    let selection = Selection { early_stopping_patience: 2, ..Selection::default() };
    // So small a step changes no number.
    let settings = TuneSettings { learning_rate: 1e-30, selection, epochs: 9, ..settings() };
    let (best, events) = place.tune(&settings, to_the_end);
    let told: Vec<&String> = events
        .iter()
        .filter_map(|event| if let TuneEvent::Warning(told) = event { Some(told) } else { None })
        .collect();
    assert!(told.len() == 1 && told[0].contains("after epoch 3"), "{told:?}");
    let checkpoints = place.checkpoints();
    assert_eq!(checkpoints.len(), 3);
    assert!(checkpoints.iter().all(|checkpoint| !checkpoint.summary.resumable), "nothing is left to be done");
    assert_eq!(best, checkpoints[0].summary.id, "the earliest of equals");
    assert!(events.iter().any(|event| matches!(event, TuneEvent::Tested(_))));
}

#[test]
fn a_run_of_so_many_steps_ends_in_the_middle_of_an_epoch() {
    let place = Place::new();
    let optimization = Optimization {
        max_steps: 5,
        warmup_steps: 2,
        lr_scheduler_type: SchedulerType::Linear,
        ..Optimization::default()
    };
    let settings = TuneSettings { optimization, learning_rate: 3e-4, ..settings() };
    let (_, events) = place.tune(&settings, to_the_end);
    let rates: Vec<f64> = events
        .iter()
        .filter_map(
            |event| if let TuneEvent::Step(step) = event { Some((step.learning_rate * 1e7).round()) } else { None },
        )
        .collect();
    assert_eq!(rates, [0.0, 1500.0, 3000.0, 2000.0, 1000.0]);
    let last = place.checkpoints().pop().unwrap().summary;
    assert_eq!((last.epoch, last.resumable), (3, false));
    assert!(events.iter().any(|event| matches!(event, TuneEvent::Tested(_))));
}

#[test]
fn the_best_is_chosen_by_the_metric_that_was_asked_for() {
    for metric in [Metric::Loss, Metric::F1] {
        let place = Place::new();
        let selection = Selection { metric_for_best_model: metric, ..Selection::default() };
        let (best, _) = place.tune(&TuneSettings { selection, ..settings() }, to_the_end);
        let checkpoints = place.checkpoints();
        let mut chosen = &checkpoints[0];
        for checkpoint in &checkpoints {
            let validation = checkpoint.summary.validation.unwrap();
            let score = validation.score.unwrap();
            match metric {
                Metric::Loss => assert_eq!(score, -validation.loss),
                _ => {
                    // By hand from the confusion of two classes.
                    let confusion = &checkpoint.record.as_ref().unwrap().validation.as_ref().unwrap().confusion;
                    let of = |class: usize| {
                        let right = confusion[class][class];
                        let wrong = confusion[class][1 - class] + confusion[1 - class][class];
                        2.0 * right as f32 / ((2 * right + wrong) as f32).max(1.0)
                    };
                    assert!((score - (of(0) + of(1)) / 2.0).abs() < 1e-6, "{confusion:?}: {score}");
                }
            }
            if validation.compare(&chosen.summary.validation.unwrap()).is_gt() {
                chosen = checkpoint;
            }
        }
        assert_eq!(best, chosen.summary.id, "{metric:?}");
        assert!(chosen.summary.best, "the list says the same");
    }
}

/// Counts how often a clip is decoded.
struct Counting<'a> {
    source: FolderClips<'a>,
    decoded: Cell<usize>,
}

impl ClipSource for Counting<'_> {
    async fn clip(&self, video: usize, view: &View) -> Result<Clip, Unusable> {
        self.decoded.set(self.decoded.get() + 1);
        self.source.clip(video, view).await
    }
}

/// Keeps the losses of training and of validation.
#[derive(Default)]
struct Watching {
    training: Vec<f32>,
    validation: Vec<f32>,
    /// Views that a frozen backbone's features were kept of, after each epoch that computed none.
    kept: Vec<usize>,
}

impl Observer for Watching {
    fn event(&mut self, event: TuneEvent) {
        match event {
            TuneEvent::Step(step) => self.training.push(step.loss),
            TuneEvent::Epoch(epoch) => self.validation.push(epoch.validation.unwrap().loss),
            TuneEvent::FeaturesKept { views, .. } => self.kept.push(views),
            _ => {}
        }
    }
    async fn checkpoint(&mut self, _: Moment<'_>) -> Result<(), TuneError> {
        Ok(())
    }
    async fn ended(&mut self, _: Option<Outcomes>) -> Result<(), TuneError> {
        Ok(())
    }
    fn should_stop(&self) -> bool {
        false
    }
    async fn breathe(&self) {}
    fn now(&self) -> f64 {
        0.0
    }
}

#[test]
fn a_frozen_backbone_sees_each_view_once_and_answers_as_ever() {
    let (place, device) = (Place::new(), Device::flex().autodiff());
    let run = |settings: &TuneSettings| -> (usize, Watching) {
        let classes = place.data.catalogue.labels();
        let (seconds, seed) = (settings.clip_seconds, settings.seed);
        let loaded = LoadedModel::fresh(ModelSize::Micro, &classes, seconds, seed, &device);
        let source = FolderClips { folder: &place.data, loader: ClipLoader::new(loaded.shape, seconds) };
        let (source, mut watching) = (Counting { source, decoded: Cell::new(0) }, Watching::default());
        let examples = place.data.examples();
        let (shape, device) = (&loaded.shape, &device);
        let kept = KeptFeatures::new(0);
        let run = Run {
            settings,
            examples: &examples,
            source: &source,
            shape,
            classes: &classes,
            kept: &kept,
            recomputes: false,
            parallel: None,
            device,
        };
        block_on(run::tune(run, loaded.model, None, &mut watching)).unwrap();
        (source.decoded.get(), watching)
    };
    let whole = TuneSettings { learning_rate: 1e-30, ..settings() };
    let frozen = TuneSettings { strategy: Strategy::Freeze, ..whole.clone() };
    let (decoded, of_whole) = run(&whole);
    // Six clips to train on, two to validate and two to test.
    assert_eq!(decoded, 4 * (6 + 2) + 2);
    let (decoded, of_frozen) = run(&frozen);
    assert_eq!(decoded, 6 + 2 + 2);
    assert_eq!((of_frozen.kept.as_slice(), of_whole.kept.len()), (&[8, 8, 8][..], 0));
    assert_eq!(run(&TuneSettings { frozen_views: 3, ..frozen.clone() }).0, 3 * 6 + 2 + 2);
    // Nothing is learnt with such steps, so that the same views have the same losses.
    for (whole, frozen) in of_whole.validation.iter().zip(&of_frozen.validation) {
        assert!((whole - frozen).abs() < 1e-5, "{whole} and {frozen}");
    }
    assert!(of_frozen.training.iter().all(|loss| loss.is_finite()));
    // Mixed clips are new each time.
    let mixup = Regularisation { mixup: 0.8, ..Regularisation::default() };
    assert_eq!(run(&TuneSettings { regularisation: mixup, ..frozen }).0, 4 * (6 + 2) + 2);
}
