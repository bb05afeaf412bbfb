//! Our pixels and frame choices against transformers' and pytorchvideo's (tests/fixtures/pixels, and all of
//! ../shared/golden/pixels where it is present).
#![cfg(not(target_family = "wasm"))]

use std::{fs, path::PathBuf};

use cliptune::video::{
    Frame,
    clip::{ClipShape, IMAGENET_MEAN, IMAGENET_STD},
    sampler::{evaluation_start, uniform_temporal_subsample},
    transform::{TrainingDraw, covering_size, evaluation, resize_and_crop, scaled_size, training},
};
use safetensors::SafeTensors;
use serde_json::Value;

/// The committed part, and the whole where it is present.
fn folders() -> Vec<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let whole = root.join("../shared/golden/pixels");
    if !whole.exists() {
        println!("skipped: ../shared/golden/pixels is absent, so only the committed part is checked");
    }
    [root.join("tests/fixtures/pixels"), whole].into_iter().filter(|folder| folder.exists()).collect()
}

fn sampling(folder: &PathBuf) -> Value {
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

#[test]
fn evaluation_pixels_are_transformers_to_one_least_significant_bit() {
    let mut checked = 0;
    for folder in folders() {
        let (videos, golden) = (
            fs::read(folder.join("videos.safetensors")).unwrap(),
            fs::read(folder.join("hf_slow_pil.safetensors")).unwrap(),
        );
        let (videos, golden) = (SafeTensors::deserialize(&videos).unwrap(), SafeTensors::deserialize(&golden).unwrap());
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
            let ours = resize_and_crop(frame, resized, [crop, crop]).unwrap();
            let theirs = golden.tensor(name).unwrap();
            let plane = crop * crop;
            let mut different = 0;
            for (index, value) in ours.iter().enumerate() {
                let expected = theirs.data()[(index % 3) * plane + index / 3];
                assert!(value.abs_diff(expected) <= 1, "{case}: {value} for {expected}");
                different += usize::from(*value != expected);
            }
            println!("{case}: {different} of {} values differ by 1", ours.len());
            if crop == side
                && let Ok(normalised) = golden.tensor(case)
            {
                let pixels = evaluation([frame].into_iter(), &shape(1, side)).unwrap();
                let difference = greatest_difference(&pixels, &floats(normalised.data()));
                assert!(difference <= 1.01 / 255.0 / 0.224, "{case}: {difference}");
            }
            checked += 1;
        }
    }
    assert!(checked >= 14, "{checked} cases");
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
