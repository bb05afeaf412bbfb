//! A run that is stopped and goes on is the run that was never stopped, bit for bit. Real clips of the sample.
#![cfg(feature = "native")]

mod runs;
mod sample;

use cliptune::engine::models;
use cliptune::engine::tuning::JobError;
use cliptune::protocol::{CheckpointSummary, Evaluation, Numbers, Origin, StepReport, TuneEvent};
use cliptune::storage::checkpoint::Stranger;
use cliptune::storage::directory::DirectoryStore;
use cliptune::storage::{Checkpoint, CheckpointStore};
use cliptune::train::record::RunRecord;
use cliptune::train::settings::{
    Checkpointing, ClassWeights, EvalStrategy, GradientCheckpointing, Lora, Optimization, Regularisation,
    SchedulerType, Selection, Strategy, Targets, TuneSettings,
};
use futures_executor::block_on;
use runs::{after_epoch, after_step, resume, settings, to_the_end, tune};
use sample::small_folder;

struct Store {
    store: DirectoryStore,
    _folder: tempfile::TempDir,
}

impl Store {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: DirectoryStore::open(folder.path()).unwrap(), _folder: folder }
    }

    /// Newest first.
    fn list(&self) -> Vec<CheckpointSummary> {
        block_on(self.store.list()).unwrap()
    }

    fn load(&self, id: &str) -> Checkpoint {
        block_on(self.store.load(id)).unwrap()
    }

    fn newest(&self) -> Checkpoint {
        self.load(&self.list()[0].id)
    }
}

fn weights(checkpoint: &Checkpoint) -> Vec<u8> {
    block_on(checkpoint.weights[0].1.read_all()).unwrap()
}

fn adapter(checkpoint: &Checkpoint) -> Option<Vec<u8>> {
    checkpoint.adapter.as_ref().map(|file| block_on(file.read_all()).unwrap())
}

/// What happened in the checkpoint's run, without the clock.
fn story(checkpoint: &Checkpoint) -> RunRecord {
    let mut record = checkpoint.record.clone().unwrap();
    record.steps.iter_mut().for_each(|step| step.time = None);
    record
}

/// All of a step's numbers that do not depend on the clock, to the bit of a 32-bit float.
fn steps(events: &[TuneEvent]) -> Vec<(usize, usize, [u32; 4])> {
    let number = |step: &StepReport| {
        let StepReport { step, epoch, loss, accuracy, learning_rate, gradient_norm, .. } = *step;
        (step, epoch, [loss, accuracy, learning_rate as f32, gradient_norm].map(f32::to_bits))
    };
    events
        .iter()
        .filter_map(|event| if let TuneEvent::Step(step) = event { Some(number(step)) } else { None })
        .collect()
}

fn tested(events: &[TuneEvent]) -> Option<Evaluation> {
    events.iter().find_map(|event| if let TuneEvent::Tested(test) = event { Some(*test) } else { None })
}

/// The run that is never stopped, and what it leaves.
struct Whole {
    data: runs::Imported,
    store: Store,
    best: CheckpointSummary,
    events: Vec<TuneEvent>,
}

impl Whole {
    fn of(settings: &TuneSettings) -> Self {
        let (data, store) = (runs::import_sample([3, 1, 1]), Store::new());
        let (best, events) = tune(settings, &data, &store.store, to_the_end);
        let best = store.load(&best.unwrap()).summary;
        Self { data, store, best, events }
    }

    /// A run of two parts that told `first` and `second`, with checkpoints in `other`, is this run.
    fn assert_same(&self, other: &Store, best: &str, first: &[TuneEvent], second: &[TuneEvent], what: &str) {
        assert!(steps(second).starts_with(&steps(first)), "{what}: what happened before is told again");
        assert_eq!(steps(second), steps(&self.events), "{what}: the steps");
        assert_eq!(tested(second), tested(&self.events), "{what}: the test");
        let best = other.load(best).summary;
        assert_eq!((best.epoch, best.test), (self.best.epoch, self.best.test), "{what}: the best");
        for summary in self.store.list() {
            let ours = other.list().into_iter().find(|other| other.name == summary.name && other.id != "elsewhere");
            let Some(ours) = ours else {
                assert!(summary.epoch < other.newest().summary.epoch, "{what}: epoch {}", summary.epoch);
                continue;
            };
            let (ours, theirs) = (other.load(&ours.id), self.store.load(&summary.id));
            assert!(weights(&ours) == weights(&theirs), "{what}: the weights of epoch {}", summary.epoch);
            assert!(adapter(&ours) == adapter(&theirs), "{what}: the adapters of {}", summary.name);
            assert_eq!(story(&ours), story(&theirs), "{what}: the story at {}", summary.name);
            assert!(ours.training.is_none() || summary.epoch < 4, "{what}: nothing is left to go on with");
        }
        assert_eq!(other.newest().summary.epoch, self.store.newest().summary.epoch, "{what}");
    }
}

#[test]
fn a_stopped_run_goes_on_as_if_it_had_never_stopped() {
    let settings = settings();
    let whole = Whole::of(&settings);
    assert_eq!(steps(&whole.events).len(), 8);
    // In the middle of an epoch, at its last step but before its end, and at the run's last step.
    let stops = [1, 4, 5, 8].map(|step| (format!("step {step}"), step, 0));
    for (what, step, epoch) in stops.into_iter().chain([("epoch 2".to_string(), 0, 2)]) {
        let store = Store::new();
        let stop = |event: &TuneEvent| after_step(step)(event) || after_epoch(epoch)(event);
        let (stopped, first) = tune(&settings, &whole.data, &store.store, stop);
        stopped.unwrap();
        assert!(steps(&first).len() < 8 || step == 8, "{what}: it stopped");
        assert_eq!(tested(&first), None, "{what}: a stopped run is not tested");
        let half = &store.list()[0];
        assert!(half.resumable, "{what}");
        let (best, second) = resume(&half.id, &whole.data, &store.store, to_the_end);
        whole.assert_same(&store, &best.unwrap(), &first, &second, &what);
    }
}

#[test]
fn a_run_that_is_stopped_twice_and_adds_batches_up_goes_on_the_same() {
    let settings = TuneSettings { batch: 1, accumulation: 4, horizontal_flip: false, ..settings() };
    let whole = Whole::of(&settings);
    let store = Store::new();
    let (stopped, first) = tune(&settings, &whole.data, &store.store, after_step(1));
    stopped.unwrap();
    let (stopped, second) = resume(&store.list()[0].id, &whole.data, &store.store, after_step(5));
    stopped.unwrap();
    // Once more before it begins again: nothing is lost, and nothing is kept.
    let before = store.list();
    let (stopped, nothing) = resume(&store.list()[0].id, &whole.data, &store.store, at_its_start);
    stopped.unwrap();
    assert_eq!(steps(&nothing), steps(&second));
    assert_eq!(store.list(), before);
    let (best, third) = resume(&store.list()[0].id, &whole.data, &store.store, to_the_end);
    assert!(steps(&second).starts_with(&steps(&first)));
    whole.assert_same(&store, &best.unwrap(), &second, &third, "stopped twice");
}

/// Stops a run after each of some steps in turn, goes on, and compares it with the run that was never stopped.
fn assert_goes_on(settings: &TuneSettings, stops: &[usize], what: &str) {
    let whole = Whole::of(settings);
    for &step in stops {
        let (store, what) = (Store::new(), format!("{what}, stopped after step {step}"));
        let (stopped, first) = tune(settings, &whole.data, &store.store, after_step(step));
        stopped.unwrap();
        let (best, second) = resume(&store.list()[0].id, &whole.data, &store.store, to_the_end);
        whole.assert_same(&store, &best.unwrap(), &first, &second, &what);
    }
}

#[test]
fn a_run_that_thaws_its_layers_one_after_another_goes_on_the_same() {
    let frozen = TuneSettings { strategy: Strategy::Freeze, frozen_views: 2, ..settings() };
    assert_goes_on(&frozen, &[3, 6], "freeze");
    let late = TuneSettings { strategy: Strategy::FreezeUnfreeze(2), ..settings() };
    assert_goes_on(&late, &[3, 5, 7], "freeze_unfreeze");
    let steps = TuneSettings { strategy: Strategy::UnfreezeMilestones((1, 2), 1), ..settings() };
    assert_goes_on(&steps, &[1, 4, 5], "unfreeze_milestones");
}

fn with_adapters() -> TuneSettings {
    let lora = Lora { rank: 3, alpha: 5, targets: Targets::of_names("query,dense").unwrap() };
    TuneSettings { strategy: Strategy::Lora(lora), learning_rate: 1e-2, weight_decay: 0.1, ..settings() }
}

#[test]
fn a_run_with_adapters_goes_on_the_same() {
    let settings = TuneSettings { batch: 2, accumulation: 2, ..with_adapters() };
    assert_goes_on(&settings, &[3, 6], "lora");
}

#[test]
fn a_run_that_draws_all_that_it_can_at_random_goes_on_the_same() {
    let regularisation = Regularisation {
        label_smoothing_factor: 0.1,
        class_weights: ClassWeights::Balanced,
        fc_drop_rate: 0.3,
        drop_path: 0.3,
        mixup: 0.8,
        cutmix: 1.0,
        token_keep: 0.5,
    };
    let optimization = Optimization {
        adam_beta1: 0.8,
        adam_beta2: 0.95,
        adam_epsilon: 1e-6,
        layer_decay: 0.5,
        lr_scheduler_type: SchedulerType::Cosine,
        warmup_steps: 2,
        max_steps: 7,
        gradient_checkpointing: GradientCheckpointing::Always,
        fp16: false,
    };
    let selection = Selection { early_stopping_patience: 3, ..Selection::default() };
    let drawn = TuneSettings { regularisation, optimization, selection, batch: 2, accumulation: 2, ..settings() };
    assert_goes_on(&drawn, &[1, 4, 6], "drawn");
}

#[test]
fn a_run_of_16_bits_goes_on_with_its_loss_as_scaled_as_before() {
    let optimization = Optimization { fp16: true, ..Optimization::default() };
    let halved = TuneSettings { optimization, epochs: 2, ..settings() };
    assert_goes_on(&halved, &[1, 3], "16 bits");
}

#[test]
fn patience_that_was_used_up_before_a_stop_is_not_given_back() {
    let selection = Selection { early_stopping_patience: 2, ..Selection::default() };
    // So small a step changes no number: the third epoch is the last.
    let settings = TuneSettings { learning_rate: 1e-30, selection, epochs: 9, ..settings() };
    assert_eq!(steps(&Whole::of(&settings).events).len(), 6);
    assert_goes_on(&settings, &[3, 4, 5], "patience");
}

/// Evaluated after every third step: in the middle of the second epoch, at the end of the third, and of the run.
fn by_steps() -> TuneSettings {
    let checkpointing = Checkpointing { eval_strategy: EvalStrategy::Steps, eval_steps: 3, save_steps: 1 };
    TuneSettings { checkpointing, ..settings() }
}

#[test]
fn a_run_that_is_evaluated_between_epochs_goes_on_the_same() {
    let whole = Whole::of(&by_steps());
    let names = whole.store.list().into_iter().map(|summary| summary.name).collect::<Vec<_>>();
    assert_eq!(names, ["epoch 4", "epoch 3", "epoch 2", "step 3", "epoch 1"].map(|place| format!("My model, {place}")));
    let record = story(&whole.store.newest());
    assert_eq!(record.evaluations.iter().map(|evaluated| evaluated.step).collect::<Vec<_>>(), [3]);
    let validated: Vec<bool> = record.epochs.iter().map(|report| report.validation.is_some()).collect();
    assert_eq!(validated, [false, false, true, true]);
    assert_goes_on(&by_steps(), &[1, 3, 5, 6], "by steps");
}

#[test]
fn no_more_steps_are_ever_unkept_than_the_settings_say_and_what_keeps_them_is_gone_at_the_end() {
    let (data, store) = (runs::import_sample([5, 1, 1]), Store::new());
    let checkpointing = Checkpointing { save_steps: 2, ..Checkpointing::default() };
    let settings = TuneSettings { checkpointing, batch: 2, epochs: 2, ..settings() };
    let (best, events) = tune(&settings, &data, &store.store, to_the_end);
    let (mut unkept, mut latest) = (0, Vec::new());
    for event in &events {
        match event {
            TuneEvent::Step(_) => unkept += 1,
            TuneEvent::Saved(summary) => {
                unkept = 0;
                if summary.id.ends_with("-latest") {
                    assert!(summary.resumable && !summary.best && summary.validation.is_none());
                    latest.push(summary.stands.clone().unwrap().step);
                }
            }
            _ => {}
        }
        assert!(unkept <= 2);
    }
    // Five steps an epoch; after the tenth it is over.
    assert_eq!(latest, [2, 4, 6, 8]);
    let names: Vec<String> = store.list().into_iter().map(|summary| summary.name).collect();
    assert_eq!(names, ["My model, epoch 2", "My model, epoch 1"]);
    assert!(store.load(&best.unwrap()).summary.best);
}

#[test]
fn the_best_of_a_run_may_lie_in_the_middle_of_an_epoch() {
    let (data, store) = (runs::import_sample([3, 1, 1]), Store::new());
    let evaluated = |event: &TuneEvent| matches!(event, TuneEvent::Saved(saved) if saved.name.ends_with("step 3"));
    tune(&by_steps(), &data, &store.store, evaluated).0.unwrap();
    let between = store.list().remove(0);
    praise(&store, &between.id);
    let (best, events) = resume(&between.id, &data, &store.store, to_the_end);
    assert_eq!(best.unwrap(), between.id);
    assert_eq!(store.load(&between.id).summary.test, tested(&events));
}

#[test]
fn a_run_that_is_killed_while_it_is_tested_is_tested_when_it_goes_on() {
    let whole = Whole::of(&settings());
    let store = Store::new();
    // The user's stop ends it where a kill would: its last checkpoint is kept, and nothing is tested yet.
    let (stopped, first) = tune(&settings(), &whole.data, &store.store, after_epoch(4));
    stopped.unwrap();
    assert!(store.list()[0].resumable && tested(&first).is_none());
    let (best, second) = resume(&store.list()[0].id, &whole.data, &store.store, to_the_end);
    whole.assert_same(&store, &best.unwrap(), &first, &second, "killed while it is tested");
    assert!(!store.list()[0].resumable);
}

#[test]
fn patience_counts_evaluations_between_epochs() {
    let (data, store) = (runs::import_sample([3, 1, 1]), Store::new());
    let selection = Selection { early_stopping_patience: 2, ..Selection::default() };
    let checkpointing = Checkpointing { eval_steps: 1, ..by_steps().checkpointing };
    // So small a step changes no number.
    let settings = TuneSettings { learning_rate: 1e-30, selection, checkpointing, ..settings() };
    let (best, events) = tune(&settings, &data, &store.store, to_the_end);
    assert_eq!(steps(&events).len(), 3, "the first of equals is the best, and two more were waited for");
    assert!(best.unwrap().ends_with("-step-0000001"));
    assert!(store.list().iter().all(|summary| !summary.resumable));
    assert!(events.iter().any(|event| matches!(event, TuneEvent::Warning(told) if told.contains("after step 3"))));
}

#[test]
fn videos_with_too_few_frames_are_told_of_once_a_run() {
    let data = runs::import_sample([3, 1, 1]);
    let told = |clip_seconds: f64| -> Vec<String> {
        let settings = TuneSettings { epochs: 2, clip_seconds, ..settings() };
        let (best, events) = tune(&settings, &data, &Store::new().store, to_the_end);
        best.unwrap();
        let sentence = |event| if let TuneEvent::Warning(sentence) = event { Some(sentence) } else { None };
        events.into_iter().filter_map(sentence).collect()
    };
    let short = told(0.1);
    assert_eq!(short.len(), 1, "{short:?}");
    assert!(short[0].starts_with("6 training videos have fewer than "), "{short:?}");
    assert!(told(settings().clip_seconds).is_empty());
}

/// Exports a checkpoint and brings it to another store.
fn elsewhere(checkpoint: &Checkpoint) -> Store {
    let store = Store::new();
    let (name, zip) = block_on(models::zip(checkpoint, Numbers::F32)).unwrap();
    let stranger = Stranger { id: "elsewhere".into(), name: name.clone(), created: 5.0, origin: Origin::default() };
    let files = models::model_files(vec![(name, zip)]).unwrap();
    let (summary, report) = block_on(models::keep(files, &stranger, &store.store)).unwrap();
    assert!(report.is_complete() && summary.resumable);
    store
}

/// As where the user stops it while the model is loading.
fn at_its_start(event: &TuneEvent) -> bool {
    matches!(event, TuneEvent::Started { .. })
}

#[test]
fn a_run_that_is_stopped_before_its_first_step_keeps_nothing() {
    let (data, store) = (runs::import_sample([3, 1, 1]), Store::new());
    let (stopped, events) = tune(&settings(), &data, &store.store, at_its_start);
    stopped.unwrap();
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(store.list().is_empty());
    // At the end of an epoch, the next one is not skipped either.
    tune(&settings(), &data, &store.store, after_epoch(1)).0.unwrap();
    let before = store.list();
    resume(&before[0].id, &data, &store.store, at_its_start).0.unwrap();
    assert_eq!(store.list(), before);
}

#[test]
fn a_half_trained_export_goes_on_elsewhere_as_if_it_had_never_left() {
    for settings in [settings(), with_adapters()] {
        let whole = Whole::of(&settings);
        let store = Store::new();
        let (stopped, first) = tune(&settings, &whole.data, &store.store, after_step(3));
        stopped.unwrap();
        let other = elsewhere(&store.newest());
        let (best, second) = resume("elsewhere", &whole.data, &other.store, to_the_end);
        best.unwrap();
        assert!(steps(&second).starts_with(&steps(&first)));
        assert_eq!(steps(&second), steps(&whole.events));
        let (ours, theirs) = (other.newest(), whole.store.newest());
        assert!(weights(&ours) == weights(&theirs));
        assert_eq!(story(&ours), story(&theirs));
    }
}

/// Makes a stored checkpoint look as good as can be.
fn praise(store: &Store, id: &str) {
    let mut checkpoint = store.load(id);
    let validation = checkpoint.summary.validation.as_mut().unwrap();
    (validation.accuracy, validation.loss) = (1.0, 0.0);
    block_on(store.store.save(&checkpoint)).unwrap();
}

#[test]
fn an_epoch_that_is_trained_on_is_not_the_best_for_what_it_was_half_way() {
    let settings = settings();
    let whole = Whole::of(&settings);
    let store = Store::new();
    let (_, first) = tune(&settings, &whole.data, &store.store, after_step(3));
    praise(&store, &store.list()[0].id);
    let (best, second) = resume(&store.list()[0].id, &whole.data, &store.store, to_the_end);
    whole.assert_same(&store, &best.unwrap(), &first, &second, "praised half way");
}

#[test]
fn the_best_of_a_run_may_be_the_checkpoint_that_it_goes_on_from() {
    let settings = settings();
    let (data, store) = (runs::import_sample([3, 1, 1]), Store::new());
    tune(&settings, &data, &store.store, after_epoch(2)).0.unwrap();
    let half = store.list()[0].id.clone();
    praise(&store, &half);
    let other = elsewhere(&store.load(&half));
    for (store, id) in [(&store, half.as_str()), (&other, "elsewhere")] {
        let (best, events) = resume(id, &data, &store.store, to_the_end);
        assert_eq!(best.unwrap(), id);
        assert_eq!(store.load(id).summary.test, tested(&events));
        assert!(tested(&events).is_some());
    }
}

#[test]
fn other_data_is_refused_with_a_file_that_differs() {
    let (clips, aside, store) = (small_folder([3, 1, 1]), tempfile::tempdir().unwrap(), Store::new());
    tune(&settings(), &runs::import(clips.path()), &store.store, after_step(1)).0.unwrap();
    let id = &store.list()[0].id;
    let refusal = || {
        let (best, events) = resume(id, &runs::import(clips.path()), &store.store, to_the_end);
        assert!(events.is_empty(), "nothing has begun");
        let error = best.unwrap_err();
        assert!(matches!(error, JobError::OtherData(_)), "{error}");
        error.to_string()
    };
    let class = clips.path().join("train/SpinLeft");
    let clip = std::fs::read_dir(&class).unwrap().next().unwrap().unwrap().file_name();
    let (place, aside) = (class.join(&clip), aside.path().join(&clip));
    std::fs::rename(&place, &aside).unwrap();
    let sentence = refusal();
    assert!(sentence.contains(&format!("train/SpinLeft/{}", clip.to_str().unwrap())), "{sentence}");

    std::fs::copy(&aside, &place).unwrap();
    std::fs::copy(&aside, class.join("one-more.webm")).unwrap();
    let sentence = refusal();
    assert!(sentence.contains("train/SpinLeft/one-more.webm"), "{sentence}");
    std::fs::remove_file(class.join("one-more.webm")).unwrap();

    let rename = |from: &str, to: &str| {
        for split in ["train", "val", "test"].map(|split| clips.path().join(split)) {
            std::fs::rename(split.join(from), split.join(to)).unwrap();
        }
    };
    rename("SpinLeft", "TwistLeft");
    let sentence = refusal();
    assert!(sentence.contains("SpinLeft, SpinRight"), "{sentence}");
    rename("TwistLeft", "SpinLeft");
    resume(id, &runs::import(clips.path()), &store.store, to_the_end).0.unwrap();
}

#[test]
fn only_the_newest_checkpoint_of_an_unfinished_run_goes_on() {
    let (data, store) = (runs::import_sample([3, 1, 1]), Store::new());
    let resumable = || -> Vec<usize> {
        store.list().into_iter().filter(|summary| summary.resumable).map(|summary| summary.epoch).collect()
    };
    tune(&settings(), &data, &store.store, after_step(5)).0.unwrap();
    assert_eq!(store.list().len(), 3);
    assert_eq!(resumable(), [3]);
    let refused = |id: &str| {
        let error = resume(id, &data, &store.store, to_the_end).0.unwrap_err();
        assert!(matches!(error, JobError::NotResumable(_)), "{error}");
    };
    refused(&store.list()[2].id);
    resume(&store.list()[0].id, &data, &store.store, to_the_end).0.unwrap();
    assert!(resumable().is_empty());
    for summary in store.list() {
        refused(&summary.id);
        assert!(store.load(&summary.id).training.is_none());
    }
}

#[test]
fn a_story_that_cannot_be_true_is_refused() {
    let (data, store) = (runs::import_sample([3, 1, 1]), Store::new());
    tune(&settings(), &data, &store.store, after_step(1)).0.unwrap();
    let original = store.newest();
    let with = |change: &dyn Fn(&mut Checkpoint)| {
        let mut checkpoint = original.clone();
        change(&mut checkpoint);
        block_on(store.store.save(&checkpoint)).unwrap();
        resume(&checkpoint.summary.id, &data, &store.store, to_the_end).0.unwrap_err().to_string()
    };
    for sentence in [
        with(&|checkpoint| checkpoint.record.as_mut().unwrap().settings.batch = 0),
        with(&|checkpoint| checkpoint.record.as_mut().unwrap().settings.accumulation = 0),
        with(&|checkpoint| checkpoint.record.as_mut().unwrap().progress.epoch = usize::MAX),
        with(&|checkpoint| checkpoint.training = Some(checkpoint.weights[0].1.clone())),
        with(&|checkpoint| checkpoint.record.as_mut().unwrap().settings.strategy = Strategy::Lora(Lora::default())),
    ] {
        assert!(sentence.contains("cannot go on"), "{sentence}");
    }
}
