//! The model card: `README.md` with the front matter that the Hub reads.
//!
//! Comes in: a [`Checkpoint`]. Goes out: Markdown. Says what is known and nothing else; names of classes and runs come
//! from the user and are escaped.

use std::fmt::Write;

use crate::dataset::Split;
use crate::model::config::VideoMaeConfig;
use crate::protocol::{Evaluation, RANDOM_WEIGHTS};
use crate::storage::Checkpoint;
use crate::train::augmentation::{ColourJitter, GUIDE_SIDE};
use crate::train::record::{Outcomes, RunRecord};
use crate::train::settings::TuneSettings;

/// A confusion matrix of more classes is a table that nobody reads.
const MOST_CLASSES: usize = 30;

/// The card of a checkpoint.
pub fn card(checkpoint: &Checkpoint, config: &VideoMaeConfig) -> String {
    let mut card = front_matter(checkpoint);
    let summary = &checkpoint.summary;
    let [frames, height, width] =
        [config.num_frames, config.image_size.height_width()[0], config.image_size.height_width()[1]];
    section(&mut card, &format!("# {}\n", escaped(&summary.name)));
    let kind =
        if summary.labels.is_empty() { "A pre-trained VideoMAE backbone" } else { "A VideoMAE video classifier" };
    section(
        &mut card,
        &format!(
            "{kind} of {} parameters. It looks at {frames} frames of {height} x {width} pixels, spread over {:.2} seconds of video.\n",
            summary.parameters, summary.clip_seconds
        ),
    );
    section(&mut card, &provenance(checkpoint));
    if !summary.labels.is_empty() {
        let labels: Vec<String> = summary.labels.iter().map(|label| escaped(label)).collect();
        section(&mut card, &format!("## Classes\n\n{}\n", labels.join(", ")));
    }
    if let Some(record) = &checkpoint.record {
        section(&mut card, &data(record));
        section(&mut card, &settings(record));
        section(&mut card, &epochs(record));
        let outcomes = [("validation", &record.validation), ("test", &record.test)];
        for (split, outcomes) in outcomes.into_iter().filter_map(|(split, outcomes)| Some((split, outcomes.as_ref()?)))
        {
            section(&mut card, &results(split, outcomes, &record.data.classes));
        }
    }
    section(&mut card, &usage(checkpoint));
    card
}

fn front_matter(checkpoint: &Checkpoint) -> String {
    let summary = &checkpoint.summary;
    let mut front = String::from("---\nlibrary_name: transformers\n");
    if !summary.labels.is_empty() {
        front.push_str("pipeline_tag: video-classification\n");
    }
    if let Some(licence) = &summary.origin.licence {
        put(&mut front, format_args!("license: {}\n", quoted(licence)));
    }
    // Only a repository's name is one that the Hub can link to.
    if summary.origin.revision.is_some() {
        put(&mut front, format_args!("base_model: {}\n", quoted(&summary.origin.source)));
    }
    front.push_str("tags:\n- videomae\n- video-classification\n- cliptune\n");
    let evaluation = summary.test.or(summary.validation);
    if let (Some(evaluation), Some(_)) = (evaluation, &checkpoint.record) {
        let split = if evaluation.split == Split::Test { "test" } else { "validation" };
        put(
            &mut front,
            format_args!(
                "metrics:\n- accuracy\nmodel-index:\n- name: {name}\n  results:\n  - task:\n      type: video-classification\n    \
                 dataset:\n      name: a folder of videos\n      type: videofolder\n      split: {split}\n    metrics:\n    \
                 - type: accuracy\n      value: {:.4}\n",
                evaluation.accuracy,
                name = quoted(&summary.name),
            ),
        );
    }
    front.push_str("---\n");
    front
}

fn provenance(checkpoint: &Checkpoint) -> String {
    let origin = &checkpoint.summary.origin;
    if origin.source == RANDOM_WEIGHTS {
        return "Trained with Cliptune from random weights: nobody else's licence applies to it.\n".into();
    }
    let source = if origin.source.is_empty() { "unknown" } else { &origin.source };
    let revision =
        origin.revision.as_ref().map_or(String::new(), |revision| format!(", revision `{}`", escaped(revision)));
    let licence = match &origin.licence {
        Some(licence) => format!("The weights that it was made from are under `{}`, and so is it.", escaped(licence)),
        None => "No licence is known for the weights that it was made from.".into(),
    };
    let verb = if checkpoint.record.is_some() { "Fine-tuned with Cliptune from" } else { "From" };
    format!("{verb} {}{revision}. {licence}\n", escaped(source))
}

fn data(record: &RunRecord) -> String {
    let mut text = String::from("## Data\n\n| class | train | validation | test |\n| --- | ---: | ---: | ---: |\n");
    for (label, class) in record.data.classes.iter().enumerate() {
        let count =
            |split| record.data.videos.iter().filter(|video| video.label == label && video.split == split).count();
        let [train, validation, test] = [Split::Train, Split::Validation, Split::Test].map(count);
        put(&mut text, format_args!("| {} | {train} | {validation} | {test} |\n", escaped(class)));
    }
    let groups: std::collections::BTreeSet<&String> =
        record.data.videos.iter().filter_map(|video| video.group.as_ref()).collect();
    match groups.len() {
        0 => text.push_str("\nEach file is in one split, as `run.json` lists.\n"),
        count => put(
            &mut text,
            format_args!(
                "\nClips of one recording are in one split: {count} recordings. `run.json` lists every file.\n"
            ),
        ),
    }
    text
}

fn settings(record: &RunRecord) -> String {
    let settings = &record.settings;
    let [least, most] = settings.short_sides;
    let rows = [
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
    ];
    let mut text = String::from("## Settings\n\n| setting | value |\n| --- | --- |\n");
    for (name, value) in rows {
        put(&mut text, format_args!("| {name} | {value} |\n"));
    }
    text
}

fn horizontal_flip(settings: &TuneSettings) -> String {
    let names: Vec<String> = settings.unmirrored.iter().map(|class| escaped(class)).collect();
    match (settings.horizontal_flip, names.as_slice()) {
        (false, _) => "none".into(),
        (true, []) => "half of the clips".into(),
        (true, names) => format!("half of the clips, none of {}", names.join(", ")),
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

fn epochs(record: &RunRecord) -> String {
    let mut text = String::from(
        "## Epochs\n\n| epoch | training loss | training accuracy | validation loss | validation accuracy |\n| ---: | ---: | ---: | ---: | ---: |\n",
    );
    for report in &record.epochs {
        let (loss, accuracy) = match report.validation {
            Some(Evaluation { loss, accuracy, .. }) => (format!("{loss:.4}"), format!("{accuracy:.4}")),
            None => ("–".into(), "–".into()),
        };
        put(
            &mut text,
            format_args!(
                "| {} | {:.4} | {:.4} | {loss} | {accuracy} |\n",
                report.epoch, report.train_loss, report.train_accuracy
            ),
        );
    }
    text
}

fn results(split: &str, outcomes: &Outcomes, classes: &[String]) -> String {
    let Evaluation { loss, accuracy, videos, .. } = outcomes.evaluation;
    let mut text = format!("## Results on {split}\n\nAccuracy {accuracy:.4}, loss {loss:.4}, on {videos} videos.\n");
    if classes.len() <= MOST_CLASSES {
        let names: Vec<String> = classes.iter().map(|class| escaped(class)).collect();
        put(
            &mut text,
            format_args!("\nRows are the true classes, columns what the model said.\n\n| | {} |\n", names.join(" | ")),
        );
        put(&mut text, format_args!("| --- |{}\n", " ---: |".repeat(classes.len())));
        for (name, row) in names.iter().zip(&outcomes.confusion) {
            let counts: Vec<String> = row.iter().map(u32::to_string).collect();
            put(&mut text, format_args!("| {name} | {} |\n", counts.join(" | ")));
        }
    }
    text
}

fn usage(checkpoint: &Checkpoint) -> String {
    let mut text = String::from("## Use\n\n");
    if !checkpoint.summary.labels.is_empty() {
        text.push_str(
            "```python\nfrom transformers import pipeline\n\nclassify = pipeline(\"video-classification\", model=\"FOLDER\")\nprint(classify(\"clip.mp4\"))\n```\n\n",
        );
    }
    if checkpoint.record.is_some() {
        text.push_str("`train.py` goes on with the run on any machine: `python train.py --data FOLDER`, or `torchrun --nproc_per_node=8 train.py --data FOLDER`.\n\n");
    }
    text.push_str("In a browser, without an upload: import the folder or its zip in Cliptune.\n");
    text
}

fn section(card: &mut String, text: &str) {
    card.push('\n');
    card.push_str(text);
}

/// Writing to a `String` cannot fail.
fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(arguments);
}

/// A YAML string: JSON's are.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Text as Markdown shows it, in a table too.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if "\\`*_{}[]<>()#+!|".contains(character) {
            escaped.push('\\');
        }
        escaped.push(if character.is_control() { ' ' } else { character });
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_users_stay_text() {
        assert_eq!(escaped("a|b <script>\n*"), "a\\|b \\<script\\> \\*");
        assert_eq!(quoted("run: \"one\"\n---"), "\"run: \\\"one\\\"\\n---\"");
    }
}
