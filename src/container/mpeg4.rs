//! MPEG-4 part 2 as containers carry it -> one VOP a packet, with the place at which it is shown.
//!
//! Comes in: a container's chunks in decoding order. Goes out: coded VOPs ([`Vop`]), and the order in which they are
//! shown ([`Reorder`]). A chunk may hold two VOPs (DivX's packed B-frames) or an empty one that stands for nothing.
//! Never decodes. After ISO/IEC 14496-2, 6.2.3 and 6.2.5.

use std::collections::VecDeque;
use std::ops::Range;

use crate::decoders::messages::{Colour, Matrix};

const START_CODE: [u8; 3] = [0, 0, 1];
pub const VOP: u8 = 0xb6;
const USER_DATA: u8 = 0xb2;
const GROUP: u8 = 0xb3;
const LAYERS: Range<u8> = 0x20..0x30;
/// An empty VOP takes no more bytes than this, headers included (libavcodec's MAX_NVOP_SIZE).
pub const LONGEST_EMPTY_VOP: u32 = 19;
/// VOPs of one chunk; DivX packs two.
const MOST_VOPS: usize = 8;
/// VOPs that wait for an anchor to be shown; encoders write a few bidirectional ones in a row.
const MOST_WAITING: usize = 64;

/// What the stream's headers tell about its VOPs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// Bits of a VOP's vop_time_increment; 0 before the first video object layer.
    time_increment_bits: u32,
    /// Parts of a second that vop_time_increment counts.
    resolution: u32,
    /// The whole second that the last anchor lies in, and the anchor before it.
    second: u32,
    second_before: u32,
    /// In pixels; 0 before the first video object layer.
    pub width: u32,
    pub height: u32,
    /// Chunks may hold two VOPs, as DivX's user data tells by a final `p`.
    pub packed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Decoding can start here. Shown after the bidirectional VOPs that follow it.
    Intra,
    /// Predicted or sprite. Shown after the bidirectional VOPs that follow it.
    Predicted,
    /// Shown at once.
    Bidirectional,
}

/// A coded VOP of a chunk.
#[derive(Clone, Debug, PartialEq)]
pub struct Vop {
    pub kind: Kind,
    /// Its bytes in the chunk, with the headers before it.
    pub bytes: Range<usize>,
    /// When it is shown by the stream's own clock, in seconds. Containers' times go before it.
    pub time: f64,
}

impl Headers {
    /// The first coded VOPs of a chunk, in decoding order; empty ones are left out. Headers in the chunk are taken over.
    pub fn vops(&mut self, chunk: &[u8]) -> Vec<Vop> {
        let mut vops = Vec::new();
        let mut start = None;
        let mut codes = start_codes(chunk).peekable();
        while let Some((place, code)) = codes.next() {
            let end = codes.peek().map_or(chunk.len(), |(next, _)| *next);
            let body = chunk.get(place + 4..end).unwrap_or_default();
            let from = *start.get_or_insert(place);
            match code {
                VOP => {
                    start = None;
                    let vop = self.coded(body).map(|(kind, time)| Vop { kind, bytes: from..end, time });
                    vops.extend(vop.filter(|_| vops.len() < MOST_VOPS));
                }
                USER_DATA => self.packed |= is_packed(body),
                GROUP => self.second = group_second(body).unwrap_or(self.second),
                layer if LAYERS.contains(&layer) => {
                    self.read_layer(body);
                }
                _ => {}
            }
        }
        vops
    }

    /// None for an empty VOP. 6.2.5: vop_coding_type, modulo_time_base, vop_time_increment, vop_coded.
    fn coded(&mut self, body: &[u8]) -> Option<(Kind, f64)> {
        let mut bits = Bits::new(body);
        let kind = match bits.take(2)? {
            0 => Kind::Intra,
            2 => Kind::Bidirectional,
            _ => Kind::Predicted,
        };
        let mut seconds = 0u32;
        while bits.take(1)? == 1 {
            seconds += 1;
        }
        bits.take(1)?;
        let increment = f64::from(bits.take(self.time_increment_bits)?) / f64::from(self.resolution.max(1));
        // Bidirectional VOPs count from the anchor that is shown before them, not from the one coded before them.
        let second = if kind == Kind::Bidirectional {
            self.second_before.saturating_add(seconds)
        } else {
            self.second_before = self.second;
            self.second = self.second.saturating_add(seconds);
            self.second
        };
        bits.take(1)?;
        (bits.take(1)? == 1).then_some((kind, f64::from(second) + increment))
    }

    /// 6.2.3, up to video_object_layer_height. Of a layer that ends before, what it tells is taken.
    fn read_layer(&mut self, body: &[u8]) -> Option<()> {
        let mut bits = Bits::new(body);
        bits.take(9)?;
        let version = if bits.take(1)? == 1 { bits.take(7)? >> 3 } else { 1 };
        const EXTENDED: u32 = 15;
        if bits.take(4)? == EXTENDED {
            bits.take(16)?;
        }
        if bits.take(1)? == 1 {
            bits.take(3)?;
            // vbv_parameters
            if bits.take(1)? == 1 {
                bits.take(32)?;
                bits.take(32)?;
                bits.take(15)?;
            }
        }
        const RECTANGULAR: u32 = 0;
        const GREYSCALE: u32 = 3;
        let shape = bits.take(2)?;
        if shape == GREYSCALE && version != 1 {
            bits.take(4)?;
        }
        bits.take(1)?;
        self.resolution = bits.take(16)?;
        self.time_increment_bits = (u32::BITS - self.resolution.saturating_sub(1).leading_zeros()).max(1);
        bits.take(1)?;
        if bits.take(1)? == 1 {
            bits.take(self.time_increment_bits)?;
        }
        if shape == RECTANGULAR {
            bits.take(1)?;
            let width = bits.take(13)?;
            bits.take(1)?;
            (self.width, self.height) = (width, bits.take(13)?);
        }
        Some(())
    }
}

/// 6.2.4, group_of_vop: the second at which the group's first shown VOP lies or after which it comes.
fn group_second(body: &[u8]) -> Option<u32> {
    let mut bits = Bits::new(body);
    let (hours, minutes) = (bits.take(5)?, bits.take(6)?);
    bits.take(1)?;
    Some((hours * 60 + minutes) * 60 + bits.take(6)?)
}

/// What comes before the first VOP of a chunk.
pub fn headers(chunk: &[u8]) -> &[u8] {
    let vop = start_codes(chunk).find(|(_, code)| *code == VOP);
    chunk.get(..vop.map_or(chunk.len(), |(place, _)| place)).unwrap_or_default()
}

/// The colours that a visual object's header tells of (6.2.2, video_signal_type); none where it tells none.
pub fn colour(headers: &[u8]) -> Option<Colour> {
    const VISUAL_OBJECT: u8 = 0xb5;
    let (place, _) = start_codes(headers).find(|(_, code)| *code == VISUAL_OBJECT)?;
    let mut bits = Bits::new(headers.get(place + 4..)?);
    if bits.take(1)? == 1 {
        bits.take(7)?;
    }
    const VIDEO_OR_STILL_TEXTURE: Range<u32> = 1..3;
    if !VIDEO_OR_STILL_TEXTURE.contains(&bits.take(4)?) || bits.take(1)? == 0 {
        return None;
    }
    bits.take(3)?;
    let full_range = bits.take(1)? == 1;
    const BT709: u32 = 1;
    let matrix = if bits.take(1)? == 1 && bits.take(24)? & 0xff == BT709 { Matrix::Bt709 } else { Matrix::Bt601 };
    Some(Colour { matrix, full_range })
}

/// Where start codes lie in `bytes`, with the byte that names each.
pub fn start_codes(bytes: &[u8]) -> impl Iterator<Item = (usize, u8)> {
    bytes.windows(4).enumerate().filter_map(|(place, window)| match window {
        [zero, none, one, code] if [*zero, *none, *one] == START_CODE => Some((place, *code)),
        _ => None,
    })
}

/// `DivX503b1393p`: DivX writes its version and, where it packs B-frames, a `p`.
fn is_packed(user_data: &[u8]) -> bool {
    let text = user_data.split(|byte| *byte == 0).next().unwrap_or_default();
    text.starts_with(b"DivX") && text.ends_with(b"p")
}

struct Bits<'a> {
    bytes: &'a [u8],
    place: usize,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, place: 0 }
    }

    /// The next `count` bits, at most 32; none where the bytes end before.
    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.place / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.place % 8) & 1);
            self.place += 1;
        }
        Some(value)
    }
}

/// Decoding order -> the order in which VOPs are shown: an anchor waits until the next one comes.
#[derive(Debug)]
pub struct Reorder<V> {
    /// VOPs in decoding order, and the moments at which they are shown as far as these are known.
    waiting: VecDeque<(V, Option<f64>)>,
    /// The moments, in order, that nobody has taken.
    moments: VecDeque<f64>,
    /// Where the anchor that is not yet shown lies in `waiting`.
    anchor: Option<usize>,
}

impl<V> Default for Reorder<V> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), moments: VecDeque::new(), anchor: None }
    }
}

impl<V> Reorder<V> {
    /// A moment at which a picture is shown. There is one for each VOP, and moments come in order.
    pub fn moment(&mut self, seconds: f64) {
        self.moments.push_back(seconds);
    }

    pub fn push(&mut self, vop: V, kind: Kind) {
        if kind == Kind::Bidirectional {
            if self.waiting.len() >= MOST_WAITING {
                self.show_anchor();
            }
            let shown = self.moments.pop_front();
            self.waiting.push_back((vop, shown));
        } else {
            self.show_anchor();
            self.anchor = Some(self.waiting.len());
            self.waiting.push_back((vop, None));
        }
    }

    /// No more VOPs come.
    pub fn finish(&mut self) {
        self.show_anchor();
    }

    fn show_anchor(&mut self) {
        if let Some(index) = self.anchor.take()
            && let Some((_, shown)) = self.waiting.get_mut(index)
        {
            *shown = self.moments.pop_front();
        }
    }

    /// The next VOP in decoding order, once it is known when it is shown.
    pub fn pop(&mut self) -> Option<(V, f64)> {
        self.waiting.front()?.1?;
        let (vop, shown) = self.waiting.pop_front()?;
        self.anchor = self.anchor.and_then(|index| index.checked_sub(1));
        Some((vop, shown?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// XviD's headers of a 180x144 stream at 25 frames a second, from Weizmann's set.
    const LAYER: [u8; 22] =
        [0, 0, 1, 0x20, 0, 0xc8, 0x88, 0x80, 0x0f, 0x51, 0x10, 0xb4, 0x24, 0x20, 0xa3, 0, 0, 1, 0xb2, b'X', b'v', b'i'];

    fn vop(kind: u8, coded: bool) -> Vec<u8> {
        // Type, one modulo bit of 0, marker, 15 bits of increment (resolution 30000), marker, coded.
        let bits = u32::from(kind) << 30 | 1 << 28 | 1 << 12 | u32::from(coded) << 11;
        [[0, 0, 1, VOP].as_slice(), &bits.to_be_bytes()].concat()
    }

    fn layer(resolution: u16) -> Vec<u8> {
        // 9 bits, no identifier, square pixels, no control, rectangular, marker, resolution, marker.
        let bits = u64::from(1u8) << 50 | 1 << 44 | u64::from(resolution) << 28 | 1 << 27;
        [[0, 0, 1, 0x20].as_slice(), &bits.to_be_bytes()].concat()
    }

    #[test]
    fn packed_chunks_come_apart_and_empty_vops_are_left_out() {
        let mut headers = Headers::default();
        let chunk = [layer(30000), vop(1, true), vop(2, true)].concat();
        let vops = headers.vops(&chunk);
        assert_eq!(headers.time_increment_bits, 15);
        assert_eq!(vops.iter().map(|vop| vop.kind).collect::<Vec<_>>(), [Kind::Predicted, Kind::Bidirectional]);
        assert_eq!(vops[0].bytes, 0..20);
        assert_eq!(vops[1].bytes, 20..28);
        assert!(headers.vops(&vop(1, false)).is_empty());
        assert!(headers.vops(&[0, 0, 1, VOP]).is_empty());
        assert!(headers.vops(&[]).is_empty());
        assert!(!headers.packed);
        headers.vops(&[[0, 0, 1, USER_DATA].as_slice(), b"DivX503b1393p\0"].concat());
        assert!(headers.packed);
    }

    #[test]
    fn a_layer_that_is_cut_off_at_any_byte_changes_nothing() {
        for length in 0..LAYER.len() {
            Headers::default().vops(&LAYER[..length]);
        }
    }

    #[test]
    fn anchors_are_shown_after_the_bidirectional_vops_that_follow_them() {
        let mut order = Reorder::default();
        let mut shown = Vec::new();
        for (index, (name, kind)) in
            [("I0", Kind::Intra), ("P3", Kind::Predicted), ("B1", Kind::Bidirectional), ("B2", Kind::Bidirectional)]
                .into_iter()
                .enumerate()
        {
            order.moment(index as f64);
            order.push(name, kind);
            shown.extend(std::iter::from_fn(|| order.pop()));
        }
        assert_eq!(shown, [("I0", 0.0)]);
        order.finish();
        shown.extend(std::iter::from_fn(|| order.pop()));
        assert_eq!(shown, [("I0", 0.0), ("P3", 3.0), ("B1", 1.0), ("B2", 2.0)]);
    }

    #[test]
    fn a_chunk_of_many_vops_and_an_anchor_that_none_follows_are_bounded() {
        let chunk = [layer(30000), vop(1, true).repeat(1000)].concat();
        assert_eq!(Headers::default().vops(&chunk).len(), MOST_VOPS);
        let mut order = Reorder::default();
        let mut shown = Vec::new();
        for index in 0..1000 {
            order.moment(f64::from(index));
            order.push(index, if index == 0 { Kind::Intra } else { Kind::Bidirectional });
            shown.extend(std::iter::from_fn(|| order.pop()));
            assert!(order.waiting.len() <= MOST_WAITING);
        }
        let mut moments: Vec<f64> = shown.iter().map(|(_, moment)| *moment).collect();
        moments.sort_by(f64::total_cmp);
        assert_eq!(moments, (0..1000).map(f64::from).collect::<Vec<_>>(), "each has a moment of its own");
    }
}
