//! The native twin of WebCodecs: runs the installed `ffmpeg` program.
//!
//! Comes in: a path, and its index from `ffprobe`. Goes out: upright RGB frames by timestamp. Opens whatever the installed
//! ffmpeg opens, which is more than a browser does. Never links ffmpeg, and never writes a file.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    thread,
};

use super::{
    Frame, VideoError, VideoInfo, VideoReader, VideoSource, ffprobe::Index, nearest_frames, transform::fitted,
};

/// Two times nearer than this, in seconds, are one: ffprobe prints microseconds.
const SAME_TIME: f64 = 5e-4;
/// Below this start, seeking saves nothing.
const SEEK_FROM: f64 = 1.0;
/// Decoding starts this long before the first wanted frame.
const SEEK_MARGIN: f64 = 0.5;

/// One open video.
pub struct FfmpegVideo {
    path: PathBuf,
    index: Arc<Index>,
}

impl VideoReader for FfmpegVideo {
    async fn open(source: &VideoSource) -> Result<Self, VideoError> {
        let path = source.file.clone();
        Ok(Self { index: Index::of(&path)?, path })
    }

    fn info(&self) -> &VideoInfo {
        &self.index.info
    }

    async fn timestamps(&self, start: f64, end: f64) -> Result<Vec<f64>, VideoError> {
        let times = self.index.times.iter().map(|time| time - self.index.first);
        Ok(times.filter(|time| (start..end).contains(time)).collect())
    }

    async fn frames_of_size(&self, wanted: &[f64], size: Option<[u32; 2]>) -> Result<Vec<Frame>, VideoError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let earliest = wanted.iter().copied().fold(f64::INFINITY, f64::min);
        let mut decoded = Vec::new();
        if earliest > SEEK_FROM {
            decoded = self.decode(wanted, Some(earliest - SEEK_MARGIN), size)?;
        }
        // Some files cannot be sought in.
        let all_came = wanted.iter().all(|time| decoded.iter().any(|(other, _)| (other - time).abs() < SAME_TIME));
        if !all_came {
            decoded = self.decode(wanted, None, size)?;
        }
        nearest_frames(wanted, decoded)
    }
}

impl FfmpegVideo {
    /// Decodes from `seek` (seconds from the first frame) to the last wanted frame and keeps the wanted ones.
    fn decode(
        &self,
        wanted: &[f64],
        seek: Option<f64>,
        size: Option<[u32; 2]>,
    ) -> Result<Vec<(f64, Frame)>, VideoError> {
        let Index { info, times, first, container_start } = &*self.index;
        let VideoInfo { width, height, .. } = *info;
        let earliest = wanted.iter().copied().fold(f64::INFINITY, f64::min) + first - SAME_TIME;
        let latest = wanted.iter().copied().fold(f64::NEG_INFINITY, f64::max) + first + SAME_TIME;
        let count = times.iter().filter(|time| (earliest..latest).contains(time)).count();
        let mut command = Command::new("ffmpeg");
        command.args(["-hide_banner", "-nostdin", "-nostats", "-v", "info", "-copyts"]);
        if let Some(seek) = seek {
            command.args(["-ss", &format!("{:.6}", seek + first - container_start)]);
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
        let shown = shown_times(log);
        let mut decoded = Vec::new();
        let frame_bytes = width as usize * height as usize * 3;
        // ffmpeg tells a frame's time before it writes the frame.
        while let Ok(time) = shown.recv() {
            let mut rgb = vec![0; frame_bytes];
            if pixels.read_exact(&mut rgb).is_err() {
                break;
            }
            let time = time - first;
            if wanted.iter().any(|one| (one - time).abs() < SAME_TIME) {
                decoded.push((time, fitted(Frame { width, height, rgb }, size)?));
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

/// `file:` keeps a name such as `http:x.mp4` or `-y` from meaning something else.
pub(super) fn input(path: &Path) -> std::ffi::OsString {
    let mut input = std::ffi::OsString::from("file:");
    input.push(path);
    input
}

pub(super) fn not_started(program: &str, error: &std::io::Error) -> VideoError {
    match error.kind() {
        ErrorKind::NotFound => VideoError::MissingProgram(program.into()),
        _ => VideoError::Unreadable(format!("{program} could not be started: {error}")),
    }
}
