//! The native twin, as a script uses it: what it prints, what it writes, and its exit codes. Real clips of the sample.
#![cfg(feature = "native")]

mod sample;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use cliptune::engine::models;
use cliptune::protocol::{CheckpointSummary, LoadReport};
use cliptune::storage::CheckpointStore;
use cliptune::storage::directory::DirectoryStore;
use cliptune::train::record::RunRecord;
use futures_executor::block_on;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use safetensors::tensor::SafeTensors;
use sample::small_folder;
use serde_json::Value;

fn cliptune(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cliptune")).args(arguments).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    })
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The command's output, which it ended well with.
fn done(arguments: &[&str]) -> Output {
    let output = cliptune(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", errors(&output));
    output
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn inspect_lists_classes_splits_and_what_cannot_be_used() {
    let folder = small_folder([4, 2, 1]);
    std::fs::write(folder.path().join("train/SpinLeft/notes.mp4"), "not a video").unwrap();
    std::fs::write(folder.path().join("train/SpinLeft/empty.webm"), "").unwrap();
    let output = cliptune(&["inspect", text(folder.path())]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let catalogue = json(&output);
    assert_eq!(
        catalogue["classes"][0],
        serde_json::json!({"name": "SpinLeft", "train": 4, "validation": 2, "test": 1})
    );
    assert_eq!(catalogue["videos"].as_array().unwrap().len(), 14);
    let unusable: Vec<&str> =
        catalogue["unusable"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(unusable, ["train/SpinLeft/empty.webm", "train/SpinLeft/notes.mp4"]);
}

#[test]
fn labels_and_recordings_come_from_names_or_lists_as_the_options_say() {
    let (sample, folder) = (small_folder([4, 0, 0]), tempfile::tempdir().unwrap());
    for (class, name) in [("SpinLeft", "left"), ("SpinRight", "right")] {
        let clips = std::fs::read_dir(sample.path().join("train").join(class)).unwrap();
        for (clip, person) in clips.zip(["anna", "ben", "carl", "dora"]) {
            std::fs::copy(clip.unwrap().path(), folder.path().join(format!("{name}_{person}_1.webm"))).unwrap();
        }
    }
    std::fs::write(folder.path().join("list.csv"), "left_anna_1.webm,turn\nright_ben_1.webm,turn back\n").unwrap();
    let inspect = |options: &[&str]| json(&done(&[&["inspect", text(folder.path())], options].concat()));
    let labels = |catalogue: &Value| -> Vec<String> {
        let classes = catalogue["classes"].as_array().unwrap();
        classes.iter().map(|class| class["name"].as_str().unwrap().to_string()).collect()
    };
    assert_eq!(labels(&inspect(&["--labels", "lists"])), ["turn", "turn back"]);
    assert_eq!(labels(&inspect(&["--labels", "folders"])), [""; 0], "there are none");
    let named = inspect(&["--label-pattern", "{label}_*_#", "--group-pattern", "*_{group}_#", "--split-seed", "7"]);
    assert_eq!(labels(&named), ["left", "right"]);
    let splits = named["found"]["splits"].as_str().unwrap();
    assert!(splits.contains("4 recordings together, seed 7"), "{splits}");
    let out = tempfile::tempdir().unwrap();
    let options = ["--label-pattern", "{label}_*_#", "--size", "micro", "--epochs", "1"];
    let tuned = json(&done(&[&["tune", text(folder.path()), "--out", text(out.path())], &options[..]].concat()));
    assert_eq!(tuned["labels"], serde_json::json!(["left", "right"]));
    let wrong = cliptune(&["inspect", text(folder.path()), "--label-pattern", "{lable}"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(errors(&wrong).contains("{lable}"), "{}", errors(&wrong));
}

#[test]
fn a_model_is_tuned_kept_and_classifies() {
    let (folder, out) = (small_folder([3, 1, 1]), tempfile::tempdir().unwrap());
    let best = json(&done(&["tune", text(folder.path()), "--out", text(out.path()), "--epochs", "2", "--batch", "4"]));
    assert_eq!(best["labels"], serde_json::json!(["SpinLeft", "SpinRight"]));
    assert_eq!(best["origin"]["source"], "Cliptune's starter model for people", "without --size and --from");
    assert_eq!(best["test"]["videos"], 2);
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 2, "a checkpoint for each epoch");

    let model = out.path().join(best["id"].as_str().unwrap());
    let missing = folder.path().join("missing.webm");
    let clips = std::fs::read_dir(folder.path().join("test/SpinLeft")).unwrap();
    let clip = clips.map(|entry| entry.unwrap().path()).next().unwrap();
    let lines = json(&done(&["classify", text(&model), text(&clip), text(&missing)]));
    let scores: Vec<f64> = lines[0]["predictions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|prediction| prediction["score"].as_f64().unwrap())
        .collect();
    assert!((scores.iter().sum::<f64>() - 1.0).abs() < 1e-5 && scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    assert!(!lines[1]["reason"].as_str().unwrap().is_empty());

    // As one file, and in half of the bytes, it says the same.
    let file_of = |name: &str, options: &[&str]| {
        let path = out.path().join(name);
        done(&[&["export", text(&model), text(&path)], options].concat());
        let said = json(&done(&["classify", text(&path), text(&clip)]));
        let first = &said[0]["predictions"][0];
        assert_eq!(first["label"], lines[0]["predictions"][0]["label"]);
        assert!((first["score"].as_f64().unwrap() - scores[0]).abs() < 1e-2);
        std::fs::metadata(path).unwrap().len()
    };
    let (whole, half) = (file_of("whole.zip", &[]), file_of("half.zip", &["--half"]));
    assert!(half * 3 < whole * 2, "{half} of {whole} bytes");
}

#[test]
fn the_same_settings_give_the_same_weights() {
    let folder = small_folder([3, 1, 1]);
    let weights = || {
        let out = tempfile::tempdir().unwrap();
        let options = ["--size", "micro", "--epochs", "1", "--batch", "4"];
        let tuned = done(&[&["tune", text(folder.path()), "--out", text(out.path())], &options[..]].concat());
        let id = json(&tuned)["id"].as_str().unwrap().to_string();
        std::fs::read(out.path().join(id).join("model.safetensors")).unwrap()
    };
    assert!(weights() == weights());
}

#[test]
fn tuning_goes_on_from_a_checkpoint() {
    let (folder, out) = (small_folder([3, 1, 1]), tempfile::tempdir().unwrap());
    let out_folder = text(out.path());
    let options = ["--size", "micro", "--epochs", "1"];
    let first = json(&done(&[&["tune", text(folder.path()), "--out", out_folder], &options[..]].concat()));
    let id = first["id"].as_str().unwrap();
    let second = json(&done(&["tune", text(folder.path()), "--out", out_folder, "--from", id, "--epochs", "1"]));
    assert_ne!(second["run"], first["run"]);
}

#[test]
fn a_pre_trained_model_is_imported_and_tuned() {
    let (folder, out) = (small_folder([3, 1, 1]), tempfile::tempdir().unwrap());
    let model = PathBuf::from("tests/fixtures/golden/pretrain/model");
    let imported = json(&done(&["import", text(&model), "--out", text(out.path())]));
    let named = |list: &str| -> Vec<String> {
        let list = imported["report"][list].as_array().unwrap();
        list.iter().map(|tensor| tensor[0].as_str().unwrap().to_string()).collect()
    };
    assert_eq!(named("missing"), ["classifier.bias", "classifier.weight"]);
    assert!(named("misshapen").is_empty());
    assert!(named("surplus").iter().any(|name| name == "mask_token"));
    let id = imported["checkpoint"]["id"].as_str().unwrap();
    let clip = folder.path().join("test/SpinLeft");
    let headless = cliptune(&["classify", text(&out.path().join(id)), text(&clip)]);
    assert_eq!(headless.status.code(), Some(3));
    assert!(errors(&headless).contains("Fine-tune from it first"), "{}", errors(&headless));
    let tuned = json(&done(&["tune", text(folder.path()), "--out", text(out.path()), "--from", id, "--epochs", "1"]));
    assert_eq!(tuned["labels"], serde_json::json!(["SpinLeft", "SpinRight"]));
}

#[test]
fn a_model_whose_training_failed_is_refused_with_the_tensor_and_keeps_nothing() {
    let (model, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let golden = PathBuf::from("tests/fixtures/golden/micro/model");
    for name in ["config.json", "preprocessor_config.json"] {
        std::fs::copy(golden.join(name), model.path().join(name)).unwrap();
    }
    let mut bytes = std::fs::read(golden.join("model.safetensors")).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(model.path().join("model.safetensors"), bytes).unwrap();
    let refused = cliptune(&["import", text(model.path()), "--out", text(out.path())]);
    assert_eq!(refused.status.code(), Some(3), "{}", errors(&refused));
    assert!(errors(&refused).contains("videomae.encoder.layer.1.output.dense.weight"), "{}", errors(&refused));
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
}

/// When a run is killed.
enum Kill {
    /// So many milliseconds after it was started.
    After(u64),
    /// As soon as it was seen to write to a checkpoint for the so manyeth time: each has half a dozen files.
    Writing(usize),
}

/// The folders of checkpoints that are being written, or were when a run was killed, with when they last changed.
fn unfinished(out: &Path) -> BTreeSet<(OsString, SystemTime)> {
    let entries = std::fs::read_dir(out).unwrap().map(|entry| entry.unwrap());
    let writing = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".writing-"));
    // One may be gone by now.
    writing.filter_map(|entry| Some((entry.file_name(), entry.metadata().ok()?.modified().ok()?))).collect()
}

/// Runs the command, kills it, and tells whether it was still at work by then.
fn killed(arguments: &[&str], out: &Path, kill: &Kill) -> bool {
    // What it leaves among the system's temporary files goes with the test's.
    let temporary = tempfile::tempdir().unwrap();
    let mut seen = unfinished(out);
    let before = seen.len();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cliptune"));
    command.args(arguments).env("TMPDIR", temporary.path());
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    match kill {
        Kill::After(milliseconds) => std::thread::sleep(Duration::from_millis(*milliseconds)),
        Kill::Writing(wanted) => {
            while seen.len() < before + wanted && run.try_wait().unwrap().is_none() {
                seen.extend(unfinished(out));
                std::thread::sleep(Duration::from_micros(100));
            }
        }
    }
    let at_work = run.try_wait().unwrap().is_none();
    run.kill().unwrap();
    run.wait().unwrap();
    at_work
}

/// The newest checkpoint of a run that can go on; each that is listed opens.
fn newest_resumable(out: &Path) -> Option<CheckpointSummary> {
    let store = DirectoryStore::open(out).unwrap();
    let listed = block_on(store.list()).unwrap();
    for summary in &listed {
        let checkpoint = block_on(store.load(&summary.id)).unwrap();
        block_on(models::check(&checkpoint, &LoadReport::default())).unwrap();
    }
    listed.into_iter().find(|summary| summary.resumable)
}

/// What a run left at its end, without the clock: its story, and the last weights.
fn left(out: &Path) -> (RunRecord, Vec<u8>) {
    let store = DirectoryStore::open(out).unwrap();
    let listed = block_on(store.list()).unwrap();
    assert!(listed.iter().all(|summary| !summary.resumable && !summary.id.ends_with("-latest")), "{listed:?}");
    let last = block_on(store.load(&listed[0].id)).unwrap();
    let mut record = last.record.unwrap();
    record.steps.iter_mut().for_each(|step| step.time = None);
    (record, block_on(last.weights[0].1.read_all()).unwrap())
}

#[test]
fn a_run_that_is_killed_at_twenty_random_moments_loses_no_bit() {
    let (folder, whole, killed_often) =
        (small_folder([3, 1, 1]), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (data, out) = (text(folder.path()), text(killed_often.path()));
    let file = folder.path().join("settings.json");
    let settings =
        r#"{"epochs": 40, "batch": 2, "checkpointing": {"eval_strategy": "steps", "eval_steps": 5, "save_steps": 2}}"#;
    std::fs::write(&file, settings).unwrap();
    let tune = |out| ["tune", data, "--size", "micro", "--settings", text(&file), "--out", out];
    done(&tune(text(whole.path())));

    let mut random = ChaCha8Rng::seed_from_u64(20);
    let (mut stood, mut while_writing) = (0, 0);
    for kill in 0..20 {
        let kill = match kill % 4 {
            0 => Kill::After(random.random_range(0..1000)),
            _ => Kill::Writing(random.random_range(1..24)),
        };
        let before = newest_resumable(killed_often.path());
        let at_work = match before {
            Some(_) => killed(&["resume", data, "--out", out], killed_often.path(), &kill),
            None => killed(&tune(out), killed_often.path(), &kill),
        };
        assert!(at_work, "the run ended before it was killed twenty times");
        while_writing += usize::from(!unfinished(killed_often.path()).is_empty());
        let stands = newest_resumable(killed_often.path()).map_or(0, |summary| summary.stands.unwrap().step);
        assert!(stands >= stood, "it stood at step {stood}, and at {stands} after a kill");
        stood = stands;
    }
    assert!(stood > 10 && while_writing > 2, "{stood} steps, {while_writing} kills while a checkpoint was written");
    let best = json(&done(&["resume", data, "--out", out]));
    let ((ours, our_weights), (theirs, their_weights)) = (left(killed_often.path()), left(whole.path()));
    assert_eq!(ours.steps.len(), 120);
    assert!(ours == theirs, "the story of the run");
    assert!(our_weights == their_weights, "the last weights");
    assert!(best["test"]["videos"] == 2);

    let ended = cliptune(&["resume", data, "--out", out]);
    assert_eq!(ended.status.code(), Some(3), "{}", errors(&ended));
}

#[test]
fn logits_agree_with_transformers() {
    let golden = PathBuf::from("tests/fixtures/golden/micro");
    let out = tempfile::tempdir().unwrap();
    let written = out.path().join("logits.safetensors");
    let model = golden.join("model");
    let input = golden.join("forward.safetensors");
    done(&["logits", text(&model), text(&input), text(&written)]);
    let logits = |path: &Path| -> Vec<f32> {
        let bytes = std::fs::read(path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let view = file.tensor("logits").unwrap();
        view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    let (ours, theirs) = (logits(&written), logits(&input));
    assert_eq!(ours.len(), theirs.len());
    assert!(ours.iter().zip(&theirs).all(|(ours, theirs)| (ours - theirs).abs() < 1e-4), "{ours:?} and {theirs:?}");
}

#[test]
fn exit_codes_tell_wrong_arguments_from_unusable_input() {
    let folder = small_folder([3, 1, 1]);
    let out = tempfile::tempdir().unwrap();
    let code = |arguments: &[&str]| {
        let output = cliptune(arguments);
        assert!(!errors(&output).contains("panicked"), "{}", errors(&output));
        output.status.code()
    };
    let (data, out) = (text(folder.path()), text(out.path()));
    assert_eq!(code(&["tune"]), Some(2));
    assert_eq!(code(&["tune", data, "--out", out, "--epochs", "0"]), Some(2));
    assert_eq!(code(&["tune", data, "--out", out, "--size", "enormous"]), Some(2));
    assert_eq!(code(&["tune", data, "--out", out, "--size", "micro", "--from", "x"]), Some(2));
    let one_class = folder.path().join("train/SpinLeft");
    assert_eq!(code(&["tune", text(&one_class), "--out", out]), Some(3));
    assert_eq!(code(&["inspect", "/no/such/folder"]), Some(3));
    assert_eq!(code(&["classify", "/no/such/model", "clip.webm"]), Some(3));
    let not_a_model = PathBuf::from("Cargo.toml");
    assert_eq!(code(&["classify", text(&not_a_model), "clip.webm"]), Some(3));
    assert_eq!(code(&["import", text(&not_a_model), "--out", out]), Some(3));
    assert_eq!(code(&["import", data, "--out", out]), Some(3), "a folder of videos is no model");
    assert_eq!(code(&["export", data, "model.zip"]), Some(3));
    assert_eq!(code(&["resume", data, "--out", out, "--from", "run-1"]), Some(1), "there is no such checkpoint");
}

#[test]
fn a_settings_file_says_what_no_option_does_and_options_win_over_it() {
    let (folder, out) = (small_folder([2, 1, 1]), tempfile::tempdir().unwrap());
    let file = out.path().join("settings.json");
    std::fs::write(&file, r#"{"epochs": 9, "strategy": "freeze", "optimization": {"max_steps": 1}}"#).unwrap();
    let tune = ["tune", text(folder.path()), "--out", text(out.path()), "--settings", text(&file), "--size", "micro"];
    let best = json(&done(&[&tune[..], &["--batch", "2"]].concat()));
    let record = out.path().join(best["id"].as_str().unwrap()).join("run.json");
    let record: Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
    let settings = &record["settings"];
    assert_eq!((&settings["epochs"], &settings["batch"]), (&Value::from(9), &Value::from(2)));
    assert_eq!((&settings["strategy"], &settings["start"]["Size"]), (&Value::from("freeze"), &Value::from("micro")));
    assert_eq!(record["steps"].as_array().unwrap().len(), 1);

    std::fs::write(&file, r#"{"epoch": 9}"#).unwrap();
    let refused = cliptune(&tune);
    assert_eq!(refused.status.code(), Some(2));
    assert!(errors(&refused).contains("\"epoch\""), "{}", errors(&refused));
}
