//! The decoders' program: packets of codecs that the browser does not decode -> RGBA pictures.
//!
//! Comes in: a [`messages::Stream`] and its packets in decoding order. Goes out: the wanted pictures, told apart by
//! their times. Runs in workers of its own (`src/bin/decoder.rs`), so that a decoder that panics or hangs takes one
//! file with it and nothing else. Never reads a file.

pub mod messages;

pub mod colour;
#[cfg(feature = "decoders")]
mod hevc;
#[cfg(feature = "decoders")]
mod motion_jpeg;
#[cfg(feature = "decoders")]
mod mpeg4;
#[cfg(all(feature = "decoders", target_family = "wasm"))]
pub mod worker;

#[cfg(feature = "decoders")]
pub use session::Session;

#[cfg(feature = "decoders")]
mod session {
    use super::messages::{Codec, Picture, Stream};
    use super::{hevc::Hevc, motion_jpeg::MotionJpeg, mpeg4::Mpeg4};

    /// What one codec's decoder does.
    pub trait Decode {
        /// Takes the packet that is shown at `time`, in microseconds; its picture may become ready with a later one.
        fn decode(&mut self, packet: &[u8], time: i64, ready: &mut Ready<'_>) -> Result<(), String>;

        /// Gives the pictures that were held back.
        fn flush(&mut self, _ready: &mut Ready<'_>) {}
    }

    /// The pictures that became ready of those that `wanted` keeps, in the order in which they are shown.
    pub struct Ready<'a> {
        pub wanted: &'a dyn Fn(i64) -> bool,
        pub pictures: Vec<Picture>,
    }

    /// Decodes one run of packets, from a key packet on.
    pub struct Session {
        decoder: Box<dyn Decode>,
        /// The first packet that could not be decoded, in the decoder's own words.
        complaint: Option<String>,
    }

    impl Session {
        pub fn new(stream: &Stream) -> Self {
            let mut complaint = None;
            let decoder: Box<dyn Decode> = match stream.codec {
                Codec::Mpeg4 => Box::new(Mpeg4::new(stream)),
                Codec::MotionJpeg => Box::new(MotionJpeg),
                Codec::Hevc => Box::new(Hevc::new(stream, &mut complaint)),
            };
            Self { decoder, complaint }
        }

        /// Takes the packet that is shown at `time`, in microseconds, and gives the pictures that `wanted` keeps of
        /// those that became ready, in the order in which they are shown. A packet that cannot be decoded gives none.
        pub fn decode(&mut self, packet: &[u8], time: i64, wanted: &dyn Fn(i64) -> bool) -> Vec<Picture> {
            let mut ready = Ready { wanted, pictures: Vec::new() };
            if let Err(complaint) = self.decoder.decode(packet, time, &mut ready) {
                self.complaint.get_or_insert(complaint);
            }
            ready.pictures
        }

        /// The pictures that were held back, and what the first undecodable packet suffered from.
        pub fn finish(mut self, wanted: &dyn Fn(i64) -> bool) -> (Vec<Picture>, Option<String>) {
            let mut ready = Ready { wanted, pictures: Vec::new() };
            self.decoder.flush(&mut ready);
            (ready.pictures, self.complaint)
        }
    }
}
