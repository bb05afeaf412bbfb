//! What has been fetched of files that are not whole yet: IndexedDB's "cliptune-downloads", version 1.
//!
//! Comes in: parts of a file as they arrive, under the file's checksum. Goes out: the parts from its start on, whoever
//! fetched them and from which host. Two stores: `parts`, keyed by [checksum, first byte], and `files`, keyed by
//! checksum, when its last part came. Never tells whether the bytes are right; a checksum over all of them does, which
//! is why ordinary durability is enough.

use futures_channel::oneshot;
use idb::{Database, DatabaseEvent, Factory, KeyRange, ObjectStoreParams, Query, Transaction, TransactionMode};
use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::Blob;

use super::checksum::Checksum;

const DATABASE: &str = "cliptune-downloads";
const VERSION: u32 = 1;
const PARTS: &str = "parts";
const FILES: &str = "files";
/// Who has not come back for a part in this time, in milliseconds, does not want it.
const KEPT_FOR: f64 = 7.0 * 24.0 * 3600.0 * 1000.0;

#[wasm_bindgen]
extern "C" {
    /// An `IDBTransaction`. idb does not tell why one was aborted.
    type Ending;
    #[wasm_bindgen(method, setter, js_name = oncomplete)]
    fn set_completed(this: &Ending, handler: &Function);
    #[wasm_bindgen(method, setter, js_name = onabort)]
    fn set_aborted(this: &Ending, handler: &Function);
    #[wasm_bindgen(method, getter)]
    fn error(this: &Ending) -> JsValue;

    /// What [`PARTS`] holds.
    type Part;
    #[wasm_bindgen(method, getter)]
    fn start(this: &Part) -> f64;
    #[wasm_bindgen(method, getter)]
    fn bytes(this: &Part) -> Blob;
}

/// Why the browser keeps no parts.
#[derive(Debug)]
pub enum Denied {
    Full,
    Browser(String),
}

/// The parts of a file from its first byte on, without a gap.
pub async fn kept(checksum: &Checksum) -> Result<Vec<Blob>, Denied> {
    let all = parts_of(checksum)?;
    let found = transact(TransactionMode::ReadOnly, async move |transaction| {
        transaction.object_store(PARTS)?.get_all(Some(all), None)?.await
    });
    let mut length = 0.0;
    let in_order = found.await?.into_iter().map(|part| part.unchecked_into::<Part>()).filter_map(|part| {
        // Two tabs that fetch the same file cut it differently.
        let follows = part.start() == length;
        follows.then(|| part.bytes()).inspect(|bytes| length += bytes.size())
    });
    Ok(in_order.collect())
}

/// Keeps the bytes from `start` on; they are there when this returns, also if the worker ends.
pub async fn keep(checksum: &Checksum, start: u64, bytes: &Blob) -> Result<(), Denied> {
    let part = Object::new();
    for (name, value) in [("start", &JsValue::from(start as f64)), ("bytes", bytes.as_ref())] {
        // Setting a field of a plain object cannot fail.
        let _ = Reflect::set(&part, &name.into(), value);
    }
    let (file, key) = (JsValue::from(checksum.hex()), key(checksum, start as f64));
    transact(TransactionMode::ReadWrite, async move |transaction| {
        transaction.object_store(PARTS)?.put(&part, Some(&key))?;
        transaction.object_store(FILES)?.put(&js_sys::Date::now().into(), Some(&file))?;
        Ok(())
    })
    .await
}

/// Deletes the parts of a file.
pub async fn forget(checksum: &Checksum) -> Result<(), Denied> {
    let (file, all) = (JsValue::from(checksum.hex()), parts_of(checksum)?);
    transact(TransactionMode::ReadWrite, async move |transaction| {
        transaction.object_store(PARTS)?.delete(all)?;
        transaction.object_store(FILES)?.delete(file)?;
        Ok(())
    })
    .await
}

/// Deletes the parts that nobody came back for.
pub async fn forget_abandoned() -> Result<(), Denied> {
    let files = transact(TransactionMode::ReadOnly, async move |transaction| {
        let files = transaction.object_store(FILES)?;
        let (names, times) = (files.get_all_keys(None, None)?, files.get_all(None, None)?);
        Ok((names.await?, times.await?))
    });
    let (names, times) = files.await?;
    let now = js_sys::Date::now();
    for (name, time) in names.iter().zip(times) {
        let is_fresh = time.as_f64().is_some_and(|time| now - time < KEPT_FOR);
        let checksum = name.as_string().and_then(|name| Checksum::sha256(&name).or(Checksum::git_sha1(&name)));
        if let (false, Some(checksum)) = (is_fresh, checksum) {
            forget(&checksum).await?;
        }
    }
    Ok(())
}

fn key(checksum: &Checksum, start: f64) -> JsValue {
    Array::of2(&checksum.hex().into(), &start.into()).into()
}

fn parts_of(checksum: &Checksum) -> Result<Query, Denied> {
    let range = KeyRange::bound(&key(checksum, 0.0), &key(checksum, f64::INFINITY), None, None);
    range.map(Query::from).map_err(|error| described(&error))
}

/// Runs as a task of its own, so that no handler of idb's is called after the caller was dropped.
async fn transact<T: 'static>(
    mode: TransactionMode,
    work: impl AsyncFnOnce(&Transaction) -> Result<T, idb::Error> + 'static,
) -> Result<T, Denied> {
    let (sender, receiver) = oneshot::channel();
    spawn_local(async move {
        let outcome = async {
            let connection = Connection::open().await?;
            let transaction = connection.0.transaction(&[PARTS, FILES], mode).map_err(|error| described(&error))?;
            let ending = JsValue::from(transaction);
            let transaction = Transaction::try_from(ending.clone()).map_err(|error| described(&error))?;
            let ended = ended(ending.unchecked_into());
            let answer = work(&transaction).await.map_err(|error| described(&error))?;
            ended.await?;
            Ok(answer)
        };
        // Nobody waits any more: the answer is not needed.
        let _ = sender.send(outcome.await);
    });
    receiver.await.unwrap_or_else(|_| Err(Denied::Browser("the task was stopped".to_string())))
}

/// Until the transaction is committed, or why it was not. Listens from the call on.
fn ended(transaction: Ending) -> impl Future<Output = Result<(), Denied>> {
    let promise = Promise::new(&mut |completed, aborted| {
        transaction.set_completed(&completed);
        transaction.set_aborted(&aborted);
    });
    let ended = JsFuture::from(promise);
    async move { ended.await.map(|_| ()).map_err(|_| denied(&transaction.error())) }
}

/// Closes its database when dropped; transactions that have begun still end.
struct Connection(Database);

impl Connection {
    async fn open() -> Result<Self, Denied> {
        let mut request = Factory::new()
            .and_then(|factory| factory.open(DATABASE, Some(VERSION)))
            .map_err(|error| described(&error))?;
        request.on_upgrade_needed(|event| {
            let Ok(database) = event.database() else { return };
            for store in [PARTS, FILES] {
                // Without its store the first transaction fails, and that is told.
                let _ = database.create_object_store(store, ObjectStoreParams::new());
            }
        });
        request.await.map(Self).map_err(|error| described(&error))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn described(error: &idb::Error) -> Denied {
    match error {
        idb::Error::DomException(exception) => denied(exception),
        idb::Error::UpdateFailed(value) | idb::Error::IndexedDbOpenFailed(value) => denied(value),
        _ => Denied::Browser(error.to_string()),
    }
}

fn denied(error: &JsValue) -> Denied {
    let field = |name: &str| Reflect::get(error, &name.into()).ok().and_then(|value| value.as_string());
    match field("name").as_deref() {
        Some("QuotaExceededError") => Denied::Full,
        _ => Denied::Browser(field("message").unwrap_or_else(|| format!("{error:?}"))),
    }
}
