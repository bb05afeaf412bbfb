//! What a training step leaves out at random: values before the head (dropout), and whole branches of layers for some
//! clips (stochastic depth, Huang et al., 2016).
//!
//! Comes in: rates and random numbers. Goes out: tensors to multiply by, drawn on the host, so that they are the same on
//! every device. Never used when a model answers.

use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt};

/// The rates of a run, with the names of the VideoMAE repository's modeling_finetune.py.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    pub fc_drop_rate: f64,
    /// The last layer's; the layers' rates rise to it from 0 in equal steps.
    pub drop_path: f64,
}

/// What is left out of one forward pass; everything random is drawn.
#[derive(Clone, Debug)]
pub struct Dropping {
    /// For each layer its attention's and its feed-forward block's, [B, 1, 1]: 0, or 1 / (1 - rate).
    layers: Vec<[Tensor<3>; 2]>,
    /// [B, D], likewise.
    head: Option<Tensor<2>>,
}

impl Dropping {
    /// Draws what is left out for `clips` clips in a model of `depth` layers of `width`; none where nothing is.
    pub fn draw(
        rates: Rates,
        [clips, depth, width]: [usize; 3],
        random: &mut impl Rng,
        device: &Device,
    ) -> Option<Self> {
        if rates == Rates::default() {
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
                let branches = [draw(rate, clips), draw(rate, clips)];
                layers.push(branches.map(|kept| Tensor::from_data(TensorData::new(kept, [clips, 1, 1]), device)));
            }
        }
        let head = (rates.fc_drop_rate > 0.0).then(|| {
            let kept = TensorData::new(draw(rates.fc_drop_rate, clips * width), [clips, width]);
            Tensor::from_data(kept, device)
        });
        Some(Self { layers, head })
    }

    /// What a layer's two branches are multiplied by; none where all of them stay.
    pub fn layer(&self, layer: usize) -> Option<&[Tensor<3>; 2]> {
        self.layers.get(layer)
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
    /// `torch.linspace(0, drop_path, depth)`.
    fn of_layer(&self, layer: usize, depth: usize) -> f64 {
        self.drop_path * layer as f64 / depth.saturating_sub(1).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn as_much_is_left_out_as_the_rates_say_and_the_mean_stays() {
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let rates = Rates { fc_drop_rate: 0.25, drop_path: 0.5 };
        let dropping = Dropping::draw(rates, [2000, 3, 4], &mut random, &Device::flex()).unwrap();
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
        assert!(Dropping::draw(Rates::default(), [2, 3, 4], &mut random, &Device::flex()).is_none());
    }
}
