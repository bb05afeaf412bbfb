//! Checkpoints in the browser's IndexedDB: database "cliptune", version 1.
//!
//! Comes in: [`Checkpoint`]s. Goes out: the same after a reload or a restart of the browser. Two stores, keyed by id:
//! `summaries` (the text of `cliptune.json`, small, read for every list) and `contents` (two texts and the weights as
//! a `Blob`, read for one checkpoint at a time). What belongs together is written in one transaction with strict
//! durability. Never keeps a connection open between two calls, so that it never blocks an upgrade in another tab.

use futures_channel::oneshot;
use idb::{Database, DatabaseEvent, Factory, ObjectStore, ObjectStoreParams, Query, Transaction, TransactionResult};
use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::Blob;

use super::checkpoint::{CONFIG, PREPROCESSOR, WEIGHTS, read_summary, summary_json};
use super::retention::{mark_and_order, surplus};
use super::{Amendment, Checkpoint, CheckpointStore, StorageError, check_id};
use crate::protocol::CheckpointSummary;

const DATABASE: &str = "cliptune";
const VERSION: u32 = 1;
pub const SUMMARIES: &str = "summaries";
pub const CONTENTS: &str = "contents";

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
    pub async fn commit(&self, edits: Vec<Edit>, needed: usize) -> Result<(), StorageError> {
        self.finish(needed, async move |_| Ok((edits, ()))).await
    }

    /// Reads the summaries, lets `decide` name the edits, and makes all of them or none, in one transaction.
    ///
    /// Runs as a task of its own: a caller that is dropped leaves no half of it, and no handler without its closure.
    async fn finish<T: 'static>(
        &self,
        needed: usize,
        decide: impl AsyncFnOnce(Vec<CheckpointSummary>) -> Result<(Vec<Edit>, T), StorageError> + 'static,
    ) -> Result<T, StorageError> {
        let name = self.database.clone();
        detached(async move {
            let connection = Connection::open(&name).await?;
            let (raw, transaction) = connection.begin("readwrite")?;
            let outcome = async {
                let summaries = read_summaries(&transaction).await?;
                let (edits, answer) = decide(summaries).await?;
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
            let (summary, contents) = {
                let connection = Connection::open(&name).await?;
                let (_, transaction) = connection.begin("readonly")?;
                let summaries = read_summaries(&transaction).await?;
                let contents = get(&transaction, CONTENTS, &id).await?;
                (summaries.into_iter().find(|summary| summary.id == id), contents)
            };
            let missing = || StorageError::Missing { id: id.clone() };
            let (summary, contents) = (summary.ok_or_else(missing)?, contents.ok_or_else(missing)?);
            let damaged = |reason: String| StorageError::Damaged { id: id.clone(), reason };
            let field = |name: &str| Reflect::get(&contents, &JsValue::from(name)).unwrap_or(JsValue::UNDEFINED);
            let text = |name: &str| field(name).as_string().ok_or_else(|| damaged(format!("{name} is not there")));
            let (config, preprocessor) = (text(CONFIG)?, text(PREPROCESSOR)?);
            let blob: Blob = field(WEIGHTS).dyn_into().map_err(|_| damaged(format!("{WEIGHTS} is not there")))?;
            let buffer = JsFuture::from(blob.array_buffer()).await;
            let buffer = buffer.map_err(|error| damaged(format!("{WEIGHTS} cannot be read: {}", message(&error))))?;
            let weights = Uint8Array::new(&buffer).to_vec();
            let summary = summary_json(&summary).map_err(|error| damaged(error.to_string()))?;
            Checkpoint::from_files_with_summary(&summary, config, preprocessor, weights)
                .map_err(|error| damaged(error.to_string()))
        })
        .await
    }

    async fn save(&self, checkpoint: &Checkpoint) -> Result<CheckpointSummary, StorageError> {
        let summary = checkpoint.summary.clone();
        check_id(&summary.id)?;
        let contents = contents_of(checkpoint)?;
        self.finish(checkpoint.size(), async move |mut summaries| {
            let text = summary_text(&summary)?;
            let id = summary.id.clone();
            let put = |store, value| Edit::Put { store, id: id.clone(), value };
            let mut edits = vec![put(SUMMARIES, text), put(CONTENTS, contents)];
            summaries.retain(|other| other.id != id);
            summaries.push(summary.clone());
            let dropped = surplus(&summaries, &summary);
            for id in &dropped {
                edits.extend(deletion(id));
            }
            summaries.retain(|other| !dropped.contains(&other.id));
            mark_and_order(&mut summaries);
            let listed = summaries.into_iter().find(|other| other.id == id);
            Ok((edits, listed.unwrap_or(summary)))
        })
        .await
    }

    async fn amend(&self, id: &str, amendment: Amendment) -> Result<(), StorageError> {
        let id = id.to_string();
        self.finish(4096, async move |summaries| {
            let missing = || StorageError::Missing { id: id.clone() };
            let mut summary = summaries.into_iter().find(|summary| summary.id == id).ok_or_else(missing)?;
            amendment.apply(&mut summary)?;
            let value = summary_text(&summary)?;
            Ok((vec![Edit::Put { store: SUMMARIES, id, value }], ()))
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

fn deletion(id: &str) -> [Edit; 2] {
    [SUMMARIES, CONTENTS].map(|store| Edit::Delete { store, id: id.to_string() })
}

fn summary_text(summary: &CheckpointSummary) -> Result<JsValue, StorageError> {
    let text = summary_json(summary);
    let damaged = |reason: String| StorageError::Damaged { id: summary.id.clone(), reason };
    Ok(JsValue::from(text.map_err(|error| damaged(error.to_string()))?))
}

/// `{ "config.json": text, "preprocessor_config.json": text, "model.safetensors": Blob }`.
fn contents_of(checkpoint: &Checkpoint) -> Result<JsValue, StorageError> {
    let unexpected = |error: JsValue| StorageError::Browser(message(&error));
    let parts = Array::of1(&Uint8Array::from(checkpoint.weights.as_slice()));
    let blob = Blob::new_with_u8_array_sequence(&parts).map_err(unexpected)?;
    let contents = Object::new();
    let files = [
        (CONFIG, JsValue::from(&checkpoint.config)),
        (PREPROCESSOR, JsValue::from(&checkpoint.preprocessor)),
        (WEIGHTS, blob.into()),
    ];
    for (name, value) in files {
        Reflect::set(&contents, &JsValue::from(name), &value).map_err(unexpected)?;
    }
    Ok(contents.into())
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
            for store in [SUMMARIES, CONTENTS].into_iter().filter(|store| !existing.iter().any(|name| name == store)) {
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

    /// A transaction over both stores, as JavaScript's object too: only that one tells why it was aborted.
    fn begin(&self, mode: &str) -> Result<(JsValue, Transaction), StorageError> {
        let stores = Array::of2(&JsValue::from(SUMMARIES), &JsValue::from(CONTENTS));
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

fn describe(error: &idb::Error, needed: usize) -> StorageError {
    match cause(error) {
        Some(cause) if name(&cause) == "QuotaExceededError" => StorageError::Full { needed },
        Some(cause) => StorageError::Browser(message(&cause)),
        None => StorageError::Browser(error.to_string()),
    }
}

fn describe_aborted(transaction: &JsValue, needed: usize) -> StorageError {
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
