//! `trainer_state.json` as Hugging Face's Trainer writes it, so that tools which read its log read ours.
//!
//! Comes in: a [`RunRecord`]. Goes out: JSON. Source: `TrainerState` in transformers' trainer_callback.py.

use serde_json::{Value, json};

use super::history::{Entry, Logged, history};
use crate::train::record::RunRecord;

/// The log of a run, as far as its record goes.
pub fn trainer_state(record: &RunRecord) -> String {
    let steps_per_epoch = record.steps_per_epoch.max(1);
    let history = history(record).into_iter().map(|Entry { step, epoch, logged }| match logged {
        Logged::Step(logged) => json!({
            "epoch": epoch, "step": step, "loss": logged.loss, "grad_norm": logged.gradient_norm,
            "learning_rate": logged.learning_rate,
        }),
        Logged::Evaluation(validation) => json!({
            "epoch": epoch, "step": step, "eval_loss": validation.loss, "eval_accuracy": validation.accuracy,
        }),
    });
    let history: Vec<Value> = history.collect();
    let best = record.epochs.iter().filter_map(|report| Some((report.epoch, report.validation?)));
    let best = best.max_by(|(epoch, one), (other_epoch, other)| one.compare(other).then(other_epoch.cmp(epoch)));
    let state = json!({
        "best_metric": best.map(|(_, validation)| validation.accuracy),
        "best_global_step": best.map(|(epoch, _)| epoch * steps_per_epoch),
        "best_model_checkpoint": best.map(|(epoch, _)| format!("epoch-{epoch}")),
        "epoch": record.steps.len() as f64 / steps_per_epoch as f64,
        "global_step": record.steps.len(),
        "max_steps": record.settings.length(steps_per_epoch).0,
        "num_train_epochs": record.settings.epochs,
        "train_batch_size": record.settings.batch,
        "logging_steps": 1,
        "eval_steps": steps_per_epoch,
        "save_steps": steps_per_epoch,
        "is_local_process_zero": true,
        "is_world_process_zero": true,
        "is_hyper_param_search": false,
        "log_history": history,
        "stateful_callbacks": {},
        "total_flos": 0.0,
        "trial_name": null,
        "trial_params": null,
    });
    // Numbers that were read from a file or measured are finite; an empty file would be refused by its reader.
    serde_json::to_string_pretty(&state).unwrap_or_default()
}
