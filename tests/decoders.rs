//! Our own demuxer and the wasm decoders, natively, against ffmpeg: every frame of every AVI of ../shared/media.

use std::path::PathBuf;
use std::process::Command;

use cliptune::decoders::{
    Session,
    messages::{Codec, Colour, Picture, Stream},
};
use cliptune::files::FileSource;
use cliptune::video::{
    Video, VideoReader, VideoSource,
    avi::{AviVideo, Coding},
};
use pollster::block_on;

const LEAST_PSNR: f64 = 40.0;

/// Peak signal to noise ratio in dB.
fn psnr(rgba: &[u8], rgb: &[u8]) -> f64 {
    let pixels = rgba.chunks_exact(4).flat_map(|pixel| &pixel[..3]);
    let squares: f64 = pixels.zip(rgb).map(|(one, two)| (f64::from(*one) - f64::from(*two)).powi(2)).sum();
    10.0 * (255.0 * 255.0 / (squares / rgb.len() as f64).max(1e-9)).log10()
}

fn media() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/media");
    folder.is_dir().then_some(folder)
}

fn files_of(extension: &str) -> Vec<PathBuf> {
    let Some(folder) = media() else {
        eprintln!("skipped: ../shared/media is not here");
        return Vec::new();
    };
    let mut files = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension)) {
                files.push(entry);
            }
        }
    }
    files.sort();
    files
}

async fn pictures(video: &AviVideo, codec: Codec, from: f64) -> (Vec<Picture>, Option<String>) {
    let stream = Stream { codec, description: video.stream().description.clone(), colour: Colour::default() };
    let mut session = Session::new(&stream);
    let mut run = video.run_from(from).await.unwrap();
    let mut pictures = Vec::new();
    while let Some(packet) = run.next().await.unwrap() {
        pictures.extend(session.decode(&packet.data, (packet.time * 1e6).round() as i64, &|_| true));
    }
    let (rest, complaint) = session.finish(&|_| true);
    pictures.extend(rest);
    (pictures, complaint)
}

/// ffmpeg gives the last picture of a packed stream no time, but shows it.
fn decoded_frames(path: &PathBuf) -> usize {
    let entries = ["-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"];
    let output =
        Command::new("ffprobe").args(["-v", "error", "-select_streams", "v:0"]).args(entries).arg(path).output();
    String::from_utf8(output.unwrap().stdout).unwrap().trim().trim_end_matches(',').parse().unwrap()
}

/// ffmpeg's planes, as RGB by BT.601's own formula: ffmpeg's conversion alone costs up to 5 dB.
fn decoded_planes(path: &PathBuf, width: usize, height: usize) -> Vec<Vec<u8>> {
    let form = ["-fps_mode", "passthrough", "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"];
    let output = Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(path).args(form).output().unwrap().stdout;
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let chroma = half_width * half_height;
    let rgb = |planes: &[u8]| -> Vec<u8> {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
        let channels = pixels.flat_map(|(y, x)| {
            let at = width * height + y / 2 * half_width + x / 2;
            let luma = (f64::from(planes[y * width + x]) - 16.0) * 255.0 / 219.0;
            let [cb, cr] = [at, at + chroma].map(|at| (f64::from(planes[at]) - 128.0) * 255.0 / 224.0);
            [luma + 1.402 * cr, luma - 0.344136 * cb - 0.714136 * cr, luma + 1.772 * cb]
        });
        channels.map(|channel| channel.round().clamp(0.0, 255.0) as u8).collect()
    };
    output.chunks_exact(width * height + 2 * chroma).map(rgb).collect()
}

/// What is wrong with a file, if anything.
async fn compare(path: &PathBuf) -> Option<String> {
    let video = match AviVideo::open(FileSource::open(path).unwrap()).await {
        Ok(Some(video)) => video,
        Ok(None) => return None,
        Err(error) => return Some(error.to_string()),
    };
    let codec = match video.stream().coding() {
        Coding::Mpeg4 => Codec::Mpeg4,
        Coding::MotionJpeg => Codec::MotionJpeg,
        Coding::H264 | Coding::Other => return None,
    };
    let reference = Video::open(&VideoSource::new("reference", path)).await.unwrap();
    let expected = reference.timestamps(0.0, f64::INFINITY).await.unwrap();
    let count = decoded_frames(path);
    let moments = video.moments(0.0..f64::INFINITY).await.unwrap();
    let first = moments.first().copied().unwrap_or(0.0);
    let shifted = moments.iter().zip(&expected).map(|(one, two)| (one - first - two).abs());
    let latest = shifted.fold(0.0, f64::max);
    let frames = decoded_planes(path, reference.info().width as usize, reference.info().height as usize);
    let (pictures, complaint) = pictures(&video, codec, 0.0).await;
    let order = pictures.windows(2).all(|pair| pair[0].time < pair[1].time);
    let likeness: Vec<f64> = pictures.iter().zip(&frames).map(|(picture, rgb)| psnr(&picture.rgba, rgb)).collect();
    let worst = likeness.iter().copied().enumerate().min_by(|one, two| one.1.total_cmp(&two.1));
    let told = format!(
        "{}: {} moments, {} expected, {} pictures, {:.2} ms off, in order: {order}, worst {worst:.3?} dB, {complaint:?}",
        path.file_name().unwrap().to_string_lossy(),
        moments.len(),
        count,
        pictures.len(),
        latest * 1e3,
    );
    println!("{told}");
    let agrees = moments.len() == count && pictures.len() == count && order && latest < 1e-3;
    (!agrees || worst.is_none_or(|(_, worst)| worst < LEAST_PSNR)).then_some(told)
}

#[test]
fn every_frame_of_every_avi_is_ffmpegs() {
    let wrong: Vec<String> = files_of("avi").iter().filter_map(|path| block_on(compare(path))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
