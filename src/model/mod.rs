//! VideoMAE (Tong et al., 2022) for video classification and for its pre-training, as Hugging Face transformers computes
//! it.
//!
//! Comes in: `pixel_values` [B, T, C, H, W]. Goes out: logits [B, K], or hidden patches. Never touches files or the
//! browser.

pub mod config;

#[cfg(feature = "engine")]
pub mod attention;
#[cfg(feature = "engine")]
pub mod classifier;
#[cfg(feature = "engine")]
pub mod dropping;
#[cfg(feature = "engine")]
pub mod embedding;
#[cfg(feature = "engine")]
pub mod encoder;
#[cfg(feature = "engine")]
pub mod masking;
#[cfg(feature = "engine")]
pub mod norm;
#[cfg(feature = "engine")]
pub mod pretraining;
#[cfg(feature = "engine")]
mod projection;
#[cfg(feature = "engine")]
pub mod read_back;
#[cfg(feature = "engine")]
pub mod rollout;
#[cfg(feature = "engine")]
pub mod weights;
