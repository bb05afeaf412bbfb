//! Our pixels and frame choices against those of transformers, pytorchvideo, torchvision and the paper's code
//! (tests/fixtures/pixels and colour_jitter, and all of ../shared/golden/pixels where it is present).
#![cfg(not(target_family = "wasm"))]

use std::{
    fs,
    path::{Path, PathBuf},
};

use cliptune::video::{
    Frame,
    augmentation::{TrainingDraw, scaled_size, training},
    clip::{ClipShape, IMAGENET_MEAN, IMAGENET_STD},
    colour_jitter::Adjustment,
    sampler::{
        FrameNumbers, constant_starts, evaluation_start, first_frames, training_start, uniform_starts,
        uniform_temporal_subsample, whole_video,
    },
    transform::{covering_size, evaluation, resize_and_crop},
    views::{ClipChoice, Framing, TestViews},
};
use safetensors::SafeTensors;
use serde_json::Value;

/// One step of u8, normalised with the smallest of ImageNet's standard deviations, and a little for rounding.
const LEAST_SIGNIFICANT_BIT: f32 = 1.01 / 255.0 / 0.224;

/// The committed part, and the whole where it is present.
fn folders() -> Vec<PathBuf> {
    let whole = PathBuf::from("../shared/golden/pixels");
    if !whole.exists() {
        println!("skipped: ../shared/golden/pixels is absent, so only the committed part is checked");
    }
    [PathBuf::from("tests/fixtures/pixels"), whole].into_iter().filter(|folder| folder.exists()).collect()
}

fn sampling(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("sampling.json")).unwrap()).unwrap()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

/// A stack of frames, `[T, H, W, 3]`.
fn frames(videos: &SafeTensors, name: &str) -> Vec<Frame> {
    let tensor = videos.tensor(name).unwrap();
    let (height, width) = (tensor.shape()[1], tensor.shape()[2]);
    let frames = tensor.data().chunks_exact(height * width * 3);
    frames.map(|rgb| Frame { width: width as u32, height: height as u32, rgb: rgb.to_vec() }).collect()
}

fn shape(frames: usize, side: usize) -> ClipShape {
    ClipShape { frames, height: side, width: side, mean: IMAGENET_MEAN, std: IMAGENET_STD }
}

fn greatest_difference(one: &[f32], two: &[f32]) -> f32 {
    assert_eq!(one.len(), two.len());
    one.iter().zip(two).map(|(one, two)| (one - two).abs()).fold(0.0, f32::max)
}

/// Checks resize and centre crop against one form of VideoMAEImageProcessor; how many cases there were.
fn check_processor(folder: &Path, form: &str) -> usize {
    let (videos, golden) = (fs::read(folder.join("videos.safetensors")).unwrap(), fs::read(folder.join(form)).unwrap());
    let (videos, golden) = (SafeTensors::deserialize(&videos).unwrap(), SafeTensors::deserialize(&golden).unwrap());
    let mut checked = 0;
    for name in golden.names() {
        let Some(case) = name.strip_suffix(".u8") else { continue };
        // VIDEO.SIDE or VIDEO.SIDEcropCROP.
        let (video, sides) = case.split_once('.').unwrap();
        let (side, crop) = sides.split_once("crop").unwrap_or((sides, sides));
        let (side, crop): (usize, usize) = (side.parse().unwrap(), crop.parse().unwrap());
        if crop > side {
            // Zero padding: no model of ours asks for it.
            continue;
        }
        let frame = &frames(&videos, video)[0];
        let resized = covering_size([frame.height as usize, frame.width as usize], [side, side]);
        let ours = resize_and_crop(frame, resized, [crop, crop], Framing::CENTRE).unwrap();
        let theirs = golden.tensor(name).unwrap();
        let plane = crop * crop;
        let mut different = 0;
        for (index, value) in ours.iter().enumerate() {
            let expected = theirs.data()[(index % 3) * plane + index / 3];
            assert!(value.abs_diff(expected) <= 1, "{form}, {case}: {value} for {expected}");
            different += usize::from(*value != expected);
        }
        println!("{form}, {case}: {different} of {} values differ by 1", ours.len());
        if crop == side
            && let Ok(normalised) = golden.tensor(case)
        {
            let pixels = evaluation([frame].into_iter(), &shape(1, side), Framing::CENTRE).unwrap();
            let difference = greatest_difference(&pixels, &floats(normalised.data()));
            assert!(difference <= LEAST_SIGNIFICANT_BIT, "{form}, {case}: {difference}");
        }
        checked += 1;
    }
    checked
}

#[test]
fn evaluation_pixels_are_transformers_slow_processors_to_one_least_significant_bit() {
    let checked: usize = folders().iter().map(|folder| check_processor(folder, "hf_slow_pil.safetensors")).sum();
    assert!(checked >= 14, "{checked} cases");
}

#[test]
fn evaluation_pixels_are_transformers_fast_processors_to_one_least_significant_bit() {
    let checked: usize =
        folders().iter().map(|folder| check_processor(folder, "hf_fast_torchvision.safetensors")).sum();
    assert!(checked >= 12, "{checked} cases");
}

/// UniformTemporalSubsample, /255, Normalize and Resize, with torchvision's antialiasing and as it was before.
#[test]
fn squashed_pixels_are_the_guides_evaluation_transform() {
    let mut checked = 0;
    for folder in folders() {
        let (videos, golden) = (
            fs::read(folder.join("videos.safetensors")).unwrap(),
            fs::read(folder.join("tutorial_transforms.safetensors")).unwrap(),
        );
        let (videos, golden) = (SafeTensors::deserialize(&videos).unwrap(), SafeTensors::deserialize(&golden).unwrap());
        for name in golden.names().into_iter().filter(|name| name.starts_with("eval.")) {
            let theirs = golden.tensor(name).unwrap();
            let [count, _, height, width] = theirs.shape() else { panic!("{name}") };
            let shape = ClipShape { height: *height, width: *width, ..shape(*count, 0) };
            let stack = frames(&videos, name.split('.').nth(1).unwrap());
            let chosen = uniform_temporal_subsample(stack.len(), *count);
            let chosen = chosen.iter().map(|&index| &stack[index]);
            let antialiased = name.ends_with("antialias_true");
            let pixels = if antialiased {
                evaluation(chosen, &shape, Framing::Squash).unwrap()
            } else {
                let resized = [*height, *width];
                training(chosen, &shape, &TrainingDraw { resized, top: 0, left: 0, flip: false, colours: Vec::new() })
                    .unwrap()
            };
            let difference = greatest_difference(&pixels, &floats(theirs.data()));
            println!("{name}: {difference:e}");
            assert!(difference <= if antialiased { LEAST_SIGNIFICANT_BIT } else { 1e-4 }, "{name}: {difference}");
            checked += 1;
        }
    }
    assert!(checked >= 6, "{checked} cases");
}

#[test]
fn training_pixels_are_pytorchvideos_for_the_same_draw() {
    let mut checked = 0;
    for folder in folders() {
        let (videos, golden) = (
            fs::read(folder.join("videos.safetensors")).unwrap(),
            fs::read(folder.join("tutorial_transforms.safetensors")).unwrap(),
        );
        let (videos, golden) = (SafeTensors::deserialize(&videos).unwrap(), SafeTensors::deserialize(&golden).unwrap());
        let draws = sampling(&folder);
        for name in golden.names().into_iter().filter(|name| name.starts_with("train.")) {
            let draw = &draws["meta"][name];
            let number = |value: &Value| value.as_u64().unwrap() as usize;
            let stack = frames(&videos, draw["video"].as_str().unwrap());
            let theirs = golden.tensor(name).unwrap();
            let crop = theirs.shape()[2];
            let size = [stack[0].height as usize, stack[0].width as usize];
            let resized = scaled_size(size, [crop, crop], number(&draw["short_side"]));
            assert_eq!(resized, [number(&draw["resized"][0]), number(&draw["resized"][1])], "{name}");
            let draw_of_ours = TrainingDraw {
                resized,
                top: number(&draw["i"]),
                left: number(&draw["j"]),
                flip: draw["flip"].as_bool().unwrap(),
                colours: Vec::new(),
            };
            let count = number(&draw["num_samples"]);
            let chosen = uniform_temporal_subsample(stack.len(), count);
            let pixels =
                training(chosen.iter().map(|&index| &stack[index]), &shape(count, crop), &draw_of_ours).unwrap();
            let difference = greatest_difference(&pixels, &floats(theirs.data()));
            println!("{name}: {difference:e}");
            assert!(difference < 1e-4, "{name}: {difference}");
            checked += 1;
        }
    }
    assert!(checked >= 2, "{checked} cases");
}

#[test]
fn frame_choices_are_uniform_temporal_subsample() {
    for folder in folders() {
        let golden = fs::read(folder.join("frame_indices.safetensors")).unwrap();
        let golden = SafeTensors::deserialize(&golden).unwrap();
        for count in [4, 8, 16, 32] {
            let table = golden.tensor(&format!("uniform_temporal_subsample.n{count}")).unwrap();
            let table: Vec<usize> = table
                .data()
                .chunks_exact(4)
                .map(|four| i32::from_le_bytes(four.try_into().unwrap()) as usize)
                .collect();
            assert_eq!(table.len(), 600 * count);
            for (row, expected) in table.chunks_exact(count).enumerate() {
                assert_eq!(uniform_temporal_subsample(row + 1, count), expected, "{} frames", row + 1);
            }
        }
    }
}

/// A number by its name in a case such as `uniform dur=73/10 clip=32/15 stride=16/15 backpad`.
fn seconds(case: &str, name: &str) -> Option<f64> {
    let value = case.split(' ').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))?;
    let (over, under) = value.split_once('/').unwrap_or((value, "1"));
    Some(over.parse::<f64>().unwrap() / under.parse::<f64>().unwrap())
}

fn assert_starts(ours: &[f64], theirs: &[f64], case: &str) {
    assert_eq!(ours.len(), theirs.len(), "{case}: {ours:?} for {theirs:?}");
    assert!(ours.iter().zip(theirs).all(|(one, two)| (one - two).abs() < 1e-9), "{case}: {ours:?} for {theirs:?}");
}

#[test]
fn clips_start_where_pytorchvideos_samplers_start_them() {
    let mut checked = [0; 3];
    for folder in folders() {
        for (case, clips) in sampling(&folder)["clip_samplers"].as_object().unwrap() {
            // Start, end, clip, augmentation, whether it is the last.
            let clips = clips.as_array().unwrap();
            let theirs: Vec<f64> = clips.iter().map(|clip| clip[0].as_f64().unwrap()).collect();
            let [duration, clip] = ["dur", "clip"].map(|name| seconds(case, name).unwrap());
            if case.starts_with("uniform") {
                let stride = seconds(case, "stride").unwrap_or(clip);
                assert_starts(&uniform_starts(duration, clip, stride, case.ends_with("backpad")), &theirs, case);
                checked[0] += 1;
            } else if case.starts_with("constant_clips_per_video") {
                let ours = constant_starts(duration, clip, 5).into_iter().flat_map(|start| [start; 3]);
                assert_starts(&ours.collect::<Vec<_>>(), &theirs, case);
                // As a user of `--views constant` meets them: each clip in three crops.
                let views = TestViews::Constant.of(duration, clip);
                for (view, theirs) in views.iter().zip(clips) {
                    assert!(
                        matches!(view.clip, ClipChoice::Window { start } if (start - theirs[0].as_f64().unwrap()).abs() < 1e-9)
                    );
                    assert_eq!(view.framing, Framing::UniformCrop(theirs[3].as_u64().unwrap() as usize), "{case}");
                }
                assert_eq!(views.len(), clips.len());
                checked[1] += 1;
            } else {
                // The first three of Python's random.random() after random.seed(0).
                let drawn = [0.8444218515250481, 0.7579544029403025, 0.420571580830845];
                let ours = drawn.map(|drawn| training_start(duration, clip, drawn));
                assert_starts(&ours, &theirs, case);
                checked[2] += 1;
            }
        }
    }
    assert!(checked[0] >= 30 && checked[1] >= 10 && checked[2] >= 1, "{checked:?}");
}

/// transformers 4.57's VideoClassificationPipeline, and 5.23's default_sample_indices_fn.
#[test]
fn frame_choices_are_the_video_classification_pipelines() {
    let mut checked = 0;
    for folder in folders() {
        let golden = fs::read(folder.join("frame_indices.safetensors")).unwrap();
        let golden = SafeTensors::deserialize(&golden).unwrap();
        for name in golden.names().into_iter().filter(|name| name.starts_with("hf4_pipeline")) {
            let (count, rate) = name.strip_prefix("hf4_pipeline.n").unwrap().split_once(".rate").unwrap();
            let theirs: Vec<usize> = golden
                .tensor(name)
                .unwrap()
                .data()
                .chunks_exact(8)
                .map(|eight| i64::from_le_bytes(eight.try_into().unwrap()) as usize)
                .collect();
            assert_eq!(first_frames(count.parse().unwrap(), rate.parse().unwrap()), theirs, "{name}");
            if rate == "1" {
                assert_eq!(FrameNumbers::First.of(300, theirs.len()), theirs, "{name}");
            }
            checked += 1;
        }
        for (case, theirs) in sampling(&folder)["hf5_default_sample_indices_fn"].as_object().unwrap() {
            let number = |name: &str| seconds(case, name).unwrap() as usize;
            let theirs: Vec<usize> = serde_json::from_value(theirs.clone()).unwrap();
            assert_eq!(whole_video(number("total"), number("n")), theirs, "{case}");
            assert_eq!(FrameNumbers::Whole.of(number("total"), number("n")), theirs, "{case}");
            checked += 1;
        }
    }
    assert!(checked >= 13, "{checked} cases");
}

/// MCG-NJU/VideoMAE's kinetics.py (5 clips x 3 crops) and ssv2.py (2 x 3).
#[test]
fn test_views_are_the_papers_in_time_and_in_space() {
    let mut checked = 0;
    for folder in folders() {
        for (case, golden) in sampling(&folder)["multi_view"].as_object().unwrap() {
            let views = if case.starts_with("k400") { TestViews::Kinetics } else { TestViews::SomethingSomething };
            let views = views.of(10.0, 2.0);
            let total = seconds(case, "N").unwrap() as usize;
            let theirs = golden["views"].as_array().unwrap();
            assert_eq!(views.len(), theirs.len(), "{case}");
            for (view, theirs) in views.iter().zip(theirs) {
                let frames: Vec<usize> = serde_json::from_value(theirs["frames"].clone()).unwrap();
                let ClipChoice::Numbered(numbers) = view.clip else { panic!("{case}") };
                assert_eq!(numbers.of(total, 16), frames, "{case}");
                // Made for frames of 224 x 298; upright ones are cut alike.
                let start = theirs["spatial_start"].as_u64().unwrap() as usize;
                assert_eq!(view.framing.offset([224, 298], [224, 224]), [0, start], "{case}");
                assert_eq!(view.framing.offset([298, 224], [224, 224]), [start, 0], "{case}");
                checked += 1;
            }
        }
    }
    assert!(checked >= 5 * 15 + 4 * 6, "{checked} views");
}

#[test]
fn crops_are_pytorchvideos_uniform_crop() {
    for folder in folders() {
        let (videos, golden) = (
            fs::read(folder.join("videos.safetensors")).unwrap(),
            fs::read(folder.join("tutorial_transforms.safetensors")).unwrap(),
        );
        let (videos, golden) = (SafeTensors::deserialize(&videos).unwrap(), SafeTensors::deserialize(&golden).unwrap());
        let frame = &frames(&videos, "s97x131")[0];
        for place in 0..3 {
            let theirs = golden.tensor(&format!("uniform_crop.s97x131.{place}")).unwrap();
            let ours = resize_and_crop(frame, [97, 131], [64, 64], Framing::UniformCrop(place)).unwrap();
            let planes = (0..3).flat_map(|channel| ours.iter().skip(channel).step_by(3).copied());
            assert!(planes.eq(theirs.data().iter().copied()), "place {place}");
        }
    }
}

/// tests/fixtures/colour_jitter/generate.py.
#[test]
fn colour_changes_are_torchvisions() {
    let file = PathBuf::from("tests/fixtures/colour_jitter/torchvision.safetensors");
    let bytes = fs::read(file).unwrap();
    let golden = SafeTensors::deserialize(&bytes).unwrap();
    let input = floats(golden.tensor("input").unwrap().data());
    let cases: Vec<&str> = golden.names().into_iter().filter(|name| *name != "input").collect();
    for case in &cases {
        let mut ours = input.clone();
        for adjustment in case.split(',') {
            let (name, factor) = adjustment.split_once('=').unwrap();
            let adjust = match name {
                "brightness" => Adjustment::Brightness,
                "contrast" => Adjustment::Contrast,
                "saturation" => Adjustment::Saturation,
                _ => Adjustment::Hue,
            };
            adjust(factor.parse().unwrap()).apply(&mut ours);
        }
        let difference = greatest_difference(&ours, &floats(golden.tensor(case).unwrap().data()));
        println!("{case}: {difference:e}");
        assert!(difference < 1e-5, "{case}: {difference}");
        assert!(greatest_difference(&ours, &input) > 0.05, "{case} changes nothing");
    }
    assert_eq!(cases.len(), 14);
}

#[test]
fn evaluation_views_start_where_the_papers_clips_start() {
    for folder in folders() {
        let sampling = sampling(&folder);
        for (name, case) in sampling["multi_view"].as_object().unwrap() {
            let Some(frames) = name.strip_prefix("k400 N=") else { continue };
            let frames: usize = frames.parse().unwrap();
            // Every 4th frame, the last repeated up to 16.
            let mut strided: Vec<usize> = (0..frames).step_by(4).collect();
            strided.resize(strided.len().max(16), *strided.last().unwrap());
            for view in case["views"].as_array().unwrap() {
                let index = view["clip"].as_u64().unwrap() as usize;
                let start = evaluation_start(strided.len() as f64, 16.0, index, 5) as usize;
                assert_eq!(view["frames"][0].as_u64().unwrap() as usize, strided[start], "{name}, view {index}");
            }
        }
    }
}
