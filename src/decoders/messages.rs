//! What the engine and a decoding worker say to each other.
//!
//! The engine sends one [`Request::Start`], packets and one [`Request::Finish`]; the worker answers each packet and
//! the end once, in order, so that whoever sends knows how many are under way.

use serde::{Deserialize, Serialize};

use crate::protocol::pictures::bytes;

/// The codecs that are decoded in wasm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Codec {
    /// MPEG-4 part 2: XviD, DivX, FMP4.
    Mpeg4,
    MotionJpeg,
    Hevc,
}

/// How stored YCbCr becomes RGB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Colour {
    pub matrix: Matrix,
    /// 0 to 255 rather than 16 to 235.
    pub full_range: bool,
}

/// ITU-T H.273, table 4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Matrix {
    #[default]
    Bt601,
    Bt709,
    Bt2020,
}

/// What a decoder must know before the first packet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    pub codec: Codec,
    /// The container's codec configuration: MPEG-4's headers, HEVC's hvcC. May be empty.
    #[serde(with = "bytes")]
    pub description: Vec<u8>,
    pub colour: Colour,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    Start(Stream),
    Packet {
        #[serde(with = "bytes")]
        data: Vec<u8>,
        /// When its picture is shown, in microseconds; none has the same time as another.
        time: f64,
        /// Whether its picture is to come back.
        wanted: bool,
    },
    Finish,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// A packet was decoded, or could not be.
    Decoded(Vec<Picture>),
    Finished {
        pictures: Vec<Picture>,
        complaint: Option<String>,
    },
}

/// A decoded picture, as stored: not turned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// In microseconds.
    pub time: f64,
    pub width: u32,
    pub height: u32,
    /// `[height, width, 4]`.
    #[serde(with = "bytes")]
    pub rgba: Vec<u8>,
}
