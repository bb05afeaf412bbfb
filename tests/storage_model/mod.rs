//! A small model for the storage tests: a real configuration and real safetensors, with chosen sizes.

use cliptune::dataset::Split;
use cliptune::model::config::ModelSize;
use cliptune::protocol::Evaluation;
use cliptune::storage::Checkpoint;
use cliptune::storage::checkpoint::{Normalisation, preprocessor_json};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

pub const LABELS: [&str; 3] = ["Slide left", "café “quoted”", "日本"];

/// A checkpoint of `run`, with `noise` bytes of weights beside the classifier's.
pub fn checkpoint(run: &str, epoch: usize, accuracy: Option<f32>, noise: usize) -> Checkpoint {
    let labels: Vec<String> = LABELS.map(str::to_string).to_vec();
    let config = serde_json::to_string_pretty(&ModelSize::Micro.config(&labels)).unwrap();
    let preprocessor =
        preprocessor_json(32, 32, Normalisation { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });
    let mut checkpoint = Checkpoint::from_files(
        &format!("{run}-{epoch}"),
        &format!("{run}, epoch {epoch}"),
        1_795_000_000_000.0 + epoch as f64,
        config,
        preprocessor,
        weights(LABELS.len(), noise, epoch as u64),
    )
    .unwrap();
    checkpoint.summary.run = run.to_string();
    checkpoint.summary.epoch = epoch;
    checkpoint.summary.clip_seconds = 1.5;
    checkpoint.summary.validation =
        accuracy.map(|accuracy| Evaluation { split: Split::Validation, loss: 0.1, accuracy, videos: 12 });
    checkpoint
}

/// `model.safetensors` with a classifier for so many classes, and `noise` bytes that no compression shrinks.
pub fn weights(classes: usize, noise: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = |length: usize| -> Vec<u8> {
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        (0..length).map(|_| next()).collect()
    };
    let (classifier, other) = (bytes(classes * 64 * 4), bytes(noise));
    let tensors = [
        ("classifier.weight", TensorView::new(Dtype::F32, vec![classes, 64], &classifier).unwrap()),
        ("noise", TensorView::new(Dtype::U8, vec![noise], &other).unwrap()),
    ];
    safetensors::serialize(tensors, None).unwrap()
}
