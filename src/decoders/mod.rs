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

    /// Decodes one run of packets, from a key packet on.
    pub struct Session {
        decoder: Decoder,
        /// The first packet that could not be decoded, in the decoder's own words.
        complaint: Option<String>,
    }

    enum Decoder {
        Mpeg4(Box<Mpeg4>),
        MotionJpeg(MotionJpeg),
        Hevc(Box<Hevc>),
    }

    impl Session {
        pub fn new(stream: &Stream) -> Self {
            let mut complaint = None;
            let decoder = match stream.codec {
                Codec::Mpeg4 => Decoder::Mpeg4(Box::new(Mpeg4::new(stream))),
                Codec::MotionJpeg => Decoder::MotionJpeg(MotionJpeg),
                Codec::Hevc => Decoder::Hevc(Box::new(Hevc::new(stream, &mut complaint))),
            };
            Self { decoder, complaint }
        }

        /// Takes the packet that is shown at `time`, in microseconds, and gives the pictures that `wanted` keeps of
        /// those that became ready, in the order in which they are shown. A packet that cannot be decoded gives none.
        pub fn decode(&mut self, packet: &[u8], time: i64, wanted: &dyn Fn(i64) -> bool) -> Vec<Picture> {
            let mut pictures = Vec::new();
            let decoded = match &mut self.decoder {
                Decoder::Mpeg4(decoder) => decoder.decode(packet, time, wanted, &mut pictures),
                Decoder::MotionJpeg(decoder) => decoder.decode(packet, time, wanted, &mut pictures),
                Decoder::Hevc(decoder) => decoder.decode(packet, time, wanted, &mut pictures),
            };
            if let Err(complaint) = decoded {
                self.complaint.get_or_insert(complaint);
            }
            pictures
        }

        /// The pictures that were held back, and what the first undecodable packet suffered from.
        pub fn finish(mut self, wanted: &dyn Fn(i64) -> bool) -> (Vec<Picture>, Option<String>) {
            let mut pictures = Vec::new();
            match &mut self.decoder {
                Decoder::Mpeg4(decoder) => decoder.flush(wanted, &mut pictures),
                Decoder::MotionJpeg(_) => {}
                Decoder::Hevc(decoder) => decoder.flush(wanted, &mut pictures),
            }
            (pictures, self.complaint)
        }
    }
}
