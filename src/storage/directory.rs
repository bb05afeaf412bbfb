//! Checkpoints in a folder on disk: `ROOT/<id>/` with the Hub's three files and `cliptune.json`.
//!
//! Comes in: [`Checkpoint`]s. Goes out: folders that `transformers` opens as they are. A checkpoint is written to a
//! temporary folder and renamed, so that a kill leaves it whole or absent. Never touches a folder that has no
//! `cliptune.json`. Native only; the browser's store is `indexed_db`.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::checkpoint::{CONFIG, PREPROCESSOR, SUMMARY, WEIGHTS, read_summary, summary_json, tidy_name};
use super::retention::{mark_and_order, surplus};
use super::{Amendment, Checkpoint, CheckpointError, CheckpointStore, StorageError, check_id};
use crate::protocol::CheckpointSummary;

/// Folders whose names no checkpoint can have: one being written, and one being replaced.
const WRITING: &str = ".writing-";
const REPLACED: &str = ".replaced-";

/// A folder of checkpoints. Its methods block; they are async only to fit [`CheckpointStore`].
#[derive(Debug, Clone)]
pub struct DirectoryStore {
    root: PathBuf,
}

impl DirectoryStore {
    /// Opens the folder, makes it if it is absent, and mends what a kill in the middle of a replacement left.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StorageError> {
        let root = root.into();
        fs::create_dir_all(&root).map_err(|error| disk(&root, &error, 0))?;
        let store = Self { root };
        for name in store.folder_names()? {
            let Some(id) = name.strip_prefix(REPLACED) else { continue };
            let (old, place) = (store.root.join(&name), store.root.join(id));
            let mended = if place.exists() { fs::remove_dir_all(&old) } else { fs::rename(&old, &place) };
            mended.map_err(|error| disk(&old, &error, 0))?;
        }
        Ok(store)
    }

    /// Where a checkpoint's files are.
    pub fn folder(&self, id: &str) -> PathBuf {
        self.root.join(id)
    }

    fn folder_names(&self) -> Result<Vec<String>, StorageError> {
        let wrong = |error: io::Error| disk(&self.root, &error, 0);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(wrong)? {
            names.extend(entry.map_err(wrong)?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn summaries(&self) -> Result<Vec<CheckpointSummary>, StorageError> {
        let names = self.folder_names()?.into_iter().filter(|name| check_id(name).is_ok());
        let mut summaries: Vec<CheckpointSummary> = names
            .filter_map(|name| {
                let text = fs::read_to_string(self.root.join(&name).join(SUMMARY)).ok()?;
                // The folder's name is the id: the user may have copied or renamed it.
                Some(CheckpointSummary { id: name, ..read_summary(&text).ok()? })
            })
            .collect();
        mark_and_order(&mut summaries);
        Ok(summaries)
    }

    fn summary(&self, id: &str) -> Result<CheckpointSummary, StorageError> {
        check_id(id)?;
        let missing = || StorageError::Missing { id: id.to_string() };
        self.summaries()?.into_iter().find(|summary| summary.id == id).ok_or_else(missing)
    }

    fn write_files(&self, folder: &Path, checkpoint: &Checkpoint) -> io::Result<()> {
        let summary = summary_json(&checkpoint.summary).map_err(io::Error::other)?;
        fs::create_dir(folder)?;
        write_to_disk(&folder.join(CONFIG), checkpoint.config.as_bytes())?;
        write_to_disk(&folder.join(PREPROCESSOR), checkpoint.preprocessor.as_bytes())?;
        write_to_disk(&folder.join(WEIGHTS), &checkpoint.weights)?;
        write_to_disk(&folder.join(SUMMARY), summary.as_bytes())?;
        sync_folder(folder)
    }

    /// Puts a finished folder into its place.
    fn put_in_place(&self, written: &Path, id: &str) -> io::Result<()> {
        let (place, old) = (self.root.join(id), self.root.join(format!("{REPLACED}{id}")));
        if place.exists() {
            fs::rename(&place, &old)?;
            fs::rename(written, &place)?;
            fs::remove_dir_all(&old)?;
        } else {
            fs::rename(written, &place)?;
        }
        sync_folder(&self.root)
    }
}

impl CheckpointStore for DirectoryStore {
    async fn list(&self) -> Result<Vec<CheckpointSummary>, StorageError> {
        self.summaries()
    }

    async fn load(&self, id: &str) -> Result<Checkpoint, StorageError> {
        let summary = self.summary(id)?;
        let folder = self.root.join(id);
        let damaged = |error: CheckpointError| StorageError::Damaged { id: id.to_string(), reason: error.to_string() };
        let text = summary_json(&summary).map_err(damaged)?;
        let (config, preprocessor, weights) = read_files(&folder)?;
        Checkpoint::from_files_with_summary(&text, config, preprocessor, weights).map_err(damaged)
    }

    async fn save(&self, checkpoint: &Checkpoint) -> Result<CheckpointSummary, StorageError> {
        let id = &checkpoint.summary.id;
        check_id(id)?;
        let writing = self.root.join(format!("{WRITING}{id}"));
        let wrong = |error: io::Error| {
            let error = disk(&writing, &error, checkpoint.size());
            // What cannot be cleared now is cleared by the next save of the same id.
            let _ = fs::remove_dir_all(&writing);
            error
        };
        if writing.exists() {
            fs::remove_dir_all(&writing).map_err(wrong)?;
        }
        self.write_files(&writing, checkpoint).map_err(wrong)?;
        self.put_in_place(&writing, id).map_err(wrong)?;
        let saved = self.summary(id)?;
        for dropped in surplus(&self.summaries()?, &saved) {
            self.delete(&dropped).await?;
        }
        Ok(saved)
    }

    async fn amend(&self, id: &str, amendment: Amendment) -> Result<(), StorageError> {
        let mut summary = self.summary(id)?;
        amendment.apply(&mut summary)?;
        let path = self.root.join(id).join(SUMMARY);
        let wrong = |error: io::Error| disk(&path, &error, 4096);
        let text = summary_json(&summary).map_err(|error| wrong(io::Error::other(error)))?;
        let written = path.with_extension("json.writing");
        write_to_disk(&written, text.as_bytes()).map_err(wrong)?;
        fs::rename(&written, &path).map_err(wrong)
    }

    async fn delete(&self, id: &str) -> Result<(), StorageError> {
        check_id(id)?;
        let folder = self.root.join(id);
        if !folder.join(SUMMARY).exists() {
            return Ok(());
        }
        // Renamed first: a kill then leaves a folder that the list never shows.
        let leaving = self.root.join(format!("{WRITING}{id}"));
        let removed = fs::remove_dir_all(&leaving).or_else(|error| match error.kind() {
            ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        });
        removed
            .and_then(|()| fs::rename(&folder, &leaving))
            .and_then(|()| fs::remove_dir_all(&leaving))
            .map_err(|error| disk(&folder, &error, 0))
    }
}

/// Reads a model's folder: one of a store, or any folder in the Hub's layout.
pub fn read_model_folder(folder: &Path) -> Result<Checkpoint, StorageError> {
    let wrong =
        |error: CheckpointError| StorageError::Disk { path: folder.display().to_string(), reason: error.to_string() };
    let (config, preprocessor, weights) = read_files(folder)?;
    match fs::read_to_string(folder.join(SUMMARY)) {
        Ok(summary) => Checkpoint::from_files_with_summary(&summary, config, preprocessor, weights).map_err(wrong),
        Err(_) => {
            let name = folder.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
            let name = tidy_name(&name).unwrap_or_else(|| "model".to_string());
            Checkpoint::from_files("model", &name, 0.0, config, preprocessor, weights).map_err(wrong)
        }
    }
}

fn read_files(folder: &Path) -> Result<(String, String, Vec<u8>), StorageError> {
    let text = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).map_err(|error| disk(&path, &error, 0))
    };
    let path = folder.join(WEIGHTS);
    let weights = fs::read(&path).map_err(|error| disk(&path, &error, 0))?;
    Ok((text(CONFIG)?, text(PREPROCESSOR)?, weights))
}

fn write_to_disk(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes new names in a folder last through a power cut, where the system lets folders be opened.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn disk(path: &Path, error: &io::Error, needed: usize) -> StorageError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StorageError::Full { needed },
        _ => StorageError::Disk { path: path.display().to_string(), reason: error.to_string() },
    }
}
