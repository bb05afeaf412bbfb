//! What a training step learns from a batch, or from some of its clips.
//!
//! Comes in: a model, what it sees of the clips, what they are to be answered with. Goes out: a loss, how many were
//! answered rightly, and gradients. Everything random is drawn before, so that a lesson is the same wherever it is learnt.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::evaluate::count_right;
use super::loss_scale::LossScale;
use super::objective::Targets;
use super::optimizer::GradientSum;
use super::recomputing;
use crate::model::classifier::VideoMae;
use crate::model::dropping::Drawn;

/// Of B clips.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lesson {
    /// It decides what of the model trains.
    pub epoch: usize,
    pub targets: Targets,
    /// The label ids that count as right, [B].
    pub seen: Vec<i32>,
    /// What is left out of the forward pass.
    pub drawn: Option<Drawn>,
    /// How much of the step these clips are.
    pub weight: f32,
    /// For dropout of the model's own, where its configuration has some.
    pub seed: u32,
}

/// What a model sees of clips.
pub enum Seen {
    /// `pixel_values` [B, T, C, H, W].
    Pixels(Tensor<5>),
    /// What a backbone made of them, [B, D].
    Features(Tensor<2>),
}

/// How a step computes.
#[derive(Clone, Copy)]
pub struct Manner<'a> {
    /// Whether each layer is computed twice instead of keeping what it computed ([`recomputing`]).
    pub recomputes: bool,
    /// Where the layers compute with 16 bits.
    pub loss_scale: Option<&'a LossScale>,
    /// With autodiff.
    pub device: &'a Device,
}

impl Lesson {
    /// B.
    pub fn clips(&self) -> usize {
        self.seen.len()
    }

    /// Of some of the clips, one after another; of those that there are.
    pub fn of(&self, clips: Range<usize>) -> Self {
        Self {
            epoch: self.epoch,
            targets: self.targets.of(clips.clone()),
            seen: self.seen.get(clips.clone()).unwrap_or_default().to_vec(),
            drawn: self.drawn.as_ref().map(|drawn| drawn.of(clips.clone())),
            weight: self.weight * clips.len() as f32 / self.clips().max(1) as f32,
            seed: self.seed.wrapping_add(clips.start as u32),
        }
    }

    /// Adds the model's gradients, times the weight. Goes out: the loss, times the weight, and how many of the clips were
    /// answered rightly, without autodiff; [1] each.
    pub fn learn(
        &self,
        model: &VideoMae,
        seen: Seen,
        manner: Manner<'_>,
        gradients: &mut GradientSum,
    ) -> [Tensor<1>; 2] {
        let Manner { recomputes, loss_scale, device } = manner;
        let dropping = self.drawn.as_ref().map(|drawn| drawn.on(device));
        let dropping = dropping.as_ref();
        let loss = |logits| {
            let loss = self.targets.loss(logits, device);
            loss_scale.iter().fold(loss, |loss, scale| scale.raise(loss))
        };
        let mut learn = |logits: Tensor<2>| {
            let loss = loss(logits.clone());
            gradients.add(model, &mut loss.backward(), self.weight);
            (logits.without_autodiff(), loss.without_autodiff())
        };
        let (logits, loss) = match seen {
            Seen::Features(features) => learn(model.classify(features, dropping)),
            Seen::Pixels(pixels) if !recomputes => learn(model.forward_dropping(pixels, dropping)),
            Seen::Pixels(pixels) => recomputing::learn(model, pixels, dropping, loss, (gradients, self.weight)),
        };
        let loss = loss_scale.iter().fold(loss, |loss, scale| scale.lower(loss));
        let right = TensorData::new(self.seen.clone(), [self.clips()]);
        let right = count_right(logits, Tensor::from_data(right, &device.clone().without_autodiff()));
        [loss.mul_scalar(self.weight), right]
    }
}
