//! Gradients -> new parameters: clipping by global norm, then AdamW (Loshchilov and Hutter, 2019, as PyTorch computes it).
//!
//! Ours rather than burn-optim's because its state cannot be read back without blocking, and a browser cannot block.
//! Everything stays on the device; the gradient's norm comes out as a tensor.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Gradients, Shape, Tensor};
use cliptune_kernels::squares::sum_of_squares;
use cliptune_kernels::update::{OwnRates, Rates, Update, update};

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

struct Moments {
    /// The running mean of the gradient, and behind it that of its square, flattened: [2 P].
    both: Tensor<1>,
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
        let moments = first.into_iter().filter_map(|(id, first)| {
            let both = Tensor::cat(vec![first, second.remove(&id)?], 0);
            Some((id, Moments { both, steps }))
        });
        Self { moments: moments.collect(), ..Self::new(weight_decay) }
    }

    /// The parameter had so many steps fewer than the others: it was frozen meanwhile.
    pub fn frozen_for(&mut self, id: &ParamId, steps: usize) {
        if let Some(moments) = self.moments.get_mut(id) {
            moments.steps -= i32::try_from(steps).unwrap_or(i32::MAX).min(moments.steps);
        }
    }

    /// The running mean of a parameter's gradient, flat.
    pub fn first_moment(&self, id: &ParamId) -> Option<Tensor<1>> {
        self.moments.get(id).map(|moments| moments.both.clone().chunk(2, 0).swap_remove(0))
    }

    /// The running mean of the square of a parameter's gradient, flat.
    pub fn second_moment(&self, id: &ParamId) -> Option<Tensor<1>> {
        self.moments.get(id).map(|moments| moments.both.clone().chunk(2, 0).swap_remove(1))
    }

    /// One step; parameters without a gradient stay as they are.
    pub fn step<M: Module>(&mut self, model: M, gradients: GradientSum, learning_rate: f64) -> M {
        let Some(device) = gradients.gradients.values().next().map(Tensor::device) else { return model };
        let scale = gradients.scale.unwrap_or_else(|| Tensor::ones([1], &device));
        // Out of the model, so that nobody else reads them and they change in place.
        let mut taking = Taking { gradients: gradients.gradients, in_place: scale.clone(), taken: Vec::new() };
        let model = model.map(&mut taking);

        let (mut places, mut updates) = (Vec::new(), Vec::new());
        for Taken { id, shape, value, gradient } in taking.taken {
            let new = || Moments { both: Tensor::zeros([2 * gradient.shape().num_elements()], &device), steps: 0 };
            let Moments { both, steps } = self.moments.remove(&id).unwrap_or_else(new);
            let steps = steps.saturating_add(1);
            let rates = self.own_rates(&id, shape.num_dims(), steps, learning_rate);
            updates.push(Update { value, moments: both, gradient, rates });
            places.push((id, shape, steps));
        }
        let updated = update(updates, scale, self.shared_rates());
        let mut putting = Putting { values: HashMap::new() };
        for ((id, shape, steps), [value, both]) in places.into_iter().zip(updated) {
            self.moments.insert(id, Moments { both, steps });
            putting.values.insert(id, (value, shape));
        }
        model.map(&mut putting)
    }

    fn shared_rates(&self) -> Rates {
        let (first, second) = self.betas;
        Rates {
            keep_first: first as f32,
            take_first: (1.0 - first) as f32,
            keep_second: second as f32,
            take_second: (1.0 - second) as f32,
            epsilon: self.epsilon as f32,
        }
    }

    /// Of a parameter with so many dimensions, in its so many-th step.
    fn own_rates(&self, id: &ParamId, dimensions: usize, step: i32, learning_rate: f64) -> OwnRates {
        let learning_rate = learning_rate * self.rates.get(id).copied().unwrap_or(1.0);
        let (first, second) = self.betas;
        OwnRates {
            root_correction: (1.0 - second.powi(step)).sqrt() as f32,
            decay: if dimensions > 1 { (1.0 - learning_rate * self.weight_decay) as f32 } else { 1.0 },
            length: (learning_rate / (1.0 - first.powi(step))) as f32,
        }
    }
}

/// A parameter out of its model, with its gradient, both flattened.
struct Taken {
    id: ParamId,
    shape: Shape,
    value: Tensor<1>,
    gradient: Tensor<1>,
}

/// Takes the parameters that have a gradient out of a model.
struct Taking {
    gradients: HashMap<ParamId, Tensor<1>>,
    /// What stands in a parameter's place meanwhile: [1].
    in_place: Tensor<1>,
    taken: Vec<Taken>,
}

impl ModuleMapper for Taking {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let id = parameter.id;
        let Some(gradient) = self.gradients.remove(&id) else { return parameter };
        parameter.map(|tensor| {
            let shape = tensor.shape();
            let value = tensor.without_autodiff().reshape([shape.num_elements()]);
            self.taken.push(Taken { id, shape, value, gradient });
            self.in_place.clone().reshape([1; D])
        })
    }
}

/// Puts them back.
struct Putting {
    values: HashMap<ParamId, (Tensor<1>, Shape)>,
}

impl ModuleMapper for Putting {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some((value, shape)) = self.values.remove(&parameter.id) else { return parameter };
        parameter.map(|_| value.reshape(shape).autodiff().require_grad())
    }
}
