//! The native twin, as a script uses it: what it prints, what it writes, and its exit codes. Real clips of the sample.
#![cfg(feature = "native")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use safetensors::tensor::SafeTensors;
use serde_json::Value;

fn cliptune(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cliptune")).args(arguments).output().unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    })
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder of the sample's clips of two classes: four to train, two to validate, one to test each.
fn small_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (split, count) in [("train", 4), ("val", 2), ("test", 1)] {
        for class in ["SpinLeft", "SpinRight"] {
            let from = root().join("public/sample").join(split).join(class);
            let to = folder.path().join(split).join(class);
            std::fs::create_dir_all(&to).unwrap();
            let mut clips: Vec<PathBuf> = std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
            clips.sort();
            for clip in clips.iter().take(count) {
                std::fs::copy(clip, to.join(clip.file_name().unwrap())).unwrap();
            }
        }
    }
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn inspect_lists_classes_splits_and_what_cannot_be_used() {
    let folder = small_folder();
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
fn a_model_is_tuned_kept_and_classifies() {
    let (folder, out) = (small_folder(), tempfile::tempdir().unwrap());
    let tuned = cliptune(&["tune", text(folder.path()), "--out", text(out.path()), "--epochs", "2", "--batch", "4"]);
    assert_eq!(tuned.status.code(), Some(0), "{}", errors(&tuned));
    let best = json(&tuned);
    assert_eq!(best["labels"], serde_json::json!(["SpinLeft", "SpinRight"]));
    assert_eq!(best["test"]["videos"], 2);
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 2, "a checkpoint for each epoch");

    let model = out.path().join(best["id"].as_str().unwrap());
    let missing = folder.path().join("missing.webm");
    let clips = std::fs::read_dir(folder.path().join("test/SpinLeft")).unwrap();
    let clip = clips.map(|entry| entry.unwrap().path()).next().unwrap();
    let classified = cliptune(&["classify", text(&model), text(&clip), text(&missing)]);
    assert_eq!(classified.status.code(), Some(0), "{}", errors(&classified));
    let lines = json(&classified);
    let scores: Vec<f64> = lines[0]["predictions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|prediction| prediction["score"].as_f64().unwrap())
        .collect();
    assert!((scores.iter().sum::<f64>() - 1.0).abs() < 1e-5 && scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    assert!(!lines[1]["reason"].as_str().unwrap().is_empty());
}

#[test]
fn the_same_settings_give_the_same_weights() {
    let folder = small_folder();
    let weights = || {
        let out = tempfile::tempdir().unwrap();
        let tuned =
            cliptune(&["tune", text(folder.path()), "--out", text(out.path()), "--epochs", "1", "--batch", "4"]);
        let id = json(&tuned)["id"].as_str().unwrap().to_string();
        std::fs::read(out.path().join(id).join("model.safetensors")).unwrap()
    };
    assert!(weights() == weights());
}

#[test]
fn tuning_goes_on_from_a_checkpoint() {
    let (folder, out) = (small_folder(), tempfile::tempdir().unwrap());
    let out_folder = text(out.path());
    let first = json(&cliptune(&["tune", text(folder.path()), "--out", out_folder, "--epochs", "1"]));
    let id = first["id"].as_str().unwrap();
    let second = cliptune(&["tune", text(folder.path()), "--out", out_folder, "--from", id, "--epochs", "1"]);
    assert_eq!(second.status.code(), Some(0), "{}", errors(&second));
    assert_ne!(json(&second)["run"], first["run"]);
}

#[test]
fn logits_agree_with_transformers() {
    let golden = root().join("tests/fixtures/golden/micro");
    let out = tempfile::tempdir().unwrap();
    let written = out.path().join("logits.safetensors");
    let model = golden.join("model");
    let input = golden.join("forward.safetensors");
    let output = cliptune(&["logits", text(&model), text(&input), text(&written)]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
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
    let folder = small_folder();
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
    let one_class = folder.path().join("train/SpinLeft");
    assert_eq!(code(&["tune", text(&one_class), "--out", out]), Some(3));
    assert_eq!(code(&["inspect", "/no/such/folder"]), Some(3));
    assert_eq!(code(&["classify", "/no/such/model", "clip.webm"]), Some(3));
    let not_a_model = root().join("Cargo.toml");
    assert_eq!(code(&["classify", text(&not_a_model), "clip.webm"]), Some(3));
}
