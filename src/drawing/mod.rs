//! HTML and SVG as text, which the page, the engine and reports draw with alike.
//!
//! Comes in: numbers and texts. Goes out: HTML whose colours the style sheets give. Never touches a document.

pub mod chart;
pub mod markup;
pub mod svg;
