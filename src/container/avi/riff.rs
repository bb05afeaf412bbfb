//! RIFF: chunks inside lists, read a block at a time.
//!
//! Comes in: a file. Goes out: chunk headers and small chunks' bytes. Never reads past the file, and never more of it
//! than asked for, in blocks.

use std::cell::RefCell;
use std::ops::Range;

use crate::files::{FileError, FileSource};

/// A read costs the same up to this many bytes.
const BLOCK: u64 = 64 << 10;
/// Bytes of a chunk's header: its name and the length of what follows.
pub const HEADER: u64 = 8;

pub type Name = [u8; 4];

/// A chunk: where its contents lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub name: Name,
    /// Cut where the file ends.
    pub contents: Range<u64>,
    /// The file ends before the chunk does.
    pub cut: bool,
}

impl Chunk {
    /// Where the next chunk starts: contents are padded to even lengths.
    pub fn end(&self) -> u64 {
        self.contents.end + (self.contents.end - self.contents.start) % 2
    }
}

/// The file, with the block that was read last.
#[derive(Debug)]
pub struct Blocks {
    source: FileSource,
    last: RefCell<(u64, Vec<u8>)>,
}

impl Blocks {
    pub fn new(source: FileSource) -> Self {
        Self { source, last: RefCell::new((0, Vec::new())) }
    }

    pub fn len(&self) -> u64 {
        self.source.len()
    }

    /// The bytes of `range`, which must lie in the file.
    pub async fn read(&self, range: Range<u64>) -> Result<Vec<u8>, FileError> {
        if let Some(bytes) = self.within_last(&range) {
            return Ok(bytes);
        }
        if range.end.saturating_sub(range.start) >= BLOCK || range.end > self.len() {
            return self.source.read(range).await;
        }
        let block = self.source.read(range.start..self.len().min(range.start + BLOCK)).await?;
        *self.last.borrow_mut() = (range.start, block);
        self.within_last(&range).ok_or(FileError::TooShort { length: self.len(), start: range.start, end: range.end })
    }

    fn within_last(&self, range: &Range<u64>) -> Option<Vec<u8>> {
        let last = self.last.borrow();
        let (start, block) = &*last;
        let within = |place: u64| usize::try_from(place.checked_sub(*start)?).ok();
        block.get(within(range.start)?..within(range.end)?).map(<[u8]>::to_vec)
    }

    /// The chunk whose header lies at `place`; none where fewer bytes than a header are left before `end`.
    pub async fn chunk(&self, place: u64, end: u64) -> Result<Option<Chunk>, FileError> {
        let end = end.min(self.len());
        if place.checked_add(HEADER).is_none_or(|contents| contents > end) {
            return Ok(None);
        }
        let header = self.read(place..place + HEADER).await?;
        let (Some(name), Some(length)) = (name(&header, 0), number(&header, 4)) else { return Ok(None) };
        let start = place + HEADER;
        let whole = start + u64::from(length);
        Ok(Some(Chunk { name, contents: start..whole.min(self.len()), cut: whole > self.len() }))
    }
}

/// The four bytes at `place`.
pub fn name(bytes: &[u8], place: usize) -> Option<Name> {
    bytes.get(place..)?.first_chunk().copied()
}

/// The little-endian number of 32 bits at `place`.
pub fn number(bytes: &[u8], place: usize) -> Option<u32> {
    name(bytes, place).map(u32::from_le_bytes)
}

/// The little-endian number of 64 bits at `place`.
pub fn long_number(bytes: &[u8], place: usize) -> Option<u64> {
    bytes.get(place..)?.first_chunk().copied().map(u64::from_le_bytes)
}
