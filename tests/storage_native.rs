//! The archive and the folder of checkpoints, with real files on a real disk.
#![cfg(not(target_family = "wasm"))]

mod storage_model;

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use cliptune::dataset::Split;
use cliptune::files::FileSource;
use cliptune::protocol::{Evaluation, Origin};
use cliptune::storage::archive::{ArchiveError, pack, unpack};
use cliptune::storage::checkpoint::{CheckpointError, NamedFile, Stranger};
use cliptune::storage::directory::{DirectoryStore, read_model_folder};
use cliptune::storage::{Checkpoint, CheckpointStore, StorageError};
use cliptune::tensors::TensorsError;
use cliptune::train::record::Outcomes;
use futures_executor::block_on;
use storage_model::{assert_same, unfinished, weights};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fn checkpoint(run: &str, epoch: usize, accuracy: Option<f32>, noise: usize) -> Checkpoint {
    block_on(storage_model::checkpoint(run, epoch, accuracy, noise))
}

fn bytes(file: &FileSource) -> Vec<u8> {
    block_on(storage_model::bytes(file))
}

fn zip_of<Name: AsRef<str>, Bytes: AsRef<[u8]>>(entries: &[(Name, Bytes)], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(name.as_ref(), SimpleFileOptions::DEFAULT.compression_method(method)).unwrap();
        writer.write_all(bytes.as_ref()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn stored<Name: AsRef<str>, Bytes: AsRef<[u8]>>(entries: &[(Name, Bytes)]) -> Vec<u8> {
    zip_of(entries, CompressionMethod::Stored)
}

/// A checkpoint's files as a Hub repository has them: without ours.
fn hub_files(checkpoint: &Checkpoint) -> Vec<(String, Vec<u8>)> {
    let files = checkpoint.files().unwrap().into_iter();
    files.filter(|(name, _)| name != "cliptune.json").map(|(name, file)| (name, bytes(&file))).collect()
}

fn named(files: &[(String, Vec<u8>)]) -> Vec<NamedFile> {
    files.iter().map(|(name, bytes)| (name.clone(), FileSource::from_bytes(bytes.clone()))).collect()
}

fn stranger() -> Stranger {
    Stranger { id: "new".into(), name: "A stranger".into(), created: 5.0, origin: Origin::default() }
}

fn open(files: Vec<NamedFile>) -> Result<Checkpoint, CheckpointError> {
    block_on(Checkpoint::from_files(files, &stranger())).map(|(checkpoint, _)| checkpoint)
}

fn unpacked(zip: &[u8]) -> Result<Vec<NamedFile>, ArchiveError> {
    unpack(&FileSource::from_bytes(zip))
}

fn refused(zip: &[u8]) -> ArchiveError {
    unpacked(zip).unwrap_err()
}

fn packed(checkpoint: &Checkpoint) -> Vec<u8> {
    bytes(&block_on(pack(&checkpoint.files().unwrap())).unwrap())
}

#[test]
fn a_packed_checkpoint_comes_back_bit_for_bit() {
    let mut original = unfinished(checkpoint("run", 3, Some(0.75), 100_000), 5_000);
    original.summary.test =
        Some(Evaluation { split: Split::Test, loss: 0.3, accuracy: 1.0 / 3.0, videos: 9, score: None });
    let zip = packed(&original);
    assert!(zip == packed(&original), "equal checkpoints give equal files");
    block_on(assert_same(&open(unpacked(&zip).unwrap()).unwrap(), &original));
}

/// Runs a line of Python, which has an independent reader and writer of zips; false where there is no Python.
fn python(script: &str, arguments: &[&Path]) -> bool {
    match std::process::Command::new("python3").args(["-c", script]).args(arguments).status() {
        Err(error) => {
            println!("skipped: no python3 ({error})");
            false
        }
        Ok(status) => {
            assert!(status.success());
            true
        }
    }
}

#[test]
fn other_programs_unpack_what_was_packed() {
    let folder = tempfile::tempdir().unwrap();
    let original = checkpoint("run", 1, None, 1000);
    let path = folder.path().join("model.zip");
    fs::write(&path, packed(&original)).unwrap();
    let script =
        "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; z.extractall(sys.argv[2])";
    let unpacked = folder.path().join("unpacked");
    if python(script, &[&path, &unpacked]) {
        for (name, bytes) in hub_files(&original) {
            assert!(fs::read(unpacked.join(&name)).unwrap() == bytes, "{name}");
        }
        let (back, _) = block_on(read_model_folder(&unpacked)).unwrap();
        block_on(assert_same(&back, &original));
    }
}

#[test]
fn a_zip_that_another_program_compressed_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let original = checkpoint("run", 1, None, 10);
    let files = folder.path().join("my-model");
    fs::create_dir(&files).unwrap();
    for (name, bytes) in hub_files(&original) {
        fs::write(files.join(name), bytes).unwrap();
    }
    let zip = |method: &str| {
        let script = format!(
            "import os, sys, zipfile; d = sys.argv[1]; z = zipfile.ZipFile(sys.argv[2], 'w', zipfile.{method}); \
             [z.write(os.path.join(d, n), 'my-model/' + n) for n in sorted(os.listdir(d))]; z.close()"
        );
        let path = folder.path().join(method);
        python(&script, &[&files, &path]).then(|| fs::read(path).unwrap())
    };
    let (Some(deflated), Some(bzipped)) = (zip("ZIP_DEFLATED"), zip("ZIP_BZIP2")) else { return };
    assert!(deflated.len() < packed(&original).len());
    let back = open(unpacked(&deflated).unwrap()).unwrap();
    assert_eq!((&back.config, &back.preprocessor), (&original.config, &original.preprocessor));
    assert!(bytes(&back.weights[0].1) == bytes(&original.weights[0].1));
    assert_eq!(refused(&bzipped), ArchiveError::Compressed("config.json".into()));
}

#[test]
fn a_hub_zip_without_our_summary_is_named_by_whoever_brings_it() {
    let original = checkpoint("run", 1, None, 1000);
    let files = hub_files(&original);
    let mut in_folder: Vec<(String, Vec<u8>)> =
        files.iter().map(|(name, bytes)| (format!("my-model/{name}"), bytes.clone())).collect();
    for rubbish in ["__MACOSX/config.json", "../../etc/passwd", "my-model/optimizer.pt"] {
        in_folder.push((rubbish.into(), b"rubbish".to_vec()));
    }
    for zip in [stored(&files), stored(&in_folder)] {
        let back = open(unpacked(&zip).unwrap()).unwrap();
        assert_eq!((&back.config, &back.preprocessor), (&original.config, &original.preprocessor));
        assert_eq!(back.weights.len(), 1);
        assert!(bytes(&back.weights[0].1) == bytes(&original.weights[0].1));
        let summary = back.summary;
        assert_eq!((summary.id.as_str(), summary.run.as_str(), summary.name.as_str()), ("new", "new", "A stranger"));
        assert_eq!((summary.created, summary.epoch, summary.frames, summary.image_size), (5.0, 0, 8, 32));
        assert_eq!(summary.labels, storage_model::LABELS);
        assert!(!summary.resumable && back.record.is_none());
    }
}

#[test]
fn models_that_transformers_saved_are_opened() {
    let golden = Path::new("tests/fixtures/golden");
    for (name, classes, parameters) in [("micro", 4, 111_892), ("tiny", 7, 0), ("odd", 5, 0), ("rect", 11, 0)] {
        let (model, report) = block_on(read_model_folder(&golden.join(name).join("model"))).unwrap();
        assert!(report.is_complete() && report.surplus.is_empty(), "{name}");
        assert_eq!(model.summary.labels.len(), classes, "{name}");
        assert!(parameters == 0 || model.summary.parameters == parameters, "{}", model.summary.parameters);
    }
    let (pretrained, _) = block_on(read_model_folder(&golden.join("pretrain/model"))).unwrap();
    assert_eq!((pretrained.summary.name.as_str(), pretrained.summary.labels.len()), ("model", 0));
    assert_eq!(pretrained.summary.parameters, 111_696, "the encoder's, without a head");
}

#[test]
fn each_absent_file_is_named() {
    let files = hub_files(&checkpoint("run", 1, None, 10));
    let without =
        |absent: &str| -> Vec<(String, Vec<u8>)> { files.iter().filter(|(name, _)| name != absent).cloned().collect() };
    assert_eq!(refused(&stored(&without("config.json"))), CheckpointError::Absent("config.json").into());
    let no_preprocessor = open(unpacked(&stored(&without("preprocessor_config.json"))).unwrap()).unwrap_err();
    assert_eq!(no_preprocessor, CheckpointError::Absent("preprocessor_config.json"));
    assert!(no_preprocessor.to_string().contains("preprocessor_config.json"));
    let no_weights = open(named(&without("model.safetensors"))).unwrap_err();
    assert_eq!(no_weights, CheckpointError::Weights(TensorsError::NoWeights));
    let mut sharded = without("model.safetensors");
    let index = r#"{"weight_map": {"classifier.weight": "model-00001-of-00002.safetensors"}}"#;
    sharded.push(("model.safetensors.index.json".into(), index.into()));
    let sentence = open(named(&sharded)).unwrap_err().to_string();
    assert!(sentence.contains("model-00001-of-00002.safetensors"), "{sentence}");
    let two = [("a/config.json", b"{}"), ("b/config.json", b"{}")];
    assert_eq!(refused(&stored(&two)), ArchiveError::SeveralModels);
}

#[test]
fn files_that_do_not_fit_together_are_refused_with_the_files_name() {
    let original = unfinished(checkpoint("run", 1, None, 10), 10);
    let with = |name: &str, bytes: &[u8]| {
        let mut files = hub_files(&original);
        files.retain(|(other, _)| other != name);
        files.push((name.to_string(), bytes.to_vec()));
        open(named(&files)).unwrap_err().to_string()
    };
    assert!(with("config.json", b"not json").contains("config.json cannot be read"));
    assert!(with("config.json", br#"{"model_type": "bert"}"#).contains("bert"));
    assert!(with("config.json", br#"{"model_type": "videomae", "patch_size": 0}"#).contains("config.json"));
    assert!(with("preprocessor_config.json", b"[1]").contains("preprocessor_config.json"));
    assert!(with("preprocessor_config.json", b"\xff\xfe").contains("not text"));
    assert!(with("model.safetensors", &weights(4, 10, 1)).contains("names 3 classes, but the weights score 4"));
    // Headers: too short, longer than the file, not JSON, sizes beyond the data and beyond any integer.
    for broken in [
        Vec::new(),
        vec![255; 8],
        b"\x02\0\0\0\0\0\0\0xx".to_vec(),
        header(r#"{"classifier.weight":{"dtype":"F32","shape":[3,64],"data_offsets":[0,768]}}"#),
        header(r#"{"classifier.weight":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#),
        header(r#"{"a":{"dtype":"U8","shape":[2305843009213693951],"data_offsets":[0,2305843009213693951]}}"#),
    ] {
        let sentence = with("model.safetensors", &broken);
        assert!(sentence.contains("model.safetensors"), "{sentence}");
    }
    assert!(with("cliptune.json", b"{").contains("cliptune.json"));
    assert!(with("cliptune.json", br#"{"format": 9}"#).contains("newer Cliptune"));
    assert!(with("run.json", br#"{"format": 1}"#).contains("run.json"));
    assert!(with("run.json", br#"{"format": 9}"#).contains("newer Cliptune"));
}

fn header(json: &str) -> Vec<u8> {
    [&(json.len() as u64).to_le_bytes(), json.as_bytes()].concat()
}

#[test]
fn an_optimizer_state_without_its_run_is_left_out() {
    let mut files = hub_files(&unfinished(checkpoint("run", 1, None, 10), 10));
    files.retain(|(name, _)| name != "run.json");
    let opened = open(named(&files)).unwrap();
    assert!(opened.training.is_none() && !opened.summary.resumable);
}

#[test]
fn no_damage_of_a_zip_panics_or_passes_unseen() {
    let zip = packed(&checkpoint("run", 1, Some(0.5), 10));
    let whole = unpacked(&zip).unwrap();
    for length in 0..zip.len() {
        assert!(unpacked(&zip[..length]).is_err(), "cut at {length}");
    }
    for place in 0..zip.len() {
        for value in [0, 0x7f, 0xff, zip[place] ^ 1] {
            let mut damaged = zip.clone();
            damaged[place] = value;
            // What does not carry content, such as a date or a name, may change; what the files hold never.
            for (name, found) in unpacked(&damaged).unwrap_or_default() {
                let holds = bytes(&found);
                assert!(whole.iter().any(|(_, file)| bytes(file) == holds), "byte {place}: {name:?}");
            }
        }
    }
    assert_eq!(refused(b""), ArchiveError::NotZip);
    assert_eq!(refused(b"not a zip at all"), ArchiveError::NotZip);
}

/// Overwrites four bytes behind the first signature: of a local header, or of one in the central directory.
fn with_header_field(mut zip: Vec<u8>, signature: &[u8; 4], offset: usize, value: u32) -> Vec<u8> {
    let at = offset + zip.windows(4).position(|window| window == signature).unwrap();
    zip[at..at + 4].copy_from_slice(&value.to_le_bytes());
    zip
}

#[test]
fn an_entry_that_claims_more_than_the_file_holds_is_refused() {
    let files = hub_files(&checkpoint("run", 1, None, 10));
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let size = |value| with_header_field(zip_of(&files, method), b"PK\x01\x02", 24, value);
        for claim in [0xf000_0000, 1_000_000, 10] {
            let error = refused(&size(claim));
            assert!(matches!(&error, ArchiveError::DamagedEntry { entry, .. } if entry == "config.json"), "{error}");
        }
    }
}

#[test]
fn an_entry_that_grows_absurdly_is_refused_before_it_is_unpacked() {
    let mut files = hub_files(&checkpoint("run", 1, None, 10));
    files[0].1 = vec![b' '; 50_000_000];
    let zip = zip_of(&files, CompressionMethod::Deflated);
    assert!(zip.len() < 100_000, "{} bytes", zip.len());
    let error = refused(&zip);
    assert!(matches!(&error, ArchiveError::DamagedEntry { entry, .. } if entry == "config.json"), "{error}");
}

#[test]
fn a_zip_with_a_password_says_so() {
    let files = hub_files(&checkpoint("run", 1, None, 10));
    let local = with_header_field(stored(&files), b"PK\x03\x04", 6, 1);
    // Flags, and the method beside them: stored.
    let both = with_header_field(local, b"PK\x01\x02", 8, 1);
    assert_eq!(refused(&both), ArchiveError::Encrypted("config.json".into()));
}

#[test]
fn a_folder_keeps_lists_renames_and_deletes() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(folder.path().join("new")).unwrap();
    let (first, second) = (checkpoint("run", 1, Some(0.9), 1000), checkpoint("run", 2, Some(0.9), 1000));
    assert!(block_on(store.save(&first)).unwrap().best);
    assert!(!block_on(store.save(&second)).unwrap().best, "of equals the earlier is the best");

    // Another handle, as after a restart.
    let store = DirectoryStore::open(folder.path().join("new")).unwrap();
    let ids = |store: &DirectoryStore| -> Vec<String> {
        block_on(store.list()).unwrap().into_iter().map(|summary| summary.id).collect()
    };
    assert_eq!(ids(&store), ["run-2", "run-1"]);
    block_on(assert_same(&block_on(store.load("run-2")).unwrap(), &second));

    block_on(store.rename("run-2", "  <script> “日本” ")).unwrap();
    let test = Evaluation { split: Split::Test, loss: 0.5, accuracy: 0.8, videos: 3, score: None };
    block_on(store.record_test("run-2", Outcomes::new(test, 3, &[0], &[1]))).unwrap();
    let mut changed = second.clone();
    changed.summary.name = "<script> “日本”".into();
    changed.summary.test = Some(test);
    block_on(assert_same(&block_on(store.load("run-2")).unwrap(), &changed));
    assert_eq!(block_on(store.rename("run-2", " ")), Err(StorageError::Nameless));

    block_on(store.delete("run-1")).unwrap();
    block_on(store.delete("run-1")).unwrap();
    assert!(block_on(store.list()).unwrap()[0].best, "the mark passes on");
    let missing = Err(StorageError::Missing { id: "run-1".into() });
    assert_eq!(block_on(store.load("run-1")).map(|_| ()), missing);
    assert_eq!(block_on(store.rename("run-1", "x")), missing);
}

#[test]
fn a_test_result_joins_the_runs_story() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(folder.path()).unwrap();
    let mut expected = unfinished(checkpoint("run", 1, None, 10), 10);
    block_on(store.save(&expected)).unwrap();
    let test = Evaluation { split: Split::Test, loss: 0.5, accuracy: 2.0 / 3.0, videos: 3, score: None };
    let outcomes = Outcomes::new(test, 3, &[0, 1, 2], &[0, 1, 1]);
    block_on(store.record_test("run-1", outcomes.clone())).unwrap();
    expected.summary.test = Some(test);
    expected.record.as_mut().unwrap().test = Some(outcomes);
    block_on(assert_same(&block_on(store.load("run-1")).unwrap(), &expected));
}

#[test]
fn a_note_about_a_run_outlives_the_checkpoints_that_it_was_written_to() {
    let folder = tempfile::tempdir().unwrap();
    block_on(storage_model::notes_outlive_checkpoints(&DirectoryStore::open(folder.path()).unwrap()));
}

#[test]
fn a_runs_story_is_read_without_its_weights() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(folder.path()).unwrap();
    let kept = unfinished(checkpoint("run", 1, None, 10), 10);
    block_on(store.save(&kept)).unwrap();
    block_on(store.save(&checkpoint("brought", 1, None, 10))).unwrap();
    fs::remove_file(store.folder("run-1").join("model.safetensors")).unwrap();
    assert!(block_on(store.load("run-1")).is_err());
    assert_eq!(block_on(store.record("run-1")).unwrap(), kept.record);
    assert_eq!(block_on(store.record("brought-1")), Ok(None));
    assert_eq!(block_on(store.record("gone")), Err(StorageError::Missing { id: "gone".into() }));
    fs::write(store.folder("run-1").join("run.json"), "{").unwrap();
    assert!(matches!(block_on(store.record("run-1")), Err(StorageError::Damaged { .. })));
}

#[test]
fn only_the_newest_of_a_run_keeps_its_optimizers_state() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(folder.path()).unwrap();
    let checkpoints = [1, 2, 3].map(|epoch| unfinished(checkpoint("run", epoch, None, 10), 1000));
    let other = unfinished(checkpoint("other", 1, None, 10), 1000);
    for checkpoint in checkpoints.iter().chain([&other]) {
        block_on(store.save(checkpoint)).unwrap();
    }
    let resumable = |summary: cliptune::protocol::CheckpointSummary| summary.resumable.then_some(summary.id);
    let listed: Vec<String> = block_on(store.list()).unwrap().into_iter().filter_map(resumable).collect();
    assert_eq!(listed, ["run-3", "other-1"]);
    let mut older = checkpoints[1].clone();
    older.training = None;
    older.summary.resumable = false;
    block_on(assert_same(&block_on(store.load("run-2")).unwrap(), &older));
    block_on(assert_same(&block_on(store.load("run-3")).unwrap(), &checkpoints[2]));
    block_on(store.complete("other-1")).unwrap();
    assert!(!folder.path().join("other-1/training_state.safetensors").exists());
    assert!(!block_on(store.load("other-1")).unwrap().summary.resumable);
}

#[test]
fn a_long_run_leaves_five_folders() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(folder.path()).unwrap();
    for epoch in 1..=9 {
        block_on(store.save(&checkpoint("run", epoch, Some(if epoch == 2 { 0.9 } else { 0.1 }), 10))).unwrap();
    }
    let epochs: Vec<usize> = block_on(store.list()).unwrap().iter().map(|summary| summary.epoch).collect();
    assert_eq!(epochs, [9, 8, 7, 6, 2]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5);
}

#[test]
fn a_kill_leaves_a_checkpoint_whole_or_absent() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(folder.path()).unwrap();
    let original = checkpoint("run", 1, None, 1000);
    block_on(store.save(&original)).unwrap();
    // Killed while writing: a temporary folder with half of a model.
    let half = folder.path().join(".writing-run-2");
    fs::create_dir(&half).unwrap();
    fs::write(half.join("cliptune.json"), "{").unwrap();
    // Killed while replacing: the old folder is set aside, the new one is not yet there.
    fs::rename(store.folder("run-1"), folder.path().join(".replaced-run-1")).unwrap();

    let store = DirectoryStore::open(folder.path()).unwrap();
    assert_eq!(block_on(store.list()).unwrap().len(), 1);
    block_on(assert_same(&block_on(store.load("run-1")).unwrap(), &original));
    let second = checkpoint("run", 2, None, 1000);
    block_on(store.save(&second)).unwrap();
    block_on(assert_same(&block_on(store.load("run-2")).unwrap(), &second));
    // The same id again takes the old one's place.
    let mut changed = second.clone();
    changed.weights[0].1 = FileSource::from_bytes(weights(3, 1000, 77));
    block_on(store.save(&changed)).unwrap();
    block_on(assert_same(&block_on(store.load("run-2")).unwrap(), &changed));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_checkpoint_that_is_read_from_its_own_folder_can_be_saved_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(folder.path()).unwrap();
    let original = unfinished(checkpoint("run", 1, None, 1000), 1000);
    block_on(store.save(&original)).unwrap();
    let loaded = block_on(store.load("run-1")).unwrap();
    block_on(store.save(&loaded)).unwrap();
    block_on(assert_same(&block_on(store.load("run-1")).unwrap(), &original));
}

#[test]
fn a_damaged_folder_hides_no_other_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(folder.path()).unwrap();
    for epoch in 1..=3 {
        block_on(store.save(&checkpoint("run", epoch, None, 100))).unwrap();
    }
    fs::write(store.folder("run-1").join("cliptune.json"), "{").unwrap();
    fs::write(store.folder("run-2").join("model.safetensors"), "short").unwrap();
    fs::create_dir(folder.path().join("holiday-videos")).unwrap();
    assert_eq!(block_on(store.list()).unwrap().len(), 2);
    let error = block_on(store.load("run-2")).unwrap_err();
    assert!(matches!(&error, StorageError::Damaged { id, .. } if id == "run-2"), "{error}");
    assert!(block_on(store.load("../run-3")).is_err());
    block_on(store.delete("holiday-videos")).unwrap();
    assert!(folder.path().join("holiday-videos").exists(), "a folder that is not ours stays");
}

#[test]
fn a_model_that_diverged_is_still_kept_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(folder.path()).unwrap();
    let mut diverged = checkpoint("run", 1, Some(0.5), 10);
    diverged.summary.validation =
        Some(Evaluation { split: Split::Validation, loss: f32::NAN, accuracy: 0.25, videos: 4, score: None });
    block_on(store.save(&diverged)).unwrap();
    assert_eq!(block_on(store.load("run-1")).unwrap().summary.validation, None);
}
