//! `Blob`s, in the browser: on disk where they are large, and handed over without a copy in wasm's memory.

use js_sys::{Array, ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use super::{FileError, FileSource, PIECE, Place};

#[wasm_bindgen]
extern "C" {
    /// Reads a `Blob` at once; workers only.
    type FileReaderSync;
    #[wasm_bindgen(constructor, catch)]
    fn new() -> Result<FileReaderSync, JsValue>;
    #[wasm_bindgen(method, catch, js_name = readAsArrayBuffer)]
    fn read(this: &FileReaderSync, blob: &Blob) -> Result<ArrayBuffer, JsValue>;
}

#[derive(Clone, Debug)]
pub struct Outside(Blob);

impl Outside {
    pub async fn read(&self, start: u64, length: u64) -> Result<Vec<u8>, FileError> {
        let buffer = JsFuture::from(self.part(start, length).map_err(access)?.array_buffer()).await;
        Ok(Uint8Array::new(&buffer.map_err(access)?).to_vec())
    }

    pub fn read_blocking(&self, start: u64, length: u64) -> std::io::Result<Vec<u8>> {
        let read = || FileReaderSync::new()?.read(&self.part(start, length)?);
        let buffer = read().map_err(|error| std::io::Error::other(access(error).to_string()))?;
        Ok(Uint8Array::new(&buffer).to_vec())
    }

    /// Cutting a `Blob` takes the browser longer than reading a small one.
    fn part(&self, start: u64, length: u64) -> Result<Blob, JsValue> {
        if start == 0 && length == self.0.size() as u64 {
            return Ok(self.0.clone());
        }
        self.0.slice_with_f64_and_f64(start as f64, (start + length) as f64)
    }
}

impl From<Blob> for FileSource {
    fn from(blob: Blob) -> Self {
        Self { length: blob.size() as u64, start: 0, place: Place::Outside(Outside(blob)) }
    }
}

impl FileSource {
    /// As a `Blob`, to be kept, saved or sent.
    pub fn to_blob(&self) -> Result<Blob, FileError> {
        match &self.place {
            Place::Outside(outside) => outside.part(self.start, self.length).map_err(access),
            Place::Memory(bytes) => blob_of(super::memory(bytes, self.start, self.length).unwrap_or_default()),
        }
    }
}

/// Bytes on their way to a [`FileSource`]: handed to the browser piece by piece, which keeps large ones on disk.
#[derive(Debug, Default)]
pub struct FileSink {
    parts: Array,
    piece: Vec<u8>,
}

impl FileSink {
    pub fn new() -> Self {
        Self::default()
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.add(bytes)
    }

    /// Adds a file's bytes without reading them.
    pub fn append(&mut self, source: &FileSource) -> Result<(), FileError> {
        self.hand_over()?;
        let blob = source.to_blob()?;
        self.parts.push(&blob);
        Ok(())
    }

    pub async fn finish(self) -> Result<FileSource, FileError> {
        self.into_source()
    }

    pub fn into_source(mut self) -> Result<FileSource, FileError> {
        self.hand_over()?;
        Ok(Blob::new_with_blob_sequence(&self.parts).map_err(access)?.into())
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() as u64 >= PIECE { self.hand_over() } else { Ok(()) }
    }

    fn hand_over(&mut self) -> Result<(), FileError> {
        if !self.piece.is_empty() {
            let blob = blob_of(&std::mem::take(&mut self.piece))?;
            self.parts.push(&blob);
        }
        Ok(())
    }
}

impl std::io::Write for FileSink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.add(bytes).map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn blob_of(bytes: &[u8]) -> Result<Blob, FileError> {
    Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(bytes))).map_err(access)
}

pub(super) fn access(error: JsValue) -> FileError {
    let field = |name: &str| js_sys::Reflect::get(&error, &name.into()).ok().and_then(|value| value.as_string());
    match field("name").as_deref() {
        Some("QuotaExceededError") => FileError::Full,
        _ => FileError::Access(field("message").unwrap_or_else(|| format!("{error:?}"))),
    }
}
