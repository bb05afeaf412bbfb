//! The browser's video reader: demuxes with mediabunny or, what it does not read, on its own, decodes with WebCodecs or,
//! where the browser does not know the codec, in wasm.
//!
//! Comes in: a `File`. Goes out: upright RGB frames by timestamp. Reads the container's index, then the packets from
//! the key packet before the wanted frames to the last of them. A transport stream, and an AVI that lost its index, have
//! none: opening walks through all of the file, once. Holds whole files only where they are small.

use js_sys::{Array, ArrayBuffer, Object, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Blob;

use super::{
    Frame, VideoError, VideoInfo, VideoReader, VideoSource,
    codec::{self, is_supported},
    hidden::Hiding,
    mediabunny::{self, Opened, Track, damaged},
    nearest_frames,
    packets::{Demuxer, MOST_REORDERED, Packet, SAME_TIME},
    signature::{SIGNATURE_BYTES, Signature},
    software::SoftwareDecoder,
    upright::Orientation,
    wide_colours::{colour, get},
};
use crate::container::{
    avi::{AviVideo, Coding},
    edits::Edits,
    matroska, mp4, mpeg4,
    transport::{self, TransportVideo},
};
use crate::decoders::messages::{Codec, Colour, Stream};
use crate::files::{FileError, FileSource};

/// A file of at most so many bytes is read at once.
const READ_WHOLE: u64 = 512 << 10;

/// One open video.
pub struct BrowserVideo {
    demuxer: Demuxer,
    decoding: Decoding,
    info: VideoInfo,
    orientation: Orientation,
    /// The first frame's place in the file's own time.
    first: f64,
    hiding: Hiding,
}

/// Who decodes.
enum Decoding {
    WebCodecs {
        config: JsValue,
        /// Packets tell when they are decoded, not when their frames are shown.
        in_turn: bool,
    },
    Software(Stream),
}

enum Decoder {
    WebCodecs(codec::Decoder),
    Software(Box<SoftwareDecoder>),
}

impl VideoReader for BrowserVideo {
    async fn open(source: &VideoSource) -> Result<Self, VideoError> {
        let file = opened(source).await?;
        let signature = Signature::of(&file.read(0..file.len().min(SIGNATURE_BYTES as u64)).await.map_err(unreadable)?);
        if signature.is_no_video() {
            return Err(VideoError::NotAVideo(signature.described().into()));
        }
        if signature == Signature::Avi {
            return Self::open_avi(file).await;
        }
        let (start, movie) = match signature {
            Signature::Mp4 => mp4::movie(&file).await.unwrap_or_default(),
            _ => (0, Vec::new()),
        };
        if mp4::is_encrypted(&movie) {
            return Err(VideoError::Encrypted);
        }
        let file = match mp4::short_colours(&movie) {
            Some(place) => without(&file, start + place as u64)?,
            None => file,
        };
        let demuxer = match mediabunny::Demuxer::open(&file).await? {
            Opened::Video(demuxer) => demuxer,
            _ if signature == Signature::MpegTransport => return Self::open_transport(file).await,
            _ if signature == Signature::Matroska && is_encrypted(&file).await? => return Err(VideoError::Encrypted),
            other => return Err(not_opened(other, signature)),
        };
        let track = demuxer.track().await?;
        let decoding = decoding(&track, &movie).await?;
        let Some((width, height)) = track.size else {
            return Err(VideoError::Damaged("it does not say how large its pictures are".into()));
        };
        let (width, height) = track.orientation.turned(width, height);
        let edits = Edits::read(&movie);
        let info = VideoInfo { seconds: edits.end(track.end), width, height, codec: track.codec };
        let demuxer = Demuxer::Mediabunny(demuxer, edits);
        let video = Self::new(demuxer, decoding, track.orientation, info).await?;
        if let Demuxer::Mediabunny(demuxer, _) = &video.demuxer
            && !demuxer.ends_whole().await
        {
            return Err(VideoError::Damaged("it ends before the video does".into()));
        }
        Ok(video)
    }

    fn info(&self) -> &VideoInfo {
        &self.info
    }

    async fn timestamps(&self, start: f64, end: f64) -> Result<Vec<f64>, VideoError> {
        let (from, until) = (start.max(0.0) + self.first, end + self.first);
        let listed = self.demuxer.times(from, until, usize::MAX, self.hiding).await?;
        let mut times: Vec<f64> = listed.into_iter().map(|time| (time - self.first).max(0.0)).collect();
        times.retain(|time| (start..end).contains(time));
        times.sort_by(f64::total_cmp);
        Ok(times)
    }

    async fn frames_of_size(&self, wanted: &[f64], size: Option<[u32; 2]>) -> Result<Vec<Frame>, VideoError> {
        let mut missing: Vec<f64> = wanted.iter().map(|time| time + self.first).collect();
        missing.sort_by(f64::total_cmp);
        missing.dedup_by(|one, two| (*one - *two).abs() < SAME_TIME);
        let (Some(&earliest), Some(&latest)) = (missing.first(), missing.last()) else { return Ok(Vec::new()) };
        let mut decoder = Decoder::new(&self.decoding, self.orientation, size).await?;
        let mut run = self.demuxer.run_from(earliest).await?;
        let in_turn = matches!(self.decoding, Decoding::WebCodecs { in_turn: true, .. });
        let mut beyond = 0;
        while let Some(packet) = run.next().await? {
            let time = packet.time();
            let before = missing.len();
            missing.retain(|one| (one - time).abs() >= SAME_TIME);
            decoder.decode(&packet, missing.len() < before).await?;
            beyond += usize::from(time > latest);
            if (missing.is_empty() && !in_turn) || beyond >= MOST_REORDERED {
                break;
            }
        }
        let decoded = decoder.finish().await?;
        let seconds = |microseconds: f64| microseconds / 1e6 - self.first;
        nearest_frames(wanted, decoded.into_iter().map(|(time, frame)| (seconds(time), frame)).collect())
    }
}

impl BrowserVideo {
    /// `info.seconds` is the end of the last picture, in the file's own time.
    async fn new(
        demuxer: Demuxer,
        decoding: Decoding,
        orientation: Orientation,
        mut info: VideoInfo,
    ) -> Result<Self, VideoError> {
        let hiding = Hiding::of(&info.codec);
        let earliest = demuxer.times(0.0, f64::INFINITY, MOST_REORDERED, hiding).await?;
        let first = earliest.into_iter().min_by(f64::total_cmp).ok_or(VideoError::NoFrames)?;
        info.seconds -= first;
        Ok(Self { demuxer, decoding, info, orientation, first, hiding })
    }

    async fn open_avi(file: FileSource) -> Result<Self, VideoError> {
        let avi = AviVideo::open(file).await?.ok_or(VideoError::NoPicture)?;
        let stream = avi.stream();
        let software = |codec| {
            Decoding::Software(Stream { codec, description: stream.description.clone(), colour: Colour::default() })
        };
        let (decoding, codec) = match stream.coding() {
            Coding::Mpeg4 => (software(Codec::Mpeg4), "MPEG-4 part 2".to_string()),
            Coding::MotionJpeg => (software(Codec::MotionJpeg), "Motion JPEG".to_string()),
            Coding::H264 => (h264(&avi).await?, "H.264".to_string()),
            Coding::Other => return Err(VideoError::Codec(stream.codec.clone())),
        };
        let info = VideoInfo { seconds: avi.seconds(), width: stream.width, height: stream.height, codec };
        Self::new(Demuxer::Avi(avi), decoding, Orientation::default(), info).await
    }

    /// One in which mediabunny found no picture: it passes over MPEG-4 part 2 without a word.
    async fn open_transport(file: FileSource) -> Result<Self, VideoError> {
        let transport = match TransportVideo::open(file).await? {
            transport::Opened::Mpeg4(transport) => transport,
            // mediabunny would have found it.
            transport::Opened::Common => return Err(VideoError::NoFrames),
            transport::Opened::Other(codec) => return Err(VideoError::Codec(codec.into())),
            transport::Opened::NoPicture => return Err(VideoError::NoPicture),
        };
        let first = transport.run_from(0.0).next().await?.ok_or(VideoError::NoFrames)?;
        let description = mpeg4::headers(&first.data).to_vec();
        let colour = mpeg4::colour(&description).unwrap_or_default();
        let decoding = Decoding::Software(Stream { codec: Codec::Mpeg4, description, colour });
        let (width, height) = (transport.width, transport.height);
        let info = VideoInfo { seconds: transport.end(), width, height, codec: "MPEG-4 part 2".to_string() };
        Self::new(Demuxer::Transport(transport), decoding, Orientation::default(), info).await
    }
}

impl Decoder {
    async fn new(decoding: &Decoding, orientation: Orientation, size: Option<[u32; 2]>) -> Result<Self, VideoError> {
        match decoding {
            Decoding::WebCodecs { config, in_turn } => {
                codec::Decoder::new(config, orientation, size, *in_turn).map(Self::WebCodecs)
            }
            Decoding::Software(stream) => {
                Ok(Self::Software(Box::new(SoftwareDecoder::new(stream, orientation, size).await?)))
            }
        }
    }

    async fn decode(&mut self, packet: &Packet, wanted: bool) -> Result<(), VideoError> {
        match self {
            Self::WebCodecs(decoder) => decoder.decode(&packet.chunk()?, wanted).await,
            Self::Software(decoder) => decoder.decode(packet.bytes(), packet.microseconds(), wanted).await,
        }
    }

    /// Pairs of microseconds and frame, in any order.
    async fn finish(self) -> Result<Vec<(f64, Frame)>, VideoError> {
        match self {
            Self::WebCodecs(decoder) => decoder.finish().await,
            Self::Software(decoder) => decoder.finish().await,
        }
    }
}

/// The first sequence parameter set (ITU-T H.264, 7.3.2.1.1) names the profile and level that the browser asks for.
async fn h264(avi: &AviVideo) -> Result<Decoding, VideoError> {
    const PARAMETER_SET: u8 = 7;
    let codec = || VideoError::Codec("H.264".into());
    let first = avi.run_from(0.0).await?.next().await?.ok_or(VideoError::NoFrames)?;
    let set = first.data.windows(7).find_map(|bytes| match bytes {
        [0, 0, 1, kind, profile, constraints, level] if kind & 0x1f == PARAMETER_SET => {
            Some([*profile, *constraints, *level])
        }
        _ => None,
    });
    let [profile, constraints, level] = set.ok_or_else(codec)?;
    let config = Object::new();
    mediabunny::set(&config, "codec", &format!("avc1.{profile:02x}{constraints:02x}{level:02x}").into());
    mediabunny::set(&config, "codedWidth", &avi.stream().width.into());
    mediabunny::set(&config, "codedHeight", &avi.stream().height.into());
    // Without a word on colours Chromium takes BT.709, with one that leaves the matrix open, as everywhere, BT.601.
    let colours = Object::new();
    mediabunny::set(&colours, "fullRange", &JsValue::FALSE);
    mediabunny::set(&config, "colorSpace", &colours);
    if is_supported(&config).await {
        Ok(Decoding::WebCodecs { config: config.into(), in_turn: true })
    } else {
        Err(codec())
    }
}

/// The browser's decoder where it has one, else ours.
async fn decoding(track: &Track, movie: &[u8]) -> Result<Decoding, VideoError> {
    if let Some(config) = &track.decoder_config
        && is_supported(config).await
    {
        return Ok(Decoding::WebCodecs { config: config.clone(), in_turn: false });
    }
    let codec = track.software.ok_or_else(|| VideoError::Codec(track.codec.clone()))?;
    let description = match (codec, &track.decoder_config) {
        (_, Some(config)) => description(config),
        // Without one, the stream's headers lie in its packets.
        (Codec::Mpeg4, None) => mp4::configuration(movie).to_vec(),
        (_, None) => Vec::new(),
    };
    let told = if codec == Codec::Mpeg4 { mpeg4::colour(&description) } else { None };
    let colour = told
        .or_else(|| track.decoder_config.as_ref().map(|config| colour(&get(config, "colorSpace"))))
        .unwrap_or_default();
    Ok(Decoding::Software(Stream { codec, description, colour }))
}

/// A decoder configuration's `description`: a buffer, or a view of one.
fn description(config: &JsValue) -> Vec<u8> {
    let value = get(config, "description");
    if let Some(view) = value.dyn_ref::<Uint8Array>() {
        return view.to_vec();
    }
    value.dyn_ref::<ArrayBuffer>().map(|buffer| Uint8Array::new(buffer).to_vec()).unwrap_or_default()
}

/// The file, in memory where it is small: it takes the browser as long to hand over any part of such a file as all of it.
async fn opened(source: &VideoSource) -> Result<FileSource, VideoError> {
    let file = source.bytes().map_err(unreadable)?;
    match file.len() {
        0 => Err(VideoError::Empty),
        1..=READ_WHOLE => Ok(FileSource::from_bytes(file.read_all().await.map_err(unreadable)?)),
        _ => Ok(file),
    }
}

fn unreadable(error: FileError) -> VideoError {
    VideoError::Unreadable(error.to_string())
}

/// The file with another name for the box whose name lies at `place`, so that nobody reads it.
fn without(file: &FileSource, place: u64) -> Result<FileSource, VideoError> {
    const NAME: &[u8] = b"free";
    let before = file.slice(0..place).and_then(|before| before.to_blob()).map_err(unreadable)?;
    let behind = file.slice(place + NAME.len() as u64..file.len()).and_then(|behind| behind.to_blob());
    let behind = behind.map_err(unreadable)?;
    let pieces = Array::of3(&before, &Uint8Array::from(NAME), &behind);
    Ok(Blob::new_with_blob_sequence(&pieces).map_err(|error| damaged(&error))?.into())
}

async fn is_encrypted(file: &FileSource) -> Result<bool, VideoError> {
    Ok(matroska::is_encrypted(&file.read(0..file.len().min(matroska::HEAD)).await.map_err(unreadable)?))
}

fn not_opened(opened: Opened, signature: Signature) -> VideoError {
    match (opened, signature) {
        (Opened::OtherTracks, Signature::Mp4 | Signature::Matroska) => VideoError::NoPicture,
        (_, Signature::Mp4 | Signature::Matroska) => {
            VideoError::Damaged("its index is missing, as when a recording or a download broke off".into())
        }
        (_, Signature::Unknown) => VideoError::NotAVideo(signature.described().into()),
        (_, other) => VideoError::Container(other.described().into()),
    }
}
