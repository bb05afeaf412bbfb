//! What a run logged, in the order and with the steps of Hugging Face's Trainer: each step, and after an epoch's last
//! step its evaluation.
//!
//! Comes in: a [`RunRecord`]. Goes out: [`Entry`]s, which each form of a log is written from.

use crate::protocol::Evaluation;
use crate::train::record::{RunRecord, StepRecord};

/// One line of the log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry<'a> {
    /// Optimizer steps done.
    pub step: usize,
    /// Epochs done; a share of one is behind the point.
    pub epoch: f64,
    pub logged: Logged<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Logged<'a> {
    Step(&'a StepRecord),
    /// On the validation split.
    Evaluation(Evaluation),
}

/// The log of a run, as far as its record goes.
pub fn history(record: &RunRecord) -> Vec<Entry<'_>> {
    let steps_per_epoch = record.steps_per_epoch.max(1);
    let mut history = Vec::with_capacity(record.steps.len() + record.epochs.len());
    let mut epochs = record.epochs.iter().peekable();
    for (index, step) in record.steps.iter().enumerate() {
        let done = index + 1;
        let epoch = done as f64 / steps_per_epoch as f64;
        history.push(Entry { step: done, epoch, logged: Logged::Step(step) });
        let last = done == record.steps.len();
        if let Some(report) = epochs
            .next_if(|report| done.is_multiple_of(steps_per_epoch) && report.epoch == done / steps_per_epoch || last)
            && let Some(validation) = report.validation
        {
            history.push(Entry { step: done, epoch, logged: Logged::Evaluation(validation) });
        }
    }
    history
}
