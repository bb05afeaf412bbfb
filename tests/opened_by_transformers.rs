//! An export that Python's transformers opened without a complaint: what we write today is still that, and means the
//! same to us.
//!
//! The fixtures were made by `interop/make_exported.py`: an export, and transformers' logits of it. `make test-interop`
//! opens the same export again.
#![cfg(feature = "native")]

use std::path::PathBuf;

use burn::tensor::{Device, Tensor, TensorData};
use cliptune::engine::loaded::LoadedModel;
use cliptune::engine::models;
use cliptune::export;
use cliptune::files::FileSource;
use cliptune::model::weights;
use cliptune::protocol::{Numbers, Origin};
use cliptune::storage::Checkpoint;
use cliptune::storage::archive::unpack;
use cliptune::storage::checkpoint::{NamedFile, Stranger};
use cliptune::tensors::NumberFormat;
use futures_executor::block_on;
use safetensors::tensor::SafeTensors;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from("tests/fixtures/exported").join(name)
}

fn exported() -> Vec<NamedFile> {
    unpack(&FileSource::open(&fixture("model.zip")).unwrap()).unwrap()
}

fn checkpoint() -> Checkpoint {
    let stranger = Stranger { id: "model".into(), name: "model".into(), created: 0.0, origin: Origin::default() };
    block_on(models::open(exported(), &stranger)).unwrap().0
}

fn bytes(files: &[NamedFile], name: &str) -> Vec<u8> {
    let (_, file) = files.iter().find(|(other, _)| other == name).unwrap_or_else(|| panic!("no {name}"));
    block_on(file.read_all()).unwrap()
}

fn floats(file: &SafeTensors, name: &str) -> (Vec<usize>, Vec<f32>) {
    let view = file.tensor(name).unwrap();
    let values = view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    (view.shape().to_vec(), values)
}

#[test]
fn transformers_and_we_get_the_same_logits_from_an_export() {
    let device = Device::flex();
    let loaded = block_on(LoadedModel::open(&checkpoint(), &device)).unwrap();
    let golden = std::fs::read(fixture("logits.safetensors")).unwrap();
    let golden = SafeTensors::deserialize(&golden).unwrap();
    let (shape, pixels) = floats(&golden, "pixel_values");
    let (_, theirs) = floats(&golden, "logits");
    let logits = loaded.model.forward(Tensor::from_data(TensorData::new(pixels, shape), &device)).into_data();
    assert_eq!(logits.num_elements(), theirs.len());
    for (ours, theirs) in logits.iter::<f32>().zip(theirs) {
        assert!((ours - theirs).abs() < 1e-4, "{ours} for {theirs}");
    }
}

#[test]
fn tuning_writes_weights_as_in_the_export_byte_for_byte() {
    let loaded = block_on(LoadedModel::open(&checkpoint(), &Device::flex())).unwrap();
    let saved = block_on(weights::save(&loaded.model, &loaded.config, NumberFormat::F32)).unwrap();
    assert!(block_on(saved.read_all()).unwrap() == bytes(&exported(), "model.safetensors"));
}

#[test]
fn exporting_writes_what_transformers_reads_byte_for_byte() {
    let (theirs, ours) = (exported(), block_on(export::files(&checkpoint(), Numbers::F32)).unwrap());
    for name in ["config.json", "preprocessor_config.json", "model.safetensors"] {
        assert!(bytes(&ours, name) == bytes(&theirs, name), "{name}");
    }
}
