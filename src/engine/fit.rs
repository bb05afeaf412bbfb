//! Whether a model fits on a device, and on how many of a CPU's workers at a time, before anything is loaded.
//!
//! Comes in: a configuration, what a step trains of how many clips, the device's limits. Goes out: a [`Fit`]. An estimate:
//! what the backward pass reads of every layer, and on a GPU the attention scores of the one layer that it is at, where the
//! heads are of a width that has some written.

use cliptune_kernels::scores_at_once;

use crate::model::config::VideoMaeConfig;
use crate::model::weights::names::expected;
use crate::protocol::{Fit, StepLoad};
use crate::train::settings::{GradientCheckpointing, Lora, Strategy, Target};

const FLOAT: u64 = 4;
/// Of a number of 16 bits.
const HALF: u64 = 2;
/// What wasm can address, less what the program itself and the clips need.
const CPU_BYTES: u64 = 3 << 30;
/// What a training step takes of a GPU before its layers are computed twice instead: a GPU of which a browser tells no size
/// is not taken for a larger one.
const GPU_BYTES: u64 = 4_000_000_000;

/// Multiplications and additions of a clip's forward pass, about a second of wasm.
const SLOW: u64 = 8_000_000_000;
/// More than so many workers are not started, however many cores there are.
const MOST_WORKERS: usize = 8;

/// What a device can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    /// Natively: as much as the machine has.
    None,
    /// The CPU backend inside wasm's 4 GB.
    Wasm,
    /// A WebGPU adapter's largest buffer that a kernel can bind, in bytes. Browsers do not tell how much memory there is.
    Gpu { largest_buffer: u64 },
}

/// What a model is counted in.
struct Counts {
    parameters: u64,
    largest_weight: u64,
    tokens: usize,
    heads: usize,
    /// The widest activation of one clip.
    widest: u64,
    /// Numbers that one layer keeps of one clip for its backward pass.
    layer: u64,
    /// Of these, what stays in 32 bits where the layer computes with 16: what goes in, and what attention is added to.
    full: u64,
    /// Of these, what goes into the layer.
    input: u64,
    layers: u64,
    width: u64,
    /// Width of the feed-forward block.
    inner: u64,
    labels: u64,
}

/// What a run's largest step trains.
struct Trained {
    /// Numbers that have a gradient and AdamW's two moments.
    parameters: u64,
    /// Numbers that are made beside the weights in each step: weights with their adapters worked in.
    merged: u64,
    /// Whether there is a backward pass through the layers.
    layers: bool,
}

impl Counts {
    fn of(config: &VideoMaeConfig) -> Self {
        let shapes = expected(config);
        let count = |shape: &[usize]| shape.iter().fold(1u64, |product, &side| product.saturating_mul(side as u64));
        let (tokens, width) = (config.tokens() as u64, config.hidden_size as u64);
        let inner = config.intermediate_size as u64;
        Self {
            parameters: shapes.iter().map(|(_, shape)| count(shape)).sum(),
            largest_weight: shapes.iter().map(|(_, shape)| count(shape)).max().unwrap_or(0),
            tokens: config.tokens(),
            heads: config.num_attention_heads.max(1),
            widest: tokens.saturating_mul(inner.max(width)),
            // In, norms, query, key, value, mixed, out and two residuals; and the feed-forward block before and after its
            // activation.
            layer: tokens.saturating_mul(9 * width + 3 * inner),
            full: tokens.saturating_mul(2 * width),
            input: tokens.saturating_mul(width),
            layers: config.num_hidden_layers as u64,
            width,
            inner,
            labels: config.labels().len() as u64,
        }
    }

    fn trained(&self, strategy: Strategy) -> Trained {
        let head = (self.width + 1).saturating_mul(self.labels);
        match strategy {
            Strategy::NoFreeze | Strategy::FreezeUnfreeze(_) | Strategy::UnfreezeMilestones(..) => {
                Trained { parameters: self.parameters, merged: 0, layers: true }
            }
            Strategy::Freeze => Trained { parameters: head, merged: 0, layers: false },
            Strategy::Lora(lora) => {
                let matrices = self.targeted(&lora);
                let sum = |of: &dyn Fn(u64, u64) -> u64| {
                    let layer =
                        matrices.iter().fold(0u64, |sum, &[input, output]| sum.saturating_add(of(input, output)));
                    layer.saturating_mul(self.layers)
                };
                let factors = sum(&|input, output| input.saturating_add(output).saturating_mul(lora.rank as u64));
                let merged = sum(&u64::saturating_mul);
                // One targeted weight at a time has a gradient on the way to its factors'.
                let passing = matrices.iter().map(|&[input, output]| input.saturating_mul(output)).max().unwrap_or(0);
                let (parameters, merged) = (head.saturating_add(factors), merged.saturating_add(passing));
                Trained { parameters, merged, layers: true }
            }
        }
    }

    /// Inputs and outputs of the weights in a layer that have adapters.
    fn targeted(&self, lora: &Lora) -> Vec<[u64; 2]> {
        let (width, inner) = (self.width, self.inner);
        let matrices = |target: Target| match target {
            Target::Query | Target::Key | Target::Value => vec![[width, width]],
            Target::Dense => vec![[width, width], [width, inner], [inner, width]],
        };
        Vec::<Target>::from(lora.targets).into_iter().flat_map(matrices).collect()
    }

    /// The weights of a layer's queries, keys and values side by side, which its forward pass makes and its backward pass reads.
    fn joined(&self) -> u64 {
        self.width.saturating_mul(self.width).saturating_mul(3)
    }

    /// Scores that a GPU has at once of a batch. The CPU does some rows at a time.
    fn scores_at_once(&self, batch: usize) -> u64 {
        scores_at_once(batch, self.tokens, self.heads, self.width as usize / self.heads) as u64
    }

    /// Bytes that one layer keeps of one clip.
    fn layer_bytes(&self, fp16: bool) -> u64 {
        let halved = if fp16 { self.layer.saturating_sub(self.full) } else { 0 };
        HALF.saturating_mul(halved).saturating_add(FLOAT.saturating_mul(self.layer.saturating_sub(halved)))
    }

    /// Numbers that are there in one layer's backward pass, and nowhere else: on a GPU the probabilities, their gradients
    /// and what one of them is copied into.
    fn passing(&self, batch: usize, limits: Limits) -> u64 {
        match limits {
            Limits::Gpu { .. } => self.scores_at_once(batch).saturating_mul(3),
            Limits::None | Limits::Wasm => 0,
        }
    }

    /// Bytes of a training step, with each layer computed twice or not: weights, gradients, AdamW's two moments, and what is
    /// kept of each clip.
    fn training_bytes(&self, step: StepLoad, recomputes: bool, limits: Limits) -> u64 {
        let Trained { parameters, merged, layers } = self.trained(step.strategy);
        let layer = self.layer_bytes(step.fp16);
        let kept = match (layers, recomputes) {
            // One layer after another, and none of them again.
            (false, _) => layer,
            (true, true) => FLOAT.saturating_mul(self.input).saturating_mul(self.layers).saturating_add(layer),
            (true, false) => layer.saturating_mul(self.layers),
        };
        let passing = if layers { self.passing(step.batch, limits) } else { 0 };
        let joined = match (layers, recomputes) {
            // Where the layers compute with 16 bits, it is among the copies.
            (true, false) if !step.fp16 => self.joined().saturating_mul(self.layers),
            _ => self.joined(),
        };
        let weights = self.parameters.saturating_add(merged).saturating_add(parameters.saturating_mul(3));
        let weights = weights.saturating_add(joined);
        // Of each weight a copy in 16 bits.
        let copies = if step.fp16 && layers && !recomputes { HALF.saturating_mul(self.parameters) } else { 0 };
        let numbers = FLOAT.saturating_mul(weights.saturating_add(passing));
        numbers.saturating_add(copies).saturating_add(kept.saturating_mul(step.batch as u64))
    }

    /// In bytes.
    fn largest_buffer(&self, clips: usize) -> u64 {
        let widest = self.widest.saturating_mul(clips as u64);
        FLOAT.saturating_mul(self.largest_weight.max(self.scores_at_once(clips)).max(widest))
    }
}

/// How many workers a training step's clips are shared out among on a CPU of so many cores and bytes of memory, the engine
/// one of them. A core is left to the page and the decoders where there are more than two.
pub fn workers(config: &VideoMaeConfig, step: StepLoad, (cores, memory): (usize, u64)) -> usize {
    let recomputes = estimate(config, Some(step), Limits::Wasm).recomputes;
    let counts = Counts::of(config);
    // The clips take what they take; each worker more has a model besides. All of those together may be a quarter of what
    // there is: the machine has other things to do.
    let model = counts.training_bytes(StepLoad { batch: 0, ..step }, recomputes, Limits::Wasm);
    let fits = |workers: &usize| model.saturating_mul(*workers as u64 - 1) <= memory / 4;
    let most = if cores > 2 { cores - 1 } else { cores };
    (2..=most.min(step.batch).min(MOST_WORKERS)).rev().find(fits).unwrap_or(1)
}

/// Whether a forward pass takes a CPU so long that starting workers for one video's views is worth it.
pub fn is_slow(config: &VideoMaeConfig) -> bool {
    let counts = Counts::of(config);
    counts.parameters.saturating_mul(counts.tokens as u64) > SLOW
}

/// How many clips a forward pass of a model that fits may take, so that more than one fits, too; `most` at most.
pub fn clips_at_a_time(config: &VideoMaeConfig, most: usize, limits: Limits) -> usize {
    let counts = Counts::of(config);
    let fits = |clips: usize| match limits {
        Limits::None => true,
        Limits::Gpu { largest_buffer } => counts.largest_buffer(clips) <= largest_buffer,
        // Half of what there is: the clips that wait for the model need their room as well.
        Limits::Wasm => FLOAT.saturating_mul(counts.layer.saturating_mul(clips as u64)) <= CPU_BYTES / 2,
    };
    (1..=most).rev().find(|&clips| fits(clips)).unwrap_or(1)
}

/// Estimates what a model takes to classify one clip, and for a training step; refuses what does not fit, training only
/// where a step is given.
pub fn estimate(config: &VideoMaeConfig, step: Option<StepLoad>, limits: Limits) -> Fit {
    let (trains, step) = (step.is_some(), step.unwrap_or(StepLoad::LEAST));
    let StepLoad { batch, checkpointing, strategy, .. } = step;
    let counts = Counts::of(config);
    let Counts { parameters, layer, .. } = counts;
    let inference_bytes = FLOAT.saturating_mul(parameters.saturating_add(layer));
    let plain = counts.training_bytes(step, false, limits);
    let is_short = match limits {
        Limits::None => false,
        Limits::Wasm => plain > CPU_BYTES,
        Limits::Gpu { .. } => plain > GPU_BYTES,
    };
    let recomputes = match checkpointing {
        GradientCheckpointing::Auto => is_short,
        GradientCheckpointing::Always => true,
        GradientCheckpointing::Never => false,
    };
    let learns = counts.trained(strategy).layers;
    // Dropout of the configuration's own would be drawn anew.
    let drops = config.hidden_dropout_prob != 0.0 || config.attention_probs_dropout_prob != 0.0;
    let recomputes = recomputes && learns && !drops;
    let training_bytes = counts.training_bytes(step, recomputes, limits);
    let refusal = match limits {
        Limits::Gpu { largest_buffer: most } if counts.largest_buffer(1) > most => Some(format!(
            "This model needs a buffer of {}, and this GPU allows {}. Choose a smaller model, or fewer or smaller frames.",
            gigabytes(counts.largest_buffer(1)),
            gigabytes(most)
        )),
        Limits::Gpu { largest_buffer: most } if trains && counts.largest_buffer(batch) > most => Some(format!(
            "A batch of {batch} needs a buffer of {}, and this GPU allows {}. Choose a smaller batch.",
            gigabytes(counts.largest_buffer(batch)),
            gigabytes(most)
        )),
        Limits::Wasm if inference_bytes > CPU_BYTES => Some(format!(
            "This model needs about {}, more than a page may use on the CPU. Choose a smaller one, or a device with a GPU.",
            gigabytes(inference_bytes)
        )),
        Limits::Wasm if trains && training_bytes > CPU_BYTES => Some(format!(
            "Training it with a batch of {batch} needs about {}, more than a page may use on the CPU. Choose a smaller batch or model, or a device with a GPU.",
            gigabytes(training_bytes)
        )),
        _ => None,
    };
    Fit { parameters: parameters as usize, inference_bytes, training_bytes, recomputes, refusal }
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config::ModelSize;

    fn config(size: ModelSize) -> VideoMaeConfig {
        size.config(&(0..400).map(|id| id.to_string()).collect::<Vec<_>>())
    }

    fn clips(batch: usize) -> Option<StepLoad> {
        Some(StepLoad { batch, ..StepLoad::LEAST })
    }

    #[test]
    fn the_published_sizes_have_the_published_numbers_of_parameters() {
        let fit = |size| estimate(&config(size), clips(1), Limits::None);
        // shared/golden/shapes: videomae-small-finetuned-kinetics, videomae-base-finetuned-kinetics.
        assert_eq!(fit(ModelSize::Small).parameters, 22_033_936);
        assert_eq!(fit(ModelSize::Base).parameters, 86_534_800);
        let gpu = Limits::Gpu { largest_buffer: 1 << 30 };
        let bytes = |heads| {
            let base = VideoMaeConfig { num_attention_heads: heads, ..config(ModelSize::Base) };
            [Limits::None, gpu].map(|limits| estimate(&base, clips(1), limits).training_bytes)
        };
        let [cpu, on_gpu] = bytes(12);
        assert!(on_gpu < 4_000_000_000 && on_gpu == cpu, "no scores are written");
        // Heads 128 wide.
        let [cpu, on_gpu] = bytes(6);
        assert_eq!(on_gpu - cpu, 4 * 3 * 6 * 1568 * 1568, "one layer's are there at a time");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_to_change() {
        let small_gpu = Limits::Gpu { largest_buffer: 128 << 20 };
        assert_eq!(estimate(&config(ModelSize::Micro), clips(8), small_gpu).refusal, None);
        assert_eq!(estimate(&config(ModelSize::Base), clips(1), small_gpu).refusal, None);
        assert_eq!(estimate(&config(ModelSize::Base), clips(6), small_gpu).refusal, None);
        let refusal = estimate(&config(ModelSize::Base), clips(7), small_gpu).refusal.unwrap();
        assert!(refusal.contains("smaller batch"), "{refusal}");
        let refusal = estimate(&config(ModelSize::Base), clips(16), Limits::Wasm).refusal.unwrap();
        assert!(refusal.contains("CPU"), "{refusal}");
        assert_eq!(estimate(&config(ModelSize::Base), None, Limits::Wasm).refusal, None, "it classifies all the same");
    }

    #[test]
    fn layers_are_computed_twice_where_a_step_would_not_fit_otherwise() {
        let gpu = Limits::Gpu { largest_buffer: 1 << 30 };
        let fit = |config: &VideoMaeConfig, batch, checkpointing, limits| {
            estimate(config, Some(StepLoad { batch, checkpointing, ..StepLoad::LEAST }), limits)
        };
        let base = config(ModelSize::Base);
        for (batch, limits, twice) in
            [(1, gpu, false), (4, gpu, true), (4, Limits::None, false), (4, Limits::Wasm, true)]
        {
            let [auto, always, never] =
                GradientCheckpointing::ALL.map(|(_, checkpointing)| fit(&base, batch, checkpointing, limits));
            assert_eq!(
                (auto.recomputes, always.recomputes, never.recomputes),
                (twice, true, false),
                "{batch} {limits:?}"
            );
            assert!(always.training_bytes < never.training_bytes);
            assert_eq!(auto.training_bytes, if twice { always } else { never }.training_bytes);
        }
        let drawn = VideoMaeConfig { hidden_dropout_prob: 0.1, ..base };
        assert!(
            !fit(&drawn, 4, GradientCheckpointing::Always, gpu).recomputes,
            "its dropout would be another the second time"
        );
    }

    #[test]
    fn layers_of_16_bits_keep_little_more_than_half() {
        let bytes = |batch, fp16| {
            let step = StepLoad { batch, fp16, checkpointing: GradientCheckpointing::Never, ..StepLoad::LEAST };
            estimate(&config(ModelSize::Base), Some(step), Limits::None).training_bytes
        };
        let [full, half] = [false, true].map(|fp16| bytes(9, fp16) - bytes(1, fp16));
        // 9 * 768 + 3 * 3072 numbers a token, of which 2 * 768 stay as they are.
        assert_eq!(full / 4 * 2 + 8 * 12 * 1568 * 2 * 768 * 2, half);
    }

    #[test]
    fn what_is_frozen_takes_no_memory_for_learning() {
        let base = config(ModelSize::Base);
        let bytes = |strategy, checkpointing| {
            let step = StepLoad { batch: 1, checkpointing, strategy, fp16: false };
            estimate(&base, Some(step), Limits::None).training_bytes
        };
        let [all, late, head, adapters] =
            [Strategy::NoFreeze, Strategy::FreezeUnfreeze(1), Strategy::Freeze, Strategy::Lora(Lora::default())]
                .map(|strategy| bytes(strategy, GradientCheckpointing::Never));
        assert_eq!(late, all, "its largest steps train everything");
        let floats = |bytes: u64| bytes / FLOAT;
        // 12 layers' query and value with factors of rank 8, and a head of 400 classes.
        let factors = 12 * 2 * 8 * (768 + 768) + 400 * 769;
        let merged = (12 * 2 + 1) * 768 * 768;
        assert_eq!(floats(all) - floats(adapters), 3 * (86_534_800 - factors) - merged);
        let layer = 1568 * (9 * 768 + 3 * 3072) + 3 * 768 * 768;
        assert_eq!(floats(head), 86_534_800 + 3 * 400 * 769 + layer, "one layer at a time");
        let twice = bytes(Strategy::Lora(Lora::default()), GradientCheckpointing::Always);
        assert!(head < twice && twice < adapters);
    }

    #[test]
    fn a_step_is_shared_out_as_far_as_cores_clips_and_memory_go() {
        let workers = |size, batch, cores, gigabytes: u64| {
            let step = StepLoad { batch, ..StepLoad::LEAST };
            super::workers(&config(size), step, (cores, gigabytes * 1_000_000_000))
        };
        let of_cores = [1, 2, 4, 8, 64].map(|cores| workers(ModelSize::Micro, 64, cores, 8));
        assert_eq!(of_cores, [1, 2, 3, 7, 8]);
        assert_eq!(workers(ModelSize::Micro, 3, 8, 8), 3, "one clip each");
        assert_eq!(ModelSize::ALL.map(|size| is_slow(&config(size))), [false, false, true, true]);
        assert_eq!([1, 0].map(|batch| workers(ModelSize::Micro, batch, 8, 8)), [1, 1]);
        // Weights, gradients and moments of each worker more are 0.37 GB of small, 1.41 of base.
        assert_eq!([1, 2, 4, 8].map(|gigabytes| workers(ModelSize::Small, 4, 8, gigabytes)), [1, 2, 3, 4]);
        assert_eq!([2, 4, 8].map(|gigabytes| workers(ModelSize::Base, 4, 8, gigabytes)), [1, 1, 2]);
    }

    #[test]
    fn as_many_clips_at_a_time_as_the_device_holds() {
        let at_a_time = |size, limits| clips_at_a_time(&config(size), 8, limits);
        assert_eq!(at_a_time(ModelSize::Micro, Limits::Wasm), 8);
        assert_eq!(at_a_time(ModelSize::Base, Limits::None), 8);
        assert_eq!(clips_at_a_time(&config(ModelSize::Base), 32, Limits::Wasm), 15, "of 101 MB each");
        // The feed-forward block of one clip is 19.3 MB.
        for (megabytes, clips) in [(1, 1), (32, 1), (64, 3), (128, 6), (256, 8)] {
            assert_eq!(at_a_time(ModelSize::Base, Limits::Gpu { largest_buffer: megabytes << 20 }), clips);
        }
    }

    #[test]
    fn absurd_sizes_overflow_nothing() {
        let mut absurd =
            VideoMaeConfig { hidden_size: 1 << 16, intermediate_size: 1 << 16, ..VideoMaeConfig::default() };
        absurd.num_frames = 1 << 16;
        assert!(estimate(&absurd, clips(256), Limits::Wasm).refusal.is_some());
    }
}
