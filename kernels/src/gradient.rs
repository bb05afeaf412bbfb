//! The operations under autodiff: what each keeps, and how its gradient is computed.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend};

use super::{Forward, Fused, Kernels};

#[derive(Debug)]
struct AttentionGradient;

impl<B: Kernels> Backward<B, 3> for AttentionGradient {
    type State = Forward<B>;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let found = B::attention_gradient(ops.state, gradient);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let Some(parent) = parent {
                gradients.register::<B>(parent.id, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct GeluGradient;

impl<B: Kernels> Backward<B, 1> for GeluGradient {
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let input = ops.state;
        unary::<B, _>(ops.parents, ops.node, gradients, |gradient| B::gelu_gradient(input, gradient));
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

    fn fused_gelu(input: FloatTensor<Self>) -> FloatTensor<Self> {
        let (input, of_input) = input.into_parts();
        match GeluGradient.prepare::<C>([of_input]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(input.clone(), B::gelu_forward(input)),
            OpsKind::UnTracked(prepared) => prepared.finish(B::gelu_forward(input)),
        }
    }
}
