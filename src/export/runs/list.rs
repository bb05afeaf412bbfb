//! The list of runs: what each was, how well it did, its note, and what can be done with it.
//!
//! Comes in: [`Run`]s. Goes out: HTML whose controls say by `data-` attributes what they are for; the page listens.

use super::{MOST_COMPARED, Run};
use crate::dataset::words::{count, counted, duration, magnitude, percent};
use crate::drawing::markup::Markup;
use crate::export::dates::moment;
use crate::protocol::Evaluation;
use crate::train::record::RunRecord;
use crate::train::settings::StartFrom;

/// What a button asks for, and its words.
const ACTS: [(&str, &str); 5] = [
    ("use", "Use these settings"),
    ("settings", "Settings file"),
    ("steps", "CSV by step"),
    ("epochs", "CSV by epoch"),
    ("events", "TensorBoard"),
];

/// The list, with those of `compared` ticked, and below it a sentence for each run that cannot be read.
pub fn list(runs: &[Run], damaged: &[String], compared: &[String]) -> String {
    let mut page = Markup::default();
    let best = super::best(runs);
    if runs.is_empty() {
        page.element("div", &[("class", "card empty")], |page| {
            page.leaf("p", &[], "No runs yet. Each fine-tuning shows up here, to be laid over others.");
        });
    } else {
        page.element("ul", &[("class", "checkpoints")], |page| {
            runs.iter().for_each(|run| row(page, run, best.contains(&run.id), compared.contains(&run.id)));
        });
        along(&mut page);
    }
    damaged.iter().for_each(|sentence| page.leaf("p", &[("class", "quiet")], sentence));
    page.finish()
}

fn row(page: &mut Markup, run: &Run, best: bool, compared: bool) {
    let class = if best { "checkpoint best" } else { "checkpoint" };
    let attributes = [("class", class), ("data-testid", "run-row"), ("data-id", &run.id), ("data-best", truth(best))];
    page.element("li", &attributes, |page| {
        page.element("div", &[("class", "checkpoint-name")], |page| {
            page.element("label", &[("class", "check")], |page| {
                let input = [("type", "checkbox"), ("data-compare", run.id.as_str())];
                let ticked = [&input[..], &[("checked", "")]].concat();
                page.void("input", if compared { &ticked } else { &input });
                page.leaf("span", &[("class", "run-name")], &run.name);
            });
            if best {
                let why = "The highest validation accuracy of the runs on these validation clips";
                page.leaf("span", &[("class", "best-mark"), ("title", why)], "Best");
            }
            page.leaf("p", &[("class", "quiet figures")], &about(run));
        });
        page.element("dl", &[("class", "scores figures")], |page| {
            let accuracy = |evaluation: Option<Evaluation>| evaluation.map_or("–".into(), |it| percent(it.accuracy));
            for (name, evaluation) in [("Validation", run.best().map(|(_, best)| best)), ("Test", run.test())] {
                page.element("div", &[], |page| {
                    page.leaf("dt", &[], name);
                    page.leaf("dd", &[], &accuracy(evaluation));
                });
            }
        });
        note(page, run);
        page.element("div", &[("class", "checkpoint-actions")], |page| {
            let tuned = run.record.pretraining.is_none();
            // Settings are those of fine-tuning.
            for (act, words) in ACTS.into_iter().filter(|(act, _)| tuned || !["use", "settings"].contains(act)) {
                let class = if act == "use" { "secondary small" } else { "link" };
                let attributes = [("type", "button"), ("class", class), ("data-act", act), ("data-run", &run.id)];
                page.leaf("button", &attributes, words);
            }
        });
    });
}

fn note(page: &mut Markup, run: &Run) {
    page.element("div", &[("class", "note")], |page| {
        let label = format!("Notes on {}", run.name);
        let attributes = [
            ("rows", "1"),
            ("maxlength", "4000"),
            ("placeholder", "Notes"),
            ("aria-label", label.as_str()),
            ("data-note", run.id.as_str()),
        ];
        page.lines("textarea", &attributes, &run.note);
        page.leaf("p", &[("class", "hint"), ("aria-live", "polite")], "");
    });
}

/// When, from what, how long, on what.
fn about(run: &Run) -> String {
    let record = &run.record;
    let when = moment(run.saved);
    let length = format!("{}, {}", epochs(record), counted(record.steps.len(), "step", "steps"));
    let took = run.seconds().map(duration);
    let weights = format!("{} weights", magnitude(run.parameters));
    let parts = [when, Some(format!("from {}", start(record))), Some(length), took, Some(weights), Some(data(record))];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// `20 epochs`, or `3 of 20 epochs` where it was not trained to its end.
pub fn epochs(record: &RunRecord) -> String {
    let (_, all) = record.settings.length(record.steps_per_epoch);
    let done = record.epochs.len();
    if done < all {
        format!("{} of {}", count(done), counted(all, "epoch", "epochs"))
    } else {
        counted(done, "epoch", "epochs")
    }
}

/// What the weights were at first.
pub fn start(record: &RunRecord) -> String {
    match &record.settings.start {
        StartFrom::Starter => "the starter model for shapes".into(),
        StartFrom::People => "the starter model for people".into(),
        StartFrom::Size(size) => format!("random weights, {}", size.name()),
        StartFrom::Checkpoint(_) if record.origin.source.is_empty() => "a checkpoint".into(),
        StartFrom::Checkpoint(_) => format!("a checkpoint, once {}", record.origin.source),
    }
}

fn data(record: &RunRecord) -> String {
    let clips = counted(record.data.videos.len(), "clip", "clips");
    if record.pretraining.is_some() {
        return format!("{clips} without labels");
    }
    format!("{clips} in {}", counted(record.data.classes.len(), "class", "classes"))
}

/// What the curves below are drawn along.
fn along(page: &mut Markup) {
    page.element("div", &[("class", "along")], |page| {
        page.leaf("p", &[("class", "hint")], &format!("Up to {MOST_COMPARED} runs are drawn over one another, along"));
        for (value, words) in [("epochs", "epochs"), ("steps", "steps")] {
            page.element("label", &[("class", "check")], |page| {
                let input = [("type", "radio"), ("name", "along"), ("data-along", value)];
                let ticked = [&input[..], &[("checked", "")]].concat();
                page.void("input", if value == "epochs" { &ticked } else { &input });
                page.text(words);
            });
        }
    });
}

fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}
