//! Lists of shards that do not fit the files beside them.

use super::*;

const INDEX: &str = "model.safetensors.index.json";

fn refused(index: &str, shards: &[(&str, FileSource)]) -> String {
    let mut files = vec![(INDEX, FileSource::from_bytes(index.as_bytes()))];
    files.extend_from_slice(shards);
    refusal(open(&files))
}

fn one_tensor(name: &str) -> FileSource {
    safetensors(&format!(r#"{{"{name}":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}"#), &[0; 4])
}

#[test]
fn a_shard_outside_the_folder_is_never_looked_for() {
    for shard in ["../secret.safetensors", "/etc/passwd", "..", "a/b.safetensors", "C:\\\\weights", ""] {
        let sentence = refused(&format!(r#"{{"weight_map":{{"a":"{shard}"}}}}"#), &[]);
        let named = shard.replace("\\\\", "\\");
        let reason = format!("it names {named}, which is not a file beside it");
        assert_eq!(sentence, format!("The weights' list of files, {INDEX}, cannot be used: {reason}."));
    }
}

#[test]
fn a_shard_that_is_missing_or_holds_other_tensors_is_named() {
    let shards = [("first.safetensors", one_tensor("a"))];
    let missing = refused(r#"{"weight_map":{"a":"first.safetensors","b":"second.safetensors"}}"#, &shards);
    assert!(missing.contains("it names second.safetensors, which is not among the files; add it"), "{missing}");
    let other = refused(r#"{"weight_map":{"a":"first.safetensors","b":"first.safetensors"}}"#, &shards);
    assert!(other.contains("it says that first.safetensors holds the tensor b, which it does not"), "{other}");
    let damaged = [("first.safetensors", FileSource::from_bytes(vec![0; 3]))];
    let damaged = refused(r#"{"weight_map":{"a":"first.safetensors"}}"#, &damaged);
    assert!(damaged.starts_with("The file first.safetensors is not a safetensors file"), "{damaged}");
}

#[test]
fn a_list_that_is_none_is_refused() {
    let deep = format!(r#"{{"metadata":{}"#, "[".repeat(1 << 20));
    for index in [&deep, "", "[]", "{}", r#"{"weight_map":["a"]}"#, r#"{"weight_map":{"a":1}}"#] {
        let sentence = refused(index, &[]);
        assert!(sentence.contains("cannot be used: it is malformed") && sentence.len() < 400, "{sentence}");
    }
    assert!(refused(r#"{"weight_map":{}}"#, &[]).contains("it names no tensors"));
    assert!(refused(r#"{"weight_map":{"a":"x","a":"y"}}"#, &[]).contains("it names the tensor a twice"));
}

#[test]
fn a_list_of_many_megabytes_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(INDEX);
    std::fs::File::create(&path).unwrap().set_len(100_000_000).unwrap();
    let sentence = refusal(open(&[(INDEX, FileSource::open(&path).unwrap())]));
    assert!(sentence.contains("it has 100000000 bytes, more than the 16777216 that are read"), "{sentence}");
}

#[test]
fn tensors_come_from_the_shard_that_the_list_gives_them() {
    let shard = |value: f32| {
        let entry =
            |name: &str, offsets: &str| format!(r#""{name}":{{"dtype":"F32","shape":[1],"data_offsets":{offsets}}}"#);
        let header = format!("{{{},{}}}", entry("a", "[0,4]"), entry("b", "[4,8]"));
        safetensors(&header, &[value.to_le_bytes(), (-value).to_le_bytes()].concat())
    };
    let index = FileSource::from_bytes(&br#"{"weight_map":{"a":"1","b":"2"}}"#[..]);
    let files = open(&[(INDEX, index), ("1", shard(1.0)), ("2", shard(2.0))]).unwrap();
    assert_eq!((read(&files, "a").unwrap(), read(&files, "b").unwrap()), (vec![1.0], vec![-2.0]));
}
