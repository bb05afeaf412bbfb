//! Safetensors files that claim what is not so: each is refused with a sentence, and nothing is reserved for the claim.

use super::*;

fn refused(file: &FileSource) -> String {
    let sentence = refusal(ready(TensorFiles::open_safetensors("model.safetensors", file)));
    let reason = sentence.strip_prefix("The file model.safetensors is not a safetensors file that can be read: ");
    reason.expect(&sentence).strip_suffix('.').expect(&sentence).to_string()
}

fn refused_header(header: &str, data: usize) -> String {
    refused(&safetensors(header, &vec![0; data]))
}

/// `{"a": F32 of this shape in these bytes, …}`
fn header(tensors: &[(&str, &str, [u64; 2])]) -> String {
    let entry = |(name, shape, offsets): &(&str, &str, [u64; 2])| {
        format!(r#""{name}":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets:?}}}"#)
    };
    format!("{{{}}}", tensors.iter().map(entry).collect::<Vec<_>>().join(","))
}

#[test]
fn a_header_that_is_longer_than_the_file_is_refused() {
    let file = |length: u64| FileSource::from_bytes([&length.to_le_bytes()[..], b"{}"].concat());
    for length in [3, 1 << 40, u64::MAX] {
        let reason = format!("its header should be {length} bytes long, but the file ends after 2; it may be cut off");
        assert_eq!(refused(&file(length)), reason);
    }
    let short = FileSource::from_bytes(vec![1, 2, 3]);
    assert_eq!(refused(&short), "it has 3 bytes, fewer than the length of a header takes");
}

#[test]
fn a_header_of_a_hundred_megabytes_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    // The rest of the file is a hole: reading it would give zeros, which are no header either.
    std::fs::write(&path, 100_000_000u64.to_le_bytes()).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(200_000_000).unwrap();
    let reason = refused(&FileSource::open(&path).unwrap());
    assert_eq!(reason, "its header of 100000000 bytes is longer than the 16777216 that are read");
}

#[test]
fn bytes_that_belong_to_two_tensors_to_none_or_to_nothing_are_refused() {
    let overlapping = header(&[("a", "[2]", [0, 8]), ("b", "[2]", [4, 12])]);
    assert_eq!(refused_header(&overlapping, 12), "its tensor b overlaps another");
    let same = header(&[("a", "[2]", [0, 8]), ("b", "[2]", [0, 8])]);
    assert_eq!(refused_header(&same, 8), "its tensor b overlaps another");
    let gap = header(&[("a", "[1]", [0, 4]), ("b", "[1]", [8, 12])]);
    assert_eq!(refused_header(&gap, 12), "there are bytes before its tensor b that belong to none");
    let late = header(&[("a", "[1]", [4, 8])]);
    assert_eq!(refused_header(&late, 8), "there are bytes before its tensor a that belong to none");
    let more = header(&[("a", "[1]", [0, 4])]);
    assert_eq!(refused_header(&more, 5), "1 bytes at its end belong to no tensor");
    let beyond = header(&[("a", "[1]", [0, 4]), ("b", "[250]", [4, 1004])]);
    let reason = "its tensor b should end at byte 1004, but the file holds 8; it may be cut off";
    assert_eq!(refused_header(&beyond, 8), reason);
}

#[test]
fn a_shape_that_does_not_fit_its_bytes_or_any_memory_is_refused() {
    let wrong = header(&[("a", "[2, 3]", [0, 20])]);
    assert_eq!(refused_header(&wrong, 20), "its tensor a takes 20 bytes, where its shape needs 24");
    let backwards = header(&[("a", "[1]", [8, 4])]);
    assert_eq!(refused_header(&backwards, 8), "its tensor a takes 0 bytes, where its shape needs 4");
    for shape in ["[4294967296, 4294967296]", "[18446744073709551615]", "[9223372036854775808, 2, 0]"] {
        let reason = refused_header(&header(&[("a", shape, [0, 0])]), 0);
        assert_eq!(reason, "its tensor a has a shape that is too large to exist");
    }
    let half_a_byte = r#"{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}"#;
    assert_eq!(refused_header(half_a_byte, 2), "its tensor a has a shape that is too large to exist");
    for shape in ["[-1]", "[1.5]", "[18446744073709551616]", "[1,1,1,1,1,1,1,1,1]", "\"1\"", "{}"] {
        let reason = refused_header(&header(&[("a", shape, [0, 4])]), 4);
        assert!(reason.starts_with("its header is malformed"), "{reason}");
    }
}

#[test]
fn a_name_that_appears_twice_is_refused() {
    let twice = header(&[("a", "[1]", [0, 4]), ("b", "[1]", [4, 8]), ("a", "[1]", [8, 12])]);
    assert_eq!(refused_header(&twice, 12), "it names the tensor a twice");
    let metadata = refused_header(r#"{"__metadata__":{"format":"pt"},"__metadata__":{"format":"tf"}}"#, 0);
    assert!(metadata.contains("duplicate field `__metadata__`"), "{metadata}");
}

#[test]
fn headers_that_are_not_as_the_format_says_are_refused() {
    let deep = format!(r#"{{"a":{}"#, "[".repeat(1 << 20));
    let deep_metadata = format!(r#"{{"__metadata__":{}"#, r#"{"a":"#.repeat(1 << 20));
    let unknown_field = r#"{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],"zipped":true}}"#;
    let trailing = "{} {}";
    for header in [&deep, &deep_metadata, unknown_field, trailing, "", "[]", "null", "{\"a\":", "\u{0}"] {
        let reason = refused_header(header, 4);
        assert!(reason.starts_with("its header is malformed"), "{reason}");
        assert!(reason.len() < 300, "a sentence stays one: {reason}");
    }
    let not_text = FileSource::from_bytes([&3u64.to_le_bytes()[..], b"{\xff}"].concat());
    assert!(refused(&not_text).starts_with("its header is malformed"));
    let unknown = r#"{"a":{"dtype":"F128","shape":[1],"data_offsets":[0,16]}}"#;
    assert_eq!(refused_header(unknown, 16), "its tensor a holds numbers of an unknown kind, F128");
}

#[test]
fn more_tensors_than_any_model_has_are_refused() {
    let entry = |index| (format!("{index}"), "[0]", [0u64, 0]);
    let entries: Vec<_> = (0..=1 << 16).map(entry).collect();
    let entries: Vec<_> = entries.iter().map(|(name, shape, offsets)| (name.as_str(), *shape, *offsets)).collect();
    assert!(refused_header(&header(&entries), 0).contains("more tensors than a model has"));
}

#[test]
fn a_name_of_megabytes_or_of_control_characters_still_makes_a_sentence() {
    let name = format!("\\u001b[31m{}", "x".repeat(1 << 20));
    let twice = header(&[(&name, "[1]", [0, 4]), (&name, "[1]", [4, 8])]);
    let reason = refused_header(&twice, 8);
    assert!(reason.starts_with("it names the tensor \u{fffd}[31mxxx") && reason.len() < 300, "{reason}");
}

#[test]
fn weights_that_are_not_finite_are_refused_by_name_and_place() {
    for (dtype, data, value, position) in [
        ("F32", [0f32.to_le_bytes(), f32::NAN.to_le_bytes()].concat(), "NaN", 1),
        ("F32", [f32::NEG_INFINITY.to_le_bytes(), [0xff; 4]].concat(), "-inf", 0),
        ("F16", vec![0, 0, 0xff, 0xff], "NaN", 1),
        ("BF16", vec![0, 0, 0x80, 0x7f], "inf", 1),
        ("F64", [0f64.to_le_bytes(), 1e300f64.to_le_bytes()].concat(), "inf", 1),
    ] {
        let length = data.len();
        let header = format!(r#"{{"fc_norm.bias":{{"dtype":"{dtype}","shape":[2],"data_offsets":[0,{length}]}}}}"#);
        let files = ready(TensorFiles::open_safetensors("model.safetensors", &safetensors(&header, &data))).unwrap();
        let sentence = refusal(read(&files, "fc_norm.bias"));
        let expected = format!(
            "The tensor fc_norm.bias in model.safetensors holds {value} at position {position}, which is no finite 32-bit \
             number: the file is damaged, or its training failed."
        );
        assert_eq!(sentence, expected);
    }
}
