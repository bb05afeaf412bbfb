//! A video file of a kind that mediabunny does not read -> packets, or what decoding them takes.
//!
//! Comes in: a file. Goes out: packets in decoding order with times and key flags ([`avi`]), VOPs out of packed chunks
//! ([`mpeg4`]), and a codec configuration ([`esds`]). Plain Rust over [`crate::files`]: fuzzed, and never decodes.

pub mod avi;
pub mod esds;
pub mod mpeg4;

use crate::files::FileError;

/// Why a container cannot be read: the middle of a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContainerError {
    #[error("{0}")]
    Damaged(&'static str),
    #[error("{0}")]
    Unreadable(String),
}

impl From<FileError> for ContainerError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::TooShort { .. } => Self::Damaged("it ends before the video does"),
            other => Self::Unreadable(other.to_string()),
        }
    }
}
