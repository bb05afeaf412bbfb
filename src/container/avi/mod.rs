//! An AVI file -> its video's packets, in decoding order, with the times at which they are shown.
//!
//! Comes in: a file. Goes out: [`Packet`](super::Packet)s, read as they are asked for ([`AviVideo::run_from`]). Knows
//! OpenDML's index, the old one, and files without. AVI counts chunks and tells no times: a chunk's place in the file is
//! a moment, and the pictures take the moments in the order in which they are shown. Never decodes.

mod index;
mod riff;
mod run;

use std::ops::Range;

use index::{Film, Place};
use riff::{Blocks, Chunk, number};
pub use run::Run;

use super::ContainerError;
use super::mpeg4::{Headers, LONGEST_EMPTY_VOP};
use crate::files::{FileError, FileSource};

/// Headers larger than this are damage.
const LONGEST_HEADERS: u64 = 16 << 20;
/// How many chunks are searched for the stream's own headers.
const CHUNKS_WITH_HEADERS: usize = 8;
/// Two times nearer than this part of a chunk's length are one.
const SAME_MOMENT: f64 = 1e-3;

/// What the pictures are coded in, by AVI's four letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Mpeg4,
    MotionJpeg,
    H264,
    Other,
}

/// The video stream of one open AVI file.
#[derive(Debug)]
pub struct AviVideo {
    blocks: Blocks,
    stream: Stream,
    places: Vec<Place>,
    /// MPEG-4's own headers, as far as they are known before the first packet.
    headers: Headers,
}

/// What the file's headers tell about its video stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stream {
    number: u8,
    /// Four letters, such as `XVID`.
    pub codec: String,
    pub width: u32,
    pub height: u32,
    /// Of one chunk.
    pub seconds: f64,
    /// The codec's configuration; mostly empty.
    pub description: Vec<u8>,
    super_index: Vec<u8>,
}

impl Stream {
    pub fn coding(&self) -> Coding {
        match self.codec.to_ascii_uppercase().as_str() {
            "XVID" | "DIVX" | "DX50" | "FMP4" | "MP4V" | "M4S2" | "MP4S" | "3IV2" | "XVIX" | "DXGM" | "RMP4"
            | "SEDG" | "WAWV" | "FFDS" | "FVFW" | "SMP4" | "UMP4" | "BLZ0" | "SIPP" | "XVI1" | "DIV1" => Coding::Mpeg4,
            "MJPG" | "AVRN" | "JPEG" | "LJPG" | "MJPA" | "DMB1" | "IJPG" | "JPGL" => Coding::MotionJpeg,
            "H264" | "X264" | "AVC1" | "DAVC" | "VSSH" => Coding::H264,
            _ => Coding::Other,
        }
    }
}

/// What is learnt on the way through a file's lists.
#[derive(Default)]
struct Found {
    film: Film,
    video: Option<Stream>,
    streams: usize,
}

impl AviVideo {
    /// Reads the headers and the index. None where the file holds no video stream.
    pub async fn open(source: FileSource) -> Result<Option<Self>, ContainerError> {
        let blocks = Blocks::new(source);
        let found = survey(&blocks).await?;
        let Some(stream) = found.video else {
            let broken_off = ContainerError::Damaged("its headers are missing or broken");
            return if found.streams == 0 { Err(broken_off) } else { Ok(None) };
        };
        if found.film.parts.is_empty() {
            return Err(ContainerError::Damaged("it ends before its first picture"));
        }
        let places = index::places(&blocks, &found.film, stream.number, &stream.super_index).await?;
        let mut video = Self { blocks, stream, places, headers: Headers::default() };
        match video.stream.coding() {
            Coding::Mpeg4 => video.read_headers().await?,
            // Behind its first picture an encoder that looks ahead has nothing to write for a while.
            Coding::H264 => {
                let empty = video.places.iter().skip(1).take_while(|place| place.length == 0).count();
                if empty > 0 {
                    video.places.drain(1..=empty);
                }
            }
            _ => {}
        }
        Ok(Some(video))
    }

    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// From the first moment to the end of the last.
    pub fn seconds(&self) -> f64 {
        self.places.len() as f64 * self.stream.seconds
    }

    /// The moments in `seconds` at which a picture is shown.
    pub async fn moments(&self, seconds: Range<f64>) -> Result<Vec<f64>, ContainerError> {
        let mut moments = Vec::new();
        for index in self.indices(&seconds) {
            let moment = index as f64 * self.stream.seconds;
            if seconds.contains(&moment) && self.is_shown(index).await? {
                moments.push(moment);
            }
        }
        Ok(moments)
    }

    /// The packets from the last key chunk on that the picture shown at `seconds` can be decoded from.
    pub async fn run_from(&self, seconds: f64) -> Result<Run<'_>, ContainerError> {
        let mut index = (seconds / self.stream.seconds + SAME_MOMENT).max(0.0) as usize;
        loop {
            let key = self.key_before(index);
            let run = Run::start(self, key).await?;
            let reaches = run.reaches(seconds + SAME_MOMENT * self.stream.seconds);
            match key.checked_sub(1) {
                Some(before) if !reaches => index = before,
                _ => return Ok(run),
            }
        }
    }

    /// The chunks whose moments may lie in `seconds`.
    fn indices(&self, seconds: &Range<f64>) -> Range<usize> {
        let index = |time: f64| (time / self.stream.seconds).clamp(0.0, self.places.len() as f64) as usize;
        index(seconds.start).saturating_sub(1)..index(seconds.end).saturating_add(2).min(self.places.len())
    }

    /// The last key chunk at or before chunk `index`, or the first chunk.
    fn key_before(&self, index: usize) -> usize {
        let until = self.places.get(..=index).unwrap_or(&self.places);
        until.iter().rposition(|place| place.key && place.length > 0).unwrap_or(0)
    }

    /// Whether a picture is shown at chunk `index`'s moment. In a packed stream an empty VOP holds the moment of a
    /// B-frame that came before.
    async fn is_shown(&self, index: usize) -> Result<bool, ContainerError> {
        let Some(place) = self.places.get(index) else { return Ok(false) };
        let may_be_empty =
            self.stream.coding() == Coding::Mpeg4 && !self.headers.packed && place.length <= LONGEST_EMPTY_VOP;
        if place.length > 0 && may_be_empty {
            return Ok(!self.headers.clone().vops(&self.chunk(index).await?).is_empty());
        }
        Ok(place.length > 0)
    }

    async fn chunk(&self, index: usize) -> Result<Vec<u8>, ContainerError> {
        let Some(place) = self.places.get(index) else { return Ok(Vec::new()) };
        Ok(self.blocks.read(place.start..place.start + u64::from(place.length)).await?)
    }

    /// What later VOPs need to be told apart: the time increment's length, and whether chunks are packed.
    async fn read_headers(&mut self) -> Result<(), ContainerError> {
        let mut headers = Headers::default();
        headers.vops(&self.stream.description);
        for index in 0..self.places.len().min(CHUNKS_WITH_HEADERS) {
            let vops = headers.vops(&self.chunk(index).await?);
            headers.packed |= vops.len() > 1;
        }
        self.headers = headers;
        Ok(())
    }
}

/// Goes through the file's lists: `RIFF AVI `, further `RIFF AVIX`, and what they hold.
async fn survey(blocks: &Blocks) -> Result<Found, FileError> {
    const NAME: u64 = 4;
    let mut found = Found::default();
    let mut at = 0;
    let mut ends = blocks.len();
    while let Some(chunk) = blocks.chunk(at, ends).await? {
        let inside = chunk.contents.start + NAME;
        let kind = match &chunk.name {
            b"RIFF" | b"LIST" if inside <= chunk.contents.end => blocks.read(chunk.contents.start..inside).await?,
            _ => Vec::new(),
        };
        at = match (&chunk.name, kind.as_slice()) {
            (b"RIFF", b"AVI " | b"AVIX") | (b"LIST", b"hdrl") => inside,
            (b"LIST", b"strl") => {
                read_stream(blocks, &chunk, &mut found).await?;
                chunk.end()
            }
            (b"LIST", b"movi") => {
                let part = film_part(blocks, &chunk, inside);
                // A recording that broke off has a film of length 0, or one that never ends.
                ends = blocks.len();
                found.film.parts.push(part.clone());
                part.end + part.end % 2
            }
            (b"idx1", _) => {
                found.film.old_index = Some(chunk.clone());
                chunk.end()
            }
            _ => chunk.end(),
        };
    }
    Ok(found)
}

fn film_part(blocks: &Blocks, chunk: &Chunk, inside: u64) -> Range<u64> {
    let never_closed = chunk.contents.end <= inside;
    inside..if never_closed { blocks.len() } else { chunk.contents.end }
}

/// One `strl` list: `strh`, `strf` and perhaps `indx`.
async fn read_stream(blocks: &Blocks, list: &Chunk, found: &mut Found) -> Result<(), FileError> {
    const NAME: u64 = 4;
    let mut stream = Stream { number: found.streams.min(99) as u8, ..Stream::default() };
    let mut is_video = false;
    let mut at = list.contents.start + NAME;
    while let Some(chunk) = blocks.chunk(at, list.contents.end).await? {
        at = chunk.end();
        let contents = chunk.contents.start..chunk.contents.end.min(list.contents.end);
        if contents.end.saturating_sub(contents.start) > LONGEST_HEADERS {
            continue;
        }
        match &chunk.name {
            b"strh" => is_video = stream.read_header(&blocks.read(contents).await?),
            b"strf" if is_video => stream.read_format(&blocks.read(contents).await?),
            b"indx" => stream.super_index = blocks.read(contents).await?,
            _ => {}
        }
    }
    found.streams += 1;
    if is_video && found.video.is_none() && stream.width > 0 && stream.height > 0 {
        found.video = Some(stream);
    }
    Ok(())
}

impl Stream {
    /// AVISTREAMHEADER: type, handler, flags, priority, frames before, scale, rate. Whether it is a video.
    fn read_header(&mut self, header: &[u8]) -> bool {
        let (scale, rate) = (number(header, 20).unwrap_or(0), number(header, 24).unwrap_or(0));
        // As ffmpeg takes a rate that makes no sense.
        const FRAMES_A_SECOND: f64 = 25.0;
        self.seconds = if scale == 0 || rate == 0 { 1.0 / FRAMES_A_SECOND } else { f64::from(scale) / f64::from(rate) };
        self.codec = four_letters(header, 4);
        riff::name(header, 0).as_ref() == Some(b"vids")
    }

    /// BITMAPINFOHEADER: size, width, height (negative from the top), planes and depth, compression; behind its 40
    /// bytes the codec's configuration.
    fn read_format(&mut self, format: &[u8]) {
        const HEAD: usize = 40;
        let side = |place| number(format, place).map_or(0, |side| (side as i32).unsigned_abs());
        (self.width, self.height) = (side(4), side(8));
        let compression = four_letters(format, 16);
        if !compression.is_empty() {
            self.codec = compression;
        }
        self.description = format.get(HEAD..).unwrap_or_default().to_vec();
    }
}

fn four_letters(bytes: &[u8], place: usize) -> String {
    let letters = riff::name(bytes, place).unwrap_or_default();
    letters.iter().filter(|letter| letter.is_ascii_graphic()).map(|letter| char::from(*letter)).collect()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn chunk(name: &[u8; 4], contents: &[u8]) -> Vec<u8> {
        [name.as_slice(), &(contents.len() as u32).to_le_bytes(), contents].concat()
    }

    /// Without an index.
    fn file(codec: &[u8; 4], film: &[u8]) -> Vec<u8> {
        let header = [b"vids".as_slice(), codec, &[0; 40]].concat();
        let format = [[40, 0, 0, 0, 16, 0, 0, 0, 16, 0, 0, 0].as_slice(), &[0; 4], codec, &[0; 20]].concat();
        let stream = [b"strl".as_slice(), &chunk(b"strh", &header), &chunk(b"strf", &format)].concat();
        let headers = chunk(b"LIST", &[b"hdrl".as_slice(), &chunk(b"LIST", &stream)].concat());
        chunk(b"RIFF", &[b"AVI ".as_slice(), &headers, &chunk(b"LIST", &[b"movi", film].concat())].concat())
    }

    #[test]
    fn a_film_of_empty_chunks_is_opened_in_time_that_grows_as_the_file() {
        let film = [chunk(b"00dc", b"key!"), chunk(b"00dc", b"").repeat(400_000), chunk(b"00dc", b"next")].concat();
        let source = FileSource::from_bytes(file(b"H264", &film));
        let begun = std::time::Instant::now();
        let video = AviVideo::open(source).now_or_never().unwrap().unwrap().unwrap();
        assert!(begun.elapsed().as_secs_f64() < 5.0, "{:?}", begun.elapsed());
        let moments = video.moments(0.0..f64::INFINITY).now_or_never().unwrap().unwrap();
        assert_eq!(moments, [0.0, video.stream.seconds], "what an encoder left out is no moment");
    }
}
