//! A short mp4 -> ten minutes of it, with its index at the end.
//!
//! Comes in: an mp4 of one track and 2 seconds. Goes out: its pictures 300 times over, each with two kilobytes of filler,
//! so that pictures are most of the file.

use cliptune::container::mp4::{boxes, movie};
use cliptune::files::FileSource;
use futures_util::FutureExt;

const ROUNDS: u32 = 300;
const CONTAINERS: [&[u8; 4]; 5] = [b"moov", b"trak", b"mdia", b"minf", b"stbl"];

/// A picture: its bytes, how long it is shown after it is decoded, and whether decoding can start there.
#[derive(Clone)]
struct Sample {
    data: Vec<u8>,
    offset: u32,
    key: bool,
}

pub struct LongVideo {
    movie: Vec<u8>,
    /// Of one round.
    samples: Vec<Sample>,
    /// How long each is shown, in the track's ticks.
    ticks: u32,
}

/// The bytes of a file, and how many of them are its index.
pub struct Made {
    pub file: Vec<u8>,
    pub index: u64,
    /// Of the largest picture.
    pub sample: u64,
}

fn boxed(name: &[u8; 4], contents: &[u8]) -> Vec<u8> {
    [&(8 + contents.len() as u32).to_be_bytes(), name.as_slice(), contents].concat()
}

fn bytes(numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
    numbers.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// A table's numbers, its version and flags first.
fn table(outer: &[u8], wanted: &[u8; 4]) -> Option<Vec<u32>> {
    boxes(outer).find_map(|(name, contents)| match &name {
        name if *name == *wanted => {
            Some(contents.as_chunks().0.iter().map(|bytes| u32::from_be_bytes(*bytes)).collect())
        }
        name if CONTAINERS.contains(&name) => table(contents, wanted),
        _ => None,
    })
}

/// The same boxes with other tables; those that none is given for, and edits, are left out.
fn rewritten(outer: &[u8], tables: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let old: [&[u8; 4]; 7] = [b"stts", b"stss", b"ctts", b"stsc", b"stsz", b"stco", b"edts"];
    let box_of = |(name, contents): ([u8; 4], &[u8])| match &name {
        name if CONTAINERS.contains(&name) => boxed(name, &rewritten(contents, tables)),
        name if old.contains(&name) => Vec::new(),
        b"stsd" => tables.iter().fold(boxed(&name, contents), |all, (name, table)| [all, boxed(name, table)].concat()),
        name => boxed(name, contents),
    };
    boxes(outer).flat_map(box_of).collect()
}

impl LongVideo {
    pub fn of(short: &[u8]) -> Self {
        let source = FileSource::from_bytes(short);
        let (_, movie) = movie(&source).now_or_never().unwrap().unwrap();
        let found = |name| table(&movie, name).unwrap();
        let keys = found(b"stss");
        let offsets = found(b"ctts")[2..]
            .chunks_exact(2)
            .flat_map(|pair| std::iter::repeat_n(pair[1], pair[0] as usize))
            .collect::<Vec<_>>();
        let mut at = found(b"stco")[2] as usize;
        // One NAL unit of filler data (ITU-T H.264, 7.3.2.7) behind each picture.
        let filler = [&2048u32.to_be_bytes(), [0x0c].as_slice(), &[0xff; 2046], &[0x80]].concat();
        let sample = |(number, (size, offset)): (usize, (&u32, u32))| {
            let data = [&short[at..at + *size as usize], &filler].concat();
            at += *size as usize;
            Sample { data, offset, key: keys[2..].contains(&(number as u32 + 1)) }
        };
        let samples = found(b"stsz")[3..].iter().zip(offsets).enumerate().map(sample).collect();
        Self { samples, ticks: found(b"stts")[3], movie }
    }

    /// How many pictures ten minutes have.
    fn count(&self) -> u32 {
        ROUNDS * self.samples.len() as u32
    }

    fn all(&self) -> impl Iterator<Item = &Sample> {
        std::iter::repeat_n(&self.samples, ROUNDS as usize).flatten()
    }

    fn made(&self, file: Vec<u8>, index: usize) -> Made {
        let sample = self.samples.iter().map(|sample| sample.data.len()).max().unwrap();
        Made { file, index: index as u64, sample: sample as u64 }
    }

    /// As cameras write it.
    pub fn with_index_at_end(&self) -> Made {
        let start = boxed(b"ftyp", b"isom\0\0\0\0isom");
        let pictures: Vec<u8> = self.all().flat_map(|sample| sample.data.iter().copied()).collect();
        let keys: Vec<u32> = (1..).zip(self.all()).filter(|(_, sample)| sample.key).map(|(number, _)| number).collect();
        let count = self.count();
        let tables = [
            (b"stts", bytes([0, 1, count, self.ticks])),
            (b"stss", bytes([0, keys.len() as u32].into_iter().chain(keys))),
            (b"ctts", bytes([0, count].into_iter().chain(self.all().flat_map(|sample| [1, sample.offset])))),
            (b"stsc", bytes([0, 1, 1, count, 1])),
            (b"stsz", bytes([0, 0, count].into_iter().chain(self.all().map(|sample| sample.data.len() as u32)))),
            (b"stco", bytes([0, 1, start.len() as u32 + 8])),
        ];
        let index = boxed(b"moov", &rewritten(&self.movie, &tables));
        self.made([start, boxed(b"mdat", &pictures), index.clone()].concat(), index.len())
    }
}
