//! The operations under autodiff: what each keeps, and how its gradient is computed.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, TensorMetadata};
use burn::tensor::{DType, FloatDType, Shape};

use super::{Forward, Fused, Kernels, Normed};

#[derive(Debug)]
struct ProjectionsGradient;

impl<B: Kernels> Backward<B, 4> for ProjectionsGradient {
    /// Tokens, and the weights side by side.
    type State = [FloatTensor<B>; 2];

    fn backward(self, ops: Ops<Self::State, 4>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let [of_tokens, of_weights @ ..] = ops.parents.map(|parent| parent.map(|parent| parent.id));
        let [tokens, weights] = ops.state;
        if let Some(parent) = of_tokens {
            gradients.register::<B>(parent, B::linear_x_backward(weights, gradient.clone()));
        }
        if of_weights.iter().any(Option::is_some) {
            let found = B::apart(B::linear_weight_backward(tokens, gradient));
            register::<B, 3>(of_weights, found, gradients);
        }
    }
}

#[derive(Debug)]
struct BiasesGradient;

impl<B: Kernels> Backward<B, 3> for BiasesGradient {
    /// E.
    type State = usize;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let [of_projected, of_biases @ ..] = ops.parents.map(|parent| parent.map(|parent| parent.id));
        let width = ops.state;
        if of_biases.iter().any(Option::is_some) {
            let sums = B::linear_bias_backward(B::float_cast(gradient.clone(), FloatDType::F32));
            let [query, _, value] = B::apart(B::float_reshape(sums, Shape::new([1, 3 * width])));
            let found = [query, value].map(|found| B::float_reshape(found, Shape::new([width])));
            register::<B, 2>(of_biases, found, gradients);
        }
        if let Some(parent) = of_projected {
            gradients.register::<B>(parent, gradient);
        }
    }
}

#[derive(Debug)]
struct AttentionGradient;

impl<B: Kernels> Backward<B, 1> for AttentionGradient {
    type State = Forward<B>;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        hand_on::<B, _, 1>(ops, gradients, |forward, gradient| [B::attention_gradient(forward, gradient)]);
    }
}

#[derive(Debug)]
struct GeluGradient;

impl<B: Kernels> Backward<B, 2> for GeluGradient {
    /// Input and bias.
    type State = [FloatTensor<B>; 2];

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        hand_on::<B, _, 2>(ops, gradients, B::gelu_gradient);
    }
}

#[derive(Debug)]
struct LayerNormGradient;

impl<B: Kernels> Backward<B, 3> for LayerNormGradient {
    type State = Normed<B>;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        hand_on::<B, _, 3>(ops, gradients, B::layer_norm_gradient);
    }
}

#[derive(Debug)]
struct SumGradient;

impl<B: Kernels> Backward<B, 3> for SumGradient {
    /// What the product is kept as.
    type State = DType;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let [of_product, of_bias, of_before] = ops.parents.map(|parent| parent.map(|parent| parent.id));
        if let Some(parent) = of_product {
            gradients.register::<B>(parent, B::float_cast(gradient.clone(), ops.state.into()));
        }
        if let Some(parent) = of_bias {
            gradients.register::<B>(parent, B::linear_bias_backward(gradient.clone()));
        }
        if let Some(parent) = of_before {
            gradients.register::<B>(parent, gradient);
        }
    }
}

#[derive(Debug)]
struct CrossEntropyGradient;

impl<B: Kernels> Backward<B, 1> for CrossEntropyGradient {
    /// The loss's slope for each of the logits.
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        hand_on::<B, _, 1>(ops, gradients, |slopes, gradient| {
            [B::float_mul(slopes, B::float_reshape(gradient, Shape::new([1, 1])))]
        });
    }
}

/// Computes each input's gradient from the output's, and hands it on where the input wants one.
fn hand_on<B: Kernels, S, const N: usize>(
    ops: Ops<S, N>,
    gradients: &mut Gradients,
    compute: impl FnOnce(S, FloatTensor<B>) -> [FloatTensor<B>; N],
) {
    let gradient = gradients.consume::<B>(&ops.node);
    register::<B, N>(ops.parents.map(|parent| parent.map(|parent| parent.id)), compute(ops.state, gradient), gradients);
}

fn register<B: Kernels, const N: usize>(
    parents: [Option<NodeId>; N],
    found: [FloatTensor<B>; N],
    gradients: &mut Gradients,
) {
    for (parent, found) in parents.into_iter().zip(found) {
        if let Some(parent) = parent {
            gradients.register::<B>(parent, found);
        }
    }
}

impl<B: Kernels + Backend, C: CheckpointStrategy> Fused for Autodiff<B, C> {
    fn fused_projections(
        tokens: FloatTensor<Self>,
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [(tokens, of_tokens), (query, of_query), (key, of_key), (value, of_value)] =
            [tokens, query, key, value].map(|input| input.into_parts());
        let weights = B::side_by_side([query, key, value], tokens.dtype());
        let projected = |tokens, weights| B::linear(tokens, weights, None);
        let parents = [of_tokens, of_query, of_key, of_value];
        match ProjectionsGradient.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                prepared.finish([tokens.clone(), weights.clone()], projected(tokens, weights))
            }
            OpsKind::UnTracked(prepared) => prepared.finish(projected(tokens, weights)),
        }
    }

    fn fused_biases(
        projected: FloatTensor<Self>,
        query: FloatTensor<Self>,
        value: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [(projected, of_projected), (query, of_query), (value, of_value)] =
            [projected, query, value].map(|input| input.into_parts());
        let width = query.shape().num_elements();
        match BiasesGradient.prepare::<C>([of_projected, of_query, of_value]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(width, B::add_biases(projected, [query, value])),
            OpsKind::UnTracked(prepared) => prepared.finish(B::add_biases(projected, [query, value])),
        }
    }

    fn fused_attention(projected: FloatTensor<Self>, heads: usize) -> FloatTensor<Self> {
        let (projected, of_projected) = projected.into_parts();
        match AttentionGradient.prepare::<C>([of_projected]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let (output, kept) = B::attention_forward(projected.clone(), heads);
                prepared.finish(Forward { projected, output: output.clone(), kept, heads }, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::attention_forward(projected, heads).0),
        }
    }

    fn fused_gelu(input: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        let [(input, of_input), (bias, of_bias)] = [input, bias].map(|input| input.into_parts());
        match GeluGradient.prepare::<C>([of_input, of_bias]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish([input.clone(), bias.clone()], B::gelu_forward(input, bias)),
            OpsKind::UnTracked(prepared) => prepared.finish(B::gelu_forward(input, bias)),
        }
    }

    fn fused_layer_norm(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        let [(input, of_input), (gamma, of_gamma), (beta, of_beta)] =
            [input, gamma, beta].map(|input| input.into_parts());
        let epsilon = epsilon as f32;
        match LayerNormGradient.prepare::<C>([of_input, of_gamma, of_beta]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let (output, statistics) = B::layer_norm_forward(input.clone(), gamma.clone(), beta, epsilon);
                prepared.finish(Normed { input, gamma, statistics }, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::layer_norm_forward(input, gamma, beta, epsilon).0),
        }
    }
    fn fused_sum(product: FloatTensor<Self>, bias: FloatTensor<Self>, before: FloatTensor<Self>) -> FloatTensor<Self> {
        let [(product, of_product), (bias, of_bias), (before, of_before)] =
            [product, bias, before].map(|input| input.into_parts());
        let kept_as = product.dtype();
        match SumGradient.prepare::<C>([of_product, of_bias, of_before]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(kept_as, B::biased_sum(product, bias, before)),
            OpsKind::UnTracked(prepared) => prepared.finish(B::biased_sum(product, bias, before)),
        }
    }

    fn fused_cross_entropy(logits: FloatTensor<Self>, targets: FloatTensor<Self>) -> FloatTensor<Self> {
        let [(logits, of_logits), (targets, _)] = [logits, targets].map(|input| input.into_parts());
        let [loss, slopes] = B::cross_entropy(logits, targets);
        match CrossEntropyGradient.prepare::<C>([of_logits]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(slopes, loss),
            OpsKind::UnTracked(prepared) => prepared.finish(loss),
        }
    }
}
