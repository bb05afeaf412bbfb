//! Several tensors as one argument of an operation, or as what it returns.
//!
//! Burn's macro for operations maps single tensors and types that say how to be mapped; a list is one of the latter here.

use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Backend, BackendTensor, Dispatch, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind, ExtensionType,
};
use burn::tensor::Tensor;

pub struct Several<B: Backend>(pub Vec<FloatTensor<B>>);

impl Several<Dispatch> {
    pub fn of<const D: usize>(tensors: impl IntoIterator<Item = Tensor<D>>) -> Self {
        Self(tensors.into_iter().map(Tensor::into_dispatch).collect())
    }

    pub fn into_tensors<const D: usize>(self) -> impl Iterator<Item = Tensor<D>> {
        self.0.into_iter().map(Tensor::from_dispatch)
    }
}

impl<B: Backend> ExtensionType<B> for Several<B> {
    type Target = Several<Dispatch>;

    fn map_to_dispatch<F>(self, map_kind: F, autodiff: DispatchAutodiffContext) -> Self::Target
    where
        F: Fn(BackendTensor<B>) -> DispatchTensorKind,
    {
        let tensors = self.0.into_iter();
        Several(
            tensors.map(|tensor| DispatchTensor { kind: map_kind(BackendTensor::Float(tensor)), autodiff }).collect(),
        )
    }

    fn map_from_dispatch<F>(target: Self::Target, unwrap_kind: F) -> Self
    where
        F: Fn(DispatchTensor) -> BackendTensor<B>,
    {
        Self(target.0.into_iter().map(|tensor| unwrap_kind(tensor).float()).collect())
    }

    fn routing_tensor(target: &Self::Target) -> Option<&DispatchTensor> {
        target.0.first()
    }

    fn routing_float_tensor(target: &Self::Target) -> Option<&DispatchTensor> {
        target.0.first()
    }

    fn autodiff_context(target: &Self::Target) -> DispatchAutodiffContext {
        target.0.iter().fold(DispatchAutodiffContext::Disabled, |context, tensor| context.merge(tensor.autodiff))
    }
}
