//! Whether a model and its training fit on this device.
//!
//! Comes in: a start and a batch. Goes out: the engine's estimate, asked once for each. Computes nothing.

use gloo_timers::callback::Timeout;
use js_sys::Array;
use leptos::prelude::*;

use super::state::AppState;
use crate::protocol::{Command, Event, Fit};
use crate::train::settings::StartFrom;

/// Milliseconds without a change before the engine is asked: while somebody types, each number would be a question.
const SETTLE: u32 = 250;

#[derive(Clone, PartialEq)]
struct Question {
    /// Which start of the engine: another device has other limits.
    engine: u32,
    start: StartFrom,
    batch: usize,
}

/// The questions so far, with their answers where they have come.
#[derive(Clone, Copy)]
pub struct Fitting {
    answers: RwSignal<Vec<(Question, Option<Fit>)>>,
    timer: StoredValue<Option<Timeout>, LocalStorage>,
}

impl Fitting {
    pub fn new() -> Self {
        Self { answers: RwSignal::default(), timer: StoredValue::new_local(None) }
    }

    /// The estimate, once it has come.
    pub fn of(self, state: AppState, start: &StartFrom, batch: usize) -> Option<Fit> {
        let engine = state.engine.starts.get();
        self.answers.with(|answers| {
            let asked =
                |question: &Question| question.engine == engine && question.batch == batch && question.start == *start;
            answers.iter().find(|(question, _)| asked(question)).and_then(|(_, fit)| fit.clone())
        })
    }

    /// Asks at once, and again whenever the engine has started anew.
    pub fn watch(self, state: AppState, start: StartFrom, batch: usize) {
        Effect::new(move |_| self.ask(state, state.engine.starts.get(), start.clone(), batch));
    }

    /// Asks whenever what is wanted has come to rest.
    pub fn watch_settings(self, state: AppState, wanted: Memo<(StartFrom, usize)>) {
        Effect::new(move |_| {
            let (engine, (start, batch)) = (state.engine.starts.get(), wanted.get());
            let ask = Timeout::new(SETTLE, move || self.ask(state, engine, start, batch));
            self.timer.set_value(Some(ask));
        });
    }

    fn ask(self, state: AppState, engine: u32, start: StartFrom, batch: usize) {
        let question = Question { engine, start, batch };
        let known = self.answers.with_untracked(|answers| answers.iter().any(|(asked, _)| *asked == question));
        if known || engine == 0 || batch == 0 {
            return;
        }
        self.answers.update(|answers| answers.push((question.clone(), None)));
        let command = Command::AskFit { start: question.start.clone(), batch };
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
