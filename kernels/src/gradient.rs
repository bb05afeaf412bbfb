//! The operations under autodiff: what each keeps, and how its gradient is computed.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend};

use super::{Forward, Fused, Kernels, Normed};

#[derive(Debug)]
struct AttentionGradient;

impl<B: Kernels> Backward<B, 3> for AttentionGradient {
    type State = Forward<B>;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        hand_on::<B, _, 3>(ops, gradients, B::attention_gradient);
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

/// Computes each input's gradient from the output's, and hands it on where the input wants one.
fn hand_on<B: Kernels, S, const N: usize>(
    ops: Ops<S, N>,
    gradients: &mut Gradients,
    compute: impl FnOnce(S, FloatTensor<B>) -> [FloatTensor<B>; N],
) {
    let gradient = gradients.consume::<B>(&ops.node);
    for (parent, gradient) in ops.parents.into_iter().zip(compute(ops.state, gradient)) {
        if let Some(parent) = parent {
            gradients.register::<B>(parent.id, gradient);
        }
    }
}

impl<B: Kernels + Backend, C: CheckpointStrategy> Fused for Autodiff<B, C> {
    fn fused_attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        heads: usize,
    ) -> FloatTensor<Self> {
        let [(query, of_query), (key, of_key), (value, of_value)] = [query, key, value].map(|input| input.into_parts());
        let inputs = [query, key, value];
        match AttentionGradient.prepare::<C>([of_query, of_key, of_value]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let (output, kept) = B::attention_forward(inputs.clone(), heads);
                prepared.finish(Forward { inputs, output: output.clone(), kept, heads }, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::attention_forward(inputs, heads).0),
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
}
