//! The fuzzer's corpora (fuzz/), replayed.

use std::path::Path;

#[path = "../../fuzz/inputs.rs"]
mod inputs;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new("fuzz/corpus").join(target);
    let inputs: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(inputs.len() >= 10, "the corpus is there");
    for path in inputs {
        println!("{}", path.display());
        run(&std::fs::read(&path).unwrap());
    }
}

#[test]
fn every_file_of_tensors_in_the_corpus_is_read_or_refused() {
    replay("tensors", inputs::tensors);
}

#[test]
fn every_configuration_in_the_corpus_is_used_or_refused() {
    replay("config", inputs::config);
}

#[test]
fn every_container_in_the_corpus_is_read_or_refused() {
    replay("containers", inputs::containers);
}

#[test]
fn every_list_in_the_corpus_is_read_or_refused() {
    replay("lists", inputs::lists);
}
