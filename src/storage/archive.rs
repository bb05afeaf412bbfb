//! A checkpoint as one file: a zip in the Hub's layout, which `transformers` opens once it is unpacked.
//!
//! Comes in: a [`Checkpoint`], or the bytes of a zip that anybody may have made. Goes out: the bytes of a zip, or a
//! checkpoint whose files fit together. Never writes to a disk, so names in a zip lead nowhere; never holds more
//! than the file's own size beside the file.

use std::io::{Cursor, Read, Write};

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::checkpoint::{CONFIG, Checkpoint, CheckpointError, PREPROCESSOR, SUMMARY, WEIGHTS, summary_json};

/// Why a file was not exported or imported. Each is the end of a sentence that names the file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ArchiveError {
    #[error(
        "it is not a zip file; choose a model that was exported by Cliptune, or a zip of a Hugging Face model's folder"
    )]
    NotZip,
    #[error("it has no {0}; a model has config.json, preprocessor_config.json and model.safetensors")]
    MissingEntry(&'static str),
    #[error(
        "its weights are not in the safetensors form; save the model again with transformers, in one model.safetensors"
    )]
    OtherWeights,
    #[error("it holds more than one model; zip the folder of one")]
    SeveralModels,
    #[error("{0} in it is compressed; zip the files again without compression (zip -0)")]
    Compressed(&'static str),
    #[error("{0} in it is protected by a password; zip the files again without one")]
    Encrypted(&'static str),
    #[error("{entry} in it is damaged ({reason}); copy or download the file again")]
    DamagedEntry { entry: &'static str, reason: String },
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("the zip cannot be written: {0}")]
    Write(String),
}

/// The zip's bytes: four entries, stored, with a fixed date, so that equal checkpoints give equal files.
pub fn export(checkpoint: &Checkpoint) -> Result<Vec<u8>, ArchiveError> {
    let wrong = |error: &dyn std::fmt::Display| ArchiveError::Write(error.to_string());
    let summary = summary_json(&checkpoint.summary)?;
    let entries: [(&str, &[u8]); 4] = [
        (CONFIG, checkpoint.config.as_bytes()),
        (PREPROCESSOR, checkpoint.preprocessor.as_bytes()),
        (SUMMARY, summary.as_bytes()),
        (WEIGHTS, &checkpoint.weights),
    ];
    // Room for the four headers too, so that the buffer of a large model never grows by doubling.
    let size: usize = entries.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() + 4096;
    let mut writer = ZipWriter::new(Cursor::new(Vec::with_capacity(size)));
    for (name, bytes) in entries {
        let options = SimpleFileOptions::DEFAULT
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::DEFAULT)
            .large_file(u32::try_from(bytes.len()).is_err());
        writer.start_file(name, options).map_err(|error| wrong(&error))?;
        writer.write_all(bytes).map_err(|error| wrong(&error))?;
    }
    let finished = writer.finish().map_err(|error| wrong(&error))?;
    Ok(finished.into_inner())
}

/// The checkpoint in a zip: our own export, or the three files of any Hub model, at the top or in one folder.
///
/// It becomes a run of its own under `id`, so that it never takes the place of another checkpoint. `file_name` and
/// `now` (milliseconds since 1970, UTC) stand in where no `cliptune.json` tells a name and a time.
pub fn import(bytes: &[u8], file_name: &str, id: &str, now: f64) -> Result<Checkpoint, ArchiveError> {
    let mut model = ModelEntries::open(bytes)?;
    let config = model.text(CONFIG)?.ok_or(ArchiveError::MissingEntry(CONFIG))?;
    let preprocessor = model.text(PREPROCESSOR)?.ok_or(ArchiveError::MissingEntry(PREPROCESSOR))?;
    let summary = model.text(SUMMARY)?;
    let weights = match model.bytes(WEIGHTS)? {
        Some(weights) => weights,
        None if model.has_other_weights() => return Err(ArchiveError::OtherWeights),
        None => return Err(ArchiveError::MissingEntry(WEIGHTS)),
    };
    let mut checkpoint = match summary {
        Some(summary) => Checkpoint::from_files_with_summary(&summary, config, preprocessor, weights)?,
        None => {
            let name = file_name.rsplit(['/', '\\']).next().unwrap_or(file_name);
            let name = name.strip_suffix(".zip").unwrap_or(name);
            Checkpoint::from_files(id, name, now, config, preprocessor, weights)?
        }
    };
    checkpoint.summary.id = id.to_string();
    checkpoint.summary.run = id.to_string();
    Ok(checkpoint)
}

/// What an exported checkpoint's file is called: its name in letters, digits, `-` and `_`, and `.zip`.
pub fn file_name(checkpoint_name: &str) -> String {
    let parts: Vec<String> = checkpoint_name
        .split(|character: char| !(character.is_alphanumeric() || character == '-' || character == '_'))
        .filter(|part| !part.is_empty())
        .map(str::to_string)
        .collect();
    // 60 letters of at most 4 bytes stay under every file system's 255.
    let name: String = parts.join("-").chars().take(60).collect();
    if name.is_empty() { "model.zip".to_string() } else { format!("{name}.zip") }
}

/// A model's entries in a zip, and the folder in the zip that holds them.
struct ModelEntries<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// With its `/`; empty for the top.
    folder: String,
    /// The zip's own size in bytes.
    length: usize,
}

impl<'a> ModelEntries<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, ArchiveError> {
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| ArchiveError::NotZip)?;
        let mut folders: Vec<String> = archive
            .file_names()
            .filter_map(|name| Some(name.ok()?.strip_suffix(CONFIG)?.to_string()))
            .filter(|folder| folder.ends_with('/') && folder.matches('/').count() == 1 && folder != "__MACOSX/")
            .collect();
        let folder = if archive.index_for_name(CONFIG).is_some() {
            String::new()
        } else if folders.len() > 1 {
            return Err(ArchiveError::SeveralModels);
        } else {
            folders.pop().ok_or(ArchiveError::MissingEntry(CONFIG))?
        };
        Ok(Self { archive, folder, length: bytes.len() })
    }

    fn text(&mut self, entry: &'static str) -> Result<Option<String>, ArchiveError> {
        let Some(bytes) = self.bytes(entry)? else { return Ok(None) };
        let damaged = |_| ArchiveError::DamagedEntry { entry, reason: "it is not text".to_string() };
        String::from_utf8(bytes).map(Some).map_err(damaged)
    }

    /// None where there is no such entry.
    fn bytes(&mut self, entry: &'static str) -> Result<Option<Vec<u8>>, ArchiveError> {
        let damaged = |reason: String| ArchiveError::DamagedEntry { entry, reason };
        let mut file = match self.archive.by_name(&format!("{}{entry}", self.folder)) {
            Ok(file) => file,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(ZipError::CompressionMethodNotSupported(_)) => return Err(ArchiveError::Compressed(entry)),
            Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => {
                return Err(ArchiveError::Encrypted(entry));
            }
            Err(error) => return Err(damaged(error.to_string())),
        };
        if file.compression() != CompressionMethod::Stored {
            return Err(ArchiveError::Compressed(entry));
        }
        // The size is only a claim: nothing is reserved for more than the zip can hold.
        let claimed = file.size();
        let size = usize::try_from(claimed).ok().filter(|&size| size <= self.length);
        let size = size.ok_or_else(|| damaged(format!("it claims {claimed} bytes, more than the file has")))?;
        let mut bytes = Vec::with_capacity(size);
        file.read_to_end(&mut bytes).map_err(|error| damaged(error.to_string()))?;
        if bytes.len() != size {
            return Err(damaged(format!("{} of {size} bytes are there", bytes.len())));
        }
        Ok(Some(bytes))
    }

    fn has_other_weights(&self) -> bool {
        ["model.safetensors.index.json", "pytorch_model.bin"]
            .iter()
            .any(|name| self.archive.index_for_name(&format!("{}{name}", self.folder)).is_some())
    }
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
