//! AdamW's step, one number at a time.

use crate::update::{OwnRates, Rates};

/// A parameter's numbers and its running means, one behind the other, become those after the step.
pub fn update(value: &mut [f32], moments: &mut [f32], (gradient, own): (&[f32], OwnRates), scale: f32, rates: Rates) {
    let (first, second) = moments.split_at_mut(value.len());
    let moments = first.iter_mut().zip(second);
    for ((value, (first, second)), gradient) in value.iter_mut().zip(moments).zip(gradient) {
        let gradient = gradient * scale;
        *first = *first * rates.keep_first + gradient * rates.take_first;
        *second = *second * rates.keep_second + gradient * gradient * rates.take_second;
        let spread = second.sqrt() / own.root_correction + rates.epsilon;
        *value = *value * own.decay - *first / spread * own.length;
    }
}
