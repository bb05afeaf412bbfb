//! Fine-tuning: settings, schedule, optimizer, loop, metrics.
//!
//! Comes in: clips and labels. Goes out: a trained model and a stream of [`crate::protocol::TuneEvent`]s.
//! Never decodes, and never waits for the device except to read one small tensor a step.

pub mod augmentation;
pub mod pretraining;
pub mod record;
pub mod settings;

#[cfg(feature = "engine")]
pub mod data_parallel;
#[cfg(feature = "engine")]
pub mod evaluate;
#[cfg(feature = "engine")]
pub mod features;
#[cfg(feature = "engine")]
pub mod feed;
#[cfg(feature = "engine")]
pub mod kept_features;
#[cfg(feature = "engine")]
pub mod lesson;
#[cfg(feature = "engine")]
pub mod lora;
#[cfg(feature = "engine")]
pub mod loss_scale;
#[cfg(feature = "engine")]
pub mod mixing;
#[cfg(feature = "engine")]
pub mod objective;
#[cfg(feature = "engine")]
pub mod optimizer;
#[cfg(feature = "engine")]
pub mod pace;
#[cfg(feature = "engine")]
pub mod recomputing;
#[cfg(feature = "engine")]
pub mod replica;
#[cfg(feature = "engine")]
pub mod run;
#[cfg(feature = "engine")]
pub mod schedule;
#[cfg(feature = "engine")]
pub mod strategy;
