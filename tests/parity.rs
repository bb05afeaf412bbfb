//! Cliptune's VideoMAE against Hugging Face transformers: the same weights and inputs give the same numbers.
//!
//! The fixtures were made by `fixtures/golden/gen_golden.py`. The four configurations cover both poolings, both bias
//! settings, every activation, other tubelets, and pictures that are not square.

use std::path::PathBuf;

use burn::tensor::{Device, Int, Tensor, TensorData};
use cliptune::model::classifier::{VideoMae, cross_entropy};
use cliptune::model::config::VideoMaeConfig;
use cliptune::model::weights::{self, NamedTensors};
use cliptune::train::optimizer::{AdamW, GradientSum};
use cliptune::train::schedule::Schedule;
use safetensors::tensor::{Dtype, SafeTensors};

const CONFIGURATIONS: [&str; 4] = ["micro", "tiny", "odd", "rect"];

fn fixture(configuration: &str, file: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden").join(configuration).join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Shape and values of one tensor of a file, whatever its number format.
fn tensor(bytes: &[u8], name: &str) -> (Vec<usize>, Vec<f64>) {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let view = file.tensor(name).unwrap_or_else(|_| panic!("no tensor {name}"));
    let values = match view.dtype() {
        Dtype::F32 => view.data().as_chunks::<4>().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
        Dtype::F64 => view.data().as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        Dtype::I64 => view.data().as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
        other => panic!("{name} is {other:?}"),
    };
    (view.shape().to_vec(), values)
}

fn floats<const D: usize>(bytes: &[u8], name: &str, device: &Device) -> Tensor<D> {
    let (shape, values) = tensor(bytes, name);
    let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn labels(values: &[f64], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.iter().map(|value| *value as i32).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

fn load(configuration: &str, device: &Device) -> (VideoMae, VideoMaeConfig) {
    let text = String::from_utf8(fixture(configuration, "model/config.json")).unwrap();
    let config = VideoMaeConfig::from_json(&text).unwrap();
    let model = VideoMae::new(&config, 0, device);
    let (model, report) = weights::load(model, &config, &fixture(configuration, "model/model.safetensors")).unwrap();
    assert_eq!(report, weights::LoadReport::default(), "{configuration}: every weight has its place");
    (model, config)
}

fn largest_difference(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f64::max)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f32>().map(f64::from).collect()
}

fn bytes_as_values(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks::<4>().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect()
}

/// Every tensor of `ours` agrees with the file's to `relative` of that tensor's largest value.
fn assert_tensors_agree(ours: &NamedTensors, file: &[u8], relative: f64, what: &str) {
    for (name, (shape, bytes)) in ours {
        let (their_shape, theirs) = tensor(file, name);
        assert_eq!(*shape, their_shape, "{what}: shape of {name}");
        let scale = theirs.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
        let difference = largest_difference(&bytes_as_values(bytes), &theirs);
        assert!(difference <= relative * scale.max(1e-6), "{what}: {name} is off by {difference:e} of {scale:e}");
    }
}

#[test]
fn logits_agree_to_1e_4() {
    let device = Device::flex();
    for configuration in CONFIGURATIONS {
        let (model, _) = load(configuration, &device);
        let golden = fixture(configuration, "forward.safetensors");
        let logits = values(model.forward(floats::<5>(&golden, "pixel_values", &device)));
        let difference = largest_difference(&logits, &tensor(&golden, "logits").1);
        println!("{configuration}: logits differ by {difference:e}");
        assert!(difference < 1e-4, "{configuration}: {difference:e}");
    }
}

#[test]
fn tokens_and_positions_agree() {
    let device = Device::flex();
    for configuration in CONFIGURATIONS {
        let (model, _) = load(configuration, &device);
        let golden = fixture(configuration, "forward.safetensors");
        let embeddings = model.embeddings.forward(floats::<5>(&golden, "pixel_values", &device));
        let difference = largest_difference(&values(embeddings), &tensor(&golden, "embeddings").1);
        assert!(difference < 1e-5, "{configuration}: {difference:e}");
    }
}

#[test]
fn the_loss_and_every_gradient_agree() {
    let device = Device::flex().autodiff();
    for configuration in CONFIGURATIONS {
        let (model, config) = load(configuration, &device);
        let golden = fixture(configuration, "forward.safetensors");
        let pixels = floats::<5>(&golden, "pixel_values", &device);
        let loss = cross_entropy(model.forward(pixels), labels(&tensor(&golden, "labels").1, &device));
        let mut gradients = GradientSum::default();
        gradients.add(&model, &mut loss.backward(), 1.0);
        let difference = largest_difference(&values(loss.without_autodiff()), &tensor(&golden, "loss").1);
        assert!(difference < 1e-5, "{configuration}: the loss differs by {difference:e}");

        let ours = pollster::block_on(weights::read_back(&model, &config, |_, id| gradients.get(id).cloned())).unwrap();
        assert_eq!(ours.len(), weights::names(&model).len(), "{configuration}: a gradient for every parameter");
        assert_tensors_agree(&ours, &fixture(configuration, "grads.safetensors"), 1e-3, configuration);
    }
}

/// Runs the Trainer's 20 steps as `gen_golden.py` does and compares losses, norms and parameters on the way.
#[test]
fn twenty_steps_of_training_agree_with_the_trainer() {
    let device = Device::flex().autodiff();
    for configuration in CONFIGURATIONS {
        let (mut model, config) = load(configuration, &device);
        let golden = fixture(configuration, "train.safetensors");
        let (shape, pixels) = tensor(&golden, "pixel_values");
        let (_, all_labels) = tensor(&golden, "labels");
        let (batches, batch) = (shape[0], shape[1]);
        let clip_values: usize = shape[1..].iter().product();
        let schedule = Schedule::new(5e-5, 0.1, 20);
        let mut optimizer = AdamW::new(0.0);
        for step in 0..20 {
            let at = step % batches;
            let pixels: Vec<f32> =
                pixels[at * clip_values..(at + 1) * clip_values].iter().map(|value| *value as f32).collect();
            let pixels = Tensor::<5>::from_data(TensorData::new(pixels, shape[1..].to_vec()), &device);
            let labels = labels(&all_labels[at * batch..(at + 1) * batch], &device);
            let loss = cross_entropy(model.forward(pixels), labels);
            let mut gradients = GradientSum::default();
            gradients.add(&model, &mut loss.backward(), 1.0);
            let norm = values(gradients.clip(1.0).unwrap())[0];
            model = optimizer.step(model, gradients, schedule.learning_rate(step));

            let loss = values(loss.without_autodiff())[0];
            let their_loss = tensor(&golden, "losses").1[step];
            assert!((loss - their_loss).abs() < 1e-4, "{configuration}, step {step}: loss {loss} and {their_loss}");
            let their_norm = tensor(&golden, "grad_norms").1[step];
            assert!(
                (norm / their_norm - 1.0).abs() < 1e-3,
                "{configuration}, step {step}: norm {norm} and {their_norm}"
            );
            if step == 4 || (step == 19 && configuration == "micro") {
                let file = format!("params_after_step{}.safetensors", step + 1);
                let ours = pollster::block_on(weights::read_back(&model, &config, |value, _| Some(value))).unwrap();
                assert_tensors_agree(&ours, &fixture(configuration, &file), 1e-4, &format!("{configuration} {file}"));
            }
        }
    }
}

#[test]
fn weights_come_back_bit_for_bit() {
    let device = Device::flex();
    for configuration in CONFIGURATIONS {
        let (model, config) = load(configuration, &device);
        let saved = pollster::block_on(weights::save(&model, &config)).unwrap();
        let original = fixture(configuration, "model/model.safetensors");
        let original = SafeTensors::deserialize(&original).unwrap();
        let saved = SafeTensors::deserialize(&saved).unwrap();
        assert_eq!(saved.len(), original.len());
        for (name, view) in saved.tensors() {
            assert_eq!(view.data(), original.tensor(&name).unwrap().data(), "{configuration}: {name}");
        }
    }
}

#[test]
fn another_label_set_gives_a_fresh_head_and_keeps_the_rest() {
    let device = Device::flex();
    let (_, mut config) = load("micro", &device);
    config.set_labels(&["one".into(), "two".into()]);
    let model = VideoMae::new(&config, 0, &device);
    let (_, report) = weights::load(model, &config, &fixture("micro", "model/model.safetensors")).unwrap();
    let names: Vec<&str> = report.misshapen.iter().map(|(name, _, _)| name.as_str()).collect();
    assert_eq!(names, ["classifier.weight", "classifier.bias"]);
    assert!(report.missing.is_empty() && report.surplus.is_empty());
}

#[test]
fn the_same_seed_gives_the_same_weights_and_another_seed_others() {
    let device = Device::flex();
    let (_, config) = load("micro", &device);
    let save = |seed| pollster::block_on(weights::save(&VideoMae::new(&config, seed, &device), &config)).unwrap();
    assert_eq!(save(1), save(1));
    assert_ne!(save(1), save(2));
}
