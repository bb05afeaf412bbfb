//! Named tensors in files: safetensors and what `torch.save` writes, one file or several.
//!
//! Comes in: a model's files under their names, which may hold anything. Goes out: an index of tensors by name, and
//! their values as f32, a piece at a time; and the way to write a safetensors file. Never holds a whole tensor, never
//! reserves memory for what a file merely claims, never executes what a file says, never knows what the tensors mean.

mod entries;
mod numbers;
mod pickle;
mod pytorch;
mod safetensors;
mod shards;
mod writer;

pub use numbers::NumberFormat;
pub use pickle::PickleError;
pub use pytorch::PytorchError;
pub use safetensors::HeaderError;
pub use shards::ShardsError;
pub use writer::{SafetensorsWriter, WriteError};

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::files::{FileError, FileSource, PIECE};
use numbers::Numbers;

/// Indexes of tensors (headers, pickles, lists of shards) that are read into memory, in bytes; `videomae-huge` has 70 kB.
const INDEX_LIMIT: u64 = 16 << 20;
/// Tensors in an index; `videomae-huge` has fewer than 1000.
const TENSORS_LIMIT: usize = 1 << 16;
/// Dimensions of a tensor; VideoMAE's have five at most.
const DIMENSIONS_LIMIT: usize = 8;

/// Why tensors could not be found, read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TensorsError {
    #[error(
        "There are no weights among the files: one of model.safetensors, model.safetensors.index.json, \
         pytorch_model.bin and pytorch_model.bin.index.json is needed."
    )]
    NoWeights,
    #[error("The file {file} cannot be read: {error}.")]
    File { file: String, error: FileError },
    #[error("The file {file} is not a safetensors file that can be read: {error}.")]
    Safetensors { file: String, error: HeaderError },
    #[error("The file {file} is not a PyTorch file that can be read: {error}.")]
    Pytorch { file: String, error: PytorchError },
    #[error("The weights' list of files, {file}, cannot be used: {error}.")]
    Shards { file: String, error: ShardsError },
    #[error("The weights hold no tensor named {tensor}.")]
    NoSuchTensor { tensor: String },
    #[error("The tensor {tensor} in {file} holds {stored_as}, which are not weights.")]
    NotWeights { tensor: String, file: String, stored_as: &'static str },
    #[error(
        "The tensor {tensor} in {file} holds {value} at position {position}, which is no finite 32-bit number: the file \
         is damaged, or its training failed."
    )]
    NotFinite { tensor: String, file: String, position: usize, value: String },
    #[error("The weights cannot be written: {0}.")]
    Write(WriteError),
}

/// A tensor in a file: how it is stored, and where.
#[derive(Clone, Debug)]
pub struct StoredTensor {
    pub format: NumberFormat,
    pub shape: Vec<usize>,
    stored_as: &'static str,
    file: Rc<str>,
    /// Row-major, little-endian, and exactly as many as the shape and format need.
    bytes: FileSource,
}

impl StoredTensor {
    fn new(numbers: Numbers, shape: Vec<usize>, file: &Rc<str>, bytes: FileSource) -> Self {
        Self { format: numbers.format, shape, stored_as: numbers.name, file: file.clone(), bytes }
    }
}

/// The tensors of a model's files, by name.
#[derive(Clone, Debug, Default)]
pub struct TensorFiles {
    tensors: BTreeMap<String, StoredTensor>,
    metadata: BTreeMap<String, String>,
}

impl TensorFiles {
    /// Opens the weights among a model's files: `model.safetensors`; or else what `model.safetensors.index.json` lists;
    /// or `pytorch_model.bin`; or what `pytorch_model.bin.index.json` lists.
    pub async fn open(files: &[(String, FileSource)]) -> Result<Self, TensorsError> {
        for (name, open) in [("model.safetensors", Container::Safetensors), ("pytorch_model.bin", Container::Pytorch)] {
            if let Some(file) = named(files, name) {
                return open.read(name, file).await;
            }
            let index = format!("{name}.index.json");
            if let Some(file) = named(files, &index) {
                return shards::open(&index, file, open, files).await;
            }
        }
        Err(TensorsError::NoWeights)
    }

    /// One safetensors file.
    pub async fn open_safetensors(name: &str, file: &FileSource) -> Result<Self, TensorsError> {
        Container::Safetensors.read(name, file).await
    }

    /// The tensors' names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub fn get(&self, name: &str) -> Option<&StoredTensor> {
        self.tensors.get(name)
    }

    /// What a safetensors file says about itself (`__metadata__`).
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// A tensor's values in row-major order, in pieces that take no more than [`PIECE`] bytes. `take` gets each piece
    /// and the position of its first value. Values that are not finite are an error.
    pub async fn read(&self, name: &str, mut take: impl FnMut(usize, &[f32])) -> Result<(), TensorsError> {
        let no_such_tensor = || TensorsError::NoSuchTensor { tensor: shown(name) };
        let tensor = self.tensors.get(name).ok_or_else(no_such_tensor)?;
        let (tensor_name, file) = (|| shown(name), || shown(&tensor.file));
        let not_weights =
            || TensorsError::NotWeights { tensor: tensor_name(), file: file(), stored_as: tensor.stored_as };
        let size = tensor.format.size().ok_or_else(not_weights)?;
        let piece = PIECE / size.max(size_of::<f32>()) as u64 * size as u64;
        let mut values = Vec::new();
        let (mut start, mut position) = (0, 0);
        while start < tensor.bytes.len() {
            let end = tensor.bytes.len().min(start + piece);
            let read = tensor.bytes.read(start..end).await;
            let bytes = read.map_err(|error| TensorsError::File { file: file(), error })?;
            values.clear();
            tensor.format.decode(&bytes, &mut values);
            if let Some((index, value)) = values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
                let (position, value) = (position + index, value.to_string());
                return Err(TensorsError::NotFinite { tensor: tensor_name(), file: file(), position, value });
            }
            take(position, &values);
            position += values.len();
            start = end;
        }
        Ok(())
    }
}

/// The kinds of files that hold tensors.
#[derive(Clone, Copy, Debug)]
enum Container {
    Safetensors,
    Pytorch,
}

impl Container {
    async fn read(self, name: &str, file: &FileSource) -> Result<TensorFiles, TensorsError> {
        match self {
            Self::Safetensors => safetensors::open(name, file).await,
            Self::Pytorch => pytorch::open(name, file).await,
        }
    }
}

fn named<'a>(files: &'a [(String, FileSource)], name: &str) -> Option<&'a FileSource> {
    files.iter().find(|(file, _)| file == name).map(|(_, source)| source)
}

/// A name or message from a file, fit for a sentence: files can hold names of megabytes and of control characters.
fn shown(text: &str) -> String {
    const LONGEST: usize = 120;
    let mut characters = text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character });
    let mut shown: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}
