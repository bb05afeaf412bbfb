//! Self-supervised pre-training: clips without labels -> an encoder that knows how they move and look.
//!
//! Comes in: [`settings::PretrainSettings`], clips. Goes out: a model, [`events::PretrainEvent`]s, and pictures of what
//! it reconstructs. Never needs a label, and never decodes.

pub mod events;
pub mod settings;

#[cfg(feature = "engine")]
pub mod reconstruction;
#[cfg(feature = "engine")]
pub mod run;
