//! Bytes that need not be in memory: a buffer, a file on disk, or a browser's `Blob`; and the ways to make one.
//!
//! Comes in: a file, or bytes written one piece after another. Goes out: a [`FileSource`] that hands out any range.
//! A [`FileSink`] is for files that the user gets, a [`Scratch`] for our own, which are gone when the program ends.
//! Never holds a whole file in memory unless it was made from memory; never knows what the bytes mean.

#[cfg(target_family = "wasm")]
mod browser;
#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(target_family = "wasm")]
mod opfs;
#[cfg(not(target_family = "wasm"))]
mod scratch;

#[cfg(target_family = "wasm")]
use browser as place;
#[cfg(not(target_family = "wasm"))]
use native as place;

#[cfg(target_family = "wasm")]
pub use opfs::Scratch;
pub use place::FileSink;
#[cfg(not(target_family = "wasm"))]
pub use scratch::Scratch;

use std::ops::Range;
use std::rc::Rc;

/// Pieces that are read or written at a time, in bytes: enough to be quick, and nothing beside a tensor.
pub const PIECE: u64 = 4 << 20;

/// Why bytes could not be read or written: the end of a sentence that names the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    #[error("it ends after {length} bytes, where bytes {start} to {end} were expected")]
    TooShort { length: u64, start: u64, end: u64 },
    #[error("the disk is full")]
    Full,
    #[error("it cannot be read or written ({0})")]
    Access(String),
}

/// A file's name in its [`Scratch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScratchName(String);

/// Bytes that can be read again and again, as a whole or in part. Copies and slices share the bytes.
#[derive(Clone, Debug)]
pub struct FileSource {
    place: Place,
    start: u64,
    length: u64,
}

#[derive(Clone, Debug)]
enum Place {
    Memory(Rc<[u8]>),
    Outside(place::Outside),
}

impl FileSource {
    pub fn from_bytes(bytes: impl Into<Rc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self { length: bytes.len() as u64, start: 0, place: Place::Memory(bytes) }
    }

    /// In bytes.
    pub fn len(&self) -> u64 {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The part of it in `range`, without reading it.
    pub fn slice(&self, range: Range<u64>) -> Result<Self, FileError> {
        if range.start > range.end || range.end > self.length {
            return Err(FileError::TooShort { length: self.length, start: range.start, end: range.end });
        }
        Ok(Self { place: self.place.clone(), start: self.start + range.start, length: range.end - range.start })
    }

    /// The bytes in `range`; nothing is reserved for a range that is not there.
    pub async fn read(&self, range: Range<u64>) -> Result<Vec<u8>, FileError> {
        let part = self.slice(range)?;
        let bytes = match &part.place {
            Place::Memory(bytes) => memory(bytes, part.start, part.length).map(<[u8]>::to_vec),
            Place::Outside(outside) => Some(outside.read(part.start, part.length).await?),
        };
        match bytes {
            Some(bytes) if bytes.len() as u64 == part.length => Ok(bytes),
            _ => Err(FileError::TooShort { length: self.length, start: part.start, end: part.start + part.length }),
        }
    }

    /// The bytes themselves, where they are in memory already.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.place {
            Place::Memory(bytes) => memory(bytes, self.start, self.length),
            Place::Outside(_) => None,
        }
    }

    /// All of it. For files whose size was checked: texts, headers, small models.
    pub async fn read_all(&self) -> Result<Vec<u8>, FileError> {
        self.read(0..self.length).await
    }

    /// For readers that are not asynchronous, such as the zip's index; blocks the thread for each read.
    pub fn reader(&self) -> SourceReader {
        SourceReader { source: self.clone(), position: 0 }
    }
}

fn memory(bytes: &[u8], start: u64, length: u64) -> Option<&[u8]> {
    let start = usize::try_from(start).ok()?;
    bytes.get(start..start.checked_add(usize::try_from(length).ok()?)?)
}

/// [`FileSource`] as `std::io` reads it.
#[derive(Debug)]
pub struct SourceReader {
    source: FileSource,
    position: u64,
}

impl std::io::Read for SourceReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.source.length.saturating_sub(self.position);
        let length = left.min(buffer.len() as u64);
        if length == 0 {
            return Ok(0);
        }
        let start = self.source.start + self.position;
        let bytes = match &self.source.place {
            Place::Memory(bytes) => memory(bytes, start, length).unwrap_or_default().to_vec(),
            Place::Outside(outside) => outside.read_blocking(start, length)?,
        };
        let read = bytes.len().min(buffer.len());
        buffer[..read].copy_from_slice(&bytes[..read]);
        self.position += read as u64;
        Ok(read)
    }
}

impl std::io::Seek for SourceReader {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        let position = match to {
            std::io::SeekFrom::Start(position) => Some(position),
            std::io::SeekFrom::End(distance) => self.source.length.checked_add_signed(distance),
            std::io::SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
        };
        self.position = position.ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, SeekFrom};

    use super::*;

    fn ready<T>(future: impl Future<Output = T>) -> T {
        futures_util::FutureExt::now_or_never(future).expect("files on a disk are ready at once")
    }

    #[test]
    fn what_was_written_in_pieces_is_read_in_any_range() {
        let mut sink = FileSink::new();
        for piece in [&[1u8, 2, 3][..], &[], &[4, 5]] {
            ready(sink.write(piece)).unwrap();
        }
        let source = ready(sink.finish()).unwrap();
        assert_eq!(source.len(), 5);
        assert_eq!(ready(source.read(1..4)).unwrap(), [2, 3, 4]);
        assert_eq!(ready(source.slice(2..5).unwrap().read(1..3)).unwrap(), [4, 5]);
    }

    #[test]
    fn a_range_outside_the_file_is_an_error_and_reserves_nothing() {
        let source = FileSource::from_bytes(vec![0u8; 10]).slice(2..8).unwrap();
        let beyond = Range { start: 7, end: u64::MAX };
        let backwards = Range { start: 3, end: 2 };
        for range in [0..7, beyond, backwards] {
            assert!(matches!(ready(source.read(range)), Err(FileError::TooShort { length: 6, .. })));
        }
    }

    #[test]
    fn a_file_on_disk_is_read_where_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        std::fs::write(&path, (0..=255u8).collect::<Vec<_>>()).unwrap();
        let source = FileSource::open(&path).unwrap().slice(100..200).unwrap();
        assert_eq!(ready(source.read(10..13)).unwrap(), [110, 111, 112]);
        let mut reader = source.reader();
        reader.seek(SeekFrom::End(-2)).unwrap();
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, [198, 199]);
    }
}
