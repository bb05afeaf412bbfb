//! A video file that the user gave, or a part of one.
//!
//! Comes in: a key and where the file lies: a path natively, a `File` in the browser. Goes out: its name and its bytes.
//! Never reads it by itself.

use crate::dataset::Part;
use crate::files::{FileError, FileSource};

#[cfg(target_family = "wasm")]
type Place = web_sys::File;
#[cfg(not(target_family = "wasm"))]
type Place = std::path::PathBuf;

/// Copies share the file.
#[derive(Clone, Debug, PartialEq)]
pub struct VideoSource {
    key: String,
    pub(super) file: Place,
    part: Option<Part>,
}

impl VideoSource {
    /// `key` tells this file from every other, and from itself with other contents: its path and size will do.
    pub fn new(key: impl Into<String>, file: impl Into<Place>) -> Self {
        Self { key: key.into(), file: file.into(), part: None }
    }

    /// The same file, of which a part is meant.
    pub fn of_part(&self, part: Part) -> Self {
        let key = format!("{}, {} to {} s", self.key, part.start, part.end);
        Self { key, part: Some(part), ..self.clone() }
    }

    pub fn part(&self) -> Option<Part> {
        self.part
    }

    pub fn key(&self) -> &str {
        &self.key
    }
}

#[cfg(target_family = "wasm")]
impl VideoSource {
    /// The file's own name.
    pub fn name(&self) -> String {
        self.file.name()
    }

    /// The file's bytes, whatever they are.
    pub fn bytes(&self) -> Result<FileSource, FileError> {
        Ok(web_sys::Blob::from(self.file.clone()).into())
    }
}

#[cfg(not(target_family = "wasm"))]
impl VideoSource {
    /// The file's own name.
    pub fn name(&self) -> String {
        self.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The file's bytes, whatever they are.
    pub fn bytes(&self) -> Result<FileSource, FileError> {
        FileSource::open(&self.file)
    }
}
