//! What we write is what the format demands, and what we read back.

use std::collections::BTreeMap;

use cliptune::tensors::{NumberFormat, SafetensorsWriter, StoredTensor};

use super::*;

fn shapes() -> Vec<(String, Vec<usize>)> {
    [("b.weight", vec![2, 3]), ("empty", vec![0]), ("a.bias", vec![3]), ("scalar", vec![])]
        .map(|(name, shape)| (name.to_string(), shape))
        .to_vec()
}

fn write(format: NumberFormat, pieces: &[&[f32]]) -> Result<FileSource, TensorsError> {
    let metadata = BTreeMap::from([("step".to_string(), "7".to_string())]);
    let mut writer = ready(SafetensorsWriter::start(&shapes(), format, &metadata))?;
    for piece in pieces {
        ready(writer.write(piece))?;
    }
    ready(writer.finish())
}

/// Ten values that f32 holds, in the order of [`shapes`]; the smallest and the largest, too.
const VALUES: [f32; 10] = [0.1, -0.0, 1e-45, f32::MIN_POSITIVE, f32::MAX, f32::MIN, 1.0 / 3.0, 7.0, -2.5, 1e-10];

#[test]
fn a_written_file_is_read_back_bit_by_bit_however_it_was_cut() {
    let whole = write(NumberFormat::F32, &[&VALUES]).unwrap();
    for cut in 0..VALUES.len() {
        let (first, second) = VALUES.split_at(cut);
        let file = write(NumberFormat::F32, &[first, &[], second]).unwrap();
        assert_eq!(ready(file.read_all()).unwrap(), ready(whole.read_all()).unwrap());
    }
    let files = ready(TensorFiles::open_safetensors("model.safetensors", &whole)).unwrap();
    assert_eq!(bits(&read(&files, "b.weight").unwrap()), bits(&VALUES[..6]));
    assert_eq!(bits(&read(&files, "a.bias").unwrap()), bits(&VALUES[6..9]));
    assert_eq!(bits(&read(&files, "scalar").unwrap()), bits(&VALUES[9..]));
    for (name, shape) in shapes() {
        assert_eq!(files.get(&name).map(|StoredTensor { shape, .. }| shape), Some(&shape));
    }
    let expected = [("format", "pt"), ("step", "7")].map(|(key, value)| (key.to_string(), value.to_string()));
    assert_eq!(files.metadata(), &BTreeMap::from(expected));
}

#[test]
fn the_numbers_start_where_eight_divides_and_follow_the_given_order() {
    let bytes = ready(write(NumberFormat::F32, &[&VALUES]).unwrap().read_all()).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    assert!(header.is_multiple_of(8) && bytes[8] == b'{');
    let numbers: Vec<_> = VALUES.iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(bytes[8 + header..], numbers);
}

#[test]
fn the_micro_model_written_anew_is_the_micro_model() {
    let original = ready(TensorFiles::open(&folder(&micro("model")))).unwrap();
    for (format, round) in [
        (NumberFormat::F32, (|value| value) as fn(f32) -> f32),
        (NumberFormat::F16, |value| half::f16::from_f32(value).to_f32()),
    ] {
        let shapes: Vec<_> =
            original.names().map(|name| (name.to_string(), original.get(name).unwrap().shape.clone())).collect();
        let mut writer = ready(SafetensorsWriter::start(&shapes, format, &BTreeMap::new())).unwrap();
        for name in original.names() {
            ready(writer.write(&read(&original, name).unwrap())).unwrap();
        }
        let written = ready(writer.finish()).unwrap();
        let written = ready(TensorFiles::open_safetensors("model.safetensors", &written)).unwrap();
        for (name, shape) in shapes {
            assert_eq!((written.get(&name).unwrap().format, &written.get(&name).unwrap().shape), (format, &shape));
            let rounded: Vec<_> = read(&original, &name).unwrap().into_iter().map(round).collect();
            assert_eq!(bits(&read(&written, &name).unwrap()), bits(&rounded), "{name}");
        }
    }
}

#[test]
fn what_cannot_be_written_is_a_sentence_that_says_what_to_do() {
    let cases: [(NumberFormat, &[f32], &str); 6] = [
        (NumberFormat::F32, &VALUES[..7], "2 values of the tensor a.bias are missing"),
        (NumberFormat::F32, &[0.0; 13], "there are 3 values more than the tensors hold"),
        (
            NumberFormat::F32,
            &[f32::NAN],
            "the tensor b.weight holds NaN, which is no finite number; the training failed",
        ),
        (
            NumberFormat::F16,
            &[1.0, 70000.0],
            "the tensor b.weight holds 70000, more than 16-bit numbers can; export 32-bit numbers instead",
        ),
        (NumberFormat::F64, &[], "only 32-bit and 16-bit floats are written"),
        (NumberFormat::Other, &[], "only 32-bit and 16-bit floats are written"),
    ];
    for (format, values, reason) in cases {
        assert_eq!(refusal(write(format, &[values])), format!("The weights cannot be written: {reason}."));
    }
}

#[test]
fn names_and_shapes_that_make_no_file_are_refused() {
    let start = |tensors: &[(&str, Vec<usize>)]| {
        let tensors: Vec<_> = tensors.iter().map(|(name, shape)| (name.to_string(), shape.clone())).collect();
        refusal(ready(SafetensorsWriter::start(&tensors, NumberFormat::F32, &BTreeMap::new())))
    };
    assert!(start(&[("a", vec![1]), ("a", vec![1])]).contains("two tensors are named a"));
    assert!(start(&[("__metadata__", vec![1])]).contains("two tensors are named __metadata__"));
    assert!(start(&[("a", vec![usize::MAX, 2])]).contains("the tensor a has a shape that is too large to exist"));
    assert!(start(&[("a", vec![1 << 61]), ("b", vec![1 << 61])]).contains("the tensor a has a shape"));
}
