//! An evaluation as the page follows it: what is asked for, how far it is, and the report that came of it.
//!
//! Comes in: the user's choice, and what the engine tells. Goes out: signals. The report is HTML that the engine draws.

use js_sys::Array;
use leptos::prelude::*;

use super::evaluated_clips::EvaluatedClips;
use super::export::save_file;
use super::state::AppState;
use super::transfer::Transfer;
use super::tune_settings::epoch;
use super::words::count;
use crate::dataset::{Split, Unusable};
use crate::evaluation::Views;
use crate::protocol::{Command, Event};

/// What was evaluated, and the report on it.
#[derive(Clone)]
pub struct Drawn {
    pub title: String,
    /// For a shadow root.
    pub html: String,
}

#[derive(Clone, Copy)]
pub struct Evaluating {
    pub progress: Transfer,
    /// Whether to evaluate on each, where the folder has it.
    pub splits: [(Split, RwSignal<bool>); 2],
    pub views: RwSignal<Views>,
    /// Kept where all of a split had to be left out, so that the reasons are there.
    pub left_out: RwSignal<Vec<Unusable>>,
    pub drawn: RwSignal<Option<Drawn>>,
    pub notice: RwSignal<Option<String>>,
    pub clips: EvaluatedClips,
}

impl Evaluating {
    pub fn new() -> Self {
        Self {
            progress: Transfer::of(|views| count(views as usize)),
            splits: [(Split::Validation, RwSignal::new(true)), (Split::Test, RwSignal::new(true))],
            views: RwSignal::default(),
            left_out: RwSignal::default(),
            drawn: RwSignal::new(None),
            notice: RwSignal::new(None),
            clips: EvaluatedClips::new(),
        }
    }

    /// The splits that are chosen and that the folder has.
    pub fn chosen(self, state: AppState) -> Vec<Split> {
        let chosen = self.splits.into_iter().filter(|(split, chosen)| chosen.get() && state.videos_of(*split) > 0);
        chosen.map(|(split, _)| split).collect()
    }

    pub fn begin(self, state: AppState) {
        let Some(model) = untrack(|| state.model()) else { return };
        let splits = untrack(|| self.chosen(state));
        let name = [Some(model.name.clone()), epoch(&model)].into_iter().flatten().collect::<Vec<_>>().join(" · ");
        let title = format!("Evaluating “{}”", model.name);
        let command = Command::Evaluate { checkpoint: model.id, splits, views: self.views.get_untracked() };
        self.drawn.set(None);
        self.notice.set(None);
        self.left_out.set(Vec::new());
        let job = state.engine.send(command, &Array::new(), move |event, _| match event {
            Event::Looked { done, total } => self.progress.moved(String::new(), done as u64, total as u64),
            Event::Unusable(unusable) => self.left_out.update(|files| files.push(unusable)),
            Event::Evaluated { report } => self.drawn.set(Some(Drawn { title: name.clone(), html: report })),
            Event::Failed(sentence) => self.progress.fail(sentence),
            Event::Done | Event::Cancelled => self.progress.end(),
            _ => {}
        });
        self.progress.begin(job, title);
    }

    /// Hands the report to the browser's downloads.
    pub fn save(self, state: AppState) {
        self.notice.set(None);
        state.engine.send(Command::ExportReport, &Array::new(), move |event, attachments| match event {
            Event::Exported { file_name } => save_file(&attachments.get(0), &file_name),
            Event::Failed(sentence) => self.notice.set(Some(sentence)),
            _ => {}
        });
    }
}
