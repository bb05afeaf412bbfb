//! What a step of fine-tuning takes of a device: time, and memory where the device tells of it.
//!
//! Comes in: a size, a batch, a number of steps, a device. Goes out: a line of JSON, which run.mjs makes tables of. The
//! engine's own model, loss, gradients and optimizer on random clips; decodes nothing.
//!
//! usage: cargo run --example step -- SIZE BATCH STEPS cpu|gpu [twice] [half]
//! `twice`: each layer is computed twice, so that less is kept (`train::recomputing`). `half`: the layers' products are of 16
//! bits, and the loss is scaled.

use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use cliptune::engine::device;
use cliptune::engine::loaded::LoadedModel;
use cliptune::model::classifier::{VideoMae, cross_entropy};
use cliptune::model::config::{ModelSize, VideoMaeConfig};
use cliptune::protocol::DeviceChoice;
use cliptune::train::loss_scale::LossScale;
use cliptune::train::optimizer::{AdamW, GradientSum};
use cliptune::train::recomputing;
use replace_with::replace_with_or_abort;
use serde::Serialize;
use serde_json::json;

const CLASSES: usize = 10;
const USAGE: &str = "usage: step SIZE BATCH STEPS cpu|gpu [twice] [half]";

struct Bench {
    /// Without autodiff.
    device: Device,
    /// [B, T, C, H, W].
    pixels: TensorData,
    /// [B].
    labels: Vec<i32>,
}

impl Bench {
    fn loss(&self, model: &VideoMae, device: &Device) -> Tensor<1> {
        let pixels = Tensor::<5>::from_data(self.pixels.clone(), device);
        cross_entropy(model.forward(pixels), &self.labels)
    }

    /// Milliseconds that it takes until the loss is read.
    fn timed(&self, compute: impl FnOnce() -> Tensor<1>) -> f64 {
        let from = Instant::now();
        // What is read is looked at: until then, it may be on its way.
        compute().into_scalar::<f32>();
        from.elapsed().as_secs_f64() * 1e3
    }

    /// Bytes of tensors that lie on the device.
    fn in_use(&self) -> u64 {
        self.device.memory_pool_usage().map_or(0, |usage| usage.bytes_in_use)
    }

    fn reserved(&self) -> u64 {
        self.device.memory_pool_usage().map_or(0, |usage| usage.bytes_reserved)
    }
}

/// Bytes of tensors, by when a step has them.
#[derive(Default, Serialize)]
struct Memory {
    weights: u64,
    /// With what the forward pass keeps.
    forward: u64,
    /// With gradients instead.
    backward: u64,
    /// With the optimizer's moments, after the step.
    after: u64,
    /// What the allocator has reserved at most, of these times.
    reserved: u64,
}

/// Multiplications and additions of a clip's forward pass, those of the layers' products alone.
fn forward_flop(config: &VideoMaeConfig) -> f64 {
    let (tokens, width) = (config.tokens() as f64, config.hidden_size as f64);
    let each = 8.0 * width * width + 4.0 * width * config.intermediate_size as f64 + 4.0 * tokens * width;
    config.num_hidden_layers as f64 * tokens * each
}

/// Of a plain product of matrices, multiplications and additions a second: what the device can do at most, about.
fn peak(bench: &Bench) -> f64 {
    const SIDE: usize = 1024;
    let matrix = || Tensor::<2>::random([SIDE, SIDE], Distribution::Normal(0.0, 1.0), &bench.device);
    let (left, right) = (matrix(), matrix());
    let product = || left.clone().matmul(right.clone()).slice([0..1, 0..1]).reshape([1]);
    let times = (0..6).map(|_| bench.timed(product)).skip(1).collect();
    2.0 * (SIDE as f64).powi(3) / (median(times) / 1e3)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let ([size, batch, steps, place], rest) = arguments.split_first_chunk().ok_or(USAGE)?;
    let [twice, half] = ["twice", "half"].map(|asked| rest.iter().any(|word| word == asked));
    let size = ModelSize::from_name(size).ok_or("SIZE is micro, tiny, small or base")?;
    let (batch, steps): (usize, usize) = (batch.parse()?, steps.parse()?);
    let choice = if place == "gpu" { DeviceChoice::Gpu } else { DeviceChoice::Cpu };
    let (device, report, _) = futures_executor::block_on(device::choose(choice))?;
    let training = device.clone().autodiff();

    let classes = (0..CLASSES).map(|class| class.to_string()).collect::<Vec<_>>();
    let LoadedModel { model, config, .. } = LoadedModel::fresh(size, &classes, 2.1, 42, &training);
    let [height, width] = config.image_size.height_width();
    let shape = [batch, config.num_frames, config.num_channels, height, width];
    let labels = (0..batch).map(|clip| (clip % CLASSES) as i32).collect::<Vec<_>>();
    let bench = Bench {
        pixels: Tensor::<5>::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex()).into_data(),
        labels,
        device,
    };
    let mut model = model.in_half(half);
    let peak = peak(&bench);
    let answering = model.valid();
    let forward = (0..=steps).map(|_| bench.timed(|| bench.loss(&answering, &bench.device))).skip(1);
    let forward = median(forward.collect());
    drop(answering);
    let mut memory = Memory { weights: bench.in_use(), ..Memory::default() };
    let mut optimizer = AdamW::new(0.05);
    let mut scale = half.then(|| LossScale::new(None, &bench.device));
    let mut times = Vec::new();
    for _ in 0..=steps {
        times.push(bench.timed(|| {
            let mut gradients = GradientSum::default();
            let pixels = Tensor::<5>::from_data(bench.pixels.clone(), &training);
            let mut loss = |logits| {
                let loss = cross_entropy(logits, &bench.labels);
                memory.forward = bench.in_use();
                memory.reserved = bench.reserved().max(memory.reserved);
                scale.iter().fold(loss, |loss, scale| scale.raise(loss))
            };
            let loss = if twice {
                recomputing::learn(&model, pixels, None, loss, (&mut gradients, 1.0)).1
            } else {
                let loss = loss(model.forward(pixels));
                gradients.add(&model, &mut loss.backward(), 1.0);
                loss.without_autodiff()
            };
            let loss = scale.iter().fold(loss, |loss, scale| scale.lower(loss));
            gradients.clip_scaled(1.0, scale.as_mut());
            memory.backward = bench.in_use();
            memory.reserved = bench.reserved().max(memory.reserved);
            replace_with_or_abort(&mut model, |model| optimizer.step(model, gradients, 1e-4));
            memory.after = bench.in_use();
            memory.reserved = bench.reserved().max(memory.reserved);
            loss
        }));
        eprintln!("{:.0} ms", times.last().copied().unwrap_or_default());
    }
    let step = median(times.split_off(1.min(steps)));
    let line = json!({
        "size": size.name(), "batch": batch, "twice": twice, "half": half, "device": report.name, "forward_ms": forward, "step_ms": step,
        "forward_flop": forward_flop(&config) * batch as f64, "peak_flop_per_s": peak, "memory": memory,
    });
    println!("{line}");
    Ok(())
}
