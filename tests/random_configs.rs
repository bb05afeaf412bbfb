//! Small VideoMAE classifiers of random shapes: the weights that transformers saved give the logits that it computed.
//!
//! The fixtures were made by `fixtures/random_configs/generate.py`.
#![cfg(feature = "native")]

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use cliptune::engine::loaded::LoadedModel;
use cliptune::storage::directory::read_model_folder;
use safetensors::tensor::{Dtype, SafeTensors};

fn folders() -> Vec<PathBuf> {
    let all = Path::new("tests/fixtures/random_configs");
    let entries = std::fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

fn floats(file: &SafeTensors, name: &str) -> (Vec<usize>, Vec<f32>) {
    let view = file.tensor(name).unwrap();
    assert_eq!(view.dtype(), Dtype::F32);
    let values = view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    (view.shape().to_vec(), values)
}

/// The largest difference between our logits and transformers'.
async fn difference(folder: &Path, device: &Device) -> f32 {
    let (checkpoint, report) = read_model_folder(folder).await.unwrap();
    assert!(report.is_complete() && report.surplus.is_empty(), "{}: {report:?}", folder.display());
    let loaded = LoadedModel::open(&checkpoint, device).await.unwrap();
    let golden = std::fs::read(folder.join("golden.safetensors")).unwrap();
    let golden = SafeTensors::deserialize(&golden).unwrap();
    let (shape, pixels) = floats(&golden, "pixel_values");
    let (logits_shape, theirs) = floats(&golden, "logits");
    let logits = loaded.model.forward(Tensor::from_data(TensorData::new(pixels, shape), device));
    assert_eq!(logits.dims().to_vec(), logits_shape, "{}", folder.display());
    let ours = logits.into_data_async().await.unwrap();
    ours.iter::<f32>().zip(theirs).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max)
}

#[test]
fn logits_agree_to_1e_4_whatever_the_shape() {
    let device = Device::flex();
    let folders = folders();
    assert_eq!(folders.len(), 8);
    for folder in folders {
        let difference = futures_executor::block_on(difference(&folder, &device));
        println!("{}: logits differ by {difference:e}", folder.display());
        assert!(difference < 1e-4, "{}: {difference:e}", folder.display());
    }
}
