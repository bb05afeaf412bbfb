//! A model as one file: a zip in the Hub's layout, which `transformers` opens once it is unpacked.
//!
//! Comes in: named files, or a zip that anybody may have made. Goes out: a zip, or the model's files in one. Never
//! writes to a disk, so names in a zip lead nowhere; stored entries are never copied, and one piece at a time is in
//! memory.

use std::io::{Read, Write};

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::checkpoint::{ADAPTER, ADAPTER_FOLDER, CONFIG, CheckpointError, NamedFile, belongs_to_a_model};
use crate::files::{FileError, FileSink, FileSource, PIECE, SourceReader};

/// Weights hardly shrink and texts are small: whatever grows more than this when unpacked is no model.
const MOST_GROWTH: u64 = 200;

/// Why a file was not exported or imported. Each is the end of a sentence that names the file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ArchiveError {
    #[error(
        "it is not a zip file; choose a model that was exported by Cliptune, or a zip of a Hugging Face model's folder"
    )]
    NotZip,
    #[error("it holds more than one model; zip the folder of one")]
    SeveralModels,
    #[error(
        "{0} in it is compressed in a way that is not known here; zip the files again without compression (zip -0)"
    )]
    Compressed(String),
    #[error("{0} in it is protected by a password; zip the files again without one")]
    Encrypted(String),
    #[error("{entry} in it is damaged ({reason}); copy or download the file again")]
    DamagedEntry { entry: String, reason: String },
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("the zip cannot be written: {0}")]
    Write(String),
}

impl From<FileError> for ArchiveError {
    fn from(error: FileError) -> Self {
        Self::Write(error.to_string())
    }
}

/// One zip of the files in their order: stored, with a fixed date, so that equal files give equal zips.
pub async fn pack(files: &[NamedFile]) -> Result<FileSource, ArchiveError> {
    let wrong = |error: &dyn std::fmt::Display| ArchiveError::Write(error.to_string());
    let mut writer = ZipWriter::new_stream(FileSink::new());
    for (name, file) in files {
        let options = SimpleFileOptions::DEFAULT
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::DEFAULT)
            .large_file(u32::try_from(file.len()).is_err());
        writer.start_file(name, options).map_err(|error| wrong(&error))?;
        let mut at = 0;
        while at < file.len() {
            let end = (at + PIECE).min(file.len());
            writer.write_all(&file.read(at..end).await?).map_err(|error| wrong(&error))?;
            at = end;
        }
    }
    let finished = writer.finish().map_err(|error| wrong(&error))?;
    Ok(finished.into_inner().finish().await?)
}

/// The model's files in a zip: our own export, or any Hub model's, at the top or in one folder. Each entry is read
/// once and its checksum compared.
pub fn unpack(zip: &FileSource) -> Result<Vec<NamedFile>, ArchiveError> {
    let mut archive = ZipArchive::new(zip.reader()).map_err(|_| ArchiveError::NotZip)?;
    let folder = model_folder(&archive)?;
    let names: Vec<String> = archive.file_names().filter_map(|name| Some(name.ok()?.to_string())).collect();
    let mut files = Vec::new();
    for name in names {
        let Some(file) = name.strip_prefix(&folder) else { continue };
        let file = if file == format!("{ADAPTER_FOLDER}/{ADAPTER}") { ADAPTER } else { file };
        if belongs_to_a_model(file) {
            files.push((file.to_string(), entry(&mut archive, zip, &name, file)?));
        }
    }
    Ok(files)
}

/// The folder in the zip that holds the model, with its `/`; empty for the top.
fn model_folder(archive: &ZipArchive<SourceReader>) -> Result<String, ArchiveError> {
    if archive.index_for_name(CONFIG).is_some() {
        return Ok(String::new());
    }
    let mut folders: Vec<String> = archive
        .file_names()
        .filter_map(|name| Some(name.ok()?.strip_suffix(CONFIG)?.to_string()))
        .filter(|folder| folder.ends_with('/') && folder.matches('/').count() == 1 && folder != "__MACOSX/")
        .collect();
    match folders.pop() {
        Some(folder) if folders.is_empty() => Ok(folder),
        Some(_) => Err(ArchiveError::SeveralModels),
        None => Err(CheckpointError::Absent(CONFIG).into()),
    }
}

/// One entry: a part of the zip itself where it is stored, else unpacked.
fn entry(
    archive: &mut ZipArchive<SourceReader>,
    zip: &FileSource,
    name: &str,
    entry: &str,
) -> Result<FileSource, ArchiveError> {
    let damaged = |reason: String| ArchiveError::DamagedEntry { entry: entry.to_string(), reason };
    let mut file = match archive.by_name(name) {
        Ok(file) => file,
        Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => {
            return Err(ArchiveError::Encrypted(entry.to_string()));
        }
        Err(error) => return Err(damaged(error.to_string())),
    };
    let stored = match file.compression() {
        CompressionMethod::Stored => true,
        CompressionMethod::Deflated => false,
        _ => return Err(ArchiveError::Compressed(entry.to_string())),
    };
    // Sizes are only claims.
    let (size, packed) = (file.size(), file.compressed_size());
    if packed > zip.len() || size / MOST_GROWTH > packed {
        return Err(damaged(format!("it claims {size} bytes, more than the file can hold")));
    }
    let start = file.data_start().filter(|_| stored);
    let mut unpacked = FileSink::new();
    let mut piece = vec![0; size.clamp(1, PIECE) as usize];
    let mut read = 0;
    loop {
        // The reader compares the checksum at the entry's end.
        let count = file.read(&mut piece).map_err(|error| damaged(error.to_string()))?;
        if count == 0 {
            break;
        }
        read += count as u64;
        if read > size {
            return Err(damaged(format!("it holds more than the {size} bytes that it claims")));
        }
        if start.is_none() {
            unpacked.write_all(&piece[..count]).map_err(|error| damaged(error.to_string()))?;
        }
    }
    if read != size {
        return Err(damaged(format!("{read} of {size} bytes are there")));
    }
    match start {
        Some(start) => zip.slice(start..start.saturating_add(size)).map_err(|error| damaged(error.to_string())),
        None => unpacked.into_source().map_err(|error| damaged(error.to_string())),
    }
}

/// What an exported checkpoint's file is called: its name in letters, digits, `-` and `_`, and `.zip`.
pub fn file_name(checkpoint_name: &str) -> String {
    format!("{}.zip", plain_name(checkpoint_name).unwrap_or("model".into()))
}

/// A checkpoint's name as every file system takes it; none where nothing of it is left.
pub fn plain_name(checkpoint_name: &str) -> Option<String> {
    let parts: Vec<String> = checkpoint_name
        .split(|character: char| !(character.is_alphanumeric() || character == '-' || character == '_'))
        .filter(|part| !part.is_empty())
        .map(str::to_string)
        .collect();
    // 60 letters of at most 4 bytes stay under every file system's 255.
    let name: String = parts.join("-").chars().take(60).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exported_files_name_is_safe_and_never_empty() {
        assert_eq!(file_name("Sample, epoch 4 (best)"), "Sample-epoch-4-best.zip");
        assert_eq!(file_name("../../etc/passwd"), "etc-passwd.zip");
        assert_eq!(file_name("<script>"), "script.zip");
        assert_eq!(file_name("日本 \u{1F600}"), "日本.zip");
        assert_eq!(file_name("\u{1F600} .. /"), "model.zip");
        assert_eq!(file_name(""), "model.zip");
        assert!(file_name(&"日".repeat(300)).len() < 255);
    }
}
