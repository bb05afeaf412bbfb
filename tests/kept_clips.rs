//! What a loader of clips keeps on disk, natively. Needs ffmpeg in PATH, as the native twin does.
#![cfg(not(target_family = "wasm"))]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use cliptune::dataset::labelling::Labelling;
use cliptune::engine::ahead::decode_ahead;
use cliptune::engine::folder::{Folder, FolderClips};
use cliptune::train::augmentation::Augmentation;
use cliptune::train::feed::ClipSource;
use cliptune::video::clip::{Clip, ClipLoader, ClipShape, IMAGENET_MEAN, IMAGENET_STD, View};
use cliptune::video::kept::KeptClips;
use cliptune::video::views::{TestView, TestViews};
use cliptune::video::{VideoError, VideoSource};
use futures_executor::block_on;

const SHAPE: ClipShape = ClipShape { frames: 8, height: 32, width: 48, mean: IMAGENET_MEAN, std: IMAGENET_STD };
/// 3 s of 160 x 120 at 25 frames a second: 4.3 MB of frames, just too much for memory.
const FRAME_BYTES: u64 = 75 * 160 * 120 * 3;
const CLIP_BYTES: u64 = 8 * 3 * 32 * 48 * 4;

fn drawn(folder: &Path) -> PathBuf {
    let path = folder.join("drawn.mp4");
    draw(&path, 3);
    path
}

fn draw(path: &Path, seconds: u32) {
    draw_of_size(path, seconds, "160x120");
}

fn draw_of_size(path: &Path, seconds: u32, size: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let picture = format!("testsrc2=size={size}:rate=25:duration={seconds}");
    let drawing = ["-f", "lavfi", "-i", &picture, "-c:v", "mpeg4", "-g", "250"];
    let made = Command::new("ffmpeg").args(["-loglevel", "error"]).args(drawing).arg(path).status();
    assert!(made.expect("install ffmpeg to run these tests").success());
}

fn load(loader: &ClipLoader, path: &Path, view: &View) -> Result<Clip, VideoError> {
    block_on(loader.load(&VideoSource::new("drawn", path), view))
}

fn views() -> Vec<View> {
    let mut views: Vec<View> =
        (1..=4).map(|seed| View::Training { seed, augmentation: Augmentation::default() }).collect();
    views.extend([TestView::CENTRE, TestView::spread(1, 2)].map(View::Evaluation));
    views.extend(TestViews::ALL.iter().flat_map(|(_, views)| views.of(3.0, 1.0)).map(View::Evaluation));
    views
}

#[test]
fn clips_from_disk_are_those_that_were_decoded_and_need_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = drawn(folder.path());
    let decoding = ClipLoader::new(SHAPE, 1.0);
    let expected: Vec<Clip> = views().iter().map(|view| load(&decoding, &path, view).unwrap()).collect();

    let kept = Rc::new(KeptClips::new(u64::MAX));
    let keeping = ClipLoader::keeping(SHAPE, 1.0, kept.clone());
    // The first view keeps all frames; of them come the others' clips.
    load(&keeping, &path, &views()[0]).unwrap();
    assert_eq!(kept.disk().report().bytes, FRAME_BYTES);
    fs::remove_file(&path).unwrap();
    for (view, expected) in views().iter().zip(&expected) {
        assert!(load(&keeping, &path, view).unwrap() == *expected, "{view:?}");
        assert!(load(&keeping, &path, view).unwrap() == *expected, "{view:?}, again");
    }
    // A loader that keeps nothing has to decode.
    assert!(load(&decoding, &path, &views()[0]).is_err());
}

#[test]
fn a_small_video_that_one_run_decoded_is_there_for_the_next_until_all_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.mp4");
    draw(&path, 1);
    let kept = Rc::new(KeptClips::new(0));
    let load_anew = || load(&ClipLoader::keeping(SHAPE, 1.0, kept.clone()), &path, &views()[0]);
    let first = load_anew().unwrap();
    fs::remove_file(&path).unwrap();
    assert!(load_anew().unwrap() == first);
    block_on(kept.clear());
    assert!(load_anew().is_err());
}

#[test]
fn a_large_video_is_kept_shrunk_for_training_and_its_clips_do_not_depend_on_that() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.mp4");
    draw_of_size(&path, 5, "960x540");
    let training = |shrink_large| {
        let augmentation = Augmentation { shrink_large, ..Augmentation::default() };
        View::Training { seed: 3, augmentation }
    };
    let source = VideoSource::new("drawn", &*path);
    let decoding = ClipLoader::new(SHAPE, 1.0);
    let [expected, as_it_is] = [true, false].map(|shrink| load(&decoding, &path, &training(shrink)).unwrap());
    assert_eq!(expected.size, [960, 540]);
    assert_ne!(expected.pixels, as_it_is.pixels);
    let far = expected.pixels.iter().zip(&as_it_is.pixels).map(|(one, other)| (one - other).abs());
    let mean = far.clone().sum::<f32>() / far.len() as f32;
    assert!(mean < 0.35, "the same picture but for aliasing: {mean} standard deviations");

    let kept = Rc::new(KeptClips::new(u64::MAX));
    let keeping = ClipLoader::keeping(SHAPE, 1.0, kept.clone());
    let evaluation = View::Evaluation(TestView::CENTRE);
    let evaluated = load(&decoding, &path, &evaluation).unwrap();
    block_on(keeping.keep(&source, &training(true))).unwrap();
    // 320 / 224 of the model's 32 lines are 46, and as many columns as go with them.
    assert_eq!(kept.disk().report().bytes, 125 * 81 * 46 * 3);
    assert!(load(&keeping, &path, &evaluation).unwrap() == evaluated, "evaluations look at all of the picture");
    assert!(load(&keeping, &path, &training(false)).unwrap() == as_it_is);
    fs::remove_file(&path).unwrap();
    assert!(load(&keeping, &path, &training(true)).unwrap() == expected, "it is found without its file");
    assert!(load(&decoding, &path, &training(true)).is_err());
}

#[test]
fn an_evaluation_keeps_its_clip_instead_of_the_video() {
    let folder = tempfile::tempdir().unwrap();
    let path = drawn(folder.path());
    let kept = Rc::new(KeptClips::new(FRAME_BYTES));
    let loader = ClipLoader::keeping(SHAPE, 1.0, kept.clone());
    let view = View::Evaluation(TestView::CENTRE);
    let clip = load(&loader, &path, &view).unwrap();
    assert_eq!(kept.disk().report().bytes, CLIP_BYTES);
    fs::remove_file(&path).unwrap();
    assert!(load(&loader, &path, &view).unwrap() == clip);
    // Another length of clip is another clip.
    assert!(load(&ClipLoader::keeping(SHAPE, 0.9, kept), &path, &view).is_err());
}

#[test]
fn a_disk_without_room_or_emptied_by_the_user_only_costs_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = drawn(folder.path());
    let view = &views()[0];
    let expected = load(&ClipLoader::new(SHAPE, 1.0), &path, view).unwrap();

    let small = Rc::new(KeptClips::new(FRAME_BYTES - 1));
    let loader = ClipLoader::keeping(SHAPE, 1.0, small.clone());
    assert!(load(&loader, &path, view).unwrap() == expected);
    assert_eq!(small.disk().report().bytes, 0);

    let kept = Rc::new(KeptClips::new(FRAME_BYTES));
    let loader = ClipLoader::keeping(SHAPE, 1.0, kept.clone());
    load(&loader, &path, view).unwrap();
    block_on(kept.clear());
    assert!(load(&loader, &path, view).unwrap() == expected);
    assert_eq!(kept.disk().report().bytes, FRAME_BYTES);
}

#[test]
fn a_run_finds_what_was_decoded_ahead_and_the_limit_of_the_disk_holds() {
    let place = tempfile::tempdir().unwrap();
    let folder = imported(place.path());
    let decode = |limit: u64| {
        let kept = Rc::new(KeptClips::new(limit));
        let clips = FolderClips { folder: &folder, loader: ClipLoader::keeping(SHAPE, 1.0, kept.clone()) };
        let mut told = Vec::new();
        block_on(decode_ahead(&clips, &views()[0], kept.disk(), |done, total| told.push((done, total))));
        (kept, clips, told)
    };
    // The two training videos of 3 s, none of 1 s, and the clips of validation.
    let (kept, clips, told) = decode(u64::MAX);
    assert_eq!(told, (1..=6).map(|done| (done, 6)).collect::<Vec<_>>());
    assert_eq!(kept.disk().report().bytes, 2 * FRAME_BYTES + 2 * CLIP_BYTES);
    // Room for one video and less than another.
    let (small, ..) = decode(FRAME_BYTES + (4 << 20) - 1);
    assert_eq!(small.disk().report().bytes, FRAME_BYTES);

    fs::remove_dir_all(place.path()).unwrap();
    let view = &views()[0];
    let examples = folder.examples();
    let at_hand = examples.train.iter().filter(|one| block_on(clips.clip(one.video, view)).is_ok()).count();
    assert_eq!(at_hand, 2);
    let evaluation = View::Evaluation(TestView::CENTRE);
    assert!(examples.validation.iter().all(|one| block_on(clips.clip(one.video, &evaluation)).is_ok()));
}

/// Two classes, each with a training video of 3 s and one of 1 s, and a validation video of 3 s.
fn imported(place: &Path) -> Folder {
    let paths = ["train/a/1.mp4", "train/b/1.mp4", "train/a/2.mp4", "train/b/2.mp4", "val/a/3.mp4", "val/b/3.mp4"];
    let files = paths.map(|path| {
        let file = place.join(path);
        draw(&file, if path.ends_with("2.mp4") { 1 } else { 3 });
        (path.to_string(), VideoSource::new(path, file))
    });
    block_on(Folder::import(files.to_vec(), &Labelling::default()))
}
