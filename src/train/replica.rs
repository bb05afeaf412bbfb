//! A copy of a run's model in another worker, which computes with some of each batch's clips.
//!
//! Comes in: [`Task`]s, in order, with the numbers that belong to them. Goes out: each task's numbers. Keeps the model and
//! nothing else: no optimizer, no data. What speaks to it is [`super::data_parallel`].

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::lesson::{Lesson, Manner, Seen};
use super::lora;
use super::optimizer::GradientSum;
use super::settings::Strategy;
use super::strategy::parameters;
use crate::model::classifier::VideoMae;
use crate::model::config::VideoMaeConfig;
use crate::model::read_back::read_back;
use crate::model::weights;

/// What a replica is asked for, one after another; the numbers are those that come in and go out beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Task {
    /// To be this model, with these values of all parameters; nothing goes out.
    Hold(Blueprint),
    /// To have these values of the parameters that the run trains; nothing goes out.
    Follow,
    /// `pixel_values` [B, T, C, H, W] -> the loss, how many were answered rightly, and the gradients of what trains.
    Learn(Lesson),
    /// `pixel_values` of so many clips -> logits [B, K].
    Answer { clips: usize },
    /// `pixel_values` of a clip -> what the head sees of it, [D].
    Features,
}

/// How to build a run's model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blueprint {
    /// `config.json`, with the run's labels.
    pub config: String,
    pub strategy: Strategy,
    /// By which all that the run trains is trained; 0 where nothing is.
    pub last_epoch: usize,
    /// As [`Manner`] has it.
    pub recomputes: bool,
}

/// The worker's side.
pub struct Replica {
    /// With autodiff.
    device: Device,
    held: Option<Held>,
}

struct Held {
    blueprint: Blueprint,
    /// [T, C, H, W].
    clip: [usize; 4],
    model: VideoMae,
    /// Which epoch's parameters the model trains.
    epoch: usize,
}

impl Replica {
    pub fn new(device: &Device) -> Self {
        Self { device: device.clone().autodiff(), held: None }
    }

    /// # Errors
    /// Says what went wrong; the replica holds no model then.
    pub async fn perform(&mut self, task: Task, numbers: Vec<f32>) -> Result<Vec<f32>, String> {
        let done = self.try_to(task, numbers).await;
        if done.is_err() {
            // Nobody waits for the answer to every task: with weights of which some are old it would go on answering.
            self.held = None;
        }
        done
    }

    async fn try_to(&mut self, task: Task, numbers: Vec<f32>) -> Result<Vec<f32>, String> {
        match (task, &mut self.held) {
            (Task::Hold(blueprint), held) => {
                // The model before it goes first: there may be no room for two.
                *held = None;
                *held = Some(Held::new(blueprint, &numbers, &self.device)?);
                Ok(Vec::new())
            }
            (_, None) => Err("it holds no model".into()),
            (Task::Follow, Some(held)) => held.follow(&numbers).map(|()| Vec::new()),
            (Task::Learn(lesson), Some(held)) => held.learn(&lesson, numbers, &self.device).await,
            (Task::Answer { clips }, Some(held)) => {
                read(held.model.valid().forward(held.pixels(numbers, clips, &self.device)?)).await
            }
            (Task::Features, Some(held)) => {
                read(held.model.valid().features(held.pixels(numbers, 1, &self.device)?)).await
            }
        }
    }
}

impl Held {
    fn new(blueprint: Blueprint, numbers: &[f32], device: &Device) -> Result<Self, String> {
        let config = VideoMaeConfig::from_json(&blueprint.config).map_err(|error| error.to_string())?;
        let [height, width] = config.image_size.height_width();
        let clip = [config.num_frames, config.num_channels, height, width];
        let model = VideoMae::unfilled(&config, device);
        let model = match &blueprint.strategy {
            Strategy::Lora(lora) => lora::attach(model, lora, 0),
            _ => model,
        };
        let values = apart(&model, &parameters(&model), numbers)?;
        Ok(Self { blueprint, clip, model: weights::fill(model, values), epoch: 0 })
    }

    fn follow(&mut self, numbers: &[f32]) -> Result<(), String> {
        let values = apart(&self.model, &self.blueprint.trained(&self.model), numbers)?;
        self.model = weights::fill(self.model.clone(), values);
        // What was filled trains, until it is prepared for an epoch.
        self.epoch = 0;
        Ok(())
    }

    async fn learn(&mut self, lesson: &Lesson, numbers: Vec<f32>, device: &Device) -> Result<Vec<f32>, String> {
        let Blueprint { strategy, recomputes, .. } = self.blueprint;
        if self.epoch != lesson.epoch {
            self.model = strategy.prepare(self.model.clone(), lesson.epoch);
            self.epoch = lesson.epoch;
        }
        device.seed(lesson.seed.into());
        let pixels = self.pixels(numbers, lesson.clips(), device)?.autodiff();
        let mut gradients = GradientSum::default();
        let manner = Manner { recomputes, loss_scale: None, device };
        let told = lesson.learn(&self.model, Seen::Pixels(pixels), manner, &mut gradients);
        let mut found = vec![Tensor::cat(told.to_vec(), 0)];
        for id in strategy.trained(&self.model, lesson.epoch) {
            found.push(gradients.get(&id).ok_or("a gradient is missing")?.clone());
        }
        one_after_another(found).await
    }

    /// Without autodiff.
    fn pixels(&self, numbers: Vec<f32>, clips: usize, device: &Device) -> Result<Tensor<5>, String> {
        let [frames, channels, height, width] = self.clip;
        let shape = [clips, frames, channels, height, width];
        match shape.iter().product::<usize>() == numbers.len() {
            true => Ok(Tensor::from_data(TensorData::new(numbers, shape), &device.clone().without_autodiff())),
            false => Err(format!("{} numbers are no {clips} clips", numbers.len())),
        }
    }
}

impl Blueprint {
    pub fn new(config: &VideoMaeConfig, strategy: Strategy, last_epoch: usize, recomputes: bool) -> Self {
        // A configuration is plain data: it always becomes text.
        let config = serde_json::to_string(config).unwrap_or_default();
        Self { config, strategy, last_epoch, recomputes }
    }

    /// Of a model that answers and does not learn.
    pub fn fixed(config: &VideoMaeConfig) -> Self {
        Self::new(config, Strategy::NoFreeze, 0, false)
    }

    /// The parameters of a model of this kind that the run trains sooner or later.
    pub fn trained(&self, model: &VideoMae) -> Vec<ParamId> {
        match self.last_epoch {
            0 => Vec::new(),
            last => self.strategy.trained(model, last),
        }
    }
}

async fn one_after_another(tensors: Vec<Tensor<1>>) -> Result<Vec<f32>, String> {
    let mut numbers = Vec::with_capacity(tensors.iter().map(|tensor| tensor.shape().num_elements()).sum());
    for tensor in tensors {
        numbers.extend(read(tensor).await?);
    }
    Ok(numbers)
}

/// A tensor's numbers.
pub async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, String> {
    read_back(tensor).await?.try_into_vec::<f32>().map_err(|error| format!("{error:?}"))
}

/// The values of these parameters one after another, which are in the order of the model's fields.
pub async fn values(model: &VideoMae, ids: &[ParamId]) -> Result<Vec<f32>, String> {
    struct Walk<'a> {
        ids: &'a [ParamId],
        found: Vec<Tensor<1>>,
    }
    impl ModuleVisitor for Walk<'_> {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            if let Some((next, rest)) = self.ids.split_first()
                && *next == parameter.id
            {
                self.ids = rest;
                self.found.push(parameter.val().without_autodiff().flatten(0, D - 1));
            }
        }
    }
    let mut walk = Walk { ids, found: Vec::new() };
    model.visit(&mut walk);
    one_after_another(walk.found).await
}

/// What [`values`] put one after another, each parameter's flat and on its device, without autodiff.
///
/// # Errors
/// Where they are not as many as the parameters have.
pub fn apart(model: &VideoMae, ids: &[ParamId], numbers: &[f32]) -> Result<HashMap<ParamId, Tensor<1>>, String> {
    struct Walk<'a> {
        ids: &'a [ParamId],
        numbers: &'a [f32],
        found: HashMap<ParamId, Tensor<1>>,
    }
    impl ModuleVisitor for Walk<'_> {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            let count = parameter.lazy_shape().num_elements();
            if let Some((next, rest)) = self.ids.split_first()
                && *next == parameter.id
                && let Some((own, others)) = self.numbers.split_at_checked(count)
            {
                (self.ids, self.numbers) = (rest, others);
                let device = parameter.lazy_device().without_autodiff();
                self.found.insert(*next, Tensor::from_data(TensorData::new(own.to_vec(), [count]), &device));
            }
        }
    }
    let mut walk = Walk { ids, numbers, found: HashMap::new() };
    model.visit(&mut walk);
    match walk.ids.is_empty() && walk.numbers.is_empty() {
        true => Ok(walk.found),
        false => Err(format!("{} numbers are not those of {} parameters", numbers.len(), ids.len())),
    }
}
