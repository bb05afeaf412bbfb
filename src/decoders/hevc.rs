//! HEVC (ITU-T H.265) -> pictures, through `rusty_h265`.
//!
//! Comes in: access units, their NAL units behind lengths (with an hvcC configuration, ISO/IEC 14496-15, 8.3.3.1) or
//! behind start codes (without). Goes out: pictures cropped as the stream tells. Main and Main 10, 4:2:0.

use rusty_h265::{Decoder, Frame};

use super::colour::{Plane, Planes};
use super::messages::{Colour, Picture, Stream};
use super::session::{Decode, Ready};

/// Where the arrays of parameter sets start in an hvcC box.
const ARRAYS_AT: usize = 22;

pub struct Hevc {
    decoder: Decoder,
    colour: Colour,
    /// Bytes of each NAL unit's length; none where start codes part them.
    length_bytes: Option<usize>,
}

impl Hevc {
    pub fn new(stream: &Stream, complaint: &mut Option<String>) -> Self {
        let mut decoder = Decoder::new();
        let description = stream.description.as_slice();
        // configurationVersion is 1; a start code begins with 0.
        let length_bytes = match (description.first(), description.get(ARRAYS_AT - 1)) {
            (Some(1), Some(sizes)) => Some(usize::from(sizes & 3) + 1),
            _ => None,
        };
        let units = if length_bytes.is_some() { parameter_sets(description) } else { vec![] };
        for unit in units {
            if let Err(error) = decoder.push_nal(unit, None) {
                complaint.get_or_insert(error.to_string());
            }
        }
        Self { decoder, colour: stream.colour, length_bytes }
    }

    fn keep(&mut self, ready: &mut Ready<'_>) {
        while let Ok(frame) = self.decoder.next_frame() {
            if let Some(time) = frame.pts.filter(|time| (ready.wanted)(*time)) {
                ready.pictures.extend(picture(&frame, time, self.colour));
            }
        }
    }
}

impl Decode for Hevc {
    fn decode(&mut self, packet: &[u8], time: i64, ready: &mut Ready<'_>) -> Result<(), String> {
        let mut decoded = Ok(());
        match self.length_bytes {
            None => decoded = self.decoder.push_annexb(packet, Some(time)),
            Some(length_bytes) => {
                for unit in units(packet, length_bytes) {
                    decoded = decoded.and(self.decoder.push_nal(unit, Some(time)));
                }
            }
        }
        self.keep(ready);
        decoded.map_err(|error| error.to_string())
    }

    fn flush(&mut self, ready: &mut Ready<'_>) {
        self.decoder.flush();
        self.keep(ready);
    }
}

/// None where the cropped part is not in the picture, or chroma is not 4:2:0.
fn picture(frame: &Frame, time: i64, colour: Colour) -> Option<Picture> {
    let stored = &frame.picture;
    let (left, top, width, height) = stored.crop;
    let [luma, cb, cr] = &stored.planes;
    fn part(plane: &rusty_h265::Plane, left: usize, top: usize) -> Option<Plane<'_, u16>> {
        Some(Plane { samples: plane.data.get(top * plane.stride + left..)?, stride: plane.stride })
    }
    let chroma = match stored.chroma_format_idc {
        0 => None,
        1 => Some([part(cb, left / 2, top / 2)?, part(cr, left / 2, top / 2)?]),
        _ => return None,
    };
    let depth = frame.bit_depth();
    Some(Planes { luma: part(luma, left, top)?, chroma, width, height, depth }.picture(time, colour))
}

/// NAL units behind big-endian lengths; what does not fit ends them.
fn units(mut packet: &[u8], length_bytes: usize) -> Vec<&[u8]> {
    let mut units = Vec::new();
    while let Some((length, rest)) = packet.split_at_checked(length_bytes) {
        let length = length.iter().fold(0usize, |length, &byte| length << 8 | usize::from(byte));
        let Some((unit, rest)) = rest.split_at_checked(length) else { break };
        units.push(unit);
        packet = rest;
    }
    units
}

/// The parameter sets of an hvcC configuration.
fn parameter_sets(description: &[u8]) -> Vec<&[u8]> {
    let mut sets = Vec::new();
    let Some((&arrays, mut rest)) = description.get(ARRAYS_AT..).and_then(<[u8]>::split_first) else { return sets };
    for _ in 0..arrays {
        // One byte of type, two of count, then the units, each behind two bytes of length.
        let Some((&[_, high, low], units)) = rest.split_first_chunk::<3>() else { break };
        rest = units;
        for _ in 0..u16::from_be_bytes([high, low]) {
            let Some((&length, behind)) = rest.split_first_chunk::<2>() else { return sets };
            let Some((set, behind)) = behind.split_at_checked(usize::from(u16::from_be_bytes(length))) else {
                return sets;
            };
            sets.push(set);
            rest = behind;
        }
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_parameter_sets_end_where_the_bytes_do() {
        assert_eq!(units(&[0, 1, 9, 0, 2, 8, 7, 0, 5, 1], 2), [&[9][..], &[8, 7]]);
        assert!(units(&[0, 0], 4).is_empty());
        let mut description = vec![0; ARRAYS_AT];
        description.extend([2, 32, 0, 1, 0, 2, 5, 6, 33, 0, 2, 0, 1, 7, 0, 9, 1]);
        assert_eq!(parameter_sets(&description), [&[5, 6][..], &[7]]);
        assert!(parameter_sets(&[1; 22]).is_empty());
    }
}
