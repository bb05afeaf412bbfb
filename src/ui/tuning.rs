//! A fine-tuning run as the page follows it: the settings, and everything that the engine told about it.
//!
//! Comes in: settings and [`TuneEvent`]s. Goes out: signals, changed at most a few times a second however fast the
//! steps come, so that the page stays free.

use std::sync::Arc;

use gloo_timers::callback::Timeout;
use js_sys::{Array, JsString};
use leptos::prelude::*;

use super::state::AppState;
use super::{disk_choice, remember, remembered};
use crate::dataset::direction::names_direction;
use crate::dataset::{Catalogue, Unusable};
use crate::model::config::ModelSize;
use crate::protocol::{
    CheckpointSummary, Command, DecodedOnDisk, EpochReport, Evaluation, Event, JobId, Picture, StepEvaluation,
    StepReport, TuneEvent,
};
use crate::train::pretraining::settings::PretrainSettings;
use crate::train::settings::{StartFrom, TuneSettings};

/// Milliseconds between two changes of what is drawn.
const REDRAW_EVERY: u32 = 150;
/// Where [`Tuning::settled`] is remembered.
const SETTLED_KEY: &str = "cliptune.settled";
/// The name of the sample's folder; shapes move in it.
const SAMPLE: &str = "sample";
/// Weight of the past in the smoothed loss.
const SMOOTHING: f64 = 0.9;

#[derive(Clone, Debug, PartialEq)]
pub enum TunePhase {
    Idle,
    Running { job: JobId, paused: bool, stopping: bool },
    Finished,
    Failed(String),
}

/// A step's loss.
#[derive(Clone, Copy)]
pub struct Loss {
    /// From 1; a resumed run's first is not the first.
    pub step: usize,
    pub loss: f64,
    /// Smoothed over the steps before it.
    pub smooth: f64,
}

/// What one run told so far.
#[derive(Clone, Default)]
pub struct Curves {
    pub total_steps: usize,
    pub steps_per_epoch: usize,
    /// Weights that change in the course of the run, of all of the model's.
    pub trained: [usize; 2],
    pub losses: Vec<Loss>,
    /// The losses as a JSON list without its closing bracket, for tests and the curious.
    pub losses_json: String,
    pub epochs: Vec<EpochReport>,
    /// On the validation split, by the steps that were done.
    pub evaluations: Vec<(usize, Evaluation)>,
    pub latest: Option<StepReport>,
    pub left_out: Vec<Unusable>,
    /// About the data.
    pub warning: Option<String>,
    pub best: Option<CheckpointSummary>,
    pub tested: Option<Evaluation>,
    /// What of the decoded clips lies on disk.
    pub disk: Option<DecodedOnDisk>,
    /// Views that are kept as the frozen part sees them, and the seconds that this saved in the last epoch.
    pub kept: Option<(usize, f64)>,
    /// Reserved on the GPU, where one computes.
    pub gpu_bytes: Option<u64>,
}

impl Curves {
    fn take(&mut self, event: TuneEvent) {
        match event {
            TuneEvent::Started { total_steps, steps_per_epoch, parameters, trained } => {
                *self = Self { total_steps, steps_per_epoch, trained: [trained, parameters], ..Self::default() };
            }
            TuneEvent::Step(step) => {
                let loss = f64::from(step.loss);
                let smooth = self.losses.last().map_or(loss, |last| SMOOTHING * last.smooth + (1.0 - SMOOTHING) * loss);
                let smooth = if smooth.is_finite() { smooth } else { loss };
                self.losses.push(Loss { step: step.step, loss, smooth });
                self.losses_json.push(if self.losses_json.is_empty() { '[' } else { ',' });
                match loss.is_finite() {
                    true => self.losses_json.push_str(&step.loss.to_string()),
                    false => self.losses_json.push_str("null"),
                }
                self.latest = Some(step);
            }
            TuneEvent::Epoch(epoch) => {
                let step = epoch.epoch * self.steps_per_epoch;
                self.evaluate(step, epoch.validation);
                self.epochs.push(epoch);
            }
            TuneEvent::Evaluated(StepEvaluation { step, evaluation }) => self.evaluate(step, Some(evaluation)),
            TuneEvent::Saved(checkpoint) => {
                if checkpoint.best || self.best.as_ref().is_none_or(|best| !best.best) {
                    self.best = Some(*checkpoint);
                }
            }
            TuneEvent::LeftOut(unusable) => self.left_out.push(unusable),
            TuneEvent::Warning(sentence) => self.warning = Some(sentence),
            TuneEvent::DecodedOnDisk(disk) => self.disk = Some(disk),
            TuneEvent::FeaturesKept { views, seconds } => self.kept = Some((views, seconds)),
            TuneEvent::GpuMemory(bytes) => self.gpu_bytes = Some(bytes),
            TuneEvent::Tested(evaluation) => self.tested = Some(evaluation),
        }
    }

    /// What happened before a run went on is told in an order of its own.
    fn evaluate(&mut self, step: usize, evaluation: Option<Evaluation>) {
        let place = self.evaluations.iter().rposition(|(other, _)| *other <= step).map_or(0, |before| before + 1);
        self.evaluations.splice(place..place, evaluation.map(|evaluation| (step, evaluation)));
    }

    /// 0 to 1.
    pub fn progress(&self) -> f64 {
        let step = self.latest.as_ref().map_or(0, |latest| latest.step);
        if self.total_steps == 0 { 0.0 } else { step as f64 / self.total_steps as f64 }
    }
}

/// What the address asks for instead of the defaults.
#[derive(Clone, Copy, Default)]
pub struct Asked {
    pub size: Option<ModelSize>,
    pub epochs: Option<usize>,
}

#[derive(Clone, Copy)]
pub struct Tuning {
    pub settings: RwSignal<TuneSettings>,
    pub phase: RwSignal<TunePhase>,
    pub curves: RwSignal<Curves>,
    /// The classes of the folder.
    classes: StoredValue<Vec<String>>,
    /// Set once the user has typed a name.
    pub named: RwSignal<bool>,
    /// Set once the user has chosen what is trained.
    pub strategy_chosen: RwSignal<bool>,
    /// The settings are shown again after a run.
    pub editing: RwSignal<bool>,
    /// What the run is called.
    pub run_name: RwSignal<String>,
    /// Of pre-training.
    pub pretraining: RwSignal<PretrainSettings>,
    /// The run learns without labels.
    pub without_labels: RwSignal<bool>,
    /// What its model makes of a clip by now.
    pub shown: RwSignal<Option<Arc<Picture>>>,
    /// What could not be taken over of an older run's settings.
    pub notice: RwSignal<Option<String>>,
    /// The run that ended last on this page, as its user wanted: it is not offered to go on.
    pub settled: RwSignal<Option<String>>,
    asked: Asked,
    pending: StoredValue<Vec<TuneEvent>>,
    timer: StoredValue<Option<Timeout>, LocalStorage>,
}

impl Tuning {
    pub fn new(asked: Asked) -> Self {
        let mut settings = asked.size.map_or_else(TuneSettings::for_starter, TuneSettings::for_size);
        settings.epochs = asked.epochs.unwrap_or(settings.epochs);
        Self {
            settings: RwSignal::new(settings),
            phase: RwSignal::new(TunePhase::Idle),
            curves: RwSignal::default(),
            classes: StoredValue::new(Vec::new()),
            named: RwSignal::new(false),
            strategy_chosen: RwSignal::new(false),
            editing: RwSignal::new(false),
            run_name: RwSignal::default(),
            pretraining: RwSignal::new(PretrainSettings::for_size(ModelSize::Micro)),
            without_labels: RwSignal::new(false),
            shown: RwSignal::new(None),
            notice: RwSignal::new(None),
            settled: RwSignal::new(remembered(SETTLED_KEY)),
            asked,
            pending: StoredValue::new(Vec::new()),
            timer: StoredValue::new_local(None),
        }
    }

    /// Fits the defaults to a folder: its name, a starter model for what it most likely shows, and no mirroring of classes
    /// that are directions.
    pub fn adopt(self, catalogue: &Catalogue, folder: &str) {
        if self.is_untouched() {
            self.start_from(if folder == SAMPLE { StartFrom::Starter } else { StartFrom::People });
        }
        let classes = catalogue.labels();
        let known = self.classes.get_value();
        let named = self.named.get_untracked();
        self.settings.update(|settings| {
            // What the user said of a class stays, whatever folder it comes in.
            let marked = |class: &String| match known.contains(class) {
                true => settings.unmirrored.contains(class),
                false => names_direction(class),
            };
            settings.unmirrored = classes.iter().filter(|class| marked(class)).cloned().collect();
            if !named && !folder.is_empty() {
                settings.name = capitalised(folder);
            }
        });
        if !folder.is_empty() {
            self.pretraining.update(|settings| settings.name = format!("{}, without labels", capitalised(folder)));
        }
        self.classes.set_value(classes);
    }

    /// Whether nothing was chosen yet: a starter model with its own defaults.
    fn is_untouched(self) -> bool {
        self.settings.with_untracked(|settings| {
            let starter = matches!(settings.start, StartFrom::Starter | StartFrom::People);
            starter
                && !self.strategy_chosen.get_untracked()
                && *settings == self.defaults(settings.start.clone(), settings)
        })
    }

    /// The defaults for a start, with the name and the classes of other settings.
    fn defaults(self, start: StartFrom, others: &TuneSettings) -> TuneSettings {
        let mut fresh = TuneSettings::for_start(start);
        fresh.name = others.name.clone();
        fresh.epochs = self.asked.epochs.unwrap_or(fresh.epochs);
        fresh.unmirrored = others.unmirrored.clone();
        fresh
    }

    /// Goes back to the defaults for another start; the name stays.
    pub fn start_from(self, start: StartFrom) {
        if self.settings.with_untracked(|settings| settings.start == start) {
            return;
        }
        self.strategy_chosen.set(false);
        self.settings.update(|settings| *settings = self.defaults(start, settings));
    }

    /// Starts from the starter where this checkpoint was chosen, as it is gone.
    pub fn forget_start(self, id: &str) {
        let chosen = |settings: &TuneSettings| matches!(&settings.start, StartFrom::Checkpoint(start) if start == id);
        if self.settings.with_untracked(chosen) {
            self.start_from(StartFrom::Starter);
        }
    }

    pub fn is_running(self) -> bool {
        self.phase.with(|phase| matches!(phase, TunePhase::Running { .. }))
    }

    /// Starts a run with the current settings.
    pub fn begin(self, state: AppState) {
        let settings = self.settings.get_untracked();
        self.run(state, settings.name.clone(), Command::Tune { settings, disk: disk_choice::chosen() });
    }

    /// Starts learning without labels.
    pub fn pretrain(self, state: AppState) {
        let settings = self.pretraining.get_untracked();
        self.run(state, settings.name.clone(), Command::Pretrain { settings, disk: disk_choice::chosen() });
    }

    /// Goes on with the run of a checkpoint.
    pub fn resume(self, state: AppState, checkpoint: &CheckpointSummary) {
        self.run(
            state,
            run_name(checkpoint).into(),
            Command::Resume { checkpoint: checkpoint.id.clone(), disk: disk_choice::chosen() },
        );
    }

    fn run(self, state: AppState, name: String, command: Command) {
        state.fitting.rest(state);
        self.without_labels.set(matches!(command, Command::Pretrain { .. }));
        self.shown.set(None);
        self.curves.set(Curves::default());
        self.pending.set_value(Vec::new());
        self.run_name.set(name);
        self.editing.set(false);
        let job = state.engine.send(command, &Array::new(), move |event, _| self.take(event, state));
        self.phase.set(TunePhase::Running { job, paused: false, stopping: false });
    }

    /// Ends the run after its current step.
    pub fn stop(self, state: AppState) {
        if let TunePhase::Running { job, stopping: false, .. } = self.phase.get_untracked() {
            self.phase.set(TunePhase::Running { job, paused: false, stopping: true });
            state.engine.tell(Command::StopTuning { job });
        }
    }

    /// Holds the run after its current step, or lets it go on.
    pub fn pause(self, state: AppState, paused: bool) {
        if let TunePhase::Running { job, stopping: false, .. } = self.phase.get_untracked() {
            self.phase.set(TunePhase::Running { job, paused, stopping: false });
            state.engine.tell(Command::PauseTuning { job, paused });
        }
    }

    pub fn is_paused(self) -> bool {
        self.phase.with(|phase| matches!(phase, TunePhase::Running { paused: true, .. }))
    }

    fn take(self, event: Event, state: AppState) {
        let phase = match event {
            Event::Tune(event) => {
                if matches!(event, TuneEvent::Saved(_)) {
                    keep_storage();
                }
                let first = self.pending.with_value(Vec::is_empty);
                self.pending.update_value(|pending| pending.push(event));
                if first {
                    self.timer.set_value(Some(Timeout::new(REDRAW_EVERY, move || self.flush())));
                }
                return;
            }
            Event::Reconstructed(picture) => return self.shown.set(Some(Arc::new(picture))),
            Event::Done => TunePhase::Finished,
            Event::Cancelled => TunePhase::Idle,
            Event::Failed(sentence) => TunePhase::Failed(sentence),
            _ => return,
        };
        self.flush();
        let best = self.curves.with_untracked(|curves| curves.best.clone());
        if let (TunePhase::Finished, Some(best)) = (&phase, &best) {
            self.settle(best.run.clone());
        }
        self.phase.set(phase);
        state.list_checkpoints();
        if !self.without_labels.get_untracked() {
            state.chosen_model.set(best.map(|best| best.id));
        }
    }

    /// Does not offer this run to go on any more.
    pub fn settle(self, run: String) {
        remember(SETTLED_KEY, &run);
        self.settled.set(Some(run));
    }

    fn flush(self) {
        let mut events = Vec::new();
        self.pending.update_value(|pending| std::mem::swap(pending, &mut events));
        if !events.is_empty() {
            self.curves.update(|curves| events.into_iter().for_each(|event| curves.take(event)));
        }
    }
}

/// A run's name, from a checkpoint's: `Sample, epoch 3` -> `Sample`.
pub fn run_name(checkpoint: &CheckpointSummary) -> &str {
    let name = checkpoint.name.as_str();
    let place = |place: &str| place.starts_with("epoch ") || place.starts_with("step ");
    name.rsplit_once(", ").filter(|(_, end)| place(end)).map_or(name, |(name, _)| name)
}

/// `sample` -> `Sample`.
fn capitalised(name: &str) -> String {
    let (first, others) = name.split_at(name.chars().next().map_or(0, char::len_utf8));
    // The browser knows every script's capitals already.
    format!("{}{others}", String::from(JsString::from(first).to_upper_case()))
}

/// Asks the browser not to clear this site's data by itself when the disk runs low; it may say no, and asking again is
/// free.
fn keep_storage() {
    let storage = window().navigator().storage();
    if let Ok(answer) = storage.persist() {
        leptos::task::spawn_local(async move { _ = wasm_bindgen_futures::JsFuture::from(answer).await });
    }
}
