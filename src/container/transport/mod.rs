//! An MPEG transport stream -> its MPEG-4 part 2 video's packets, in decoding order, with the times at which they are
//! shown. mediabunny reads transport streams of other codecs.
//!
//! Comes in: a file. Goes out: [`Packet`]s, read as they are asked for ([`TransportVideo::run_from`]). There is no
//! index: opening reads the whole file once, in blocks, and keeps where its VOPs lie. Never decodes.

mod index;
mod packets;

use std::ops::Range;

use index::{Index, Unit};
use packets::{Held, Packets};

use super::{ContainerError, Packet};
use crate::files::FileSource;

/// A second, as PES packets count.
const TICKS: f64 = 90_000.0;
/// Two times nearer than this, in seconds, are one.
const SAME_MOMENT: f64 = 0.5 / TICKS;
/// A packet has room for thirty VOPs of nothing, each of which would be kept; what is real has far less than one.
const UNITS_OF_A_PACKET: usize = 2;
/// And so many more, for the start of a file.
const UNITS_BESIDE: usize = 64;

/// The MPEG-4 stream of one open file.
#[derive(Debug)]
pub struct TransportVideo {
    packets: Packets,
    stream: u16,
    units: Vec<Unit>,
    pub width: u32,
    pub height: u32,
}

/// Packets in decoding order, read as they are asked for.
pub struct Run<'a> {
    packets: Packets,
    stream: u16,
    units: std::slice::Iter<'a, Unit>,
}

/// What opening a file led to.
#[derive(Debug)]
pub enum Opened {
    Mpeg4(TransportVideo),
    /// A video of a codec that mediabunny reads.
    Common,
    /// A video of a codec of this name, which nobody here reads.
    Other(&'static str),
    NoPicture,
}

impl TransportVideo {
    /// Walks through the file, where it holds MPEG-4 part 2.
    pub async fn open(source: FileSource) -> Result<Opened, ContainerError> {
        let mut packets = Packets::open(source).await?;
        let stream = match packets.held().await? {
            Some(Held::Mpeg4(stream)) => stream,
            Some(Held::Other(codec)) => return Ok(Opened::Other(codec)),
            Some(Held::NoPicture) => return Ok(Opened::NoPicture),
            Some(Held::Common) => return Ok(Opened::Common),
            None => return Err(ContainerError::Damaged("it does not say what it holds")),
        };
        packets.rewind();
        let mut index = Index::default();
        let mut most = UNITS_BESIDE;
        while let Some(packet) = packets.next().await? {
            if packet.stream() == stream {
                index.add(&packet);
                most += UNITS_OF_A_PACKET;
                if index.units.len() > most {
                    return Err(ContainerError::Damaged("it holds more pictures than its packets can"));
                }
            }
        }
        index.finish();
        let (width, height) = (index.headers.width, index.headers.height);
        if width == 0 || height == 0 {
            return Err(ContainerError::Damaged("it does not say how large its pictures are"));
        }
        Ok(Opened::Mpeg4(Self { packets, stream, units: index.units, width, height }))
    }

    /// The end of the last picture, which is shown as long as the one before it.
    pub fn end(&self) -> f64 {
        let none = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        let (before, last) =
            self.units.iter().fold(none, |(before, last), unit| (before.max(unit.time.min(last)), last.max(unit.time)));
        match (before.is_finite(), last.is_finite()) {
            (true, true) => 2.0 * last - before,
            (false, true) => last,
            _ => 0.0,
        }
    }

    /// The moments in `seconds` at which a picture is shown.
    pub fn moments(&self, seconds: Range<f64>) -> Vec<f64> {
        let mut moments: Vec<f64> =
            self.units.iter().map(|unit| unit.time).filter(|time| seconds.contains(time)).collect();
        moments.sort_by(f64::total_cmp);
        moments
    }

    /// The packets from the last key VOP on that the picture shown at `seconds` can be decoded from.
    pub fn run_from(&self, seconds: f64) -> Run<'_> {
        let reaches = |unit: &Unit| unit.key && unit.time <= seconds + SAME_MOMENT;
        let first = self.units.iter().rposition(reaches).unwrap_or(0);
        let units = self.units.get(first..).unwrap_or_default().iter();
        Run { packets: self.packets.clone(), stream: self.stream, units }
    }
}

impl Run<'_> {
    pub async fn next(&mut self) -> Result<Option<Packet>, ContainerError> {
        let Some(unit) = self.units.next() else { return Ok(None) };
        let length = unit.length as usize;
        let mut data = Vec::with_capacity(length);
        let mut before = usize::from(unit.offset);
        self.packets.seek(unit.place);
        while data.len() < length {
            let packet = self.packets.next().await?.ok_or(ContainerError::Damaged("it ends before the video does"))?;
            if packet.stream() == self.stream {
                let (_, bytes) = packet.elementary();
                let wanted = bytes.iter().skip(std::mem::take(&mut before));
                data.extend(wanted.take(length - data.len()));
            }
        }
        Ok(Some(Packet { time: unit.time, key: unit.key, data }))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::container::mpeg4::{self, VOP};

    const FIXTURE: &[u8] = include_bytes!("../../../tests/fixtures/video/transport.ts");

    /// A stamp before a packet may start as packets do.
    const LIKE_A_PACKET: u8 = 0x47;

    /// What a future gives that waits for nothing.
    fn block_on<T>(future: impl Future<Output = T>) -> T {
        future.now_or_never().unwrap()
    }

    fn packets(video: &TransportVideo) -> Vec<Packet> {
        let mut run = video.run_from(f64::NEG_INFINITY);
        std::iter::from_fn(|| block_on(run.next()).unwrap()).collect()
    }

    fn opened(bytes: &[u8]) -> Result<Opened, ContainerError> {
        block_on(TransportVideo::open(FileSource::from_bytes(bytes)))
    }

    fn open(bytes: &[u8]) -> TransportVideo {
        match opened(bytes) {
            Ok(Opened::Mpeg4(video)) => video,
            other => panic!("{other:?}"),
        }
    }

    /// The fixture's tables, and then `stream`, cut into PES packets at `cuts`, each with the time of the first VOP
    /// that starts in it.
    fn transport(stream: &[u8], cuts: &[(usize, Option<i64>)], stamped: bool) -> Vec<u8> {
        let stamp = stamped.then_some([LIKE_A_PACKET; 4]);
        let mut file = Vec::new();
        let mut write = |packet: &[u8]| {
            file.extend(stamp.iter().flatten());
            file.extend_from_slice(packet);
        };
        FIXTURE.chunks(188).take(3).for_each(&mut write);
        for (index, (from, stamp)) in cuts.iter().enumerate() {
            let until = cuts.get(index + 1).map_or(stream.len(), |(next, _)| *next);
            let time = stamp.map(|stamp| {
                let byte = |shift: i64| (stamp >> shift) as u8;
                [0x21 | byte(29) & 0xe, byte(22), byte(14) | 1, byte(7), byte(0) << 1 | 1]
            });
            let time = time.iter().flatten().copied().collect::<Vec<u8>>();
            let told = if time.is_empty() { 0 } else { 0x80 };
            let head = [0, 0, 1, 0xe0, 0, 0, 0x80, told, time.len() as u8];
            let pes = [&head, time.as_slice(), &stream[*from..until]].concat();
            for (piece, bytes) in pes.chunks(182).enumerate() {
                let high = if piece == 0 { 0x41 } else { 0x01 };
                let filling = 184 - bytes.len() - 1;
                let mut adaptation = vec![0xff; filling];
                adaptation[0] = 0;
                write(&[&[0x47, high, 0, 0x30, filling as u8], adaptation.as_slice(), bytes].concat());
            }
        }
        file
    }

    fn times(packets: &[Packet]) -> Vec<f64> {
        packets.iter().map(|packet| packet.time).collect()
    }

    #[test]
    fn vops_are_found_however_pes_packets_cut_them() {
        let expected = packets(&open(FIXTURE));
        assert_eq!(expected.len(), 30);
        let stream: Vec<u8> = expected.iter().flat_map(|packet| packet.data.clone()).collect();
        let ticks = |index: usize| (expected[index].time * TICKS).round() as i64;
        let starts: Vec<usize> =
            expected.iter().scan(0, |at, packet| Some(std::mem::replace(at, *at + packet.data.len()))).collect();
        // Every third VOP starts a PES packet; and PES packets end within VOPs, within start codes, and hold none.
        let joined = starts.iter().enumerate().step_by(3).map(|(index, start)| (*start, Some(ticks(index))));
        let torn = (0..stream.len()).step_by(101).map(|from| {
            let first = starts.iter().position(|start| (from..from + 101).contains(start));
            (from, first.map(ticks))
        });
        for (cuts, stamped) in [(joined.collect::<Vec<_>>(), false), (torn.collect(), true)] {
            let found = packets(&open(&transport(&stream, &cuts, stamped)));
            assert_eq!(found.len(), 30);
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found.time - expected.time).abs() < 1e-4, "{} {}", found.time, expected.time);
                assert_eq!((found.key, &found.data), (expected.key, &expected.data));
            }
        }
    }

    #[test]
    fn times_go_on_where_their_33_bits_end() {
        let expected = packets(&open(FIXTURE));
        let late = (1i64 << 33) - 90_000;
        let (mut stream, mut cuts) = (Vec::new(), Vec::new());
        for packet in &expected {
            let ticks = ((packet.time - expected[0].time) * TICKS).round() as i64;
            cuts.push((stream.len(), Some((late + ticks) % (1 << 33))));
            stream.extend_from_slice(&packet.data);
        }
        let video = open(&transport(&stream, &cuts, false));
        let found = times(&packets(&video));
        let shift = late as f64 / TICKS - expected[0].time;
        assert!(
            found.iter().zip(times(&expected)).all(|(found, time)| (found - time - shift).abs() < 1e-4),
            "{found:?}"
        );
        assert!((video.end() - late as f64 / TICKS - 2.0).abs() < 1e-3);
    }

    #[test]
    fn a_recording_that_starts_anywhere_starts_with_its_first_key_picture() {
        let whole = packets(&open(FIXTURE));
        let tables = &FIXTURE[..3 * 188];
        let second_key = whole.iter().skip(1).position(|packet| packet.key).unwrap() + 1;
        let video = open(&[tables, &FIXTURE[8 * 188..]].concat());
        let found = packets(&video);
        assert!(found[0].key);
        assert_eq!(found[0], whole[second_key]);
        assert!(found.iter().skip(1).all(|packet| packet.time > found[0].time), "{:?}", times(&found));
    }

    #[test]
    fn a_file_of_sound_or_of_another_codec_says_so() {
        // Its map comes again and again.
        let entry = [0x10, 0xe1, 0x00];
        let with = |kind: u8| {
            let mut bytes = FIXTURE.to_vec();
            let places = FIXTURE.windows(3).enumerate().filter(|(_, bytes)| *bytes == entry);
            places.for_each(|(place, _)| bytes[place] = kind);
            bytes
        };
        assert!(matches!(opened(&with(0x03)), Ok(Opened::NoPicture)));
        assert!(matches!(opened(&with(0x02)), Ok(Opened::Other("MPEG-2"))));
        assert!(matches!(opened(&with(0x1b)), Ok(Opened::Common)));
        assert!(matches!(opened(&FIXTURE[3 * 188..5 * 188]), Err(ContainerError::Damaged(_))));
    }

    #[test]
    fn packets_full_of_pictures_of_nothing_take_no_more_memory_than_others() {
        let headers = mpeg4::headers(&packets(&open(FIXTURE))[0].data).to_vec();
        let vops = [&[0, 0, 1, VOP, 0x10, 0xff], [0, 0, 1, VOP, 0x50, 0xff].repeat(20_000).as_slice()].concat();
        let file = transport(&[headers, vops].concat(), &[(0, Some(0))], false);
        assert!(matches!(opened(&file), Err(ContainerError::Damaged("it holds more pictures than its packets can"))));
    }

    #[test]
    fn damaged_files_end_or_are_refused() {
        let read = |bytes: Vec<u8>| {
            if let Ok(Opened::Mpeg4(video)) = opened(&bytes) {
                assert!(packets(&video).len() <= 30);
            }
        };
        for length in (0..FIXTURE.len()).step_by(53) {
            read(FIXTURE[..length].to_vec());
            read(FIXTURE[length..].to_vec());
        }
        for place in 0..FIXTURE.len().min(8 * 188) {
            for mask in [0x01, 0x40, 0xff] {
                let mut bytes = FIXTURE.to_vec();
                bytes[place] ^= mask;
                read(bytes);
            }
        }
    }
}
