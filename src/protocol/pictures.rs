//! Pixels in a message: pictures and clips of them.
//!
//! Comes in and goes out: serde values whose pixels travel as bytes.

use serde::{Deserialize, Serialize};

/// A picture: RGBA, rows from the top.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    #[serde(with = "bytes")]
    pub rgba: Vec<u8>,
}

/// A clip after sampling, crop, flip and normalisation, un-normalised for the eye.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClipPicture {
    pub frames: Vec<Picture>,
    /// Width and height of the video itself, in pixels.
    pub size: [u32; 2],
    /// How long the clip lasts in the video, in seconds.
    pub seconds: f64,
}

/// Pixels as one run of bytes (a typed array in the browser) instead of a list of numbers.
pub(crate) mod bytes {
    use serde::{Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl<'de> de::Visitor<'de> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                formatter.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}
