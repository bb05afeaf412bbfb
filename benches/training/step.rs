//! What a step of fine-tuning takes of a device: time, and memory where the device tells of it.
//!
//! Comes in: a size, a batch, a number of steps, a device. Goes out: a row of a Markdown table. The engine's own model, loss,
//! gradients and optimizer on random clips; decodes nothing.
//!
//! usage: cargo run --example step -- SIZE BATCH STEPS cpu|gpu

use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use cliptune::engine::device;
use cliptune::engine::loaded::LoadedModel;
use cliptune::model::classifier::{VideoMae, cross_entropy};
use cliptune::model::config::ModelSize;
use cliptune::protocol::DeviceChoice;
use cliptune::train::optimizer::{AdamW, GradientSum};

const CLASSES: usize = 10;

struct Bench {
    /// Without autodiff.
    device: Device,
    /// [B, T, C, H, W].
    pixels: TensorData,
    /// [B].
    labels: TensorData,
}

impl Bench {
    fn loss(&self, model: &VideoMae, device: &Device) -> Tensor<1> {
        let pixels = Tensor::<5>::from_data(self.pixels.clone(), device);
        cross_entropy(model.forward(pixels), Tensor::<1, Int>::from_data(self.labels.clone(), device))
    }

    /// Milliseconds that it takes until the loss is read.
    fn timed(&self, compute: impl FnOnce() -> Tensor<1>) -> f64 {
        let from = Instant::now();
        compute().into_data();
        from.elapsed().as_secs_f64() * 1e3
    }

    fn reserved(&self) -> u64 {
        self.device.memory_pool_usage().map_or(0, |usage| usage.bytes_reserved)
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let [size, batch, steps, place] = arguments.as_slice() else {
        return Err("usage: step SIZE BATCH STEPS cpu|gpu".into());
    };
    let size = ModelSize::from_name(size).ok_or("SIZE is micro, tiny, small or base")?;
    let (batch, steps): (usize, usize) = (batch.parse()?, steps.parse()?);
    let choice = if place == "gpu" { DeviceChoice::Gpu } else { DeviceChoice::Cpu };
    let (device, report, _) = futures_executor::block_on(device::choose(choice))?;
    let training = device.clone().autodiff();

    let classes = (0..CLASSES).map(|class| class.to_string()).collect::<Vec<_>>();
    let LoadedModel { mut model, config, .. } = LoadedModel::fresh(size, &classes, 2.1, 42, &training);
    let [height, width] = config.image_size.height_width();
    let shape = [batch, config.num_frames, config.num_channels, height, width];
    let labels = (0..batch).map(|clip| (clip % CLASSES) as i32).collect::<Vec<_>>();
    let bench = Bench {
        pixels: Tensor::<5>::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex()).into_data(),
        labels: TensorData::new(labels, [batch]),
        device,
    };
    let answering = model.valid();
    let forward = (0..=steps).map(|_| bench.timed(|| bench.loss(&answering, &bench.device))).skip(1);
    let forward = median(forward.collect());
    drop(answering);
    let before = bench.reserved();
    let mut optimizer = AdamW::new(0.05);
    let (mut times, mut most) = (Vec::new(), 0);
    for _ in 0..=steps {
        times.push(bench.timed(|| {
            let loss = bench.loss(&model, &training);
            let mut gradients = GradientSum::default();
            gradients.add(&model, &mut loss.backward(), 1.0);
            gradients.clip(1.0);
            model = optimizer.step(model.clone(), gradients, 1e-4);
            loss.without_autodiff()
        }));
        most = bench.reserved().max(most);
        eprintln!("{:.0} ms, {:.2} GB", times.last().copied().unwrap_or_default(), most as f64 / 1e9);
    }
    let step = median(times.split_off(1));
    println!(
        "| {} | {batch} | {} | {forward:.1} | {step:.1} | {:.2} | {:.2} | {:.2} |",
        size.name(),
        report.name,
        step / forward,
        before as f64 / 1e9,
        most as f64 / 1e9
    );
    Ok(())
}
