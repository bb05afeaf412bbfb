//! The header of a safetensors file.
//!
//! Comes in: a file of unknown origin. Goes out: where each tensor lies in it. The `safetensors` crate wants the whole
//! file in memory and lets a tensor's name appear twice, so that what it reads can differ from what others read.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::rc::Rc;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::entries::Entries;
use super::numbers::Numbers;
use super::{DIMENSIONS_LIMIT, INDEX_LIMIT, StoredTensor, TENSORS_LIMIT, TensorFiles, TensorsError, shown};
use crate::files::{FileError, FileSource};

pub(super) const METADATA: &str = "__metadata__";
const LENGTH: u64 = size_of::<u64>() as u64;

/// What is wrong with a safetensors file: the end of a sentence that names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("it has {0} bytes, fewer than the length of a header takes")]
    NoLength(u64),
    #[error("its header should be {header} bytes long, but the file ends after {rest}; it may be cut off")]
    BeyondFile { header: u64, rest: u64 },
    #[error("its header of {0} bytes is longer than the {INDEX_LIMIT} that are read")]
    TooLong(u64),
    #[error("its header is malformed ({0})")]
    Malformed(String),
    #[error("it names the tensor {0} twice")]
    NamedTwice(String),
    #[error("its tensor {tensor} holds numbers of an unknown kind, {kind}")]
    UnknownNumbers { tensor: String, kind: String },
    #[error("its tensor {0} has a shape that is too large to exist")]
    TooLarge(String),
    #[error("its tensor {tensor} takes {found} bytes, where its shape needs {needed}")]
    WrongSize { tensor: String, needed: u64, found: u64 },
    #[error("its tensor {tensor} should end at byte {end}, but the file holds {rest}; it may be cut off")]
    TensorBeyondFile { tensor: String, end: u64, rest: u64 },
    #[error("its tensor {0} overlaps another")]
    Overlap(String),
    #[error("there are bytes before its tensor {0} that belong to none")]
    Gap(String),
    #[error("{0} bytes at its end belong to no tensor")]
    Rest(u64),
}

pub(super) async fn open(name: &str, file: &FileSource) -> Result<TensorFiles, TensorsError> {
    let unreadable = |error| TensorsError::File { file: shown(name), error };
    let malformed = |error| TensorsError::Safetensors { file: shown(name), error };
    let length = match file.read(0..LENGTH).await {
        Ok(bytes) => u64::from_le_bytes(bytes.try_into().unwrap_or_default()),
        Err(FileError::TooShort { length, .. }) => return Err(malformed(HeaderError::NoLength(length))),
        Err(error) => return Err(unreadable(error)),
    };
    let rest = file.len() - LENGTH;
    if length > rest {
        return Err(malformed(HeaderError::BeyondFile { header: length, rest }));
    }
    if length > INDEX_LIMIT {
        return Err(malformed(HeaderError::TooLong(length)));
    }
    let text = file.read(LENGTH..LENGTH + length).await.map_err(unreadable)?;
    let header = parse(&text).map_err(malformed)?;
    let data = file.slice(LENGTH + length..file.len()).map_err(unreadable)?;
    check_layout(&header.tensors, data.len()).map_err(malformed)?;
    let name = Rc::from(name);
    let place = |(tensor, described): (String, Described)| {
        let bytes = data.slice(described.start..described.end)?;
        Ok((tensor, StoredTensor::new(described.numbers, described.shape, &name, bytes)))
    };
    let tensors = header.tensors.into_iter().map(place).collect::<Result<_, _>>().map_err(unreadable)?;
    Ok(TensorFiles { tensors, metadata: header.metadata })
}

struct Header {
    tensors: BTreeMap<String, Described>,
    metadata: BTreeMap<String, String>,
}

/// A tensor as the header describes it, with a size that fits its shape.
struct Described {
    numbers: Numbers,
    shape: Vec<usize>,
    start: u64,
    end: u64,
}

fn parse(text: &[u8]) -> Result<Header, HeaderError> {
    let malformed = |error: serde_json::Error| HeaderError::Malformed(shown(&error.to_string()));
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let found = Found::deserialize(&mut deserializer).map_err(malformed)?;
    deserializer.end().map_err(malformed)?;
    let mut tensors = BTreeMap::new();
    for (name, written) in found.tensors {
        let described = written.check(&name)?;
        match tensors.entry(name) {
            Entry::Vacant(vacant) => vacant.insert(described),
            Entry::Occupied(occupied) => return Err(HeaderError::NamedTwice(shown(occupied.key()))),
        };
    }
    let metadata = found.metadata.map(|entries| entries.0.into_iter().collect()).unwrap_or_default();
    Ok(Header { tensors, metadata })
}

/// The tensors must fill the file: in the order of their bytes, each starts where the one before it ends.
fn check_layout(tensors: &BTreeMap<String, Described>, length: u64) -> Result<(), HeaderError> {
    let mut ordered: Vec<_> = tensors.iter().collect();
    ordered.sort_by_key(|(_, tensor)| (tensor.start, tensor.end));
    let mut position = 0;
    for (name, tensor) in ordered {
        if tensor.end > length {
            return Err(HeaderError::TensorBeyondFile { tensor: shown(name), end: tensor.end, rest: length });
        }
        if tensor.start < position {
            return Err(HeaderError::Overlap(shown(name)));
        }
        if tensor.start > position {
            return Err(HeaderError::Gap(shown(name)));
        }
        position = tensor.end;
    }
    if position < length { Err(HeaderError::Rest(length - position)) } else { Ok(()) }
}

/// The header as it is written, in its order, so that names that appear twice are still there to be seen.
#[derive(Default)]
struct Found {
    tensors: Vec<(String, Written)>,
    metadata: Option<Entries<String>>,
}

/// Fields that are not known are refused: they could change what the bytes mean.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    dtype: String,
    shape: Shape,
    data_offsets: [u64; 2],
}

impl Written {
    fn check(self, tensor: &str) -> Result<Described, HeaderError> {
        let unknown = || HeaderError::UnknownNumbers { tensor: shown(tensor), kind: shown(&self.dtype) };
        let numbers = Numbers::named(&self.dtype).ok_or_else(unknown)?;
        let needed = numbers.bytes(&self.shape.0).ok_or_else(|| HeaderError::TooLarge(shown(tensor)))?;
        let [start, end] = self.data_offsets;
        let found = end.saturating_sub(start);
        if found != needed || start > end {
            return Err(HeaderError::WrongSize { tensor: shown(tensor), needed, found });
        }
        Ok(Described { numbers, shape: self.shape.0, start, end })
    }
}

impl<'de> Deserialize<'de> for Found {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FoundVisitor)
    }
}

struct FoundVisitor;

impl<'de> Visitor<'de> for FoundVisitor {
    type Value = Found;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("tensors by name")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Found, M::Error> {
        let mut found = Found::default();
        while let Some(name) = map.next_key::<String>()? {
            if name == METADATA {
                if found.metadata.replace(map.next_value()?).is_some() {
                    return Err(M::Error::duplicate_field(METADATA));
                }
            } else if found.tensors.len() < TENSORS_LIMIT {
                found.tensors.push((name, map.next_value()?));
            } else {
                return Err(M::Error::custom("more tensors than a model has"));
            }
        }
        Ok(found)
    }
}

struct Shape(Vec<usize>);

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "a shape of at most {DIMENSIONS_LIMIT} dimensions")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut sizes: S) -> Result<Shape, S::Error> {
        let mut shape = Vec::new();
        while shape.len() < DIMENSIONS_LIMIT {
            match sizes.next_element()? {
                Some(size) => shape.push(size),
                None => return Ok(Shape(shape)),
            }
        }
        match sizes.next_element::<IgnoredAny>()? {
            Some(_) => Err(S::Error::invalid_length(DIMENSIONS_LIMIT + 1, &self)),
            None => Ok(Shape(shape)),
        }
    }
}
