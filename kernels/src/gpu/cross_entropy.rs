//! Cross-entropy and its slope, a workgroup a clip.

use burn::backend::ops::FloatTensorOps;
use burn::backend::{Cube, TensorMetadata};
use burn::tensor::Shape;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::total::{THREADS, largest, total};

/// A clip's share of the mean loss, and the slope of that for each of its logits.
#[cube(launch)]
fn cross_entropy_kernel(
    logits: &Tensor<f32>,
    targets: &Tensor<f32>,
    shares: &mut Tensor<f32>,
    slopes: &mut Tensor<f32>,
    #[comptime] classes: usize,
) {
    let mut shared = Shared::<[f32]>::new_slice(comptime![THREADS]);
    let from = CUBE_POS_X as usize * classes;
    let unit = UNIT_POS_X as usize;

    let mut most = logits[from];
    let mut class = unit;
    while class < classes {
        most = max(most, logits[from + class]);
        class += comptime![THREADS];
    }
    let most = largest(most, &mut shared);
    let mut sum = f32::new(0.0);
    let mut wanted = f32::new(0.0);
    class = unit;
    while class < classes {
        sum += (logits[from + class] - most).exp();
        wanted += targets[from + class];
        class += comptime![THREADS];
    }
    let log_sum = most + total(sum, &mut shared).ln();
    let wanted = total(wanted, &mut shared);

    let clips = CUBE_COUNT_X as f32;
    let mut loss = f32::new(0.0);
    class = unit;
    while class < classes {
        let below = log_sum - logits[from + class];
        let target = targets[from + class];
        loss += below * target;
        slopes[from + class] = ((-below).exp() * wanted - target) / clips;
        class += comptime![THREADS];
    }
    let loss = total(loss, &mut shared);
    if unit == 0 {
        shares[CUBE_POS_X as usize] = loss / clips;
    }
}

/// [B, K], [B, K] -> the loss [1], and its slope for each of the logits.
pub fn with_slopes(logits: CubeTensor, targets: CubeTensor) -> [CubeTensor; 2] {
    let [logits, targets] = [logits, targets].map(into_contiguous);
    let [clips, classes] = logits.shape().dims();
    let empty = |shape| empty_device_dtype(logits.client.clone(), logits.device.clone(), shape, logits.dtype);
    let (shares, slopes) = (empty(Shape::new([clips])), empty(logits.shape()));
    cross_entropy_kernel::launch(
        &logits.client.clone(),
        CubeCount::Static(clips as u32, 1, 1),
        CubeDim::new_1d(THREADS as u32),
        logits.into_tensor_arg(),
        targets.into_tensor_arg(),
        shares.clone().into_tensor_arg(),
        slopes.clone().into_tensor_arg(),
        classes,
    );
    [Cube::float_sum(shares), slopes]
}
