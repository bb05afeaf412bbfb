//! A file -> its video track's packets, through mediabunny.
//!
//! Comes in: a file, on disk or in memory. Goes out: packets in decoding order, with timestamps and key flags, read as they are asked
//! for. Never decodes.

use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, closure::Closure, prelude::wasm_bindgen};
use web_sys::{Blob, EncodedVideoChunk};

use super::{VideoError, upright::Orientation};
use crate::decoders::messages::Codec;
use crate::files::FileSource;

#[wasm_bindgen(module = "/node_modules/mediabunny/mediabunny.js")]
extern "C" {
    #[wasm_bindgen(thread_local_v2, js_name = "MP4")]
    static MP4: JsValue;
    #[wasm_bindgen(thread_local_v2, js_name = "QTFF")]
    static QTFF: JsValue;
    #[wasm_bindgen(thread_local_v2, js_name = "MATROSKA")]
    static MATROSKA: JsValue;
    #[wasm_bindgen(thread_local_v2, js_name = "WEBM")]
    static WEBM: JsValue;
    #[wasm_bindgen(thread_local_v2, js_name = "MPEG_TS")]
    static MPEG_TS: JsValue;

    type BlobSource;
    #[wasm_bindgen(constructor, catch)]
    fn new(blob: &Blob, options: &JsValue) -> Result<BlobSource, JsValue>;

    type BufferSource;
    #[wasm_bindgen(constructor, catch)]
    fn new(bytes: &Uint8Array) -> Result<BufferSource, JsValue>;

    type Input;
    #[wasm_bindgen(constructor, catch)]
    fn new(options: &JsValue) -> Result<Input, JsValue>;
    #[wasm_bindgen(method, catch, js_name = "canRead")]
    async fn can_read(this: &Input) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = "getPrimaryVideoTrack")]
    async fn primary_video_track(this: &Input) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = "getTracks")]
    async fn tracks(this: &Input) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method)]
    fn dispose(this: &Input);

    type InputVideoTrack;
    #[wasm_bindgen(method, catch, js_name = "getInternalCodecId")]
    async fn internal_codec_id(this: &InputVideoTrack) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = "getCodec")]
    async fn codec(this: &InputVideoTrack) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = "getDecoderConfig")]
    async fn decoder_config(this: &InputVideoTrack) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = "getCodedWidth")]
    async fn coded_width(this: &InputVideoTrack) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = "getCodedHeight")]
    async fn coded_height(this: &InputVideoTrack) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = "getRotation")]
    async fn rotation(this: &InputVideoTrack) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = "getFlip")]
    async fn flip(this: &InputVideoTrack) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = "computeDuration")]
    async fn compute_duration(this: &InputVideoTrack) -> Result<JsValue, JsValue>;

    type EncodedPacketSink;
    #[wasm_bindgen(constructor, catch)]
    fn new(track: &InputVideoTrack) -> Result<EncodedPacketSink, JsValue>;
    #[wasm_bindgen(method, catch, js_name = "getKeyPacket")]
    async fn key_packet(this: &EncodedPacketSink, timestamp: f64, options: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = "getFirstPacket")]
    async fn first_packet(this: &EncodedPacketSink, options: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = "getPacket")]
    async fn packet_at(this: &EncodedPacketSink, timestamp: f64, options: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = "getNextPacket")]
    async fn next_packet(this: &EncodedPacketSink, packet: &Packet, options: &JsValue) -> Result<JsValue, JsValue>;

    /// mediabunny's EncodedPacket.
    #[derive(Clone)]
    pub type Packet;
    /// In seconds, in the file's own time.
    #[wasm_bindgen(method, getter)]
    pub fn timestamp(this: &Packet) -> f64;
    #[wasm_bindgen(method, getter)]
    pub fn duration(this: &Packet) -> f64;
    #[wasm_bindgen(method, getter)]
    pub fn data(this: &Packet) -> Uint8Array;
    #[wasm_bindgen(method, getter, js_name = "microsecondTimestamp")]
    pub fn microseconds(this: &Packet) -> f64;
    #[wasm_bindgen(method, catch, js_name = "clone")]
    fn with(this: &Packet, options: &JsValue) -> Result<Packet, JsValue>;
    #[wasm_bindgen(method, catch, js_name = "toEncodedVideoChunk")]
    pub fn chunk(this: &Packet) -> Result<EncodedVideoChunk, JsValue>;
}

/// How much of a packet is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Its times only.
    Times,
    Data,
}

impl Reading {
    fn options(self) -> JsValue {
        let options = Object::new();
        set(&options, if self == Self::Times { "metadataOnly" } else { "verifyKeyPackets" }, &JsValue::TRUE);
        options.into()
    }
}

/// What opening a file led to.
pub enum Opened {
    Video(Demuxer),
    /// Tracks, but no video track.
    OtherTracks,
    /// A container without a readable track.
    NoTracks,
    /// No container that mediabunny knows.
    UnknownContainer,
}

/// The video track of one open file. Dropping it ends what it was reading.
pub struct Demuxer {
    input: Input,
    track: InputVideoTrack,
    sink: EncodedPacketSink,
    /// Hears of read errors that nobody waits for; the next read meets them again.
    _unheard: Closure<dyn FnMut(JsValue)>,
}

/// What the container says about its video track.
pub struct Track {
    /// A WebCodecs decoder configuration; none where the codec is unknown.
    pub decoder_config: Option<JsValue>,
    /// The codec's name for people.
    pub codec: String,
    /// Which of the wasm decoders decodes it.
    pub software: Option<Codec>,
    /// Width and height in pixels, as stored.
    pub size: Option<(u32, u32)>,
    pub orientation: Orientation,
    /// The end of the last packet, in the file's own time.
    pub end: f64,
}

/// Disposes the input unless it becomes part of a demuxer.
struct Opening(Option<Input>);

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(input) = &self.0 {
            input.dispose();
        }
    }
}

impl Drop for Demuxer {
    fn drop(&mut self) {
        self.input.dispose();
    }
}

impl Demuxer {
    /// Reads the container's index.
    pub async fn open(file: &FileSource) -> Result<Opened, VideoError> {
        let unheard = Closure::<dyn FnMut(JsValue)>::new(|_| {});
        let source = source(file, unheard.as_ref())?;
        let formats = [&MP4, &QTFF, &MATROSKA, &WEBM, &MPEG_TS].map(|format| format.with(JsValue::clone));
        let options = Object::new();
        set(&options, "formats", &formats.iter().collect::<Array>());
        set(&options, "source", &source);
        let mut opening = Opening(Some(Input::new(&options).map_err(|error| damaged(&error))?));
        let Some(input) = &opening.0 else { return Ok(Opened::UnknownContainer) };
        if !input.can_read().await.map_err(|error| damaged(&error))?.is_truthy() {
            return Ok(Opened::UnknownContainer);
        }
        let track = input.primary_video_track().await.map_err(|error| damaged(&error))?;
        if track.is_null() || track.is_undefined() {
            let others = input.tracks().await.map_err(|error| damaged(&error))?;
            let count = others.dyn_into::<Array>().map_or(0, |others| others.length());
            return Ok(if count > 0 { Opened::OtherTracks } else { Opened::NoTracks });
        }
        let track: InputVideoTrack = track.unchecked_into();
        let sink = EncodedPacketSink::new(&track).map_err(|error| damaged(&error))?;
        let video = opening.0.take().map(|input| Self { input, track, sink, _unheard: unheard });
        Ok(video.map_or(Opened::UnknownContainer, Opened::Video))
    }

    pub async fn track(&self) -> Result<Track, VideoError> {
        let track = &self.track;
        let codec = track.codec().await.map_err(|error| damaged(&error))?.as_string();
        let internal = track.internal_codec_id().await.map_err(|error| damaged(&error))?;
        let config = track.decoder_config().await.map_err(|error| damaged(&error))?;
        let rotation = track.rotation().await.map_err(|error| damaged(&error))?.as_f64().unwrap_or(0.0);
        let mirrored = track.flip().await.map_err(|error| damaged(&error))?.is_truthy();
        let width = track.coded_width().await.map_err(|error| damaged(&error))?.as_f64().unwrap_or(0.0);
        let height = track.coded_height().await.map_err(|error| damaged(&error))?.as_f64().unwrap_or(0.0);
        let end = track.compute_duration().await.map_err(|error| damaged(&error))?.as_f64().unwrap_or(0.0);
        Ok(Track {
            size: (width >= 1.0 && height >= 1.0).then_some((width as u32, height as u32)),
            decoder_config: config.is_object().then_some(config),
            software: software(codec.as_deref(), &internal),
            codec: codec_name(codec.as_deref(), &internal),
            orientation: Orientation { quarter_turns: (rotation / 90.0).rem_euclid(4.0) as u8, mirrored },
            end,
        })
    }

    /// The last packet at or before `time` that decoding can start from, or else the first of the file.
    pub async fn key_packet(&self, time: f64, reading: Reading) -> Result<Option<Packet>, VideoError> {
        let options = reading.options();
        let found = self.sink.key_packet(time, &options).await.map_err(|error| damaged(&error))?;
        if let Some(packet) = packet(found) {
            return Ok(Some(packet));
        }
        // Some streams wrap what makes a packet a key packet; then the container's word must do.
        let options = if reading == Reading::Times { options } else { JsValue::UNDEFINED };
        let found = self.sink.key_packet(time, &options).await.map_err(|error| damaged(&error))?;
        if let Some(packet) = packet(found) {
            return Ok(Some(packet));
        }
        Ok(packet(self.sink.first_packet(&options).await.map_err(|error| damaged(&error))?))
    }

    /// Whether the last packet lies in the file. In memory mediabunny hands out nothing for what the index places nowhere.
    pub async fn ends_whole(&self) -> bool {
        let last = self.sink.packet_at(f64::INFINITY, &Reading::Data.options()).await;
        last.is_ok_and(|last| packet(last).is_some_and(|last| last.data().length() > 0))
    }

    /// In decoding order.
    pub async fn next_packet(&self, after: &Packet, reading: Reading) -> Result<Option<Packet>, VideoError> {
        let options = reading.options();
        Ok(packet(self.sink.next_packet(after, &options).await.map_err(|error| damaged(&error))?))
    }
}

impl Packet {
    /// The same packet with another time, in seconds.
    pub fn at(&self, time: f64) -> Result<Self, VideoError> {
        let options = Object::new();
        set(&options, "timestamp", &JsValue::from_f64(time));
        self.with(&options).map_err(|error| damaged(&error))
    }
}

fn source(file: &FileSource, unheard: &JsValue) -> Result<JsValue, VideoError> {
    if let Some(bytes) = file.as_bytes() {
        return Ok(BufferSource::new(&Uint8Array::from(bytes)).map_err(|error| damaged(&error))?.into());
    }
    let blob = file.to_blob().map_err(|error| VideoError::Unreadable(error.to_string()))?;
    let options = Object::new();
    set(&options, "handleUnhandledError", unheard);
    // Clips are small, and many videos are open in turn.
    set(&options, "maxCacheSize", &JsValue::from_f64(f64::from(2 << 20)));
    Ok(BlobSource::new(&blob, &options).map_err(|error| damaged(&error))?.into())
}

fn packet(value: JsValue) -> Option<Packet> {
    value.is_object().then(|| value.unchecked_into())
}

/// What an error comes to: mediabunny's own words are for developers.
pub fn damaged(error: &JsValue) -> VideoError {
    let name = Reflect::get(error, &"name".into()).ok().and_then(|name| name.as_string()).unwrap_or_default();
    let message = Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string());
    let message = message.unwrap_or_default();
    if name == "NotReadableError" || name == "NotFoundError" {
        return VideoError::Unreadable(message.trim_end_matches('.').to_string());
    }
    // A fragment whose index lies in another file.
    if message.starts_with("\"moof\" box encountered") {
        return VideoError::PieceOfStream;
    }
    VideoError::Damaged("what it says of its pictures makes no sense".into())
}

pub fn set(object: &Object, name: &str, value: &JsValue) {
    // Setting a field of a plain object does not fail.
    let _ = Reflect::set(object, &name.into(), value);
}

fn software(codec: Option<&str>, internal: &JsValue) -> Option<Codec> {
    match (codec, internal.as_string().unwrap_or_default().as_str()) {
        (Some("hevc"), _) => Some(Codec::Hevc),
        (Some(_), _) => None,
        (None, "mp4v" | "V_MPEG4/ISO/ASP" | "V_MPEG4/ISO/SP" | "V_MPEG4/ISO/AP") => Some(Codec::Mpeg4),
        (None, "mjpa" | "jpeg" | "V_MJPEG") => Some(Codec::MotionJpeg),
        _ => None,
    }
}

fn codec_name(codec: Option<&str>, internal: &JsValue) -> String {
    let known = match codec {
        Some("avc") => "H.264",
        Some("hevc") => "HEVC (H.265)",
        Some("vp8") => "VP8",
        Some("vp9") => "VP9",
        Some("av1") => "AV1",
        Some("prores") => "ProRes",
        Some(other) => other,
        None => "",
    };
    if !known.is_empty() {
        return known.into();
    }
    let internal = internal.as_string().or_else(|| internal.as_f64().map(|number| format!("stream type {number}")));
    let internal = internal.unwrap_or_default();
    match internal.as_str() {
        "mp4v" | "V_MPEG4/ISO/ASP" | "V_MPEG4/ISO/SP" | "V_MPEG4/ISO/AP" | "stream type 16" => {
            "MPEG-4 part 2, such as XviD or DivX".into()
        }
        "V_MS/VFW/FOURCC" => "an AVI codec such as XviD".into(),
        "mjpa" | "mjpb" | "jpeg" | "V_MJPEG" => "Motion JPEG".into(),
        "s263" | "h263" => "H.263".into(),
        "V_MPEG1" | "stream type 1" => "MPEG-1".into(),
        "V_MPEG2" | "stream type 2" => "MPEG-2".into(),
        "" => "unknown".into(),
        other => other.into(),
    }
}
