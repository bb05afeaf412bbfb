//! The golden tensors of `fixtures/golden`, and how ours are compared with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use cliptune::files::FileSource;
use cliptune::model::config::VideoMaeConfig;
use cliptune::model::weights;
use cliptune::tensors::{NumberFormat, TensorFiles};
use futures_executor::block_on;
use safetensors::tensor::{Dtype, SafeTensors};

pub fn golden(path: &str) -> PathBuf {
    PathBuf::from("tests/fixtures/golden").join(path)
}

pub fn fixture(configuration: &str, file: &str) -> Vec<u8> {
    let path = golden(configuration).join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Shape and values of one tensor of a file, whatever its number format.
pub fn tensor(bytes: &[u8], name: &str) -> (Vec<usize>, Vec<f64>) {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let view = file.tensor(name).unwrap_or_else(|_| panic!("no tensor {name}"));
    let values = match view.dtype() {
        Dtype::F32 => view.data().as_chunks::<4>().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
        Dtype::F64 => view.data().as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        Dtype::U8 => view.data().iter().map(|byte| f64::from(*byte)).collect(),
        Dtype::I64 => view.data().as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
        other => panic!("{name} is {other:?}"),
    };
    (view.shape().to_vec(), values)
}

pub fn floats<const D: usize>(bytes: &[u8], name: &str, device: &Device) -> Tensor<D> {
    let (shape, values) = tensor(bytes, name);
    let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// A model's configuration and the index of its weights, in whatever form they lie in the folder.
pub fn open(folder: &Path) -> (VideoMaeConfig, TensorFiles) {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        files.push((path.file_name().unwrap().to_str().unwrap().to_string(), FileSource::open(&path).unwrap()));
    }
    let text = std::fs::read_to_string(folder.join("config.json")).unwrap();
    (VideoMaeConfig::from_json(&text).unwrap(), block_on(TensorFiles::open(&files)).unwrap())
}

pub fn largest_difference(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f64::max)
}

pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f32>().map(f64::from).collect()
}

/// Each parameter's choice as the bytes of a safetensors file.
pub fn written<M: Module>(model: &M, config: &VideoMaeConfig, choice: weights::Choice<'_>) -> Vec<u8> {
    let file = block_on(weights::write(model, config, &[("", choice)], NumberFormat::F32, &BTreeMap::new())).unwrap();
    block_on(file.read_all()).unwrap()
}

pub fn saved<M: Module>(model: &M, config: &VideoMaeConfig) -> Vec<u8> {
    block_on(block_on(weights::save(model, config, NumberFormat::F32)).unwrap().read_all()).unwrap()
}

/// Every tensor of `ours` agrees with the file's to `relative` of that tensor's largest value.
pub fn assert_tensors_agree(ours: &[u8], file: &[u8], relative: f64, what: &str) {
    for name in SafeTensors::deserialize(ours).unwrap().names() {
        let ((shape, ours), (their_shape, theirs)) = (tensor(ours, name), tensor(file, name));
        assert_eq!(shape, their_shape, "{what}: shape of {name}");
        let scale = theirs.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
        let difference = largest_difference(&ours, &theirs);
        assert!(difference <= relative * scale.max(1e-6), "{what}: {name} is off by {difference:e} of {scale:e}");
    }
}

/// The tensors of `ours` that are `wanted` are the file's, bit for bit. Goes out: how many there are.
pub fn assert_same_bits(ours: &[u8], file: &[u8], wanted: impl Fn(&str) -> bool, what: &str) -> usize {
    let (ours, file) = (SafeTensors::deserialize(ours).unwrap(), SafeTensors::deserialize(file).unwrap());
    let compared: Vec<_> = ours.tensors().into_iter().filter(|(name, _)| wanted(name)).collect();
    for (name, view) in &compared {
        assert!(view.data() == file.tensor(name).unwrap().data(), "{what}: {name}");
    }
    compared.len()
}

/// The tensors of a published model by name and shape, and its configuration.
pub fn published(name: &str) -> (VideoMaeConfig, BTreeMap<String, Vec<usize>>) {
    let text = std::fs::read(golden("shapes").join(format!("{name}.json"))).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let config = VideoMaeConfig::from_json(&file["config"].to_string()).unwrap();
    (config, serde_json::from_value(file["tensors"].clone()).unwrap())
}
