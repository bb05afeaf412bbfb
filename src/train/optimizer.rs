//! Gradients -> new parameters: clipping by global norm, then AdamW (Loshchilov and Hutter, 2019, as PyTorch computes it).
//!
//! Ours rather than burn-optim's because its state cannot be read back without blocking, and a browser cannot block.
//! Everything stays on the device; the gradient's norm comes out as a tensor.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Gradients, Tensor};
use cliptune_kernels::squares::sum_of_squares;
use cliptune_kernels::update::{Rates, Updated, update};

use super::loss_scale::LossScale;

/// Gradients by parameter, flattened and without autodiff.
#[derive(Default)]
pub struct GradientSum {
    gradients: HashMap<ParamId, Tensor<1>>,
    /// In the order of the model's fields, so that sums come out the same from run to run.
    order: Vec<ParamId>,
    /// What a step multiplies them by, [1]; 0 leaves it out.
    scale: Option<Tensor<1>>,
}

impl GradientSum {
    /// Adds the gradients of one backward pass, each multiplied by `weight`.
    pub fn add<M: Module>(&mut self, model: &M, gradients: &mut Gradients, weight: f32) {
        model.visit(&mut Adder { sum: self, gradients, weight });
    }

    /// Adds what another found of one parameter's gradient, flattened and without autodiff.
    pub fn add_one(&mut self, id: ParamId, gradient: Tensor<1>) {
        let sum = match self.gradients.remove(&id) {
            Some(sum) => sum + gradient,
            None => {
                self.order.push(id);
                gradient
            }
        };
        self.gradients.insert(id, sum);
    }

    /// The gradient of one parameter, flattened, before it is scaled.
    pub fn get(&self, id: &ParamId) -> Option<&Tensor<1>> {
        self.gradients.get(id)
    }

    /// A step is to scale all gradients down to the global norm `maximum` (0: leaves them) as `clip_grad_norm_` does.
    /// Goes out: the norm before, [1]; none where there are no gradients.
    pub fn clip(&mut self, maximum: f64) -> Option<Tensor<1>> {
        self.clip_scaled(maximum, None)
    }

    /// The same for gradients of a loss that was scaled, which a step is to undo. The norm is 0 where they are too large for
    /// 16 bits, and the step leaves all parameters as they are.
    pub fn clip_scaled(&mut self, maximum: f64, loss_scale: Option<&mut LossScale>) -> Option<Tensor<1>> {
        let gradients: Vec<_> = self.order.iter().filter_map(|id| self.gradients.get(id).cloned()).collect();
        let device = gradients.first()?.device();
        let norm = sum_of_squares(gradients, &device).sqrt();
        let (norm, undone) = match loss_scale.map(|scale| scale.undo(norm.clone())) {
            Some([norm, undone]) => (norm, Some(undone)),
            None => (norm, None),
        };
        let clipped = (maximum > 0.0).then(|| (norm.clone() + 1e-6).recip().mul_scalar(maximum).clamp_max(1.0));
        self.scale = match (clipped, undone) {
            (Some(clipped), Some(undone)) => Some(clipped * undone),
            (clipped, undone) => clipped.or(undone),
        };
        Some(norm)
    }
}

struct Adder<'a> {
    sum: &'a mut GradientSum,
    gradients: &'a mut Gradients,
    weight: f32,
}

impl ModuleVisitor for Adder<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let Some(gradient) = parameter.val().grad_remove(self.gradients) else { return };
        let count = gradient.shape().num_elements();
        let mut gradient = gradient.reshape([count]);
        if self.weight != 1.0 {
            gradient = gradient.mul_scalar(self.weight);
        }
        self.sum.add_one(parameter.id, gradient);
    }
}

/// AdamW with PyTorch's update order and bias correction.
pub struct AdamW {
    betas: (f64, f64),
    epsilon: f64,
    weight_decay: f64,
    /// The share of the learning rate that a parameter gets, where that is not all of it.
    rates: HashMap<ParamId, f64>,
    moments: HashMap<ParamId, Moments>,
}

/// Running means of the gradient and of its square, flattened.
struct Moments {
    first: Tensor<1>,
    second: Tensor<1>,
    /// Steps that the parameter was trained for.
    steps: i32,
}

impl AdamW {
    /// The Trainer's defaults: betas 0.9 and 0.999, epsilon 1e-8. Decay applies to matrices only: the Trainer leaves
    /// biases and norms out.
    pub fn new(weight_decay: f64) -> Self {
        Self { betas: (0.9, 0.999), epsilon: 1e-8, weight_decay, rates: HashMap::new(), moments: HashMap::new() }
    }

    /// With other betas than the Trainer's.
    pub fn with_betas(self, betas: (f64, f64)) -> Self {
        Self { betas, ..self }
    }

    /// With another epsilon than the Trainer's.
    pub fn with_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// With a share of the learning rate for each of these parameters; all others get all of it.
    pub fn with_rates(self, rates: HashMap<ParamId, f64>) -> Self {
        Self { rates, ..self }
    }

    /// As it was after `steps` steps; moments by parameter, flat.
    pub fn restored(
        weight_decay: f64,
        steps: usize,
        first: HashMap<ParamId, Tensor<1>>,
        mut second: HashMap<ParamId, Tensor<1>>,
    ) -> Self {
        let steps = i32::try_from(steps).unwrap_or(i32::MAX);
        let both = first
            .into_iter()
            .filter_map(|(id, first)| Some((id, Moments { first, second: second.remove(&id)?, steps })));
        Self { moments: both.collect(), ..Self::new(weight_decay) }
    }

    /// The parameter had so many steps fewer than the others: it was frozen meanwhile.
    pub fn frozen_for(&mut self, id: &ParamId, steps: usize) {
        if let Some(moments) = self.moments.get_mut(id) {
            moments.steps -= i32::try_from(steps).unwrap_or(i32::MAX).min(moments.steps);
        }
    }

    /// The running mean of a parameter's gradient, flat.
    pub fn first_moment(&self, id: &ParamId) -> Option<Tensor<1>> {
        self.moments.get(id).map(|moments| moments.first.clone())
    }

    /// The running mean of the square of a parameter's gradient, flat.
    pub fn second_moment(&self, id: &ParamId) -> Option<Tensor<1>> {
        self.moments.get(id).map(|moments| moments.second.clone())
    }

    /// One step; parameters without a gradient stay as they are.
    pub fn step<M: Module>(&mut self, model: M, gradients: GradientSum, learning_rate: f64) -> M {
        model.map(&mut Step { optimizer: self, gradients: gradients.gradients, scale: gradients.scale, learning_rate })
    }
}

struct Step<'a> {
    optimizer: &'a mut AdamW,
    gradients: HashMap<ParamId, Tensor<1>>,
    /// [1].
    scale: Option<Tensor<1>>,
    learning_rate: f64,
}

impl ModuleMapper for Step<'_> {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove(&parameter.id) else { return parameter };
        let optimizer = &mut *self.optimizer;
        let scale = self.scale.get_or_insert_with(|| Tensor::ones([1], &gradient.device())).clone();
        let moments = optimizer.moments.remove(&parameter.id).unwrap_or_else(|| Moments {
            first: gradient.zeros_like(),
            second: gradient.zeros_like(),
            steps: 0,
        });
        let steps = moments.steps.saturating_add(1);
        let learning_rate = self.learning_rate * optimizer.rates.get(&parameter.id).copied().unwrap_or(1.0);
        let (beta_first, beta_second) = optimizer.betas;
        let rates = Rates {
            keep_first: beta_first as f32,
            take_first: (1.0 - beta_first) as f32,
            keep_second: beta_second as f32,
            take_second: (1.0 - beta_second) as f32,
            root_correction: (1.0 - beta_second.powi(steps)).sqrt() as f32,
            epsilon: optimizer.epsilon as f32,
            decay: if D > 1 { (1.0 - learning_rate * optimizer.weight_decay) as f32 } else { 1.0 },
            length: (learning_rate / (1.0 - beta_first.powi(steps))) as f32,
        };
        let id = parameter.id;
        parameter.map(|tensor| {
            let shape = tensor.shape();
            let value = tensor.without_autodiff().reshape([shape.num_elements()]);
            let before = Updated { value, first: moments.first, second: moments.second };
            let Updated { value, first, second } = update(before, gradient, scale, rates);
            optimizer.moments.insert(id, Moments { first, second, steps });
            value.reshape(shape).autodiff().require_grad()
        })
    }
}
