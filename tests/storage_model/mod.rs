//! A small model for the storage tests: a real configuration and real safetensors, with chosen sizes.

use cliptune::dataset::Split;
use cliptune::files::FileSource;
use cliptune::model::config::ModelSize;
use cliptune::protocol::{EpochReport, Evaluation, Origin};
use cliptune::storage::checkpoint::{NamedFile, Stranger};
use cliptune::storage::preprocessor::preprocessor_json;
use cliptune::storage::{Checkpoint, CheckpointStore, Normalisation};
use cliptune::train::record::{self, Manifest, ManifestVideo, Outcomes, Progress, RunRecord, StepRecord};
use cliptune::train::settings::TuneSettings;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

pub const LABELS: [&str; 3] = ["Slide left", "café “quoted”", "日本"];

/// A checkpoint of `run`, with `noise` bytes of weights beside the classifier's.
pub async fn checkpoint(run: &str, epoch: usize, accuracy: Option<f32>, noise: usize) -> Checkpoint {
    let labels: Vec<String> = LABELS.map(str::to_string).to_vec();
    let config = serde_json::to_string_pretty(&ModelSize::Micro.config(&labels)).unwrap();
    let preprocessor =
        preprocessor_json(32, 32, Normalisation { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });
    let files: [(&str, Vec<u8>); 3] = [
        ("config.json", config.into_bytes()),
        ("preprocessor_config.json", preprocessor.into_bytes()),
        ("model.safetensors", weights(LABELS.len(), noise, epoch as u64)),
    ];
    let files: Vec<NamedFile> =
        files.into_iter().map(|(name, bytes)| (name.to_string(), FileSource::from_bytes(bytes))).collect();
    let stranger = Stranger {
        id: format!("{run}-{epoch}"),
        name: format!("{run}, epoch {epoch}"),
        created: 1_795_000_000_000.0 + epoch as f64,
        origin: Origin {
            source: "MCG-NJU/videomae-base".into(),
            revision: Some("dc740df".into()),
            licence: Some("cc-by-nc-4.0".into()),
        },
    };
    let (mut checkpoint, _) = Checkpoint::from_files(files, &stranger).await.unwrap();
    checkpoint.summary.run = run.to_string();
    checkpoint.summary.epoch = epoch;
    checkpoint.summary.clip_seconds = 1.5;
    checkpoint.summary.validation =
        accuracy.map(|accuracy| Evaluation { split: Split::Validation, loss: 0.1, accuracy, videos: 12, score: None });
    checkpoint
}

/// The same as a checkpoint whose run can go on: with its story, and so many bytes of optimizer state.
pub fn unfinished(mut checkpoint: Checkpoint, state: usize) -> Checkpoint {
    let epoch = checkpoint.summary.epoch;
    let validation = Evaluation { split: Split::Validation, loss: 0.7, accuracy: 1.0 / 3.0, videos: 12, score: None };
    let video = ManifestVideo {
        path: "train/日本/v_g07_c01.webm".into(),
        part: None,
        label: 2,
        split: Split::Train,
        group: Some("g07".into()),
    };
    checkpoint.record = Some(RunRecord {
        format: record::FORMAT,
        settings: TuneSettings::for_size(ModelSize::Micro),
        pretraining: None,
        data: Manifest { classes: LABELS.map(str::to_string).to_vec(), videos: vec![video] },
        origin: checkpoint.summary.origin.clone(),
        steps_per_epoch: 1,
        progress: Progress { step: epoch, epoch, ..Progress::default() },
        steps: vec![
            StepRecord {
                epoch: 1,
                loss: 0.1,
                accuracy: 0.5,
                learning_rate: 1e-3,
                gradient_norm: 0.3,
                time: Some(1.7e9)
            };
            epoch
        ],
        epochs: (1..=epoch)
            .map(|epoch| EpochReport { epoch, train_loss: 0.1, train_accuracy: 0.2, validation: Some(validation) })
            .collect(),
        evaluations: Vec::new(),
        validation: Some(Outcomes::new(validation, 3, &[0, 1, 2], &[0, 0, 0])),
        test: None,
    });
    checkpoint.training = Some(FileSource::from_bytes(noise(state, epoch as u64 + 100)));
    checkpoint.adapter = Some(FileSource::from_bytes(noise(1000, epoch as u64 + 200)));
    checkpoint.summary.resumable = true;
    checkpoint
}

/// What is written about a run goes to all of its checkpoints and on to those that follow, and to no other run's.
pub async fn notes_outlive_checkpoints(store: &impl CheckpointStore) {
    for (run, epoch) in [("run", 1), ("other", 1), ("run", 2)] {
        store.save(&unfinished(checkpoint(run, epoch, None, 10).await, 10)).await.unwrap();
    }
    store.annotate("run", " Flipped clips\r\nhurt here <b> ").await.unwrap();
    for epoch in 3..=9 {
        store.save(&unfinished(checkpoint("run", epoch, None, 10).await, 10)).await.unwrap();
    }
    for summary in store.list().await.unwrap() {
        let expected = if summary.run == "run" { "Flipped clips\nhurt here <b>" } else { "" };
        assert_eq!(summary.note, expected, "{}", summary.id);
        let loaded = store.load(&summary.id).await.unwrap();
        assert_eq!((loaded.summary.note.as_str(), loaded.record.is_some()), (expected, true), "{}", summary.id);
    }
    store.annotate("run", "").await.unwrap();
    assert!(store.list().await.unwrap().iter().all(|summary| summary.note.is_empty()));
}

/// Two checkpoints are the same, byte for byte.
pub async fn assert_same(found: &Checkpoint, expected: &Checkpoint) {
    assert_eq!(found.summary, expected.summary);
    assert_eq!(found.config, expected.config);
    assert_eq!(found.preprocessor, expected.preprocessor);
    assert_eq!(found.record, expected.record);
    let names =
        |checkpoint: &Checkpoint| -> Vec<String> { checkpoint.weights.iter().map(|(name, _)| name.clone()).collect() };
    assert_eq!(names(found), names(expected));
    for ((name, found), (_, expected)) in found.weights.iter().zip(&expected.weights) {
        assert!(bytes(found).await == bytes(expected).await, "{name}");
    }
    let files = [(&found.training, &expected.training), (&found.adapter, &expected.adapter)];
    for (found, expected) in files {
        assert_eq!(found.is_some(), expected.is_some());
        if let (Some(found), Some(expected)) = (found, expected) {
            assert!(bytes(found).await == bytes(expected).await, "the training state and the adapters");
        }
    }
}

pub async fn bytes(file: &FileSource) -> Vec<u8> {
    file.read_all().await.unwrap()
}

/// `model.safetensors` with a classifier for so many classes, and `count` bytes that no compression shrinks.
pub fn weights(classes: usize, count: usize, seed: u64) -> Vec<u8> {
    let (classifier, other) = (noise(classes * 64 * 4, seed), noise(count, seed + 1));
    let tensors = [
        ("classifier.weight", TensorView::new(Dtype::F32, vec![classes, 64], &classifier).unwrap()),
        ("noise", TensorView::new(Dtype::U8, vec![count], &other).unwrap()),
    ];
    safetensors::serialize(tensors, None).unwrap()
}

fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}
