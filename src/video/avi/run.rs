//! Chunks from a key chunk on -> packets, each with the time at which its picture is shown.

use super::{AviVideo, Coding};
use crate::video::VideoError;
use crate::video::mpeg4::{Headers, Kind, Reorder};

/// The bytes of one coded picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// When it is shown, in seconds.
    pub time: f64,
    pub key: bool,
    pub data: Vec<u8>,
}

/// Packets in decoding order, read as they are asked for.
pub struct Run<'a> {
    video: &'a AviVideo,
    next: usize,
    headers: Headers,
    order: Reorder<(bool, Vec<u8>)>,
    /// B-frames of packed chunks whose moments later, empty chunks bring.
    owed: usize,
    ended: bool,
    first: Option<Packet>,
}

impl<'a> Run<'a> {
    /// From chunk `next` on.
    pub(super) async fn start(video: &'a AviVideo, next: usize) -> Result<Self, VideoError> {
        let order = Reorder::default();
        let mut run = Self { video, next, headers: video.headers, order, owed: 0, ended: false, first: None };
        run.first = run.next().await?;
        Ok(run)
    }

    /// When the first packet's picture is shown.
    pub(super) fn first_time(&self) -> Option<f64> {
        self.first.as_ref().map(|packet| packet.time)
    }

    pub async fn next(&mut self) -> Result<Option<Packet>, VideoError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        loop {
            if let Some(((key, data), time)) = self.order.pop() {
                return Ok(Some(Packet { time, key, data }));
            }
            if self.ended {
                return Ok(None);
            }
            self.read_chunk().await?;
        }
    }

    async fn read_chunk(&mut self) -> Result<(), VideoError> {
        let index = self.next;
        let Some(place) = self.video.places.get(index).copied() else {
            self.end();
            return Ok(());
        };
        self.next += 1;
        if place.length == 0 {
            return Ok(());
        }
        let chunk = self.video.chunk(index).await?;
        let moment = index as f64 * self.video.stream.seconds;
        if self.video.stream.coding() != Coding::Mpeg4 {
            self.order.moment(moment);
            // Shown in the order of decoding; H.264's decoder brings pictures into theirs.
            self.order.push((place.key, chunk), Kind::Bidirectional);
            return Ok(());
        }
        let vops = self.headers.vops(&chunk);
        if vops.is_empty() && self.owed == 0 {
            return Ok(());
        }
        self.order.moment(moment);
        self.owed = (self.owed + vops.len()).saturating_sub(1);
        for (index, vop) in vops.into_iter().enumerate() {
            let data = chunk.get(vop.bytes).unwrap_or_default().to_vec();
            self.order.push((place.key && index == 0, data), vop.kind);
        }
        Ok(())
    }

    fn end(&mut self) {
        self.ended = true;
        // What packed chunks owe at the file's end is shown after all else.
        for extra in 0..self.owed {
            self.order.moment((self.next + extra) as f64 * self.video.stream.seconds);
        }
        self.order.finish();
    }
}
