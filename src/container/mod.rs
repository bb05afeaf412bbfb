//! Containers, as far as mediabunny does not read them.
//!
//! Comes in: a file. Goes out: AVI's packets ([`avi`]) and those of MPEG-4 in transport streams ([`transport`]) in
//! decoding order with times and key flags, VOPs out of packed chunks ([`mpeg4`]), of mp4 what decoding MPEG-4 takes
//! ([`mp4`]) and which pictures are shown ([`edits`]), and of Matroska what is encrypted ([`matroska`]). Plain Rust over
//! [`crate::files`]: fuzzed, and never decodes.

pub mod avi;
pub mod edits;
pub mod matroska;
pub mod mp4;
pub mod mpeg4;
pub mod transport;

use crate::files::FileError;

/// The bytes of one coded picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// When it is shown, in seconds.
    pub time: f64,
    pub key: bool,
    pub data: Vec<u8>,
}

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
