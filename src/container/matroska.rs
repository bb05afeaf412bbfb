//! A webm or mkv file's head -> what mediabunny does not tell of its tracks.
//!
//! Comes in: the first bytes of a file. Goes out: whether a track is encrypted: mediabunny (1.61) passes over such tracks
//! without a word. Never reads pictures.

/// The elements (RFC 9559, 5.1) on the way to ContentEncryption: Segment, Tracks, TrackEntry, ContentEncodings,
/// ContentEncoding.
const PATH: [u32; 6] = [0x1853_8067, 0x1654_ae6b, 0xae, 0x6d80, 0x6240, 0x5035];
/// Of a file's start, so much holds the tracks.
pub const HEAD: u64 = 1 << 20;

/// `head` holds the file's first bytes, [`HEAD`] or all of them.
pub fn is_encrypted(head: &[u8]) -> bool {
    has(head, &PATH)
}

fn has(bytes: &[u8], path: &[u32]) -> bool {
    let Some((wanted, deeper)) = path.split_first() else { return true };
    elements(bytes).any(|(id, contents)| id == *wanted && has(contents, deeper))
}

/// Names and contents of the elements that lie side by side in `bytes` (RFC 8794, 4 to 6), up to one that makes no sense.
/// The last may be cut off, or of unknown length.
fn elements(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let (id, rest) = number(bytes, 4, true)?;
        let (length, rest) = number(rest, 8, false)?;
        let (contents, behind) = rest.split_at(usize::try_from(length).unwrap_or(usize::MAX).min(rest.len()));
        bytes = behind;
        Some((u32::try_from(id).ok()?, contents))
    })
}

/// A number of at most `longest` bytes, as many as its first one's leading zeros say, with the bit that ends these where
/// it is `marked`; and what follows. All ones stand for a length that is not known.
fn number(bytes: &[u8], longest: u32, marked: bool) -> Option<(u64, &[u8])> {
    let first = *bytes.first()?;
    let more = first.leading_zeros();
    if more >= longest {
        return None;
    }
    let (digits, rest) = bytes.split_at_checked(more as usize + 1)?;
    let value = digits.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    let end = 1u64 << (7 * (more + 1));
    let number = if marked { value } else { value & (end - 1) };
    Some((if !marked && number == end - 1 { u64::MAX } else { number }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(id: u32, contents: &[u8]) -> Vec<u8> {
        let bytes = id.to_be_bytes();
        let id = bytes.iter().skip_while(|byte| **byte == 0).copied();
        id.chain((contents.len() as u64 | 1 << 56).to_be_bytes()).chain(contents.iter().copied()).collect()
    }

    /// With a head, a clear track, and one along `path`.
    fn file(path: &[u32]) -> Vec<u8> {
        let tracks = path[2..].iter().rev().fold(vec![1], |inner, id| element(*id, &inner));
        let tracks = element(PATH[1], &[element(PATH[2], &element(0x86, b"V_VP9")), tracks].concat());
        [element(0x1a45_dfa3, &[0; 9]), element(PATH[0], &tracks)].concat()
    }

    #[test]
    fn an_encrypted_track_is_told_and_a_compressed_one_is_none() {
        const COMPRESSION: u32 = 0x5034;
        let encrypted = file(&PATH);
        assert!(is_encrypted(&encrypted));
        assert!(!is_encrypted(&file(&[PATH[0], PATH[1], PATH[2], PATH[3], PATH[4], COMPRESSION])));
        // A segment whose length nobody knew when it began, as in live recordings.
        let segment = encrypted.windows(4).position(|bytes| bytes == PATH[0].to_be_bytes()).unwrap() + 4;
        let live = [&encrypted[..segment], &[0xff], &encrypted[segment + 8..]].concat();
        assert!(is_encrypted(&live));
        for length in 0..encrypted.len() {
            let _ = is_encrypted(&encrypted[..length]);
            let mut damaged = encrypted.clone();
            damaged[length] ^= 0xff;
            let _ = is_encrypted(&damaged);
        }
    }
}
