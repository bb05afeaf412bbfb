//! LayerNorm of rows, forward and backward.

use super::sum::{products, sum};

/// Each row of `input` [R, D] becomes (x - mean) / sqrt(variance + epsilon) * gamma + beta in `output`; `statistics` [R, 2]
/// become its mean and 1 / sqrt(variance + epsilon).
pub fn forward(
    input: &[f32],
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
    output: &mut [f32],
    statistics: &mut [[f32; 2]],
) {
    let width = gamma.len().max(1);
    let rows = input.chunks_exact(width).zip(output.chunks_exact_mut(width));
    for ((input, output), statistics) in rows.zip(statistics) {
        let mean = sum(input, |x| x) / width as f32;
        let variance = sum(input, |x| (x - mean) * (x - mean)) / width as f32;
        let scale = 1.0 / (variance + epsilon).sqrt();
        *statistics = [mean, scale];
        for (((output, x), gamma), beta) in output.iter_mut().zip(input).zip(gamma).zip(beta) {
            *output = (x - mean) * scale * gamma + beta;
        }
    }
}

/// From the output's `gradient` [R, D], the input's, in its place; gamma's and beta's [D] are added to.
pub fn backward(
    input: &[f32],
    gamma: &[f32],
    statistics: &[[f32; 2]],
    gradient: &mut [f32],
    [for_gamma, for_beta]: [&mut [f32]; 2],
) {
    let width = gamma.len().max(1);
    let mut normal = vec![0.0; width];
    let rows = input.chunks_exact(width).zip(gradient.chunks_exact_mut(width));
    for ((input, gradient), &[mean, scale]) in rows.zip(statistics) {
        let slopes = gradient.iter_mut().zip(for_gamma.iter_mut().zip(for_beta.iter_mut()));
        for ((((gradient, (for_gamma, for_beta)), normal), x), gamma) in slopes.zip(&mut normal).zip(input).zip(gamma) {
            *normal = (x - mean) * scale;
            *for_gamma += *gradient * *normal;
            *for_beta += *gradient;
            *gradient *= gamma;
        }
        let average = sum(gradient, |slope| slope) / width as f32;
        let along = products(gradient, &normal) / width as f32;
        for (gradient, normal) in gradient.iter_mut().zip(&normal) {
            *gradient = scale * (*gradient - average - normal * along);
        }
    }
}
