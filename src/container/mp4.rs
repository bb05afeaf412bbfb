//! An mp4 file -> what mediabunny does not tell of its index.
//!
//! Comes in: a file. Goes out: the index's boxes, whether its pictures are encrypted, and the DecoderSpecificInfo of
//! `mp4v`'s `esds` box (ISO/IEC 14496-1, 7.2.6.7), in which many files keep the only copy of MPEG-4's headers. Never reads
//! pictures.

use crate::files::{FileError, FileSource};

/// An index larger than this is damage.
const LONGEST_INDEX: u64 = 256 << 20;
/// The index comes after so many boxes at the most: each costs a read, and a box may have no more than eight bytes.
const MOST_BOXES: usize = 4096;
/// Boxes with boxes in them, on the way to a track's kinds of pictures, and the bytes before those.
const KINDS: [(&[u8; 4], usize); 5] = [(b"trak", 0), (b"mdia", 0), (b"minf", 0), (b"stbl", 0), (b"stsd", 8)];
/// From there to MPEG-4's headers.
const MPEG4: [(&[u8; 4], usize); 2] = [(b"mp4v", 78), (b"esds", 4)];

/// The first MPEG-4 track's DecoderSpecificInfo, of the contents of the `moov` box; empty where there is none.
pub fn configuration(movie: &[u8]) -> &[u8] {
    search(movie, &[KINDS.as_slice(), &MPEG4].concat()).and_then(specific_info).unwrap_or_default()
}

/// Whether a track of the `moov` box has encrypted pictures (ISO/IEC 23001-7, 4.1). mediabunny takes them for others.
pub fn is_encrypted(movie: &[u8]) -> bool {
    search(movie, &[KINDS.as_slice(), &[(b"encv", 0)]].concat()).is_some()
}

/// Where the contents of the `moov` box start, and the contents; empty where there is none.
pub async fn movie(file: &FileSource) -> Result<(u64, Vec<u8>), FileError> {
    let mut at = 0u64;
    for _ in 0..MOST_BOXES {
        let rest = file.len().saturating_sub(at);
        if rest < 8 {
            break;
        }
        let head = file.read(at..at + rest.min(16)).await?;
        let Some((name, contents, length)) = header(&head, rest) else { break };
        let end = at.saturating_add(length);
        if &name == b"moov" && length - contents <= LONGEST_INDEX {
            return Ok((at + contents, file.read(at + contents..end.min(file.len())).await?));
        }
        at = end;
    }
    Ok((0, Vec::new()))
}

/// Where in `movie` the name of a `colr` box of the kind `nclx` lies that lacks its last byte, as some cameras write it.
/// mediabunny (1.61) reads beyond its end and gives the file up.
pub fn short_colours(movie: &[u8]) -> Option<usize> {
    const BOX: &[u8] = b"\0\0\0\x12colrnclx";
    const LENGTH: usize = 4;
    movie.windows(BOX.len()).position(|bytes| bytes == BOX).map(|place| place + LENGTH)
}

/// A box's name, where its contents start, and its length, all of it; `rest` stands for a length of 0.
fn header(bytes: &[u8], rest: u64) -> Option<([u8; 4], u64, u64)> {
    let short = u32::from_be_bytes(*bytes.first_chunk()?);
    let name = *bytes.get(4..)?.first_chunk()?;
    let (contents, length) = match short {
        0 => (8, rest),
        1 => (16, u64::from_be_bytes(*bytes.get(8..)?.first_chunk()?)),
        length => (8, u64::from(length)),
    };
    (length >= contents).then_some((name, contents, length))
}

/// Names and contents of the boxes that lie side by side in `bytes`, up to one that makes no sense.
pub fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (name, contents, length) = header(bytes, bytes.len() as u64)?;
        let (this, rest) = bytes.split_at(usize::try_from(length).ok()?.min(bytes.len()));
        bytes = rest;
        Some((name, this.get(contents as usize..).unwrap_or_default()))
    })
}

/// The contents of the first box along `path`.
fn search<'a>(outer: &'a [u8], path: &[(&[u8; 4], usize)]) -> Option<&'a [u8]> {
    let ((wanted, before), deeper) = path.split_first()?;
    boxes(outer).filter(|(name, _)| name == *wanted).find_map(|(_, contents)| {
        let inside = contents.get(*before..).unwrap_or_default();
        if deeper.is_empty() { Some(inside) } else { search(inside, deeper) }
    })
}

/// Through ES_Descriptor (3) and DecoderConfigDescriptor (4) to DecoderSpecificInfo (5).
fn specific_info(descriptors: &[u8]) -> Option<&[u8]> {
    let stream = descriptor(descriptors, 3)?;
    let flags = *stream.get(2)?;
    let depends = if flags & 0x80 == 0 { 0 } else { 2 };
    let address = if flags & 0x40 == 0 { 0 } else { 1 + usize::from(*stream.get(3 + depends)?) };
    let clock = if flags & 0x20 == 0 { 0 } else { 2 };
    let decoder = descriptor(stream.get(3 + depends + address + clock..)?, 4)?;
    descriptor(decoder.get(13..)?, 5)
}

/// The contents of the descriptor that starts `bytes`, if its tag is `tag`.
fn descriptor(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (&found, mut rest) = bytes.split_first()?;
    let mut length = 0;
    // At most four bytes of seven bits; the last has no continuation bit.
    for _ in 0..4 {
        let (&byte, behind) = rest.split_first()?;
        rest = behind;
        length = length << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    (found == tag).then(|| rest.get(..length).unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn boxed(name: &[u8; 4], before: usize, contents: &[u8]) -> Vec<u8> {
        let length = (8 + before + contents.len()) as u32;
        [&length.to_be_bytes(), name.as_slice(), &vec![0; before], contents].concat()
    }

    fn movie() -> Vec<u8> {
        let info = [5, 0x80, 0x80, 0x80, 3, 7, 8, 9];
        let decoder = [[4, 13 + 8].as_slice(), &[0; 13], &info].concat();
        let stream = [[3, 3 + 23].as_slice(), &[0, 1, 0], &decoder].concat();
        let inner = KINDS.iter().chain(&MPEG4).rev().fold(stream, |inner, (name, before)| boxed(name, *before, &inner));
        [boxed(b"ftyp", 4, &[]), boxed(b"mdat", 0, &[1; 9]), boxed(b"moov", 0, &inner)].concat()
    }

    fn found(bytes: &[u8]) -> Vec<u8> {
        let (_, movie) = super::movie(&FileSource::from_bytes(bytes)).now_or_never().unwrap().unwrap_or_default();
        configuration(&movie).to_vec()
    }

    #[test]
    fn an_index_behind_more_boxes_than_a_file_has_is_none() {
        let behind = |count: usize| [boxed(b"free", 0, &[]).repeat(count), movie()].concat();
        // Before the index of `movie` lie two boxes of its own.
        assert_eq!(found(&behind(MOST_BOXES - 3)), [7, 8, 9]);
        assert!(found(&behind(MOST_BOXES - 2)).is_empty());
        let begun = std::time::Instant::now();
        assert!(found(&behind(4_000_000)).is_empty());
        assert!(begun.elapsed().as_secs_f64() < 1.0, "{:?}", begun.elapsed());
    }

    #[test]
    fn encrypted_pictures_are_told_from_others() {
        let track = |kind: &[u8; 4]| {
            KINDS.iter().rev().fold(boxed(kind, 78, &[]), |inner, (name, before)| boxed(name, *before, &inner))
        };
        assert!(is_encrypted(&[track(b"enca"), track(b"encv")].concat()));
        assert!(!is_encrypted(&[track(b"enca"), track(b"avc1")].concat()));
    }

    #[test]
    fn a_colour_box_without_its_last_byte_is_found() {
        assert_eq!(short_colours(b"..\0\0\0\x12colrnclx\0\x01\0\x01\0\x01"), Some(6));
        assert_eq!(short_colours(b"..\0\0\0\x13colrnclx\0\x01\0\x01\0\x01\0"), None);
    }

    #[test]
    fn the_configuration_is_found_and_a_file_cut_anywhere_has_none_or_less() {
        let movie = movie();
        assert_eq!(found(&movie), [7, 8, 9]);
        for length in 0..movie.len() {
            assert!([7, 8, 9].starts_with(&found(&movie[..length])));
        }
        for place in 0..movie.len() {
            let mut damaged = movie.clone();
            damaged[place] ^= 0xff;
            found(&damaged);
        }
    }
}
