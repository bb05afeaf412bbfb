//! Checkpoints in a real IndexedDB and decoded clips in the private file system, in the kind of worker that the engine is.
#![cfg(target_family = "wasm")]

mod storage_model;

use cliptune::dataset::Split;
use cliptune::files::{FileSource, Scratch};
use cliptune::protocol::{Evaluation, Origin};
use cliptune::storage::checkpoint::{NamedFile, Stranger};
use cliptune::storage::indexed_db::{CONTENTS, Edit, IndexedDbStore, RECORDS, SUMMARIES, TRAINING};
use cliptune::storage::{Checkpoint, CheckpointStore, StorageError, archive};
use cliptune::train::record::Outcomes;
use cliptune::video::disk::{Content, DiskCache};
use futures_util::FutureExt;
use idb::{DatabaseEvent, ObjectStoreParams, TransactionMode};
use js_sys::{Object, Reflect};
use storage_model::{assert_same, bytes, checkpoint, unfinished};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// An empty database of this name.
async fn fresh(name: &str) -> IndexedDbStore {
    idb::Factory::new().unwrap().delete(name).unwrap().await.unwrap();
    IndexedDbStore::named(name)
}

/// Is the checkpoint that the store has under its id.
async fn assert_kept(store: &IndexedDbStore, expected: &Checkpoint) {
    assert_same(&store.load(&expected.summary.id).await.unwrap(), expected).await;
}

async fn ids(store: &IndexedDbStore) -> Vec<String> {
    store.list().await.unwrap().into_iter().map(|summary| summary.id).collect()
}

#[wasm_bindgen_test]
async fn a_saved_checkpoint_is_there_for_a_new_connection() {
    let store = fresh("saved").await;
    assert!(store.list().await.unwrap().is_empty());
    let first = checkpoint("run", 1, Some(0.9), 1000).await;
    let second = unfinished(checkpoint("run", 2, Some(0.5), 1000).await, 5000);
    assert!(store.save(&first).await.unwrap().best);
    assert!(!store.save(&second).await.unwrap().best);

    let store = IndexedDbStore::named("saved");
    assert_eq!(ids(&store).await, ["run-2", "run-1"]);
    assert_kept(&store, &second).await;
    let mut best = first.clone();
    best.summary.best = true;
    assert_kept(&store, &best).await;
}

#[wasm_bindgen_test]
async fn only_the_newest_of_a_run_keeps_its_optimizers_state() {
    let store = fresh("optimizers").await;
    let mut checkpoints = Vec::new();
    for (run, epoch) in [("run", 1), ("run", 2), ("other", 1)] {
        checkpoints.push(unfinished(checkpoint(run, epoch, None, 10).await, 1000));
        store.save(&checkpoints[checkpoints.len() - 1]).await.unwrap();
    }
    store.complete("other-1").await.unwrap();
    for without in [0, 2] {
        checkpoints[without].training = None;
        checkpoints[without].summary.resumable = false;
    }
    for checkpoint in &checkpoints {
        assert_kept(&store, checkpoint).await;
    }
}

#[wasm_bindgen_test]
async fn a_test_result_joins_the_runs_story() {
    let store = fresh("tested").await;
    let mut expected = unfinished(checkpoint("run", 1, None, 10).await, 10);
    store.save(&expected).await.unwrap();
    let test = Evaluation { split: Split::Test, loss: 0.5, accuracy: 2.0 / 3.0, videos: 3, score: None };
    let outcomes = Outcomes::new(test, 3, &[0, 1, 2], &[0, 1, 1]);
    store.record_test("run-1", outcomes.clone()).await.unwrap();
    expected.summary.test = Some(test);
    expected.record.as_mut().unwrap().test = Some(outcomes);
    assert_kept(&store, &expected).await;
}

#[wasm_bindgen_test]
async fn a_note_about_a_run_outlives_the_checkpoints_that_it_was_written_to() {
    storage_model::notes_outlive_checkpoints(&fresh("notes").await).await;
}

/// A database as the first version of the page made it: two stores, and one file of weights.
async fn make_version_1(name: &str, kept: &Checkpoint) {
    let factory = idb::Factory::new().unwrap();
    factory.delete(name).unwrap().await.unwrap();
    let mut request = factory.open(name, Some(1)).unwrap();
    request.on_upgrade_needed(|event| {
        for store in [SUMMARIES, CONTENTS] {
            event.database().unwrap().create_object_store(store, ObjectStoreParams::new()).unwrap();
        }
    });
    let database = request.await.unwrap();
    let mut summary = serde_json::to_value(&kept.summary).unwrap();
    for unknown in ["origin", "resumable", "note"] {
        summary.as_object_mut().unwrap().remove(unknown).unwrap();
    }
    let summary = serde_json::json!({ "format": 1, "summary": summary }).to_string();
    let contents = Object::new();
    let files: [(&str, JsValue); 3] = [
        ("config.json", kept.config.as_str().into()),
        ("preprocessor_config.json", kept.preprocessor.as_str().into()),
        ("model.safetensors", kept.weights[0].1.to_blob().unwrap().into()),
    ];
    for (name, value) in files {
        Reflect::set(&contents, &name.into(), &value).unwrap();
    }
    let transaction = database.transaction(&[SUMMARIES, CONTENTS], TransactionMode::ReadWrite).unwrap();
    let key = JsValue::from(&kept.summary.id);
    transaction.object_store(SUMMARIES).unwrap().put(&summary.into(), Some(&key)).unwrap();
    transaction.object_store(CONTENTS).unwrap().put(&contents, Some(&key)).unwrap();
    transaction.await.unwrap();
    database.close();
}

#[wasm_bindgen_test]
async fn checkpoints_of_the_first_version_are_still_there() {
    let mut old = checkpoint("run", 1, None, 1000).await;
    make_version_1("first-version", &old).await;
    old.summary.origin = Origin::default();
    let store = IndexedDbStore::named("first-version");
    assert_eq!(ids(&store).await, ["run-1"]);
    assert_kept(&store, &old).await;
    // It is renamed, and stands beside new ones, as if it were new.
    store.rename("run-1", "Old").await.unwrap();
    old.summary.name = "Old".into();
    let new = unfinished(checkpoint("run", 2, None, 10).await, 1000);
    store.save(&new).await.unwrap();
    assert_kept(&store, &old).await;
    assert_kept(&store, &new).await;
    store.delete("run-1").await.unwrap();
    assert_eq!(ids(&store).await, ["run-2"]);
}

#[wasm_bindgen_test]
async fn a_rename_changes_the_name_alone_and_a_delete_takes_all() {
    let store = fresh("renamed").await;
    let original = checkpoint("run", 1, None, 1000).await;
    store.save(&original).await.unwrap();
    store.rename("run-1", " <script> “日本” ").await.unwrap();
    let mut expected = original.clone();
    expected.summary.name = "<script> “日本”".into();
    assert_kept(&store, &expected).await;
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
    let original = checkpoint("run", 1, None, 1000).await;
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
    assert_kept(&store, &original).await;
}

#[wasm_bindgen_test]
async fn a_save_whose_caller_goes_away_ends_whole() {
    let store = fresh("dropped").await;
    let original = checkpoint("run", 1, None, 1_000_000).await;
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
    assert_kept(&store, &original).await;
}

#[wasm_bindgen_test]
async fn twenty_megabytes_come_back_bit_for_bit() {
    let store = fresh("large").await;
    let original = checkpoint("run", 1, Some(0.5), 20_000_000).await;
    store.save(&original).await.unwrap();
    let back = IndexedDbStore::named("large").load("run-1").await.unwrap();
    assert!(bytes(&back.weights[0].1).await == bytes(&original.weights[0].1).await);
    store.delete("run-1").await.unwrap();
}

#[wasm_bindgen_test]
async fn a_long_run_keeps_five_checkpoints() {
    let store = fresh("long").await;
    for epoch in 1..=8 {
        let accuracy = if epoch == 2 { 0.9 } else { 0.1 };
        // Kept in the middle of the epoch, until the epoch is complete.
        let mut latest = checkpoint("run", epoch, None, 10).await;
        latest.summary.id = "run-latest".into();
        store.save(&latest).await.unwrap();
        assert_eq!(ids(&store).await[0], "run-latest");
        store.save(&checkpoint("run", epoch, Some(accuracy), 10).await).await.unwrap();
    }
    assert_eq!(ids(&store).await, ["run-8", "run-7", "run-6", "run-5", "run-2"]);
    assert_eq!(store.load("run-3").await.map(|_| ()), Err(StorageError::Missing { id: "run-3".into() }));
}

#[wasm_bindgen_test]
async fn a_damaged_record_hides_no_other_and_is_told() {
    let store = fresh("damaged").await;
    store.save(&checkpoint("run", 1, None, 10).await).await.unwrap();
    store.save(&checkpoint("run", 2, None, 10).await).await.unwrap();
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
    store.save(&checkpoint("run", 1, None, 10).await).await.unwrap();
    // Would wait for ever for a connection that stays open.
    let newer = idb::Factory::new().unwrap().open("idle", Some(3)).unwrap().await.unwrap();
    assert_eq!(newer.store_names(), [CONTENTS, RECORDS, SUMMARIES, TRAINING]);
    newer.close();
}

#[wasm_bindgen_test]
async fn an_archive_is_written_and_read_without_a_clock() {
    let original = unfinished(checkpoint("run", 1, Some(0.5), 100_000).await, 1000);
    let zip = archive::pack(&original.files().unwrap()).await.unwrap();
    assert_same(&opened(archive::unpack(&zip).unwrap()).await, &original).await;
}

async fn opened(files: Vec<NamedFile>) -> Checkpoint {
    let stranger = Stranger { id: "new".into(), name: "new".into(), created: 0.0, origin: Origin::default() };
    Checkpoint::from_files(files, &stranger).await.unwrap().0
}

#[wasm_bindgen_test]
async fn what_is_kept_is_packed_from_the_disk_and_back() {
    let store = fresh("packed").await;
    let original = unfinished(checkpoint("run", 1, None, 6_000_000).await, 1000);
    store.save(&original).await.unwrap();
    let kept = store.load("run-1").await.unwrap();
    let zip = archive::pack(&kept.files().unwrap()).await.unwrap();
    let back = opened(archive::unpack(&zip).unwrap()).await;
    assert_same(&back, &original).await;
    // Its files are parts of the zip, and can be kept as they are.
    store.delete("run-1").await.unwrap();
    store.save(&back).await.unwrap();
    assert_kept(&store, &original).await;
}

fn pixels() -> Content {
    Content::Pixels { start: 0.0, seconds: 1.0, size: [2, 2], repeats: false }
}

#[wasm_bindgen_test]
async fn what_was_kept_on_disk_is_read_in_any_part_until_it_is_cleared() {
    let disk = DiskCache::new(3_000_000);
    let (one, two) = (vec![7; 1_500_000], vec![9; 1_000_000]);
    disk.keep("clip".into(), pixels(), &[&one, &two]).await;
    disk.keep("too large".into(), pixels(), &[&one]).await;
    assert_eq!((disk.report().bytes, disk.report().refused), (2_500_000, false));
    assert!(disk.get("too large").is_none());
    let kept = disk.get("clip").unwrap();
    assert_eq!(kept.bytes.read(1_499_999..1_500_001).await.unwrap(), [7, 9]);
    assert_eq!(kept.bytes.read_all().await.unwrap(), [one, two].concat());
    disk.clear().await;
    assert_eq!(disk.report().bytes, 0);
    assert!(kept.bytes.read(0..1).await.is_err());
}

#[wasm_bindgen_test]
async fn a_new_page_removes_what_a_closed_one_left_and_nothing_of_one_that_is_open() {
    async fn write(scratch: &Scratch) -> FileSource {
        scratch.write([&[1u8, 2, 3][..]]).await.unwrap().1
    }
    let (open, closed) = (Scratch::create().await.unwrap(), Scratch::create().await.unwrap());
    let (of_open, of_closed) = (write(&open).await, write(&closed).await);
    drop(closed);
    let new = Scratch::create().await.unwrap();
    assert_eq!(of_open.read_all().await.unwrap(), [1, 2, 3]);
    assert!(of_closed.read_all().await.is_err());
    drop((open, new));
}
