//! A transport stream's packets (ISO/IEC 13818-1, 2.4) -> its tables, and the bytes of one stream.
//!
//! Comes in: a file of 188-byte packets, or of 192 with a time stamp before each. Goes out: [`Packet`]s, and what the
//! programs hold. Reads in blocks, finds its way back after damage, and believes no length.

use crate::files::{FileError, FileSource};

const PACKET: usize = 188;
const STAMPED: u64 = 192;
const STAMP: u64 = 4;
const SYNC: u8 = 0x47;
const BLOCK: u64 = 256 << 10;
/// The tables come again and again; a file whose first bytes have none is not searched to its end.
const LONGEST_SEARCH: u64 = 16 << 20;
/// Programs that are looked for; whole multiplexes have some tens.
const MOST_PROGRAMS: usize = 256;
/// Bits of a packet identifier.
const IDENTIFIER: u16 = 0x1fff;

/// The file, with the block that was read last.
#[derive(Clone, Debug)]
pub struct Packets {
    source: FileSource,
    first: u64,
    stride: u64,
    next: u64,
    block: (u64, Vec<u8>),
}

/// What a program holds, by its map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    NoPicture,
    /// A video of a codec that mediabunny reads.
    Common,
    /// A video of a codec of this name, which nobody here reads.
    Other(&'static str),
    /// The first stream of MPEG-4 part 2.
    Mpeg4(u16),
}

pub struct Packet {
    /// Where it lies in the file.
    pub place: u64,
    bytes: [u8; PACKET],
}

impl Packets {
    pub async fn open(source: FileSource) -> Result<Self, FileError> {
        let start = source.read(0..source.len().min(PACKET as u64 + 1)).await?;
        let plain = start.first() == Some(&SYNC) && start.get(PACKET).is_none_or(|next| *next == SYNC);
        let (first, stride) = if plain { (0, PACKET as u64) } else { (STAMP, STAMPED) };
        Ok(Self { source, first, stride, next: first, block: (0, start) })
    }

    pub fn rewind(&mut self) {
        self.next = self.first;
    }

    /// The packet that lies at `place` comes next.
    pub fn seek(&mut self, place: u64) {
        self.next = place;
    }

    pub async fn next(&mut self) -> Result<Option<Packet>, FileError> {
        loop {
            let place = self.next;
            match self.in_block(place) {
                Some(bytes) if bytes.first() == Some(&SYNC) => {
                    self.next = place + self.stride;
                    return Ok(Some(Packet { place, bytes }));
                }
                Some(_) => self.next = place + 1,
                None if place.saturating_add(PACKET as u64) > self.source.len() => return Ok(None),
                None => self.block = (place, self.source.read(place..self.source.len().min(place + BLOCK)).await?),
            }
        }
    }

    fn in_block(&self, place: u64) -> Option<[u8; PACKET]> {
        let (start, block) = &self.block;
        block.get(usize::try_from(place.checked_sub(*start)?).ok()?..)?.first_chunk().copied()
    }

    /// What the programs hold (2.4.4: program association, program map); none where there is no map.
    pub async fn held(&mut self) -> Result<Option<Held>, FileError> {
        const ASSOCIATION: u16 = 0;
        let mut tables = vec![(ASSOCIATION, Vec::new())];
        let mut held = None;
        while self.next < LONGEST_SEARCH
            && let Some(packet) = self.next().await?
        {
            let Some((_, section)) = tables.iter_mut().find(|(table, _)| *table == packet.stream()) else { continue };
            let payload = packet.payload();
            if packet.starts() {
                let pointer = payload.first().copied().map_or(0, usize::from);
                *section = payload.get(1 + pointer..).unwrap_or_default().to_vec();
            } else if !section.is_empty() {
                section.extend_from_slice(payload);
            }
            let Some(whole) = whole(section).map(<[u8]>::to_vec) else { continue };
            section.clear();
            if packet.stream() == ASSOCIATION {
                for map in programs(&whole) {
                    if tables.len() <= MOST_PROGRAMS && !tables.iter().any(|(table, _)| *table == map) {
                        tables.push((map, Vec::new()));
                    }
                }
                continue;
            }
            held = held.max(Some(held_by(&whole)));
            // Mostly there is one program, and its map comes again and again.
            if held > Some(Held::NoPicture) {
                break;
            }
        }
        Ok(held)
    }
}

impl Packet {
    /// Its packet identifier.
    pub fn stream(&self) -> u16 {
        let [_, high, low, ..] = self.bytes;
        u16::from_be_bytes([high, low]) & IDENTIFIER
    }

    /// A section or a PES packet starts in it.
    pub fn starts(&self) -> bool {
        let [_, flags, ..] = self.bytes;
        flags & 0x40 != 0
    }

    /// Empty where it has none or is scrambled.
    fn payload(&self) -> &[u8] {
        let [_, _, _, flags, adaptation, ..] = self.bytes;
        let from = match flags & 0xf0 {
            0x10 => 4,
            0x30 => 5 + usize::from(adaptation),
            _ => PACKET,
        };
        self.bytes.get(from..).unwrap_or_default()
    }

    /// The stream's own bytes, and the time in 90000ths of a second that a PES packet's header tells (2.4.3.7).
    pub fn elementary(&self) -> (Option<i64>, &[u8]) {
        let payload = self.payload();
        if !self.starts() {
            return (None, payload);
        }
        let [0, 0, 1, _, _, _, _, flags, length, header @ ..] = payload else { return (None, &[]) };
        let stamp = match header {
            [high, middle, below, low, last, ..] if flags & 0x80 != 0 => {
                let [high, middle, below, low, last] = [high, middle, below, low, last].map(|byte| i64::from(*byte));
                Some((high >> 1 & 7) << 30 | middle << 22 | below >> 1 << 15 | low << 7 | last >> 1)
            }
            _ => None,
        };
        (stamp, header.get(usize::from(*length)..).unwrap_or_default())
    }
}

/// A section without its checksum, once all of it has come.
fn whole(section: &[u8]) -> Option<&[u8]> {
    const CHECKSUM: usize = 4;
    let end = 3 + usize::from(number(section, 1)? & 0xfff);
    section.get(..end)?.get(..end.checked_sub(CHECKSUM)?)
}

/// Where a program association section says that the programs' maps come.
fn programs(section: &[u8]) -> impl Iterator<Item = u16> {
    const HEAD: usize = 8;
    let entries = section.get(HEAD..).unwrap_or_default().chunks_exact(4);
    entries.filter(|entry| number(entry, 0) != Some(0)).filter_map(|entry| Some(number(entry, 2)? & IDENTIFIER))
}

/// What a program map section lists (2.4.4.8 and table 2-34).
fn held_by(section: &[u8]) -> Held {
    const HEAD: usize = 12;
    let length = |place| number(section, place).map_or(usize::MAX, |number| usize::from(number & 0xfff));
    let mut at = length(10).saturating_add(HEAD);
    let mut held = Held::NoPicture;
    while let (Some(kind), Some(stream)) = (section.get(at), number(section, at.saturating_add(1))) {
        held = held.max(match kind {
            0x01 => Held::Other("MPEG-1"),
            0x02 => Held::Other("MPEG-2"),
            0x10 => Held::Mpeg4(stream & IDENTIFIER),
            0x1b | 0x24 => Held::Common,
            0xea => Held::Other("VC-1"),
            _ => Held::NoPicture,
        });
        if matches!(held, Held::Mpeg4(_)) {
            break;
        }
        at = length(at.saturating_add(3)).saturating_add(at + 5);
    }
    held
}

/// The big-endian number of 16 bits at `place`.
fn number(bytes: &[u8], place: usize) -> Option<u16> {
    bytes.get(place..)?.first_chunk().copied().map(u16::from_be_bytes)
}
