//! Reliability diagrams as SVG.
//!
//! Comes in: a model's calibration. Goes out: a `figure` whose colours the style sheet gives, on the screen and in print.

use crate::drawing::markup::Markup;
use crate::drawing::svg::{drawing, stroke, tick, units};
use crate::evaluation::Calibration;

/// The diagram's square, where it begins, and the strip below it that counts clips.
const TOP: f64 = 12.0;
const SIDE: f64 = 260.0;
const SQUARE_LEFT: f64 = 44.0;
const SQUARE_RIGHT: f64 = 20.0;
const STRIP_TOP: f64 = TOP + SIDE + 14.0;
const STRIP: f64 = 44.0;

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
                tick(page, "end", SQUARE_LEFT - 8.0, y(share) + 4.0, &format!("{:.0}%", 100.0 * share));
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
            tick(page, "end", SQUARE_LEFT - 8.0, STRIP_TOP + STRIP, "clips");
            for share in [0.0, 0.5, 1.0] {
                tick(page, "middle", x(share), STRIP_TOP + STRIP + 14.0, &format!("{:.0}%", 100.0 * share));
            }
            tick(page, "middle", x(0.5), STRIP_TOP + STRIP + 30.0, "how sure the model is");
        });
        page.element("p", &[("class", "legend")], |page| {
            page.leaf("span", &[("class", "key right")], "right, and sure of it");
            page.leaf("span", &[("class", "key over")], "sure, but not right");
            page.leaf("span", &[("class", "key under")], "right, but not sure");
        });
    });
}

fn bar(page: &mut Markup, class: &str, [x, y]: [f64; 2], [width, height]: [f64; 2]) {
    let [x, y, width, height] = [x, y, width, height].map(units);
    page.leaf("rect", &[("class", class), ("x", &x), ("y", &y), ("width", &width), ("height", &height)], "");
}
