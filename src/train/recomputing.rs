//! A training step's gradients where memory is short: of each layer only what goes into it is kept, and the layer is computed
//! a second time when its gradient is (gradient checkpointing; Chen et al., 2016, Training Deep Nets with Sublinear Memory
//! Cost). A third more computing; the same numbers.
//!
//! Comes in: a model, clips, what is left out, a loss. Goes out: the loss and the gradients. Never keeps more than one
//! layer's activations. The dropout of a configuration's own would be drawn anew the second time, so models that have some
//! are not for it.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};

use super::optimizer::GradientSum;
use crate::model::classifier::VideoMae;
use crate::model::dropping::Dropping;

/// Adds the gradients of `loss` of the model's logits to `gradients`, times `weight`; everything is on an autodiff device.
/// Goes out: the logits [B, K] and the loss [1], without autodiff.
pub fn learn(
    model: &VideoMae,
    pixel_values: Tensor<5>,
    dropping: Option<&Dropping>,
    loss: impl FnOnce(Tensor<2>) -> Tensor<1>,
    (gradients, weight): (&mut GradientSum, f32),
) -> (Tensor<2>, Tensor<1>) {
    // Below the first place that trains, nothing needs a gradient.
    let embedding_trains = trains(&model.embeddings);
    let first = if embedding_trains { Some(0) } else { model.layers.iter().position(trains) };
    let first = first.unwrap_or(model.layers.len());
    let layer_drop = |index: usize| dropping.and_then(|dropping| dropping.layer(index));

    let embedded = model.embedded(pixel_values, dropping);
    let mut tokens = embedded.clone().without_autodiff();
    let mut inputs = Vec::new();
    for (index, layer) in model.valid().layers.iter().enumerate() {
        if index >= first {
            inputs.push(tokens.clone());
        }
        let kept = layer_drop(index).map(|kept| kept.clone().map(Tensor::without_autodiff));
        tokens = layer.forward_kept(tokens, kept.as_ref());
    }

    let encoded = tokens.autodiff().require_grad();
    let logits = model.classify(model.pool(encoded.clone()), dropping);
    let loss = loss(logits.clone());
    let mut found = loss.backward();
    gradients.add(model, &mut found, weight);
    let mut slope = encoded.grad_remove(&mut found);
    for (index, layer) in model.layers.iter().enumerate().skip(first).rev() {
        let (Some(input), Some(above)) = (inputs.pop(), slope.take()) else { break };
        let input = input.autodiff().require_grad();
        let output = layer.forward_kept(input.clone(), layer_drop(index));
        let mut found = backward(output, above);
        gradients.add(layer, &mut found, weight);
        slope = input.grad_remove(&mut found);
    }
    if let Some(slope) = slope.filter(|_| embedding_trains) {
        gradients.add(&model.embeddings, &mut backward(embedded, slope), weight);
    }
    (logits.without_autodiff(), loss.without_autodiff())
}

/// The gradients of what made `output`, of which `slope` is the gradient, without autodiff.
fn backward(output: Tensor<3>, slope: Tensor<3>) -> Gradients {
    (output * slope.autodiff()).sum().backward()
}

/// Whether any of its parameters is trained.
fn trains<M: Module>(module: &M) -> bool {
    struct Trained(bool);
    impl ModuleVisitor for Trained {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            self.0 |= parameter.is_require_grad();
        }
    }
    let mut trained = Trained(false);
    module.visit(&mut trained);
    trained.0
}

#[cfg(test)]
mod tests {
    use burn::module::ParamId;
    use burn::tensor::{Device, TensorData};
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;
    use crate::model::classifier::cross_entropy;
    use crate::model::config::{ModelSize, VideoMaeConfig};
    use crate::model::dropping::{Drawn, Rates};
    use crate::train::lora;
    use crate::train::settings::{Lora, Strategy, Targets};

    #[derive(Default)]
    struct Ids(Vec<ParamId>);

    impl ModuleVisitor for Ids {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            self.0.push(parameter.id);
        }
    }

    fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    /// Logits, loss, and each parameter's gradient.
    type Learnt = (Vec<f32>, Vec<f32>, Vec<Option<Vec<f32>>>);

    /// Of both ways.
    fn both(model: &VideoMae, config: &VideoMaeConfig, rates: Rates) -> [Learnt; 2] {
        let device = Device::flex().autodiff();
        let [height, width] = config.image_size.height_width();
        let count = 2 * config.num_frames * 3 * height * width;
        let values: Vec<f32> = (0..count).map(|index| (index as f32 * 0.731).sin()).collect();
        let shape = [2, config.num_frames, 3, height, width];
        let dropping =
            Drawn::draw(rates, model.sizes(2), &mut ChaCha8Rng::seed_from_u64(3)).map(|drawn| drawn.on(&device));
        let mut ids = Ids::default();
        model.visit(&mut ids);
        [false, true].map(|recomputes| {
            let pixels = Tensor::<5>::from_data(TensorData::new(values.clone(), shape), &device);
            let loss = |logits| cross_entropy(logits, &[0, 1]);
            let mut gradients = GradientSum::default();
            let (logits, loss) = if recomputes {
                learn(model, pixels, dropping.as_ref(), loss, (&mut gradients, 0.5))
            } else {
                let logits = model.forward_dropping(pixels, dropping.as_ref());
                let loss = loss(logits.clone());
                gradients.add(model, &mut loss.backward(), 0.5);
                (logits.without_autodiff(), loss.without_autodiff())
            };
            let gradients = ids.0.iter().map(|id| gradients.get(id).cloned().map(numbers)).collect();
            (numbers(logits), numbers(loss), gradients)
        })
    }

    fn config() -> VideoMaeConfig {
        ModelSize::Micro.config(&["a".into(), "b".into()])
    }

    #[test]
    fn computing_twice_gives_the_same_numbers() {
        let device = Device::flex().autodiff();
        let dropping = Rates { fc_drop_rate: 0.3, drop_path: 0.4, token_keep: 0.5 };
        for (use_mean_pooling, rates) in [(true, Rates::NONE), (false, Rates::NONE), (true, dropping)] {
            let config = VideoMaeConfig { use_mean_pooling, ..config() };
            let [plain, twice] = both(&VideoMae::new(&config, 5, &device), &config, rates);
            assert!(plain.2.iter().all(Option::is_some), "all is trained");
            assert!(plain == twice, "mean pooling {use_mean_pooling}, {rates:?}");
        }
    }

    #[test]
    fn what_is_frozen_gets_no_gradient_and_what_lies_above_gets_the_same() {
        let device = Device::flex().autodiff();
        let model = VideoMae::new(&config(), 5, &device);
        let milestones = Strategy::UnfreezeMilestones((1, 9), 1);
        let lora = Lora { rank: 2, alpha: 4, targets: Targets::of_names("query,dense").unwrap() };
        let models = [
            ("the head", Strategy::Freeze.prepare(model.clone(), 1)),
            ("the last layer, too", milestones.prepare(model.clone(), 2)),
            ("adapters", Strategy::Lora(lora).prepare(lora::attach(model, &lora, 7), 1)),
        ];
        for (what, model) in models {
            let [plain, twice] = both(&model, &config(), Rates::NONE);
            let trained = |learnt: &Learnt| learnt.2.iter().map(Option::is_some).collect::<Vec<_>>();
            assert!(trained(&plain).contains(&true) && trained(&plain).contains(&false), "{what}");
            assert_eq!(trained(&plain), trained(&twice), "{what}");
            assert!(plain.0 == twice.0 && plain.1 == twice.1, "{what}");
            // Adapters are worked into the weights in another order.
            for (one, other) in plain.2.iter().flatten().zip(twice.2.iter().flatten()) {
                let largest = one.iter().fold(0.0f32, |most, value| most.max(value.abs()));
                let apart = one.iter().zip(other).fold(0.0f32, |most, (one, other)| most.max((one - other).abs()));
                assert!(apart <= 1e-5 * largest, "{what}: {apart} of {largest}");
            }
        }
    }
}
