//! Every form in which the micro model is published holds the micro model (tests/fixtures/golden/gen_golden.py).

use std::collections::BTreeSet;

use cliptune::files::{FileSource, PIECE};
use cliptune::tensors::{NumberFormat, TensorFiles};

use super::*;

fn opened(path: &str) -> TensorFiles {
    ready(TensorFiles::open(&folder(&micro(path)))).unwrap()
}

fn names(files: &TensorFiles) -> BTreeSet<&str> {
    files.names().collect()
}

#[test]
fn the_model_has_the_names_shapes_and_bits_that_its_header_lists() {
    let files = opened("model");
    let bytes = std::fs::read(micro("model/model.safetensors")).unwrap();
    let header_length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header_length]).unwrap();
    let entries: Vec<_> = header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__").collect();
    assert_eq!(files.names().count(), entries.len());
    for (name, entry) in entries {
        let stored = files.get(name).unwrap();
        assert_eq!(stored.format, NumberFormat::F32);
        assert_eq!(serde_json::to_value(&stored.shape).unwrap(), entry["shape"]);
        let offset = |index: usize| 8 + header_length + entry["data_offsets"][index].as_u64().unwrap() as usize;
        let expected: Vec<_> =
            bytes[offset(0)..offset(1)].as_chunks().0.iter().map(|&b| u32::from_le_bytes(b)).collect();
        assert_eq!(bits(&read(&files, name).unwrap()), expected, "{name}");
    }
    assert_eq!(files.metadata().get("format").unwrap(), "pt");
}

#[test]
fn sixteen_bit_weights_are_the_rounded_values() {
    let original = opened("model");
    for (path, format, round) in [
        ("variants/float16", NumberFormat::F16, (|value| half::f16::from_f32(value).to_f32()) as fn(f32) -> f32),
        ("variants/bfloat16", NumberFormat::Bf16, |value| half::bf16::from_f32(value).to_f32()),
    ] {
        let files = opened(path);
        assert_eq!(names(&files), names(&original));
        for name in original.names() {
            assert_eq!(files.get(name).unwrap().format, format);
            assert_eq!(files.get(name).unwrap().shape, original.get(name).unwrap().shape);
            let rounded: Vec<_> = read(&original, name).unwrap().into_iter().map(round).collect();
            assert_eq!(bits(&read(&files, name).unwrap()), bits(&rounded), "{name} in {path}");
        }
    }
}

#[test]
fn shards_and_the_pytorch_file_hold_the_same_bits() {
    let original = opened("model");
    for path in ["variants/sharded", "variants/pytorch_bin"] {
        let files = opened(path);
        assert_eq!(names(&files), names(&original));
        for name in original.names() {
            assert_eq!(files.get(name).unwrap().shape, original.get(name).unwrap().shape);
            assert_eq!(bits(&read(&files, name).unwrap()), bits(&read(&original, name).unwrap()), "{name} in {path}");
        }
    }
}

#[test]
fn later_names_hold_the_same_values() {
    let original = opened("model");
    for path in ["variants/keys_v5", "variants/keys_v5_8_with_key_bias"] {
        let files = opened(path);
        for name in original.names() {
            let renamed = name.replace(".q_bias", ".query.bias").replace(".v_bias", ".value.bias");
            assert_eq!(bits(&read(&files, &renamed).unwrap()), bits(&read(&original, name).unwrap()), "{name}");
        }
    }
}

#[test]
fn burns_reader_finds_the_same_in_the_pytorch_file() {
    let files = opened("variants/pytorch_bin");
    let reader = pytorch_reader::PytorchReader::new(micro("variants/pytorch_bin/pytorch_model.bin")).unwrap();
    assert_eq!(reader.keys().iter().map(String::as_str).collect::<BTreeSet<_>>(), names(&files));
    for name in files.names() {
        let tensor = reader.get(name).unwrap();
        assert_eq!(tensor.shape(), files.get(name).unwrap().shape);
        let bytes: Vec<_> = read(&files, name).unwrap().into_iter().flat_map(f32::to_le_bytes).collect();
        assert_eq!(tensor.read().unwrap(), bytes, "{name}");
    }
}

#[test]
fn pytorchs_form_from_before_zip_has_its_own_sentence() {
    let sentence = refusal(ready(TensorFiles::open(&folder(&micro("variants/pytorch_bin_legacy_nonzip")))));
    assert_eq!(
        sentence,
        "The file pytorch_model.bin is not a PyTorch file that can be read: it is in the form that PyTorch wrote before \
         version 1.6; load it with a current PyTorch and save it again, or save it as safetensors."
    );
}

#[test]
fn safetensors_is_preferred_and_a_folder_without_weights_says_what_is_needed() {
    let nothing = FileSource::from_bytes(Vec::new());
    let weights = FileSource::open(&micro("model/model.safetensors")).unwrap();
    let others = ["pytorch_model.bin", "model.safetensors.index.json", "pytorch_model.bin.index.json"];
    let mut files: Vec<_> = others.map(|name| (name, nothing.clone())).to_vec();
    files.push(("model.safetensors", weights));
    assert!(open(&files).is_ok());
    let sentence = refusal(open(&[("config.json", nothing)]));
    assert!(sentence.starts_with("There are no weights among the files"), "{sentence}");
}

#[test]
fn a_large_tensor_comes_in_pieces_of_bounded_size() {
    let values = PIECE as usize / 4 * 2 + 3;
    for (dtype, size) in [("F32", 4), ("F16", 2), ("BF16", 2), ("F64", 8)] {
        let length = values * size;
        let header = format!(r#"{{"a":{{"dtype":"{dtype}","shape":[{values}],"data_offsets":[0,{length}]}}}}"#);
        let files = ready(TensorFiles::open_safetensors("a", &safetensors(&header, &vec![0; length]))).unwrap();
        let mut next = 0;
        ready(files.read("a", |position, piece| {
            assert!(position == next && size_of_val(piece) as u64 <= PIECE);
            next += piece.len();
        }))
        .unwrap();
        assert_eq!(next, values);
    }
}

#[test]
fn integers_are_listed_and_not_loaded() {
    let header = r#"{"position_ids":{"dtype":"I64","shape":[1,2],"data_offsets":[0,16]}}"#;
    let files = ready(TensorFiles::open_safetensors("model.safetensors", &safetensors(header, &[0; 16]))).unwrap();
    assert_eq!(files.get("position_ids").unwrap().format, NumberFormat::Other);
    assert_eq!(
        refusal(read(&files, "position_ids")),
        "The tensor position_ids in model.safetensors holds I64, which are not weights."
    );
}

#[test]
fn scalars_and_empty_tensors_have_one_value_and_none() {
    let header = r#"{"scalar":{"dtype":"F32","shape":[],"data_offsets":[0,4]},
                     "empty":{"dtype":"F32","shape":[3,0],"data_offsets":[4,4]}}  "#;
    let files = ready(TensorFiles::open_safetensors("a", &safetensors(header, &2.5f32.to_le_bytes()))).unwrap();
    assert_eq!(read(&files, "scalar").unwrap(), [2.5]);
    assert!(read(&files, "empty").unwrap().is_empty());
    assert_eq!(refusal(read(&files, "other")), "The weights hold no tensor named other.");
}
