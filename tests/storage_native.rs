//! The archive and the folder of checkpoints, with real files on a real disk.
#![cfg(not(target_family = "wasm"))]

mod storage_model;

use std::fs;
use std::io::{Cursor, Write};

use cliptune::dataset::Split;
use cliptune::protocol::Evaluation;
use cliptune::storage::archive::{ArchiveError, export, import};
use cliptune::storage::directory::{DirectoryStore, read_model_folder};
use cliptune::storage::{Checkpoint, CheckpointStore, StorageError};
use pollster::block_on;
use storage_model::{checkpoint, weights};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, SimpleFileOptions::DEFAULT).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn hub_files(checkpoint: &Checkpoint) -> [(&'static str, &[u8]); 3] {
    [
        ("config.json", checkpoint.config.as_bytes()),
        ("preprocessor_config.json", checkpoint.preprocessor.as_bytes()),
        ("model.safetensors", &checkpoint.weights),
    ]
}

fn import_error(bytes: &[u8]) -> ArchiveError {
    import(bytes, "model.zip", "new", 5.0).unwrap_err()
}

#[test]
fn an_exported_checkpoint_comes_back_bit_for_bit() {
    let mut original = checkpoint("run", 3, Some(0.75), 100_000);
    original.summary.test = Some(Evaluation { split: Split::Test, loss: 0.3, accuracy: 1.0 / 3.0, videos: 9 });
    let bytes = export(&original).unwrap();
    assert_eq!(bytes, export(&original).unwrap(), "equal checkpoints give equal files");
    let back = import(&bytes, "renamed.zip", "new-id", 5.0).unwrap();
    let mut expected = original.clone();
    expected.summary.id = "new-id".into();
    expected.summary.run = "new-id".into();
    assert_eq!(back, expected);
}

#[test]
fn other_programs_unpack_an_export() {
    let folder = tempfile::tempdir().unwrap();
    let original = checkpoint("run", 1, None, 1000);
    let path = folder.path().join("model.zip");
    fs::write(&path, export(&original).unwrap()).unwrap();
    let script =
        "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; z.extractall(sys.argv[2])";
    let unpacked = folder.path().join("unpacked");
    match std::process::Command::new("python3").args(["-c", script]).arg(&path).arg(&unpacked).status() {
        Err(error) => return println!("skipped: no python3 ({error})"),
        Ok(status) => assert!(status.success()),
    }
    for (name, bytes) in hub_files(&original) {
        assert_eq!(fs::read(unpacked.join(name)).unwrap(), bytes, "{name}");
    }
    assert_eq!(read_model_folder(&unpacked).unwrap().weights, original.weights);
}

#[test]
fn a_hub_zip_without_our_summary_is_a_model_named_after_the_file() {
    let original = checkpoint("run", 1, None, 1000);
    let files = hub_files(&original);
    let in_folder = files.map(|(name, bytes)| (format!("my-model/{name}"), bytes));
    let mut in_folder: Vec<(&str, &[u8])> = in_folder.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    in_folder.push(("__MACOSX/config.json", b"rubbish"));
    in_folder.push(("../../etc/passwd", b"rubbish"));
    for zip in [zip_of(&files), zip_of(&in_folder)] {
        let back = import(&zip, "folder/Überraschung.zip", "new", 5.0).unwrap();
        assert_eq!(
            (back.config, back.preprocessor, back.weights),
            (original.config.clone(), original.preprocessor.clone(), original.weights.clone())
        );
        let summary = back.summary;
        assert_eq!((summary.id.as_str(), summary.run.as_str(), summary.name.as_str()), ("new", "new", "Überraschung"));
        assert_eq!((summary.created, summary.epoch, summary.frames, summary.image_size), (5.0, 0, 8, 32));
        assert_eq!(summary.labels, storage_model::LABELS);
        assert_eq!(summary.parameters, 3 * 64 + 1000);
    }
}

#[test]
fn models_that_transformers_saved_are_imported() {
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/golden");
    for (name, classes, parameters) in [("micro", 4, 111_892), ("tiny", 7, 0), ("odd", 5, 0), ("rect", 11, 0)] {
        let folder = golden.join(name).join("model");
        if !folder.exists() {
            println!("skipped: {} is absent", folder.display());
            continue;
        }
        let model = read_model_folder(&folder).unwrap();
        assert_eq!(model.summary.labels.len(), classes, "{name}");
        assert!(parameters == 0 || model.summary.parameters == parameters, "{}", model.summary.parameters);
        assert_eq!(import(&zip_of(&hub_files(&model)), "m.zip", "model", 0.0).unwrap().weights, model.weights);
    }
    let pretraining = golden.join("pretrain/model");
    if pretraining.exists() {
        let error = read_model_folder(&pretraining).unwrap_err().to_string();
        assert!(error.contains("no classifier"), "{error}");
    }
}

#[test]
fn each_absent_file_is_named() {
    let original = checkpoint("run", 1, None, 10);
    for absent in 0..3 {
        let mut files = hub_files(&original).to_vec();
        let (name, _) = files.remove(absent);
        let error = import_error(&zip_of(&files));
        assert!(matches!(error, ArchiveError::MissingEntry(entry) if entry == name), "{error}");
        assert!(error.to_string().contains(name));
    }
    let mut sharded = hub_files(&original).to_vec();
    sharded[2] = ("model.safetensors.index.json", b"{}");
    assert_eq!(import_error(&zip_of(&sharded)), ArchiveError::OtherWeights);
    let two: Vec<(&str, &[u8])> = vec![("a/config.json", b"{}"), ("b/config.json", b"{}")];
    assert_eq!(import_error(&zip_of(&two)), ArchiveError::SeveralModels);
}

#[test]
fn files_that_do_not_fit_together_are_refused_with_the_files_name() {
    let original = checkpoint("run", 1, None, 10);
    let with = |place: usize, bytes: &[u8]| {
        let mut files = hub_files(&original).to_vec();
        files[place].1 = bytes;
        import_error(&zip_of(&files)).to_string()
    };
    assert!(with(0, b"not json").contains("config.json cannot be read"));
    assert!(with(0, br#"{"model_type": "bert"}"#).contains("bert"));
    assert!(with(0, br#"{"model_type": "videomae", "patch_size": 0}"#).contains("config.json"));
    assert!(with(1, b"[1]").contains("preprocessor_config.json"));
    assert!(with(1, b"\xff\xfe").contains("not text"));
    assert!(with(2, &weights(4, 10, 1)).contains("names 3 classes, but model.safetensors scores 4"));
    // Headers: too short, longer than the file, not JSON, sizes beyond the data and beyond any integer.
    for broken in [
        Vec::new(),
        vec![255; 8],
        b"\x02\0\0\0\0\0\0\0xx".to_vec(),
        header(r#"{"classifier.weight":{"dtype":"F32","shape":[3,64],"data_offsets":[0,768]}}"#),
        header(r#"{"classifier.weight":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#),
        header(r#"{"a":{"dtype":"U8","shape":[2305843009213693951],"data_offsets":[0,2305843009213693951]}}"#),
    ] {
        let sentence = with(2, &broken);
        assert!(sentence.starts_with("model.safetensors"), "{sentence}");
    }
    let mut files = hub_files(&original).to_vec();
    files.push(("cliptune.json", br#"{"format": 9}"#));
    assert!(import_error(&zip_of(&files)).to_string().contains("newer Cliptune"));
}

fn header(json: &str) -> Vec<u8> {
    [&(json.len() as u64).to_le_bytes(), json.as_bytes()].concat()
}

#[test]
fn no_damage_of_a_zip_panics_or_passes_unseen() {
    let original = checkpoint("run", 1, Some(0.5), 10);
    let bytes = export(&original).unwrap();
    let expected = import(&bytes, "model.zip", "new", 5.0).unwrap();
    for length in 0..bytes.len() {
        assert!(import(&bytes[..length], "model.zip", "new", 5.0).is_err(), "cut at {length}");
    }
    for place in 0..bytes.len() {
        for value in [0, 0x7f, 0xff, bytes[place] ^ 1] {
            let mut damaged = bytes.clone();
            damaged[place] = value;
            if let Ok(found) = import(&damaged, "model.zip", "new", 5.0) {
                // What does not carry content, such as a date, may change; the files themselves never.
                assert_eq!(found.config, expected.config, "byte {place}");
                assert_eq!(found.preprocessor, expected.preprocessor, "byte {place}");
                assert_eq!(found.weights, expected.weights, "byte {place}");
            }
        }
    }
    assert_eq!(import_error(b""), ArchiveError::NotZip);
    assert_eq!(import_error(b"not a zip at all"), ArchiveError::NotZip);
}

#[test]
fn an_entry_that_claims_more_than_the_file_holds_is_refused() {
    let original = checkpoint("run", 1, None, 10);
    let mut bytes = zip_of(&hub_files(&original));
    let central = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    // The uncompressed size of the first entry in the central directory.
    bytes[central + 24..central + 28].copy_from_slice(&0xf000_0000_u32.to_le_bytes());
    let error = import_error(&bytes);
    assert!(matches!(error, ArchiveError::DamagedEntry { entry: "config.json", .. }), "{error}");
}

#[test]
fn a_compressed_zip_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let original = checkpoint("run", 1, None, 10);
    for (name, bytes) in hub_files(&original) {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let script = "import os, sys, zipfile; d = sys.argv[1]; z = zipfile.ZipFile(sys.argv[2], 'w', zipfile.ZIP_DEFLATED); [z.write(os.path.join(d, n), n) for n in os.listdir(d)]; z.close()";
    let path = folder.path().with_extension("zip");
    match std::process::Command::new("python3").args(["-c", script]).arg(folder.path()).arg(&path).status() {
        Err(error) => return println!("skipped: no python3 ({error})"),
        Ok(status) => assert!(status.success()),
    }
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(import_error(&bytes), ArchiveError::Compressed("config.json"));
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
    assert_eq!(block_on(store.load("run-2")).unwrap(), second);

    block_on(store.rename("run-2", "  <script> “日本” ")).unwrap();
    let test = Evaluation { split: Split::Test, loss: 0.5, accuracy: 0.8, videos: 3 };
    block_on(store.record_test("run-2", test)).unwrap();
    let changed = block_on(store.load("run-2")).unwrap();
    assert_eq!((changed.summary.name.as_str(), changed.summary.test), ("<script> “日本”", Some(test)));
    assert_eq!(changed.weights, second.weights);
    assert_eq!(block_on(store.rename("run-2", " ")), Err(StorageError::Nameless));

    block_on(store.delete("run-1")).unwrap();
    block_on(store.delete("run-1")).unwrap();
    assert!(block_on(store.list()).unwrap()[0].best, "the mark passes on");
    let missing = Err(StorageError::Missing { id: "run-1".into() });
    assert_eq!(block_on(store.load("run-1")).map(|_| ()), missing);
    assert_eq!(block_on(store.rename("run-1", "x")), missing);
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
    assert_eq!(block_on(store.load("run-1")).unwrap(), original);
    let second = checkpoint("run", 2, None, 1000);
    block_on(store.save(&second)).unwrap();
    assert_eq!(block_on(store.load("run-2")).unwrap(), second);
    // The same id again takes the old one's place.
    let mut changed = second.clone();
    changed.weights = weights(3, 500, 77);
    block_on(store.save(&changed)).unwrap();
    assert_eq!(block_on(store.load("run-2")).unwrap().weights, changed.weights);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
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
        Some(Evaluation { split: Split::Validation, loss: f32::NAN, accuracy: 0.25, videos: 4 });
    block_on(store.save(&diverged)).unwrap();
    assert_eq!(block_on(store.load("run-1")).unwrap().summary.validation, None);
}
