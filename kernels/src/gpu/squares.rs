//! The sums of some tensors' squares, in parts: a row of workgroups for each tensor, a workgroup for each part.

use burn::backend::TensorMetadata;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::owned;
use super::total::{THREADS, total};
use crate::squares::{AT_ONCE, PARTS};

/// What a thread sums at least, where there is more than one part.
const EACH: usize = 8;

/// A thread's share of a tensor's squares.
#[cube]
fn share(values: &Tensor<f32>) -> f32 {
    let mut sum = f32::new(0.0);
    let mut at = ABSOLUTE_POS_X as usize;
    let threads = CUBE_COUNT_X as usize * comptime![THREADS];
    while at < values.len() {
        let value = values[at];
        sum += value * value;
        at += threads;
    }
    sum
}

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's tensors are arguments of their own")]
fn squares_kernel(
    first: &Tensor<f32>,
    second: &Tensor<f32>,
    third: &Tensor<f32>,
    fourth: &Tensor<f32>,
    fifth: &Tensor<f32>,
    sixth: &Tensor<f32>,
    parts: &mut Tensor<f32>,
    from: u32,
) {
    let mut shared = Shared::<[f32]>::new_slice(comptime![THREADS]);
    let mut mine = f32::new(0.0);
    let which = CUBE_POS_Y;
    if which == 0 {
        mine += share(first);
    } else if which == 1 {
        mine += share(second);
    } else if which == 2 {
        mine += share(third);
    } else if which == 3 {
        mine += share(fourth);
    } else if which == 4 {
        mine += share(fifth);
    } else {
        mine += share(sixth);
    }
    let sum = total(mine, &mut shared);
    if UNIT_POS_X == 0 {
        parts[from as usize + which as usize * comptime![PARTS] + CUBE_POS_X as usize] = sum;
    }
}

pub fn squares(parts: CubeTensor, tensors: [CubeTensor; AT_ONCE], count: usize, from: usize) -> CubeTensor {
    let parts = owned(parts);
    let tensors = tensors.map(into_contiguous);
    let longest = tensors.iter().map(|values| values.shape().num_elements()).max().unwrap_or(0);
    let workgroups = longest.div_ceil(THREADS * EACH).clamp(1, PARTS);
    let [first, second, third, fourth, fifth, sixth] = tensors;
    squares_kernel::launch(
        &parts.client.clone(),
        CubeCount::Static(workgroups as u32, count as u32, 1),
        CubeDim::new_1d(THREADS as u32),
        first.into_tensor_arg(),
        second.into_tensor_arg(),
        third.into_tensor_arg(),
        fourth.into_tensor_arg(),
        fifth.into_tensor_arg(),
        sixth.into_tensor_arg(),
        parts.clone().into_tensor_arg(),
        from as u32,
    );
    parts
}
