//! Numbers over steps or epochs -> a line chart in SVG.
//!
//! Comes in: [`Chart`]. Goes out: what stands in its `figure`: a title, a legend with the latest values, and the drawing.

use super::markup::Markup;
use super::svg::{drawing, stroke, tick, units};

/// The drawing's own units; the page scales it.
const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;

/// More points than this do not show on a screen.
const MOST_POINTS: usize = 1000;

/// One line of a chart.
#[derive(Clone, PartialEq)]
pub struct Line<'a> {
    /// Stands in the legend, where it is not empty.
    pub name: &'a str,
    /// Of the style sheet: its colour and weight.
    pub class: &'static str,
    /// x and y, x rising.
    pub points: Vec<(f64, f64)>,
    /// Each point a dot, too.
    pub dots: bool,
}

/// What a chart shows.
#[derive(Clone, PartialEq)]
pub struct Chart<'a> {
    pub title: &'static str,
    pub lines: Vec<Line<'a>>,
    /// The right end of the horizontal axis, and its words.
    pub until: f64,
    pub until_label: String,
    pub unit: Unit,
}

/// What the vertical axis counts; it begins at 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Up to the highest of the points.
    Loss,
    /// Up to all.
    Share,
}

impl Unit {
    fn words(self, value: f64) -> String {
        match self {
            Self::Loss if value >= 10.0 => format!("{value:.0}"),
            Self::Loss => format!("{value:.2}"),
            Self::Share => format!("{:.0}%", value * 100.0),
        }
    }
}

impl Chart<'_> {
    /// Writes what stands in the chart's `figure`.
    pub fn write(&self, page: &mut Markup) {
        let mut spoken = self.title.to_string();
        page.element("figcaption", &[], |page| {
            page.leaf("b", &[], self.title);
            page.element("span", &[("class", "legend")], |page| {
                for line in self.lines.iter().filter(|line| !line.name.is_empty()) {
                    let Some(&(_, latest)) = line.points.last() else { continue };
                    let latest = self.unit.words(latest);
                    [", ", line.name, " ", &latest].into_iter().for_each(|part| spoken.push_str(part));
                    page.element("span", &[("class", &format!("key {}", line.class))], |page| {
                        page.text(line.name);
                        page.text(" ");
                        page.leaf("b", &[], &latest);
                    });
                }
            });
        });
        drawing(page, &spoken, WIDTH, HEIGHT, |page| self.draw(page));
    }

    fn draw(&self, page: &mut Markup) {
        let (top, step) = match self.unit {
            Unit::Share => (1.0, 0.25),
            Unit::Loss => round_top(self.highest()),
        };
        let x =
            |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * (value / self.until.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
        let y = |value: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - (value / top).clamp(0.0, 1.0));
        for value in (0..=(top / step).round() as usize).map(|line| line as f64 * step) {
            stroke(page, "grid", [LEFT, y(value)], [WIDTH - RIGHT, y(value)]);
            tick(page, "end", LEFT - 8.0, y(value) + 4.0, &self.unit.words(value));
        }
        for line in &self.lines {
            page.element("g", &[("class", &format!("line {}", line.class))], |page| {
                let mut points = thinned(&line.points);
                points.retain(|(_, y)| y.is_finite());
                let mut path = String::with_capacity(points.len() * 14);
                for (place, &(at, value)) in points.iter().enumerate() {
                    path.push(if place == 0 { 'M' } else { 'L' });
                    path.push_str(&units(x(at)));
                    path.push(' ');
                    path.push_str(&units(y(value)));
                }
                page.leaf("path", &[("d", &path)], "");
                for &(at, value) in points.iter().filter(|_| line.dots) {
                    page.leaf("circle", &[("cx", &units(x(at))), ("cy", &units(y(value))), ("r", "3")], "");
                }
            });
        }
        tick(page, "start", LEFT, HEIGHT - 6.0, "0");
        tick(page, "end", WIDTH - RIGHT, HEIGHT - 6.0, &self.until_label);
    }

    fn highest(&self) -> f64 {
        let values = self.lines.iter().flat_map(|line| line.points.iter().map(|&(_, y)| y));
        values.filter(|y| y.is_finite()).fold(0.0, f64::max)
    }
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

    #[test]
    fn a_lines_name_is_text_and_its_points_lie_within_the_drawing() {
        let points = vec![(0.0, f64::NAN), (1.0, -3.0), (9.0, 2.0)];
        let line = Line { name: "<b>", class: "train", points, dots: true };
        let chart =
            Chart { title: "Loss", lines: vec![line], until: 2.0, until_label: "2 steps".into(), unit: Unit::Loss };
        let mut page = Markup::default();
        chart.write(&mut page);
        let html = page.finish();
        assert!(html.contains("aria-label=\"Loss, &lt;b&gt; 2.00\"") && !html.contains("<b><b>"), "{html}");
        assert!(html.contains("class=\"key train\"") && html.contains("cx=\"508.0\" cy=\"12.0\""), "{html}");
    }
}
