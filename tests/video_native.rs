//! The native reader over real files: our own fixtures and sample, and ../shared/media where it is present.
//! Needs ffmpeg in PATH, as the native twin does.
#![cfg(not(target_family = "wasm"))]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use cliptune::dataset::layout::lay_out;
use cliptune::train::augmentation::Augmentation;
use cliptune::video::{
    Frame, Video, VideoError, VideoReader, VideoSource,
    clip::{ClipLoader, ClipShape, IMAGENET_MEAN, IMAGENET_STD, View},
    probe,
    sampler::uniform_temporal_subsample,
    thumbnail::thumbnail,
    transform::evaluation,
    views::{ClipChoice, Framing, TestView, TestViews},
};
use futures_executor::block_on;
use side_by_side::side_by_side;

mod side_by_side;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from("tests/fixtures/video").join(name)
}

fn source(path: &Path) -> VideoSource {
    VideoSource::new(path.display().to_string(), path)
}

fn open(path: &Path) -> Video {
    match block_on(Video::open(&source(path))) {
        Err(VideoError::MissingProgram(program)) => panic!("{program} is missing: install ffmpeg to run these tests"),
        opened => opened.unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    }
}

fn refused(path: &Path) -> VideoError {
    block_on(probe(&source(path))).expect_err(&path.display().to_string())
}

/// None, with a message, where the file is absent.
fn media(path: &str) -> Option<PathBuf> {
    let path = PathBuf::from("../shared/media").join(path);
    if !path.exists() {
        println!("skipped: {} is absent", path.display());
        return None;
    }
    Some(path)
}

/// The frames that the `.rgb` files hold, of 30 at 15 a second.
const REFERENCES: [usize; 4] = [0, 7, 18, 29];

#[test]
fn frames_come_by_timestamp_upright_and_in_the_order_asked_for() {
    for (name, size, codec) in [
        ("h264-b-frames.mp4", (72, 54), "H.264"),
        ("vp9.webm", (70, 50), "VP9"),
        ("h264-turned.mp4", (54, 72), "H.264"),
    ] {
        let video = open(&fixture(name));
        let info = video.info();
        assert_eq!((info.width, info.height, info.codec.as_str()), (size.0, size.1, codec));
        assert!((info.seconds - 2.0).abs() < 0.01, "{} s", info.seconds);
        let times = block_on(video.timestamps(0.0, f64::INFINITY)).unwrap();
        assert_eq!(times.len(), 30);
        for (index, time) in times.iter().enumerate() {
            assert!((time - index as f64 / 15.0).abs() < 2e-3, "{name}: frame {index} at {time}");
        }
        let reference = fs::read(fixture(name).with_extension("rgb")).unwrap();
        let wanted = REFERENCES.map(|index| times[index]);
        let frames = block_on(video.frames(&wanted)).unwrap();
        let expected = reference.chunks_exact((size.0 * size.1 * 3) as usize);
        for (frame, rgb) in frames.iter().zip(expected) {
            assert!(*frame == Frame { width: size.0, height: size.1, rgb: rgb.to_vec() }, "{name}");
        }
        // Backwards, past the point from which decoding seeks, and one of them twice.
        let again = block_on(video.frames(&[wanted[3], wanted[2], wanted[3]])).unwrap();
        assert!(again == [frames[3].clone(), frames[2].clone(), frames[3].clone()]);
        assert_eq!(block_on(video.timestamps(times[10], times[14])).unwrap(), times[10..14]);
    }
}

#[test]
fn a_file_that_cannot_be_used_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    assert_eq!(refused(&written("zero \"bytes\" 🙂.mp4", b"")), VideoError::Empty);
    assert_eq!(refused(&written("<script>.mp4", b"dear diary")), VideoError::NotAVideo("a text file".into()));
    assert_eq!(refused(&fixture("sound-only.mp4")), VideoError::NoPicture);
    assert!(matches!(refused(&fixture("cut-off.mp4")), VideoError::Damaged(_)));
    assert!(matches!(refused(&folder.path().join("absent.mp4")), VideoError::Unreadable(_)));
    // Names that would mean something else to ffmpeg.
    for name in ["-y.webm", "concat:a|b.webm", "%03d.webm"] {
        let path = written(name, &fs::read(fixture("vp9.webm")).unwrap());
        assert_eq!(block_on(probe(&source(&path))).unwrap().codec, "VP9", "{name}");
    }
}

#[test]
fn clips_are_reproducible_and_the_cache_changes_nothing() {
    let shape = ClipShape { frames: 8, height: 32, width: 48, mean: IMAGENET_MEAN, std: IMAGENET_STD };
    let video = source(&fixture("h264-b-frames.mp4"));
    let info = block_on(probe(&video)).unwrap();
    let load = |loader: &ClipLoader, view: &View| block_on(loader.load(&video, view)).unwrap();
    let warm = ClipLoader::new(shape, 1.0);
    let views = [
        View::Training { seed: 1, augmentation: Augmentation::default() },
        View::Training { seed: 2, augmentation: Augmentation::default() },
        View::Evaluation(TestView::spread(0, 1)),
        View::Evaluation(TestView::spread(1, 2)),
    ];
    for view in views {
        let clip = load(&warm, &view);
        assert_eq!(clip.pixels.len(), 8 * 3 * 32 * 48);
        assert!(clip.pixels.iter().all(|value| value.is_finite()));
        assert_eq!(clip, load(&warm, &view));
        assert_eq!(clip, load(&ClipLoader::new(shape, 1.0), &view));
        let picture = warm.picture(&clip);
        assert_eq!((picture.size, picture.frames.len()), ([info.width, info.height], 8));
    }
    assert_ne!(load(&warm, &views[0]).pixels, load(&warm, &views[1]).pixels);
    assert!((load(&warm, &views[2]).start - 0.5).abs() < 0.01);
    assert!((load(&warm, &views[3]).start - 1.0).abs() < 0.01);
    // A clip that is longer than the video holds all of it; one shorter than a frame holds that frame.
    for (seconds, kept) in [(9.0, 2.0), (0.001, 0.001)] {
        let clip = load(&ClipLoader::new(shape, seconds), &views[0]);
        assert_eq!(clip.pixels.len(), 8 * 3 * 32 * 48);
        assert!((clip.seconds - kept).abs() < 0.01, "{} s", clip.seconds);
    }
}

#[test]
fn every_way_to_test_a_model_looks_at_the_frames_that_it_names() {
    let shape = ClipShape { frames: 8, height: 32, width: 48, mean: IMAGENET_MEAN, std: IMAGENET_STD };
    let path = fixture("h264-turned.mp4");
    let (video, loader) = (open(&path), ClipLoader::new(shape, 0.8));
    let times = block_on(video.timestamps(0.0, f64::INFINITY)).unwrap();
    let frames = block_on(video.frames(&times)).unwrap();
    let mut looks = 0;
    for (name, views) in TestViews::ALL {
        for view in views.of(video.info().seconds, 0.8) {
            let clip = block_on(loader.load(&source(&path), &View::Evaluation(view))).unwrap();
            let chosen = match view.clip {
                ClipChoice::Numbered(numbers) => numbers.of(frames.len(), 8),
                ClipChoice::Window { .. } | ClipChoice::Spread { .. } => {
                    let inside = |time: &f64| (clip.start..clip.start + 0.8).contains(time);
                    let first = times.iter().position(inside).unwrap();
                    let chosen = uniform_temporal_subsample(times.iter().filter(|time| inside(time)).count(), 8);
                    chosen.into_iter().map(|index| first + index).collect()
                }
            };
            let expected = evaluation(chosen.iter().map(|&index| &frames[index]), &shape, view.framing).unwrap();
            assert!(clip.pixels == expected, "{name}: {view:?}");
            assert_eq!(clip.repeats, chosen.windows(2).any(|pair| pair[0] == pair[1]), "{name}: {view:?}");
            looks += 1;
        }
    }
    assert_eq!(looks, 3 + 2 + 4 + 15 + 15 + 6 + 1 + 1);
    // The frame is upright and the model's is not: each third is another part of it.
    let part = |place| TestView { framing: Framing::Crop(place), ..TestView::CENTRE };
    let [top, centre, bottom] =
        [0, 1, 2].map(|place| block_on(loader.load(&source(&path), &View::Evaluation(part(place)))).unwrap().pixels);
    assert!(top != centre && centre != bottom && top != bottom);
    let long = ClipLoader::new(ClipShape { frames: 64, ..shape }, 2.0);
    assert!(block_on(long.load(&source(&path), &View::Evaluation(TestView::CENTRE))).unwrap().repeats);
}

#[test]
fn a_video_too_large_to_keep_gives_the_same_frames_as_its_whole() {
    let Some(path) = media("codec/mediabunny__rotate-buck-bunny.mp4") else { return };
    let video = open(&path);
    assert_eq!((video.info().width, video.info().height), (1080, 1920));
    let times = block_on(video.timestamps(1.2, 1.5)).unwrap();
    let sought = block_on(video.frames(&times)).unwrap();
    let everything = block_on(video.timestamps(0.0, 1.5)).unwrap();
    let whole = block_on(video.frames(&everything)).unwrap();
    assert!(sought[..] == whole[whole.len() - sought.len()..]);
    let shape = ClipShape { frames: 4, height: 64, width: 64, mean: IMAGENET_MEAN, std: IMAGENET_STD };
    let loader = ClipLoader::new(shape, 1.0);
    let view = View::Evaluation(TestView::spread(0, 1));
    let clip = block_on(loader.load(&source(&path), &view)).unwrap();
    assert_eq!(clip.pixels.len(), 4 * 3 * 64 * 64);
    assert_eq!(block_on(thumbnail(&source(&path))).map(|picture| (picture.width, picture.height)), Ok((90, 160)));
}

/// Relative paths of all files below `folder`.
fn paths_below(folder: &Path) -> Vec<String> {
    let mut open = vec![folder.to_path_buf()];
    let mut paths = Vec::new();
    while let Some(current) = open.pop() {
        for entry in fs::read_dir(&current).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => paths.push(path.strip_prefix(folder).unwrap().to_string_lossy().into_owned()),
            }
        }
    }
    paths.sort();
    paths
}

/// Lays the folder out and decodes the first video of each class: the counts of classes and of labelled files.
fn first_of_each_class(folder: &Path) -> (usize, usize) {
    let layout = lay_out(&paths_below(folder));
    let firsts: BTreeMap<&str, &str> = layout.videos.iter().rev().map(|file| (&*file.class, &*file.path)).collect();
    for path in firsts.values() {
        let info = block_on(probe(&source(&folder.join(path)))).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(info.seconds > 0.1 && info.width > 0 && info.height > 0, "{path}: {info:?}");
    }
    (firsts.len(), layout.videos.len())
}

#[test]
fn the_sample_is_8_classes_that_open() {
    assert_eq!(first_of_each_class(Path::new("public/sample")), (8, 8 * (24 + 6 + 6)));
}

#[test]
fn real_folders_are_laid_out_and_open() {
    // H.264; MPEG-4 part 2 in AVI, whose packets do not all say when they are shown.
    for (set, classes, videos) in [("arid", 6, 34), ("weizmann", 10, 50), ("ucf101", 1, 10)] {
        let Some(folder) = media(&format!("labelled/{set}")) else { return };
        let (found, labelled) = first_of_each_class(&folder);
        println!("{set}: {found} classes, {labelled} videos");
        assert!(found >= classes && labelled == videos, "{set}: {found} classes, {labelled} videos");
    }
}

#[test]
fn damaged_and_odd_recordings_end_in_a_value() {
    let Some(folder) = media("codec") else { return };
    let paths: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let usable = side_by_side(&paths, |path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match block_on(probe(&source(path))) {
            Ok(info) => {
                assert!(info.width > 0 && info.height > 0 && info.seconds.is_finite(), "{name}: {info:?}");
                true
            }
            Err(VideoError::MissingProgram(program)) => panic!("{program} is missing"),
            Err(error) => {
                println!("{name}: {error}");
                false
            }
        }
    });
    println!("{} of {} usable", usable.iter().filter(|usable| **usable).count(), paths.len());
    let says = |name: &str| refused(&folder.join(name));
    assert_eq!(says("derived__zero-byte-0.mp4"), VideoError::Empty);
    assert!(matches!(says("derived__moov-lost-0.mp4"), VideoError::Damaged(_)));
    assert!(matches!(says("derived__mdat-truncated-0.mp4"), VideoError::Damaged(_)));
    assert_eq!(says("media__bbb_1ch_16kHz_aac.mp4"), VideoError::NoPicture);
}
