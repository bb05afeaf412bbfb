//! Writes a safetensors file.
//!
//! Comes in: the tensors' names and shapes, then their values in that order. Goes out: the file.
//! Holds no more than the header and a piece of values.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::numbers::{self, NumberFormat, Numbers};
use super::safetensors::METADATA;
use super::{TensorsError, shown};
use crate::files::{FileError, FileSink, FileSource, PIECE};

/// Values that are converted at a time.
const PIECE_VALUES: usize = PIECE as usize / size_of::<f32>();

/// Why weights could not be written: the end of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    #[error("{0}")]
    File(FileError),
    #[error("only 32-bit and 16-bit floats are written")]
    Format,
    #[error("two tensors are named {0}")]
    NamedTwice(String),
    #[error("the tensor {0} has a shape that is too large to exist")]
    TooLarge(String),
    #[error("the tensor {tensor} holds {value}, which is no finite number; the training failed")]
    NotFinite { tensor: String, value: String },
    #[error("the tensor {tensor} holds {value}, more than 16-bit numbers can; export 32-bit numbers instead")]
    BeyondF16 { tensor: String, value: String },
    #[error("there are {0} values more than the tensors hold")]
    TooMany(usize),
    #[error("{missing} values of the tensor {tensor} are missing")]
    Missing { tensor: String, missing: u64 },
}

/// A safetensors file that is being written.
#[derive(Debug)]
pub struct SafetensorsWriter {
    sink: FileSink,
    format: NumberFormat,
    /// Tensors that are not complete, and how many values they still need.
    left: VecDeque<(String, u64)>,
}

impl SafetensorsWriter {
    /// Writes the header for these tensors, whose values follow in this order, and `metadata`.
    /// It says, too, that the tensors are PyTorch's: transformers refuses a file that does not.
    pub async fn start(
        tensors: &[(String, Vec<usize>)],
        format: NumberFormat,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Self, TensorsError> {
        let (header, left) = header(tensors, format, metadata).map_err(TensorsError::Write)?;
        let mut writer = Self { sink: FileSink::new(), format, left };
        writer.put(&(header.len() as u64).to_le_bytes()).await?;
        writer.put(&header).await?;
        writer.complete();
        Ok(writer)
    }

    /// The values that come next, row-major: a tensor's, or a part of them.
    pub async fn write(&mut self, mut values: &[f32]) -> Result<(), TensorsError> {
        while !values.is_empty() {
            let too_many = || TensorsError::Write(WriteError::TooMany(values.len()));
            let (tensor, left) = self.left.front_mut().ok_or_else(too_many)?;
            let count = usize::try_from(*left).unwrap_or(usize::MAX).min(values.len()).min(PIECE_VALUES);
            let (piece, rest) = values.split_at(count);
            let bytes = encode(self.format, tensor, piece).map_err(TensorsError::Write)?;
            *left -= count as u64;
            self.complete();
            self.put(&bytes).await?;
            values = rest;
        }
        Ok(())
    }

    /// The file, if every tensor is complete.
    pub async fn finish(self) -> Result<FileSource, TensorsError> {
        if let Some((tensor, missing)) = self.left.front() {
            let (tensor, missing) = (shown(tensor), *missing);
            return Err(TensorsError::Write(WriteError::Missing { tensor, missing }));
        }
        self.sink.finish().await.map_err(|error| TensorsError::Write(WriteError::File(error)))
    }

    fn complete(&mut self) {
        while self.left.front().is_some_and(|(_, left)| *left == 0) {
            self.left.pop_front();
        }
    }

    async fn put(&mut self, bytes: &[u8]) -> Result<(), TensorsError> {
        self.sink.write(bytes).await.map_err(|error| TensorsError::Write(WriteError::File(error)))
    }
}

fn encode(format: NumberFormat, tensor: &str, values: &[f32]) -> Result<Vec<u8>, WriteError> {
    let mut bytes = Vec::with_capacity(size_of_val(values));
    for &value in values {
        if !value.is_finite() {
            return Err(WriteError::NotFinite { tensor: shown(tensor), value: value.to_string() });
        }
        if format == NumberFormat::F32 {
            bytes.extend(value.to_le_bytes());
        } else if !numbers::encode_f16(value, &mut bytes) {
            return Err(WriteError::BeyondF16 { tensor: shown(tensor), value: value.to_string() });
        }
    }
    Ok(bytes)
}

type Left = VecDeque<(String, u64)>;

fn header(
    tensors: &[(String, Vec<usize>)],
    format: NumberFormat,
    metadata: &BTreeMap<String, String>,
) -> Result<(Vec<u8>, Left), WriteError> {
    let dtype = match format {
        NumberFormat::F32 => "F32",
        NumberFormat::F16 => "F16",
        NumberFormat::Bf16 | NumberFormat::F64 | NumberFormat::Other => return Err(WriteError::Format),
    };
    let numbers = Numbers::named(dtype).ok_or(WriteError::Format)?;
    let mut metadata = metadata.clone();
    metadata.insert("format".into(), "pt".into());
    let mut header = Header { metadata, tensors: Vec::with_capacity(tensors.len()) };
    let mut names = BTreeSet::from([METADATA]);
    let mut left = Left::new();
    let mut end = 0u64;
    for (name, shape) in tensors {
        if !names.insert(name) {
            return Err(WriteError::NamedTwice(shown(name)));
        }
        let start = end;
        let too_large = || WriteError::TooLarge(shown(name));
        end = numbers.bytes(shape).and_then(|bytes| end.checked_add(bytes)).ok_or_else(too_large)?;
        header.tensors.push((name, Described { dtype, shape, data_offsets: [start, end] }));
        left.push_back((name.clone(), numbers::values(shape).ok_or_else(too_large)?));
    }
    let mut text =
        serde_json::to_vec(&header).map_err(|error| WriteError::File(FileError::Access(error.to_string())))?;
    // Readers map the file into memory and want numbers where their size divides the address.
    text.resize(text.len().next_multiple_of(8), b' ');
    Ok((text, left))
}

#[derive(Serialize)]
struct Described<'a> {
    dtype: &'a str,
    shape: &'a [usize],
    data_offsets: [u64; 2],
}

/// In the order of the tensors' bytes.
struct Header<'a> {
    metadata: BTreeMap<String, String>,
    tensors: Vec<(&'a str, Described<'a>)>,
}

impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(METADATA, &self.metadata)?;
        for (name, described) in &self.tensors {
            map.serialize_entry(name, described)?;
        }
        map.end()
    }
}
