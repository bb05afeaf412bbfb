//! AVI's three indexes -> where the video's chunks lie.
//!
//! Comes in: the file, and what its headers told. Goes out: the video stream's [`Place`]s in decoding order. OpenDML's
//! index (`indx`) comes before the old one (`idx1`), which ends with the first part of a long file; a file without
//! either is walked through. Never believes an index that points outside the file, or names more than fits into it.

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
    let mut left = blocks.len();
    places.retain(|place| {
        let bytes = HEADER + u64::from(place.length);
        // A file that was cut off keeps its index but not the chunks; and a damaged index names one chunk many times.
        let is_there = place.start.checked_add(place.length.into()).is_some_and(|end| end <= blocks.len());
        let fits = is_there && bytes <= left;
        left -= if fits { bytes } else { 0 };
        fits
    });
    places.shrink_to_fit();
    Ok(places)
}

async fn open_dml(blocks: &Blocks, super_index: &[u8]) -> Result<Vec<Place>, FileError> {
    const INDEX_OF_INDEXES: u8 = 0;
    let mut places = Vec::new();
    let count = number(super_index, 4).unwrap_or(0) as usize;
    // Each chunk takes its header and an entry; and no index is read twice, however many entries name it.
    let most = (blocks.len() / (HEADER + STANDARD_ENTRY as u64)) as usize;
    let mut left = blocks.len();
    if super_index.get(3) != Some(&INDEX_OF_INDEXES) {
        standard(super_index, most, &mut places);
        return Ok(places);
    }
    for entry in super_index.get(INDEX_HEAD..).unwrap_or_default().chunks_exact(SUPER_ENTRY).take(count) {
        let (Some(start), Some(length)) = (long_number(entry, 0), number(entry, 8)) else { break };
        let end = start.saturating_add(length.into()).min(blocks.len());
        if start.saturating_add(HEADER) >= end || end - start > left {
            break;
        }
        left -= end - start;
        standard(&blocks.read(start + HEADER..end).await?, most.saturating_sub(places.len()), &mut places);
    }
    Ok(places)
}

/// One AVISTDINDEX: entry size, kind, count, stream, base; then offsets (from the base, to the contents) and lengths.
/// `most` of them are taken.
fn standard(index: &[u8], most: usize, places: &mut Vec<Place>) {
    const INDEX_OF_CHUNKS: u8 = 1;
    let (Some(count), Some(base)) = (number(index, 4), long_number(index, 12)) else { return };
    if index.first() != Some(&2) || index.get(3) != Some(&INDEX_OF_CHUNKS) {
        return;
    }
    let count = most.min(count as usize);
    for entry in index.get(INDEX_HEAD..).unwrap_or_default().chunks_exact(STANDARD_ENTRY).take(count) {
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::files::FileSource;

    fn chunk(name: &Name, contents: &[u8]) -> Vec<u8> {
        [name.as_slice(), &(contents.len() as u32).to_le_bytes(), contents].concat()
    }

    fn numbers(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    fn found(file: &[u8], film: &Film, super_index: &[u8]) -> Vec<Place> {
        let blocks = Blocks::new(FileSource::from_bytes(file));
        places(&blocks, film, 0, super_index).now_or_never().unwrap().unwrap()
    }

    #[test]
    fn an_old_index_that_names_one_chunk_many_times_gives_no_more_bytes_than_the_file_holds() {
        let picture = chunk(b"00dc", &[7; 1000]);
        let named = numbers(&[u32::from_le_bytes(*b"00dc"), KEY_FLAG, 4, 1000]);
        let index = chunk(b"idx1", &named.repeat(500));
        let film = |contents: std::ops::Range<u64>| Film {
            parts: vec![4..4 + picture.len() as u64],
            old_index: Some(Chunk { name: *b"idx1", contents, cut: false }),
        };
        let file = [b"movi".as_slice(), &picture, &index].concat();
        let start = 4 + picture.len() as u64 + HEADER;
        let places = found(&file, &film(start..file.len() as u64), &[]);
        assert!(places.iter().all(|place| *place == Place { start: 12, length: 1000, key: true }));
        assert_eq!(places.len(), file.len() / 1008);
        assert_eq!(found(&file, &film(start..start + OLD_ENTRY as u64), &[]).len(), 1);
    }

    #[test]
    fn an_index_of_indexes_that_names_one_many_times_takes_memory_as_the_file_is_long() {
        let rows = [numbers(&[2 | 1 << 24, 100, 0, 0, 0, 0]), numbers(&[0, 0]).repeat(100)].concat();
        let file = chunk(b"ix00", &rows);
        let entry = numbers(&[0, 0, file.len() as u32, 100]);
        let named = |times: u32| [numbers(&[4, times, 0, 0, 0, 0]), entry.repeat(times as usize)].concat();
        let places = |times| found(&file, &Film::default(), &named(times)).len();
        assert_eq!(places(1), file.len() / 16);
        assert_eq!(places(10_000), places(1));
    }
}
