//! What a model card and a report both say of a checkpoint, in words.
//!
//! Comes in: a record, a summary. Goes out: plain text, whose form knows nothing of Markdown and HTML; whoever writes it
//! down escapes it.

use std::collections::BTreeSet;

use crate::dataset::words::count;
use crate::model::config::VideoMaeConfig;
use crate::protocol::{CheckpointSummary, RANDOM_WEIGHTS};
use crate::train::augmentation::{ColourJitter, GUIDE_SIDE};
use crate::train::pretraining::settings::Masking;
use crate::train::record::RunRecord;
use crate::train::settings::{ClassWeights, EvalStrategy, Lora, Metric, SchedulerType, Strategy, TuneSettings};

/// What the model is and looks at; a sentence or two.
pub fn model(summary: &CheckpointSummary, config: &VideoMaeConfig) -> String {
    let [height, width] = config.image_size.height_width();
    let kind =
        if summary.labels.is_empty() { "A pre-trained VideoMAE backbone" } else { "A VideoMAE video classifier" };
    format!(
        "{kind} of {} parameters. It looks at {} frames of {height} x {width} pixels, spread over {:.2} seconds of video.",
        count(summary.parameters),
        config.num_frames,
        summary.clip_seconds
    )
}

/// Where the weights come from and what they are under; sentences. `text` and `name` write a user's text and a name down.
pub fn provenance(
    summary: &CheckpointSummary,
    tuned_here: bool,
    text: impl Fn(&str) -> String,
    name: impl Fn(&str) -> String,
) -> String {
    let origin = &summary.origin;
    if origin.source == RANDOM_WEIGHTS {
        return "Trained with Cliptune from random weights: nobody else's licence applies to it.".into();
    }
    let source = if origin.source.is_empty() { "unknown" } else { &origin.source };
    let revision = origin.revision.as_ref().map_or(String::new(), |revision| format!(", revision {}", name(revision)));
    let licence = match &origin.licence {
        Some(licence) => format!("The weights that it was made from are under {}, and so is it.", name(licence)),
        None => "No licence is known for the weights that it was made from.".into(),
    };
    let verb = if tuned_here { "Fine-tuned with Cliptune from" } else { "From" };
    format!("{verb} {}{revision}. {licence}", text(source))
}

/// How many recordings a run's videos were cut from, as far as it is told.
pub fn recordings(record: &RunRecord) -> usize {
    let groups: BTreeSet<&String> = record.data.videos.iter().filter_map(|video| video.group.as_ref()).collect();
    groups.len()
}

/// A run's settings by name.
pub fn settings(record: &RunRecord) -> Vec<(&'static str, String)> {
    let settings = &record.settings;
    let [least, most] = settings.short_sides;
    let set = &settings.optimization;
    let optimizer = format!("AdamW, betas {} and {}, epsilon {:e}", set.adam_beta1, set.adam_beta2, set.adam_epsilon);
    let mut facts = vec![
        ("epochs", settings.epochs.to_string()),
        ("batch size", settings.batch.to_string()),
        ("gradient accumulation steps", settings.accumulation.to_string()),
        ("learning rate", format!("{:e}", settings.learning_rate)),
        ("schedule", schedule(settings)),
        ("optimizer", optimizer),
        ("weight decay", settings.weight_decay.to_string()),
        ("gradient norm", settings.max_grad_norm.to_string()),
        ("horizontal flip", horizontal_flip(settings)),
        ("short side before the crop", format!("{least} to {most} pixels, for pictures of {GUIDE_SIDE}")),
        ("colour jitter", colour_jitter(&settings.colour_jitter)),
        ("large videos", if settings.shrink_large { "shrunk first" } else { "as they are" }.to_string()),
        ("clip length", format!("{:.3} s", settings.clip_seconds)),
        ("seed", settings.seed.to_string()),
    ];
    if let Some(Masking { mask_ratio, norm_pix_loss }) = record.pretraining {
        facts.push(("hidden share", mask_ratio.to_string()));
        facts.push(("reconstructs", if norm_pix_loss { "normalised patches" } else { "pixels" }.to_string()));
    }
    facts.extend(unusual(settings));
    facts
}

fn schedule(settings: &TuneSettings) -> String {
    let kind = settings.optimization.lr_scheduler_type;
    let name = kind.name().replace('_', " ");
    match (kind, settings.optimization.warmup_steps) {
        (SchedulerType::Constant, _) => name,
        (SchedulerType::ConstantWithWarmup, 0) => format!("{name} over {} of the steps", settings.warmup_ratio),
        (SchedulerType::ConstantWithWarmup, steps) => format!("{name} over {steps} steps"),
        (_, 0) => format!("{name}, warm-up over {} of the steps", settings.warmup_ratio),
        (_, steps) => format!("{name}, warm-up over {steps} steps"),
    }
}

/// What is off unless a user asks for it, where it is on.
fn unusual(settings: &TuneSettings) -> Vec<(&'static str, String)> {
    let TuneSettings { optimization, regularisation, selection, checkpointing, .. } = settings;
    let strategy = match settings.strategy {
        Strategy::NoFreeze => None,
        Strategy::Freeze => Some("freeze: the head alone".to_string()),
        Strategy::FreezeUnfreeze(epoch) => Some(format!("freeze_unfreeze({epoch}): the head alone, then all")),
        Strategy::UnfreezeMilestones((first, second), layers) => {
            Some(format!("unfreeze_milestones(({first}, {second}), {layers}): the head, the last layers, then all"))
        }
        Strategy::Lora(Lora { rank, alpha, targets }) => {
            Some(format!("lora: the head, and factors of rank {rank}, alpha {alpha}, beside {}", targets.names()))
        }
    };
    let number = |value: f64, off: f64| (value != off).then(|| value.to_string());
    let count = |value: usize| (value != 0).then(|| value.to_string());
    let metric = selection.metric_for_best_model;
    let by_steps = checkpointing.eval_strategy == EvalStrategy::Steps;
    let facts = [
        ("strategy", strategy),
        ("most steps", count(optimization.max_steps)),
        ("layer decay", number(optimization.layer_decay, 1.0)),
        ("mixed precision", optimization.fp16.then(|| "fp16".to_string())),
        ("label smoothing", number(regularisation.label_smoothing_factor, 0.0)),
        ("class weights", (regularisation.class_weights == ClassWeights::Balanced).then(|| "balanced".to_string())),
        ("dropout before the head", number(regularisation.fc_drop_rate, 0.0)),
        ("drop path", number(regularisation.drop_path, 0.0)),
        ("mixup alpha", number(regularisation.mixup, 0.0)),
        ("cutmix alpha", number(regularisation.cutmix, 0.0)),
        ("share of the tokens", number(regularisation.token_keep, 1.0)),
        ("best checkpoint by", (metric != Metric::Accuracy).then(|| metric.name().to_string())),
        ("early stopping patience", count(selection.early_stopping_patience)),
        ("evaluated every", by_steps.then(|| format!("{} steps", checkpointing.eval_steps))),
    ];
    facts.into_iter().filter_map(|(name, fact)| Some((name, fact?))).collect()
}

fn horizontal_flip(settings: &TuneSettings) -> String {
    match (settings.horizontal_flip, settings.unmirrored.as_slice()) {
        (false, _) => "none".into(),
        (true, []) => "half of the clips".into(),
        (true, classes) => format!("half of the clips, none of {}", classes.join(", ")),
    }
}

fn colour_jitter(jitter: &ColourJitter) -> String {
    let ColourJitter { brightness, contrast, saturation, hue, per_frame } = *jitter;
    if [brightness, contrast, saturation, hue].iter().all(|amount| *amount == 0.0) {
        return "none".into();
    }
    let drawn = if per_frame { "frame" } else { "clip" };
    format!("brightness {brightness}, contrast {contrast}, saturation {saturation}, hue {hue}, drawn for each {drawn}")
}
