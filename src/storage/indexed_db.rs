//! Checkpoints in the browser's IndexedDB: database "cliptune", version 2.
//!
//! Comes in: [`Checkpoint`]s. Goes out: the same after a reload or a restart of the browser. Four stores, keyed by id:
//! `summaries` (the text of `cliptune.json`, small, read for every list), `contents` (the model's files by name: texts,
//! and weights as `Blob`s), `records` (the text of `run.json`) and `training` (the optimizer's state as a `Blob`, which
//! goes before its checkpoint does). What belongs together is written in one transaction with strict durability.
//! Never reads weights into memory, and never keeps a connection open between two calls, so that it never blocks an
//! upgrade in another tab.

use futures_channel::oneshot;
use idb::{Database, DatabaseEvent, Factory, ObjectStore, ObjectStoreParams, Query, Transaction, TransactionResult};
use js_sys::{Array, Object, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::Blob;

use super::checkpoint::{
    ADAPTER, CONFIG, NamedFile, PREPROCESSOR, RECORD, SUMMARY, Stranger, TRAINING_STATE, read_record, record_json,
};
use super::retention::{mark_and_order, note_of_run, superseded, surplus};
use super::summary::{read_summary, summary_json};
use super::{Amendment, Checkpoint, CheckpointError, CheckpointStore, StorageError, check_id};
use crate::files::{FileError, FileSource};
use crate::protocol::{CheckpointSummary, Origin};
use crate::train::record::RunRecord;

const DATABASE: &str = "cliptune";
const VERSION: u32 = 2;
pub const SUMMARIES: &str = "summaries";
pub const CONTENTS: &str = "contents";
pub const RECORDS: &str = "records";
pub const TRAINING: &str = "training";
const STORES: [&str; 4] = [SUMMARIES, CONTENTS, RECORDS, TRAINING];

#[wasm_bindgen]
extern "C" {
    /// An `IDBDatabase`. idb has no way to ask for strict durability.
    type StrictDatabase;
    #[wasm_bindgen(method, catch)]
    fn transaction(this: &StrictDatabase, stores: &Array, mode: &str, options: &Object) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method)]
    fn close(this: &StrictDatabase);
}

/// The browser's store of checkpoints.
#[derive(Debug, Clone)]
pub struct IndexedDbStore {
    database: String,
}

impl Default for IndexedDbStore {
    fn default() -> Self {
        Self::named(DATABASE)
    }
}

/// One write of a transaction.
#[derive(Debug)]
pub enum Edit {
    Put { store: &'static str, id: String, value: JsValue },
    Delete { store: &'static str, id: String },
}

impl IndexedDbStore {
    /// A store in a database of another name; tests keep apart with it.
    pub fn named(database: &str) -> Self {
        Self { database: database.to_string() }
    }

    /// Makes all edits or none, in one transaction, and returns when they are on disk.
    pub async fn commit(&self, edits: Vec<Edit>, needed: u64) -> Result<(), StorageError> {
        self.finish(needed, async move |_, _| Ok((edits, ()))).await
    }

    /// Reads the summaries, lets `decide` name the edits, and makes all of them or none, in one transaction.
    ///
    /// Runs as a task of its own: a caller that is dropped leaves no half of it, and no handler without its closure.
    async fn finish<T: 'static>(
        &self,
        needed: u64,
        decide: impl AsyncFnOnce(&Transaction, Vec<CheckpointSummary>) -> Result<(Vec<Edit>, T), StorageError> + 'static,
    ) -> Result<T, StorageError> {
        let name = self.database.clone();
        detached(async move {
            let connection = Connection::open(&name).await?;
            let (raw, transaction) = connection.begin("readwrite")?;
            let outcome = async {
                let summaries = read_summaries(&transaction).await?;
                let (edits, answer) = decide(&transaction, summaries).await?;
                for edit in edits {
                    edit.apply(&transaction).map_err(|error| describe(&error, needed))?;
                }
                Ok(answer)
            };
            match outcome.await {
                Err(error) => {
                    // It may have ended by itself, which is as good.
                    let _ = transaction.abort();
                    Err(error)
                }
                Ok(answer) => {
                    let result = transaction.await;
                    // An error is followed by an abort; by then idb's handler is gone, and calling it would throw.
                    let _ = Reflect::set(&raw, &JsValue::from("onabort"), &JsValue::NULL);
                    match result {
                        Ok(TransactionResult::Committed) => Ok(answer),
                        Ok(TransactionResult::Aborted) => Err(describe_aborted(&raw, needed)),
                        Err(error) => Err(describe(&error, needed)),
                    }
                }
            }
        })
        .await
    }
}

impl CheckpointStore for IndexedDbStore {
    async fn list(&self) -> Result<Vec<CheckpointSummary>, StorageError> {
        let name = self.database.clone();
        detached(async move {
            let connection = Connection::open(&name).await?;
            let (_, transaction) = connection.begin("readonly")?;
            read_summaries(&transaction).await
        })
        .await
    }

    async fn load(&self, id: &str) -> Result<Checkpoint, StorageError> {
        let (name, id) = (self.database.clone(), id.to_string());
        detached(async move {
            let (summary, contents, record, training) = {
                let connection = Connection::open(&name).await?;
                let (_, transaction) = connection.begin("readonly")?;
                let summaries = read_summaries(&transaction).await?;
                let contents = get(&transaction, CONTENTS, &id).await?;
                let record = get(&transaction, RECORDS, &id).await?;
                let training = get(&transaction, TRAINING, &id).await?;
                (summaries.into_iter().find(|summary| summary.id == id), contents, record, training)
            };
            let missing = || StorageError::Missing { id: id.clone() };
            let (summary, contents) = (summary.ok_or_else(missing)?, contents.ok_or_else(missing)?);
            let damaged = |error: CheckpointError| StorageError::Damaged { id: id.clone(), reason: error.to_string() };
            let mut files = files_of(&contents);
            let text = summary_json(&summary).map_err(damaged)?;
            let extra = [(SUMMARY, Some(JsValue::from(text))), (RECORD, record), (TRAINING_STATE, training)];
            let extra = extra.into_iter().filter_map(|(name, value)| Some((name.to_string(), file_of(&value?)?)));
            files.extend(extra);
            let stranger =
                Stranger { id: id.clone(), name: summary.name, created: summary.created, origin: Origin::default() };
            Ok(Checkpoint::from_files(files, &stranger).await.map_err(damaged)?.0)
        })
        .await
    }

    async fn record(&self, id: &str) -> Result<Option<RunRecord>, StorageError> {
        let (name, id) = (self.database.clone(), id.to_string());
        detached(async move {
            let connection = Connection::open(&name).await?;
            let (_, transaction) = connection.begin("readonly")?;
            read_record_of(&transaction, &id).await
        })
        .await
    }

    async fn save(&self, checkpoint: &Checkpoint) -> Result<CheckpointSummary, StorageError> {
        let mut summary = checkpoint.summary.clone();
        check_id(&summary.id)?;
        let [contents, record, training] = values_of(checkpoint)?;
        self.finish(checkpoint.size(), async move |_, mut summaries| {
            let id = summary.id.clone();
            if let Some(note) = note_of_run(&summaries, &summary.run) {
                summary.note = note;
            }
            let mut edits: Vec<Edit> = deletion(&id).into();
            let values =
                [(SUMMARIES, summary_text(&summary)?), (CONTENTS, contents), (RECORDS, record), (TRAINING, training)];
            let given = values.into_iter().filter(|(_, value)| !value.is_undefined());
            edits.extend(given.map(|(store, value)| Edit::Put { store, id: id.clone(), value }));
            summaries.retain(|other| other.id != id);
            summaries.push(summary.clone());
            let dropped = surplus(&summaries, &summary);
            edits.extend(dropped.iter().flat_map(|id| deletion(id)));
            summaries.retain(|other| !dropped.contains(&other.id));
            for stale in superseded(&summaries, &summary) {
                edits.push(Edit::Delete { store: TRAINING, id: stale.clone() });
                if let Some(other) = summaries.iter_mut().find(|other| other.id == stale) {
                    other.resumable = false;
                    edits.push(Edit::Put { store: SUMMARIES, id: stale, value: summary_text(other)? });
                }
            }
            mark_and_order(&mut summaries);
            let listed = summaries.into_iter().find(|other| other.id == id);
            Ok((edits, listed.unwrap_or(summary)))
        })
        .await
    }

    async fn amend(&self, id: &str, amendment: Amendment) -> Result<(), StorageError> {
        let id = id.to_string();
        self.finish(4096, async move |transaction, summaries| {
            let missing = || StorageError::Missing { id: id.clone() };
            let damaged = |error: CheckpointError| StorageError::Damaged { id: id.clone(), reason: error.to_string() };
            let mut summary = summaries.into_iter().find(|summary| summary.id == id).ok_or_else(missing)?;
            let mut record = read_record_of(transaction, &id).await?;
            amendment.apply(&mut summary, record.as_mut())?;
            let mut edits = vec![Edit::Put { store: SUMMARIES, id: id.clone(), value: summary_text(&summary)? }];
            if let Some(record) = record {
                let value = record_json(&record).map_err(damaged)?.into();
                edits.push(Edit::Put { store: RECORDS, id: id.clone(), value });
            }
            if !summary.resumable {
                edits.push(Edit::Delete { store: TRAINING, id: id.clone() });
            }
            Ok((edits, ()))
        })
        .await
    }

    async fn delete(&self, id: &str) -> Result<(), StorageError> {
        self.commit(deletion(id).into(), 0).await
    }
}

impl Edit {
    fn apply(self, transaction: &Transaction) -> Result<(), idb::Error> {
        match self {
            Self::Put { store, id, value } => {
                transaction.object_store(store)?.put(&value, Some(&JsValue::from(id)))?;
            }
            Self::Delete { store, id } => {
                transaction.object_store(store)?.delete(JsValue::from(id))?;
            }
        }
        Ok(())
    }
}

fn deletion(id: &str) -> [Edit; 4] {
    STORES.map(|store| Edit::Delete { store, id: id.to_string() })
}

fn summary_text(summary: &CheckpointSummary) -> Result<JsValue, StorageError> {
    let text = summary_json(summary);
    let damaged = |reason: String| StorageError::Damaged { id: summary.id.clone(), reason };
    Ok(JsValue::from(text.map_err(|error| damaged(error.to_string()))?))
}

/// A checkpoint's contents, record and training state as the stores keep them; undefined where there is none.
fn values_of(checkpoint: &Checkpoint) -> Result<[JsValue; 3], StorageError> {
    let damaged = |reason: String| StorageError::Damaged { id: checkpoint.summary.id.clone(), reason };
    let unreadable = |error: FileError| match error {
        FileError::Full => StorageError::Full { needed: checkpoint.size() },
        error => StorageError::Browser(error.to_string()),
    };
    let contents = Object::new();
    let (mut record, mut training) = (JsValue::UNDEFINED, JsValue::UNDEFINED);
    if let Some(told) = &checkpoint.record {
        record = record_json(told).map_err(|error| damaged(error.to_string()))?.into();
    }
    if let Some(state) = &checkpoint.training {
        training = state.to_blob().map_err(unreadable)?.into();
    }
    let texts = [(CONFIG, &checkpoint.config), (PREPROCESSOR, &checkpoint.preprocessor)];
    let texts = texts.into_iter().map(|(name, text)| Ok((name, JsValue::from(text))));
    let files = checkpoint.weights.iter().map(|(name, file)| (name.as_str(), file));
    let files = files.chain(checkpoint.adapter.iter().map(|file| (ADAPTER, file)));
    let files = files.map(|(name, file)| Ok((name, file.to_blob()?.into())));
    for entry in texts.chain(files) {
        let (name, value) = entry.map_err(unreadable)?;
        let set = Reflect::set(&contents, &JsValue::from(name), &value);
        set.map_err(|error| StorageError::Browser(message(&error)))?;
    }
    Ok([contents.into(), record, training])
}

/// The files in a record of `contents`: `{ name: text or Blob }`.
fn files_of(contents: &JsValue) -> Vec<NamedFile> {
    let Some(contents) = contents.dyn_ref::<Object>() else { return Vec::new() };
    let entries = Object::entries(contents).into_iter();
    entries
        .filter_map(|entry| {
            let entry = Array::from(&entry);
            Some((entry.get(0).as_string()?, file_of(&entry.get(1))?))
        })
        .collect()
}

fn file_of(value: &JsValue) -> Option<FileSource> {
    match value.as_string() {
        Some(text) => Some(FileSource::from_bytes(text.into_bytes())),
        None => value.dyn_ref::<Blob>().map(|blob| blob.clone().into()),
    }
}

/// Marked and ordered; records that cannot be read are left out.
async fn read_summaries(transaction: &Transaction) -> Result<Vec<CheckpointSummary>, StorageError> {
    let wrong = |error: idb::Error| describe(&error, 0);
    let records = store(transaction, SUMMARIES)?.get_all(None, None).map_err(wrong)?.await.map_err(wrong)?;
    let texts = records.iter().filter_map(JsValue::as_string);
    let mut summaries: Vec<CheckpointSummary> = texts.filter_map(|text| read_summary(&text).ok()).collect();
    mark_and_order(&mut summaries);
    Ok(summaries)
}

async fn read_record_of(transaction: &Transaction, id: &str) -> Result<Option<RunRecord>, StorageError> {
    let damaged = |error: CheckpointError| StorageError::Damaged { id: id.to_string(), reason: error.to_string() };
    let text = get(transaction, RECORDS, id).await?.and_then(|record| record.as_string());
    text.map(|text| read_record(&text)).transpose().map_err(damaged)
}

async fn get(transaction: &Transaction, from: &str, id: &str) -> Result<Option<JsValue>, StorageError> {
    let wrong = |error: idb::Error| describe(&error, 0);
    store(transaction, from)?.get(Query::Key(JsValue::from(id))).map_err(wrong)?.await.map_err(wrong)
}

fn store(transaction: &Transaction, name: &str) -> Result<ObjectStore, StorageError> {
    transaction.object_store(name).map_err(|error| describe(&error, 0))
}

/// Closes its database when dropped; transactions that have begun still end.
struct Connection {
    database: StrictDatabase,
}

impl Connection {
    async fn open(name: &str) -> Result<Self, StorageError> {
        let factory = Factory::new().map_err(|_| StorageError::Blocked)?;
        let mut request = factory.open(name, Some(VERSION)).map_err(|error| describe_open(&error))?;
        request.on_upgrade_needed(|event| {
            let Ok(database) = event.database() else { return };
            let existing = database.store_names();
            for store in STORES.into_iter().filter(|store| !existing.iter().any(|name| name == store)) {
                // Without its store the first transaction fails, and that is told.
                let _ = database.create_object_store(store, ObjectStoreParams::new());
            }
        });
        let mut database: Database = request.await.map_err(|error| describe_open(&error))?;
        database.on_version_change(|event| {
            if let Some(database) = event.target() {
                database.unchecked_into::<StrictDatabase>().close();
            }
        });
        // The handler outlives this wrapper; JavaScript collects it with the connection.
        database.forget_callbacks();
        Ok(Self { database: JsValue::from(database).unchecked_into() })
    }

    /// A transaction over all stores, as JavaScript's object too: only that one tells why it was aborted.
    fn begin(&self, mode: &str) -> Result<(JsValue, Transaction), StorageError> {
        let stores: Array = STORES.into_iter().map(JsValue::from).collect();
        let options = Object::new();
        let unexpected = |error: JsValue| StorageError::Browser(message(&error));
        Reflect::set(&options, &JsValue::from("durability"), &JsValue::from("strict")).map_err(unexpected)?;
        let raw = self.database.transaction(&stores, mode, &options).map_err(unexpected)?;
        let transaction = Transaction::try_from(raw.clone()).map_err(|error| describe(&error, 0))?;
        Ok((raw, transaction))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.database.close();
    }
}

/// Runs to its end whether or not the caller waits for it.
async fn detached<T: 'static>(
    task: impl Future<Output = Result<T, StorageError>> + 'static,
) -> Result<T, StorageError> {
    let (sender, receiver) = oneshot::channel();
    spawn_local(async move {
        // Nobody waits any more: the result is not needed.
        let _ = sender.send(task.await);
    });
    receiver.await.unwrap_or_else(|_| Err(StorageError::Browser("the task was stopped".to_string())))
}

fn describe_open(error: &idb::Error) -> StorageError {
    match cause(error).map(|cause| name(&cause)).as_deref() {
        Some("VersionError") => StorageError::Newer,
        Some("QuotaExceededError") => StorageError::Full { needed: 0 },
        // Private windows and blocked sites answer with one of these.
        Some("SecurityError" | "InvalidStateError" | "NotAllowedError" | "UnknownError") => StorageError::Blocked,
        _ => StorageError::Browser(error.to_string()),
    }
}

fn describe(error: &idb::Error, needed: u64) -> StorageError {
    match cause(error) {
        Some(cause) if name(&cause) == "QuotaExceededError" => StorageError::Full { needed },
        Some(cause) => StorageError::Browser(message(&cause)),
        None => StorageError::Browser(error.to_string()),
    }
}

fn describe_aborted(transaction: &JsValue, needed: u64) -> StorageError {
    let error = Reflect::get(transaction, &JsValue::from("error")).unwrap_or(JsValue::NULL);
    match name(&error).as_str() {
        "QuotaExceededError" => StorageError::Full { needed },
        _ => StorageError::Browser(message(&error)),
    }
}

/// The browser's own error behind idb's.
fn cause(error: &idb::Error) -> Option<JsValue> {
    match error {
        idb::Error::DomException(exception) => Some(exception.into()),
        // A failed request's event reaches the transaction with the request as its target.
        idb::Error::UnexpectedJsType(_, request) => Reflect::get(request, &JsValue::from("error")).ok(),
        idb::Error::UpdateFailed(value)
        | idb::Error::DeleteFailed(value)
        | idb::Error::IndexedDbOpenFailed(value)
        | idb::Error::ObjectStoreNotFound(value)
        | idb::Error::GetAllFailed(value)
        | idb::Error::GetFailed(value) => Some(value.clone()),
        _ => None,
    }
}

fn name(error: &JsValue) -> String {
    Reflect::get(error, &JsValue::from("name")).ok().and_then(|name| name.as_string()).unwrap_or_default()
}

fn message(error: &JsValue) -> String {
    let text = Reflect::get(error, &JsValue::from("message")).ok().and_then(|message| message.as_string());
    text.filter(|text| !text.is_empty()).unwrap_or_else(|| format!("{error:?}"))
}
