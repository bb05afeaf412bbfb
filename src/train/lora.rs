//! Low-rank adapters on a classifier's weights (LoRA; Hu et al., 2021): attached anew, and put back after a stop.
//!
//! Comes in: a classifier, what is to have adapters, a seed or files. Goes out: the classifier with Burn's adapters, which
//! compute with W + alpha / rank * A B. Never changes W; `Module::materialize` gives the weights with the adapters worked
//! in.
//!
//! Burn's adapters need nothing of the layers and add up to the merged weights to the last bit, which is what others open.
//! For that they make each targeted W's gradient on the way to its factors', one at a time, which a product beside the
//! layer would save. The factors are drawn here: `Module::apply_lora` draws them on the device, where another device, or
//! another order of draws, would make another run of the same seed.

use std::collections::BTreeMap;

use burn::module::{LoraAdapter, Module, ModuleVisitor, Param, ParamId, Reparameterization, Reparameterizer};
use burn::tensor::{Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::settings::{Lora, Target};
use crate::files::FileSource;
use crate::model::classifier::VideoMae;
use crate::model::config::VideoMaeConfig;
use crate::model::weights::{self, Choice, WeightsError};
use crate::tensors::{NumberFormat, TensorFiles};

/// The random numbers' stream of the factors; [`super::run`] has those of epochs, steps and views.
const FACTOR_STREAM: u64 = 1 << 35;
/// What PEFT puts before each of the base model's names.
const PEFT: &str = "base_model.model.";
/// What a training state puts before the names of the weights that have adapters.
const BASE: &str = "base.";

/// The model with adapters that change nothing yet: A from U(-1, 1) / sqrt(in), B 0, as PEFT's `reset_lora_parameters`
/// (tuners/lora/layer.py) draws them.
pub fn attach(model: VideoMae, lora: &Lora, seed: u64) -> VideoMae {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(FACTOR_STREAM);
    model.apply_reparameterization(Attacher { lora: *lora, random })
}

/// The model of a run that goes on. `merged` has the adapters worked in; `state` is its training state, `factors` its
/// adapters' file. None where something of the adapters is missing.
pub async fn restore(
    merged: VideoMae,
    lora: &Lora,
    config: &VideoMaeConfig,
    state: &TensorFiles,
    factors: &TensorFiles,
) -> Result<Option<VideoMae>, WeightsError> {
    let model = attach(merged, lora, 0);
    let bases = weights::read(&model, config, state, BASE).await?;
    let factors = weights::read(&model, config, factors, PEFT).await?;
    let adapters = adapters(&model);
    let whole = |adapter: &Adapter| {
        bases.contains_key(&adapter.base) && adapter.factors.iter().all(|id| factors.contains_key(id))
    };
    let is_whole = adapters.iter().all(whole);
    Ok(is_whole.then(|| weights::fill(weights::fill(model, bases), factors)))
}

/// What a training state holds besides the moments: the weights that have adapters, without them.
pub fn bases(model: &VideoMae) -> (&'static str, impl Fn(Tensor<1>, &ParamId) -> Option<Tensor<1>> + use<>) {
    let adapters = adapters(model);
    (BASE, move |value, id| adapters.iter().any(|adapter| adapter.base == *id).then_some(value))
}

/// `adapter_model.safetensors` as PEFT's `save_pretrained` writes it: what was trained, by PEFT's names.
pub async fn save(model: &VideoMae, config: &VideoMaeConfig, trained: &[ParamId]) -> Result<FileSource, WeightsError> {
    let chosen: Choice<'_> = &|value, id| trained.contains(id).then_some(value);
    weights::write(model, config, &[(PEFT, chosen)], NumberFormat::F32, &BTreeMap::new()).await
}

/// A weight with an adapter, and A and B.
struct Adapter {
    base: ParamId,
    factors: Vec<ParamId>,
}

/// The model's adapters, in the order of its fields.
fn adapters(model: &VideoMae) -> Vec<Adapter> {
    /// Burn visits a weight and then, as a module of its own, its adapter.
    #[derive(Default)]
    struct Walk {
        last: Option<ParamId>,
        within: bool,
        adapters: Vec<Adapter>,
    }
    impl ModuleVisitor for Walk {
        fn enter_module(&mut self, name: &str, _: &str) {
            if name == LoraAdapter::NAME {
                self.within = true;
                self.adapters.extend(self.last.map(|base| Adapter { base, factors: Vec::new() }));
            }
        }
        fn exit_module(&mut self, name: &str, _: &str) {
            self.within &= name != LoraAdapter::NAME;
        }
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            match self.adapters.last_mut().filter(|_| self.within) {
                Some(adapter) => adapter.factors.push(parameter.id),
                None => self.last = Some(parameter.id),
            }
        }
    }
    let mut walk = Walk::default();
    model.visit(&mut walk);
    walk.adapters
}

struct Attacher {
    lora: Lora,
    random: ChaCha8Rng,
}

impl Reparameterizer for Attacher {
    type Reparam = LoraAdapter;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        parameter: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<LoraAdapter>) {
        let Lora { rank, alpha, targets } = self.lora;
        let shape = parameter.lazy_shape();
        let &[input, output] = shape.as_slice() else { return (parameter, None) };
        if !target(path).is_some_and(|target| targets.has(target)) {
            return (parameter, None);
        }
        let device = parameter.lazy_device();
        let most = 1.0 / (input as f64).sqrt();
        let drawn: Vec<f32> =
            (0..input * rank).map(|_| ((2.0 * self.random.random::<f64>() - 1.0) * most) as f32).collect();
        let adapter = LoraAdapter {
            a: Param::from_data(TensorData::new(drawn, [input, rank]), &device),
            b: Param::from_data(TensorData::zeros::<f32, _>([rank, output]), &device),
            scale: alpha as f64 / rank as f64,
        };
        (parameter, Some(adapter))
    }
}

/// What a matrix is called among targets, from the path of its field.
fn target(path: &str) -> Option<Target> {
    let fields: Vec<&str> = path.split('.').collect();
    match fields.as_slice() {
        ["layers", _, "attention", "query", "weight"] => Some(Target::Query),
        ["layers", _, "attention", "key", "weight"] => Some(Target::Key),
        ["layers", _, "attention", "value", "weight"] => Some(Target::Value),
        ["layers", _, "attention", "output", "weight"] | ["layers", _, "intermediate" | "output", "weight"] => {
            Some(Target::Dense)
        }
        _ => None,
    }
}
