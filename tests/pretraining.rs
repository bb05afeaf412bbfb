//! Cliptune's pre-training against Hugging Face transformers' `VideoMAEForPreTraining`: the same weights, clips and
//! masks give the same numbers, and what was pre-trained becomes a classifier as there. Then the job: on real clips
//! without labels, stopped and gone on with, and fine-tuned from.
//!
//! The fixtures were made by `fixtures/golden/gen_golden.py`.
#![cfg(feature = "native")]

mod golden;
mod pretraining_runs;
mod sample;

use burn::tensor::{Device, Tensor, TensorData};
use cliptune::engine::loaded::LoadedModel;
use cliptune::files::FileSource;
use cliptune::model::config::VideoMaeConfig;
use cliptune::model::masking::Masks;
use cliptune::model::pretraining::PretrainingModel;
use cliptune::model::pretraining::config::DecoderConfig;
use cliptune::model::weights::names::expected_for_pretraining;
use cliptune::model::weights::{self, compare_with};
use cliptune::protocol::{LoadReport, Origin};
use cliptune::storage::Checkpoint;
use cliptune::storage::checkpoint::Stranger;
use cliptune::tensors::TensorFiles;
use cliptune::train::optimizer::{AdamW, GradientSum};
use cliptune::train::schedule::Schedule;
use cliptune::video::clip::{IMAGENET_MEAN, IMAGENET_STD};
use futures_executor::block_on;
use golden::{
    assert_same_bits, assert_tensors_agree, fixture, floats, golden, largest_difference, open, published, saved,
    tensor, values, written,
};
use safetensors::tensor::SafeTensors;

fn load(device: &Device, norm_pix_loss: bool) -> (PretrainingModel, VideoMaeConfig) {
    let (config, files) = open(&golden("pretrain/model"));
    let decoder = DecoderConfig { norm_pix_loss, ..DecoderConfig::read(&config).unwrap() };
    let report = compare_with(expected_for_pretraining(&config, &decoder), &files);
    assert_eq!(report, LoadReport::default(), "every weight has its place");
    let model = PretrainingModel::unfilled(&config, &decoder, device);
    (block_on(weights::load(model, &config, &files)).unwrap(), config)
}

/// Masks [B, N] of one byte a token; `of` takes some of a file's.
fn masks(bytes: &[u8], name: &str, of: std::ops::Range<usize>) -> Masks {
    let (shape, values) = tensor(bytes, name);
    let tokens = *shape.last().unwrap();
    let clips = values.chunks(tokens).map(|clip| clip.iter().map(|value| *value == 1.0).collect());
    Masks::new(clips.skip(of.start).take(of.len()).collect()).unwrap()
}

fn loss(model: &PretrainingModel, pixels: Tensor<5>, masks: &Masks) -> Tensor<1> {
    model.loss(pixels, masks, IMAGENET_MEAN, IMAGENET_STD)
}

/// The loss of transformers in 32 bits. One patch of the clips has one colour, so its targets are 0; there its mean, as
/// torch sums it up, is off by 6 ulp in blue, which the division by 1e-6 makes 0.149 (in `target_norm_pix`).
fn loss_as_rounded_there(model: &PretrainingModel, pixels: Tensor<5>, masks: &Masks) -> Tensor<1> {
    let device = pixels.device();
    let targets = model.targets(pixels.clone(), masks, IMAGENET_MEAN, IMAGENET_STD);
    let shape = targets.dims();
    let mut values: Vec<f32> = targets.into_data().iter::<f32>().collect();
    for patch in values.chunks_mut(shape[2]).filter(|patch| patch.iter().all(|value| *value == 0.0)) {
        patch.iter_mut().skip(2).step_by(3).for_each(|blue| *blue = 0.149_011_61);
    }
    let difference = model.forward(pixels, masks) - Tensor::from_data(TensorData::new(values, shape), &device);
    (difference.clone() * difference).mean()
}

#[test]
fn reconstructions_and_losses_agree() {
    let device = Device::flex();
    let golden = fixture("pretrain", "forward.safetensors");
    let pixels = floats::<5>(&golden, "pixel_values", &device);
    let agree = |what: &str, ours: Tensor<1>, theirs: &str| {
        let difference = largest_difference(&values(ours), &tensor(&golden, theirs).1);
        println!("{what}: {theirs} differs by {difference:e}");
        assert!(difference < 1e-5, "{what}: {theirs} differs by {difference:e}");
    };
    for (mask, logits, norm_pix_loss) in [
        ("bool_masked_pos", "logits", true),
        ("tube_bool_masked_pos", "tube_logits", true),
        ("bool_masked_pos", "logits", false),
    ] {
        let (model, _) = load(&device, norm_pix_loss);
        let masks = masks(&golden, mask, 0..2);
        let ours = values(model.forward(pixels.clone(), &masks));
        let difference = largest_difference(&ours, &tensor(&golden, logits).1);
        println!("{logits} differ by {difference:e}");
        assert!(difference < 1e-4, "{logits} differ by {difference:e}");
        match (logits, norm_pix_loss) {
            ("tube_logits", _) => agree(mask, loss_as_rounded_there(&model, pixels.clone(), &masks), "tube_loss"),
            (_, true) => {
                agree(mask, loss_as_rounded_there(&model, pixels.clone(), &masks), "loss");
                agree(mask, loss(&model, pixels.clone(), &masks), "loss_f64");
            }
            (_, false) => agree(mask, loss(&model, pixels.clone(), &masks), "loss_raw_pix"),
        }
    }
}

#[test]
fn what_is_to_be_reconstructed_agrees() {
    let device = Device::flex();
    let golden = fixture("pretrain", "forward.safetensors");
    let masks = masks(&golden, "bool_masked_pos", 0..2);
    for (target, norm_pix_loss) in [("target_norm_pix", true), ("target_raw_pix", false)] {
        let (model, config) = load(&device, norm_pix_loss);
        let pixels = floats::<5>(&golden, "pixel_values", &device);
        let ours = values(model.targets(pixels, &masks, IMAGENET_MEAN, IMAGENET_STD));
        // The first patch has one colour: exactly 0 of norm_pix_loss, where torch's rounding leaves 0.149.
        let first = if norm_pix_loss { config.tubelet_values() } else { 0 };
        assert!(ours[..first].iter().all(|value| *value == 0.0));
        let difference = largest_difference(&ours[first..], &tensor(&golden, target).1[first..]);
        println!("{target} differs by {difference:e}");
        assert!(difference < 1e-5, "{target} differs by {difference:e}");
    }
}

#[test]
fn the_visible_tokens_positions_and_encoding_agree() {
    let device = Device::flex();
    let golden = fixture("pretrain", "forward.safetensors");
    let (model, _) = load(&device, true);
    let visible = masks(&golden, "bool_masked_pos", 0..2).visible(&device);
    let tubelets = model.embeddings.tubelets(floats::<5>(&golden, "pixel_values", &device));
    let mut tokens = model.embeddings.forward_rows(tubelets, &visible);
    let difference = largest_difference(&values(tokens.clone()), &tensor(&golden, "embeddings").1);
    assert!(difference < 1e-5, "embeddings: {difference:e}");
    for layer in &model.layers {
        tokens = layer.forward(tokens);
    }
    tokens = model.final_norm.as_ref().unwrap().forward(tokens);
    let difference = largest_difference(&values(tokens), &tensor(&golden, "sequence_output").1);
    assert!(difference < 1e-4, "sequence_output: {difference:e}");
}

#[test]
fn every_gradient_agrees() {
    let device = Device::flex().autodiff();
    let (model, config) = load(&device, true);
    let golden = fixture("pretrain", "forward.safetensors");
    let pixels = floats::<5>(&golden, "pixel_values", &device);
    let mut gradients = GradientSum::default();
    let loss = loss_as_rounded_there(&model, pixels, &masks(&golden, "bool_masked_pos", 0..2));
    gradients.add(&model, &mut loss.backward(), 1.0);
    let ours = written(&model, &config, &|_, id| gradients.get(id).cloned());
    let theirs = fixture("pretrain", "grads.safetensors");
    let count = |bytes: &[u8]| SafeTensors::deserialize(bytes).unwrap().len();
    assert_eq!(count(&ours), count(&theirs), "a gradient for every parameter");
    assert_tensors_agree(&ours, &theirs, 1e-3, "gradients");
}

/// The Trainer's 20 steps of `gen_golden.py`: losses, gradient norms and parameters on the way.
#[test]
fn twenty_steps_agree_with_the_trainer() {
    let device = Device::flex().autodiff();
    let (mut model, config) = load(&device, true);
    let golden = fixture("pretrain", "train.safetensors");
    let (shape, pixels) = tensor(&golden, "pixel_values");
    let (batches, batch) = (shape[0], shape[1]);
    let clip_values: usize = shape[1..].iter().product();
    let schedule = Schedule::new(5e-5, 0.1, 20);
    let mut optimizer = AdamW::new(0.0);
    let mut largest = [0.0f64; 2];
    for step in 0..20 {
        let at = step % batches;
        let pixels: Vec<f32> = pixels[at * clip_values..][..clip_values].iter().map(|value| *value as f32).collect();
        let pixels = Tensor::<5>::from_data(TensorData::new(pixels, shape[1..].to_vec()), &device);
        let masks = masks(&golden, "bool_masked_pos", at * batch..(at + 1) * batch);
        let loss = loss_as_rounded_there(&model, pixels, &masks);
        let mut gradients = GradientSum::default();
        gradients.add(&model, &mut loss.backward(), 1.0);
        let norm = values(gradients.clip(1.0).unwrap())[0];
        model = optimizer.step(model, gradients, schedule.learning_rate(step));
        let loss = values(loss.without_autodiff())[0];
        largest[0] = largest[0].max((loss - tensor(&golden, "losses").1[step]).abs());
        largest[1] = largest[1].max((norm / tensor(&golden, "grad_norms").1[step] - 1.0).abs());
        if step == 4 {
            let theirs = fixture("pretrain", "params_after_step5.safetensors");
            assert_tensors_agree(&saved(&model, &config), &theirs, 1e-4, "after step 5");
        }
    }
    println!("losses differ by {:e}, norms by {:e} of themselves", largest[0], largest[1]);
    assert!(largest[0] < 1e-4 && largest[1] < 1e-3, "{largest:?}");
}

#[test]
fn weights_come_back_bit_for_bit_under_transformers_names() {
    let device = Device::flex();
    let (model, config) = load(&device, true);
    let ours = saved(&model, &config);
    let original = fixture("pretrain", "model/model.safetensors");
    let count = assert_same_bits(&ours, &original, |_| true, "pretrain");
    assert_eq!(count, SafeTensors::deserialize(&original).unwrap().len());

    let decoder = DecoderConfig::read(&config).unwrap();
    let fresh = saved(&PretrainingModel::new(&config, &decoder, 0, &device), &config);
    let fresh = SafeTensors::deserialize(&fresh).unwrap();
    let mut named: Vec<_> = fresh.tensors().into_iter().map(|(name, it)| (name, it.shape().to_vec())).collect();
    named.sort();
    assert_eq!(named, expected_for_pretraining(&config, &decoder));
    let (config, tensors) = published("videomae-base");
    let decoder = DecoderConfig::read(&config).unwrap();
    assert_eq!(expected_for_pretraining(&config, &decoder), tensors.into_iter().collect::<Vec<_>>());
}

#[test]
fn what_was_pre_trained_starts_a_classifier_as_in_transformers() {
    let device = Device::flex();
    let (model, config) = load(&device, true);
    let decoder = DecoderConfig::read(&config).unwrap();
    let text = serde_json::to_string_pretty(&decoder.pretraining(&config)).unwrap();
    let preprocessor = fixture("pretrain", "model/preprocessor_config.json");
    let files = [
        ("config.json", text.into_bytes()),
        ("preprocessor_config.json", preprocessor),
        ("model.safetensors", saved(&model, &config)),
    ];
    let files = files.map(|(name, bytes)| (name.to_string(), FileSource::from_bytes(bytes))).to_vec();
    let stranger = Stranger { id: "one".into(), name: "one".into(), created: 0.0, origin: Origin::default() };
    let (checkpoint, _) = block_on(Checkpoint::from_files(files, &stranger)).unwrap();
    let labels = ["one", "two", "three", "four", "five"].map(str::to_string);
    let opened = block_on(LoadedModel::open_for(&checkpoint, &labels, 2.0, 1, &device)).unwrap();

    // The head that transformers drew for the same checkpoint, and its logits.
    let theirs = fixture("pretrain", "classifier_from_pretrain/golden.safetensors");
    let head = FileSource::from_bytes(theirs.clone());
    let head = block_on(TensorFiles::open_safetensors("golden.safetensors", &head)).unwrap();
    let classifier = block_on(weights::load(opened.model, &opened.config, &head)).unwrap();
    let whole = fixture("pretrain", "classifier_from_pretrain/model.safetensors");
    let count = assert_same_bits(&saved(&classifier, &opened.config), &whole, |_| true, "classifier");
    assert_eq!(count, SafeTensors::deserialize(&whole).unwrap().len());
    let ours = values(classifier.forward(floats::<5>(&theirs, "pixel_values", &device)));
    let difference = largest_difference(&ours, &tensor(&theirs, "logits").1);
    assert!(difference < 1e-4, "logits differ by {difference:e}");
}
