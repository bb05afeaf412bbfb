//! An evaluation as the page follows it: how far it is, and the report that came of it.
//!
//! Comes in: the user's choice, and what the engine tells. Goes out: signals. The report is HTML that the engine draws.

use js_sys::Array;
use leptos::prelude::*;

use super::evaluated_clips::EvaluatedClips;
use super::export::save_file;
use super::state::AppState;
use super::transfer::Transfer;
use super::words::count;
use crate::dataset::Split;
use crate::evaluation::Views;
use crate::protocol::{Command, Event};

#[derive(Clone, Copy)]
pub struct Evaluating {
    pub progress: Transfer,
    /// HTML for a shadow root.
    pub report: RwSignal<Option<String>>,
    pub clips: EvaluatedClips,
}

impl Evaluating {
    pub fn new() -> Self {
        Self {
            progress: Transfer::of(|views| count(views as usize)),
            report: RwSignal::new(None),
            clips: EvaluatedClips::new(),
        }
    }

    pub fn begin(self, state: AppState, splits: Vec<Split>, views: Views) {
        let Some(model) = untrack(|| state.model()) else { return };
        let title = format!("Evaluating “{}”", model.name);
        self.report.set(None);
        let command = Command::Evaluate { checkpoint: model.id, splits, views };
        let job = state.engine.send(command, &Array::new(), move |event, _| match event {
            Event::Looked { done, total } => self.progress.moved(String::new(), done as u64, total as u64),
            Event::Evaluated { report } => self.report.set(Some(report)),
            Event::Failed(sentence) => self.progress.fail(sentence),
            Event::Done | Event::Cancelled => self.progress.end(),
            _ => {}
        });
        self.progress.begin(job, title);
    }

    /// Hands the report to the browser's downloads.
    pub fn save(self, state: AppState) {
        state.engine.send(Command::ExportReport, &Array::new(), move |event, attachments| match event {
            Event::Exported { file_name } => save_file(&attachments.get(0), &file_name),
            Event::Failed(sentence) => self.progress.fail(sentence),
            _ => {}
        });
    }
}
