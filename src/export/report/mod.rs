//! A report of a model that prints: one HTML file that needs no other and asks for nothing, or the same for the page.
//!
//! Comes in: a checkpoint and its evaluations. Goes out: HTML with its style and its drawings in it, without a script.
//! Names of classes, files and runs come from users and are texts, never tags ([`crate::drawing::markup`]).

pub mod clips;
mod reliability;
mod results;

use results::{Place, results};
pub(super) use results::{row, table};

use super::dates::date;
use super::facts;
use super::history::{Entry, Logged, history};
use crate::dataset::Split;
use crate::dataset::words::{count, counted};
use crate::drawing::chart::{Chart, Line, Unit};
use crate::drawing::markup::Markup;
use crate::evaluation::Evaluated;
use crate::model::config::VideoMaeConfig;
use crate::storage::Checkpoint;
use crate::train::record::RunRecord;

/// The page's colours and type, and what the report adds.
const STYLE: [&str; 2] = [include_str!("../../../style/base.css"), include_str!("report.css")];

/// The report of a checkpoint: its evaluations, and the run that made it where it was tuned here.
pub fn html(checkpoint: &Checkpoint, config: &VideoMaeConfig, evaluated: &[Evaluated]) -> String {
    let mut page = Markup::default();
    page.own("<!DOCTYPE html>");
    page.element("html", &[("lang", "en")], |page| {
        page.element("head", &[], |page| {
            page.own("<meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
            // A report has no business with anybody: whatever a name might smuggle in, nothing is loaded or run.
            page.own(
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            );
            page.leaf("title", &[], &checkpoint.summary.name);
            style(page);
        });
        page.element("body", &[], |page| {
            page.element("main", &[], |page| {
                head(page, checkpoint, config);
                sections(page, checkpoint.record.as_ref(), evaluated, Place::File);
            });
            page.leaf(
                "footer",
                &[("class", "quiet")],
                "Made by Cliptune on the machine that the videos are on. They were not uploaded.",
            );
        });
    });
    page.finish()
}

/// The same for a shadow root of the page's: its buttons carry the clips that they show as `data-clips`
/// ([`crate::evaluation::Chosen`]), and "save" or "print" as `data-act`.
pub fn for_page(checkpoint: &Checkpoint, evaluated: &[Evaluated]) -> String {
    let mut page = Markup::default();
    style(&mut page);
    page.element("div", &[("class", "page-head")], |page| {
        page.leaf("h2", &[("class", "name")], &checkpoint.summary.name);
        let button =
            |page: &mut Markup, act, words| page.leaf("button", &[("type", "button"), ("data-act", act)], words);
        page.element("div", &[("class", "on-screen")], |page| {
            button(page, "save", "Save the report");
            button(page, "print", "Print");
        });
    });
    sections(&mut page, checkpoint.record.as_ref(), evaluated, Place::Page);
    page.finish()
}

fn style(page: &mut Markup) {
    page.own("<style>");
    STYLE.into_iter().for_each(|style| page.own(style));
    page.own("</style>");
}

fn sections(page: &mut Markup, record: Option<&RunRecord>, evaluated: &[Evaluated], place: Place) {
    evaluated.iter().for_each(|evaluated| results(page, evaluated, place));
    if let Some(record) = record {
        run(page, record);
    }
}

fn head(page: &mut Markup, checkpoint: &Checkpoint, config: &VideoMaeConfig) {
    let summary = &checkpoint.summary;
    page.element("header", &[], |page| {
        page.leaf("p", &[("class", "kind")], "Evaluation report");
        page.leaf("h1", &[("class", "name")], &summary.name);
        page.leaf("p", &[("class", "lead")], &facts::model(summary, config));
        let plain = |text: &str| text.to_string();
        let provenance = facts::provenance(summary, checkpoint.record.is_some(), plain, plain);
        page.leaf("p", &[("class", "quiet")], &provenance);
        if let Some(date) = date(summary.created) {
            page.leaf("p", &[("class", "quiet")], &format!("Saved on {date}."));
        }
    });
}

fn run(page: &mut Markup, record: &RunRecord) {
    page.element("section", &[], |page| {
        page.leaf("h2", &[], "The run");
        page.element("div", &[("class", "charts")], |page| curves(page, record));
        page.element("div", &[("class", "columns")], |page| {
            page.element("div", &[], |page| {
                page.leaf("h3", &[], "Settings");
                page.element("dl", &[("class", "settings")], |page| {
                    for (name, value) in facts::settings(record) {
                        page.element("div", &[], |page| {
                            page.leaf("dt", &[], name);
                            page.leaf("dd", &[("class", "figures name")], &value);
                        });
                    }
                });
            });
            page.element("div", &[], |page| data(page, record));
        });
    });
}

fn curves(page: &mut Markup, record: &RunRecord) {
    let history = history(record);
    let of_steps = |value: fn(f32, f32) -> f32| -> Vec<(f64, f64)> {
        let steps = history.iter().filter_map(|Entry { step, logged, .. }| match logged {
            Logged::Step(logged) => Some((*step as f64, f64::from(value(logged.loss, logged.accuracy)))),
            Logged::Evaluation(_) => None,
        });
        steps.collect()
    };
    let of_epochs = |value: fn(f32, f32) -> f32| -> Vec<(f64, f64)> {
        let epochs = record.epochs.iter().map(|report| {
            (record.steps_until(report.epoch) as f64, f64::from(value(report.train_loss, report.train_accuracy)))
        });
        epochs.collect()
    };
    let of_validation = |value: fn(f32, f32) -> f32| -> Vec<(f64, f64)> {
        let validations = history.iter().filter_map(|Entry { step, logged, .. }| match logged {
            Logged::Evaluation(validation) => {
                Some((*step as f64, f64::from(value(validation.loss, validation.accuracy))))
            }
            Logged::Step(_) => None,
        });
        validations.collect()
    };
    let lines = |value: fn(f32, f32) -> f32, steps: bool| -> Vec<Line<'static>> {
        let raw = steps.then(|| Line { name: "", class: "raw", points: of_steps(value), dots: false });
        let train = Line { name: "training", class: "train", points: of_epochs(value), dots: false };
        let validation = Line { name: "validation", class: "validation", points: of_validation(value), dots: true };
        let lines = raw.into_iter().chain([train, validation]);
        lines.filter(|line| !line.points.is_empty()).collect()
    };
    let steps = record.steps.len();
    let (until, until_label) = (steps as f64, format!("{steps} steps"));
    for chart in [
        Chart {
            title: "Loss",
            lines: lines(|loss, _| loss, true),
            until,
            until_label: until_label.clone(),
            unit: Unit::Loss,
        },
        Chart { title: "Accuracy", lines: lines(|_, accuracy| accuracy, false), until, until_label, unit: Unit::Share },
    ] {
        page.element("figure", &[("class", "chart")], |page| chart.write(page));
    }
}

fn data(page: &mut Markup, record: &RunRecord) {
    page.leaf("h3", &[], "Data");
    table(page, &["class", "train", "validation", "test"], |page| {
        let splits = [Split::Train, Split::Validation, Split::Test];
        let mut counts = vec![[0; 3]; record.data.classes.len()];
        for video in &record.data.videos {
            let split = splits.iter().position(|split| *split == video.split);
            let count = counts.get_mut(video.label).zip(split).and_then(|(counts, split)| counts.get_mut(split));
            if let Some(count) = count {
                *count += 1;
            }
        }
        for (class, counts) in record.data.classes.iter().zip(counts) {
            row(page, &[], class, &counts.map(count));
        }
        row(page, &[("class", "total")], "all", &splits.map(|split| count(record.data.count(split))));
    });
    let recordings = facts::recordings(record);
    if recordings > 0 {
        let recordings = counted(recordings, "recording", "recordings");
        page.leaf("p", &[("class", "quiet")], &format!("Clips of one recording are in one split: {recordings}."));
    }
}
