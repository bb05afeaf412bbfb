//! A video file -> its index, by the installed `ffprobe` program.
//!
//! Comes in: a path. Goes out: an [`Index`], the same one again as long as the file is as it was: each run opens a folder's
//! videos anew, starting ffprobe takes longer than a small file does, and some it decodes whole to list their frames. Never decodes a picture for anybody to see.

use std::{
    fs::File,
    io::Read,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use serde::Deserialize;

use super::{
    VideoError, VideoInfo,
    cache::LeastRecentlyUsed,
    ffmpeg::{input, not_started},
    signature::{SIGNATURE_BYTES, Signature},
};

/// How many bytes of indices are remembered: those of all of UCF101 several times over.
const REMEMBERED_BYTES: usize = 64 << 20;

static REMEMBERED: LazyLock<Mutex<LeastRecentlyUsed<Arc<Index>>>> =
    LazyLock::new(|| Mutex::new(LeastRecentlyUsed::new(REMEMBERED_BYTES)));

/// What is shown when.
pub struct Index {
    pub info: VideoInfo,
    /// Of every frame that is shown, in seconds; sorted, in the file's own time.
    pub times: Vec<f64>,
    /// The first frame's place in the file's own time.
    pub first: f64,
    /// Where ffmpeg counts the file's seconds from.
    pub container_start: f64,
}

impl Index {
    /// Reads it, or remembers it from before. Fails where the file is no video that can be read, or ffprobe is missing.
    pub fn of(path: &Path) -> Result<Arc<Self>, VideoError> {
        let key = as_it_is(path)?;
        // Whoever panicked has left a cache that holds together.
        let remembered = || REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = remembered().get(&key) {
            return Ok(index);
        }
        let index = Arc::new(Self::read(path)?);
        let bytes = size_of::<Self>() + key.len() + size_of_val(index.times.as_slice());
        remembered().insert(key, index.clone(), bytes);
        Ok(index)
    }

    fn read(path: &Path) -> Result<Self, VideoError> {
        let start = start(path)?;
        let signature = Signature::of(&start);
        if signature.is_no_video() {
            return Err(VideoError::NotAVideo(signature.described().into()));
        }
        // AVI does not say when its packets are shown, and not every packet of VP8 or VP9 is, which webm holds: only
        // decoding tells.
        let is_webm = signature == Signature::Matroska && start.windows(4).any(|name| name == b"webm");
        let decoded = signature == Signature::Avi || is_webm;
        let probe = probe(path, &[STREAM, if decoded { FRAMES } else { PACKETS }].join(":"))?;
        let Some(stream) = probe.streams.first() else { return Err(VideoError::NoPicture) };
        let codec = stream.codec_name.clone().or(stream.codec_tag_string.clone()).unwrap_or_else(|| "unknown".into());
        let (Some(width), Some(height)) = (stream.width, stream.height) else {
            return Err(VideoError::Damaged("it does not say how large its pictures are".into()));
        };
        let packets = probe.packets.iter().filter(|packet| !packet.is_discarded()).map(Shown::times);
        let packets: Option<Vec<(f64, f64)>> = packets.collect();
        let of_frames = |probe: &Probe| probe.frames.iter().filter_map(Shown::times).collect();
        let mut shown = match packets {
            _ if decoded => of_frames(&probe),
            Some(shown) if !matches!(codec.as_str(), "vp8" | "vp9") => shown,
            _ => of_frames(&self::probe(path, FRAMES)?),
        };
        shown.sort_by(|one, two| one.0.total_cmp(&two.0));
        let (Some(&(first, _)), Some(&(last, length))) = (shown.first(), shown.last()) else {
            return Err(VideoError::NoFrames);
        };
        let rotation = stream.side_data_list.iter().find_map(|data| data.rotation).unwrap_or(0.0);
        let turned = (rotation / 90.0).round() as i64 % 2 != 0;
        let (width, height) = if turned { (height, width) } else { (width, height) };
        let container_start = probe.format.start_time.and_then(|text| text.parse().ok()).unwrap_or(first);
        let info = VideoInfo { seconds: last + length - first, width, height, codec: codec_name(&codec) };
        Ok(Self { info, times: shown.into_iter().map(|(time, _)| time).collect(), first, container_start })
    }
}

/// Tells this file from every other, and from itself once it was written again.
fn as_it_is(path: &Path) -> Result<String, VideoError> {
    let metadata = path.metadata().and_then(|metadata| Ok((metadata.modified()?, metadata.len())));
    let (modified, length) = metadata.map_err(|error| VideoError::Unreadable(error.to_string()))?;
    Ok(format!("{path:?}, {modified:?}, {length}"))
}

#[derive(Deserialize)]
struct Probe {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    packets: Vec<Shown>,
    #[serde(default)]
    frames: Vec<Shown>,
    #[serde(default)]
    format: Format,
}

#[derive(Deserialize)]
struct Stream {
    codec_name: Option<String>,
    codec_tag_string: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Deserialize)]
struct SideData {
    rotation: Option<f64>,
}

#[derive(Default, Deserialize)]
struct Format {
    start_time: Option<String>,
}

/// A packet or a frame.
#[derive(Deserialize)]
struct Shown {
    #[serde(alias = "best_effort_timestamp_time")]
    pts_time: Option<String>,
    #[serde(alias = "pkt_duration_time")]
    duration_time: Option<String>,
    #[serde(default)]
    flags: String,
}

impl Shown {
    /// Start and length in seconds.
    fn times(&self) -> Option<(f64, f64)> {
        let seconds = |text: &Option<String>| text.as_deref()?.parse::<f64>().ok();
        Some((seconds(&self.pts_time)?, seconds(&self.duration_time).unwrap_or(0.0)))
    }

    /// Lies before the start that an edit list sets.
    fn is_discarded(&self) -> bool {
        self.flags.contains('D')
    }
}

const STREAM: &str = "stream=codec_name,codec_tag_string,width,height:stream_side_data=rotation:format=start_time";
const PACKETS: &str = "packet=pts_time,duration_time,flags";
const FRAMES: &str = "frame=best_effort_timestamp_time,pkt_duration_time";

/// As many bytes as [`Signature::of`] wants.
fn start(path: &Path) -> Result<Vec<u8>, VideoError> {
    let unreadable = |error: std::io::Error| VideoError::Unreadable(error.to_string());
    let mut start = Vec::new();
    File::open(path).and_then(|file| file.take(SIGNATURE_BYTES as u64).read_to_end(&mut start)).map_err(unreadable)?;
    if start.is_empty() { Err(VideoError::Empty) } else { Ok(start) }
}

fn probe(path: &Path, entries: &str) -> Result<Probe, VideoError> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-select_streams", "v:0", "-show_entries", entries, "-of", "json"]);
    let output = command.arg(input(path)).stdin(Stdio::null()).output();
    let output = output.map_err(|error| not_started("ffprobe", &error))?;
    let log = String::from_utf8_lossy(&output.stderr);
    if log.contains("partial file") {
        return Err(VideoError::Damaged("it ends before the video does".into()));
    }
    if log.contains("moov atom not found") {
        return Err(VideoError::Damaged("its index is missing, as when a recording or a download broke off".into()));
    }
    if !output.status.success() {
        return Err(VideoError::Damaged("it cannot be read as a video".into()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| VideoError::Damaged(format!("its index is odd: {error}")))
}

fn codec_name(ffmpeg: &str) -> String {
    match ffmpeg {
        "h264" => "H.264",
        "hevc" => "HEVC (H.265)",
        "vp8" => "VP8",
        "vp9" => "VP9",
        "av1" => "AV1",
        "mpeg4" => "MPEG-4 part 2",
        other => other,
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_only_once_it_was_written_again() {
        let clips = Path::new("public/sample/test/SpinLeft");
        let mut clips: Vec<_> = std::fs::read_dir(clips).unwrap().map(|entry| entry.unwrap().path()).collect();
        clips.sort_by_key(|clip| clip.metadata().unwrap().len());
        let (small, large) = (clips.first().unwrap(), clips.last().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let clip = folder.path().join("clip.webm");
        std::fs::copy(small, &clip).unwrap();
        let before = Index::of(&clip).unwrap();
        assert!(Arc::ptr_eq(&before, &Index::of(&clip).unwrap()));
        std::fs::copy(large, &clip).unwrap();
        let after = Index::of(&clip).unwrap();
        assert!(!Arc::ptr_eq(&before, &after));
        std::fs::remove_file(&clip).unwrap();
        assert!(matches!(Index::of(&clip), Err(VideoError::Unreadable(_))));
    }
}
