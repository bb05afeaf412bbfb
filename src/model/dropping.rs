//! What a training step leaves out at random: values before the head (dropout), whole branches of layers for some clips
//! (stochastic depth, Huang et al., 2016), and some of each clip's tokens (PatchDropout, Liu et al., 2023).
//!
//! Comes in: rates and random numbers. Goes out: what to multiply by and rows to take, drawn on the host, so that they
//! are the same on every device. Never used when a model answers.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::masking::{Masks, Rows};

/// The rates of a run, with the names of the VideoMAE repository's modeling_finetune.py.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    pub fc_drop_rate: f64,
    /// The last layer's; the layers' rates rise to it from 0 in equal steps.
    pub drop_path: f64,
    /// The share of the tokens that stay: above 0, at most 1.
    pub token_keep: f64,
}

/// What a batch is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub clips: usize,
    /// Layers.
    pub depth: usize,
    /// D.
    pub width: usize,
    /// N of a clip.
    pub tokens: usize,
    /// Whether the first token stands for the clip, so that it must stay.
    pub first_stands: bool,
}

/// What is left out of one forward pass; everything random is drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    clips: usize,
    /// For each layer its attention's and its feed-forward block's, B long: 0, or 1 / (1 - rate).
    layers: Vec<[Vec<f32>; 2]>,
    /// B * D, likewise.
    head: Option<Vec<f32>>,
    tokens: Option<Masks>,
}

/// The same on a device.
#[derive(Clone, Debug)]
pub struct Dropping {
    /// [B, 1, 1] each.
    layers: Vec<[Tensor<3>; 2]>,
    /// [B, D].
    head: Option<Tensor<2>>,
    tokens: Option<Rows>,
}

impl Drawn {
    /// Draws what is left out; none where nothing is.
    pub fn draw(rates: Rates, sizes: Sizes, random: &mut impl Rng) -> Option<Self> {
        let Sizes { clips, depth, width, tokens, first_stands } = sizes;
        if rates == Rates::NONE {
            return None;
        }
        let mut draw = |rate: f64, count: usize| -> Vec<f32> {
            let kept = (1.0 / (1.0 - rate)) as f32;
            (0..count).map(|_| if random.random::<f64>() < rate { 0.0 } else { kept }).collect()
        };
        let mut layers = Vec::new();
        if rates.drop_path > 0.0 {
            for layer in 0..depth {
                let rate = rates.of_layer(layer, depth);
                layers.push([draw(rate, clips), draw(rate, clips)]);
            }
        }
        let head = (rates.fc_drop_rate > 0.0).then(|| draw(rates.fc_drop_rate, clips * width));
        let kept = ((rates.token_keep * tokens as f64).round() as usize).max(1);
        let tokens = Masks::keeping(kept, [clips, tokens], first_stands, random);
        Some(Self { clips, layers, head, tokens })
    }

    /// What is left out of some of the clips, one after another; of those that there are.
    pub fn of(&self, clips: Range<usize>) -> Self {
        let branch = |kept: &Vec<f32>| kept.get(clips.clone()).unwrap_or_default().to_vec();
        let head = self.head.as_ref().map(|kept| {
            let width = kept.len() / self.clips.max(1);
            kept.get(clips.start * width..clips.end * width).unwrap_or_default().to_vec()
        });
        Self {
            clips: clips.len(),
            layers: self.layers.iter().map(|layer| layer.each_ref().map(branch)).collect(),
            head,
            tokens: self.tokens.as_ref().map(|masks| masks.of(clips.clone())),
        }
    }

    pub fn on(&self, device: &Device) -> Dropping {
        let clips = self.clips;
        let branch = |kept: &Vec<f32>| Tensor::from_data(TensorData::new(kept.clone(), [clips, 1, 1]), device);
        let head = |kept: &Vec<f32>| {
            Tensor::from_data(TensorData::new(kept.clone(), [clips, kept.len() / clips.max(1)]), device)
        };
        Dropping {
            layers: self.layers.iter().map(|layer| layer.each_ref().map(branch)).collect(),
            head: self.head.as_ref().map(head),
            tokens: self.tokens.as_ref().map(|masks| masks.visible(device)),
        }
    }
}

impl Dropping {
    /// What a layer's two branches are multiplied by; none where all of them stay.
    pub fn layer(&self, layer: usize) -> Option<&[Tensor<3>; 2]> {
        self.layers.get(layer)
    }

    /// The tokens that stay; none where all of them do.
    pub fn tokens(&self) -> Option<&Rows> {
        self.tokens.as_ref()
    }

    /// Pooled values [B, D] -> the same shape.
    pub fn before_head(&self, pooled: Tensor<2>) -> Tensor<2> {
        match &self.head {
            Some(kept) => pooled * kept.clone(),
            None => pooled,
        }
    }
}

impl Rates {
    pub const NONE: Self = Self { fc_drop_rate: 0.0, drop_path: 0.0, token_keep: 1.0 };

    /// `torch.linspace(0, drop_path, depth)`.
    fn of_layer(&self, layer: usize, depth: usize) -> f64 {
        self.drop_path * layer as f64 / depth.saturating_sub(1).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::classifier::VideoMae;
    use crate::model::config::{ModelSize, VideoMaeConfig};
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    const SIZES: Sizes = Sizes { clips: 2000, depth: 3, width: 4, tokens: 2, first_stands: false };

    #[test]
    fn as_much_is_left_out_as_the_rates_say_and_the_mean_stays() {
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let rates = Rates { fc_drop_rate: 0.25, drop_path: 0.5, ..Rates::NONE };
        let dropping = Drawn::draw(rates, SIZES, &mut random).unwrap().on(&Device::flex());
        let values = |tensor: Tensor<1>| -> Vec<f32> { tensor.into_data().iter::<f32>().collect() };
        for (layer, rate) in [0.0, 0.25, 0.5].into_iter().enumerate() {
            for branch in dropping.layer(layer).unwrap() {
                let kept = values(branch.clone().reshape([2000]));
                let zeros = kept.iter().filter(|value| **value == 0.0).count() as f64 / 2000.0;
                assert!((zeros - rate).abs() < 0.04, "layer {layer}: {zeros}");
                assert!((kept.iter().sum::<f32>() / 2000.0 - 1.0).abs() < 0.08, "layer {layer}");
            }
        }
        let head = values(dropping.before_head(Tensor::ones([2000, 4], &Device::flex())).reshape([8000]));
        assert!(head.iter().all(|value| *value == 0.0 || (value - 1.0 / 0.75).abs() < 1e-6));
        assert!((head.iter().sum::<f32>() / 8000.0 - 1.0).abs() < 0.03);
        assert!(dropping.tokens().is_none());
        assert!(Drawn::draw(Rates::NONE, SIZES, &mut random).is_none());
    }

    /// Half of the tubelets of two clips; whether each pooling sees what stays, and nothing of what does not.
    #[test]
    fn a_share_of_the_tokens_is_all_that_a_model_looks_at() {
        let device = Device::flex();
        for use_mean_pooling in [true, false] {
            let config = VideoMaeConfig { use_mean_pooling, ..ModelSize::Micro.config(&["a".into(), "b".into()]) };
            let model = VideoMae::new(&config, 1, &device);
            let (tokens, values) = (config.tokens(), config.num_frames * 3 * 32 * 32);
            let sizes = Sizes { clips: 2, depth: 2, width: 64, tokens, first_stands: !use_mean_pooling };
            let rates = Rates { token_keep: 0.5, ..Rates::NONE };
            let dropping = Drawn::draw(rates, sizes, &mut ChaCha8Rng::seed_from_u64(7)).unwrap().on(&device);
            let clips = |scale: f32| -> Tensor<5> {
                let values: Vec<f32> = (0..2 * values).map(|index| (index as f32 * 0.731).sin() * scale).collect();
                Tensor::from_data(TensorData::new(values, [2, config.num_frames, 3, 32, 32]), &device)
            };
            let rows = dropping.tokens().unwrap();
            let (seen, other) = (model.embeddings.tubelets(clips(1.0)), model.embeddings.tubelets(clips(-3.0)));
            assert_eq!(rows.of(seen.clone()).dims(), [2, tokens / 2, config.tubelet_values()]);
            let numbers: Vec<f32> = (0..2 * tokens).map(|number| number as f32).collect();
            let numbers = Tensor::<1>::from_floats(numbers.as_slice(), &device).reshape([2, tokens, 1]);
            let stay: Vec<f32> = rows.of(numbers).into_data().iter::<f32>().collect();
            let stays = |number: usize| if stay.contains(&(number as f32)) { 1.0 } else { 0.0 };
            let stays: Vec<f32> = (0..2 * tokens).map(stays).collect();
            let stays = Tensor::<1>::from_floats(stays.as_slice(), &device).reshape([2, tokens, 1]);
            let goes = stays.clone().neg() + 1.0;
            let looked = |tubelets: Tensor<3>| -> Vec<f32> {
                model.pooled_of(model.embeddings.forward_rows(tubelets, rows), None).into_data().iter::<f32>().collect()
            };
            let answer = looked(seen.clone());
            assert_eq!(looked(seen.clone() * stays.clone() + other.clone() * goes.clone()), answer);
            assert_ne!(looked(seen * goes + other * stays), answer);
        }
    }

    #[test]
    fn tokens_are_drawn_after_all_else_so_that_nothing_else_changes() {
        let draw = |token_keep| {
            let rates = Rates { fc_drop_rate: 0.5, drop_path: 0.5, token_keep };
            Drawn::draw(rates, SIZES, &mut ChaCha8Rng::seed_from_u64(9)).unwrap()
        };
        assert_eq!(draw(1.0).head, draw(0.5).head);
    }
}
