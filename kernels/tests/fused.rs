//! Each fused operation against the same made of operations that Burn differentiates itself, on random inputs.

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{DType, Device, Distribution, FloatDType, Gradients, Tensor};

use cliptune_kernels::squares::sum_of_squares;
use cliptune_kernels::update::{OwnRates, Rates, Update, update};
use cliptune_kernels::{biased_gelu, biased_sum, cross_entropy, layer_norm, projections, query_value_biased};

/// The CPU; the GPU that the driver offers where CLIPTUNE_DEVICE says `gpu`.
fn device() -> Device {
    match std::env::var("CLIPTUNE_DEVICE").as_deref() {
        Ok("gpu") => Device::wgpu(Default::default()),
        _ => Device::flex(),
    }
}

/// Of queries, keys and values, each [B, N, E].
fn attention(inputs: [Tensor<3>; 3], heads: usize) -> Tensor<3> {
    cliptune_kernels::attention(Tensor::cat(inputs.into(), 2), heads)
}

/// The same, of operations that Burn differentiates itself.
fn plain([query, key, value]: [Tensor<3>; 3], heads: usize) -> Tensor<3> {
    let [batch, tokens, width] = query.dims();
    let split = |tensor: Tensor<3>| tensor.reshape([batch, tokens, heads, width / heads]).swap_dims(1, 2);
    let scores = split(query).matmul(split(key).transpose()) / ((width / heads) as f32).sqrt();
    softmax(scores, 3).matmul(split(value)).swap_dims(1, 2).reshape([batch, tokens, width])
}

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.5), device)
}

fn assert_close<const D: usize>(one: Tensor<D>, other: Tensor<D>, within: f32, what: &str) {
    let apart = (one - other).abs().max().into_scalar::<f32>();
    assert!(apart < within, "{what}: {apart:e} apart");
}

/// The outputs of `one` and `other` for the same inputs, and the gradients of each input through a random weighting.
fn assert_same<const D: usize, const N: usize>(
    shape: [usize; D],
    one: impl Fn([Tensor<D>; N]) -> Tensor<D>,
    other: impl Fn([Tensor<D>; N]) -> Tensor<D>,
    what: &str,
) {
    let device = device().autodiff();
    let inputs: [Tensor<D>; N] = std::array::from_fn(|_| random(shape, &device).require_grad());
    let weights = random(shape, &device);
    let [one, other] = [one(inputs.clone()), other(inputs.clone())];
    assert_close(one.clone(), other.clone(), 2e-5, what);
    let gradients = |output: Tensor<D>| -> Gradients { (output * weights.clone()).sum().backward() };
    let [one, other] = [gradients(one), gradients(other)];
    for (index, input) in inputs.iter().enumerate() {
        let of = |gradients: &Gradients| input.grad(gradients).unwrap();
        assert_close(of(&one), of(&other), 3e-5, &format!("{what}, gradient {index}"));
    }
}

#[test]
fn fused_attention_is_the_plain_one_in_value_and_gradients() {
    for (batch, tokens, heads, head_width) in
        [(1, 1, 1, 8), (2, 7, 3, 32), (3, 64, 2, 17), (2, 129, 4, 24), (2, 65, 2, 36), (1, 70, 2, 64), (1, 400, 1, 96)]
    {
        let shape = [batch, tokens, heads * head_width];
        let what = format!("{batch} clips of {tokens} tokens, {heads} heads of {head_width}");
        assert_same(shape, |inputs| attention(inputs, heads), |inputs| plain(inputs, heads), &what);
    }
}

/// Numbers kept as f16 are computed with as f32: each result is as near as its inputs and itself can be rounded.
#[test]
fn operations_on_numbers_of_16_bits_are_those_on_32_rounded() {
    let device = device().autodiff();
    if !device.supports_dtype(DType::F16) {
        eprintln!("This device has no f16.");
        return;
    }
    for (tokens, heads, head_width) in [(70, 2, 64), (9, 3, 17), (33, 1, 36)] {
        let shape = [2, tokens, heads * head_width];
        // What f16 holds exactly.
        let inputs = [0, 1, 2].map(|_| (random(shape, &device) * 64.0).round() / 64.0);
        let weights = (random(shape, &device) * 64.0).round() / 64.0;
        let compute = |dtype: FloatDType| {
            let inputs = inputs.clone().map(Tensor::require_grad);
            let [query, key, value] = inputs.clone().map(|input| input.cast(dtype));
            let output = biased_gelu(attention([query, key, value], heads), Tensor::full([shape[2]], 0.25, &device));
            assert_eq!(output.dtype(), DType::from(dtype));
            let gradients = (output.clone().cast(FloatDType::F32) * weights.clone()).sum().backward();
            (output.cast(FloatDType::F32), inputs.map(|input| input.grad(&gradients).unwrap()))
        };
        let [(full, of_full), (half, of_half)] = [FloatDType::F32, FloatDType::F16].map(compute);
        assert_close(half, full, 8e-3, "the output");
        for (half, full) in of_half.into_iter().zip(of_full) {
            assert_close(half, full, 2e-2, "a gradient");
        }
    }
}

/// e^score of none of them is a number that f32 has: too small for the keys that there are, too large for those behind them.
#[test]
fn scores_far_below_zero_are_weighed_as_any() {
    let device = device().autodiff();
    let inputs = || {
        let query = Tensor::full([1, 9, 64], 5.0, &device);
        let key = random([1, 9, 64], &device) * 0.01 - 5.0;
        [query, key, random([1, 9, 64], &device)].map(Tensor::require_grad)
    };
    let inputs = inputs();
    let gradients = |output: Tensor<3>| (output.clone() * output).sum().backward();
    let [one, other] = [gradients(attention(inputs.clone(), 1)), gradients(plain(inputs.clone(), 1))];
    for (input, name) in inputs.iter().zip(["query", "key", "value"]) {
        assert_close(input.grad(&one).unwrap(), input.grad(&other).unwrap(), 5e-3, name);
    }
}

#[test]
fn projections_are_three_products_in_value_and_gradients() {
    let device = device().autodiff();
    for (rows, width, out) in [(1, 4, 4), (7, 5, 3), (70, 24, 32)] {
        let tokens = random([2, rows, width], &device).require_grad();
        let weights = [0, 1, 2].map(|_| random([width, out], &device).require_grad());
        let biases = [0, 1].map(|_| random([out], &device).require_grad());
        let one = query_value_biased(projections(tokens.clone(), weights.clone()), biases.clone());
        let product = |which: usize| tokens.clone().matmul(weights[which].clone().unsqueeze());
        let [query, value] = biases.clone().map(|bias| bias.reshape([1, 1, out]));
        let other = Tensor::cat(vec![product(0) + query, product(1), product(2) + value], 2);
        assert_close(one.clone(), other.clone(), 3e-5, "the projections");
        let towards = random([2, rows, 3 * out], &device);
        let [one, other] = [one, other].map(|output| (output * towards.clone()).sum().backward());
        assert_close(tokens.grad(&one).unwrap(), tokens.grad(&other).unwrap(), 1e-4, "the tokens' gradient");
        for weight in &weights {
            assert_close(weight.grad(&one).unwrap(), weight.grad(&other).unwrap(), 3e-4, "a weight's gradient");
        }
        for bias in &biases {
            assert_close(bias.grad(&one).unwrap(), bias.grad(&other).unwrap(), 2e-4, "a bias's gradient");
        }
    }
}

#[test]
fn projections_whose_weights_are_frozen_pass_the_tokens_gradient_on() {
    let device = device().autodiff();
    let tokens = random([1, 6, 8], &device).require_grad();
    let [query, key, value] = [0, 1, 2].map(|_| random([8, 8], &device));
    let key = key.require_grad();
    let gradients = projections(tokens.clone(), [query.clone(), key.clone(), value]).sum().backward();
    assert!(tokens.grad(&gradients).is_some() && key.grad(&gradients).is_some() && query.grad(&gradients).is_none());
}

#[test]
fn fused_attention_takes_tensors_that_are_views_of_others() {
    let device = device();
    let whole = random([3, 5, 16], &device);
    let view = whole.swap_dims(0, 1).slice([1..4, 0..2, 0..12]);
    let third = |from: usize| view.clone().slice([0..3, 0..2, from..from + 4]);
    let inputs = [third(0), third(4), third(8)];
    assert_close(cliptune_kernels::attention(view.clone(), 2), plain(inputs, 2), 5e-6, "a view");
}

/// Three clips' scores are too many for a buffer that every GPU allows.
#[test]
fn each_clip_of_many_tokens_gets_the_gradient_that_it_gets_alone() {
    let device = device().autodiff();
    let (tokens, heads) = (2100, 4);
    let gradients = |inputs: [Tensor<3>; 3]| -> [Tensor<3>; 3] {
        let inputs = inputs.map(Tensor::require_grad);
        let output = attention(inputs.clone(), heads);
        let found = (output.clone() * output).sum().backward();
        inputs.map(|input| input.grad(&found).unwrap())
    };
    let inputs = [0, 1, 2].map(|_| random([3, tokens, 16], &device));
    let all = gradients(inputs.clone());
    for clip in 0..3 {
        let alone = gradients(inputs.clone().map(|input| input.slice([clip..clip + 1])));
        for (all, alone) in all.iter().zip(alone) {
            assert_close(all.clone().slice([clip..clip + 1]), alone, 1e-6, &format!("clip {clip}"));
        }
    }
}

#[test]
fn only_inputs_that_ask_for_gradients_get_them() {
    let device = device().autodiff();
    let [query, key, value] = [0, 1, 2].map(|_| random([1, 6, 8], &device));
    let key = key.require_grad();
    let gradients = attention([query.clone(), key.clone(), value.clone()], 2).sum().backward();
    assert!(key.grad(&gradients).is_some());
    assert!(query.grad(&gradients).is_none() && value.grad(&gradients).is_none());
}

#[test]
fn fused_gelu_is_the_plain_one_in_value_and_gradients() {
    let device = device().autodiff();
    let input: Tensor<3> = random([4, 33, 5], &device).require_grad();
    let bias: Tensor<1> = random([5], &device).require_grad();
    let weights = random([4, 33, 5], &device);
    // Not Burn's own: on the GPU its gradient is the tanh form's, which is 3e-3 off.
    let moved = input.clone() + bias.clone().reshape([1, 1, 5]);
    let plain = moved.clone() * ((moved / 2f32.sqrt()).erf() + 1.0) * 0.5;
    let fused = biased_gelu(input.clone(), bias.clone());
    assert_close(fused.clone(), plain.clone(), 2e-6, "gelu");
    let [one, other] = [fused, plain].map(|output| (output * weights.clone()).sum().backward());
    assert_close(input.grad(&one).unwrap(), input.grad(&other).unwrap(), 1e-5, "the input's gradient");
    assert_close(bias.grad(&one).unwrap(), bias.grad(&other).unwrap(), 1e-4, "the bias's gradient");
}

#[test]
fn a_sum_with_a_bias_is_two_sums_in_value_and_gradients() {
    let device = device().autodiff();
    for kept_as in [FloatDType::F32, FloatDType::F16] {
        let [product, before]: [Tensor<3>; 2] = [0, 1].map(|_| random([4, 33, 5], &device).require_grad());
        let bias: Tensor<1> = random([5], &device).require_grad();
        let weights = random([4, 33, 5], &device);
        let kept = || product.clone().cast(kept_as);
        let fused = biased_sum(kept(), bias.clone(), before.clone());
        let plain = kept().cast(FloatDType::F32) + bias.clone().reshape([1, 1, 5]) + before.clone();
        assert_close(fused.clone(), plain.clone(), 1e-6, "the sum");
        let [one, other] = [fused, plain].map(|output| (output * weights.clone()).sum().backward());
        for (tensor, what) in [(&product, "the product's gradient"), (&before, "that of what was before")] {
            assert_close(tensor.grad(&one).unwrap(), tensor.grad(&other).unwrap(), 1e-6, what);
        }
        assert_close(bias.grad(&one).unwrap(), bias.grad(&other).unwrap(), 1e-4, "the bias's gradient");
    }
}

#[test]
fn cross_entropy_is_the_plain_one_in_value_and_gradient() {
    let device = device().autodiff();
    for (clips, classes, spread) in [(1, 2, 1.0), (3, 1, 1.0), (8, 64, 1.0), (5, 700, 1.0), (4, 65, 60.0)] {
        let logits: Tensor<2> = (random([clips, classes], &device) * spread).require_grad();
        // As with mixed labels and weighted classes, no row sums to 1.
        let targets = random([clips, classes], &device).abs();
        let one = cross_entropy(logits.clone(), targets.clone());
        let other = (log_softmax(logits.clone(), 1) * targets).sum().neg() / clips as f32;
        let what = format!("{clips} clips of {classes} classes");
        let size = other.clone().abs().into_scalar::<f32>();
        assert_close(one.clone(), other.clone(), 1e-5 * size.max(1.0), &what);
        let [one, other] = [one, other].map(|loss| logits.grad(&(loss * 3.0).backward()).unwrap());
        let largest = other.clone().abs().max().into_scalar::<f32>();
        assert_close(one, other, 1e-5 * largest.max(1.0), &format!("{what}, the gradient"));
    }
}

#[test]
fn a_step_of_adamw_is_the_formula_for_each_of_many_parameters() {
    let device = device();
    let rates = Rates { keep_first: 0.9, take_first: 0.1, keep_second: 0.999, take_second: 0.001, epsilon: 1e-8 };
    let lengths = [1, 70_001, 257, 64, 1000, 64, 511, 3, 300, 2, 40_000, 65, 66];
    let (mut updates, mut expected) = (Vec::new(), Vec::new());
    for (index, length) in lengths.into_iter().enumerate() {
        let [value, first, gradient] = [0, 1, 2].map(|_| random([length], &device));
        let second = random([length], &device).abs();
        let (share, slope) = (index as f32 / 100.0, gradient.clone() * 0.25);
        let own = OwnRates { root_correction: 0.05 + share, decay: 0.98 - share, length: 0.02 + share };
        let moments = Tensor::cat(vec![first.clone(), second.clone()], 0);
        updates.push(Update { value: value.clone(), moments, gradient, rates: own });

        let mean = first * 0.9 + slope.clone() * 0.1;
        let square = second * 0.999 + slope.clone() * slope * 0.001;
        let step = mean.clone() / (square.clone().sqrt() / own.root_correction + 1e-8) * own.length;
        expected.push([value * own.decay - step, Tensor::cat(vec![mean, square], 0)]);
    }
    let after = update(updates, Tensor::from_floats([0.25f32], &device), rates);
    assert_eq!(after.len(), lengths.len());
    for ((after, expected), length) in after.into_iter().zip(expected).zip(lengths) {
        let ([value, moments], [expected_value, expected_moments]) = (after, expected);
        assert_close(value, expected_value, 1e-6, &format!("the value of {length}"));
        assert_close(moments, expected_moments, 1e-6, &format!("the moments of {length}"));
    }
}

#[test]
fn a_step_of_adamw_leaves_tensors_that_others_read_and_all_where_the_scale_is_0() {
    let device = device();
    let rates = Rates { keep_first: 0.9, take_first: 0.1, keep_second: 0.999, take_second: 0.001, epsilon: 1e-8 };
    let own = OwnRates { root_correction: 0.05, decay: 0.98, length: 0.02 };
    let [value, moments, gradient] = [1000, 2000, 1000].map(|length| random([length], &device));
    let before = [&value, &moments].map(Tensor::to_data);
    for scale in [0.0f32, 0.25] {
        let one = Update { value: value.clone(), moments: moments.clone(), gradient: gradient.clone(), rates: own };
        let after = update(vec![one], Tensor::from_floats([scale], &device), rates);
        assert_eq!(before, [&value, &moments].map(Tensor::to_data), "they are still read here");
        let same = after.iter().flatten().map(Tensor::to_data).eq(before.clone());
        assert_eq!(same, scale == 0.0);
    }
}

#[test]
fn the_squares_of_many_tensors_are_summed() {
    let device = device();
    let lengths = [1, 7, 64, 511, 513, 40_000, 600_001];
    let tensors = lengths.map(|length| random([length], &device));
    let sum = sum_of_squares(tensors.to_vec(), &device);
    let expected: f64 = tensors
        .into_iter()
        .flat_map(|tensor| tensor.into_data().iter::<f64>().collect::<Vec<_>>())
        .map(|value| value * value)
        .sum();
    let sum = f64::from(sum.into_scalar::<f32>());
    assert!((sum / expected - 1.0).abs() < 1e-6, "{sum} instead of {expected}");
}

#[test]
fn fused_layer_norm_is_the_plain_one_in_value_and_gradients() {
    for (rows, width) in [(1, 1), (3, 7), (40, 64), (129, 96), (5, 768)] {
        let device = device().autodiff();
        let epsilon = 1e-5;
        let input: Tensor<3> = random([2, rows, width], &device).require_grad();
        let [gamma, beta] = [0, 1].map(|_| random([width], &device).require_grad());
        let weights = random([2, rows, width], &device);
        let one = layer_norm(input.clone(), gamma.clone(), beta.clone(), epsilon);
        let moved = input.clone() - input.clone().mean_dim(2);
        let spread = (moved.clone() * moved.clone()).mean_dim(2) + epsilon;
        let other = moved / spread.sqrt() * gamma.clone().reshape([1, 1, width]) + beta.clone().reshape([1, 1, width]);
        let what = format!("{rows} rows of {width}");
        assert_close(one.clone(), other.clone(), 1e-5, &what);
        let [one, other] = [one, other].map(|output| (output * weights.clone()).sum().backward());
        assert_close(
            input.grad(&one).unwrap(),
            input.grad(&other).unwrap(),
            2e-4,
            &format!("{what}, the input's gradient"),
        );
        for (name, tensor) in [("gamma", &gamma), ("beta", &beta)] {
            assert_close(
                tensor.grad(&one).unwrap(),
                tensor.grad(&other).unwrap(),
                2e-4,
                &format!("{what}, {name}'s gradient"),
            );
        }
    }
}
