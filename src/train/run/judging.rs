//! When a run is evaluated and kept, which of its moments is the best, and when it may end early.
//!
//! Comes in: where the run stands. Goes out: evaluations as events, and moments for the observer to keep. Changes no
//! weight.

use burn::module::Module;

use super::{Best, Moment, Observer, Occasion, Trainer, TuneError};
use crate::dataset::Split;
use crate::protocol::{EpochReport, Evaluation, StepEvaluation, TuneEvent};
use crate::train::evaluate::evaluate;
use crate::train::features::{self, Features};
use crate::train::feed::ClipSource;
use crate::train::record::Outcomes;
use crate::train::settings::{EvalStrategy, TuneSettings};

/// Whether a new moment is better than the best so far. One that was evaluated beats any that was not; among those
/// that were not, later is better.
fn is_better(new: Option<Evaluation>, old: Option<Evaluation>) -> bool {
    match (new, old) {
        (Some(new), Some(old)) => new.compare(&old).is_gt(),
        (new, old) => new.is_some() || old.is_none(),
    }
}

/// What a user is told where a run ends before its last step.
pub fn early_end(settings: &TuneSettings, epoch: usize, step: usize) -> String {
    let after = match settings.checkpointing.eval_strategy {
        EvalStrategy::Epoch => format!("epoch {epoch}"),
        EvalStrategy::Steps => format!("step {step}"),
    };
    let patience = settings.selection.early_stopping_patience;
    let evaluations = if patience == 1 { "evaluation".to_string() } else { format!("{patience} evaluations") };
    format!("The run ended early, after {after}: the last {evaluations} brought no new best. The best is kept.")
}

impl<S: ClipSource> Trainer<'_, S> {
    /// Whether the run's last step is done.
    pub fn is_done(&self, epoch: usize) -> bool {
        self.is_over() || epoch == self.last_epoch && self.progress.drawn == 0
    }

    /// Whether as many evaluations in a row brought no new best as the settings allow.
    pub fn is_out_of_patience(&self) -> bool {
        let patience = self.run.settings.selection.early_stopping_patience;
        patience > 0 && self.progress.since_best >= patience
    }

    /// Whether it is time for an evaluation, where the epoch goes on.
    pub fn is_to_be_evaluated(&self) -> bool {
        let due = self.run.settings.checkpointing.evaluates_after(self.progress.step);
        due && !self.run.examples.validation.is_empty()
    }

    /// In the middle of an epoch: an evaluation, which is kept.
    pub async fn evaluate_between_steps<O: Observer>(&mut self, observer: &mut O) -> Result<(), TuneError> {
        let validation = self.validate(observer).await?;
        if let Some(Outcomes { evaluation, .. }) = validation {
            observer.event(TuneEvent::Evaluated(StepEvaluation { step: self.progress.step, evaluation }));
        }
        self.keep(Occasion::Evaluation, validation, true, observer).await
    }

    /// In the middle of an epoch: a checkpoint, where it is time for one. Where the user stops the run, it is kept all the
    /// same.
    pub async fn save_between_steps<O: Observer>(&mut self, observer: &mut O) -> Result<(), TuneError> {
        if observer.should_stop() || !self.run.settings.checkpointing.saves_after(self.progress.step) {
            return Ok(());
        }
        self.settle(0, observer).await?;
        self.keep(Occasion::Steps, None, true, observer).await
    }

    /// After an epoch's steps: its evaluation, where it is time for one, and its checkpoint. An epoch in which the user
    /// stops the run is evaluated, and judged when it is complete.
    pub async fn end_epoch<O: Observer>(&mut self, epoch: usize, observer: &mut O) -> Result<(), TuneError> {
        let (checkpointing, step) = (self.run.settings.checkpointing, self.progress.step);
        let (done, evaluated) = (self.is_done(epoch), self.progress.evaluated == step);
        let complete = self.progress.drawn == 0 || done;
        if !complete && evaluated {
            // The run ended with an evaluation, and is kept as it is.
            return Ok(());
        }
        let by_epoch = checkpointing.eval_strategy == EvalStrategy::Epoch;
        let due = !evaluated && (by_epoch || done || checkpointing.evaluates_after(step));
        let validation = if due || !complete { self.validate(observer).await? } else { None };
        let (train_loss, train_accuracy) = self.progress.sums.means();
        let evaluation = validation.as_ref().map(|validation| validation.evaluation);
        observer.event(TuneEvent::Epoch(EpochReport { epoch, train_loss, train_accuracy, validation: evaluation }));
        let occasion = if complete { Occasion::Epoch { evaluated: due } } else { Occasion::Stop };
        self.keep(occasion, validation, !done, observer).await
    }

    /// The model as it is, on the validation split.
    async fn validate<O: Observer>(&self, observer: &mut O) -> Result<Option<Outcomes>, TuneError> {
        let (model, device) = (self.model.valid(), self.run.device.clone().without_autodiff());
        let features = features::are_kept(self.run.settings, self.progress.epoch).then_some(Features {
            source: self.run.source,
            model: &model,
            kept: self.run.kept,
            shape: self.run.shape,
            device: &device,
            parallel: self.run.parallel,
        });
        evaluate(self.run, &model, Split::Validation, features.as_ref(), observer).await
    }

    /// Judges the model as it is, and has it kept; `more` where steps are left to be done.
    async fn keep<O: Observer>(
        &mut self,
        occasion: Occasion,
        validation: Option<Outcomes>,
        more: bool,
        observer: &mut O,
    ) -> Result<(), TuneError> {
        let model = self.model.valid();
        let evaluation = validation.as_ref().map(|validation| validation.evaluation);
        let best = |best: &Best| is_better(evaluation, best.validation);
        let improved = occasion != Occasion::Steps && self.best.as_ref().is_none_or(best);
        if occasion.counts() {
            self.progress.evaluated = self.progress.step;
            self.progress.since_best = if improved { 0 } else { self.progress.since_best + 1 };
        }
        let is_last = !more || occasion.counts() && self.is_out_of_patience();
        let unfinished = !is_last || !self.run.examples.test.is_empty();
        let (optimizer, progress) = (&self.optimizer, self.progress);
        let moment = Moment { model: &model, optimizer, progress, validation, occasion, improved, unfinished };
        observer.checkpoint(moment).await?;
        if improved {
            self.best = Some(Best { model, validation: evaluation });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_evaluated_is_never_better_than_what_was() {
        let of = |accuracy| Some(Evaluation { split: Split::Validation, loss: 1.0, accuracy, videos: 4, score: None });
        assert!(is_better(of(0.5), of(0.25)) && !is_better(of(0.25), of(0.5)));
        assert!(!is_better(of(0.5), of(0.5)), "of equals the earlier");
        assert!(is_better(of(0.0), None) && !is_better(None, of(0.0)));
        assert!(is_better(None, None), "without evaluations, later is better");
    }
}
