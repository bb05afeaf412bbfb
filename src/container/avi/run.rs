//! Chunks from a key chunk on -> packets, each with the time at which its picture is shown.

use std::collections::VecDeque;

use super::{AviVideo, Coding};
use crate::container::ContainerError;
use crate::container::mpeg4::{Headers, Kind, Reorder};

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
    /// VOPs of packed chunks, whose moments later, empty chunks bring. What is left at the end is not shown.
    packed: VecDeque<(bool, Vec<u8>, Kind)>,
    ended: bool,
    first: Option<Packet>,
}

impl<'a> Run<'a> {
    /// From chunk `next` on.
    pub(super) async fn start(video: &'a AviVideo, next: usize) -> Result<Self, ContainerError> {
        let order = Reorder::default();
        let mut run =
            Self { video, next, headers: video.headers, order, packed: VecDeque::new(), ended: false, first: None };
        run.first = run.next().await?;
        Ok(run)
    }

    /// Whether the picture that is shown at `seconds` can be decoded from here: the index may be wrong about key
    /// chunks, and B-frames that are shown before their key picture need the one before.
    pub(super) fn reaches(&self, seconds: f64) -> bool {
        self.first.as_ref().is_none_or(|packet| packet.key && packet.time <= seconds)
    }

    pub async fn next(&mut self) -> Result<Option<Packet>, ContainerError> {
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

    async fn read_chunk(&mut self) -> Result<(), ContainerError> {
        let index = self.next;
        let Some(place) = self.video.places.get(index).copied() else {
            self.ended = true;
            self.order.finish();
            return Ok(());
        };
        self.next += 1;
        if place.length == 0 {
            return Ok(());
        }
        let chunk = self.video.chunk(index).await?;
        if self.video.stream.coding() == Coding::Mpeg4 {
            for vop in self.headers.vops(&chunk) {
                let data = chunk.get(vop.bytes).unwrap_or_default().to_vec();
                self.packed.push_back((vop.kind == Kind::Intra, data, vop.kind));
            }
        } else {
            // Shown in the order of decoding; H.264's decoder brings pictures into theirs.
            self.packed.push_back((place.key, chunk, Kind::Bidirectional));
        }
        if let Some((key, data, kind)) = self.packed.pop_front() {
            self.order.moment(index as f64 * self.video.stream.seconds);
            self.order.push((key, data), kind);
        }
        Ok(())
    }
}
