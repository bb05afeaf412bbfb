//! Checkpoints in a real IndexedDB, in the kind of worker that the engine is.
#![cfg(target_family = "wasm")]

mod storage_model;

use cliptune::storage::indexed_db::{CONTENTS, Edit, IndexedDbStore, SUMMARIES};
use cliptune::storage::{CheckpointStore, StorageError, archive};
use futures_util::FutureExt;
use storage_model::checkpoint;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// An empty database of this name.
async fn fresh(name: &str) -> IndexedDbStore {
    idb::Factory::new().unwrap().delete(name).unwrap().await.unwrap();
    IndexedDbStore::named(name)
}

async fn ids(store: &IndexedDbStore) -> Vec<String> {
    store.list().await.unwrap().into_iter().map(|summary| summary.id).collect()
}

#[wasm_bindgen_test]
async fn a_saved_checkpoint_is_there_for_a_new_connection() {
    let store = fresh("saved").await;
    assert!(store.list().await.unwrap().is_empty());
    let (first, second) = (checkpoint("run", 1, Some(0.9), 1000), checkpoint("run", 2, Some(0.5), 1000));
    assert!(store.save(&first).await.unwrap().best);
    assert!(!store.save(&second).await.unwrap().best);

    let store = IndexedDbStore::named("saved");
    assert_eq!(ids(&store).await, ["run-2", "run-1"]);
    assert_eq!(store.load("run-2").await.unwrap(), second);
    let mut best = first.clone();
    best.summary.best = true;
    assert_eq!(store.load("run-1").await.unwrap(), best);
}

#[wasm_bindgen_test]
async fn a_rename_changes_the_name_alone_and_a_delete_takes_all() {
    let store = fresh("renamed").await;
    let original = checkpoint("run", 1, None, 1000);
    store.save(&original).await.unwrap();
    store.rename("run-1", " <script> “日本” ").await.unwrap();
    let mut expected = original.clone();
    expected.summary.name = "<script> “日本”".into();
    assert_eq!(store.load("run-1").await.unwrap(), expected);
    assert_eq!(store.rename("run-1", "  ").await, Err(StorageError::Nameless));
    assert_eq!(store.rename("run-2", "x").await, Err(StorageError::Missing { id: "run-2".into() }));

    store.delete("run-1").await.unwrap();
    store.delete("run-1").await.unwrap();
    assert!(store.list().await.unwrap().is_empty());
    assert_eq!(store.load("run-1").await.map(|_| ()), Err(StorageError::Missing { id: "run-1".into() }));
}

#[wasm_bindgen_test]
async fn a_transaction_that_fails_half_way_leaves_the_old_state() {
    let store = fresh("aborted").await;
    let original = checkpoint("run", 1, None, 1000);
    store.save(&original).await.unwrap();
    let function: JsValue = js_sys::Function::new_no_args("").into();
    let edits = vec![
        Edit::Delete { store: CONTENTS, id: "run-1".into() },
        Edit::Put { store: SUMMARIES, id: "run-1".into(), value: JsValue::from("overwritten") },
        // No function can be stored: the third edit throws when the first two are under way.
        Edit::Put { store: CONTENTS, id: "run-2".into(), value: function },
    ];
    let error = store.commit(edits, 0).await.unwrap_err();
    assert!(matches!(error, StorageError::Browser(_)), "{error}");
    assert_eq!(ids(&store).await, ["run-1"]);
    assert_eq!(store.load("run-1").await.unwrap(), original);
}

#[wasm_bindgen_test]
async fn a_save_whose_caller_goes_away_ends_whole() {
    let store = fresh("dropped").await;
    let original = checkpoint("run", 1, None, 1_000_000);
    assert!(store.save(&original).now_or_never().is_none(), "it was still under way");
    // The list's transaction waits for the save's, which has asked for its own first.
    let mut found = Vec::new();
    for _ in 0..200 {
        found = ids(&store).await;
        if !found.is_empty() {
            break;
        }
        gloo_timers::future::TimeoutFuture::new(10).await;
    }
    assert_eq!(found, ["run-1"]);
    assert_eq!(store.load("run-1").await.unwrap(), original);
}

#[wasm_bindgen_test]
async fn twenty_megabytes_come_back_bit_for_bit() {
    let store = fresh("large").await;
    let original = checkpoint("run", 1, Some(0.5), 20_000_000);
    store.save(&original).await.unwrap();
    let back = IndexedDbStore::named("large").load("run-1").await.unwrap();
    assert!(back.weights == original.weights);
    store.delete("run-1").await.unwrap();
}

#[wasm_bindgen_test]
async fn a_long_run_keeps_five_checkpoints() {
    let store = fresh("long").await;
    for epoch in 1..=8 {
        let accuracy = if epoch == 2 { 0.9 } else { 0.1 };
        store.save(&checkpoint("run", epoch, Some(accuracy), 10)).await.unwrap();
    }
    assert_eq!(ids(&store).await, ["run-8", "run-7", "run-6", "run-5", "run-2"]);
    assert_eq!(store.load("run-3").await.map(|_| ()), Err(StorageError::Missing { id: "run-3".into() }));
}

#[wasm_bindgen_test]
async fn a_damaged_record_hides_no_other_and_is_told() {
    let store = fresh("damaged").await;
    store.save(&checkpoint("run", 1, None, 10)).await.unwrap();
    store.save(&checkpoint("run", 2, None, 10)).await.unwrap();
    let edits = vec![
        Edit::Put { store: SUMMARIES, id: "run-1".into(), value: JsValue::from("{") },
        Edit::Put { store: CONTENTS, id: "run-2".into(), value: JsValue::from(1) },
    ];
    store.commit(edits, 0).await.unwrap();
    assert_eq!(ids(&store).await, ["run-2"]);
    let error = store.load("run-2").await.unwrap_err();
    assert!(matches!(&error, StorageError::Damaged { id, .. } if id == "run-2"), "{error}");
}

#[wasm_bindgen_test]
async fn a_database_of_a_newer_page_says_so() {
    let _ = fresh("newer").await;
    let newer = idb::Factory::new().unwrap().open("newer", Some(9)).unwrap().await.unwrap();
    newer.close();
    assert_eq!(IndexedDbStore::named("newer").list().await, Err(StorageError::Newer));
}

#[wasm_bindgen_test]
async fn an_idle_store_never_blocks_an_upgrade() {
    let store = fresh("idle").await;
    store.save(&checkpoint("run", 1, None, 10)).await.unwrap();
    // Would wait for ever for a connection that stays open.
    let newer = idb::Factory::new().unwrap().open("idle", Some(2)).unwrap().await.unwrap();
    assert_eq!(newer.store_names(), [CONTENTS, SUMMARIES]);
    newer.close();
}

#[wasm_bindgen_test]
fn an_archive_is_written_and_read_without_a_clock() {
    let original = checkpoint("run", 1, Some(0.5), 100_000);
    let bytes = archive::export(&original).unwrap();
    let back = archive::import(&bytes, "model.zip", "run-1", 0.0).unwrap();
    assert_eq!(back.weights, original.weights);
    assert_eq!(back.config, original.config);
}
