//! What a loss is multiplied by where layers compute with 16 bits, so that small gradients are not rounded away (Micikevicius
//! et al., 2018, section 3.2). Halved where a gradient became too large, as PyTorch's `GradScaler` does; never raised again.
//!
//! Comes in: a loss, then the gradients' norm. Goes out: the loss times the scale, the true norm and what the gradients are to
//! be multiplied by. Stays on the device: nothing waits for it.

use burn::tensor::{Device, Tensor};

/// `GradScaler`'s `init_scale`.
const FIRST: f32 = 65_536.0;
/// Nothing that a norm can be is above; infinities and what is not a number are not below.
const LARGEST: f32 = 3.0e38;

pub struct LossScale {
    /// [1], a power of two, without autodiff.
    scale: Tensor<1>,
}

impl LossScale {
    /// As it was when a run stood somewhere, or the first: anybody may have written that run's record.
    pub fn new(stood: Option<f32>, device: &Device) -> Self {
        let scale = stood.filter(|scale| scale.is_normal() && (0.0..=FIRST).contains(scale)).unwrap_or(FIRST);
        Self { scale: Tensor::full([1], scale, &device.clone().without_autodiff()) }
    }

    /// [1], without autodiff.
    pub fn current(&self) -> Tensor<1> {
        self.scale.clone()
    }

    /// Losses [1] on an autodiff device.
    pub fn raise(&self, loss: Tensor<1>) -> Tensor<1> {
        loss * self.scale.clone().autodiff()
    }

    /// What [`Self::raise`] made of a loss, back.
    pub fn lower(&self, loss: Tensor<1>) -> Tensor<1> {
        loss / self.scale.clone()
    }

    /// After a backward pass whose gradients have this norm [1]. Goes out: the norm without the scale, and what undoes the
    /// scale in the gradients; both are 0 where the gradients are no numbers any more, and the step is to be left out.
    pub fn undo(&mut self, norm: Tensor<1>) -> [Tensor<1>; 2] {
        let lost = norm.clone().lower_elem(LARGEST).bool_not();
        let undone = self.scale.clone().recip().mask_fill(lost.clone(), 0.0);
        let norm = norm.mask_fill(lost.clone(), 0.0) * undone.clone();
        let halved = self.scale.clone() * 0.5;
        self.scale = self.scale.clone().mask_where(lost, halved);
        [norm, undone]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(tensor: Tensor<1>) -> f32 {
        tensor.into_scalar()
    }

    #[test]
    fn a_scale_that_cannot_have_been_is_the_first() {
        let device = Device::flex();
        for (stood, scale) in
            [(None, FIRST), (Some(512.0), 512.0), (Some(0.0), FIRST), (Some(-2.0), FIRST), (Some(1e30), FIRST)]
        {
            assert_eq!(number(LossScale::new(stood, &device).current()), scale);
        }
    }

    #[test]
    fn gradients_that_are_no_numbers_leave_the_step_out_and_halve_the_scale() {
        let device = Device::flex();
        let mut scale = LossScale::new(None, &device);
        let norm = |norm: f32| Tensor::<1>::from_floats([norm], &device);
        assert_eq!(scale.undo(norm(3.0 * FIRST)).map(number), [3.0, 1.0 / FIRST]);
        for lost in [f32::INFINITY, f32::NAN] {
            assert_eq!(scale.undo(norm(lost)).map(number), [0.0, 0.0], "{lost}");
        }
        assert_eq!(scale.undo(norm(3.0 * FIRST)).map(number), [12.0, 4.0 / FIRST]);
        let loss = Tensor::<1>::from_floats([0.7], &device.autodiff());
        assert_eq!(number(scale.lower(scale.raise(loss.clone()).without_autodiff())), 0.7);
    }
}
