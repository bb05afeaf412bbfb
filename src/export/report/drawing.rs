//! Curves and reliability diagrams as SVG.
//!
//! Comes in: numbers. Goes out: `figure` elements whose colours the style sheet gives, on the screen and in print.

use std::fmt::Write;

use super::markup::Markup;
use crate::evaluation::Calibration;

/// The drawings' own units; the page scales them.
const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;
/// A chart of more points looks the same.
const MOST_POINTS: usize = 1000;

/// A reliability diagram's square, where it begins, and the strip below it that counts clips.
const SIDE: f64 = 260.0;
const SQUARE_LEFT: f64 = 44.0;
const SQUARE_RIGHT: f64 = 20.0;
const STRIP_TOP: f64 = TOP + SIDE + 14.0;
const STRIP: f64 = 44.0;

/// One line of a chart.
pub struct Line {
    /// Stands in the legend, where it is not empty.
    pub name: &'static str,
    /// Of the style sheet: its colour and weight.
    pub class: &'static str,
    /// x and y, x rising.
    pub points: Vec<(f64, f64)>,
    /// Each point a dot, too.
    pub dots: bool,
}

/// A chart of lines over steps. `top` is the upper end of the vertical axis, a share; without it, one that fits.
pub fn chart(page: &mut Markup, title: &str, lines: &[Line], steps: usize, top: Option<f64>) {
    let words = |value: f64| match top {
        Some(_) => format!("{:.0}%", 100.0 * value),
        None if value >= 10.0 => format!("{value:.0}"),
        None => format!("{value:.2}"),
    };
    let highest = lines.iter().flat_map(|line| line.points.iter().map(|&(_, y)| y));
    let highest = highest.filter(|y| y.is_finite()).fold(0.0, f64::max);
    let (top, step) = top.map_or_else(|| round_top(highest), |top| (top, top / 4.0));
    let x = |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * (value / steps.max(1) as f64).clamp(0.0, 1.0);
    let y = |value: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - (value / top).clamp(0.0, 1.0));
    page.element("figure", &[("class", "chart")], |page| {
        page.element("figcaption", &[], |page| {
            page.leaf("b", &[], title);
            page.element("span", &[("class", "legend")], |page| {
                for line in lines.iter().filter(|line| !line.name.is_empty()) {
                    let last = line.points.last().map_or_else(String::new, |&(_, y)| words(y));
                    page.element("span", &[("class", &format!("key {}", line.class))], |page| {
                        page.text(line.name);
                        page.text(" ");
                        page.leaf("b", &[], &last);
                    });
                }
            });
        });
        drawing(page, title, WIDTH, HEIGHT, |page| {
            for value in (0..=(top / step).round() as usize).map(|line| line as f64 * step) {
                stroke(page, "grid", [LEFT, y(value)], [WIDTH - RIGHT, y(value)]);
                label(page, "end", LEFT - 8.0, y(value) + 4.0, &words(value));
            }
            for line in lines {
                page.element("g", &[("class", &format!("line {}", line.class))], |page| {
                    let points = thinned(&line.points);
                    let mut path = String::with_capacity(points.len() * 14);
                    for (place, (at, value)) in points.iter().enumerate() {
                        let letter = if place == 0 { 'M' } else { 'L' };
                        // Writing to a text cannot fail.
                        let _ = write!(path, "{letter}{:.1} {:.1}", x(*at), y(*value));
                    }
                    page.leaf("path", &[("d", &path)], "");
                    for (at, value) in points.iter().filter(|_| line.dots) {
                        let (cx, cy) = (units(x(*at)), units(y(*value)));
                        page.leaf("circle", &[("cx", &cx), ("cy", &cy), ("r", "3")], "");
                    }
                });
            }
            label(page, "start", LEFT, HEIGHT - 6.0, "0");
            label(page, "end", WIDTH - RIGHT, HEIGHT - 6.0, &format!("{steps} steps"));
        });
    });
}

/// A reliability diagram: for each bin a bar of how often the model is right, the gap to how sure it is, and below how
/// many of the clips are in it (figure 1 of Guo et al.).
pub fn reliability(page: &mut Markup, title: &str, calibration: &Calibration) {
    let x = |share: f64| SQUARE_LEFT + SIDE * share;
    let y = |share: f64| TOP + SIDE * (1.0 - share);
    let bins = calibration.bins.len().max(1) as f64;
    let most = calibration.bins.iter().map(|bin| bin.clips).max().unwrap_or_default().max(1);
    page.element("figure", &[("class", "chart reliability")], |page| {
        page.element("figcaption", &[], |page| {
            page.leaf("b", &[], title);
            let error = format!("ECE {:.1}%", 100.0 * calibration.error);
            page.leaf("span", &[("class", "figures")], &error);
        });
        drawing(page, title, SQUARE_LEFT + SIDE + SQUARE_RIGHT, STRIP_TOP + STRIP + 34.0, |page| {
            for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
                stroke(page, "grid", [x(0.0), y(share)], [x(1.0), y(share)]);
                label(page, "end", SQUARE_LEFT - 8.0, y(share) + 4.0, &format!("{:.0}%", 100.0 * share));
            }
            for (place, bin) in calibration.bins.iter().enumerate().filter(|(_, bin)| bin.clips > 0) {
                let left = x(place as f64 / bins) + 1.0;
                let width = SIDE / bins - 2.0;
                let (low, high) = (bin.accuracy.min(bin.confidence), bin.accuracy.max(bin.confidence));
                let gap = if bin.confidence > bin.accuracy { "over" } else { "under" };
                bar(page, "right", [left, y(low)], [width, SIDE * low]);
                bar(page, gap, [left, y(high)], [width, SIDE * (high - low)]);
                let height = STRIP * bin.clips as f64 / most as f64;
                bar(page, "clips", [left, STRIP_TOP + STRIP - height], [width, height]);
            }
            stroke(page, "ideal", [x(0.0), y(0.0)], [x(1.0), y(1.0)]);
            stroke(page, "grid", [x(0.0), STRIP_TOP + STRIP], [x(1.0), STRIP_TOP + STRIP]);
            label(page, "end", SQUARE_LEFT - 8.0, STRIP_TOP + STRIP, "clips");
            for share in [0.0, 0.5, 1.0] {
                label(page, "middle", x(share), STRIP_TOP + STRIP + 14.0, &format!("{:.0}%", 100.0 * share));
            }
            label(page, "middle", x(0.5), STRIP_TOP + STRIP + 30.0, "how sure the model is");
        });
        page.element("p", &[("class", "legend")], |page| {
            page.leaf("span", &[("class", "key right")], "right, and sure of it");
            page.leaf("span", &[("class", "key over")], "sure, but not right");
            page.leaf("span", &[("class", "key under")], "right, but not sure");
        });
    });
}

fn drawing(page: &mut Markup, title: &str, width: f64, height: f64, inside: impl FnOnce(&mut Markup)) {
    let size = format!("0 0 {width:.0} {height:.0}");
    page.element("svg", &[("viewBox", &size), ("role", "img"), ("aria-label", title)], inside);
}

fn stroke(page: &mut Markup, class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
    let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(units);
    page.leaf("line", &[("class", class), ("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2)], "");
}

fn bar(page: &mut Markup, class: &str, [x, y]: [f64; 2], [width, height]: [f64; 2]) {
    let [x, y, width, height] = [x, y, width, height].map(units);
    page.leaf("rect", &[("class", class), ("x", &x), ("y", &y), ("width", &width), ("height", &height)], "");
}

fn label(page: &mut Markup, anchor: &str, x: f64, y: f64, text: &str) {
    page.leaf("text", &[("class", "tick"), ("text-anchor", anchor), ("x", &units(x)), ("y", &units(y))], text);
}

fn units(value: f64) -> String {
    format!("{value:.1}")
}

/// At most [`MOST_POINTS`]: the lowest and the highest of each run of neighbours, so that no spike is lost.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= MOST_POINTS {
        return points.to_vec();
    }
    let mut kept = Vec::with_capacity(MOST_POINTS);
    for neighbours in points.chunks(points.len().div_ceil(MOST_POINTS / 2)) {
        let low = neighbours.iter().min_by(|one, other| one.1.total_cmp(&other.1));
        let high = neighbours.iter().max_by(|one, other| one.1.total_cmp(&other.1));
        if let (Some(&low), Some(&high)) = (low, high) {
            kept.extend(if low.0 <= high.0 { [low, high] } else { [high, low] });
        }
    }
    kept
}

/// A round number at or above `value`, and a step that divides it into 2 to 5 parts.
fn round_top(value: f64) -> (f64, f64) {
    if !(value > 0.0 && value.is_finite()) {
        return (1.0, 0.5);
    }
    let unit = 10_f64.powf(value.log10().floor());
    let steps = [0.2, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0].map(|step| step * unit);
    let step = steps.into_iter().find(|step| value / step <= 4.0).unwrap_or(unit * 5.0);
    ((value / step).ceil() * step, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_round_and_hold_what_they_show_whatever_the_numbers() {
        for value in [1e-300, 3.7e-5, 0.1, 0.99, 1.0, 2.3, 7.1, 99.0, 1e300] {
            let (top, step) = round_top(value);
            let parts = (top / step).round();
            assert!(top >= value * (1.0 - 1e-9) && (1.0..=5.0).contains(&parts), "{value}: {top} by {step}");
        }
        for strange in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(round_top(strange), (1.0, 0.5));
        }
    }

    #[test]
    fn a_long_curve_keeps_its_spikes() {
        let mut points: Vec<(f64, f64)> = (0..50_000).map(|step| (f64::from(step), 1.0)).collect();
        points[31_007].1 = 9.0;
        let kept = thinned(&points);
        assert!(kept.len() <= MOST_POINTS && kept.contains(&(31_007.0, 9.0)));
        assert!(kept.is_sorted_by(|one, next| one.0 <= next.0));
    }
}
