//! The native twin of WebCodecs: runs the installed `ffprobe` and `ffmpeg` programs.
//!
//! Comes in: a path. Goes out: upright RGB frames by timestamp. Opens whatever the installed ffmpeg opens, which is
//! more than a browser does. Never links ffmpeg, and never writes a file.

use std::{
    fs::File,
    io::{BufRead, BufReader, ErrorKind, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};

use serde::Deserialize;

use super::{
    Frame, VideoError, VideoInfo, VideoReader, VideoSource, nearest_frames,
    signature::{SIGNATURE_BYTES, Signature},
};

/// Two times nearer than this, in seconds, are one: ffprobe prints microseconds.
const SAME_TIME: f64 = 5e-4;
/// Below this start, seeking saves nothing.
const SEEK_FROM: f64 = 1.0;
/// Decoding starts this long before the first wanted frame.
const SEEK_MARGIN: f64 = 0.5;

/// One open video: its index, as ffprobe listed it.
pub struct FfmpegVideo {
    path: PathBuf,
    info: VideoInfo,
    /// Sorted, in the file's own time.
    times: Vec<f64>,
    /// The first frame's place in the file's own time.
    first: f64,
    /// Where ffmpeg counts the file's seconds from.
    container_start: f64,
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

const PACKETS: &str = "stream=codec_name,codec_tag_string,width,height:stream_side_data=rotation:format=start_time:\
                       packet=pts_time,duration_time,flags";
const FRAMES: &str = "frame=best_effort_timestamp_time,pkt_duration_time";

impl VideoReader for FfmpegVideo {
    async fn open(source: &VideoSource) -> Result<Self, VideoError> {
        let path = source.file.clone();
        let signature = signature(&path)?;
        if signature.is_no_video() {
            return Err(VideoError::NotAVideo(signature.described().into()));
        }
        let probe = probe(&path, PACKETS)?;
        let Some(stream) = probe.streams.first() else { return Err(VideoError::NoPicture) };
        let codec = stream.codec_name.clone().or(stream.codec_tag_string.clone()).unwrap_or_else(|| "unknown".into());
        let (Some(width), Some(height)) = (stream.width, stream.height) else {
            return Err(VideoError::Damaged("it does not say how large its pictures are".into()));
        };
        let shown = probe.packets.iter().filter(|packet| !packet.is_discarded()).map(Shown::times);
        let mut shown: Option<Vec<(f64, f64)>> = shown.collect();
        // AVI does not say when its packets are shown, and not every packet of VP8 or VP9 is: only decoding tells.
        if shown.is_none() || matches!(codec.as_str(), "vp8" | "vp9") {
            shown = Some(self::probe(&path, FRAMES)?.frames.iter().filter_map(Shown::times).collect());
        }
        let mut shown = shown.unwrap_or_default();
        shown.sort_by(|one, two| one.0.total_cmp(&two.0));
        let (Some(&(first, _)), Some(&(last, length))) = (shown.first(), shown.last()) else {
            return Err(VideoError::NoFrames);
        };
        let rotation = stream.side_data_list.iter().find_map(|data| data.rotation).unwrap_or(0.0);
        let turned = (rotation / 90.0).round() as i64 % 2 != 0;
        let (width, height) = if turned { (height, width) } else { (width, height) };
        let container_start = probe.format.start_time.and_then(|text| text.parse().ok()).unwrap_or(first);
        let info = VideoInfo { seconds: last + length - first, width, height, codec: codec_name(&codec) };
        Ok(Self { path, info, times: shown.into_iter().map(|(time, _)| time).collect(), first, container_start })
    }

    fn info(&self) -> &VideoInfo {
        &self.info
    }

    async fn timestamps(&self, start: f64, end: f64) -> Result<Vec<f64>, VideoError> {
        let times = self.times.iter().map(|time| time - self.first);
        Ok(times.filter(|time| (start..end).contains(time)).collect())
    }

    async fn frames(&self, wanted: &[f64]) -> Result<Vec<Frame>, VideoError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let earliest = wanted.iter().copied().fold(f64::INFINITY, f64::min);
        let mut decoded = Vec::new();
        if earliest > SEEK_FROM {
            decoded = self.decode(wanted, Some(earliest - SEEK_MARGIN))?;
        }
        // Some files cannot be sought in.
        let all_came = wanted.iter().all(|time| decoded.iter().any(|(other, _)| (other - time).abs() < SAME_TIME));
        if !all_came {
            decoded = self.decode(wanted, None)?;
        }
        nearest_frames(wanted, decoded)
    }
}

impl FfmpegVideo {
    /// Decodes from `seek` (seconds from the first frame) to the last wanted frame and keeps the wanted ones.
    fn decode(&self, wanted: &[f64], seek: Option<f64>) -> Result<Vec<(f64, Frame)>, VideoError> {
        let earliest = wanted.iter().copied().fold(f64::INFINITY, f64::min) + self.first - SAME_TIME;
        let latest = wanted.iter().copied().fold(f64::NEG_INFINITY, f64::max) + self.first + SAME_TIME;
        let count = self.times.iter().filter(|time| (earliest..latest).contains(time)).count();
        let VideoInfo { width, height, .. } = self.info;
        let mut command = Command::new("ffmpeg");
        command.args(["-hide_banner", "-nostdin", "-nostats", "-v", "info", "-copyts"]);
        if let Some(seek) = seek {
            command.args(["-ss", &format!("{:.6}", seek + self.first - self.container_start)]);
        }
        command.arg("-i").arg(input(&self.path)).args(["-map", "0:v:0", "-an", "-vf"]);
        command
            .arg(format!("select=between(t\\,{earliest:.6}\\,{latest:.6}),scale={width}:{height},showinfo=checksum=0"));
        command.args(["-frames:v", &count.max(1).to_string(), "-fps_mode", "passthrough"]);
        command.args(["-pix_fmt", "rgb24", "-f", "rawvideo", "-"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = Running(command.spawn().map_err(|error| not_started("ffmpeg", &error))?);
        let (Some(mut pixels), Some(log)) = (running.0.stdout.take(), running.0.stderr.take()) else {
            return Err(VideoError::Unreadable("ffmpeg has no output".into()));
        };
        let times = shown_times(log);
        let mut decoded = Vec::new();
        let frame_bytes = width as usize * height as usize * 3;
        // ffmpeg tells a frame's time before it writes the frame.
        while let Ok(time) = times.recv() {
            let mut rgb = vec![0; frame_bytes];
            if pixels.read_exact(&mut rgb).is_err() {
                break;
            }
            let time = time - self.first;
            if wanted.iter().any(|one| (one - time).abs() < SAME_TIME) {
                decoded.push((time, Frame { width, height, rgb }));
            }
        }
        Ok(decoded)
    }
}

/// Ends the program when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The times, in seconds, of the frames that ffmpeg's `showinfo` filter logs, as they are logged.
fn shown_times(log: impl Read + Send + 'static) -> Receiver<f64> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut time_base = None;
        for line in BufReader::new(log).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            if !line.contains("showinfo") {
                continue;
            }
            if let Some(fraction) = word_after(&line, "config in time_base:") {
                let parts = fraction.trim_end_matches(',').split_once('/');
                time_base =
                    parts.and_then(|(over, under)| Some(over.parse::<f64>().ok()? / under.parse::<f64>().ok()?));
            } else if let (Some(ticks), Some(time_base)) = (word_after(&line, " pts:"), time_base)
                && let Ok(ticks) = ticks.parse::<f64>()
                && sender.send(ticks * time_base).is_err()
            {
                break;
            }
        }
    });
    receiver
}

fn word_after<'a>(line: &'a str, label: &str) -> Option<&'a str> {
    line.split_once(label)?.1.split_whitespace().next()
}

fn signature(path: &Path) -> Result<Signature, VideoError> {
    let unreadable = |error: std::io::Error| VideoError::Unreadable(error.to_string());
    let mut start = Vec::new();
    File::open(path).and_then(|file| file.take(SIGNATURE_BYTES as u64).read_to_end(&mut start)).map_err(unreadable)?;
    if start.is_empty() { Err(VideoError::Empty) } else { Ok(Signature::of(&start)) }
}

/// `file:` keeps a name such as `http:x.mp4` or `-y` from meaning something else.
fn input(path: &Path) -> std::ffi::OsString {
    let mut input = std::ffi::OsString::from("file:");
    input.push(path);
    input
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

fn not_started(program: &str, error: &std::io::Error) -> VideoError {
    match error.kind() {
        ErrorKind::NotFound => VideoError::MissingProgram(program.into()),
        _ => VideoError::Unreadable(format!("{program} could not be started: {error}")),
    }
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
