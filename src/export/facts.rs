//! What a model card and a report both say of a checkpoint, in words.
//!
//! Comes in: a record, a summary. Goes out: plain text, whose form knows nothing of Markdown and HTML; whoever writes it
//! down escapes it.

use std::collections::BTreeSet;

use crate::model::config::VideoMaeConfig;
use crate::protocol::{CheckpointSummary, RANDOM_WEIGHTS};
use crate::train::augmentation::{ColourJitter, GUIDE_SIDE};
use crate::train::record::RunRecord;
use crate::train::settings::TuneSettings;

/// What the model is and looks at; a sentence or two.
pub fn model(summary: &CheckpointSummary, config: &VideoMaeConfig) -> String {
    let [height, width] = config.image_size.height_width();
    let kind =
        if summary.labels.is_empty() { "A pre-trained VideoMAE backbone" } else { "A VideoMAE video classifier" };
    format!(
        "{kind} of {} parameters. It looks at {} frames of {height} x {width} pixels, spread over {:.2} seconds of video.",
        summary.parameters, config.num_frames, summary.clip_seconds
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
    vec![
        ("epochs", settings.epochs.to_string()),
        ("batch size", settings.batch.to_string()),
        ("gradient accumulation steps", settings.accumulation.to_string()),
        ("learning rate", format!("{:e}", settings.learning_rate)),
        ("schedule", format!("linear, warm-up over {} of the steps", settings.warmup_ratio)),
        ("optimizer", "AdamW, betas 0.9 and 0.999, epsilon 1e-8".to_string()),
        ("weight decay", settings.weight_decay.to_string()),
        ("gradient norm", settings.max_grad_norm.to_string()),
        ("horizontal flip", horizontal_flip(settings)),
        ("short side before the crop", format!("{least} to {most} pixels, for pictures of {GUIDE_SIDE}")),
        ("colour jitter", colour_jitter(&settings.colour_jitter)),
        ("clip length", format!("{:.3} s", settings.clip_seconds)),
        ("seed", settings.seed.to_string()),
    ]
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
