//! AdamW's step, one thread a number: a row of workgroups for each parameter, and a launch for some parameters at a time.

use burn::backend::TensorMetadata;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{owned, tensors_at_once};
use crate::update::{OwnRates, Rates};

const THREADS: u32 = 256;
/// Workgroups of a parameter, at most: what every WebGPU device does in a launch. More numbers are more for each thread.
const WORKGROUPS: u32 = 65_535;

#[derive(CubeType, CubeLaunch)]
struct Parameter {
    value: OwnedTensor<f32>,
    moments: OwnedTensor<f32>,
    gradient: OwnedTensor<f32>,
    root_correction: f32,
    decay: f32,
    length: f32,
}

#[derive(CubeType, CubeLaunch)]
struct SharedRates {
    keep_first: f32,
    take_first: f32,
    keep_second: f32,
    take_second: f32,
    epsilon: f32,
}

#[cube]
fn step(parameter: &mut Parameter, scale: f32, rates: &SharedRates) {
    let count = parameter.gradient.len();
    let mut at = ABSOLUTE_POS_X as usize;
    while at < count {
        let slope = parameter.gradient[at] * scale;
        let mean = parameter.moments[at] * rates.keep_first + slope * rates.take_first;
        let square = parameter.moments[count + at] * rates.keep_second + slope * slope * rates.take_second;
        let spread = square.sqrt() / parameter.root_correction + rates.epsilon;
        parameter.moments[at] = mean;
        parameter.moments[count + at] = square;
        parameter.value[at] = parameter.value[at] * parameter.decay - mean / spread * parameter.length;
        at += CUBE_COUNT_X as usize * CUBE_DIM_X as usize;
    }
}

#[cube(launch)]
fn update_kernel(parameters: &mut Sequence<Parameter>, scale: &Tensor<f32>, rates: &SharedRates) {
    if scale[0] != 0.0 {
        #[unroll]
        for which in 0..parameters.len() {
            if CUBE_POS_Y as usize == which {
                step(&mut parameters[which], scale[0], rates);
            }
        }
    }
}

/// Values, moments and gradients -> values and moments after the step.
pub fn update(
    [values, moments, gradients]: [Vec<CubeTensor>; 3],
    own_rates: Vec<OwnRates>,
    scale: CubeTensor,
    rates: Rates,
) -> (Vec<CubeTensor>, Vec<CubeTensor>) {
    let [values, moments] = [values, moments].map(|tensors| tensors.into_iter().map(owned).collect::<Vec<_>>());
    let of_parameters = values.iter().zip(&moments).zip(gradients.into_iter().zip(own_rates));
    let mut parameters: Vec<_> = of_parameters
        .map(|((value, moments), (gradient, own))| (value.shape().num_elements(), value, moments, gradient, own))
        .collect();
    // As many workgroups are started for each of a launch's parameters as for its largest.
    parameters.sort_by_key(|parameter| parameter.0);
    let client = scale.client.clone();
    let at_once = (tensors_at_once(&client) - 1) / 3;
    while !parameters.is_empty() {
        let some = parameters.split_off(parameters.len().saturating_sub(at_once));
        let largest = some.iter().map(|parameter| parameter.0).max().unwrap_or(0);
        let workgroups = u32::try_from(largest).unwrap_or(u32::MAX).div_ceil(THREADS).clamp(1, WORKGROUPS);
        let cubes = CubeCount::Static(workgroups, some.len() as u32, 1);
        let mut arguments = SequenceArg::new();
        for (_, value, moments, gradient, own) in some {
            arguments.push(ParameterLaunch::new(
                value.clone().into_tensor_arg(),
                moments.clone().into_tensor_arg(),
                into_contiguous(gradient).into_tensor_arg(),
                own.root_correction,
                own.decay,
                own.length,
            ));
        }
        let shared = SharedRatesLaunch::new(
            rates.keep_first,
            rates.take_first,
            rates.keep_second,
            rates.take_second,
            rates.epsilon,
        );
        let scale = scale.clone().into_tensor_arg();
        update_kernel::launch(&client, cubes, CubeDim::new_1d(THREADS), arguments, scale, shared);
    }
    (values, moments)
}
