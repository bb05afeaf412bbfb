//! Weights as `torch.save` writes them: a zip of a pickle and of the tensors' numbers.
//!
//! Comes in: a file of unknown origin. Goes out: where each tensor lies in it. Never runs the pickle (see `pickle`).
//! Burn's `pytorch-reader` opens files by their path only, and a browser has none.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::rc::Rc;

use zip::{CompressionMethod, ZipArchive};

use super::numbers::Numbers;
use super::pickle::{self, PickleError, PickledTensor};
use super::{INDEX_LIMIT, StoredTensor, TensorFiles, TensorsError, shown};
use crate::files::{FileSource, SourceReader};

const PICKLE: &str = "data.pkl";
/// How a zip starts.
const ZIP: [u8; 4] = *b"PK\x03\x04";
/// How `torch.save` started a file before PyTorch 1.6: a pickle that holds one large number.
const BEFORE_ZIP: [u8; 14] = *b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19";

/// What is wrong with a PyTorch file: the end of a sentence that names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PytorchError {
    #[error(
        "it is in the form that PyTorch wrote before version 1.6; load it with a current PyTorch and save it again, or \
         save it as safetensors"
    )]
    BeforeZip,
    #[error("it does not start as torch.save starts a file")]
    NotZip,
    #[error("its zip archive is damaged ({0}); it may be cut off")]
    Zip(String),
    #[error("it is a zip archive of more than 4 GB or 65534 files; save it as safetensors")]
    TooLarge,
    #[error("it must hold exactly one data.pkl")]
    NoPickle,
    #[error("{entry} in it is longer than the {limit} bytes that are read")]
    TooLong { entry: String, limit: u64 },
    #[error("its numbers are not little-endian; save it as safetensors")]
    ByteOrder,
    #[error("{0}")]
    Pickle(#[from] PickleError),
    #[error("the numbers of its tensor {0} are missing")]
    NoStorage(String),
    #[error("{0} in it is compressed or encrypted, which torch.save does not do")]
    NotStored(String),
    #[error("its tensor {0} has a shape that is too large to exist")]
    Shape(String),
    #[error("its tensor {0} is not contiguous; call contiguous() on it before it is saved")]
    NotContiguous(String),
    #[error("its tensor {tensor} needs the bytes up to {end} of a storage that has {length}")]
    BeyondStorage { tensor: String, end: u64, length: u64 },
}

pub(super) async fn open(name: &str, file: &FileSource) -> Result<TensorFiles, TensorsError> {
    let unreadable = |error| TensorsError::File { file: shown(name), error };
    let malformed = |error| TensorsError::Pytorch { file: shown(name), error };
    let start = file.read(0..file.len().min(BEFORE_ZIP.len() as u64)).await.map_err(unreadable)?;
    if start == BEFORE_ZIP {
        return Err(malformed(PytorchError::BeforeZip));
    }
    if !start.starts_with(&ZIP) {
        return Err(malformed(PytorchError::NotZip));
    }
    let tail = file.read(file.len().saturating_sub(ZIP_END_SEARCHED)..file.len()).await.map_err(unreadable)?;
    refuse_zip64(&tail).map_err(malformed)?;
    let mut archive = Archive::open(file).map_err(malformed)?;
    let byte_order = archive.text("byteorder", 16).map_err(malformed)?;
    // PyTorch before 2.1 does not say it; the machines that it ran on are little-endian.
    if let Some(text) = byte_order
        && text.read_all().await.map_err(unreadable)? != b"little"
    {
        return Err(malformed(PytorchError::ByteOrder));
    }
    let pickle =
        archive.text(PICKLE, INDEX_LIMIT).map_err(malformed)?.ok_or_else(|| malformed(PytorchError::NoPickle))?;
    let pickle = pickle.read_all().await.map_err(unreadable)?;
    let name = Rc::from(name);
    let mut tensors = BTreeMap::new();
    for tensor in pickle::tensors(&pickle).map_err(|error| malformed(error.into()))? {
        let tensor_name = tensor.name.to_string();
        tensors.insert(tensor_name, archive.place(tensor, &name).map_err(malformed)?);
    }
    Ok(TensorFiles { tensors, metadata: BTreeMap::new() })
}

/// Where the `zip` crate looks for the end of the archive's index: an end record, with the longest comment.
const ZIP_END_SEARCHED: u64 = 22 + 4 + (1 << 16);

/// The `zip` crate reserves memory for as many files as the end record claims: 65534 at most, unless the record sends
/// it to the large one of zip64, which can claim one for every 46 bytes of the file.
fn refuse_zip64(tail: &[u8]) -> Result<(), PytorchError> {
    // The number of files, the index's length and its start.
    let fields = [10..12, 12..16, 16..20];
    let elsewhere = |bytes: &[u8]| bytes.iter().all(|&byte| byte == 0xff);
    let is_zip64 = |record: &[u8]| fields.iter().any(|field| record.get(field.clone()).is_some_and(elsewhere));
    let mut records = tail.windows(22).filter(|bytes| bytes.starts_with(b"PK\x05\x06"));
    if records.any(is_zip64) { Err(PytorchError::TooLarge) } else { Ok(()) }
}

struct Archive<'a> {
    file: &'a FileSource,
    zip: ZipArchive<BufReader<SourceReader>>,
    /// The folder that everything is in, with its slash.
    folder: String,
    /// Storages that were found, by name: tensors can share them.
    storages: BTreeMap<String, FileSource>,
}

impl<'a> Archive<'a> {
    fn open(file: &'a FileSource) -> Result<Self, PytorchError> {
        let zip = ZipArchive::new(BufReader::new(file.reader())).map_err(damaged)?;
        let folder_of = |name: &str| name.strip_suffix(PICKLE).filter(|name| name.ends_with('/')).map(String::from);
        let mut folders: Vec<_> = zip.file_names().filter_map(|name| folder_of(&name.ok()?)).collect();
        match (folders.pop(), folders.as_slice()) {
            (Some(folder), []) => Ok(Self { file, zip, folder, storages: BTreeMap::new() }),
            _ => Err(PytorchError::NoPickle),
        }
    }

    /// A file of the archive that is short enough to be read.
    fn text(&mut self, name: &str, limit: u64) -> Result<Option<FileSource>, PytorchError> {
        match self.stored(name)? {
            Some(text) if text.len() > limit => Err(PytorchError::TooLong { entry: name.into(), limit }),
            found => Ok(found),
        }
    }

    /// A file of the archive, where it lies.
    fn stored(&mut self, name: &str) -> Result<Option<FileSource>, PytorchError> {
        let Some(index) = self.zip.index_for_name_raw(format!("{}{name}", self.folder).as_bytes()) else {
            return Ok(None);
        };
        let entry = self.zip.by_index_raw(index).map_err(damaged)?;
        let is_stored = entry.compression() == CompressionMethod::Stored && entry.compressed_size() == entry.size();
        let start = entry.data_start().filter(|_| is_stored && !entry.encrypted());
        let Some((start, end)) = start.and_then(|start| Some((start, start.checked_add(entry.size())?))) else {
            return Err(PytorchError::NotStored(shown(name)));
        };
        self.file.slice(start..end).map(Some).map_err(|error| PytorchError::Zip(error.to_string()))
    }

    /// Where the tensor lies in the file.
    fn place(&mut self, tensor: PickledTensor, file: &Rc<str>) -> Result<StoredTensor, PytorchError> {
        let name = || shown(tensor.name);
        let numbers = numbers_of(tensor.class).ok_or_else(|| PytorchError::NoStorage(name()))?;
        let storage = self.storage(&tensor)?;
        let needed = numbers.bytes(&tensor.shape).ok_or_else(|| PytorchError::Shape(name()))?;
        if !is_contiguous(&tensor.shape, &tensor.strides) {
            return Err(PytorchError::NotContiguous(name()));
        }
        let start = numbers.bytes(&[1]).and_then(|size| size.checked_mul(tensor.offset));
        let end = start.and_then(|start| start.checked_add(needed)).ok_or_else(|| PytorchError::Shape(name()))?;
        let beyond = |_| PytorchError::BeyondStorage { tensor: name(), end, length: storage.len() };
        let bytes = storage.slice(end - needed..end).map_err(beyond)?;
        Ok(StoredTensor::new(numbers, tensor.shape, file, bytes))
    }

    fn storage(&mut self, tensor: &PickledTensor) -> Result<FileSource, PytorchError> {
        if let Some(found) = self.storages.get(tensor.storage) {
            return Ok(found.clone());
        }
        let found = self.stored(&format!("data/{}", tensor.storage))?;
        let found = found.ok_or_else(|| PytorchError::NoStorage(shown(tensor.name)))?;
        self.storages.insert(tensor.storage.to_string(), found.clone());
        Ok(found)
    }
}

/// Whether the numbers lie in row-major order with nothing between them.
fn is_contiguous(shape: &[usize], strides: &[u64]) -> bool {
    let mut expected = Some(1u64);
    let in_order = shape.iter().zip(strides).rev().all(|(&size, &stride)| {
        let is_next = size == 1 || expected == Some(stride);
        expected = expected.and_then(|expected| expected.checked_mul(size as u64));
        is_next
    });
    in_order || shape.contains(&0)
}

/// The numbers in a storage of that class.
pub(super) fn numbers_of(class: &str) -> Option<Numbers> {
    Numbers::named(match class {
        "FloatStorage" => "F32",
        "HalfStorage" => "F16",
        "BFloat16Storage" => "BF16",
        "DoubleStorage" => "F64",
        "LongStorage" => "I64",
        "IntStorage" => "I32",
        "ShortStorage" => "I16",
        "CharStorage" => "I8",
        "ByteStorage" => "U8",
        "BoolStorage" => "BOOL",
        _ => return None,
    })
}

fn damaged(error: zip::result::ZipError) -> PytorchError {
    PytorchError::Zip(shown(&error.to_string()))
}
