//! PyTorch files: what `torch.save` may write, and what it never does.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;

const FILE: &str = "pytorch_model.bin";

fn refused(file: FileSource) -> String {
    let sentence = refusal(open(&[(FILE, file)]));
    let reason = sentence.strip_prefix("The file pytorch_model.bin is not a PyTorch file that can be read: ");
    reason.expect(&sentence).strip_suffix('.').expect(&sentence).to_string()
}

fn archive_with(method: CompressionMethod, entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        archive.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn archive(entries: &[(&str, &[u8])]) -> FileSource {
    FileSource::from_bytes(archive_with(CompressionMethod::Stored, entries))
}

fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

fn integer(integer: i32) -> Vec<u8> {
    [b"J", &integer.to_le_bytes()[..]].concat()
}

fn tuple(integers: &[i32]) -> Vec<u8> {
    [b"(", integers.iter().flat_map(|&number| integer(number)).collect::<Vec<_>>().as_slice(), b"t"].concat()
}

/// What pickles a tensor in storage 0.
fn tensor(class: &str, offset: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
    [
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        format!("ctorch\n{class}\n").into_bytes(),
        text("0"),
        text("cpu"),
        integer(6),
        b"tQ".to_vec(),
        integer(offset),
        tuple(shape),
        tuple(strides),
        b"\x89ccollections\nOrderedDict\n)RtR".to_vec(),
    ]
    .concat()
}

/// `{"weight": tensor}`
fn dictionary(tensor: &[u8]) -> Vec<u8> {
    [b"\x80\x02}", text("weight").as_slice(), tensor, b"s."].concat()
}

const NUMBERS: [f32; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];

fn model(pickle: &[u8]) -> FileSource {
    let numbers: Vec<_> = NUMBERS.iter().flat_map(|number| number.to_le_bytes()).collect();
    archive(&[("archive/data.pkl", pickle), ("archive/byteorder", b"little"), ("archive/data/0", &numbers)])
}

fn refused_pickle(pickle: &[u8]) -> String {
    refused(model(pickle))
}

#[test]
fn a_part_of_a_storage_is_the_part_that_it_says() {
    let files = open(&[(FILE, model(&dictionary(&tensor("FloatStorage", 1, &[2, 1, 2], &[2, 9, 1]))))]).unwrap();
    assert_eq!(files.get("weight").unwrap().shape, [2, 1, 2]);
    assert_eq!(read(&files, "weight").unwrap(), NUMBERS[1..5]);
}

/// The files are Python's own pickler's work (fuzz/make_corpus.py).
#[test]
fn every_protocol_of_pythons_pickler_is_read() {
    for protocol in 2..=5 {
        let path = format!("fuzz/corpus/tensors/pytorch-protocol-{protocol}");
        let input = std::fs::read(path).unwrap();
        let files = open(&[(FILE, FileSource::from_bytes(&input[1..]))]).unwrap();
        assert_eq!(files.names().collect::<Vec<_>>(), ["layer.0", "layer.1", "layer.2"]);
        for name in files.names() {
            assert_eq!(files.get(name).unwrap().shape, [2, 3]);
            assert_eq!(read(&files, name).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        }
    }
}

#[test]
fn tensors_are_found_under_state_dict_and_model_too() {
    let whole = tensor("FloatStorage", 0, &[6], &[1]);
    for key in ["state_dict", "model"] {
        let inner = [b"}".as_slice(), &text("weight"), &whole, b"s"].concat();
        let pickle = [b"\x80\x02}(".as_slice(), &text("epoch"), &integer(3), &text(key), &inner, b"u."].concat();
        let files = open(&[(FILE, model(&pickle))]).unwrap();
        assert_eq!(read(&files, "weight").unwrap(), NUMBERS);
    }
}

#[test]
fn a_pickle_that_asks_for_any_other_global_is_refused_by_its_name() {
    let calls = [b"\x80\x02cos\nsystem\n".as_slice(), &text("rm -rf /"), b"\x85R."].concat();
    let refusal = "its pickle asks for os.system, which no dictionary of tensors needs; nothing of it was run";
    assert_eq!(refused_pickle(&calls), refusal);
    let stacked = [b"\x80\x04".as_slice(), b"\x8c\x02os\x8c\x06system\x93."].concat();
    assert_eq!(refused_pickle(&stacked), refusal);
    for name in ["builtins\neval", "torch\nload", "torch.storage\n_load_from_bytes", "torch._utils\n_rebuild_tensor_v3"]
    {
        let reason = refused_pickle(format!("\u{2}c{name}\n.").trim_start_matches('\u{2}').as_bytes());
        assert!(reason.contains(&name.replace('\n', ".")), "{reason}");
    }
    let endless = [b"c".as_slice(), &vec![b'x'; 1 << 20], b"\n\n."].concat();
    assert!(refused_pickle(&endless).len() < 300);
}

#[test]
fn instructions_that_torch_never_writes_are_refused() {
    for (instruction, pickle) in [(0x69, &b"(ios\nsystem\n."[..]), (0x6f, b"(o."), (0x81, b"))\x81."), (0x32, b")2.")] {
        let reason =
            format!("its pickle uses the instruction 0x{instruction:02x}, which no dictionary of tensors needs");
        assert_eq!(refused_pickle(pickle), reason);
    }
}

#[test]
fn pickles_that_grow_without_end_are_refused() {
    let many = |pattern: &[u8]| pattern.repeat(1 << 17);
    let remembered: Vec<_> =
        (0..1u32 << 17).flat_map(|index| [b"r".as_slice(), &index.to_le_bytes()].concat()).collect();
    let doubling = [b")".as_slice(), &b"q\x00h\x00h\x00\x86".repeat(1 << 17)].concat();
    for bomb in [
        many(b"N"),
        many(b"("),
        many(b"}"),
        [b")".as_slice(), &many(b"\x85")].concat(),
        [b")q\x00".as_slice(), &many(b"h\x00")].concat(),
        [b")".as_slice(), &remembered].concat(),
        [b")".as_slice(), &many(b"\x94")].concat(),
        [b"}".as_slice(), &many(b")Ns")].concat(),
        doubling,
    ] {
        assert_eq!(refused_pickle(&bomb), "its pickle makes more values than a dictionary of tensors needs");
    }
}

#[test]
fn a_dictionary_that_holds_itself_is_read_as_what_it_is() {
    let itself = [b"\x80\x02}q\x00".as_slice(), &text("model"), b"h\x00s."].concat();
    assert_eq!(refused_pickle(&itself), "it holds no dictionary of tensors");
}

#[test]
fn pickles_that_make_no_sense_are_refused() {
    for (pickle, reason) in [
        (&b""[..], "its pickle ends in the middle"),
        (b"\x80", "its pickle ends in the middle"),
        (b"X\xff\xff\xff\xffabc", "its pickle ends in the middle"),
        (b"cos", "its pickle ends in the middle"),
        (b".", "its pickle makes no sense: a value is missing"),
        (b"N(.", "its pickle makes no sense: a value is missing"),
        (b"t.", "its pickle makes no sense: a mark is missing"),
        (b"h\x07.", "its pickle makes no sense: a remembered value is missing"),
        (b"q\x00.", "its pickle makes no sense: a value is missing"),
        (b"}(Nu.", "its pickle makes no sense: a key has no value"),
        (b"N(NNu.", "its pickle makes no sense: items are set in what is no dictionary"),
        (b"NNb.", "its pickle makes no sense: attributes are set on what is no dictionary"),
        (b"NQ.", "its pickle makes no sense: a storage is no tuple"),
        (b")Q.", "its pickle makes no sense: a storage is not described as torch does"),
        (b"N)R.", "its pickle makes no sense: what is no function is called"),
        (b"ctorch\nFloatStorage\n)R.", "its pickle makes no sense: a tensor is not described as torch does"),
        (b"\x8a\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01.", "its pickle makes no sense: an integer is too large"),
        (b"X\x01\x00\x00\x00\xff.", "its pickle makes no sense: a text is not UTF-8"),
        (b"}.", "it holds no dictionary of tensors"),
        (b"N.", "it holds no dictionary of tensors"),
    ] {
        assert_eq!(refused_pickle(pickle), reason, "{pickle:?}");
    }
    let whole = tensor("FloatStorage", 0, &[6], &[1]);
    let weight = text("weight");
    let twice = [b"}(".as_slice(), &weight, &whole, &weight, &whole, b"u."].concat();
    assert_eq!(refused_pickle(&twice), "it names the tensor weight twice");
}

#[test]
fn tensors_that_do_not_fit_their_storage_are_refused() {
    let reason = |class, offset, shape: &[i32], strides: &[i32]| {
        refused_pickle(&dictionary(&tensor(class, offset, shape, strides)))
    };
    let beyond = "its tensor weight needs the bytes up to 28 of a storage that has 24";
    assert_eq!(reason("FloatStorage", 1, &[2, 3], &[3, 1]), beyond);
    assert_eq!(reason("DoubleStorage", 0, &[6], &[1]), beyond.replace("28", "48"));
    let not_contiguous = "its tensor weight is not contiguous; call contiguous() on it before it is saved";
    assert_eq!(reason("FloatStorage", 0, &[2, 3], &[1, 2]), not_contiguous);
    assert_eq!(reason("FloatStorage", 0, &[1 << 20], &[0]), not_contiguous);
    let no_sense = "its tensor weight has a shape that makes no sense";
    assert_eq!(reason("FloatStorage", -1, &[1], &[1]), no_sense);
    assert_eq!(reason("FloatStorage", 0, &[-1], &[1]), no_sense);
    assert_eq!(reason("FloatStorage", 0, &[1, 1], &[1]), no_sense);
    assert_eq!(reason("FloatStorage", 0, &[1; 9], &[1; 9]), no_sense);
    let huge = [i32::MAX; 3];
    assert_eq!(reason("FloatStorage", 0, &huge, &huge), "its tensor weight has a shape that is too large to exist");
}

#[test]
fn archives_that_torch_does_not_write_are_refused() {
    let pickle = dictionary(&tensor("FloatStorage", 0, &[6], &[1]));
    let named = |name: &'static str| (name, pickle.as_slice());
    assert_eq!(refused(archive(&[named("data.pkl")])), "it must hold exactly one data.pkl");
    assert_eq!(refused(archive(&[named("a/data.pkl"), named("b/data.pkl")])), "it must hold exactly one data.pkl");
    let missing = "the numbers of its tensor weight are missing";
    assert_eq!(refused(archive(&[named("a/data.pkl")])), missing);
    assert_eq!(refused(archive(&[named("a/data.pkl"), ("b/data/0", &[0; 24])])), missing);
    let big = archive(&[named("a/data.pkl"), ("a/byteorder", b"big"), ("a/data/0", &[0; 24])]);
    assert_eq!(refused(big), "its numbers are not little-endian; save it as safetensors");
    let deflated = archive_with(CompressionMethod::Deflated, &[named("a/data.pkl"), ("a/data/0", &[0; 24])]);
    let reason = "data.pkl in it is compressed or encrypted, which torch.save does not do";
    assert_eq!(refused(FileSource::from_bytes(deflated)), reason);
    let long = archive(&[("a/data.pkl", &vec![b'N'; (16 << 20) + 1])]);
    assert_eq!(refused(long), "data.pkl in it is longer than the 16777216 bytes that are read");
}

#[test]
fn what_is_no_archive_or_only_a_part_of_one_is_refused() {
    for bytes in [&b""[..], b"PK", b"{}", &[0; 100]] {
        assert_eq!(refused(FileSource::from_bytes(bytes)), "it does not start as torch.save starts a file");
    }
    let bytes = std::fs::read(micro("variants/pytorch_bin/pytorch_model.bin")).unwrap();
    for length in [4, 30, 5000, bytes.len() / 2, bytes.len() - 30, bytes.len() - 1] {
        let reason = refused(FileSource::from_bytes(&bytes[..length]));
        assert!(reason.starts_with("its zip archive is damaged"), "{length}: {reason}");
    }
}

/// An end record that points to zip64's, which claims a hundred million files of 46 bytes: room for them is not made.
#[test]
fn an_archive_that_claims_a_hundred_million_files_is_refused() {
    let mut bytes = archive_with(CompressionMethod::Stored, &[("a/data.pkl", b"}.")]);
    let end = bytes.len() - 22;
    bytes[end + 10..end + 12].fill(0xff);
    let reason = "it is a zip archive of more than 4 GB or 65534 files; save it as safetensors";
    assert_eq!(refused(FileSource::from_bytes(bytes)), reason);
}

/// Whatever byte of a real file is changed: it is opened and read, or refused, and nothing else.
#[test]
fn no_changed_byte_makes_it_panic() {
    let pickle = dictionary(&tensor("FloatStorage", 1, &[5], &[1]));
    let original = ready(model(&pickle).read_all()).unwrap();
    for position in 0..original.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut bytes = original.clone();
            bytes[position] ^= change;
            if let Ok(files) = open(&[(FILE, FileSource::from_bytes(bytes))]) {
                for name in files.names() {
                    let _ = read(&files, name);
                }
            }
        }
    }
}
