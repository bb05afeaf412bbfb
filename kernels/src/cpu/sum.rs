//! What tokens were, and what a layer adds to them.

/// Adds a product's rows with the bias to `sum`, row by row.
pub fn biased(sum: &mut [f32], product: &[f32], bias: &[f32]) {
    let width = bias.len().max(1);
    for (sum, product) in sum.chunks_mut(width).zip(product.chunks(width)) {
        for ((sum, product), bias) in sum.iter_mut().zip(product).zip(bias) {
            *sum += product + bias;
        }
    }
}
