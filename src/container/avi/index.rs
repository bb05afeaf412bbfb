//! AVI's three indexes -> where the video's chunks lie.
//!
//! Comes in: the file, and what its headers told. Goes out: the video stream's [`Place`]s in decoding order. OpenDML's
//! index (`indx`) comes before the old one (`idx1`), which ends with the first part of a long file; a file without
//! either is walked through. Never believes an index that points outside the file.

use super::riff::{Blocks, Chunk, HEADER, Name, long_number, number};
use crate::files::FileError;

/// A chunk of the video stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub start: u64,
    /// 0 where a picture is left out.
    pub length: u32,
    /// Decoding can start here.
    pub key: bool,
}

/// Where the film's chunks lie.
#[derive(Clone, Debug, Default)]
pub struct Film {
    /// The `movi` lists' contents, without their names.
    pub parts: Vec<std::ops::Range<u64>>,
    /// The contents of `idx1`.
    pub old_index: Option<Chunk>,
}

/// idx1, AVIINDEXENTRY: name, flags, offset, length.
const OLD_ENTRY: usize = 16;
const KEY_FLAG: u32 = 0x10;
/// OpenDML 1.02, AVISUPERINDEX and AVISTDINDEX.
const INDEX_HEAD: usize = 24;
const SUPER_ENTRY: usize = 16;
const STANDARD_ENTRY: usize = 8;
/// Set in a standard index's length where decoding cannot start.
const NOT_KEY: u32 = 1 << 31;

/// All chunks of stream `number`, from the best index that there is.
pub async fn places(blocks: &Blocks, film: &Film, stream: u8, super_index: &[u8]) -> Result<Vec<Place>, FileError> {
    let mut places = open_dml(blocks, super_index).await?;
    if places.is_empty() {
        places = old(blocks, film, stream).await?;
    }
    if places.is_empty() {
        places = walked(blocks, film, stream).await?;
    }
    let length = blocks.len();
    // A file that was cut off keeps its index but not the chunks.
    places.retain(|place| place.start.checked_add(place.length.into()).is_some_and(|end| end <= length));
    Ok(places)
}

async fn open_dml(blocks: &Blocks, super_index: &[u8]) -> Result<Vec<Place>, FileError> {
    const INDEX_OF_INDEXES: u8 = 0;
    let mut places = Vec::new();
    let count = number(super_index, 4).unwrap_or(0) as usize;
    if super_index.get(3) != Some(&INDEX_OF_INDEXES) {
        standard(super_index, &mut places);
        return Ok(places);
    }
    for entry in super_index.get(INDEX_HEAD..).unwrap_or_default().chunks_exact(SUPER_ENTRY).take(count) {
        let (Some(start), Some(length)) = (long_number(entry, 0), number(entry, 8)) else { break };
        let end = start.saturating_add(length.into()).min(blocks.len());
        if start.saturating_add(HEADER) >= end {
            break;
        }
        standard(&blocks.read(start + HEADER..end).await?, &mut places);
    }
    Ok(places)
}

/// One AVISTDINDEX: entry size, kind, count, stream, base; then offsets (from the base, to the contents) and lengths.
fn standard(index: &[u8], places: &mut Vec<Place>) {
    const INDEX_OF_CHUNKS: u8 = 1;
    let (Some(count), Some(base)) = (number(index, 4), long_number(index, 12)) else { return };
    if index.first() != Some(&2) || index.get(3) != Some(&INDEX_OF_CHUNKS) {
        return;
    }
    for entry in index.get(INDEX_HEAD..).unwrap_or_default().chunks_exact(STANDARD_ENTRY).take(count as usize) {
        let (Some(offset), Some(length)) = (number(entry, 0), number(entry, 4)) else { break };
        let start = base.saturating_add(offset.into());
        places.push(Place { start, length: length & !NOT_KEY, key: length & NOT_KEY == 0 });
    }
}

async fn old(blocks: &Blocks, film: &Film, stream: u8) -> Result<Vec<Place>, FileError> {
    let (Some(index), Some(part)) = (&film.old_index, film.parts.first()) else { return Ok(Vec::new()) };
    let entries = blocks.read(index.contents.clone()).await?;
    let mut places = Vec::new();
    let mut base = None;
    for entry in entries.chunks_exact(OLD_ENTRY) {
        let Some((name, flags, offset, length)) = old_entry(entry) else { break };
        let base = match base {
            Some(base) => base,
            None => *base.insert(old_base(blocks, part.start, name, offset).await?),
        };
        if is_video(name, stream) {
            let start = base + u64::from(offset) + HEADER;
            places.push(Place { start, length, key: flags & KEY_FLAG != 0 });
        }
    }
    Ok(places)
}

fn old_entry(entry: &[u8]) -> Option<(Name, u32, u32, u32)> {
    Some((super::riff::name(entry, 0)?, number(entry, 4)?, number(entry, 8)?, number(entry, 12)?))
}

/// Offsets count from the name `movi`, as the format says, or from the file's start, as some programs write them.
async fn old_base(blocks: &Blocks, part: u64, name: Name, offset: u32) -> Result<u64, FileError> {
    let from_film = part.saturating_sub(4);
    let there = blocks.chunk(from_film.saturating_add(offset.into()), u64::MAX).await?;
    Ok(if there.is_some_and(|chunk| chunk.name == name) { from_film } else { 0 })
}

/// Every chunk in the film, `rec ` lists entered. Without an index nobody knows the key chunks but the first.
async fn walked(blocks: &Blocks, film: &Film, stream: u8) -> Result<Vec<Place>, FileError> {
    const NAME: u64 = 4;
    let mut places: Vec<Place> = Vec::new();
    for part in &film.parts {
        let mut at = part.start;
        while let Some(chunk) = blocks.chunk(at, part.end).await? {
            at = if &chunk.name == b"LIST" { chunk.contents.start + NAME } else { chunk.end() };
            if is_video(chunk.name, stream) && !chunk.cut {
                let length = (chunk.contents.end - chunk.contents.start) as u32;
                places.push(Place { start: chunk.contents.start, length, key: places.is_empty() });
            }
        }
    }
    Ok(places)
}

/// `00dc` or `00db` for stream 0.
fn is_video(name: Name, stream: u8) -> bool {
    let digits = [b'0' + stream / 10 % 10, b'0' + stream % 10];
    name.starts_with(&digits) && matches!(&name[2..], b"dc" | b"db")
}
