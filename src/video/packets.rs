//! A browser's `File` -> its video's packets, whichever container they lie in.
//!
//! Comes in: a `File`. Goes out: one [`Demuxer`] over mediabunny's containers and our own, and [`Packet`]s that either
//! decoder takes. Never decodes.

use js_sys::Uint8Array;
use web_sys::{EncodedVideoChunk, EncodedVideoChunkInit, EncodedVideoChunkType};

use super::VideoError;
use super::hidden::Hiding;
use super::mediabunny::{self, Reading, damaged};
use crate::container::{
    self,
    avi::{self, AviVideo},
    edits::Edits,
    transport::{self, TransportVideo},
};

/// No codec here keeps a frame back behind more than 16 later ones.
pub const MOST_REORDERED: usize = 17;
/// Two times nearer than this, in seconds, are one.
pub const SAME_TIME: f64 = 1e-6;
/// Before all that is shown.
const NEVER: f64 = -1e6;

pub enum Demuxer {
    Mediabunny(mediabunny::Demuxer, Edits),
    Avi(AviVideo),
    Transport(TransportVideo),
}

/// The bytes of one coded picture.
pub enum Packet {
    Mediabunny(mediabunny::Packet),
    Own(container::Packet),
}

impl Packet {
    /// When it is shown, in seconds of the file's own time.
    pub fn time(&self) -> f64 {
        match self {
            Self::Mediabunny(packet) => packet.timestamp(),
            Self::Own(packet) => packet.time,
        }
    }

    /// The time that its picture carries, in whole microseconds.
    pub fn microseconds(&self) -> f64 {
        match self {
            Self::Mediabunny(packet) => packet.microseconds(),
            Self::Own(packet) => (packet.time * 1e6).round(),
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Mediabunny(packet) => packet.data().to_vec(),
            Self::Own(packet) => packet.data.clone(),
        }
    }

    /// As WebCodecs takes it.
    pub fn chunk(&self) -> Result<EncodedVideoChunk, VideoError> {
        let chunk = match self {
            Self::Mediabunny(packet) => packet.chunk(),
            Self::Own(packet) => {
                let kind = if packet.key { EncodedVideoChunkType::Key } else { EncodedVideoChunkType::Delta };
                let data = Uint8Array::from(packet.data.as_slice());
                let chunk = EncodedVideoChunkInit::new_with_u8_array(&data, 0, kind);
                chunk.set_timestamp_f64(self.microseconds());
                EncodedVideoChunk::new(&chunk)
            }
        };
        chunk.map_err(|error| damaged(&error))
    }
}

/// Packets in decoding order, read as they are asked for.
pub enum Run<'a> {
    Mediabunny { demuxer: &'a mediabunny::Demuxer, edits: &'a Edits, last: Option<mediabunny::Packet>, started: bool },
    Avi(Box<avi::Run<'a>>),
    Transport(transport::Run<'a>),
}

impl Demuxer {
    /// From the last packet on that the picture shown at `time` can be decoded from.
    pub async fn run_from(&self, time: f64) -> Result<Run<'_>, VideoError> {
        match self {
            Self::Mediabunny(demuxer, edits) => {
                let last = demuxer.key_packet(edits.stored(time) + SAME_TIME, Reading::Data).await?;
                Ok(Run::Mediabunny { demuxer, edits, last, started: false })
            }
            Self::Avi(video) => Ok(Run::Avi(Box::new(video.run_from(time).await?))),
            Self::Transport(video) => Ok(Run::Transport(video.run_from(time))),
        }
    }

    /// The times of the pictures from `start` to before `end`, in the file's own time; after `most` of them the rest
    /// may be left out.
    pub async fn times(&self, start: f64, end: f64, most: usize, hiding: Hiding) -> Result<Vec<f64>, VideoError> {
        let (demuxer, edits) = match self {
            Self::Avi(video) => return Ok(video.moments(start..end).await?),
            Self::Transport(video) => return Ok(video.moments(start..end)),
            Self::Mediabunny(demuxer, edits) => (demuxer, edits),
        };
        let reading = if hiding == Hiding::None { Reading::Times } else { Reading::Data };
        let mut times = Vec::new();
        let mut beyond = 0;
        let mut packet = demuxer.key_packet(edits.stored(start) + SAME_TIME, reading).await?;
        while let Some(current) = packet {
            let time = edits.shown(current.timestamp()).unwrap_or(NEVER);
            // An edit list moves what it cuts away to before 0.
            let shown = time > -SAME_TIME && !(hiding != Hiding::None && hiding.hides(&current.data().to_vec()));
            if shown && time > start - SAME_TIME && time < end {
                times.push(time);
            }
            beyond += usize::from(time >= end);
            if beyond >= MOST_REORDERED || times.len() >= most {
                break;
            }
            packet = demuxer.next_packet(&current, reading).await?;
        }
        Ok(times)
    }
}

impl Run<'_> {
    pub async fn next(&mut self) -> Result<Option<Packet>, VideoError> {
        match self {
            Self::Avi(run) => Ok(run.next().await?.map(Packet::Own)),
            Self::Transport(run) => Ok(run.next().await?.map(Packet::Own)),
            Self::Mediabunny { demuxer, edits, last, started } => {
                if *started && let Some(current) = last.take() {
                    *last = demuxer.next_packet(&current, Reading::Data).await?;
                }
                *started = true;
                let packet = last.as_ref().map(|packet| match edits.shown(packet.timestamp()) {
                    Some(time) if time == packet.timestamp() => Ok(packet.clone()),
                    // Frames are told apart by their times, also those that nobody sees.
                    time => packet.at(time.unwrap_or(NEVER - packet.timestamp())),
                });
                Ok(packet.transpose()?.map(Packet::Mediabunny))
            }
        }
    }
}
