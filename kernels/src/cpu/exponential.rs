//! e^x of many numbers at once: no call, no branch, so that loops over it become SIMD.

/// 1.5 * 2^23: added to a number below 2^22, it rounds it to a whole one, which then stands in the lowest bits.
const ROUNDER: f32 = 12_582_912.0;
/// ln 2 in two parts, the first exact in products with small whole numbers.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// Below, e^x is no normal number.
const LEAST: f32 = -87.3;
/// Above, e^x is not finite.
const GREATEST: f32 = 88.3;

/// e^x to about 2 units in the last place, as Cephes' `expf`: e^x = 2^n e^r, r within ln 2 / 2 of 0, a polynomial for e^r.
/// Smaller than [`LEAST`] counts as that, larger than [`GREATEST`] as that.
#[inline(always)]
#[allow(clippy::manual_clamp, reason = "a select in SIMD; `clamp` keeps NaN apart")]
pub fn exp(x: f32) -> f32 {
    let x = if x > LEAST { x } else { LEAST };
    let x = if x < GREATEST { x } else { GREATEST };
    let rounded = x * std::f32::consts::LOG2_E + ROUNDER;
    let whole = rounded - ROUNDER;
    let rest = (x - whole * LN_2[0]) - whole * LN_2[1];
    let mut series = 1.987_569_1e-4;
    for term in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1] {
        series = series * rest + term;
    }
    let power = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    (series * rest * rest + rest + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_double_to_two_units_in_the_last_place() {
        for step in -86_000..88_000 {
            let x = step as f32 / 1000.0;
            let [exact, ours] = [f64::from(x).exp(), f64::from(exp(x))];
            assert!((ours / exact - 1.0).abs() < 2.5e-7, "exp({x}) is {exact}, not {ours}");
        }
    }

    #[test]
    fn stays_finite_and_above_zero_beyond_its_range() {
        for x in [f32::NEG_INFINITY, -1e9, -100.0, 100.0, f32::INFINITY] {
            assert!(exp(x).is_finite() && exp(x) > 0.0, "exp({x}) = {}", exp(x));
        }
    }
}
