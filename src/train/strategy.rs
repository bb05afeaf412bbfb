//! Which parameters train when: Lightning Flash's fine-tuning strategies and low-rank adapters, and the layers' learning
//! rates.
//!
//! Comes in: a strategy, a model. Goes out: from which epoch each parameter trains, and models whose other parameters are
//! frozen: they get no gradient, no decay and no moments. Never changes a value.

use std::collections::{HashMap, HashSet};

use burn::module::{LoraAdapter, Module, ModuleMapper, ModuleVisitor, Param, ParamId, Reparameterization};
use burn::tensor::Tensor;

use super::settings::Strategy;
use crate::model::classifier::VideoMae;

/// Where in the model a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Embeddings,
    /// From 0, the first after the embeddings.
    Layer(usize),
    /// After the last layer.
    Norm,
    Head,
}

/// A parameter.
struct Place {
    id: ParamId,
    part: Part,
    /// Whether it is a factor of a low-rank adapter.
    is_factor: bool,
    /// How many values it has.
    count: usize,
}

/// From when a part trains, in the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Since {
    Start,
    /// The strategy's first or second milestone: 0 or 1.
    Milestone(usize),
    Never,
}

impl Strategy {
    /// Epochs that are over when the strategy's milestones come.
    fn milestones(self) -> Vec<usize> {
        match self {
            Self::NoFreeze | Self::Freeze | Self::Lora(_) => Vec::new(),
            Self::FreezeUnfreeze(epoch) => vec![epoch],
            Self::UnfreezeMilestones((first, second), _) => vec![first, second],
        }
    }

    fn since(self, place: &Place, depth: usize) -> Since {
        match (self, place.part) {
            (Self::NoFreeze, _) | (_, Part::Head) => Since::Start,
            (Self::Lora(_), _) if place.is_factor => Since::Start,
            (Self::Freeze | Self::Lora(_), _) => Since::Never,
            (Self::FreezeUnfreeze(_), _) | (Self::UnfreezeMilestones(..), Part::Norm) => Since::Milestone(0),
            (Self::UnfreezeMilestones(_, layers), Part::Layer(index)) if index + layers >= depth => Since::Milestone(0),
            (Self::UnfreezeMilestones(..), _) => Since::Milestone(1),
        }
    }

    /// Which milestone comes before this epoch's first step, if one does: 0 or 1.
    pub fn milestone_before(self, epoch: usize) -> Option<usize> {
        self.milestones().into_iter().position(|milestone| epoch.checked_sub(1) == Some(milestone))
    }

    /// The parameters that train in this epoch or did so before, in the order of the model's fields.
    pub fn trained(self, model: &VideoMae, epoch: usize) -> Vec<ParamId> {
        self.places_trained(model, epoch).map(|place| place.id).collect()
    }

    /// How many values they have.
    pub fn trained_count(self, model: &VideoMae, epoch: usize) -> usize {
        self.places_trained(model, epoch).map(|place| place.count).sum()
    }

    fn places_trained(self, model: &VideoMae, epoch: usize) -> impl Iterator<Item = Place> + use<> {
        let (milestones, depth) = (self.milestones(), model.layers.len());
        places(model).into_iter().filter(move |place| match self.since(place, depth) {
            Since::Start => true,
            Since::Milestone(index) => milestones.get(index).is_some_and(|milestone| *milestone < epoch),
            Since::Never => false,
        })
    }

    /// The parameters that train from that milestone on.
    pub fn thawed_at(self, model: &VideoMae, milestone: usize) -> Vec<ParamId> {
        let depth = model.layers.len();
        let of_it = |place: &Place| self.since(place, depth) == Since::Milestone(milestone);
        places(model).into_iter().filter(of_it).map(|place| place.id).collect()
    }

    /// Whether nothing but the head trains in this epoch.
    pub fn is_frozen(self, epoch: usize) -> bool {
        match self {
            Self::NoFreeze | Self::Lora(_) => false,
            Self::Freeze => true,
            Self::FreezeUnfreeze(until) | Self::UnfreezeMilestones((until, _), _) => epoch <= until,
        }
    }

    /// The model (on an autodiff device) as it trains in this epoch: all others of its parameters are frozen.
    pub fn prepare(self, model: VideoMae, epoch: usize) -> VideoMae {
        if self == Self::NoFreeze {
            return model;
        }
        let trained = self.trained(&model, epoch).into_iter().collect();
        model.map(&mut Freezer { trained })
    }
}

/// The share of the learning rate that each parameter gets with this decay from layer to layer: `get_num_layer_for_vit`
/// and `LayerDecayValueAssigner` of the VideoMAE repository's optim_factory.py. Those that get all of it are left out.
pub fn layer_rates(model: &VideoMae, decay: f64) -> HashMap<ParamId, f64> {
    if decay == 1.0 {
        return HashMap::new();
    }
    let depth = model.layers.len();
    let below_head = |part: Part| match part {
        Part::Embeddings => depth + 1,
        Part::Layer(index) => depth - index,
        Part::Norm | Part::Head => 0,
    };
    let rates = places(model).into_iter().map(|place| (place.id, decay.powi(below_head(place.part) as i32)));
    rates.filter(|(_, rate)| *rate != 1.0).collect()
}

/// All of a model's parameters, in the order of its fields.
pub fn parameters(model: &VideoMae) -> Vec<ParamId> {
    places(model).into_iter().map(|place| place.id).collect()
}

/// Where each parameter stands, in the order of the model's fields.
fn places(model: &VideoMae) -> Vec<Place> {
    #[derive(Default)]
    struct Walk {
        fields: Vec<String>,
        places: Vec<Place>,
    }
    impl ModuleVisitor for Walk {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.fields.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.fields.pop();
        }
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            let fields: Vec<&str> = self.fields.iter().map(String::as_str).collect();
            let part = match fields.as_slice() {
                ["embeddings", ..] => Part::Embeddings,
                ["layers", index, ..] => index.parse().map_or(Part::Norm, Part::Layer),
                ["head", ..] => Part::Head,
                _ => Part::Norm,
            };
            let is_factor = fields.contains(&LoraAdapter::NAME);
            let count = parameter.lazy_shape().num_elements();
            self.places.push(Place { id: parameter.id, part, is_factor, count });
        }
    }
    let mut walk = Walk::default();
    model.visit(&mut walk);
    walk.places
}

struct Freezer {
    trained: HashSet<ParamId>,
}

impl ModuleMapper for Freezer {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let trains = self.trained.contains(&parameter.id);
        parameter.set_require_grad(trains)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config::{ModelSize, VideoMaeConfig};
    use crate::model::weights;
    use crate::train::lora;
    use crate::train::settings::{Lora, Targets};
    use burn::tensor::Device;
    use futures_executor::block_on;

    fn model() -> (VideoMae, VideoMaeConfig) {
        let labels = ["one", "two"].map(str::to_string);
        let config = VideoMaeConfig { num_hidden_layers: 3, ..ModelSize::Micro.config(&labels) };
        (VideoMae::new(&config, 1, &Device::flex().autodiff()), config)
    }

    /// Hugging Face's names of these parameters.
    fn names(model: &VideoMae, config: &VideoMaeConfig, ids: &[ParamId]) -> Vec<String> {
        let chosen: weights::Choice<'_> = &|value, id| ids.contains(id).then_some(value);
        let metadata = std::collections::BTreeMap::new();
        let choices = [("", chosen)];
        let write = weights::write(model, config, &choices, crate::tensors::NumberFormat::F32, &metadata);
        let bytes = block_on(async { write.await.unwrap().read_all().await.unwrap() });
        let names = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let mut names: Vec<String> = names.names().into_iter().map(str::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn the_parts_that_train_grow_from_the_head_down_as_the_strategy_says() {
        let (model, config) = model();
        let all = places(&model).len();
        let count = |strategy: Strategy, epoch| strategy.trained(&model, epoch).len();
        assert_eq!((count(Strategy::NoFreeze, 1), count(Strategy::Freeze, 100)), (all, 2));
        let late = Strategy::FreezeUnfreeze(2);
        assert_eq!((count(late, 2), count(late, 3)), (2, all));
        assert_eq!([1, 2, 3, 4].map(|epoch| late.milestone_before(epoch)), [None, None, Some(0), None]);
        assert_eq!([1, 2, 3].map(|epoch| late.is_frozen(epoch)), [true, true, false]);

        let steps = Strategy::UnfreezeMilestones((1, 3), 2);
        assert_eq!([1, 2, 4].map(|epoch| steps.milestone_before(epoch)), [None, Some(0), Some(1)]);
        assert_eq!((count(steps, 1), count(steps, 4)), (2, all));
        let second = names(&model, &config, &steps.thawed_at(&model, 0));
        assert_eq!(second.len(), all - 2 - names(&model, &config, &steps.thawed_at(&model, 1)).len());
        let below =
            |name: &String| name.contains("layer.1.") || name.contains("layer.2.") || name.starts_with("fc_norm");
        assert!(second.iter().all(below), "{second:?}");
        assert_eq!(
            names(&model, &config, &Strategy::Freeze.trained(&model, 1)),
            ["classifier.bias", "classifier.weight"]
        );
    }

    #[test]
    fn with_adapters_the_factors_and_the_head_train_and_nothing_else() {
        let (model, config) = model();
        let (whole, width) = (places(&model).len(), config.hidden_size);
        let lora = Lora { rank: 2, targets: Targets::of_names("value,dense").unwrap(), ..Lora::default() };
        let model = lora::attach(model, &lora, 1);
        let strategy = Strategy::Lora(lora);
        // Four matrices in each of three layers.
        assert_eq!(places(&model).len(), whole + 3 * 4 * 2);
        let trained = names(&model, &config, &strategy.trained(&model, 1));
        let factors = |name: &&String| name.contains(".lora_A.") || name.contains(".lora_B.");
        assert_eq!((trained.iter().filter(factors).count(), trained.len()), (3 * 4 * 2, 3 * 4 * 2 + 2));
        assert!(trained.contains(&"videomae.encoder.layer.2.attention.attention.value.lora_A.weight".into()));
        assert!(trained.contains(&"videomae.encoder.layer.0.intermediate.dense.lora_B.weight".into()));
        assert!(!trained.iter().any(|name| name.contains("query")));
        let square = 2 * (2 * width);
        let count = 3 * (2 * square + 2 * 2 * (width + 4 * width)) + 2 * width + 2;
        assert_eq!(strategy.trained_count(&model, 1), count);
        // A layer's factors learn at the layer's rate.
        let rates = layer_rates(&model, 0.5);
        assert_eq!(rates.values().filter(|rate| **rate == 0.125).count(), 15 + 8);
    }

    /// The repository's example: decay^(depth + 1 - layer), where the embeddings are layer 0 and the head depth + 1.
    #[test]
    fn rates_fall_from_the_head_down_as_the_papers_do() {
        let (model, config) = model();
        let rates = layer_rates(&model, 0.5);
        let of = |rate: f64| -> Vec<String> {
            let ids: Vec<ParamId> = rates.iter().filter(|(_, other)| **other == rate).map(|(id, _)| *id).collect();
            names(&model, &config, &ids)
        };
        assert!(of(0.0625).iter().all(|name| name.contains("embeddings")) && of(0.0625).len() == 2);
        for (index, rate) in [0.125, 0.25, 0.5].into_iter().enumerate() {
            let names = of(rate);
            assert!(names.iter().all(|name| name.contains(&format!("encoder.layer.{index}."))), "{names:?}");
            assert_eq!(names.len(), 15);
        }
        assert_eq!(rates.len(), 2 + 3 * 15);
        assert!(layer_rates(&model, 1.0).is_empty());
    }
}
