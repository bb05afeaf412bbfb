//! Runs over one another: their curves, what they reached, and in what their settings differ.
//!
//! Comes in: [`Run`]s. Goes out: HTML, in which each run has a colour of its own.

use super::list::{epochs, start};
use super::{MOST_COMPARED, Run};
use crate::dataset::Split;
use crate::dataset::words::{count, duration, percent};
use crate::drawing::chart::{Chart, Line, Unit};
use crate::drawing::markup::Markup;
use crate::export::facts;
use crate::export::history::{Logged, history};
use crate::export::report::table;
use crate::protocol::{Along, Evaluation};
use crate::train::record::RunRecord;

/// The style sheet's colours, in the runs' order.
const COLOURS: [&str; MOST_COMPARED] = ["run-1", "run-2", "run-3", "run-4", "run-5", "run-6"];
/// Weight of the past in the smoothed loss.
const SMOOTHING: f64 = 0.9;
/// A line of more points is drawn without dots.
const MOST_DOTS: usize = 60;

/// The runs with these ids, in the order of `runs`. The first few, where they are too many.
pub fn comparison(runs: &[Run], compared: &[String], along: Along) -> String {
    let mut page = Markup::default();
    let best = super::best(runs);
    let chosen = runs.iter().filter(|run| compared.contains(&run.id));
    let chosen: Vec<(&Run, &'static str)> = chosen.zip(COLOURS).collect();
    if chosen.is_empty() {
        let words = if runs.is_empty() { "" } else { "Tick runs above to lay their curves over one another." };
        page.leaf("p", &[("class", "quiet")], words);
        return page.finish();
    }
    curves(&mut page, &chosen, along);
    page.leaf("h2", &[], "Results");
    results(&mut page, &chosen, |run| best.contains(&run.id));
    settings(&mut page, &chosen);
    page.finish()
}

/// A chart, and what of a run it shows: optimizer steps and values, none where the run has no such.
struct Curve {
    title: &'static str,
    unit: Unit,
    dots: bool,
    points: fn(&RunRecord) -> Vec<(usize, f64)>,
}

const CURVES: [Curve; 5] = [
    Curve {
        title: "Validation accuracy",
        unit: Unit::Share,
        dots: true,
        points: |record| of_validations(record, |evaluation| evaluation.accuracy),
    },
    Curve {
        title: "Validation loss",
        unit: Unit::Loss,
        dots: true,
        points: |record| of_validations(record, |evaluation| evaluation.loss),
    },
    Curve {
        title: "Training loss",
        unit: Unit::Loss,
        dots: false,
        points: |record| if is_tuned(record) { smoothed(record) } else { Vec::new() },
    },
    Curve {
        title: "Training accuracy",
        unit: Unit::Share,
        dots: true,
        points: |record| if is_tuned(record) { of_epochs(record) } else { Vec::new() },
    },
    Curve {
        title: "Reconstruction loss",
        unit: Unit::Loss,
        dots: false,
        points: |record| if is_tuned(record) { Vec::new() } else { smoothed(record) },
    },
];

fn curves(page: &mut Markup, runs: &[(&Run, &'static str)], along: Along) {
    let place = |record: &RunRecord, step: usize| match along {
        Along::Steps => step as f64,
        Along::Epochs => step as f64 / record.steps_per_epoch.max(1) as f64,
    };
    page.element("div", &[("class", "charts")], |page| {
        for Curve { title, unit, dots, points } in CURVES {
            let lines = runs.iter().map(|(run, class)| {
                let points = points(&run.record).into_iter().map(|(step, y)| (place(&run.record, step), y));
                let points: Vec<(f64, f64)> = points.collect();
                Line { name: &run.name, class, dots: dots && points.len() <= MOST_DOTS, points }
            });
            let lines: Vec<Line<'_>> = lines.filter(|line| !line.points.is_empty()).collect();
            let until = lines.iter().filter_map(|line| line.points.last()).map(|&(x, _)| x).fold(0.0, f64::max);
            let until_label = match along {
                Along::Steps => format!("step {}", count(until as usize)),
                Along::Epochs => format!("epoch {}", count(until.ceil() as usize)),
            };
            if !lines.is_empty() {
                let chart = Chart { title, lines, until, until_label, unit };
                page.element("figure", &[("class", "chart")], |page| chart.write(page));
            }
        }
    });
}

fn is_tuned(record: &RunRecord) -> bool {
    record.pretraining.is_none()
}

fn of_validations(record: &RunRecord, of: fn(&Evaluation) -> f32) -> Vec<(usize, f64)> {
    let validations = history(record).into_iter().filter_map(|entry| match entry.logged {
        Logged::Evaluation(evaluation) => Some((entry.step, f64::from(of(&evaluation)))),
        Logged::Step(_) => None,
    });
    validations.collect()
}

fn of_epochs(record: &RunRecord) -> Vec<(usize, f64)> {
    record.epochs.iter().map(|report| (record.steps_until(report.epoch), f64::from(report.train_accuracy))).collect()
}

fn smoothed(record: &RunRecord) -> Vec<(usize, f64)> {
    let mut past: Option<f64> = None;
    let smooth = record.steps.iter().map(|step| {
        let loss = f64::from(step.loss);
        *past.insert(past.map_or(loss, |past| SMOOTHING * past + (1.0 - SMOOTHING) * loss))
    });
    smooth.enumerate().map(|(index, loss)| (index + 1, loss)).collect()
}

fn results(page: &mut Markup, runs: &[(&Run, &'static str)], is_best: impl Fn(&Run) -> bool) {
    let head = [
        "run",
        "validation",
        "loss",
        "at epoch",
        "test",
        "length",
        "steps",
        "time",
        "weights",
        "training clips",
        "classes",
    ];
    table(page, &head, |page| {
        for (run, class) in runs {
            let record = &run.record;
            let best = run.best();
            let figures = [
                best.map(|(_, best)| percent(best.accuracy)),
                best.map(|(_, best)| format!("{:.4}", best.loss)),
                best.map(|(epoch, _)| ((epoch * 10.0).round() / 10.0).to_string()),
                run.test().map(|test| percent(test.accuracy)),
                Some(epochs(record)),
                Some(count(record.steps.len())),
                run.seconds().map(duration),
                Some(count(run.parameters)),
                Some(count(record.data.count(Split::Train))),
                Some(count(record.data.classes.len())),
            ];
            page.element("tr", &[("data-testid", "result-row"), ("data-id", &run.id)], |page| {
                page.element("th", &[("scope", "row")], |page| {
                    page.leaf("span", &[("class", &format!("key {class}"))], &run.name);
                    if is_best(run) {
                        page.leaf("span", &[("class", "best-mark")], "Best");
                    }
                });
                for figure in figures {
                    page.leaf("td", &[], &figure.unwrap_or_else(|| "–".into()));
                }
            });
        }
    });
}

/// Those that differ, then, folded away, those that do not.
fn settings(page: &mut Markup, runs: &[(&Run, &'static str)]) {
    let (differing, alike): (Vec<_>, Vec<_>) =
        rows(runs).into_iter().partition(|(_, values)| values.iter().any(|value| Some(value) != values.first()));
    if !differing.is_empty() {
        page.leaf("h2", &[], "Settings that differ");
        page.element("div", &[("class", "wide")], |page| {
            page.element("table", &[("class", "figures"), ("data-testid", "differing")], |page| {
                page.element("thead", &[], |page| {
                    page.element("tr", &[], |page| {
                        page.leaf("th", &[("scope", "col")], "setting");
                        for (run, class) in runs {
                            page.element("th", &[("scope", "col")], |page| {
                                page.leaf("span", &[("class", &format!("key {class}"))], &run.name);
                            });
                        }
                    })
                });
                page.element("tbody", &[], |page| differing.iter().for_each(|row| setting(page, row)));
            });
        });
    }
    let title = match (runs.len(), alike.len()) {
        (1, _) => "Its settings".to_string(),
        (_, alike) => format!("{alike} settings alike"),
    };
    page.element("details", &[], |page| {
        page.leaf("summary", &[], &title);
        page.element("table", &[("class", "figures")], |page| {
            page.element("tbody", &[], |page| {
                alike.into_iter().for_each(|(name, values)| {
                    setting(page, &(name, values.into_iter().take(1).collect()));
                });
            });
        });
    });
}

fn setting(page: &mut Markup, (name, values): &(&'static str, Vec<String>)) {
    page.element("tr", &[], |page| {
        page.leaf("th", &[("scope", "row")], name);
        values.iter().for_each(|value| page.leaf("td", &[], value));
    });
}

/// Each setting that any of the runs has, with each run's value.
fn rows(runs: &[(&Run, &'static str)]) -> Vec<(&'static str, Vec<String>)> {
    let of_runs: Vec<Vec<(&'static str, String)>> = runs.iter().map(|(run, _)| facts_of(run)).collect();
    let mut names: Vec<&'static str> = Vec::new();
    for (name, _) in of_runs.iter().flatten() {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let value = |facts: &Vec<(&str, String)>, name| {
        facts.iter().find(|(other, _)| *other == name).map_or_else(|| "–".into(), |(_, value)| value.clone())
    };
    names.into_iter().map(|name| (name, of_runs.iter().map(|facts| value(facts, name)).collect())).collect()
}

fn facts_of(run: &Run) -> Vec<(&'static str, String)> {
    let mut all = vec![("start", start(&run.record))];
    all.extend(facts::settings(&run.record));
    let clips = |split| count(run.record.data.count(split));
    let splits = [Split::Train, Split::Validation, Split::Test].map(clips).join(" / ");
    all.push(("clips to train, validate and test on", splits));
    if is_tuned(&run.record) {
        all.push(("classes", run.record.data.classes.join(", ")));
    }
    all
}
