use super::*;

/// Numbers between -2 and 2, the same each time.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 22) as f32 - 2.0
    };
    (0..count).map(|_| next()).collect()
}

/// The formula itself, in doubles.
fn exact(sizes: Sizes, projected: &[f64]) -> Vec<f64> {
    let (width, head_width) = (sizes.width(), sizes.head_width);
    let mut output = vec![0.0; projected.len() / 3];
    let places = (0..sizes.batch).flat_map(|clip| (0..sizes.heads).map(move |head| (clip, head)));
    for ((clip, head), one) in places.flat_map(|place| (0..sizes.tokens).map(move |one| (place, one))) {
        let at = |token: usize| (clip * sizes.tokens + token) * width + head * head_width;
        let of = |third: usize, token: usize, n: usize| {
            projected[(clip * sizes.tokens + token) * 3 * width + third * width + head * head_width + n]
        };
        let dot = |other: usize| (0..head_width).map(|n| of(0, one, n) * of(1, other, n)).sum::<f64>();
        let powers = (0..sizes.tokens).map(|other| (dot(other) / (head_width as f64).sqrt()).exp()).collect::<Vec<_>>();
        let sum = powers.iter().sum::<f64>();
        for n in 0..head_width {
            output[at(one) + n] = (0..sizes.tokens).map(|other| powers[other] / sum * of(2, other, n)).sum();
        }
    }
    output
}

fn doubles(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|&number| f64::from(number)).collect()
}

/// One token, fewer than the lanes, odd numbers, more than one run of rows.
const CASES: [Sizes; 4] = [
    Sizes { batch: 1, tokens: 1, heads: 1, head_width: 4 },
    Sizes { batch: 2, tokens: 5, heads: 3, head_width: 32 },
    Sizes { batch: 3, tokens: 37, heads: 2, head_width: 17 },
    Sizes { batch: 1, tokens: 301, heads: 2, head_width: 64 },
];

#[test]
fn outputs_are_the_formulas() {
    for sizes in CASES {
        let count = sizes.batch * sizes.clip();
        let projected = numbers(3 * count, 1);
        let mut output = vec![f32::NAN; count];
        let mut log_sums = vec![f32::NAN; sizes.batch * sizes.heads * sizes.tokens];
        forward(sizes, &projected, &mut output, &mut log_sums);
        for (ours, exact) in output.iter().zip(exact(sizes, &doubles(&projected))) {
            assert!((f64::from(*ours) - exact).abs() < 2e-6, "{sizes:?}: {ours} is not {exact}");
        }
    }
}

#[test]
fn gradients_are_the_formulas_slopes() {
    for sizes in &CASES[..3] {
        let count = sizes.batch * sizes.clip();
        let projected = numbers(3 * count, 1);
        let gradient = numbers(count, 4);
        let mut output = vec![0.0; count];
        let mut log_sums = vec![0.0; sizes.batch * sizes.heads * sizes.tokens];
        forward(*sizes, &projected, &mut output, &mut log_sums);
        let kept = Kept { projected: &projected, output: &output, log_sums: &log_sums };
        let found = backward(*sizes, &kept, &gradient);
        // Central differences in doubles, of some of the numbers.
        for place in (0..3 * count).step_by(3 * count / 23 + 1) {
            let value = |step: f64| {
                let mut projected = doubles(&projected);
                projected[place] += step;
                let output = exact(*sizes, &projected);
                output.iter().zip(&gradient).map(|(output, gradient)| output * f64::from(*gradient)).sum::<f64>()
            };
            let slope = (value(1e-5) - value(-1e-5)) / 2e-5;
            let ours = f64::from(found[place]);
            assert!((ours - slope).abs() < 1e-4, "{sizes:?}, number {place}: {ours} is not {slope}");
        }
    }
}
