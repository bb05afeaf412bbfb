//! An attention's forward pass: a thread answers one query of one head. It keeps the query and its output in registers, and
//! goes through the keys and values, which its workgroup brings into shared memory a few at a time.

use burn::tensor::{DType, Shape};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::{Four, Kept, SHARED, Sizes};
use crate::gpu::element;

/// Threads of a workgroup.
const QUERIES: usize = 64;
/// Keys whose scores a thread has at once.
const STRIDE: usize = 8;

pub fn launch(projected: CubeTensor, heads: usize) -> (CubeTensor, CubeTensor) {
    let projected = into_contiguous(projected);
    let sizes = Sizes::of(&projected, heads);
    let empty = |shape, dtype| empty_device_dtype(projected.client.clone(), projected.device.clone(), shape, dtype);
    let output = empty(Shape::new([sizes.batch, sizes.tokens, sizes.width()]), projected.dtype);
    let log_sums = empty(Shape::new([sizes.batch, heads, sizes.tokens]), DType::F32);
    let element = element(&projected);
    // Of keys and of values.
    let keys = (SHARED / (2 * 4 * sizes.head_width) / STRIDE).max(1) * STRIDE;
    forward_kernel::launch(
        &projected.client.clone(),
        sizes.workgroups(QUERIES),
        CubeDim::new_1d(QUERIES as u32),
        projected.into_tensor_arg(),
        output.clone().into_tensor_arg(),
        log_sums.clone().into_tensor_arg(),
        sizes.tokens as u32,
        sizes.scale(),
        sizes.head_width / 4,
        keys,
        element,
    );
    (output, log_sums)
}

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are scalars and tensors")]
fn forward_kernel<F: Float>(
    projected: &Tensor<Kept<F>>,
    output: &mut Tensor<Kept<F>>,
    log_sums: &mut Tensor<f32>,
    tokens: u32,
    scale: f32,
    #[comptime] fours: usize,
    #[comptime] keys: usize,
    #[define(F)] _element: ElemType,
) {
    let tokens = tokens as usize;
    let row = CUBE_COUNT_Y as usize * fours;
    let head = CUBE_POS_Y as usize * fours;
    let first = CUBE_POS_Z as usize * tokens;
    let mine = CUBE_POS_X as usize * comptime![QUERIES] + UNIT_POS_X as usize;
    // Threads behind the last query do its work once more: all have to meet at the barriers.
    let token = if mine < tokens { mine } else { tokens - 1 };

    let mut asked = Array::<Four>::new(fours);
    let mut answer = Array::<Four>::new(fours);
    #[unroll]
    for four in 0..fours {
        asked[four] = Four::cast_from(projected[(first + token) * 3 * row + head + four]) * Four::new(scale);
        answer[four] = Four::new(f32::new(0.0));
    }
    let mut largest = f32::new(-3.0e38);
    let mut sum = f32::new(0.0);

    let mut some_keys = Shared::<[Four]>::new_slice(comptime![keys * fours]);
    let mut some_values = Shared::<[Four]>::new_slice(comptime![keys * fours]);
    let mut from = 0usize;
    while from < tokens {
        sync_cube();
        let mut place = UNIT_POS_X as usize;
        while place < comptime![keys * fours] {
            let token = from + place / fours;
            if token < tokens {
                let source = (first + token) * 3 * row + head + place % fours;
                some_keys[place] = Four::cast_from(projected[source + row]);
                some_values[place] = Four::cast_from(projected[source + 2 * row]);
            } else {
                some_keys[place] = Four::new(f32::new(0.0));
                some_values[place] = Four::new(f32::new(0.0));
            }
            place += comptime![QUERIES];
        }
        sync_cube();
        for group in 0..comptime![keys / STRIDE] {
            let group = group * comptime![STRIDE];
            if from + group < tokens {
                let mut scores = Array::<f32>::new(comptime![STRIDE]);
                let mut new_largest = largest;
                #[unroll]
                for one in 0..comptime![STRIDE] {
                    let mut products = Four::new(f32::new(0.0));
                    #[unroll]
                    for four in 0..fours {
                        products += asked[four] * some_keys[(group + one) * fours + four];
                    }
                    let score = products.vector_sum();
                    // Keys behind the last have no weight.
                    scores[one] = select(from + group + one < tokens, score, f32::new(-3.0e38));
                    new_largest = max(new_largest, scores[one]);
                }
                let shrunk = (largest - new_largest).exp();
                largest = new_largest;
                sum *= shrunk;
                #[unroll]
                for four in 0..fours {
                    answer[four] *= Four::new(shrunk);
                }
                #[unroll]
                for one in 0..comptime![STRIDE] {
                    let weight = (scores[one] - largest).exp();
                    sum += weight;
                    #[unroll]
                    for four in 0..fours {
                        answer[four] += Four::new(weight) * some_values[(group + one) * fours + four];
                    }
                }
            }
        }
        from += keys;
    }
    if mine < tokens {
        #[unroll]
        for four in 0..fours {
            output[(first + token) * row + head + four] = Kept::<F>::cast_from(answer[four] / Four::new(sum));
        }
        let place = CUBE_POS_Z as usize * CUBE_COUNT_Y as usize + CUBE_POS_Y as usize;
        log_sums[place * tokens + token] = largest + sum.ln();
    }
}
