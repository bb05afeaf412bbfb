//! An attention's backward pass: the gradients of the queries, then those of the keys and values.
//!
//! A row, a query or a key, is done by one to three threads, each of which keeps a part of the row and of its gradients in
//! registers; they tell each other their parts of a score in shared memory. What the rows meet is brought there, too, a tile
//! at a time.

use burn::tensor::{DType, Shape};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::{Four, Kept, SHARED, Sizes};
use crate::gpu::element;

/// Rows of a workgroup.
const ROWS: usize = 64;
/// Scores that a thread has at once, each with its probability's gradient.
const STRIDE: usize = 4;
/// Vectors of four of a row that a thread keeps, at most, of each of: a query, its output's gradient and its own; or a key, a value
/// and the gradients of both.
const KEPT: usize = 8;

/// How rows are shared out.
#[derive(Clone, Copy)]
struct Tiling {
    /// Vectors of four of a row.
    fours: usize,
    /// Threads of a row.
    parts: usize,
    /// Rows of a tile.
    tile: usize,
}

impl Tiling {
    fn of(head_width: usize) -> Self {
        let fours = head_width / 4;
        let parts = fours.div_ceil(KEPT);
        let exchanged = if parts > 1 { STRIDE * 2 * parts * ROWS * 4 } else { 0 };
        // A tile has two tensors' rows, and two numbers of each row.
        let row = 2 * 16 * parts * fours.div_ceil(parts) + 8;
        Self { fours, parts, tile: ((SHARED - exchanged) / row / STRIDE).max(1) * STRIDE }
    }

    fn threads(self) -> CubeDim {
        CubeDim::new_1d((ROWS * self.parts) as u32)
    }
}

pub fn launch(all: [CubeTensor; 3], log_sums: CubeTensor, heads: usize) -> CubeTensor {
    let [projected, output, gradient] = all.map(into_contiguous);
    let sizes = Sizes::of(&projected, heads);
    let client = projected.client.clone();
    let empty = |shape, dtype| empty_device_dtype(client.clone(), projected.device.clone(), shape, dtype);
    let element = element(&projected);
    let rows = sizes.batch * heads * sizes.tokens;
    let statistics = empty(Shape::new([rows, 2]), DType::F32);
    let dim = CubeDim::new(&client, rows);
    statistics_kernel::launch(
        &client,
        calculate_cube_count_elemwise(&client, rows, dim),
        dim,
        output.into_tensor_arg(),
        gradient.clone().into_tensor_arg(),
        into_contiguous(log_sums).into_tensor_arg(),
        statistics.clone().into_tensor_arg(),
        sizes.tokens as u32,
        heads as u32,
        sizes.head_width / 4,
        element,
    );

    let Tiling { fours, parts, tile } = Tiling::of(sizes.head_width);
    let found = empty(Shape::new([sizes.batch, sizes.tokens, 3 * sizes.width()]), projected.dtype);
    query_kernel::launch(
        &client,
        sizes.workgroups(ROWS),
        Tiling::of(sizes.head_width).threads(),
        projected.clone().into_tensor_arg(),
        gradient.clone().into_tensor_arg(),
        statistics.clone().into_tensor_arg(),
        found.clone().into_tensor_arg(),
        sizes.tokens as u32,
        sizes.scale(),
        fours,
        parts,
        tile,
        element,
    );
    key_kernel::launch(
        &client,
        sizes.workgroups(ROWS),
        Tiling::of(sizes.head_width).threads(),
        projected.into_tensor_arg(),
        gradient.into_tensor_arg(),
        statistics.into_tensor_arg(),
        found.clone().into_tensor_arg(),
        sizes.tokens as u32,
        sizes.scale(),
        fours,
        parts,
        tile,
        element,
    );
    found
}

/// Of each query, `statistics` [B, H, N, 2]: the logarithm of its sum, and its output times its output's gradient.
#[cube(launch)]
fn statistics_kernel<F: Float>(
    output: &Tensor<Kept<F>>,
    gradient: &Tensor<Kept<F>>,
    log_sums: &Tensor<f32>,
    statistics: &mut Tensor<f32>,
    tokens: u32,
    heads: u32,
    #[comptime] fours: usize,
    #[define(F)] _element: ElemType,
) {
    if ABSOLUTE_POS < log_sums.len() {
        let token = ABSOLUTE_POS % tokens as usize;
        let head = ABSOLUTE_POS / tokens as usize;
        let clip = head / heads as usize;
        let place = ((clip * tokens as usize + token) * heads as usize + head % heads as usize) * fours;
        let mut products = Four::new(f32::new(0.0));
        #[unroll]
        for four in 0..fours {
            products += Four::cast_from(output[place + four]) * Four::cast_from(gradient[place + four]);
        }
        statistics[ABSOLUTE_POS * 2] = log_sums[ABSOLUTE_POS];
        statistics[ABSOLUTE_POS * 2 + 1] = products.vector_sum();
    }
}

/// What a thread does, and where that lies, in vectors of four.
#[derive(CubeType)]
struct Place {
    /// From a token to the next, where there is one number for each of its width.
    row: usize,
    /// Where the thread's head begins there.
    head: usize,
    /// The same where queries, keys and values are side by side.
    queries: usize,
    /// Where the head's statistics begin.
    of_head: usize,
    /// The first that the thread has of a row.
    first_four: usize,
    /// The row that the thread would do; there may be fewer.
    mine: usize,
    /// The row that it does: behind the last that one once more, as all threads have to meet at the barriers.
    token: usize,
}

#[cube]
fn place(tokens: usize, #[comptime] fours: usize, #[comptime] each: usize) -> Place {
    let row = CUBE_COUNT_Y as usize * fours;
    let mine = CUBE_POS_X as usize * comptime![ROWS] + UNIT_POS_X as usize % comptime![ROWS];
    Place {
        row,
        head: CUBE_POS_Z as usize * tokens * row + CUBE_POS_Y as usize * fours,
        queries: CUBE_POS_Z as usize * tokens * 3 * row + CUBE_POS_Y as usize * fours,
        of_head: (CUBE_POS_Z as usize * CUBE_COUNT_Y as usize + CUBE_POS_Y as usize) * tokens * 2,
        first_four: UNIT_POS_X as usize / comptime![ROWS] * each,
        mine,
        token: select(mine < tokens, mine, tokens - 1),
    }
}

/// Brings rows `from..` of a head, which begins at `head` and has a row every so many vectors, into shared memory, as wide as
/// all parts of a row together; zeros where there are none.
#[cube]
fn bring<F: Float>(
    source: &Tensor<Kept<F>>,
    shared: &mut Shared<[Four]>,
    head: usize,
    row: usize,
    from: usize,
    tokens: usize,
    #[comptime] fours: usize,
    #[comptime] parts: usize,
    #[comptime] tile: usize,
) {
    let wide = comptime![parts * fours.div_ceil(parts)];
    let mut place = UNIT_POS_X as usize;
    while place < comptime![tile * wide] {
        let token = from + place / wide;
        let four = place % wide;
        if token < tokens && four < fours {
            shared[place] = Four::cast_from(source[head + token * row + four]);
        } else {
            shared[place] = Four::new(f32::new(0.0));
        }
        place += comptime![ROWS * parts];
    }
}

/// A thread's parts of the scores of a tile's next rows, and of their probabilities' gradients: products of its share of its own
/// row and of theirs, which begin at `at`.
#[cube]
#[allow(clippy::too_many_arguments, reason = "a kernel has no structs of shared memory")]
fn compare(
    for_scores: &Array<Four>,
    for_slopes: &Array<Four>,
    score_rows: &Shared<[Four]>,
    slope_rows: &Shared<[Four]>,
    at: usize,
    numbers: &mut Array<f32>,
    #[comptime] each: usize,
    #[comptime] wide: usize,
) {
    #[unroll]
    for one in 0..comptime![STRIDE] {
        let mut score = Four::new(f32::new(0.0));
        let mut slope = Four::new(f32::new(0.0));
        #[unroll]
        for four in 0..each {
            score += for_scores[four] * score_rows[at + one * wide + four];
            slope += for_slopes[four] * slope_rows[at + one * wide + four];
        }
        numbers[one] = score.vector_sum();
        numbers[one + comptime![STRIDE]] = slope.vector_sum();
    }
}

/// The sum of a row's threads' parts of each of these numbers, in all of them.
#[cube]
fn exchange(numbers: &mut Array<f32>, exchanged: &mut Shared<[f32]>, #[comptime] parts: usize) {
    if comptime![parts > 1] {
        let row = UNIT_POS_X as usize % comptime![ROWS];
        sync_cube();
        #[unroll]
        for one in 0..comptime![2 * STRIDE] {
            exchanged[one * comptime![ROWS * parts] + UNIT_POS_X as usize] = numbers[one];
        }
        sync_cube();
        #[unroll]
        for one in 0..comptime![2 * STRIDE] {
            let mut sum = f32::new(0.0);
            #[unroll]
            for part in 0..parts {
                sum += exchanged[one * comptime![ROWS * parts] + part * comptime![ROWS] + row];
            }
            numbers[one] = sum;
        }
    }
}

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are scalars and tensors")]
fn query_kernel<F: Float>(
    projected: &Tensor<Kept<F>>,
    gradient: &Tensor<Kept<F>>,
    statistics: &Tensor<f32>,
    found: &mut Tensor<Kept<F>>,
    tokens: u32,
    scale: f32,
    #[comptime] fours: usize,
    #[comptime] parts: usize,
    #[comptime] tile: usize,
    #[define(F)] _element: ElemType,
) {
    let tokens = tokens as usize;
    let each = comptime![fours.div_ceil(parts)];
    let wide = comptime![parts * each];
    let Place { row, head, queries: queries_at, of_head, first_four, mine, token } = place(tokens, fours, each);
    let place = of_head + token * 2;
    let log_sum = statistics[place];
    let through = statistics[place + 1];

    let mut asked = Array::<Four>::new(each);
    let mut slopes = Array::<Four>::new(each);
    let mut sum = Array::<Four>::new(each);
    #[unroll]
    for four in 0..each {
        asked[four] = Four::new(f32::new(0.0));
        slopes[four] = Four::new(f32::new(0.0));
        sum[four] = Four::new(f32::new(0.0));
        if first_four + four < fours {
            let asked_at = queries_at + token * 3 * row + first_four + four;
            asked[four] = Four::cast_from(projected[asked_at]) * Four::new(scale);
            slopes[four] = Four::cast_from(gradient[head + token * row + first_four + four]);
        }
    }

    let mut keys = Shared::<[Four]>::new_slice(comptime![tile * wide]);
    let mut values = Shared::<[Four]>::new_slice(comptime![tile * wide]);
    let mut exchanged = Shared::<[f32]>::new_slice(comptime![if parts > 1 { 2 * STRIDE * ROWS * parts } else { 1 }]);
    let mut numbers = Array::<f32>::new(comptime![2 * STRIDE]);
    let mut from = 0usize;
    while from < tokens {
        sync_cube();
        bring(projected, &mut keys, queries_at + row, 3 * row, from, tokens, fours, parts, tile);
        bring(projected, &mut values, queries_at + 2 * row, 3 * row, from, tokens, fours, parts, tile);
        sync_cube();
        for group in 0..comptime![tile / STRIDE] {
            let first = group * comptime![STRIDE];
            let at = first * wide + first_four;
            compare(&asked, &slopes, &keys, &values, at, &mut numbers, each, wide);
            exchange(&mut numbers, &mut exchanged, parts);
            #[unroll]
            for one in 0..comptime![STRIDE] {
                let place = (first + one) * wide + first_four;
                // Keys behind the last have no weight.
                let score = select(from + first + one < tokens, numbers[one], f32::new(-3.0e38));
                let slope = (score - log_sum).exp() * (numbers[one + comptime![STRIDE]] - through);
                #[unroll]
                for four in 0..each {
                    sum[four] += Four::new(slope) * keys[place + four];
                }
            }
        }
        from += tile;
    }
    if mine < tokens {
        #[unroll]
        for four in 0..each {
            if first_four + four < fours {
                let place = queries_at + token * 3 * row + first_four + four;
                found[place] = Kept::<F>::cast_from(sum[four] * Four::new(scale));
            }
        }
    }
}

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are scalars and tensors")]
fn key_kernel<F: Float>(
    projected: &Tensor<Kept<F>>,
    gradient: &Tensor<Kept<F>>,
    statistics: &Tensor<f32>,
    found: &mut Tensor<Kept<F>>,
    tokens: u32,
    scale: f32,
    #[comptime] fours: usize,
    #[comptime] parts: usize,
    #[comptime] tile: usize,
    #[define(F)] _element: ElemType,
) {
    let tokens = tokens as usize;
    let each = comptime![fours.div_ceil(parts)];
    let wide = comptime![parts * each];
    let Place { row, head, queries: queries_at, of_head, first_four, mine, token } = place(tokens, fours, each);

    let mut my_key = Array::<Four>::new(each);
    let mut my_value = Array::<Four>::new(each);
    let mut key_sum = Array::<Four>::new(each);
    let mut value_sum = Array::<Four>::new(each);
    #[unroll]
    for four in 0..each {
        my_key[four] = Four::new(f32::new(0.0));
        my_value[four] = Four::new(f32::new(0.0));
        key_sum[four] = Four::new(f32::new(0.0));
        value_sum[four] = Four::new(f32::new(0.0));
        if first_four + four < fours {
            let key_at = queries_at + row + token * 3 * row + first_four + four;
            my_key[four] = Four::cast_from(projected[key_at]) * Four::new(scale);
            my_value[four] = Four::cast_from(projected[key_at + row]);
        }
    }

    let mut queries = Shared::<[Four]>::new_slice(comptime![tile * wide]);
    let mut gradients = Shared::<[Four]>::new_slice(comptime![tile * wide]);
    let mut of_queries = Shared::<[f32]>::new_slice(comptime![tile * 2]);
    let mut exchanged = Shared::<[f32]>::new_slice(comptime![if parts > 1 { 2 * STRIDE * ROWS * parts } else { 1 }]);
    let mut numbers = Array::<f32>::new(comptime![2 * STRIDE]);
    let mut from = 0usize;
    while from < tokens {
        sync_cube();
        bring(projected, &mut queries, queries_at, 3 * row, from, tokens, fours, parts, tile);
        bring(gradient, &mut gradients, head, row, from, tokens, fours, parts, tile);
        let mut place = UNIT_POS_X as usize;
        while place < comptime![tile * 2] {
            // Queries behind the last have no weight.
            of_queries[place] = f32::new(3.0e38);
            if from * 2 + place < tokens * 2 {
                of_queries[place] = statistics[of_head + from * 2 + place];
            }
            place += comptime![ROWS * parts];
        }
        sync_cube();
        for group in 0..comptime![tile / STRIDE] {
            let first = group * comptime![STRIDE];
            let at = first * wide + first_four;
            compare(&my_key, &my_value, &queries, &gradients, at, &mut numbers, each, wide);
            exchange(&mut numbers, &mut exchanged, parts);
            #[unroll]
            for one in 0..comptime![STRIDE] {
                let place = (first + one) * wide + first_four;
                let probability = (numbers[one] - of_queries[(first + one) * 2]).exp();
                let slope = probability * (numbers[one + comptime![STRIDE]] - of_queries[(first + one) * 2 + 1]);
                #[unroll]
                for four in 0..each {
                    value_sum[four] += Four::new(probability) * gradients[place + four];
                    key_sum[four] += Four::new(slope) * queries[place + four];
                }
            }
        }
        from += tile;
    }
    if mine < tokens {
        #[unroll]
        for four in 0..each {
            if first_four + four < fours {
                let key_at = queries_at + row + token * 3 * row + first_four + four;
                found[key_at] = Kept::<F>::cast_from(key_sum[four] * Four::new(scale));
                found[key_at + row] = Kept::<F>::cast_from(value_sum[four]);
            }
        }
    }
}
