//! AdamW's step, one thread a number, in one launch a parameter.

use burn::backend::TensorMetadata;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;

use super::owned;
use crate::update::Rates;

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are scalars and tensors")]
fn update_kernel(
    value: &mut Tensor<f32>,
    first: &mut Tensor<f32>,
    second: &mut Tensor<f32>,
    gradient: &Tensor<f32>,
    scale: &Tensor<f32>,
    keep_first: f32,
    take_first: f32,
    keep_second: f32,
    take_second: f32,
    root_correction: f32,
    epsilon: f32,
    decay: f32,
    length: f32,
) {
    if ABSOLUTE_POS < gradient.len() && scale[0] != 0.0 {
        let slope = gradient[ABSOLUTE_POS] * scale[0];
        let mean = first[ABSOLUTE_POS] * keep_first + slope * take_first;
        let square = second[ABSOLUTE_POS] * keep_second + slope * slope * take_second;
        let spread = square.sqrt() / root_correction + epsilon;
        first[ABSOLUTE_POS] = mean;
        second[ABSOLUTE_POS] = square;
        value[ABSOLUTE_POS] = value[ABSOLUTE_POS] * decay - mean / spread * length;
    }
}

pub fn update(changed: [CubeTensor; 3], gradient: CubeTensor, scale: CubeTensor, rates: Rates) -> [CubeTensor; 3] {
    let [value, first, second] = changed.map(owned);
    let gradient = into_contiguous(gradient);
    let client = gradient.client.clone();
    let count = gradient.shape().num_elements();
    let dim = CubeDim::new(&client, count);
    update_kernel::launch(
        &client,
        calculate_cube_count_elemwise(&client, count, dim),
        dim,
        value.clone().into_tensor_arg(),
        first.clone().into_tensor_arg(),
        second.clone().into_tensor_arg(),
        gradient.into_tensor_arg(),
        scale.into_tensor_arg(),
        rates.keep_first,
        rates.take_first,
        rates.keep_second,
        rates.take_second,
        rates.root_correction,
        rates.epsilon,
        rates.decay,
        rates.length,
    );
    [value, first, second]
}
