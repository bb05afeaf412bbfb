//! The model card: `README.md` with the front matter that the Hub reads.
//!
//! Comes in: a [`Checkpoint`]. Goes out: Markdown. Says what is known and nothing else; names of classes and runs come
//! from the user and are escaped.

use std::fmt::Write;

use super::facts;
use crate::dataset::Split;
use crate::model::config::VideoMaeConfig;
use crate::protocol::Evaluation;
use crate::storage::Checkpoint;
use crate::train::record::{Outcomes, RunRecord};

/// A confusion matrix of more classes is a table that nobody reads.
const MOST_CLASSES: usize = 30;

/// How the adapters by themselves are used.
const ADAPTER: &str = "The weights have the run's low-rank adapters worked in. `adapter/` holds the adapters and the \
classifier alone, in PEFT's layout, for the weights that the run began with:

```python
from peft import PeftModel
from transformers import VideoMAEForVideoClassification

base = VideoMAEForVideoClassification.from_pretrained(BASE, num_labels=CLASSES, ignore_mismatched_sizes=True)
model = PeftModel.from_pretrained(base, \"FOLDER/adapter\").merge_and_unload()
```

Without `merge_and_unload`, transformers 4 computes queries, keys and values past the adapters; transformers 5 does not.

";

/// The card of a checkpoint.
pub fn card(checkpoint: &Checkpoint, config: &VideoMaeConfig) -> String {
    let mut card = front_matter(checkpoint);
    let summary = &checkpoint.summary;
    section(&mut card, &format!("# {}\n", escaped(&summary.name)));
    section(&mut card, &(facts::model(summary, config) + "\n"));
    section(&mut card, &(facts::provenance(summary, checkpoint.tuned().is_some(), escaped, code) + "\n"));
    if !summary.note.is_empty() {
        let lines: Vec<String> = summary.note.lines().map(escaped).collect();
        section(&mut card, &format!("## Notes\n\n{}\n", lines.join("\n\n")));
    }
    if !summary.labels.is_empty() {
        let labels: Vec<String> = summary.labels.iter().map(|label| escaped(label)).collect();
        section(&mut card, &format!("## Classes\n\n{}\n", labels.join(", ")));
    }
    if let Some(record) = checkpoint.tuned() {
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

fn data(record: &RunRecord) -> String {
    let mut text = String::from("## Data\n\n| class | train | validation | test |\n| --- | ---: | ---: | ---: |\n");
    for (label, class) in record.data.classes.iter().enumerate() {
        let count =
            |split| record.data.videos.iter().filter(|video| video.label == label && video.split == split).count();
        let [train, validation, test] = [Split::Train, Split::Validation, Split::Test].map(count);
        put(&mut text, format_args!("| {} | {train} | {validation} | {test} |\n", escaped(class)));
    }
    match facts::recordings(record) {
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
    let mut text = String::from("## Settings\n\n| setting | value |\n| --- | --- |\n");
    for (name, value) in facts::settings(record) {
        put(&mut text, format_args!("| {name} | {} |\n", escaped(&value)));
    }
    text
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
    if checkpoint.adapter.is_some() {
        text.push_str(ADAPTER);
    }
    if checkpoint.tuned().is_some() {
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

/// A name as Markdown shows it, among words.
fn code(name: &str) -> String {
    format!("`{}`", escaped(name))
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
