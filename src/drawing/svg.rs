//! The few shapes that the drawings are made of.

use super::markup::Markup;

/// A drawing in units of its own, which the page scales. `label` says what it shows to those who do not see it.
pub fn drawing(page: &mut Markup, label: &str, width: f64, height: f64, inside: impl FnOnce(&mut Markup)) {
    let size = format!("0 0 {width:.0} {height:.0}");
    page.element("svg", &[("viewBox", &size), ("role", "img"), ("aria-label", label)], inside);
}

pub fn stroke(page: &mut Markup, class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
    let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(units);
    page.leaf("line", &[("class", class), ("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2)], "");
}

/// Words at an axis; `anchor` is where of them x is.
pub fn tick(page: &mut Markup, anchor: &str, x: f64, y: f64, text: &str) {
    page.leaf("text", &[("class", "tick"), ("text-anchor", anchor), ("x", &units(x)), ("y", &units(y))], text);
}

pub fn units(value: f64) -> String {
    format!("{value:.1}")
}
