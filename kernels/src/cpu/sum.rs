//! Sums: of a row's numbers, and of what tokens were and what a layer adds to them.

/// Numbers that are summed side by side.
const LANES: usize = 8;
/// Numbers that are summed in single precision.
const BLOCK: usize = 64 * LANES;

/// The sum of what `of` makes of each of some numbers.
pub fn sum(row: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, &x)| *sum += of(x));
    }
    sums.iter().sum::<f32>() + rest.iter().map(|&x| of(x)).sum::<f32>()
}

/// The sum of the squares of any count of numbers.
pub fn squares(values: &[f32]) -> f64 {
    values.chunks(BLOCK).map(|block| f64::from(sum(block, |value| value * value))).sum()
}

/// The sum of the products of two rows' numbers.
pub fn products(row: &[f32], other: &[f32]) -> f32 {
    let ((chunks, rest), (others, other_rest)) = (row.as_chunks::<LANES>(), other.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (chunk, other) in chunks.iter().zip(others) {
        for lane in 0..LANES {
            sums[lane] += chunk[lane] * other[lane];
        }
    }
    sums.iter().sum::<f32>() + rest.iter().zip(other_rest).map(|(x, y)| x * y).sum::<f32>()
}

/// Adds a product's rows with the bias to `tokens`, row by row.
pub fn biased(tokens: &mut [f32], product: &[f32], bias: &[f32]) {
    let width = bias.len().max(1);
    for (tokens, product) in tokens.chunks_mut(width).zip(product.chunks(width)) {
        for ((token, product), bias) in tokens.iter_mut().zip(product).zip(bias) {
            *token += product + bias;
        }
    }
}
