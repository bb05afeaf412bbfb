//! The sums of some tensors' squares, in parts: a row of workgroups for each tensor, a workgroup for each part.

use burn::backend::TensorMetadata;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::total::{THREADS, total};
use super::{owned, tensors_at_once};
use crate::squares::PARTS;

/// What a thread sums at least, where there is more than one part.
const EACH: usize = 8;

/// A thread's share of a tensor's squares.
#[cube]
fn share(values: &OwnedTensor<f32>) -> f32 {
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
fn squares_kernel(tensors: &Sequence<OwnedTensor<f32>>, parts: &mut Tensor<f32>, from: u32) {
    let mut shared = Shared::<[f32]>::new_slice(comptime![THREADS]);
    let mut mine = f32::new(0.0);
    #[unroll]
    for which in 0..tensors.len() {
        if CUBE_POS_Y as usize == which {
            mine += share(&tensors[which]);
        }
    }
    let sum = total(mine, &mut shared);
    if UNIT_POS_X == 0 {
        parts[(from + CUBE_POS_Y) as usize * comptime![PARTS] + CUBE_POS_X as usize] = sum;
    }
}

pub fn squares(parts: CubeTensor, tensors: Vec<CubeTensor>) -> CubeTensor {
    let parts = owned(parts);
    let client = parts.client.clone();
    let at_once = tensors_at_once(&client) - 1;
    for (index, some) in tensors.chunks(at_once).enumerate() {
        let longest = some.iter().map(|values| values.shape().num_elements()).max().unwrap_or(0);
        let workgroups = longest.div_ceil(THREADS * EACH).clamp(1, PARTS);
        let mut arguments = SequenceArg::new();
        for values in some {
            arguments.push(into_contiguous(values.clone()).into_tensor_arg());
        }
        squares_kernel::launch(
            &client,
            CubeCount::Static(workgroups as u32, some.len() as u32, 1),
            CubeDim::new_1d(THREADS as u32),
            arguments,
            parts.clone().into_tensor_arg(),
            (index * at_once) as u32,
        );
    }
    parts
}
