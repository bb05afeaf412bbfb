//! What a report says of one split: figures, classes, confusions, calibration, and the clips to look at.
//!
//! Comes in: an [`Evaluated`]. Goes out: a `section`. Where the page shows it, what counts or names clips is a button that
//! carries which ([`Chosen`]).

use super::reliability::reliability;
use crate::dataset::Split;
use crate::dataset::words::{count, counted};
use crate::drawing::markup::{Attribute, Markup};
use crate::evaluation::evaluated::ClipOutcome;
use crate::evaluation::{Chosen, Clips, Evaluated};

/// A confusion matrix of more classes is a table that nobody reads: the most frequent confusions stand instead.
const MOST_CLASSES: usize = 30;
/// Confusions in that list.
const CONFUSIONS: usize = 25;
/// Clips in each list.
const CLIPS: usize = 12;
/// Files in the list of what was left out.
const LEFT_OUT: usize = 25;
/// A cell darker than this needs light letters.
const DARK: f64 = 0.55;

/// Where a report is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a file of its own, which has no clips to show.
    File,
    /// On the page, which plays the clips that a button carries.
    Page,
}

/// One split's section.
pub fn results(page: &mut Markup, evaluated: &Evaluated, place: Place) {
    page.element("section", &[], |page| {
        page.leaf("h2", &[], split(evaluated.split));
        let clips = counted(evaluated.clips.len(), "video", "videos");
        page.leaf("p", &[("class", "quiet")], &format!("{clips}, {}.", evaluated.views.words()));
        figures(page, evaluated);
        for warning in &evaluated.warnings {
            page.leaf("p", &[("class", "warning")], warning);
        }
        confusions(page, evaluated, place);
        classes(page, evaluated);
        calibration(page, evaluated);
        page.element("div", &[("class", "columns")], |page| {
            let (wrong, uncertain) = (evaluated.most_wrong(CLIPS), evaluated.most_uncertain(CLIPS));
            clip_list(page, (evaluated, place), ("Most wrong", "loss"), &wrong, |clip| clip.loss);
            clip_list(page, (evaluated, place), ("Most uncertain", "entropy"), &uncertain, |clip| clip.entropy);
        });
        left_out(page, evaluated);
    });
}

pub fn split(split: Split) -> &'static str {
    match split {
        Split::Train => "Training",
        Split::Validation => "Validation",
        Split::Test => "Test",
    }
}

fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

fn figures(page: &mut Markup, evaluated: &Evaluated) {
    let mut figures = vec![("Accuracy", percent(evaluated.accuracy))];
    // Of five classes the label is always among the five likeliest.
    if evaluated.classes.len() > 5 {
        figures.push(("Top-5 accuracy", percent(evaluated.top5)));
    }
    figures.push(("Macro F1", percent(evaluated.macro_average.f1)));
    figures.push(("Loss", format!("{:.4}", evaluated.loss)));
    figures.push(("Calibration error", percent(evaluated.calibration.error)));
    page.element("dl", &[("class", "figure-row")], |page| {
        for (name, value) in figures {
            page.element("div", &[], |page| {
                page.leaf("dt", &[], name);
                page.leaf("dd", &[("class", "figures")], &value);
            });
        }
    });
}

fn confusions(page: &mut Markup, evaluated: &Evaluated, place: Place) {
    page.leaf("h3", &[], "Who is taken for what");
    if evaluated.classes.len() > MOST_CLASSES {
        return frequent_confusions(page, evaluated, place);
    }
    page.element("p", &[("class", "quiet")], |page| {
        page.text("Rows are the true classes, columns what the model said.");
        if place == Place::Page {
            page.leaf("span", &[("class", "on-screen")], " A number shows its videos.");
        }
    });
    page.element("div", &[("class", "wide")], |page| {
        page.element("table", &[("class", "matrix figures")], |page| {
            page.element("thead", &[], |page| {
                page.element("tr", &[], |page| {
                    page.leaf("td", &[], "");
                    for class in &evaluated.classes {
                        page.element("th", &[("scope", "col")], |page| page.leaf("span", &[("class", "name")], class));
                    }
                });
            });
            page.element("tbody", &[], |page| {
                for (label, class) in evaluated.classes.iter().enumerate() {
                    page.element("tr", &[], |page| {
                        page.leaf("th", &[("scope", "row"), ("class", "name")], class);
                        for prediction in 0..evaluated.classes.len() {
                            cell(page, (evaluated, place), (label, prediction));
                        }
                    });
                }
            });
        });
    });
}

fn cell(page: &mut Markup, (evaluated, place): (&Evaluated, Place), (label, prediction): (usize, usize)) {
    let clips = evaluated.cell(label, prediction).len();
    if clips == 0 {
        return page.leaf("td", &[("class", "none")], "·");
    }
    let support = evaluated.by_class.get(label).map_or(clips, |class| class.support);
    let share = clips as f64 / support.max(1) as f64;
    let kind = if label == prediction { "right" } else { "wrong" };
    let class = if share > DARK { format!("{kind} dark") } else { kind.to_string() };
    // Pale cells would look empty.
    let shade = format!("--shade: {:.0}%", 12.0 + 88.0 * share);
    page.element("td", &[("class", &class), ("style", &shade)], |page| {
        cell_count(page, (evaluated, place), (label, prediction));
    });
}

/// How many clips of a class were taken for a class.
fn cell_count(page: &mut Markup, (evaluated, place): (&Evaluated, Place), (label, prediction): (usize, usize)) {
    let clips = evaluated.cell(label, prediction).len();
    let what = format!("{}: {}", counted(clips, "video", "videos"), evaluated.outcome(label, prediction));
    let cell = Clips::Cell { label, prediction };
    leading_to(page, (evaluated, place), cell, &[("title", &what), ("aria-label", &what)], &count(clips));
}

/// A text that, on the page, shows clips.
fn leading_to(
    page: &mut Markup,
    (evaluated, place): (&Evaluated, Place),
    clips: Clips,
    attributes: &[Attribute<'_>],
    text: &str,
) {
    match place {
        Place::File => page.text(text),
        Place::Page => {
            let chosen = Chosen::new(evaluated.split, clips).to_text();
            let button = [("type", "button"), ("data-clips", chosen.as_str())];
            page.leaf("button", &[&button, attributes].concat(), text);
        }
    }
}

fn frequent_confusions(page: &mut Markup, evaluated: &Evaluated, place: Place) {
    let mut cells: Vec<_> = evaluated.confusion.iter().filter(|cell| cell.label != cell.prediction).collect();
    cells.sort_by_key(|cell| std::cmp::Reverse(cell.clips.len()));
    let all = cells.len();
    cells.truncate(CONFUSIONS);
    table(page, &["true class", "taken for", "videos", "of the class"], |page| {
        for cell in &cells {
            let support = evaluated.by_class.get(cell.label).map_or(0, |class| class.support);
            page.element("tr", &[], |page| {
                page.leaf("th", &[("scope", "row"), ("class", "name")], evaluated.class(cell.label));
                page.leaf("td", &[("class", "name")], evaluated.class(cell.prediction));
                page.element("td", &[], |page| {
                    cell_count(page, (evaluated, place), (cell.label, cell.prediction));
                });
                page.leaf("td", &[], &percent(cell.clips.len() as f64 / support.max(1) as f64));
            });
        }
    });
    if all > cells.len() {
        let more = counted(all - cells.len(), "confusion", "confusions");
        page.leaf("p", &[("class", "quiet")], &format!("And {more} more."));
    }
}

fn classes(page: &mut Markup, evaluated: &Evaluated) {
    page.leaf("h3", &[], "Class by class");
    table(page, &["class", "precision", "recall", "F1", "videos", "predicted"], |page| {
        let met = evaluated.classes.iter().zip(&evaluated.by_class);
        // A model may know many classes that these data have nothing of.
        for (class, scores) in met.filter(|(_, scores)| scores.support + scores.predicted > 0) {
            let shares = [scores.precision, scores.recall, scores.f1].map(percent);
            row(page, &[], class, &[&shares[..], &[scores.support, scores.predicted].map(count)].concat());
        }
        let mean = evaluated.macro_average;
        let shares = [mean.precision, mean.recall, mean.f1].map(percent);
        let clips = [evaluated.clips.len(); 2].map(count);
        row(page, &[("class", "total")], "mean of the classes", &[&shares[..], &clips].concat());
    });
}

fn calibration(page: &mut Markup, evaluated: &Evaluated) {
    page.leaf("h3", &[], "Is it as right as it is sure?");
    page.element("div", &[("class", "diagrams")], |page| {
        reliability(page, "As the model says it", &evaluated.calibration);
        if let Some(scaled) = &evaluated.scaled {
            let title = format!("With temperature {:.3}", scaled.temperature.value);
            reliability(page, &title, &scaled.calibration);
        }
    });
    let Some(scaled) = &evaluated.scaled else { return };
    let (from, clips) = (split(scaled.temperature.fitted_on).to_lowercase(), scaled.temperature.clips);
    let of_these = scaled.temperature.fitted_on == evaluated.split;
    let own = if of_these { " It was found with these very videos, so this figure flatters it." } else { "" };
    let clips = counted(clips, "video", "videos");
    page.leaf(
        "p",
        &[("class", "quiet")],
        &format!(
            "The temperature, by which all scores are divided before they become probabilities, was fitted on {clips} of \
             the {from} split. With it the loss is {:.4} instead of {:.4}; what is predicted stays the same.{own}",
            scaled.loss, evaluated.loss
        ),
    );
}

fn clip_list(
    page: &mut Markup,
    (evaluated, place): (&Evaluated, Place),
    (title, unit): (&str, &str),
    clips: &[(usize, &ClipOutcome)],
    value: fn(&ClipOutcome) -> f64,
) {
    page.element("div", &[], |page| {
        page.leaf("h3", &[], title);
        if clips.is_empty() {
            return page.leaf("p", &[("class", "quiet")], "Nothing was classified wrongly.");
        }
        page.element("ol", &[("class", "clips")], |page| {
            for (at, clip) in clips {
                page.element("li", &[], |page| {
                    page.element("span", &[("class", "path")], |page| {
                        leading_to(page, (evaluated, place), Clips::One(*at), &[], &clip.name());
                    });
                    page.leaf("span", &[("class", "figures")], &format!("{unit} {:.3}", value(clip)));
                    page.element("span", &[("class", "quiet")], |page| {
                        page.leaf("span", &[("class", "name")], evaluated.class(clip.label));
                        page.text(if clip.is_right() { ", rightly, " } else { ", taken for " });
                        if !clip.is_right() {
                            page.leaf("span", &[("class", "name")], evaluated.class(clip.prediction));
                            page.text(", ");
                        }
                        page.text(&format!("{} sure", percent(clip.confidence)));
                    });
                });
            }
        });
    });
}

fn left_out(page: &mut Markup, evaluated: &Evaluated) {
    if evaluated.left_out.is_empty() {
        return;
    }
    page.leaf("h3", &[], &format!("Left out: {}", counted(evaluated.left_out.len(), "video", "videos")));
    page.element("ul", &[("class", "clips")], |page| {
        for file in evaluated.left_out.iter().take(LEFT_OUT) {
            page.element("li", &[], |page| {
                page.leaf("span", &[("class", "path")], &file.path);
                page.leaf("span", &[("class", "quiet")], &file.reason);
            });
        }
    });
    if let Some(more) = evaluated.left_out.len().checked_sub(LEFT_OUT).filter(|more| *more > 0) {
        page.leaf("p", &[("class", "quiet")], &format!("And {} more.", count(more)));
    }
}

/// A row of such a table: a name and its figures.
pub fn row(page: &mut Markup, attributes: &[Attribute<'_>], name: &str, figures: &[String]) {
    page.element("tr", attributes, |page| {
        page.leaf("th", &[("scope", "row"), ("class", "name")], name);
        figures.iter().for_each(|figure| page.leaf("td", &[], figure));
    });
}

/// A table of names and figures.
pub fn table(page: &mut Markup, head: &[&str], rows: impl FnOnce(&mut Markup)) {
    page.element("div", &[("class", "wide")], |page| {
        page.element("table", &[("class", "figures")], |page| {
            page.element("thead", &[], |page| {
                page.element("tr", &[], |page| {
                    head.iter().for_each(|name| page.leaf("th", &[("scope", "col")], name));
                });
            });
            page.element("tbody", &[], rows);
        });
    });
}
