//! AdamW's step, one number at a time.

use crate::update::Rates;

/// A parameter's numbers and its running means become those after the step.
pub fn update(value: &mut [f32], [first, second]: [&mut [f32]; 2], gradient: &[f32], scale: f32, rates: Rates) {
    let moments = first.iter_mut().zip(second);
    for ((value, (first, second)), gradient) in value.iter_mut().zip(moments).zip(gradient) {
        let gradient = gradient * scale;
        *first = *first * rates.keep_first + gradient * rates.take_first;
        *second = *second * rates.keep_second + gradient * gradient * rates.take_second;
        let spread = second.sqrt() / rates.root_correction + rates.epsilon;
        *value = *value * rates.decay - *first / spread * rates.length;
    }
}
