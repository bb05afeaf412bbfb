//! Work that is counted as it goes: bytes of a model on their way to this device or from it, videos that are looked at.
//!
//! Comes in: what the engine tells of one job. Goes out: a signal to draw, with the time that is left. Does none of it.

use leptos::prelude::*;

use super::components::progress::ProgressBar;
use super::state::AppState;
use super::words::{duration, size};
use crate::protocol::{Command, JobId};

/// Before so many milliseconds have passed, a pace says little.
const PACE_AFTER: f64 = 1_000.0;

/// One job under way. `total` is 0 until it can be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage {
    job: JobId,
    what: String,
    file: String,
    done: u64,
    total: u64,
    seconds_left: Option<f64>,
}

impl Passage {
    /// 0 to 1.
    pub fn share(&self) -> Option<f64> {
        (self.total > 0).then(|| self.done as f64 / self.total as f64)
    }

    fn words(&self, amount: fn(u64) -> String) -> String {
        let left = self.seconds_left.map(|seconds| format!(" · {} left", duration(seconds))).unwrap_or_default();
        match self.total {
            0 => String::new(),
            total if self.done >= total => "Almost done…".into(),
            total => format!("{} of {}{left}", amount(self.done), amount(total)),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum TransferPhase {
    Idle,
    Running(Passage),
    /// A sentence.
    Failed(String),
}

/// One thing at a time on its way.
#[derive(Clone, Copy)]
pub struct Transfer {
    pub phase: RwSignal<TransferPhase>,
    /// In words.
    amount: fn(u64) -> String,
    /// When the first bytes were told, and how many were there already.
    from: StoredValue<Option<(f64, u64)>>,
}

impl Transfer {
    /// Of bytes.
    pub fn new() -> Self {
        Self::of(size)
    }

    pub fn of(amount: fn(u64) -> String) -> Self {
        Self { phase: RwSignal::new(TransferPhase::Idle), amount, from: StoredValue::new(None) }
    }

    pub fn begin(self, job: JobId, what: String) {
        self.from.set_value(None);
        let passage = Passage { job, what, file: String::new(), done: 0, total: 0, seconds_left: None };
        self.phase.set(TransferPhase::Running(passage));
    }

    pub fn moved(self, file: String, done: u64, total: u64) {
        let now = js_sys::Date::now();
        let (start, before) = self.from.get_value().unwrap_or((now, done));
        self.from.set_value(Some((start, before)));
        let moved = done.saturating_sub(before) as f64;
        let pace = (now - start > PACE_AFTER && moved > 0.0).then(|| moved / (now - start));
        let seconds_left = pace.map(|pace| total.saturating_sub(done) as f64 / pace / 1e3);
        self.phase.update(|phase| {
            if let TransferPhase::Running(passage) = phase {
                *passage = Passage { file, done, total, seconds_left, ..passage.clone() };
            }
        });
    }

    pub fn end(self) {
        self.phase.set(TransferPhase::Idle);
    }

    /// Forgets a failure; what is under way goes on.
    pub fn forget_failure(self) {
        if untrack(|| self.failure()).is_some() {
            self.end();
        }
    }

    pub fn fail(self, sentence: String) {
        self.phase.set(TransferPhase::Failed(sentence));
    }

    pub fn is_running(self) -> bool {
        self.phase.with(|phase| matches!(phase, TransferPhase::Running(_)))
    }

    pub fn failure(self) -> Option<String> {
        self.phase.with(|phase| match phase {
            TransferPhase::Failed(sentence) => Some(sentence.clone()),
            _ => None,
        })
    }

    /// Of what is under way.
    pub fn passage<T>(self, of: impl FnOnce(&Passage) -> T) -> Option<T> {
        self.phase.with(|phase| match phase {
            TransferPhase::Running(passage) => Some(of(passage)),
            _ => None,
        })
    }
}

/// How far it is, with a button that ends it.
#[component]
pub fn TransferProgress(transfer: Transfer, testid: &'static str) -> impl IntoView {
    let state = AppState::get();
    let cancel = move |_| {
        if let Some(job) = untrack(|| transfer.passage(|passage| passage.job)) {
            state.engine.tell(Command::Cancel { job });
        }
    };
    let told = move |of: fn(&Passage) -> String| Signal::derive(move || transfer.passage(of).unwrap_or_default());
    let what = told(|passage| passage.what.clone());
    let words = Signal::derive(move || transfer.passage(|passage| passage.words(transfer.amount)).unwrap_or_default());
    let running = Memo::new(move |_| transfer.is_running());
    move || {
        running.get().then(|| view! {
            <div class="transfer">
                <div class="row between">
                    <p class="transfer-what path">{what}</p>
                    <button type="button" class="link" data-testid=format!("{testid}-cancel") on:click=cancel>"Cancel"</button>
                </div>
                <ProgressBar testid label=what share=Signal::derive(move || transfer.passage(Passage::share).flatten())/>
                <div class="row between quiet figures">
                    <p class="path">{told(|passage| passage.file.clone())}</p>
                    <p>{words}</p>
                </div>
            </div>
        })
    }
}
