//! Cliptune's VideoMAE against Hugging Face transformers: the same weights and inputs give the same numbers, in every
//! form in which weights are published.
//!
//! The fixtures were made by `fixtures/golden/gen_golden.py`. The four configurations cover both poolings, both bias
//! settings, every activation, other tubelets, and pictures that are not square.

mod golden;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use cliptune::engine::loaded::LoadedModel;
use cliptune::files::FileSource;
use cliptune::model::classifier::{VideoMae, cross_entropy};
use cliptune::model::config::VideoMaeConfig;
use cliptune::model::weights::names::expected;
use cliptune::model::weights::{self, compare, lacks_only_the_head};
use cliptune::protocol::LoadReport;
use cliptune::storage::directory::read_model_folder;
use cliptune::tensors::TensorFiles;
use cliptune::train::lora;
use cliptune::train::optimizer::{AdamW, GradientSum};
use cliptune::train::schedule::Schedule;
use cliptune::train::settings::{Lora, Strategy, Targets};
use futures_executor::block_on;
use golden::{
    assert_same_bits, assert_tensors_agree, fixture, floats, golden, largest_difference, open, published, saved,
    tensor, values, written,
};
use safetensors::tensor::SafeTensors;

const CONFIGURATIONS: [&str; 4] = ["micro", "tiny", "odd", "rect"];

fn labels(values: &[f64]) -> Vec<i32> {
    values.iter().map(|value| *value as i32).collect()
}

fn load_folder(folder: &Path, device: &Device) -> (VideoMae, VideoMaeConfig) {
    let (config, files) = open(folder);
    assert_eq!(compare(&config, &files), LoadReport::default(), "{}: every weight has its place", folder.display());
    let model = block_on(weights::load(VideoMae::unfilled(&config, device), &config, &files)).unwrap();
    (model, config)
}

fn load(configuration: &str, device: &Device) -> (VideoMae, VideoMaeConfig) {
    load_folder(&golden(configuration).join("model"), device)
}

/// Our logits for a file's `pixel_values` against the file's own.
fn assert_logits_agree(model: &VideoMae, golden: &[u8], logits: &str, what: &str) {
    let device = Device::flex();
    let ours = values(model.forward(floats::<5>(golden, "pixel_values", &device)));
    let difference = largest_difference(&ours, &tensor(golden, logits).1);
    println!("{what}: logits differ by {difference:e}");
    assert!(difference < 1e-4, "{what}: {difference:e}");
}

#[test]
fn logits_agree_to_1e_4() {
    for configuration in CONFIGURATIONS {
        let (model, _) = load(configuration, &Device::flex());
        assert_logits_agree(&model, &fixture(configuration, "forward.safetensors"), "logits", configuration);
    }
}

#[test]
fn every_form_of_published_weights_gives_transformers_logits() {
    let golden_logits = fixture("micro", "variants/logits.safetensors");
    let variants = [
        ("float16", "logits.float16"),
        ("bfloat16", "logits.bfloat16"),
        ("sharded", "logits.sharded"),
        ("pytorch_bin", "logits.pytorch_bin"),
        // The same weights under the names of transformers 5 and 5.8; a key's bias changes no score.
        ("keys_v5", "logits.pytorch_bin"),
        ("keys_v5_8_with_key_bias", "logits.pytorch_bin"),
    ];
    for (variant, logits) in variants {
        let (model, _) = load_folder(&golden("micro/variants").join(variant), &Device::flex());
        assert_logits_agree(&model, &golden_logits, logits, variant);
    }
    let (model, config) = load_folder(&golden("odd/written_by_v5"), &Device::flex());
    assert!(!config.qkv_bias, "transformers 5.23 calls it qv_bias");
    assert_logits_agree(&model, &fixture("odd", "forward.safetensors"), "logits", "odd as transformers 5.23 writes it");
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
fn attention_roll_out_agrees_with_transformers_attentions() {
    let device = Device::flex();
    let theirs = std::fs::read(golden("../rollout/rollout.safetensors")).unwrap();
    for configuration in CONFIGURATIONS {
        let (model, _) = load(configuration, &device);
        let pixels = floats::<5>(&fixture(configuration, "forward.safetensors"), "pixel_values", &device);
        let rolled = model.rollout(pixels);
        let (shape, expected) = tensor(&theirs, configuration);
        assert_eq!(rolled.dims().to_vec(), shape, "{configuration}");
        let ours = values(rolled);
        let difference = largest_difference(&ours, &expected);
        assert!(difference < 1e-6, "{configuration}: {difference:e}");
        for shares in ours.chunks(shape[1]) {
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{configuration}");
        }
    }
}

#[test]
fn the_loss_and_every_gradient_agree() {
    let device = Device::flex().autodiff();
    for configuration in CONFIGURATIONS {
        let (model, config) = load(configuration, &device);
        let golden = fixture(configuration, "forward.safetensors");
        let pixels = floats::<5>(&golden, "pixel_values", &device);
        let loss = cross_entropy(model.forward(pixels), &labels(&tensor(&golden, "labels").1));
        let mut gradients = GradientSum::default();
        gradients.add(&model, &mut loss.backward(), 1.0);
        let difference = largest_difference(&values(loss.without_autodiff()), &tensor(&golden, "loss").1);
        assert!(difference < 1e-5, "{configuration}: the loss differs by {difference:e}");

        let ours = written(&model, &config, &|_, id| gradients.get(id).cloned());
        let count = SafeTensors::deserialize(&ours).unwrap().len();
        assert_eq!(count, expected(&config).len(), "{configuration}: a gradient for every parameter");
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
            let labels = labels(&all_labels[at * batch..(at + 1) * batch]);
            let loss = cross_entropy(model.forward(pixels), &labels);
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
                let ours = saved(&model, &config);
                assert_tensors_agree(&ours, &fixture(configuration, &file), 1e-4, &format!("{configuration} {file}"));
            }
        }
    }
}

/// `fixtures/peft`: PEFT's own files, and what it computes and trains with them.
#[test]
fn low_rank_adapters_compute_and_learn_as_pefts() {
    let device = Device::flex().autodiff();
    let (model, config) = load("micro", &device);
    let peft = |file: &str| fixture("../peft", file);
    let lora = Lora { rank: 3, alpha: 5, targets: Targets::of_names("query,value,dense").unwrap() };
    let strategy = Strategy::Lora(lora);
    let model = lora::attach(model, &lora, 1);
    let adapter = FileSource::from_bytes(peft("adapter_model.safetensors"));
    let adapter = block_on(TensorFiles::open_safetensors("adapter_model.safetensors", &adapter)).unwrap();
    let factors = block_on(weights::read(&model, &config, &adapter, "base_model.model.")).unwrap();
    assert_eq!(factors.len(), adapter.names().count(), "each of PEFT's tensors has its place");
    let trained = strategy.trained(&model, 1);
    assert!(trained.len() == factors.len() && trained.iter().all(|id| factors.contains_key(id)));
    let mut model = strategy.prepare(weights::fill(model, factors), 1);
    let saved = block_on(block_on(lora::save(&model, &config, &trained)).unwrap().read_all()).unwrap();
    assert_same_bits(&saved, &peft("adapter_model.safetensors"), |_| true, "the adapters");

    let golden = peft("forward.safetensors");
    let clips = fixture("micro", "forward.safetensors");
    let logits = model.forward(floats::<5>(&clips, "pixel_values", &device));
    let difference = largest_difference(&values(logits.clone().without_autodiff()), &tensor(&golden, "logits").1);
    assert!(difference < 1e-4, "the logits differ by {difference:e}");
    let loss = cross_entropy(logits, &labels(&tensor(&clips, "labels").1));
    let mut gradients = GradientSum::default();
    gradients.add(&model, &mut loss.backward(), 1.0);
    let ours = written(&model, &config, &|_, id| gradients.get(id).cloned());
    assert_eq!(SafeTensors::deserialize(&ours).unwrap().len(), trained.len(), "gradients of what trains, and no other");
    assert_tensors_agree(&ours, &peft("grads.safetensors"), 1e-3, "gradients");

    let batches = fixture("micro", "train.safetensors");
    let (shape, pixels) = tensor(&batches, "pixel_values");
    let (clips, batch) = (pixels.len() / shape[0], shape[1]);
    let mut optimizer = AdamW::new(0.1);
    for (step, their_loss) in tensor(&golden, "losses").1.into_iter().enumerate() {
        let at = step % shape[0];
        let pixels: Vec<f32> = pixels[at * clips..(at + 1) * clips].iter().map(|value| *value as f32).collect();
        let pixels = Tensor::<5>::from_data(TensorData::new(pixels, shape[1..].to_vec()), &device);
        let labels = labels(&tensor(&batches, "labels").1[at * batch..(at + 1) * batch]);
        let loss = cross_entropy(model.forward(pixels), &labels);
        let mut gradients = GradientSum::default();
        gradients.add(&model, &mut loss.backward(), 1.0);
        let norm = values(gradients.clip(1.0).unwrap())[0];
        model = optimizer.step(model, gradients, 1e-2);
        let loss = values(loss.without_autodiff())[0];
        assert!((loss - their_loss).abs() < 1e-4, "step {step}: loss {loss} and {their_loss}");
        let their_norm = tensor(&golden, "grad_norms").1[step];
        assert!((norm / their_norm - 1.0).abs() < 1e-3, "step {step}: norm {norm} and {their_norm}");
    }
    let ours = written(&model, &config, &|value, id| trained.contains(id).then_some(value));
    assert_tensors_agree(&ours, &peft("trained.safetensors"), 1e-3, "after the steps");
}

#[test]
fn weights_come_back_bit_for_bit() {
    let device = Device::flex();
    for configuration in CONFIGURATIONS {
        let (model, config) = load(configuration, &device);
        let saved = saved(&model, &config);
        let original = fixture(configuration, "model/model.safetensors");
        assert_eq!(SafeTensors::deserialize(&saved).unwrap().len(), SafeTensors::deserialize(&original).unwrap().len());
        assert_same_bits(&saved, &original, |_| true, configuration);
    }
}

#[test]
fn a_pre_training_checkpoint_becomes_a_classifier_with_a_new_head() {
    let device = Device::flex();
    let (checkpoint, report) = block_on(read_model_folder(&golden("pretrain/model"))).unwrap();
    assert!(checkpoint.summary.labels.is_empty());
    let missing: Vec<&str> = report.missing.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(missing, ["classifier.bias", "classifier.weight"]);
    assert!(report.misshapen.is_empty() && lacks_only_the_head(&report));
    let file = fixture("pretrain", "model/model.safetensors");
    let original = SafeTensors::deserialize(&file).unwrap();
    let decoder: BTreeSet<&str> = original.names().into_iter().filter(|name| !name.starts_with("videomae.")).collect();
    assert_eq!(report.surplus.iter().map(|(name, _)| name.as_str()).collect::<BTreeSet<_>>(), decoder);

    assert!(block_on(LoadedModel::open(&checkpoint, &device)).is_err(), "it cannot classify yet");
    let names = ["one", "two", "three", "four", "five"].map(str::to_string);
    let opened = |seed| block_on(LoadedModel::open_for(&checkpoint, &names, 2.0, seed, &device)).unwrap();
    let LoadedModel { model, config, .. } = opened(1);
    assert_eq!(
        (config.labels(), config.architectures.as_slice()),
        (names.to_vec(), &["VideoMAEForVideoClassification".to_string()][..])
    );
    let ours = saved(&model, &config);
    let encoder = assert_same_bits(&ours, &file, |name| name.starts_with("videomae."), "encoder");
    assert_eq!(encoder, original.len() - decoder.len(), "all of the encoder is taken over");

    let head = tensor(&ours, "classifier.weight").1;
    let deviation = (head.iter().map(|value| value * value).sum::<f64>() / head.len() as f64).sqrt();
    assert!((deviation / config.initializer_range - 1.0).abs() < 0.2, "drawn with deviation {deviation}");
    assert!(tensor(&ours, "classifier.bias").1.iter().all(|value| *value == 0.0));
    assert!(head == tensor(&saved(&opened(1).model, &config), "classifier.weight").1);
    assert!(head != tensor(&saved(&opened(2).model, &config), "classifier.weight").1);

    // The head that transformers drew for the same checkpoint, and its logits.
    let theirs = fixture("pretrain", "classifier_from_pretrain/golden.safetensors");
    let head = FileSource::from_bytes(theirs.clone());
    let head = block_on(TensorFiles::open_safetensors("golden.safetensors", &head)).unwrap();
    let model = block_on(weights::load(model, &config, &head)).unwrap();
    assert_logits_agree(&model, &theirs, "logits", "pretrain with transformers' head");
    let (model, _) = load_folder(&golden("pretrain/classifier_from_pretrain"), &device);
    assert_logits_agree(&model, &theirs, "logits", "classifier_from_pretrain");
}

#[test]
fn the_published_classifiers_have_exactly_the_expected_tensors() {
    for name in ["videomae-small-finetuned-kinetics", "videomae-base-finetuned-kinetics"] {
        let (mut config, tensors) = published(name);
        config.set_labels(&(0..400).map(|id| format!("LABEL_{id}")).collect::<Vec<_>>());
        assert_eq!(expected(&config), tensors.into_iter().collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn of_the_published_pre_training_checkpoint_only_the_decoder_is_left_over() {
    let (mut config, tensors) = published("videomae-base");
    config.set_labels(&["one", "two"].map(str::to_string));
    let report = compare(&config, &hollow(&tensors));
    let missing = [("classifier.bias".to_string(), vec![2]), ("classifier.weight".to_string(), vec![2, 768])];
    assert_eq!((report.missing.as_slice(), report.misshapen.len()), (&missing[..], 0));
    let of_the_decoder =
        |name: &str| name.starts_with("decoder.") || name.starts_with("encoder_to_decoder.") || name == "mask_token";
    let theirs: Vec<_> = tensors.into_iter().filter(|(name, _)| of_the_decoder(name)).collect();
    assert_eq!(report.surplus, theirs);
}

/// A file of 32-bit tensors that takes no room on disk: a header, and a hole where the values would be.
fn hollow(tensors: &BTreeMap<String, Vec<usize>>) -> TensorFiles {
    let mut end = 0;
    let described = tensors.iter().map(|(name, shape)| {
        let start = end;
        end += 4 * shape.iter().product::<usize>();
        (name.clone(), serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, end] }))
    });
    let header = serde_json::Value::from_iter(described).to_string();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len((8 + header.len() + end) as u64).unwrap();
    let file = FileSource::open(&path).unwrap();
    block_on(TensorFiles::open_safetensors("model.safetensors", &file)).unwrap()
}

#[test]
fn the_expected_tensors_are_those_of_a_model() {
    let device = Device::flex();
    for configuration in CONFIGURATIONS {
        let (config, _) = open(&golden(configuration).join("model"));
        let ours = written(&VideoMae::new(&config, 0, &device), &config, &|value, _| Some(value));
        let ours = SafeTensors::deserialize(&ours).unwrap();
        let ours: BTreeMap<_, _> = ours.tensors().into_iter().map(|(name, it)| (name, it.shape().to_vec())).collect();
        assert_eq!(ours.into_iter().collect::<Vec<_>>(), expected(&config), "{configuration}");
    }
}

#[test]
fn another_label_set_asks_for_a_fresh_head_and_keeps_the_rest() {
    let (mut config, files) = open(&golden("micro/model"));
    config.set_labels(&["one".into(), "two".into()]);
    let report = compare(&config, &files);
    let theirs = |name: &str| files.get(name).unwrap().shape.clone();
    let misshapen = [("classifier.bias", vec![2]), ("classifier.weight", vec![2, config.hidden_size])];
    let misshapen = misshapen.map(|(name, ours)| (name.to_string(), ours, theirs(name)));
    assert_eq!(report, LoadReport { misshapen: misshapen.to_vec(), ..LoadReport::default() });
    assert!(lacks_only_the_head(&report));
}

#[test]
fn the_same_seed_gives_the_same_weights_and_another_seed_others() {
    let device = Device::flex();
    let (config, _) = open(&golden("micro/model"));
    let save = |seed| saved(&VideoMae::new(&config, seed, &device), &config);
    assert!(save(1) == save(1));
    assert!(save(1) != save(2));
}
