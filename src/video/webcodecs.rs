//! The browser's video reader: demuxes with mediabunny, decodes with WebCodecs.
//!
//! Comes in: a `File`. Goes out: upright RGB frames by timestamp. Reads the container's index, then the packets from
//! the key packet before the wanted frames to the last of them. Never reads a whole long file.

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

use super::{
    Frame, VideoError, VideoInfo, VideoReader,
    codec::{Decoder, is_supported},
    container::{Demuxer, Opened, Packet, Reading, damaged},
    nearest_frames,
    signature::{SIGNATURE_BYTES, Signature},
    upright::Orientation,
};
use crate::files::{FileError, FileSource};

/// No codec here keeps a frame back behind more than 16 later ones.
const MOST_REORDERED: usize = 17;
/// Two times nearer than this, in seconds, are one.
const SAME_TIME: f64 = 1e-6;

/// A `File` that the user gave.
#[derive(Clone, Debug)]
pub struct VideoSource {
    key: String,
    file: File,
}

impl VideoSource {
    /// `key` tells this file from every other, and from itself with other contents: its path and size will do.
    pub fn new(key: impl Into<String>, file: File) -> Self {
        Self { key: key.into(), file }
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    /// The file's own name.
    pub fn name(&self) -> String {
        self.file.name()
    }

    /// The file's bytes, whatever they are.
    pub fn bytes(&self) -> Result<FileSource, FileError> {
        Ok(web_sys::Blob::from(self.file.clone()).into())
    }
}

/// One open video.
pub struct WebCodecsVideo {
    demuxer: Demuxer,
    info: VideoInfo,
    decoder_config: JsValue,
    orientation: Orientation,
    /// The first frame's place in the file's own time.
    first: f64,
    /// What must be read of a packet to know whether it is shown.
    listing: Reading,
}

impl VideoReader for WebCodecsVideo {
    async fn open(source: &VideoSource) -> Result<Self, VideoError> {
        let signature = signature(&source.file).await?;
        if signature.is_no_video() {
            return Err(VideoError::NotAVideo(signature.described().into()));
        }
        let demuxer = match Demuxer::open(&source.file).await? {
            Opened::Video(demuxer) => demuxer,
            other => return Err(not_opened(other, signature)),
        };
        let track = demuxer.track().await?;
        if track.encrypted {
            return Err(VideoError::Encrypted);
        }
        let Some(decoder_config) = track.decoder_config else { return Err(VideoError::Codec(track.codec)) };
        if !is_supported(&decoder_config).await {
            return Err(VideoError::Codec(track.codec));
        }
        let side = |name: &str| Reflect::get(&decoder_config, &name.into()).ok()?.as_f64();
        let (Some(width), Some(height)) = (side("codedWidth"), side("codedHeight")) else {
            return Err(VideoError::Damaged("it does not say how large its pictures are".into()));
        };
        let (width, height) = track.orientation.turned(width as u32, height as u32);
        let listing = if track.codec == "VP8" { Reading::Data } else { Reading::Times };
        let info = VideoInfo { seconds: 0.0, width, height, codec: track.codec };
        let orientation = track.orientation;
        let mut video = Self { demuxer, info, decoder_config, orientation, first: 0.0, listing };
        let earliest = video.listed(0.0, f64::INFINITY, MOST_REORDERED).await?;
        video.first = earliest.into_iter().min_by(f64::total_cmp).ok_or(VideoError::NoFrames)?;
        video.info.seconds = track.end - video.first;
        if !video.demuxer.ends_whole().await {
            return Err(VideoError::Damaged("it ends before the video does".into()));
        }
        Ok(video)
    }

    fn info(&self) -> &VideoInfo {
        &self.info
    }

    async fn timestamps(&self, start: f64, end: f64) -> Result<Vec<f64>, VideoError> {
        let listed = self.listed(start.max(0.0) + self.first, end + self.first, usize::MAX).await?;
        let mut times: Vec<f64> = listed.into_iter().map(|time| (time - self.first).max(0.0)).collect();
        times.retain(|time| (start..end).contains(time));
        times.sort_by(f64::total_cmp);
        Ok(times)
    }

    async fn frames(&self, wanted: &[f64]) -> Result<Vec<Frame>, VideoError> {
        let mut missing: Vec<f64> = wanted.iter().map(|time| time + self.first).collect();
        missing.sort_by(f64::total_cmp);
        missing.dedup_by(|one, two| (*one - *two).abs() < SAME_TIME);
        let (Some(&earliest), Some(&latest)) = (missing.first(), missing.last()) else { return Ok(Vec::new()) };
        let mut decoder = Decoder::new(&self.decoder_config, self.orientation)?;
        let mut packet = self.demuxer.key_packet(earliest + SAME_TIME, Reading::Data).await?;
        let mut beyond = 0;
        while let Some(current) = packet {
            let time = current.timestamp();
            let before = missing.len();
            missing.retain(|one| (one - time).abs() >= SAME_TIME);
            let chunk = current.chunk().map_err(|error| damaged(&error))?;
            decoder.decode(&chunk, missing.len() < before).await?;
            beyond += usize::from(time > latest);
            if missing.is_empty() || beyond >= MOST_REORDERED {
                break;
            }
            packet = self.demuxer.next_packet(&current, Reading::Data).await?;
        }
        let decoded = decoder.finish().await?;
        let seconds = |microseconds: f64| microseconds / 1e6 - self.first;
        nearest_frames(wanted, decoded.into_iter().map(|(time, frame)| (seconds(time), frame)).collect())
    }
}

impl WebCodecsVideo {
    /// The times of the frames from `start` to before `end`, in the file's own time and in decoding order; after
    /// `most` of them, the rest are left out.
    async fn listed(&self, start: f64, end: f64, most: usize) -> Result<Vec<f64>, VideoError> {
        let mut times = Vec::new();
        let mut beyond = 0;
        let mut packet = self.demuxer.key_packet(start + SAME_TIME, self.listing).await?;
        while let Some(current) = packet {
            let time = current.timestamp();
            // An edit list moves what it cuts away to before 0.
            let shown = time > -SAME_TIME && !(self.listing == Reading::Data && is_hidden(&current));
            if shown && time > start - SAME_TIME && time < end {
                times.push(time);
            }
            beyond += usize::from(time >= end);
            if beyond >= MOST_REORDERED || times.len() >= most {
                break;
            }
            packet = self.demuxer.next_packet(&current, self.listing).await?;
        }
        Ok(times)
    }
}

/// Whether a VP8 frame is only there for others to refer to: bit 4 of its first byte is show_frame (RFC 6386, 9.1).
fn is_hidden(packet: &Packet) -> bool {
    let data = packet.data();
    data.length() > 0 && data.get_index(0) & 0x10 == 0
}

async fn signature(file: &File) -> Result<Signature, VideoError> {
    if file.size() == 0.0 {
        return Err(VideoError::Empty);
    }
    let start = file.slice_with_f64_and_f64(0.0, SIGNATURE_BYTES as f64).map_err(|error| damaged(&error))?;
    let bytes = JsFuture::from(start.array_buffer()).await.map_err(|error| damaged(&error))?;
    Ok(Signature::of(&Uint8Array::new(&bytes).to_vec()))
}

fn not_opened(opened: Opened, signature: Signature) -> VideoError {
    match (opened, signature) {
        // mediabunny passes over tracks of other kinds in a transport stream without a word.
        (Opened::OtherTracks, Signature::Mp4 | Signature::Matroska) => VideoError::NoPicture,
        (_, Signature::Mp4 | Signature::Matroska) => {
            VideoError::Damaged("its index is missing, as when a recording or a download broke off".into())
        }
        (_, Signature::Unknown) => VideoError::NotAVideo(signature.described().into()),
        (_, other) => VideoError::Container(other.described().into()),
    }
}
