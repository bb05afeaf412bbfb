//! The sum of a tensor's squares, in parts: a workgroup each.

use burn::backend::TensorMetadata;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::owned;
use super::total::{THREADS, total};
use crate::squares::PARTS;

/// What a thread sums at least, where there is more than one part.
const EACH: usize = 8;

#[cube(launch)]
fn squares_kernel(values: &Tensor<f32>, parts: &mut Tensor<f32>, from: u32, threads: u32) {
    let mut shared = Shared::<[f32]>::new_slice(comptime![THREADS]);
    let mut sum = f32::new(0.0);
    let mut at = ABSOLUTE_POS_X as usize;
    while at < values.len() {
        let value = values[at];
        sum += value * value;
        at += threads as usize;
    }
    let sum = total(sum, &mut shared);
    if UNIT_POS_X == 0 {
        parts[from as usize + CUBE_POS_X as usize] = sum;
    }
}

pub fn squares(parts: CubeTensor, values: CubeTensor, from: usize) -> CubeTensor {
    let (parts, values) = (owned(parts), into_contiguous(values));
    let workgroups = values.shape().num_elements().div_ceil(THREADS * EACH).clamp(1, PARTS);
    squares_kernel::launch(
        &values.client.clone(),
        CubeCount::Static(workgroups as u32, 1, 1),
        CubeDim::new_1d(THREADS as u32),
        values.into_tensor_arg(),
        parts.clone().into_tensor_arg(),
        from as u32,
        (workgroups * THREADS) as u32,
    );
    parts
}
