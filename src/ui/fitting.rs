//! Whether a model and its training fit on this device, and how long a run will take.
//!
//! Comes in: a start and the load of a step; or all settings, once they have come to rest. Goes out: the engine's
//! estimates. Computes nothing.

use gloo_timers::callback::Timeout;
use js_sys::Array;
use leptos::prelude::*;

use super::start_choice::refused;
use super::state::AppState;
use crate::protocol::{Command, Estimate, Event, Fit, JobId, StepLoad};
use crate::train::settings::{StartFrom, TuneSettings};

/// Milliseconds without a change before the engine is asked: while somebody types, each number would be a question.
const SETTLE: u32 = 250;
/// As much, before something is computed for an answer.
const SETTLE_TIME: u32 = 800;

#[derive(Clone, PartialEq)]
struct Question {
    /// Which start of the engine: another device has other limits.
    engine: u32,
    start: StartFrom,
    step: StepLoad,
}

/// The questions so far, with their answers where they have come.
#[derive(Clone, Copy)]
pub struct Fitting {
    answers: RwSignal<Vec<(Question, Option<Fit>)>>,
    timer: StoredValue<Option<Timeout>, LocalStorage>,
    /// How long a run with the settings will take, as far as it is known.
    pub time: RwSignal<Time>,
    time_timer: StoredValue<Option<Timeout>, LocalStorage>,
    /// Which job measures.
    measuring: StoredValue<Option<JobId>>,
    /// What could not be measured; asking again might end the engine again.
    failed: StoredValue<Option<TuneSettings>>,
}

/// What is known of a run's length.
#[derive(Clone, PartialEq)]
pub enum Time {
    Unknown,
    Measuring,
    Known(Estimate),
    Failed(String),
}

impl Fitting {
    pub fn new() -> Self {
        Self {
            answers: RwSignal::default(),
            timer: StoredValue::new_local(None),
            time: RwSignal::new(Time::Unknown),
            time_timer: StoredValue::new_local(None),
            measuring: StoredValue::new(None),
            failed: StoredValue::new(None),
        }
    }

    /// Has the length of a run measured for as long as a view shows it, whenever one could begin and nothing that decides
    /// it changes any more.
    pub fn watch_time(self, state: AppState) {
        let wanted = Memo::new(move |_| {
            let settings = state.tuning.settings.get();
            let folder = state.catalogue.with(|catalogue| catalogue.as_ref().map(|all| all.count()));
            let rests = state.has_usable_data() && state.checking.get().is_none() && !state.tuning.is_running();
            let may = rests && refused(state).is_none() && settings.problems().is_empty();
            may.then(|| (state.engine.starts.get(), folder, settings))
        });
        Effect::new(move |_| {
            self.rest(state);
            match wanted.get() {
                Some((_, _, settings)) => {
                    let ask = Timeout::new(SETTLE_TIME, move || self.ask_time(state, settings));
                    self.time_timer.set_value(Some(ask));
                }
                None => self.time.set(Time::Unknown),
            }
        });
        on_cleanup(move || self.rest(state));
    }

    /// Measures nothing any more.
    pub fn rest(self, state: AppState) {
        self.time_timer.set_value(None);
        if let Some(job) = self.measuring.get_value() {
            self.measuring.set_value(None);
            self.time.set(Time::Unknown);
            state.engine.tell(Command::Cancel { job });
        }
    }

    fn ask_time(self, state: AppState, settings: TuneSettings) {
        if self.failed.with_value(|failed| failed.as_ref() == Some(&settings)) {
            return;
        }
        self.time.set(Time::Measuring);
        let command = Command::AskTime { settings: settings.clone() };
        let job = state.engine.send(command, &Array::new(), move |event, _| match event {
            Event::Estimated(estimate) => self.time.set(Time::Known(estimate)),
            Event::Failed(sentence) => {
                self.measuring.set_value(None);
                self.failed.set_value(Some(settings.clone()));
                self.time.set(Time::Failed(sentence));
            }
            Event::Done => {
                self.measuring.set_value(None);
                // The CPU would take too long to tell.
                if self.time.with_untracked(|time| *time == Time::Measuring) {
                    self.time.set(Time::Unknown);
                }
            }
            _ => {}
        });
        self.measuring.set_value(Some(job));
    }

    /// The estimate, once it has come.
    pub fn of(self, state: AppState, start: &StartFrom, step: StepLoad) -> Option<Fit> {
        let engine = state.engine.starts.get();
        self.answers.with(|answers| {
            let asked =
                |question: &Question| question.engine == engine && question.step == step && question.start == *start;
            answers.iter().find(|(question, _)| asked(question)).and_then(|(_, fit)| fit.clone())
        })
    }

    /// Asks at once, and again whenever the engine has started anew.
    pub fn watch(self, state: AppState, start: StartFrom, step: StepLoad) {
        Effect::new(move |_| self.ask(state, state.engine.starts.get(), start.clone(), step));
    }

    /// Asks whenever what is wanted has come to rest.
    pub fn watch_settings(self, state: AppState, wanted: Memo<(StartFrom, StepLoad)>) {
        Effect::new(move |_| {
            let (engine, (start, step)) = (state.engine.starts.get(), wanted.get());
            let ask = Timeout::new(SETTLE, move || self.ask(state, engine, start, step));
            self.timer.set_value(Some(ask));
        });
    }

    fn ask(self, state: AppState, engine: u32, start: StartFrom, step: StepLoad) {
        let question = Question { engine, start, step };
        let known = self.answers.with_untracked(|answers| answers.iter().any(|(asked, _)| *asked == question));
        if known || engine == 0 || step.batch == 0 {
            return;
        }
        self.answers.update(|answers| answers.push((question.clone(), None)));
        let command = Command::AskFit { start: question.start.clone(), step };
        state.engine.send(command, &Array::new(), move |event, _| {
            let Event::Fit(fit) = event else { return };
            self.answers.update(|answers| {
                if let Some((_, answer)) = answers.iter_mut().find(|(asked, _)| *asked == question) {
                    *answer = Some(fit);
                }
            });
        });
    }
}
