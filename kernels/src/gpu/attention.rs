//! softmax(Q K^T / sqrt(d)) V in one launch that writes no scores (FlashAttention, Dao et al. 2022, section 3.1), and what a
//! backward pass does to scores.
//!
//! A thread answers one query of one head: it keeps the query and its output in registers, and goes through the keys and
//! values, which its workgroup brings into shared memory a few at a time.

use burn::backend::TensorMetadata;
use burn::tensor::Shape;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;

use super::owned;

type Four = Vector<f32, Const<4>>;

/// Threads of a workgroup.
const QUERIES: usize = 64;
/// Keys whose scores a thread has at once.
const STRIDE: usize = 8;
/// What every WebGPU device has of workgroup memory, in bytes.
const SHARED: usize = 16 << 10;
/// Registers set a limit to a head's width.
const WIDEST: usize = 96;

/// Whether the kernel can do heads of this width.
pub fn fits(head_width: usize) -> bool {
    head_width > 0 && head_width.is_multiple_of(4) && head_width <= WIDEST
}

/// [B, N, H * d] three times -> [B, N, H * d], and ln of the sum of e^score of each query, [B, H, N].
pub fn forward(inputs: [CubeTensor; 3], heads: usize) -> (CubeTensor, CubeTensor) {
    let [query, key, value] = inputs.map(into_contiguous);
    let [batch, tokens, width] = query.shape().dims();
    let head_width = width / heads;
    let empty = |shape| empty_device_dtype(query.client.clone(), query.device.clone(), shape, query.dtype);
    let (output, log_sums) = (empty(query.shape()), empty(Shape::new([batch, heads, tokens])));
    // Of keys and of values.
    let keys = (SHARED / (2 * 4 * head_width) / STRIDE).max(1) * STRIDE;
    forward_kernel::launch(
        &query.client.clone(),
        CubeCount::Static(tokens.div_ceil(QUERIES) as u32, heads as u32, batch as u32),
        CubeDim::new_1d(QUERIES as u32),
        query.into_tensor_arg(),
        key.into_tensor_arg(),
        value.into_tensor_arg(),
        output.clone().into_tensor_arg(),
        log_sums.clone().into_tensor_arg(),
        tokens as u32,
        (head_width as f32).sqrt().recip(),
        head_width / 4,
        keys,
    );
    (output, log_sums)
}

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are scalars and tensors")]
fn forward_kernel(
    query: &Tensor<Four>,
    key: &Tensor<Four>,
    value: &Tensor<Four>,
    output: &mut Tensor<Four>,
    log_sums: &mut Tensor<f32>,
    tokens: u32,
    scale: f32,
    #[comptime] fours: usize,
    #[comptime] keys: usize,
) {
    let tokens = tokens as usize;
    let row = CUBE_COUNT_Y as usize * fours;
    let clip = CUBE_POS_Z as usize * tokens * row;
    let head = clip + CUBE_POS_Y as usize * fours;
    let mine = CUBE_POS_X as usize * comptime![QUERIES] + UNIT_POS_X as usize;
    // Threads behind the last query do its work once more: all have to meet at the barriers.
    let token = if mine < tokens { mine } else { tokens - 1 };

    let mut asked = Array::<Four>::new(fours);
    let mut answer = Array::<Four>::new(fours);
    #[unroll]
    for four in 0..fours {
        asked[four] = query[head + token * row + four] * Four::new(scale);
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
                let source = head + token * row + place % fours;
                some_keys[place] = key[source];
                some_values[place] = value[source];
            } else {
                some_keys[place] = Four::new(f32::new(0.0));
                some_values[place] = Four::new(f32::new(0.0));
            }
            place += comptime![QUERIES];
        }
        sync_cube();
        for group in 0..comptime![keys / STRIDE] {
            let first = group * comptime![STRIDE];
            if from + first < tokens {
                let mut scores = Array::<f32>::new(comptime![STRIDE]);
                let mut new_largest = largest;
                #[unroll]
                for one in 0..comptime![STRIDE] {
                    let mut products = Four::new(f32::new(0.0));
                    #[unroll]
                    for four in 0..fours {
                        products += asked[four] * some_keys[(first + one) * fours + four];
                    }
                    let score = products.vector_sum();
                    // Keys behind the last have no weight.
                    scores[one] = select(from + first + one < tokens, score, f32::new(-3.0e38));
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
                        answer[four] += Four::new(weight) * some_values[(first + one) * fours + four];
                    }
                }
            }
        }
        from += keys;
    }
    if mine < tokens {
        #[unroll]
        for four in 0..fours {
            output[head + token * row + four] = answer[four] / Four::new(sum);
        }
        let place = CUBE_POS_Z as usize * CUBE_COUNT_Y as usize + CUBE_POS_Y as usize;
        log_sums[place * tokens + token] = largest + sum.ln();
    }
}

/// Scores [B, H, N, N] -> probabilities, with the logarithms of the rows' sums [B, H, N]; in the same memory where nobody else
/// reads it.
pub fn probabilities(scores: CubeTensor, log_sums: CubeTensor) -> CubeTensor {
    let (scores, log_sums) = (owned(scores), into_contiguous(log_sums));
    let (client, shape) = (scores.client.clone(), scores.shape());
    let count = shape.num_elements();
    let dim = CubeDim::new(&client, count);
    probabilities_kernel::launch(
        &client,
        calculate_cube_count_elemwise(&client, count, dim),
        dim,
        scores.clone().into_tensor_arg(),
        log_sums.into_tensor_arg(),
        shape[3] as u32,
    );
    scores
}

#[cube(launch)]
fn probabilities_kernel(scores: &mut Tensor<f32>, log_sums: &Tensor<f32>, tokens: u32) {
    if ABSOLUTE_POS < scores.len() {
        scores[ABSOLUTE_POS] = (scores[ABSOLUTE_POS] - log_sums[ABSOLUTE_POS / tokens as usize]).exp();
    }
}

/// Gradients of the probabilities -> of the scores, [B, H, N, N]: each row of them less `through` [B, H, N, 1], times the
/// probabilities; in the same memory where nobody else reads it.
pub fn slopes(gradients: CubeTensor, probabilities: CubeTensor, through: CubeTensor) -> CubeTensor {
    let (gradients, [probabilities, through]) = (owned(gradients), [probabilities, through].map(into_contiguous));
    let (client, shape) = (gradients.client.clone(), gradients.shape());
    let count = shape.num_elements();
    let dim = CubeDim::new(&client, count);
    slopes_kernel::launch(
        &client,
        calculate_cube_count_elemwise(&client, count, dim),
        dim,
        gradients.clone().into_tensor_arg(),
        probabilities.into_tensor_arg(),
        through.into_tensor_arg(),
        shape[3] as u32,
    );
    gradients
}

#[cube(launch)]
fn slopes_kernel(gradients: &mut Tensor<f32>, probabilities: &Tensor<f32>, through: &Tensor<f32>, tokens: u32) {
    if ABSOLUTE_POS < gradients.len() {
        let slope = gradients[ABSOLUTE_POS] - through[ABSOLUTE_POS / tokens as usize];
        gradients[ABSOLUTE_POS] = slope * probabilities[ABSOLUTE_POS];
    }
}
