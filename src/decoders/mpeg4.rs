//! MPEG-4 part 2 (ISO/IEC 14496-2) -> pictures, through `oxideav-mpeg4video`.
//!
//! Comes in: one coded VOP a packet, headers before it where the stream has them. Goes out: pictures of the size that
//! the stream's headers tell. Never splits packed packets: who reads the container does (`video::mpeg4`).

use oxideav_mpeg4video::{DecodeOptions, DecodedFrame, decoder::Mpeg4VideoDecoder};

use super::colour::{Plane, Planes};
use super::messages::{Colour, Stream};
use super::session::{Decode, Ready};

pub struct Mpeg4 {
    decoder: Mpeg4VideoDecoder,
    colour: Colour,
}

impl Mpeg4 {
    pub fn new(stream: &Stream) -> Self {
        // Not `ecosystem()`: XviD's global motion is ffmpeg's to 58 dB by the standard's text, and drifts to 25 otherwise.
        let mut decoder = Mpeg4VideoDecoder::with_options(DecodeOptions::spec());
        // Headers that do not parse here come again before the first VOP, or decoding it tells.
        let _ = decoder.decode(&stream.description);
        Self { decoder, colour: stream.colour }
    }

    fn keep(&self, frames: &[DecodedFrame], ready: &mut Ready<'_>) {
        let Some(headers) = self.decoder.vol() else { return };
        for frame in frames {
            let Some(time) = frame.pts().filter(|time| (ready.wanted)(*time)) else { continue };
            let plane = |samples, stride| Plane { samples, stride };
            let chroma_stride = frame.width() / 2;
            let planes = Planes {
                luma: plane(frame.luma_samples(), frame.width()),
                chroma: Some([plane(frame.cb_samples(), chroma_stride), plane(frame.cr_samples(), chroma_stride)]),
                width: usize::from(headers.width).min(frame.width()),
                height: usize::from(headers.height).min(frame.height()),
                depth: 8,
            };
            ready.pictures.push(planes.picture(time, self.colour));
        }
    }
}

impl Decode for Mpeg4 {
    fn decode(&mut self, packet: &[u8], time: i64, ready: &mut Ready<'_>) -> Result<(), String> {
        let frames = self.decoder.decode_with_pts(packet, Some(time)).map_err(|error| error.to_string())?;
        self.keep(&frames, ready);
        Ok(())
    }

    fn flush(&mut self, ready: &mut Ready<'_>) {
        let frames = self.decoder.flush();
        self.keep(&frames, ready);
    }
}
