//! Numbers over steps or epochs -> a small line chart in SVG.

use leptos::prelude::*;

/// The drawing's own units; the page scales it.
const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;

/// More points than this do not show on a screen.
const MOST_POINTS: usize = 1000;

/// One line or set of dots.
#[derive(Clone, PartialEq)]
pub struct Series {
    pub name: &'static str,
    /// The style sheet's class: its colour and weight.
    pub class: &'static str,
    /// x and y, x rising.
    pub points: Vec<(f64, f64)>,
    /// Each point a dot, too.
    pub dots: bool,
}

/// What a chart shows.
#[derive(Clone, PartialEq)]
pub struct Drawing {
    pub series: Vec<Series>,
    /// The right end of the horizontal axis, and its words.
    pub until: f64,
    pub until_label: String,
    /// The vertical axis from 0; none fits it to the points.
    pub top: Option<f64>,
    pub unit: Unit,
}

/// What the vertical axis counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Loss,
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

/// At most [`MOST_POINTS`]: the lowest and the highest of each run of neighbours, so that no spike is lost.
fn decimate(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= MOST_POINTS {
        return points.to_vec();
    }
    let run = points.len().div_ceil(MOST_POINTS / 2);
    let mut kept = Vec::with_capacity(MOST_POINTS);
    for neighbours in points.chunks(run) {
        let low = neighbours.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        let high = neighbours.iter().max_by(|a, b| a.1.total_cmp(&b.1));
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
    let steps = [0.2, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0];
    let step = steps.into_iter().map(|step| step * unit).find(|step| value / step <= 4.0).unwrap_or(unit * 5.0);
    ((value / step).ceil() * step, step)
}

struct Scale {
    until: f64,
    top: f64,
}

impl Scale {
    fn x(&self, x: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (x / self.until.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
    }

    fn y(&self, y: f64) -> f64 {
        TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - (y / self.top).clamp(0.0, 1.0))
    }

    fn path(&self, points: &[(f64, f64)]) -> String {
        use std::fmt::Write;
        let mut path = String::with_capacity(points.len() * 14);
        for (index, &(x, y)) in decimate(points).iter().enumerate() {
            let letter = if index == 0 { 'M' } else { 'L' };
            // Writing to a string cannot fail.
            let _ = write!(path, "{letter}{:.1} {:.1}", self.x(x), self.y(y));
        }
        path
    }
}

#[component]
pub fn Chart(title: &'static str, drawing: Memo<Drawing>) -> impl IntoView {
    let summary = move || {
        drawing.with(|drawing| {
            let latest = drawing.series.iter().filter_map(|series| {
                series.points.last().map(|&(_, y)| format!("{} {}", series.name, drawing.unit.words(y)))
            });
            format!("{title}: {}", latest.collect::<Vec<_>>().join(", "))
        })
    };
    view! {
        <figure class="chart">
            <figcaption>
                <span class="chart-title">{title}</span>
                <span class="legend">
                    {move || drawing.with(|drawing| drawing.series.iter().filter(|series| !series.name.is_empty()).map(|series| {
                        let now = series.points.last().map(|&(_, y)| drawing.unit.words(y));
                        view! { <span class=format!("key {}", series.class)>{series.name}" "<b>{now}</b></span> }
                    }).collect_view())}
                </span>
            </figcaption>
            <svg viewBox=format!("0 0 {WIDTH} {HEIGHT}") role="img" aria-label=summary>
                {move || drawing.with(draw)}
            </svg>
        </figure>
    }
}

fn draw(drawing: &Drawing) -> impl IntoView + use<> {
    let highest = drawing.series.iter().flat_map(|series| series.points.iter().map(|&(_, y)| y));
    let highest = highest.filter(|y| y.is_finite()).fold(0.0, f64::max);
    let (top, step) = drawing.top.map_or_else(|| round_top(highest), |top| (top, top / 4.0));
    let scale = Scale { until: drawing.until, top };
    let lines = (0..=(top / step).round() as usize).map(|line| {
        let value = line as f64 * step;
        let y = scale.y(value);
        view! {
            <line class="grid" x1=LEFT x2=WIDTH - RIGHT y1=y y2=y/>
            <text class="tick" x=LEFT - 8.0 y=y + 4.0 text-anchor="end">{drawing.unit.words(value)}</text>
        }
    });
    let series = drawing.series.iter().map(|series| {
        let path = scale.path(&series.points);
        let dots = if series.dots { decimate(&series.points) } else { Vec::new() };
        view! {
            <g class=format!("series {}", series.class)>
                <path d=path/>
                {dots.into_iter().map(|(x, y)| view! { <circle cx=scale.x(x) cy=scale.y(y) r="3"/> }).collect_view()}
            </g>
        }
    });
    view! {
        {lines.collect_view()}
        {series.collect_view()}
        <text class="tick" x=LEFT y=HEIGHT - 6.0>"0"</text>
        <text class="tick" x=WIDTH - RIGHT y=HEIGHT - 6.0 text-anchor="end">{drawing.until_label.clone()}</text>
    }
}
