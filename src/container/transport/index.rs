//! The packets of an MPEG-4 stream -> where each of its VOPs lies, and when it is shown.
//!
//! Comes in: one stream's packets, in the file's order. Goes out: a [`Unit`] for each coded VOP that can be decoded.
//! Holds one VOP's bytes at a time.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::TICKS;
use super::packets::Packet;
use crate::container::mpeg4::{self, Headers, Kind};

/// A VOP larger than this is damage.
const LONGEST_UNIT: usize = 16 << 20;
/// PES packets tell times in so many bits.
const TIME_BITS: u32 = 33;
/// A start code without the byte that names it.
const PREFIX: usize = 3;

/// A coded VOP, with the headers before it.
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    /// Where the packet lies that its first byte is in.
    pub place: u64,
    /// Bytes of the stream in that packet before its first.
    pub offset: u8,
    pub length: u32,
    /// Decoding can start here.
    pub key: bool,
    /// When it is shown, in seconds.
    pub time: f64,
}

#[derive(Default)]
pub struct Index {
    pub units: Vec<Unit>,
    pub headers: Headers,
    /// The bytes from the last VOP's end on; how many the stream has before; how many were searched for start codes.
    gathered: Vec<u8>,
    passed: u64,
    searched: usize,
    /// Where the gathered bytes start, once a start code was found, and whether they hold a VOP.
    start: Option<Start>,
    has_vop: bool,
    /// Where the last packets' bytes start.
    pieces: VecDeque<Piece>,
    stamp: Stamp,
    /// The last time of a PES packet, without the jumps back to 0, in ticks.
    ticks: Option<i64>,
    /// When the last VOP is shown, in seconds of the file and of the VOPs' own.
    shown: (f64, f64),
    anchors: usize,
}

/// The time of a PES packet, until the first VOP that starts in it takes it.
type Stamp = Rc<Cell<Option<i64>>>;

struct Piece {
    start: u64,
    place: u64,
    stamp: Stamp,
}

#[derive(Clone, Copy)]
struct Start {
    place: u64,
    offset: u8,
    stamp: Option<i64>,
}

impl Index {
    pub fn add(&mut self, packet: &Packet) {
        let (stamp, bytes) = packet.elementary();
        if packet.starts() {
            self.stamp = Rc::new(Cell::new(stamp));
        }
        if bytes.is_empty() {
            return;
        }
        let start = self.passed + self.gathered.len() as u64;
        self.pieces.push_back(Piece { start, place: packet.place, stamp: self.stamp.clone() });
        self.gathered.extend_from_slice(bytes);
        self.search();
        if self.gathered.len() > LONGEST_UNIT {
            self.start = None;
            self.pass(self.gathered.len());
        }
        let searched = self.passed + self.searched as u64;
        while self.pieces.get(1).is_some_and(|second| second.start <= searched) {
            self.pieces.pop_front();
        }
    }

    /// No more packets come.
    pub fn finish(&mut self) {
        self.pass(self.gathered.len());
    }

    fn search(&mut self) {
        let unsearched = |index: &Self| {
            let bytes = index.gathered.get(index.searched..).unwrap_or_default();
            mpeg4::start_codes(bytes).next().map(|(place, code)| (index.searched + place, code))
        };
        while let Some((mut place, code)) = unsearched(self) {
            if self.has_vop || self.start.is_none() {
                self.pass(place);
                self.start = self.start_of(self.passed);
                place = 0;
            }
            self.has_vop |= code == mpeg4::VOP;
            self.searched = place + PREFIX;
        }
        self.searched = self.searched.max(self.gathered.len().saturating_sub(PREFIX));
    }

    /// The packet that holds the stream's byte `byte`.
    fn start_of(&self, byte: u64) -> Option<Start> {
        let piece = self.pieces.iter().rev().find(|piece| piece.start <= byte)?;
        let offset = u8::try_from(byte - piece.start).ok()?;
        Some(Start { place: piece.place, offset, stamp: piece.stamp.take() })
    }

    /// The first `length` of the gathered bytes end what was gathered.
    fn pass(&mut self, length: usize) {
        let bytes: Vec<u8> = self.gathered.drain(..length).collect();
        self.passed += length as u64;
        self.searched = 0;
        if let Some(start) = self.start.take()
            && std::mem::take(&mut self.has_vop)
        {
            self.keep(start, &bytes);
        }
        self.has_vop = false;
    }

    fn keep(&mut self, start: Start, bytes: &[u8]) {
        let Some(vop) = self.headers.vops(bytes).pop() else { return };
        let time = match start.stamp {
            Some(stamp) => self.unwrapped(stamp) as f64 / TICKS,
            None => self.shown.0 + vop.time - self.shown.1,
        };
        self.shown = (time, vop.time);
        // A recording may start anywhere: what refers to VOPs or headers before it is not shown.
        let needed = match vop.kind {
            Kind::Intra => 0,
            Kind::Predicted => 1,
            Kind::Bidirectional => 2,
        };
        if self.anchors < needed || self.headers.width == 0 {
            return;
        }
        self.anchors += usize::from(vop.kind != Kind::Bidirectional);
        let key = vop.kind == Kind::Intra;
        self.units.push(Unit { place: start.place, offset: start.offset, length: bytes.len() as u32, key, time });
    }

    /// The nearest to the last one of the moments that `stamp` may mean.
    fn unwrapped(&mut self, stamp: i64) -> i64 {
        const WRAP: i64 = 1 << TIME_BITS;
        let last = self.ticks.unwrap_or(stamp);
        let ahead = (stamp - last).rem_euclid(WRAP);
        *self.ticks.insert(last + if ahead < WRAP / 2 { ahead } else { ahead - WRAP })
    }
}
