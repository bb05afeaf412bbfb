//! Three matrices side by side, so that one product does for queries, keys and values; and the biases of two of them.

use burn::backend::TensorMetadata;
use burn::tensor::{DType, Shape};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::{element, owned};

/// Three times [D, E] -> [D, 3 E].
#[cube(launch)]
fn side_by_side_kernel<F: Float>(
    query: &Tensor<f32>,
    key: &Tensor<f32>,
    value: &Tensor<f32>,
    joined: &mut Tensor<F>,
    width: u32,
    #[define(F)] _element: ElemType,
) {
    if ABSOLUTE_POS < query.len() {
        let width = width as usize;
        let place = ABSOLUTE_POS / width * 3 * width + ABSOLUTE_POS % width;
        joined[place] = F::cast_from(query[ABSOLUTE_POS]);
        joined[place + width] = F::cast_from(key[ABSOLUTE_POS]);
        joined[place + 2 * width] = F::cast_from(value[ABSOLUTE_POS]);
    }
}

/// [D, 3 E] -> three times [D, E].
#[cube(launch)]
fn apart_kernel<F: Float>(
    joined: &Tensor<F>,
    query: &mut Tensor<f32>,
    key: &mut Tensor<f32>,
    value: &mut Tensor<f32>,
    width: u32,
    #[define(F)] _element: ElemType,
) {
    if ABSOLUTE_POS < query.len() {
        let width = width as usize;
        let place = ABSOLUTE_POS / width * 3 * width + ABSOLUTE_POS % width;
        query[ABSOLUTE_POS] = f32::cast_from(joined[place]);
        key[ABSOLUTE_POS] = f32::cast_from(joined[place + width]);
        value[ABSOLUTE_POS] = f32::cast_from(joined[place + 2 * width]);
    }
}

/// [R, 3 E] with [E] added to the first third, and [E] to the last.
#[cube(launch)]
fn biases_kernel<F: Float>(
    projected: &mut Tensor<F>,
    query: &Tensor<f32>,
    value: &Tensor<f32>,
    #[define(F)] _element: ElemType,
) {
    let width = query.len();
    let row = ABSOLUTE_POS / (2 * width);
    let column = ABSOLUTE_POS % (2 * width);
    let place = row * 3 * width + select(column < width, column, column + width);
    if place < projected.len() {
        let bias = if column < width { query[column] } else { value[column - width] };
        projected[place] = F::cast_from(f32::cast_from(projected[place]) + bias);
    }
}

pub fn side_by_side(weights: [CubeTensor; 3], kept_as: DType) -> CubeTensor {
    let [query, key, value] = weights.map(into_contiguous);
    let [rows, width] = query.shape().dims();
    let client = query.client.clone();
    let joined = empty_device_dtype(client.clone(), query.device.clone(), Shape::new([rows, 3 * width]), kept_as);
    let dim = CubeDim::new(&client, rows * width);
    let element = element(&joined);
    side_by_side_kernel::launch(
        &client,
        calculate_cube_count_elemwise(&client, rows * width, dim),
        dim,
        query.into_tensor_arg(),
        key.into_tensor_arg(),
        value.into_tensor_arg(),
        joined.clone().into_tensor_arg(),
        width as u32,
        element,
    );
    joined
}

pub fn apart(joined: CubeTensor) -> [CubeTensor; 3] {
    let joined = into_contiguous(joined);
    let [rows, columns] = joined.shape().dims();
    let (client, width) = (joined.client.clone(), columns / 3);
    let shape = Shape::new([rows, width]);
    let all = [(); 3].map(|()| empty_device_dtype(client.clone(), joined.device.clone(), shape.clone(), DType::F32));
    let [query, key, value] = all.clone();
    let dim = CubeDim::new(&client, rows * width);
    let element = element(&joined);
    apart_kernel::launch(
        &client,
        calculate_cube_count_elemwise(&client, rows * width, dim),
        dim,
        joined.into_tensor_arg(),
        query.into_tensor_arg(),
        key.into_tensor_arg(),
        value.into_tensor_arg(),
        width as u32,
        element,
    );
    all
}

pub fn add_biases(projected: CubeTensor, biases: [CubeTensor; 2]) -> CubeTensor {
    let projected = owned(projected);
    let [query, value] = biases.map(into_contiguous);
    let client = projected.client.clone();
    let count = projected.shape().num_elements() / 3 * 2;
    let dim = CubeDim::new(&client, count);
    let element = element(&projected);
    biases_kernel::launch(
        &client,
        calculate_cube_count_elemwise(&client, count, dim),
        dim,
        projected.clone().into_tensor_arg(),
        query.into_tensor_arg(),
        value.into_tensor_arg(),
        element,
    );
    projected
}
