//! x * Phi(x) and its slope, one thread a number.

use burn::backend::TensorMetadata;
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
fn forward_kernel<F: Float>(input: &Tensor<F>, output: &mut Tensor<F>, #[define(F)] _element: ElemType) {
    if ABSOLUTE_POS < output.len() {
        let x = f32::cast_from(input[ABSOLUTE_POS]);
        output[ABSOLUTE_POS] = F::cast_from(x * phi(x));
    }
}

#[cube(launch)]
fn backward_kernel<F: Float>(
    input: &Tensor<F>,
    gradient: &Tensor<F>,
    output: &mut Tensor<F>,
    #[define(F)] _element: ElemType,
) {
    if ABSOLUTE_POS < output.len() {
        let x = f32::cast_from(input[ABSOLUTE_POS]);
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

pub fn forward(input: CubeTensor) -> CubeTensor {
    let input = into_contiguous(input);
    let (output, count, dim) = like(&input);
    let element = element(&input);
    forward_kernel::launch(
        &input.client.clone(),
        count,
        dim,
        input.into_tensor_arg(),
        output.clone().into_tensor_arg(),
        element,
    );
    output
}

pub fn backward(input: CubeTensor, gradient: CubeTensor) -> CubeTensor {
    let [input, gradient] = [input, gradient].map(into_contiguous);
    let (output, count, dim) = like(&input);
    let element = element(&input);
    backward_kernel::launch(
        &input.client.clone(),
        count,
        dim,
        input.into_tensor_arg(),
        gradient.into_tensor_arg(),
        output.clone().into_tensor_arg(),
        element,
    );
    output
}
