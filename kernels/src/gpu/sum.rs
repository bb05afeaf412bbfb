//! What tokens were and what a layer adds to them, with its bias, one thread a number.

use burn::backend::TensorMetadata;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::element;

#[cube(launch)]
fn sum_kernel<F: Float>(
    product: &Tensor<F>,
    bias: &Tensor<f32>,
    before: &Tensor<f32>,
    sum: &mut Tensor<f32>,
    #[define(F)] _element: ElemType,
) {
    if ABSOLUTE_POS < sum.len() {
        let added = f32::cast_from(product[ABSOLUTE_POS]) + bias[ABSOLUTE_POS % bias.len()];
        sum[ABSOLUTE_POS] = added + before[ABSOLUTE_POS];
    }
}

/// [.., D], [D], [.., D] -> [.., D].
pub fn biased(product: CubeTensor, bias: CubeTensor, before: CubeTensor) -> CubeTensor {
    let [product, bias, before] = [product, bias, before].map(into_contiguous);
    let client = before.client.clone();
    let sum = empty_device_dtype(client.clone(), before.device.clone(), before.shape(), before.dtype);
    let count = before.shape().num_elements();
    let dim = CubeDim::new(&client, count);
    let element = element(&product);
    sum_kernel::launch(
        &client,
        calculate_cube_count_elemwise(&client, count, dim),
        dim,
        product.into_tensor_arg(),
        bias.into_tensor_arg(),
        before.into_tensor_arg(),
        sum.clone().into_tensor_arg(),
        element,
    );
    sum
}
