//! Checkpoints in a folder on disk: `ROOT/<id>/` with the Hub's files and our own.
//!
//! Comes in: [`Checkpoint`]s. Goes out: folders that `transformers` opens as they are. A checkpoint is written to a
//! temporary folder and renamed, so that a kill leaves it whole or absent. Never touches a folder that has no
//! `cliptune.json`. Native only; the browser's store is `indexed_db`.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::checkpoint::{
    ADAPTER, ADAPTER_FOLDER, NamedFile, RECORD, SUMMARY, Stranger, TRAINING_STATE, belongs_to_a_model, read_record,
    record_json,
};
use super::retention::{mark_and_order, note_of_run, superseded, surplus};
use super::summary::{read_summary, summary_json, tidy_name};
use super::{Amendment, Checkpoint, CheckpointError, CheckpointStore, StorageError, check_id};
use crate::files::{FileSource, PIECE};
use crate::protocol::{CheckpointSummary, LoadReport, Origin};
use crate::train::record::RunRecord;

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
        fs::create_dir(folder)?;
        for (name, file) in checkpoint.files().map_err(io::Error::other)? {
            write_to_disk(&folder.join(name), &mut file.reader())?;
        }
        sync_folder(folder)
    }

    /// Puts another summary in place of the checkpoint's; the optimizer's state goes where nothing goes on from there.
    fn put_summary(&self, summary: &CheckpointSummary) -> Result<(), StorageError> {
        let damaged =
            |error: CheckpointError| StorageError::Damaged { id: summary.id.clone(), reason: error.to_string() };
        let folder = self.root.join(&summary.id);
        replace(&folder.join(SUMMARY), &summary_json(summary).map_err(damaged)?)?;
        let state = folder.join(TRAINING_STATE);
        if !summary.resumable && state.exists() {
            fs::remove_file(&state).map_err(|error| disk(&state, &error, 0))?;
        }
        Ok(())
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
        // Marked as the best or not; and missing where it is missing.
        let best = self.summary(id)?.best;
        let damaged = |error: CheckpointError| StorageError::Damaged { id: id.to_string(), reason: error.to_string() };
        let files = read_files(&self.root.join(id))?;
        let (mut checkpoint, _) = Checkpoint::from_files(files, &stranger(id)).await.map_err(damaged)?;
        checkpoint.summary.id = id.to_string();
        checkpoint.summary.best = best;
        Ok(checkpoint)
    }

    async fn record(&self, id: &str) -> Result<Option<RunRecord>, StorageError> {
        self.summary(id)?;
        let damaged = |error: CheckpointError| StorageError::Damaged { id: id.to_string(), reason: error.to_string() };
        match fs::read_to_string(self.root.join(id).join(RECORD)) {
            Ok(text) => read_record(&text).map(Some).map_err(damaged),
            Err(_) => Ok(None),
        }
    }

    async fn save(&self, checkpoint: &Checkpoint) -> Result<CheckpointSummary, StorageError> {
        let mut checkpoint = checkpoint.clone();
        let id = checkpoint.summary.id.clone();
        check_id(&id)?;
        if let Some(note) = note_of_run(&self.summaries()?, &checkpoint.summary.run) {
            checkpoint.summary.note = note;
        }
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
        self.write_files(&writing, &checkpoint).map_err(wrong)?;
        self.put_in_place(&writing, &id).map_err(wrong)?;
        let saved = self.summary(&id)?;
        for dropped in surplus(&self.summaries()?, &saved) {
            self.delete(&dropped).await?;
        }
        for stale in superseded(&self.summaries()?, &saved) {
            self.put_summary(&CheckpointSummary { resumable: false, ..self.summary(&stale)? })?;
        }
        Ok(saved)
    }

    async fn amend(&self, id: &str, amendment: Amendment) -> Result<(), StorageError> {
        let mut summary = self.summary(id)?;
        let path = self.root.join(id).join(RECORD);
        let damaged = |error: CheckpointError| StorageError::Damaged { id: id.to_string(), reason: error.to_string() };
        let mut record = self.record(id).await?;
        amendment.apply(&mut summary, record.as_mut())?;
        if let Some(record) = record {
            replace(&path, &record_json(&record).map_err(damaged)?)?;
        }
        self.put_summary(&summary)
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
pub async fn read_model_folder(folder: &Path) -> Result<(Checkpoint, LoadReport), StorageError> {
    let wrong =
        |error: CheckpointError| StorageError::Disk { path: folder.display().to_string(), reason: error.to_string() };
    let name = folder.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let name = tidy_name(&name).unwrap_or_else(|| "model".to_string());
    let origin = Origin { source: name.clone(), ..Origin::default() };
    let stranger = Stranger { name, origin, ..stranger("model") };
    Checkpoint::from_files(read_files(folder)?, &stranger).await.map_err(wrong)
}

fn stranger(id: &str) -> Stranger {
    Stranger { id: id.to_string(), name: id.to_string(), created: 0.0, origin: Origin::default() }
}

/// The model's files in a folder, opened but not read.
fn read_files(folder: &Path) -> Result<Vec<NamedFile>, StorageError> {
    let wrong = |error: io::Error| disk(folder, &error, 0);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let Ok(name) = entry.map_err(wrong)?.file_name().into_string() else { continue };
        if belongs_to_a_model(&name) {
            found.push((folder.join(&name), name));
        }
    }
    // As an export has it.
    let adapter = folder.join(ADAPTER_FOLDER).join(ADAPTER);
    if adapter.is_file() {
        found.push((adapter, ADAPTER.to_string()));
    }
    let mut files = Vec::new();
    for (path, name) in found {
        let file = FileSource::open(&path)
            .map_err(|error| StorageError::Disk { path: path.display().to_string(), reason: error.to_string() })?;
        files.push((name, file));
    }
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(files)
}

fn write_to_disk(path: &Path, bytes: &mut impl io::Read) -> io::Result<()> {
    let mut file = io::BufWriter::with_capacity(PIECE as usize, File::create(path)?);
    io::copy(bytes, &mut file)?;
    file.into_inner()?.sync_all()
}

/// Puts a text in place of a file, whole or not at all.
fn replace(path: &Path, text: &str) -> Result<(), StorageError> {
    let written = path.with_extension("json.writing");
    write_to_disk(&written, &mut text.as_bytes())
        .and_then(|()| fs::rename(&written, path))
        .map_err(|error| disk(path, &error, text.len() as u64))
}

/// Makes new names in a folder last through a power cut, where the system lets folders be opened.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn disk(path: &Path, error: &io::Error, needed: u64) -> StorageError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StorageError::Full { needed },
        _ => StorageError::Disk { path: path.display().to_string(), reason: error.to_string() },
    }
}
