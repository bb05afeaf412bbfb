//! The engine's jobs: import, preview, tune, evaluate, classify, and keeping checkpoints.
//!
//! Comes in: [`crate::protocol::Command`]s with file handles. Goes out: [`crate::protocol::Event`]s. The jobs are plain
//! Rust over a [`crate::storage::CheckpointStore`]; `worker/` speaks to the page and `bin/cliptune.rs` to a terminal.
//! Owns the device, the decoders and the models; never touches the page.

pub mod ahead;
pub mod attention_map;
pub mod brake;
pub mod classification;
pub mod clock;
#[cfg(target_family = "wasm")]
pub mod constructors;
pub mod contents;
pub mod device;
pub mod evaluation;
pub mod fit;
pub mod folder;
pub mod import;
pub mod loaded;
pub mod models;
pub mod pretraining;
pub mod probe;
pub mod review;
pub mod starter;
pub mod tuning;
#[cfg(target_family = "wasm")]
pub mod worker;
