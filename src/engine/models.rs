//! Models on their way in and out: files from disk or the Hub -> a kept checkpoint -> the files of an export.
//!
//! Comes in: files under their names, a store. Goes out: a [`CheckpointSummary`] with what of it fitted, or one zip.
//! A model that could not be used is refused before it is kept.

use super::loaded::{OpenError, check_usable};
use crate::export::{self, ExportError};
use crate::files::FileSource;
use crate::protocol::{CheckpointSummary, LoadReport, Numbers};
use crate::storage::archive::{self, ArchiveError};
use crate::storage::checkpoint::{NamedFile, Stranger, belongs_to_a_model};
use crate::storage::{Checkpoint, CheckpointError, CheckpointStore, StorageError};

/// Why a model was not brought or sent; each a sentence, or the end of one that names the model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    #[error("{0}")]
    Archive(#[from] ArchiveError),
    #[error("{0}")]
    Checkpoint(#[from] CheckpointError),
    #[error("{0}")]
    Open(#[from] OpenError),
    #[error("{0}")]
    Export(#[from] ExportError),
    #[error("{0}")]
    Store(#[from] StorageError),
    #[error("it holds more than one model; choose the folder of one")]
    SeveralModels,
}

/// The model's files among what was chosen: a zip's entries, or the files themselves, wherever their folder lies.
pub fn model_files(chosen: Vec<NamedFile>) -> Result<Vec<NamedFile>, ModelError> {
    if let [(name, file)] = chosen.as_slice()
        && name.to_lowercase().ends_with(".zip")
    {
        return Ok(archive::unpack(file)?);
    }
    let mut files: Vec<NamedFile> = Vec::new();
    for (path, file) in chosen {
        let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
        if !belongs_to_a_model(name) {
            continue;
        }
        if files.iter().any(|(other, _)| other == name) {
            return Err(ModelError::SeveralModels);
        }
        files.push((name.to_string(), file));
    }
    Ok(files)
}

/// A model's files as a checkpoint that is a run of its own, so that it never takes the place of another.
pub async fn open(files: Vec<NamedFile>, stranger: &Stranger) -> Result<(Checkpoint, LoadReport), ModelError> {
    let (mut checkpoint, report) = Checkpoint::from_files(files, stranger).await?;
    checkpoint.summary.id = stranger.id.clone();
    checkpoint.summary.run = stranger.id.clone();
    check(&checkpoint, &report).await?;
    Ok((checkpoint, report))
}

/// Refuses what no training and no classifying could use, values that are no numbers among it: each is read once.
pub async fn check(checkpoint: &Checkpoint, report: &LoadReport) -> Result<(), ModelError> {
    check_usable(checkpoint, report)?;
    let tensors = checkpoint.tensors().await.map_err(CheckpointError::from)?;
    for name in tensors.names().filter(|name| !report.surplus.iter().any(|(surplus, _)| surplus == name)) {
        tensors.read(name, |_, _| {}).await.map_err(CheckpointError::from)?;
    }
    Ok(())
}

/// Opens a model and keeps it.
pub async fn keep<Store: CheckpointStore>(
    files: Vec<NamedFile>,
    stranger: &Stranger,
    store: &Store,
) -> Result<(CheckpointSummary, LoadReport), ModelError> {
    let (checkpoint, report) = open(files, stranger).await?;
    Ok((store.save(&checkpoint).await?, report))
}

/// One zip of a checkpoint, and its file name.
pub async fn zip(checkpoint: &Checkpoint, numbers: Numbers) -> Result<(String, FileSource), ModelError> {
    let files = export::files(checkpoint, numbers).await?;
    Ok((archive::file_name(&checkpoint.summary.name), archive::pack(&files).await?))
}
