//! Checkpoints that survive: on this device, and in a file that other programs open.
//!
//! Comes in: [`Checkpoint`]s. Goes out: the same, bit for bit, after a reload, a kill or a journey as a zip.
//! A save is whole or has not happened. Never decodes a tensor, never talks to a network.

pub mod archive;
pub mod checkpoint;
#[cfg(not(target_family = "wasm"))]
pub mod directory;
#[cfg(target_family = "wasm")]
pub mod indexed_db;
pub mod preprocessor;
pub mod retention;
pub mod summary;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use preprocessor::Normalisation;

use crate::protocol::CheckpointSummary;
use crate::train::record::{Outcomes, RunRecord};

/// Why the store did not do what was asked; each a sentence for the user.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StorageError {
    #[error("The disk is full: this checkpoint needs {}. Delete some checkpoints or other files, then try again.", megabytes(*.needed))]
    Full { needed: u64 },
    #[error(
        "The browser does not let this page keep files, so checkpoints cannot be saved. Leave private browsing, or allow this site to store data."
    )]
    Blocked,
    #[error("This page is older than the checkpoints on this device. Reload it to get the newer version.")]
    Newer,
    #[error("There is no checkpoint \"{id}\" here any more; it may have been deleted in another tab.")]
    Missing { id: String },
    #[error("The checkpoint \"{id}\" is damaged: {reason}. Delete it, or import it again from an exported file.")]
    Damaged { id: String, reason: String },
    #[error("\"{0}\" cannot be the id of a checkpoint; ids have letters, digits, - and _ only.")]
    Id(String),
    #[error("A checkpoint needs a name.")]
    Nameless,
    #[error("{path} cannot be used: {reason}.")]
    Disk { path: String, reason: String },
    #[error("The browser's storage did not answer as expected: {0}. Reload the page and try again.")]
    Browser(String),
}

/// A change of a summary that leaves the model as it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Amendment {
    Name(String),
    /// Of its run.
    Note(String),
    Test(Outcomes),
    /// Nothing is left to be done in its run: the optimizer's state goes.
    Complete,
}

impl Amendment {
    fn apply(self, summary: &mut CheckpointSummary, record: Option<&mut RunRecord>) -> Result<(), StorageError> {
        match self {
            Self::Complete => summary.resumable = false,
            Self::Name(name) => summary.name = summary::tidy_name(&name).ok_or(StorageError::Nameless)?,
            Self::Note(note) => summary.note = summary::tidy_note(&note),
            Self::Test(outcomes) => {
                summary.test = Some(outcomes.evaluation);
                if let Some(record) = record {
                    record.test = Some(outcomes);
                }
            }
        }
        Ok(())
    }
}

/// Where checkpoints are kept.
///
/// Each run has at most one best, which is worked out at every reading (see [`retention::mark_and_order`]).
// One thread: the engine's worker in a browser, the main thread of the command line.
#[allow(async_fn_in_trait)]
pub trait CheckpointStore {
    /// Newest first. A record that cannot be read is left out.
    async fn list(&self) -> Result<Vec<CheckpointSummary>, StorageError>;

    /// The whole checkpoint, checked.
    async fn load(&self, id: &str) -> Result<Checkpoint, StorageError>;

    /// What a checkpoint's run was, without the checkpoint's weights; none where it was not trained here.
    async fn record(&self, id: &str) -> Result<Option<RunRecord>, StorageError>;

    /// Keeps a checkpoint with its run's note, in place of one with the same id, and drops what [`retention::surplus`] names of its run and
    /// the optimizer states that [`retention::superseded`] names.
    /// Returns the summary as it is listed from now on. Once started, a save ends whole or not at all, also if its
    /// future is dropped.
    async fn save(&self, checkpoint: &Checkpoint) -> Result<CheckpointSummary, StorageError>;

    /// Changes what the list shows of a checkpoint.
    async fn amend(&self, id: &str, amendment: Amendment) -> Result<(), StorageError>;

    /// A checkpoint that is already gone is no error.
    async fn delete(&self, id: &str) -> Result<(), StorageError>;

    async fn rename(&self, id: &str, name: &str) -> Result<(), StorageError> {
        self.amend(id, Amendment::Name(name.to_string())).await
    }

    /// Writes a note about a run to each of its checkpoints, the newest first: that is the one whose note counts, and
    /// that later ones take over.
    async fn annotate(&self, run: &str, note: &str) -> Result<(), StorageError> {
        let of_run = self.list().await?.into_iter().filter(|summary| summary.run == run);
        for CheckpointSummary { id, .. } in of_run {
            self.amend(&id, Amendment::Note(note.to_string())).await?;
        }
        Ok(())
    }

    async fn complete(&self, id: &str) -> Result<(), StorageError> {
        self.amend(id, Amendment::Complete).await
    }

    async fn record_test(&self, id: &str, outcomes: Outcomes) -> Result<(), StorageError> {
        self.amend(id, Amendment::Test(outcomes)).await
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// Ids become folder names and keys.
fn check_id(id: &str) -> Result<(), StorageError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match (1..=100).contains(&id.len()) && id.bytes().all(plain) {
        true => Ok(()),
        false => Err(StorageError::Id(id.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_says_how_much_is_needed() {
        let sentence = StorageError::Full { needed: 346_000_000 }.to_string();
        assert!(sentence.contains("346.0 MB") && sentence.contains("Delete"), "{sentence}");
    }

    #[test]
    fn ids_that_could_leave_the_folder_are_refused() {
        for id in ["", "..", "a/b", "a\\b", ".hidden", "a b", "é", &"x".repeat(101)] {
            assert!(check_id(id).is_err(), "{id}");
        }
        check_id("run-3_epoch-004").unwrap();
    }
}
