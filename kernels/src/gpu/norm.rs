//! LayerNorm: a workgroup a row forward and backward; for gamma's and beta's gradients some rows a thread, then columns of those.

use burn::backend::TensorMetadata;
use burn::tensor::Shape;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::total::{THREADS, total};

/// Rows that a thread sums for gamma and beta.
const ROWS: usize = 32;
/// Columns of a workgroup that sums what those threads found, and threads for each of them.
const COLUMNS: usize = 16;
const LANES: usize = 16;
/// Workgroups along an axis, at most.
const MOST: usize = 65_535;

#[cube(launch)]
fn forward_kernel(
    input: &Tensor<f32>,
    gamma: &Tensor<f32>,
    beta: &Tensor<f32>,
    output: &mut Tensor<f32>,
    statistics: &mut Tensor<f32>,
    epsilon: f32,
    #[comptime] width: usize,
) {
    let mut shared = Shared::<[f32]>::new_slice(comptime![THREADS]);
    let row = CUBE_POS_Y as usize * comptime![MOST] + CUBE_POS_X as usize;
    // A row behind the last is the first once more: all threads have to meet at the barriers.
    let real = (row + 1) * width <= input.len();
    let from = select(real, row * width, 0usize);
    let unit = UNIT_POS_X as usize;

    let mut sum = f32::new(0.0);
    let mut column = unit;
    while column < width {
        sum += input[from + column];
        column += comptime![THREADS];
    }
    let mean = total(sum, &mut shared) / comptime![width as f32];
    let mut squares = f32::new(0.0);
    column = unit;
    while column < width {
        let x = input[from + column] - mean;
        squares += x * x;
        column += comptime![THREADS];
    }
    let variance = total(squares, &mut shared) / comptime![width as f32];
    let scale = 1.0f32 / (variance + epsilon).sqrt();
    if real {
        column = unit;
        while column < width {
            output[from + column] = (input[from + column] - mean) * scale * gamma[column] + beta[column];
            column += comptime![THREADS];
        }
        if unit == 0 {
            statistics[row * 2] = mean;
            statistics[row * 2 + 1] = scale;
        }
    }
}

#[cube(launch)]
fn backward_kernel(
    input: &Tensor<f32>,
    gamma: &Tensor<f32>,
    statistics: &Tensor<f32>,
    gradient: &Tensor<f32>,
    output: &mut Tensor<f32>,
    #[comptime] width: usize,
) {
    let mut shared = Shared::<[f32]>::new_slice(comptime![THREADS]);
    let row = CUBE_POS_Y as usize * comptime![MOST] + CUBE_POS_X as usize;
    let real = (row + 1) * width <= input.len();
    let row = select(real, row, 0usize);
    let from = row * width;
    let unit = UNIT_POS_X as usize;
    let mean = statistics[row * 2];
    let scale = statistics[row * 2 + 1];

    let mut sum = f32::new(0.0);
    let mut products = f32::new(0.0);
    let mut column = unit;
    while column < width {
        let slope = gradient[from + column] * gamma[column];
        sum += slope;
        products += slope * (input[from + column] - mean) * scale;
        column += comptime![THREADS];
    }
    let average = total(sum, &mut shared) / comptime![width as f32];
    let along = total(products, &mut shared) / comptime![width as f32];
    if real {
        column = unit;
        while column < width {
            let slope = gradient[from + column] * gamma[column];
            let normal = (input[from + column] - mean) * scale;
            output[from + column] = scale * (slope - average - normal * along);
            column += comptime![THREADS];
        }
    }
}

/// Sums over some rows each: gamma's gradients in the first half of `partial` [S, 2 D], beta's in the second.
#[cube(launch)]
fn columns_kernel(
    input: &Tensor<f32>,
    statistics: &Tensor<f32>,
    gradient: &Tensor<f32>,
    partial: &mut Tensor<f32>,
    rows: u32,
    #[comptime] width: usize,
) {
    let column = ABSOLUTE_POS_X as usize;
    if column < width {
        let first = CUBE_POS_Y as usize * comptime![ROWS];
        let mut for_gamma = f32::new(0.0);
        let mut for_beta = f32::new(0.0);
        for one in 0..comptime![ROWS] {
            let row = first + one;
            if row < rows as usize {
                let slope = gradient[row * width + column];
                for_gamma += slope * (input[row * width + column] - statistics[row * 2]) * statistics[row * 2 + 1];
                for_beta += slope;
            }
        }
        let place = CUBE_POS_Y as usize * comptime![2 * width];
        partial[place + column] = for_gamma;
        partial[place + width + column] = for_beta;
    }
}

/// The sums over all of `partial`'s rows [S, 2 D]: gamma's gradients [D], and beta's.
#[cube(launch)]
fn sums_kernel(partial: &Tensor<f32>, gamma: &mut Tensor<f32>, beta: &mut Tensor<f32>, #[comptime] width: usize) {
    let mut shared = Shared::<[f32]>::new_slice(comptime![COLUMNS * LANES]);
    let column = CUBE_POS_X as usize * comptime![COLUMNS] + UNIT_POS_X as usize;
    let mut sum = f32::new(0.0);
    if column < comptime![2 * width] {
        let mut at = UNIT_POS_Y as usize * comptime![2 * width] + column;
        while at < partial.len() {
            sum += partial[at];
            at += comptime![LANES * 2 * width];
        }
    }
    shared[(UNIT_POS_Y as usize * comptime![COLUMNS]) + UNIT_POS_X as usize] = sum;
    sync_cube();
    if UNIT_POS_Y == 0 && column < comptime![2 * width] {
        sum = f32::new(0.0);
        for lane in 0..comptime![LANES] {
            sum += shared[lane * comptime![COLUMNS] + UNIT_POS_X as usize];
        }
        if column < width {
            gamma[column] = sum;
        } else {
            beta[column - width] = sum;
        }
    }
}

fn empty(like: &CubeTensor, shape: Shape) -> CubeTensor {
    empty_device_dtype(like.client.clone(), like.device.clone(), shape, like.dtype)
}

fn rows_and_width(input: &CubeTensor) -> (usize, usize) {
    let shape = input.shape();
    let width = shape[shape.num_dims() - 1];
    (shape.num_elements() / width.max(1), width)
}

fn one_each(rows: usize) -> CubeCount {
    CubeCount::Static(rows.min(MOST) as u32, rows.div_ceil(MOST) as u32, 1)
}

/// The output, and [R, 2] mean and 1 / sqrt(variance + epsilon) of each row.
pub fn forward(input: CubeTensor, gamma: CubeTensor, beta: CubeTensor, epsilon: f32) -> (CubeTensor, CubeTensor) {
    let [input, gamma, beta] = [input, gamma, beta].map(into_contiguous);
    let (rows, width) = rows_and_width(&input);
    let output = empty(&input, input.shape());
    let statistics = empty(&input, Shape::new([rows, 2]));
    forward_kernel::launch(
        &input.client.clone(),
        one_each(rows),
        CubeDim::new_1d(THREADS as u32),
        input.into_tensor_arg(),
        gamma.into_tensor_arg(),
        beta.into_tensor_arg(),
        output.clone().into_tensor_arg(),
        statistics.clone().into_tensor_arg(),
        epsilon,
        width,
    );
    (output, statistics)
}

/// Gradients of input, gamma and beta.
pub fn backward(input: CubeTensor, gamma: CubeTensor, statistics: CubeTensor, gradient: CubeTensor) -> [CubeTensor; 3] {
    let [input, gamma, gradient] = [input, gamma, gradient].map(into_contiguous);
    let (rows, width) = rows_and_width(&input);
    let client = input.client.clone();
    let output = empty(&input, input.shape());
    backward_kernel::launch(
        &client,
        one_each(rows),
        CubeDim::new_1d(THREADS as u32),
        input.clone().into_tensor_arg(),
        gamma.into_tensor_arg(),
        statistics.clone().into_tensor_arg(),
        gradient.clone().into_tensor_arg(),
        output.clone().into_tensor_arg(),
        width,
    );
    let some = rows.div_ceil(ROWS);
    let partial = empty(&input, Shape::new([some, 2 * width]));
    columns_kernel::launch(
        &client,
        CubeCount::Static(width.div_ceil(THREADS) as u32, some as u32, 1),
        CubeDim::new_1d(THREADS as u32),
        input.into_tensor_arg(),
        statistics.into_tensor_arg(),
        gradient.into_tensor_arg(),
        partial.clone().into_tensor_arg(),
        rows as u32,
        width,
    );
    let [for_gamma, for_beta] = [(); 2].map(|()| empty(&output, Shape::new([width])));
    sums_kernel::launch(
        &client,
        CubeCount::Static((2 * width).div_ceil(COLUMNS) as u32, 1, 1),
        CubeDim::new_2d(COLUMNS as u32, LANES as u32),
        partial.into_tensor_arg(),
        for_gamma.clone().into_tensor_arg(),
        for_beta.clone().into_tensor_arg(),
        width,
    );
    [output, for_gamma, for_beta]
}
