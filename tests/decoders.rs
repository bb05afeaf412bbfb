//! Our own demuxers and the wasm decoders, natively, against ffmpeg: small files made for it (tests/fixtures/video), and
//! every frame of every AVI and of every transport stream of MPEG-4 in ../shared/media.

use std::path::PathBuf;
use std::process::Command;

use cliptune::container::{
    avi::{AviVideo, Coding, Run},
    mp4,
    transport::{Opened, TransportVideo},
};
use cliptune::decoders::{
    Session,
    messages::{Codec, Colour, Picture, Stream},
};
use cliptune::files::FileSource;
use cliptune::video::{Video, VideoReader, VideoSource};
use futures_executor::block_on;
use side_by_side::side_by_side;

mod side_by_side;

const LEAST_PSNR: f64 = 40.0;

/// Peak signal to noise ratio in dB.
fn psnr(rgba: &[u8], rgb: &[u8]) -> f64 {
    let pixels = rgba.chunks_exact(4).flat_map(|pixel| &pixel[..3]);
    let squares: f64 = pixels.zip(rgb).map(|(one, two)| (f64::from(*one) - f64::from(*two)).powi(2)).sum();
    10.0 * (255.0 * 255.0 / (squares / rgb.len() as f64).max(1e-9)).log10()
}

fn media() -> Option<PathBuf> {
    let folder = PathBuf::from("../shared/media");
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

async fn transport_pictures(video: &TransportVideo, from: f64) -> (Vec<Picture>, Option<String>) {
    let mut session = Session::new(&Stream { codec: Codec::Mpeg4, description: Vec::new(), colour: Colour::default() });
    let mut run = video.run_from(from);
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
    let told = String::from_utf8(output.unwrap().stdout).unwrap();
    // A stream that is part of a program is told of twice.
    told.lines().next().unwrap().trim_end_matches(',').parse().unwrap()
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
    let moments = video.moments(0.0..f64::INFINITY).await.unwrap();
    differences(path, &moments, pictures(&video, codec, 0.0).await).await
}

async fn compare_transport(path: &PathBuf) -> Option<String> {
    match TransportVideo::open(FileSource::open(path).unwrap()).await {
        Ok(Opened::Mpeg4(video)) => {
            let moments = video.moments(0.0..f64::INFINITY);
            differences(path, &moments, transport_pictures(&video, 0.0).await).await
        }
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// What is wrong with a file's pictures, if anything.
async fn differences(path: &PathBuf, moments: &[f64], decoded: (Vec<Picture>, Option<String>)) -> Option<String> {
    let (pictures, complaint) = decoded;
    let reference = Video::open(&VideoSource::new("reference", path)).await.unwrap();
    let expected = reference.timestamps(0.0, f64::INFINITY).await.unwrap();
    let count = decoded_frames(path);
    let first = moments.first().copied().unwrap_or(0.0);
    let shifted = moments.iter().zip(&expected).map(|(one, two)| (one - first - two).abs());
    let latest = shifted.fold(0.0, f64::max);
    let frames = decoded_planes(path, reference.info().width as usize, reference.info().height as usize);
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
    // A picture that the file ends within is none of ours; ffmpeg makes one up.
    let cut = usize::from(told.contains("truncated"));
    let agrees = moments.len() == count - cut && pictures.len() == count - cut && order && latest < 1e-3;
    (!agrees || worst.is_none_or(|(_, worst)| worst < LEAST_PSNR)).then_some(told)
}

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("fixtures/video/", $name)).as_slice()
    };
}

/// The frames that the `.rgb` files hold, of 30 at 15 a second.
const REFERENCES: [usize; 4] = [0, 7, 18, 29];

fn open(avi: &[u8]) -> AviVideo {
    block_on(AviVideo::open(FileSource::from_bytes(avi))).unwrap().unwrap()
}

fn decodes_as_ffmpeg_does(avi: &[u8], codec: Codec, reference: &[u8], least: f64) {
    let video = open(avi);
    let moments = block_on(video.moments(0.0..f64::INFINITY)).unwrap();
    assert!(moments[0].abs() < 1e-9);
    are_ffmpegs(&moments, block_on(pictures(&video, codec, 0.0)), reference, least);
}

fn are_ffmpegs(moments: &[f64], decoded: (Vec<Picture>, Option<String>), reference: &[u8], least: f64) {
    let (pictures, complaint) = decoded;
    assert_eq!((moments.len(), pictures.len(), complaint), (30, 30, None));
    for (index, (picture, moment)) in pictures.iter().zip(moments).enumerate() {
        assert!((moment - moments[0] - index as f64 / 15.0).abs() < 1e-9);
        assert_eq!((picture.time, picture.width, picture.height), ((moment * 1e6).round(), 72, 54));
    }
    for (expected, index) in reference.chunks_exact(72 * 54 * 3).zip(REFERENCES) {
        let likeness: Vec<f64> = pictures.iter().map(|picture| psnr(&picture.rgba, expected)).collect();
        let best = likeness.iter().enumerate().max_by(|one, two| one.1.total_cmp(two.1)).map(|(best, _)| best);
        assert_eq!(best, Some(index), "{likeness:?}");
        assert!(likeness[index] >= least, "frame {index}: {:.1} dB", likeness[index]);
    }
}

#[test]
fn quarter_samples_and_b_frames_decode_as_ffmpeg_decodes_them() {
    decodes_as_ffmpeg_does(fixture!("xvid.avi"), Codec::Mpeg4, fixture!("xvid.rgb"), LEAST_PSNR);
}

#[test]
fn packed_b_frames_decode_as_those_that_are_not() {
    decodes_as_ffmpeg_does(fixture!("xvid-packed.avi"), Codec::Mpeg4, fixture!("xvid.rgb"), LEAST_PSNR);
}

#[test]
fn mpeg4_in_a_transport_stream_decodes_as_ffmpeg_decodes_it_from_any_picture_on() {
    let file = FileSource::from_bytes(fixture!("transport.ts"));
    let Opened::Mpeg4(video) = block_on(TransportVideo::open(file)).unwrap() else { panic!("it holds MPEG-4") };
    let moments = video.moments(0.0..f64::INFINITY);
    let (all, complaint) = block_on(transport_pictures(&video, 0.0));
    for wanted in &all {
        let (some, _) = block_on(transport_pictures(&video, wanted.time / 1e6));
        let found = some.iter().find(|picture| picture.time == wanted.time);
        assert!(found.is_some_and(|found| found.rgba == wanted.rgba), "the picture at {} µs", wanted.time);
    }
    are_ffmpegs(&moments, (all, complaint), fixture!("transport.rgb"), LEAST_PSNR);
}

#[test]
fn global_motion_decodes_as_ffmpeg_decodes_it() {
    let avi = fixture!("xvid-global-motion.avi");
    decodes_as_ffmpeg_does(avi, Codec::Mpeg4, fixture!("xvid-global-motion.rgb"), LEAST_PSNR);
}

#[test]
fn motion_jpeg_without_tables_decodes_as_ffmpeg_decodes_it() {
    // Chroma is interpolated here and repeated there.
    decodes_as_ffmpeg_does(fixture!("mjpeg.avi"), Codec::MotionJpeg, fixture!("mjpeg.rgb"), 35.0);
}

#[test]
fn every_index_and_none_lead_to_the_same_packets() {
    let packets = |avi| {
        let video = open(avi);
        block_on(async {
            let mut run = video.run_from(0.0).await.unwrap();
            let mut packets = Vec::new();
            while let Some(packet) = run.next().await.unwrap() {
                packets.push((packet.time, packet.data));
            }
            packets
        })
    };
    let expected = packets(fixture!("xvid.avi"));
    assert_eq!(expected.len(), 30);
    assert_eq!(packets(fixture!("xvid-open-dml.avi")), expected);
    assert_eq!(packets(fixture!("xvid-no-index.avi")), expected);
}

#[test]
fn decoding_from_any_picture_on_gives_the_same_picture() {
    for avi in [fixture!("xvid.avi"), fixture!("xvid-packed.avi"), fixture!("xvid-open-dml.avi")] {
        let video = open(avi);
        let (all, _) = block_on(pictures(&video, Codec::Mpeg4, 0.0));
        for wanted in &all {
            let (some, _) = block_on(pictures(&video, Codec::Mpeg4, wanted.time / 1e6));
            let found = some.iter().find(|picture| picture.time == wanted.time);
            let times: Vec<f64> = some.iter().map(|picture| picture.time).collect();
            let same = found.is_some_and(|found| found.rgba == wanted.rgba);
            assert!(same, "the picture at {} µs, of those at {times:?}", wanted.time);
        }
        let from_the_end = block_on(video.run_from(29.0 / 15.0)).unwrap();
        assert!(block_on(count(from_the_end)) <= 12, "the last key picture is 6 pictures before the end");
    }
}

async fn count(mut run: Run<'_>) -> usize {
    let mut count = 0;
    while run.next().await.unwrap().is_some() {
        count += 1;
    }
    count
}

#[test]
fn headers_that_lie_in_esds_alone_are_found() {
    let movie = |mp4| block_on(mp4::movie(&FileSource::from_bytes(mp4))).unwrap().1;
    let movie_of_mpeg4 = movie(fixture!("mpeg4.mp4"));
    let configuration = mp4::configuration(&movie_of_mpeg4);
    assert!(configuration.starts_with(&[0, 0, 1, 0xb0]), "{configuration:?}");
    assert!(mp4::configuration(&movie(fixture!("hevc.mp4"))).is_empty());
}

#[test]
fn two_seconds_of_ten_minutes_read_the_index_and_little_else() {
    // Each picture with two kilobytes of stuffing, 300 times over.
    let short = open(fixture!("xvid.avi"));
    let mut frames = Vec::new();
    let mut run = block_on(short.run_from(0.0)).unwrap();
    while let Some(packet) = block_on(run.next()).unwrap() {
        frames.push((packet.key, [packet.data, vec![0; 2048]].concat()));
    }
    let long: Vec<_> = std::iter::repeat_n(frames, 300).flatten().collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), avi(fixture!("xvid.avi"), &long)).unwrap();
    let whole = std::fs::metadata(file.path()).unwrap().len();

    let before = bytes_read();
    let video = block_on(AviVideo::open(FileSource::open(file.path()).unwrap())).unwrap().unwrap();
    assert!((video.seconds() - 600.0).abs() < 1e-6);
    let index = bytes_read() - before;
    let moments = block_on(video.moments(400.0..402.0)).unwrap();
    assert_eq!(moments.len(), 30);
    let mut run = block_on(video.run_from(400.0)).unwrap();
    let mut packets = 0;
    while block_on(run.next()).unwrap().is_some_and(|packet| packet.time < 402.0) {
        packets += 1;
    }
    assert!((30..60).contains(&packets), "{packets} packets");
    let clip = bytes_read() - before - index;
    println!("{whole} bytes: {index} for the index, {clip} for the clip");
    // The index has 16 bytes a picture, and reads are in blocks of 64 KiB.
    assert!(index < 9000 * 16 + 4 * 65_536, "{index}");
    assert!(clip < 4 * 65_536 + packets * 4096, "{clip}");
}

/// What this thread has read from files.
fn bytes_read() -> u64 {
    let counts = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    counts.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

/// An AVI with the headers of `template`, these frames, and the old index.
fn avi(template: &[u8], frames: &[(bool, Vec<u8>)]) -> Vec<u8> {
    let chunk = |name: &[u8], body: &[u8]| {
        let padding = vec![0; body.len() % 2];
        [name, (body.len() as u32).to_le_bytes().as_slice(), body, &padding].concat()
    };
    let film = template.windows(4).position(|bytes| bytes == b"movi").unwrap();
    let (mut movie, mut index) = (b"movi".to_vec(), Vec::new());
    for (key, data) in frames {
        let flags = if *key { 0x10u32 } else { 0 };
        let numbers = [flags, movie.len() as u32, data.len() as u32];
        index.extend([b"00dc".as_slice(), &numbers.map(u32::to_le_bytes).concat()].concat());
        movie.extend(chunk(b"00dc", data));
    }
    let body = [&template[8..film - 8], &chunk(b"LIST", &movie), &chunk(b"idx1", &index)].concat();
    chunk(b"RIFF", &body)
}

#[test]
fn every_frame_of_every_avi_is_ffmpegs() {
    let wrong: Vec<String> =
        side_by_side(&files_of("avi"), |path| block_on(compare(path))).into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_frame_of_every_transport_stream_of_mpeg4_is_ffmpegs() {
    let mut files = files_of("ts");
    files.push(PathBuf::from("tests/fixtures/video/transport.ts"));
    let wrong: Vec<String> = files.iter().filter_map(|path| block_on(compare_transport(path))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
