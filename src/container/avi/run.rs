//! Chunks from a key chunk on -> packets, each with the time at which its picture is shown.

use std::collections::VecDeque;

use super::{AviVideo, Coding};
use crate::container::mpeg4::{Headers, Kind, Reorder};
use crate::container::{ContainerError, Packet};

/// Packets in decoding order, read as they are asked for.
pub struct Run<'a> {
    video: &'a AviVideo,
    next: usize,
    headers: Headers,
    order: Reorder<(bool, Vec<u8>)>,
    /// VOPs of packed chunks, whose moments later, empty chunks bring. What is left at the end is not shown.
    packed: VecDeque<(bool, Vec<u8>, Kind)>,
    ended: bool,
    /// Whether decoding can start with the first chunk.
    starts: bool,
    first: Option<Packet>,
}

/// VOPs that wait for their moments. A stream that keeps more has lost the chunks that brought them.
const MOST_PACKED: usize = 256;

impl<'a> Run<'a> {
    /// From chunk `next` on.
    pub(super) async fn start(video: &'a AviVideo, next: usize) -> Result<Self, ContainerError> {
        let (headers, order, packed) = (video.headers, Reorder::default(), VecDeque::new());
        let mut run = Self { video, next, headers, order, packed, ended: false, starts: false, first: None };
        run.starts = run.read_chunk().await?;
        // Nobody needs the first packet of another start, which may be far from here.
        if run.starts {
            run.first = run.next().await?;
        }
        Ok(run)
    }

    /// Whether the picture that is shown at `seconds` can be decoded from here: the index may be wrong about key
    /// chunks, and B-frames that are shown before their key picture need the one before.
    pub(super) fn reaches(&self, seconds: f64) -> bool {
        self.starts && self.first.as_ref().is_none_or(|packet| packet.time <= seconds)
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

    /// Goes out: whether decoding can start with what the chunk brought.
    async fn read_chunk(&mut self) -> Result<bool, ContainerError> {
        let index = self.next;
        let Some(place) = self.video.places.get(index).copied() else {
            self.ended = true;
            self.order.finish();
            return Ok(false);
        };
        self.next += 1;
        if place.length == 0 {
            return Ok(false);
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
        let Some((key, data, kind)) = self.packed.pop_front() else { return Ok(false) };
        if self.packed.len() > MOST_PACKED {
            return Err(ContainerError::Damaged("it holds more pictures than moments to show them at"));
        }
        self.order.moment(index as f64 * self.video.stream.seconds);
        self.order.push((key, data), kind);
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::container::avi::Stream;
    use crate::container::avi::index::Place;
    use crate::container::avi::riff::Blocks;
    use crate::files::FileSource;

    const INTRA: [u8; 6] = [0, 0, 1, 0xb6, 0x15, 0xff];
    const PREDICTED: [u8; 6] = [0, 0, 1, 0xb6, 0x55, 0xff];
    const BIDIRECTIONAL: [u8; 6] = [0, 0, 1, 0xb6, 0x95, 0xff];

    /// One chunk a second, each called a key by the index.
    fn video(chunks: &[&[u8]]) -> AviVideo {
        let mut start = 0;
        let places = chunks.iter().map(|chunk| {
            let place = Place { start, length: chunk.len() as u32, key: true };
            start += u64::from(place.length);
            place
        });
        let stream = Stream { codec: "XVID".into(), seconds: 1.0, ..Stream::default() };
        let places = places.collect();
        let blocks = Blocks::new(FileSource::from_bytes(chunks.concat()));
        AviVideo { blocks, stream, places, headers: Headers::default() }
    }

    fn run(video: &AviVideo, seconds: f64) -> Run<'_> {
        video.run_from(seconds).now_or_never().unwrap().unwrap()
    }

    fn times(mut run: Run<'_>) -> Vec<f64> {
        std::iter::from_fn(|| run.next().now_or_never().unwrap().unwrap()).map(|packet| packet.time).collect()
    }

    #[test]
    fn a_run_starts_at_an_intra_picture_whatever_the_index_calls_a_key() {
        let chunks = [&INTRA[..], &PREDICTED, &INTRA, &PREDICTED, &BIDIRECTIONAL, &PREDICTED];
        assert_eq!(times(run(&video(&chunks), 5.0)), [2.0, 4.0, 3.0, 5.0]);
        assert_eq!(times(run(&video(&chunks[1..2]), 0.0)), [0.0], "there is nothing before the first");
    }

    #[test]
    fn a_start_is_found_in_time_that_grows_as_the_file_however_many_chunks_hold_no_picture() {
        let mut chunks = vec![&b"none"[..]; 40_000];
        chunks.push(&PREDICTED);
        let begun = std::time::Instant::now();
        assert_eq!(times(run(&video(&chunks), 40_000.0)), [40_000.0]);
        assert!(begun.elapsed().as_secs_f64() < 2.0, "{:?}", begun.elapsed());
    }

    #[test]
    fn pictures_that_wait_for_moments_are_bounded() {
        let chunk = PREDICTED.repeat(4);
        let video = video(&vec![chunk.as_slice(); 200]);
        let mut run = run(&video, 0.0);
        let ended = std::iter::from_fn(|| run.next().now_or_never().unwrap().transpose()).find_map(Result::err);
        assert!(ended.is_some_and(|error| error.to_string().contains("more pictures than moments")));
        assert!(run.packed.len() <= MOST_PACKED + 4);
    }
}
