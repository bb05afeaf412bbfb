//! In Chromium, on a WebGPU device: the forward pass and a training step give the numbers of transformers, and memory
//! stays flat.
//!
//! Natively this file is empty; `parity.rs` proves the same on the CPU backend for every configuration.
#![cfg(target_family = "wasm")]

use burn::tensor::{Device, Tensor, TensorData};
use cliptune::files::FileSource;
use cliptune::model::classifier::{VideoMae, cross_entropy};
use cliptune::model::config::VideoMaeConfig;
use cliptune::model::weights::{self, compare};
use cliptune::protocol::LoadReport;
use cliptune::tensors::{NumberFormat, TensorFiles};
use cliptune::train::optimizer::{AdamW, GradientSum};
use cliptune::train::recomputing;
use safetensors::tensor::SafeTensors;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

struct Golden {
    name: &'static str,
    config: &'static str,
    model: &'static [u8],
    forward: &'static [u8],
}

macro_rules! golden {
    ($name:literal, $model:literal, $forward:literal) => {
        Golden {
            name: $name,
            config: include_str!(concat!("fixtures/", $name, $model, "/config.json")),
            model: include_bytes!(concat!("fixtures/", $name, $model, "/model.safetensors")),
            forward: include_bytes!(concat!("fixtures/", $name, "/", $forward)),
        }
    };
    ($name:literal) => {
        golden!($name, "/model", "forward.safetensors")
    };
}

macro_rules! random {
    ($name:literal) => {
        golden!($name, "", "golden.safetensors")
    };
}

fn floats(bytes: &[u8], name: &str) -> (Vec<usize>, Vec<f32>) {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let view = file.tensor(name).unwrap();
    let values = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    (view.shape().to_vec(), values)
}

async fn load(golden: &Golden, device: &Device) -> (VideoMae, VideoMaeConfig) {
    let config = VideoMaeConfig::from_json(golden.config).unwrap();
    let file = FileSource::from_bytes(golden.model);
    let files = TensorFiles::open(&[("model.safetensors".into(), file)]).await.unwrap();
    assert_eq!(compare(&config, &files), LoadReport::default());
    (weights::load(VideoMae::unfilled(&config, device), &config, &files).await.unwrap(), config)
}

fn pixels(golden: &Golden, device: &Device) -> Tensor<5> {
    let (shape, values) = floats(golden.forward, "pixel_values");
    Tensor::from_data(TensorData::new(values, shape), device)
}

async fn gpu() -> Device {
    cliptune::engine::constructors::run();
    // Each browser test runs in one worker: the first initialises the device, the others find it.
    match Device::wgpu_options().init_async().await {
        Ok(device) => device,
        Err(_) => Device::wgpu(Default::default()),
    }
}

#[wasm_bindgen_test]
async fn logits_agree_with_transformers_to_1e_4() {
    let device = gpu().await;
    let chosen = [golden!("golden/micro"), golden!("golden/odd"), golden!("golden/rect")];
    // Random shapes: among them a width of 5, a single frame, pictures of 10 by 4; every activation and both poolings.
    let drawn = [
        random!("random_configs/00"),
        random!("random_configs/01"),
        random!("random_configs/05"),
        random!("random_configs/07"),
    ];
    for golden in chosen.into_iter().chain(drawn) {
        let (model, _) = load(&golden, &device).await;
        let logits = model.forward(pixels(&golden, &device)).into_data_async().await.unwrap();
        let theirs = floats(golden.forward, "logits").1;
        let difference =
            logits.iter::<f32>().zip(&theirs).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max);
        assert!(difference < 1e-4, "{}: {difference:e}", golden.name);
    }
}

#[wasm_bindgen_test]
async fn weights_come_back_from_the_gpu_bit_for_bit() {
    let device = gpu().await;
    for golden in [golden!("golden/micro"), golden!("golden/odd"), golden!("golden/rect")] {
        let (model, config) = load(&golden, &device).await;
        let saved = weights::save(&model, &config, NumberFormat::F32).await.unwrap().read_all().await.unwrap();
        let (saved, original) =
            (SafeTensors::deserialize(&saved).unwrap(), SafeTensors::deserialize(golden.model).unwrap());
        assert_eq!(saved.len(), original.len());
        for (name, view) in saved.tensors() {
            assert!(view.data() == original.tensor(&name).unwrap().data(), "{}: {name}", golden.name);
        }
    }
}

/// 200 steps: in the second half never more of the device's memory is in use than in the first, and what is held for reuse
/// grows by a tenth at most, which is the allocator's business: it cuts its pages as they come free.
#[wasm_bindgen_test]
async fn memory_is_flat_over_200_steps() {
    let device = gpu().await.autodiff();
    // One layer, with random weights: a second one would take the same memory over again.
    let golden = golden!("golden/micro");
    let config = golden.config.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1");
    let mut model = VideoMae::new(&VideoMaeConfig::from_json(&config).unwrap(), 1, &device);
    let mut optimizer = AdamW::new(0.0);
    let (mut used, mut reserved) = (Vec::new(), Vec::new());
    for step in 0..200 {
        let loss = cross_entropy(model.forward(pixels(&golden, &device)), &[0, 1]);
        let mut gradients = GradientSum::default();
        gradients.add(&model, &mut loss.backward(), 1.0);
        gradients.clip(1.0);
        model = optimizer.step(model, gradients, 1e-4);
        let loss = loss.without_autodiff().into_data_async().await.unwrap();
        assert!(loss.iter::<f32>().all(f32::is_finite));
        if step % 20 == 19 {
            let usage = device.clone().without_autodiff().memory_pool_usage().unwrap();
            used.push(usage.bytes_in_use);
            reserved.push(usage.bytes_reserved);
        }
    }
    let most_of_halves = |bytes: &[u64]| {
        let (first, second) = bytes.split_at(bytes.len() / 2);
        [first, second].map(|half| half.iter().copied().max().unwrap())
    };
    let [first, second] = most_of_halves(&used);
    assert!(second <= first, "bytes in use after every 20th step: {used:?}");
    let [first, second] = most_of_halves(&reserved);
    assert!(second <= first + first / 10, "bytes reserved after every 20th step: {reserved:?}");
}

/// Loss and gradients are the same, with less of the device's memory in use when the backward pass begins.
#[wasm_bindgen_test]
async fn layers_that_are_computed_twice_keep_less_of_a_step() {
    let device = gpu().await.autodiff();
    let golden = golden!("golden/micro");
    let (model, _) = load(&golden, &device).await;
    let mut learnt = Vec::new();
    for twice in [false, true] {
        let (pixels, mut gradients, mut in_use) = (pixels(&golden, &device), GradientSum::default(), 0);
        let mut loss = |logits: Tensor<2>| {
            in_use = device.clone().without_autodiff().memory_pool_usage().unwrap().bytes_in_use;
            cross_entropy(logits, &[0, 1])
        };
        let loss = if twice {
            recomputing::learn(&model, pixels, None, loss, (&mut gradients, 1.0)).1
        } else {
            let loss = loss(model.forward(pixels));
            gradients.add(&model, &mut loss.backward(), 1.0);
            loss.without_autodiff()
        };
        let norm = gradients.clip(0.0).unwrap();
        let numbers = Tensor::cat(vec![loss, norm], 0).into_data_async().await.unwrap();
        learnt.push((numbers.iter::<f32>().collect::<Vec<_>>(), in_use));
    }
    let [(once, kept_once), (twice, kept_twice)] = learnt.try_into().unwrap();
    assert!(once.iter().zip(&twice).all(|(one, other)| (one - other).abs() <= 1e-5 * one), "{once:?} {twice:?}");
    assert!(kept_twice < kept_once, "{kept_once} bytes, and {kept_twice} where layers are computed twice");
}

#[wasm_bindgen(inline_js = "
let launched = 0;
for (const name of ['dispatchWorkgroups', 'dispatchWorkgroupsIndirect']) {
  const dispatch = GPUComputePassEncoder.prototype[name];
  GPUComputePassEncoder.prototype[name] = function (...counts) {
    launched += 1;
    return dispatch.apply(this, counts);
  };
}
export function launches() {
  return launched;
}
")]
extern "C" {
    /// Kernels that were launched so far.
    fn launches() -> u32;
}

/// A step of the golden micro model, which has 2 layers and 36 parameters.
#[wasm_bindgen_test]
async fn a_training_step_launches_no_more_kernels_than_it_needs() {
    let device = gpu().await.autodiff();
    let golden = golden!("golden/micro");
    let (mut model, _) = load(&golden, &device).await;
    let mut optimizer = AdamW::new(0.0);
    let mut counts = Vec::new();
    for _ in 0..3 {
        let before = launches();
        let loss = cross_entropy(model.forward(pixels(&golden, &device)), &[0, 1]);
        let mut gradients = GradientSum::default();
        gradients.add(&model, &mut loss.backward(), 1.0);
        gradients.clip(1.0);
        model = optimizer.step(model, gradients, 1e-4);
        loss.without_autodiff().into_data_async().await.unwrap();
        counts.push(launches() - before);
    }
    assert!(counts[2] <= 131, "kernels of the first steps: {counts:?}");
}
