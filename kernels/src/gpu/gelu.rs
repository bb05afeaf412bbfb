//! x * Phi(x) of numbers to which a bias is added, and its slope, one thread a number.

use burn::backend::ops::FloatTensorOps;
use burn::backend::{Cube, TensorMetadata};
use burn::tensor::{FloatDType, Shape};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::element;

#[cube]
fn phi(x: f32) -> f32 {
    0.5f32 + 0.5f32 * Erf::erf(x * std::f32::consts::FRAC_1_SQRT_2)
}

#[cube(launch)]
fn forward_kernel<F: Float>(
    input: &Tensor<F>,
    bias: &Tensor<f32>,
    output: &mut Tensor<F>,
    #[define(F)] _element: ElemType,
) {
    if ABSOLUTE_POS < output.len() {
        let x = f32::cast_from(input[ABSOLUTE_POS]) + bias[ABSOLUTE_POS % bias.len()];
        output[ABSOLUTE_POS] = F::cast_from(x * phi(x));
    }
}

#[cube(launch)]
fn backward_kernel<F: Float>(
    input: &Tensor<F>,
    bias: &Tensor<f32>,
    gradient: &Tensor<F>,
    output: &mut Tensor<F>,
    #[define(F)] _element: ElemType,
) {
    if ABSOLUTE_POS < output.len() {
        let x = f32::cast_from(input[ABSOLUTE_POS]) + bias[ABSOLUTE_POS % bias.len()];
        // 1 / sqrt(2 pi).
        let density = 0.398_942_3f32 * (-0.5f32 * x * x).exp();
        output[ABSOLUTE_POS] = F::cast_from(f32::cast_from(gradient[ABSOLUTE_POS]) * (phi(x) + x * density));
    }
}

/// An empty tensor like this one, and how many threads write it.
fn like(tensor: &CubeTensor) -> (CubeTensor, CubeCount, CubeDim) {
    let output = empty_device_dtype(tensor.client.clone(), tensor.device.clone(), tensor.shape(), tensor.dtype);
    let count = tensor.shape().num_elements();
    let dim = CubeDim::new(&tensor.client, count);
    (output, calculate_cube_count_elemwise(&tensor.client, count, dim), dim)
}

pub fn forward(input: CubeTensor, bias: CubeTensor) -> CubeTensor {
    let [input, bias] = [input, bias].map(into_contiguous);
    let (output, count, dim) = like(&input);
    let element = element(&input);
    forward_kernel::launch(
        &input.client.clone(),
        count,
        dim,
        input.into_tensor_arg(),
        bias.into_tensor_arg(),
        output.clone().into_tensor_arg(),
        element,
    );
    output
}

/// Gradients of input and bias.
pub fn backward(input: CubeTensor, bias: CubeTensor, gradient: CubeTensor) -> [CubeTensor; 2] {
    let [input, bias, gradient] = [input, bias, gradient].map(into_contiguous);
    let (output, count, dim) = like(&input);
    let (element, shape) = (element(&input), bias.shape());
    backward_kernel::launch(
        &input.client.clone(),
        count,
        dim,
        input.into_tensor_arg(),
        bias.into_tensor_arg(),
        gradient.into_tensor_arg(),
        output.clone().into_tensor_arg(),
        element,
    );
    let width = shape.num_elements();
    let rows = Shape::new([output.shape().num_elements() / width.max(1), width]);
    let rows = Cube::float_cast(Cube::float_reshape(output.clone(), rows), FloatDType::F32);
    [output, Cube::float_reshape(Cube::float_sum_dim(rows, 0), shape)]
}
