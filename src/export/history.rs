//! What a run logged, in the order and with the steps of Hugging Face's Trainer: each step, and each evaluation after
//! the step that it followed.
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
    let between = record.evaluations.iter().map(|evaluated| (evaluated.step, evaluated.evaluation));
    let at_ends =
        record.epochs.iter().filter_map(|report| Some((record.steps_until(report.epoch), report.validation?)));
    let mut evaluations: Vec<(usize, Evaluation)> = between.chain(at_ends).collect();
    evaluations.sort_by_key(|(step, _)| *step);
    let mut history = Vec::with_capacity(record.steps.len() + evaluations.len());
    let mut evaluations = evaluations.into_iter().peekable();
    for (index, step) in record.steps.iter().enumerate() {
        let done = index + 1;
        let entry = |logged| Entry { step: done, epoch: done as f64 / steps_per_epoch as f64, logged };
        history.push(entry(Logged::Step(step)));
        while let Some((_, evaluation)) = evaluations.next_if(|(step, _)| *step <= done) {
            history.push(entry(Logged::Evaluation(evaluation)));
        }
    }
    history
}
