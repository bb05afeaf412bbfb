//! Demuxing and decoding in the browser, in a worker as the engine does it: real files against frames that ffmpeg
//! decoded (tests/fixtures/video).
#![cfg(target_family = "wasm")]

mod long_video;

use cliptune::train::augmentation::Augmentation;
use cliptune::video::transform::resize;
use cliptune::video::{
    Frame, Video, VideoError, VideoReader, VideoSource,
    clip::{ClipLoader, ClipShape, IMAGENET_MEAN, IMAGENET_STD, View},
    probe,
    thumbnail::thumbnail,
    views::TestView,
};
use js_sys::{Array, Uint8Array};
use long_video::{LongVideo, Made};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::File;

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen(inline_js = r#"
let bytes = 0;
const { arrayBuffer, stream } = Blob.prototype;
Blob.prototype.arrayBuffer = function () {
  bytes += this.size;
  return arrayBuffer.call(this);
};
Blob.prototype.stream = function () {
  const whole = stream.call(this);
  whole.getReader = (...options) => {
    const reader = ReadableStream.prototype.getReader.apply(whole, options);
    const { read } = reader;
    reader.read = async (...options) => {
      const piece = await read.apply(reader, options);
      bytes += piece.value?.length ?? 0;
      return piece;
    };
    return reader;
  };
  return whole;
};
export function bytes_read() {
  return bytes;
}
"#)]
extern "C" {
    /// What was read of all files so far.
    fn bytes_read() -> f64;
}

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("fixtures/video/", $name)).as_slice()
    };
}

/// The frames that the `.rgb` files hold, of 30 at 15 a second.
const REFERENCES: [usize; 4] = [0, 7, 18, 29];

fn source(name: &str, bytes: &[u8]) -> VideoSource {
    let parts = Array::of1(&Uint8Array::from(bytes));
    VideoSource::new(name, File::new_with_u8_array_sequence(&parts, name).unwrap())
}

/// Peak signal to noise ratio in dB.
fn psnr(one: &[u8], two: &[u8]) -> f64 {
    assert_eq!(one.len(), two.len());
    let squares: f64 = one.iter().zip(two).map(|(one, two)| (f64::from(*one) - f64::from(*two)).powi(2)).sum();
    10.0 * (255.0 * 255.0 / (squares / one.len() as f64).max(1e-9)).log10()
}

async fn refused(name: &str, bytes: &[u8]) -> VideoError {
    probe(&source(name, bytes)).await.expect_err(name)
}

async fn decodes_as_ffmpeg_does(name: &str, bytes: &[u8], reference: &[u8], codec: &str, size: (u32, u32)) {
    let video = Video::open(&source(name, bytes)).await.unwrap();
    let info = video.info();
    assert_eq!((info.width, info.height, info.codec.as_str()), (size.0, size.1, codec));
    assert!((info.seconds - 2.0).abs() < 0.01, "{} s", info.seconds);

    let times = video.timestamps(0.0, f64::INFINITY).await.unwrap();
    assert_eq!(times.len(), 30);
    for (index, time) in times.iter().enumerate() {
        assert!((time - index as f64 / 15.0).abs() < 2e-3, "frame {index} at {time}");
    }
    let frames = video.frames(&times).await.unwrap();
    assert_eq!(frames.len(), 30);
    assert!(frames.iter().all(|frame| (frame.width, frame.height) == size));
    for (expected, index) in reference.chunks_exact(frames[0].rgb.len()).zip(REFERENCES) {
        let likeness: Vec<f64> = frames.iter().map(|frame: &Frame| psnr(&frame.rgb, expected)).collect();
        let best = likeness.iter().enumerate().max_by(|one, two| one.1.total_cmp(two.1)).map(|(best, _)| best);
        assert_eq!(best, Some(index), "{name}: {likeness:?}");
        assert!(likeness[index] >= 35.0, "{name}, frame {index}: {:.1} dB", likeness[index]);
    }

    // From the middle, in an order of the caller's own, and one of them twice.
    let wanted = [times[29], times[7], times[18], times[7]];
    let again = video.frames(&wanted).await.unwrap();
    assert!(again == [&frames[29], &frames[7], &frames[18], &frames[7]].map(Clone::clone));
    let small = video.frames_of_size(&wanted, Some([20, 30])).await.unwrap();
    let resized = again.into_iter().map(|frame| resize(&frame, [30, 20]).unwrap());
    assert!(resized.eq(small), "frames are resized as they are decoded");
    let window = video.timestamps(times[10], times[14]).await.unwrap();
    assert_eq!(window.len(), 4);
    assert!((window[0] - times[10]).abs() < 1e-9);
}

#[wasm_bindgen_test]
async fn h264_with_b_frames_decodes_as_ffmpeg_does() {
    let bytes = fixture!("h264-b-frames.mp4");
    decodes_as_ffmpeg_does("a.mp4", bytes, fixture!("h264-b-frames.rgb"), "H.264", (72, 54)).await;
}

#[wasm_bindgen_test]
async fn vp9_decodes_as_ffmpeg_does() {
    decodes_as_ffmpeg_does("a.webm", fixture!("vp9.webm"), fixture!("vp9.rgb"), "VP9", (70, 50)).await;
}

#[wasm_bindgen_test]
async fn a_turned_video_comes_out_upright() {
    let bytes = fixture!("h264-turned.mp4");
    decodes_as_ffmpeg_does("a.mp4", bytes, fixture!("h264-turned.rgb"), "H.264", (54, 72)).await;
}

#[wasm_bindgen_test]
async fn a_file_that_cannot_be_used_says_why() {
    assert_eq!(refused("a.mp4", b"").await, VideoError::Empty);
    assert_eq!(refused("a.mp4", b"dear diary").await, VideoError::NotAVideo("a text file".into()));
    assert_eq!(refused("a.mp4", fixture!("sound-only.mp4")).await, VideoError::NoPicture);
    assert!(matches!(refused("a.mp4", fixture!("cut-off.mp4")).await, VideoError::Damaged(_)));
    let avi = b"RIFF\x10\0\0\0AVI LIST\x10\0\0\0hdrlavih";
    assert_eq!(refused("a.avi", avi).await, VideoError::Damaged("its headers are missing or broken".into()));
    let mut flipped = fixture!("h264-b-frames.mp4").to_vec();
    // Every codec name in the index, so that no decoder is found.
    for at in 0..flipped.len() - 4 {
        if &flipped[at..at + 4] == b"avc1" {
            flipped[at..at + 4].copy_from_slice(b"s263");
        }
    }
    assert!(matches!(refused("a.mp4", &flipped).await, VideoError::Codec(name) if name.contains("H.263")));
}

#[wasm_bindgen_test]
async fn damage_anywhere_ends_in_a_value() {
    let whole = fixture!("h264-b-frames.mp4");
    for step in 0..60 {
        let mut bytes = whole.to_vec();
        let at = step * whole.len() / 60;
        bytes[at] ^= 0xff;
        // Usable or not: it must come back.
        let _ = probe(&source("a.mp4", &bytes)).await;
        let _ = probe(&source("a.mp4", &whole[..at])).await;
    }
}

#[wasm_bindgen_test]
async fn a_dropped_future_frees_the_decoder() {
    let video = Video::open(&source("a.mp4", fixture!("h264-b-frames.mp4"))).await.unwrap();
    let times = video.timestamps(0.0, f64::INFINITY).await.unwrap();
    // More than any browser keeps open at a time, were they not closed.
    for polls in 0..200 {
        let mut frames = std::pin::pin!(video.frames(&times));
        let mut left = polls % 20;
        std::future::poll_fn(|context| {
            if left == 0 || frames.as_mut().poll(context).is_ready() {
                return std::task::Poll::Ready(());
            }
            left -= 1;
            std::task::Poll::Pending
        })
        .await;
    }
    assert_eq!(video.frames(&times).await.unwrap().len(), 30);
}

#[wasm_bindgen_test]
async fn two_seconds_of_ten_minutes_read_the_index_and_little_else() {
    // mediabunny takes streams that begin where it reads, and Chromium hands these over by half a megabyte.
    const A_LITTLE: u64 = 6 << 19;
    let Made { file, index, sample } = LongVideo::of(fixture!("h264-b-frames.mp4")).with_index_at_end();
    let before = bytes_read();
    let video = Video::open(&source("long.mp4", &file)).await.unwrap();
    assert!((video.info().seconds - 600.0).abs() < 0.01, "{} s", video.info().seconds);
    let opened = (bytes_read() - before) as u64;
    let times = video.timestamps(400.0, 402.0).await.unwrap();
    assert_eq!(times.len(), 30);
    assert_eq!(video.frames(&times).await.unwrap().len(), 30);
    let clip = (bytes_read() - before) as u64 - opened;
    let whole = file.len();
    wasm_bindgen_test::console_log!(
        "{whole} bytes, {index} of them the index: {opened} to open it, {clip} for the clip"
    );
    // Both we and mediabunny read the index; the pictures are those from the key picture on.
    assert!(opened > index && opened < 2 * index + A_LITTLE, "{opened}");
    assert!(clip > 30 * 2048 && clip < 48 * sample + A_LITTLE, "{clip}");
}

#[wasm_bindgen_test]
async fn clips_and_thumbnails_load() {
    let shape = ClipShape { frames: 8, height: 32, width: 32, mean: IMAGENET_MEAN, std: IMAGENET_STD };
    let loader = ClipLoader::new(shape, 1.0);
    let video = source("a.webm", fixture!("vp9.webm"));
    for view in
        [View::Evaluation(TestView::spread(0, 1)), View::Training { seed: 3, augmentation: Augmentation::default() }]
    {
        let clip = loader.load(&video, &view).await.unwrap();
        assert_eq!(clip.pixels.len(), 8 * 3 * 32 * 32);
        assert_eq!(clip, loader.load(&video, &view).await.unwrap());
        assert_eq!(loader.picture(&clip).frames.len(), 8);
    }
    let picture = thumbnail(&video).await.unwrap();
    assert_eq!((picture.width, picture.height), (70, 50));
}
