//! Files of tensors: as transformers and torch write them, as an attacker would, and as we write them.

mod corpus;
mod hostile_safetensors;
mod hostile_shards;
mod pytorch;
mod variants;
mod written;

use std::path::{Path, PathBuf};

use cliptune::files::FileSource;
use cliptune::tensors::{TensorFiles, TensorsError};

/// What a future gives that waits for nothing.
fn ready<T>(future: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(future).expect("files on a disk are ready at once")
}

fn micro(path: &str) -> PathBuf {
    Path::new("tests/fixtures/golden/micro").join(path)
}

/// A folder's files by name.
fn folder(path: &Path) -> Vec<(String, FileSource)> {
    let file = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_str().unwrap().to_string(), FileSource::open(&path).unwrap())
    };
    std::fs::read_dir(path).unwrap().map(file).collect()
}

fn open(files: &[(&str, FileSource)]) -> Result<TensorFiles, TensorsError> {
    let files: Vec<_> = files.iter().map(|(name, file)| (name.to_string(), file.clone())).collect();
    ready(TensorFiles::open(&files))
}

fn read(files: &TensorFiles, name: &str) -> Result<Vec<f32>, TensorsError> {
    let mut all = Vec::new();
    ready(files.read(name, |position, values| {
        assert_eq!(position, all.len(), "pieces of {name} come in their order");
        all.extend_from_slice(values);
    }))?;
    Ok(all)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// The sentence that a user sees for files that are refused.
fn refusal<T>(result: Result<T, TensorsError>) -> String {
    result.map(|_| ()).expect_err("the file is refused").to_string()
}

/// A safetensors file of this header and these numbers.
fn safetensors(header: &str, data: &[u8]) -> FileSource {
    FileSource::from_bytes([&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat())
}
