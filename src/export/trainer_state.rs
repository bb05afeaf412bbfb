//! `trainer_state.json` as Hugging Face's Trainer writes it, so that tools which read its log read ours.
//!
//! Comes in: a [`RunRecord`]. Goes out: JSON. Source: `TrainerState` in transformers' trainer_callback.py.

use serde_json::{Value, json};

use super::history::{Entry, Logged, history};
use crate::protocol::Evaluation;
use crate::train::record::RunRecord;
use crate::train::settings::{EvalStrategy, Metric};

/// The log of a run, as far as its record goes.
pub fn trainer_state(record: &RunRecord) -> String {
    let steps_per_epoch = record.steps_per_epoch.max(1);
    let metric = record.settings.selection.metric_for_best_model;
    let history = history(record);
    let entries = history.iter().map(|Entry { step, epoch, logged }| match logged {
        Logged::Step(logged) => json!({
            "epoch": epoch, "step": step, "loss": logged.loss, "grad_norm": logged.gradient_norm,
            "learning_rate": logged.learning_rate,
        }),
        Logged::Evaluation(Evaluation { loss, accuracy, score, .. }) => {
            let mut entry = json!({ "epoch": epoch, "step": step, "eval_loss": loss, "eval_accuracy": accuracy });
            if metric == Metric::F1 {
                entry["eval_f1"] = json!(score);
            }
            entry
        }
    });
    let entries: Vec<Value> = entries.collect();
    let best = best(&history);
    let checkpoint = |step: usize| match record.evaluations.iter().any(|evaluated| evaluated.step == step) {
        true => format!("step-{step}"),
        false => format!("epoch-{}", record.steps.get(step.saturating_sub(1)).map_or(0, |step| step.epoch)),
    };
    let checkpointing = record.settings.checkpointing;
    let eval_steps = match checkpointing.eval_strategy {
        EvalStrategy::Epoch => steps_per_epoch,
        EvalStrategy::Steps => checkpointing.eval_steps,
    };
    let state = json!({
        "best_metric": best.map(|(_, evaluation)| value(&evaluation, metric)),
        "best_global_step": best.map(|(step, _)| step),
        "best_model_checkpoint": best.map(|(step, _)| checkpoint(step)),
        "epoch": record.steps.len() as f64 / steps_per_epoch as f64,
        "global_step": record.steps.len(),
        "max_steps": record.settings.length(steps_per_epoch).0,
        "num_train_epochs": record.settings.epochs,
        "train_batch_size": record.settings.batch,
        "logging_steps": 1,
        "eval_steps": eval_steps,
        "save_steps": if checkpointing.save_steps > 0 { checkpointing.save_steps } else { steps_per_epoch },
        "is_local_process_zero": true,
        "is_world_process_zero": true,
        "is_hyper_param_search": false,
        "log_history": entries,
        "stateful_callbacks": {},
        "total_flos": 0.0,
        "trial_name": null,
        "trial_params": null,
    });
    // Numbers that were read from a file or measured are finite; an empty file would be refused by its reader.
    serde_json::to_string_pretty(&state).unwrap_or_default()
}

/// The best evaluation and after which step it was; of equals the earlier.
fn best(history: &[Entry<'_>]) -> Option<(usize, Evaluation)> {
    let evaluations = history.iter().filter_map(|entry| match entry.logged {
        Logged::Evaluation(evaluation) => Some((entry.step, evaluation)),
        Logged::Step(_) => None,
    });
    evaluations.max_by(|(step, one), (other_step, other)| one.compare(other).then(other_step.cmp(step)))
}

/// What a run chooses its best by, as the Trainer logs it.
fn value(evaluation: &Evaluation, metric: Metric) -> f32 {
    match metric {
        Metric::Accuracy => evaluation.accuracy,
        Metric::Loss => evaluation.loss,
        Metric::F1 => evaluation.score.unwrap_or(evaluation.accuracy),
    }
}
