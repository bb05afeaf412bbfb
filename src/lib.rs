//! Cliptune: fine-tunes VideoMAE on a folder of videos and classifies clips with it, entirely in the browser.
//!
//! Data goes one way: files -> packets -> frames -> clips -> tensors -> logits. Each stage is one module;
//! what a stage needs from the browser stands in a thin adapter beside the plain Rust that `cargo test` runs.

pub mod dataset;
pub mod drawing;
pub mod evaluation;
pub mod model;
pub mod protocol;
pub mod train;

#[cfg(feature = "files")]
pub mod container;
#[cfg(any(feature = "files", feature = "decoders"))]
pub mod decoders;
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "engine")]
pub mod export;
#[cfg(feature = "files")]
pub mod files;
#[cfg(feature = "engine")]
pub mod hub;
#[cfg(feature = "engine")]
pub mod storage;
#[cfg(feature = "files")]
pub mod tensors;
#[cfg(feature = "engine")]
pub mod video;

#[cfg(all(feature = "page", target_family = "wasm"))]
pub mod ui;
