//! x * Phi(x) of numbers to which a bias was added, and its slope.
//!
//! Phi is the normal distribution's; transformers calls this form `gelu` (activations.py, `GELUActivation`).

use super::exponential::exp;

/// erf(x) to about 3 units in the last place: an odd rational function, as Eigen's `erf` for floats; at 4 it is 1.
#[inline(always)]
#[allow(clippy::manual_clamp, reason = "a select in SIMD; `clamp` keeps NaN apart")]
fn erf(x: f32) -> f32 {
    let x = if x > -4.0 { x } else { -4.0 };
    let x = if x < 4.0 { x } else { 4.0 };
    let square = x * x;
    let mut above = -2.726_142e-10;
    for term in [2.770_681_4e-8, -2.101_024e-6, -5.692_506_4e-5, -7.349_906_3e-4, -2.954_6e-3, -1.609_603_3e-2] {
        above = above * square + term;
    }
    let mut below = -1.456_607_2e-5;
    for term in [-2.133_740_6e-4, -1.682_827e-3, -7.373_329_2e-3, -1.426_473_9e-2] {
        below = below * square + term;
    }
    x * above / below
}

#[inline(always)]
fn phi(x: f32) -> f32 {
    0.5 + 0.5 * erf(x * std::f32::consts::FRAC_1_SQRT_2)
}

/// Each x of `values` [R, D], `bias` [D] added, becomes x * Phi(x).
pub fn forward(values: &mut [f32], bias: &[f32]) {
    for row in values.chunks_exact_mut(bias.len().max(1)) {
        for (x, bias) in row.iter_mut().zip(bias) {
            *x += bias;
            *x *= phi(*x);
        }
    }
}

/// Each of `gradients` [R, D], of an output, becomes that of its input x: times Phi(x) + x * phi(x). Those of the bias are added
/// to `for_bias` [D].
pub fn backward(inputs: &[f32], bias: &[f32], gradients: &mut [f32], for_bias: &mut [f32]) {
    /// 1 / sqrt(2 pi).
    const PEAK: f32 = 0.398_942_3;
    let width = bias.len().max(1);
    for (gradients, inputs) in gradients.chunks_exact_mut(width).zip(inputs.chunks_exact(width)) {
        let sums = bias.iter().zip(for_bias.iter_mut());
        for ((gradient, input), (bias, sum)) in gradients.iter_mut().zip(inputs).zip(sums) {
            let x = input + bias;
            *gradient *= phi(x) + x * PEAK * exp(-0.5 * x * x);
            *sum += *gradient;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// erf by its Taylor series, which is exact enough in doubles as far as 4.
    fn exact_erf(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn value_and_slope_agree_with_doubles() {
        for step in -4500..4500 {
            let x = step as f32 / 1000.0;
            let wide = f64::from(x);
            let phi = 0.5 + 0.5 * exact_erf(wide / 2f64.sqrt());
            let density = (-0.5 * wide * wide).exp() / (2.0 * std::f64::consts::PI).sqrt();
            let (mut value, mut slope) = ([x], [1.0]);
            forward(&mut value, &[0.0]);
            backward(&[x], &[0.0], &mut slope, &mut [0.0]);
            let close = 3e-7 * (1.0 + wide.abs());
            assert!((f64::from(value[0]) - wide * phi).abs() < close, "gelu({x}) is {}, not {}", wide * phi, value[0]);
            assert!((f64::from(slope[0]) - (phi + wide * density)).abs() < close, "its slope is not {}", slope[0]);
        }
    }
}
