//! `preprocessor_config.json`: how pixels become what the model takes.
//!
//! Comes in: JSON as any `VideoMAEImageProcessor` wrote it. Goes out: a [`Normalisation`], or the JSON of one.
//! Never touches a pixel.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::checkpoint::CheckpointError;

/// What is done to a pixel between 0 and 1: `(value - mean) / std`, for red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalisation {
    pub mean: [f32; 3],
    pub std: [f32; 3],
}

/// `preprocessor_config.json`, with the names and the order of Hugging Face's `VideoMAEImageProcessor`.
#[derive(Serialize)]
struct ImageProcessor {
    crop_size: CropSize,
    do_center_crop: bool,
    do_normalize: bool,
    do_rescale: bool,
    do_resize: bool,
    image_mean: [f32; 3],
    image_processor_type: &'static str,
    image_std: [f32; 3],
    /// 2 is bilinear, as Pillow numbers its filters.
    resample: u8,
    rescale_factor: f64,
    size: ShortestEdge,
}

#[derive(Serialize)]
struct CropSize {
    height: usize,
    width: usize,
}

#[derive(Serialize)]
struct ShortestEdge {
    shortest_edge: usize,
}

/// `preprocessor_config.json` for clips of this height and width, as transformers writes it.
pub fn preprocessor_json(height: usize, width: usize, normalisation: Normalisation) -> String {
    let processor = ImageProcessor {
        crop_size: CropSize { height, width },
        do_center_crop: true,
        do_normalize: true,
        do_rescale: true,
        do_resize: true,
        image_mean: normalisation.mean,
        image_processor_type: "VideoMAEImageProcessor",
        image_std: normalisation.std,
        resample: 2,
        rescale_factor: 1.0 / 255.0,
        size: ShortestEdge { shortest_edge: height.min(width) },
    };
    // Plain numbers and names always serialise; an empty file would be refused by the reader.
    serde_json::to_string_pretty(&processor).unwrap_or_default()
}

/// Reads how pixels are normalised. Fields that are missing have `VideoMAEImageProcessor`'s defaults: rescaled by
/// 1/255, mean and standard deviation 0.5. Sizes are not read: `config.json` has them.
pub fn read_preprocessor(text: &str) -> Result<Normalisation, CheckpointError> {
    let wrong = |what: &str| CheckpointError::Preprocessor(what.to_string());
    let file: Value = serde_json::from_str(text).map_err(|error| CheckpointError::Preprocessor(error.to_string()))?;
    if !file.is_object() {
        return Err(wrong("it is not a JSON object"));
    }
    let enabled = |field: &str| match file.get(field) {
        None | Some(Value::Null) => Ok(true),
        Some(Value::Bool(enabled)) => Ok(*enabled),
        Some(_) => Err(CheckpointError::Preprocessor(format!("{field} is neither true nor false"))),
    };
    let (mean, std) = if enabled("do_normalize")? {
        (channels(&file, "image_mean", 0.5)?, channels(&file, "image_std", 0.5)?)
    } else {
        ([0.0; 3], [1.0; 3])
    };
    let factor = match (enabled("do_rescale")?, file.get("rescale_factor")) {
        (false, _) => 1.0,
        (true, None | Some(Value::Null)) => 1.0 / 255.0,
        (true, Some(factor)) => factor.as_f64().ok_or_else(|| wrong("rescale_factor is not a number"))?,
    };
    // Our pixels are divided by 255; another factor is folded into the mean and the deviation.
    let scale = factor * 255.0;
    if !scale.is_finite() || scale <= 0.0 || std.iter().any(|&deviation| deviation <= 0.0) {
        return Err(wrong("image_std and rescale_factor must be above 0"));
    }
    let fold = |values: [f64; 3]| values.map(|value| (value / scale) as f32);
    let normalisation = Normalisation { mean: fold(mean), std: fold(std) };
    let usable = |value: &f32| value.is_finite();
    if !normalisation.mean.iter().chain(&normalisation.std).all(usable) || normalisation.std.contains(&0.0) {
        return Err(wrong("image_mean and image_std are out of range"));
    }
    Ok(normalisation)
}

/// Three numbers, or one for all three.
fn channels(file: &Value, field: &str, missing: f64) -> Result<[f64; 3], CheckpointError> {
    let numbers = match file.get(field) {
        None | Some(Value::Null) => return Ok([missing; 3]),
        Some(Value::Array(list)) => list.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>(),
        Some(single) => single.as_f64().map(|number| vec![number; 3]),
    };
    numbers
        .and_then(|numbers| <[f64; 3]>::try_from(numbers).ok())
        .ok_or_else(|| CheckpointError::Preprocessor(format!("{field} is not three numbers")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::checkpoint::PREPROCESSOR;

    const IMAGENET: Normalisation = Normalisation { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
    const HALF: Normalisation = Normalisation { mean: [0.5; 3], std: [0.5; 3] };

    #[test]
    fn the_preprocessor_is_what_transformers_writes_for_the_same_sizes() {
        let golden = std::path::Path::new("../shared/golden");
        let mut compared = 0;
        for (name, height, width) in [("micro", 32, 32), ("tiny", 64, 64), ("rect", 32, 48)] {
            let Ok(text) = std::fs::read_to_string(golden.join(name).join("model").join(PREPROCESSOR)) else {
                println!("skipped: {} is absent", golden.join(name).display());
                continue;
            };
            let theirs: Value = serde_json::from_str(&text).unwrap();
            let ours: Value = serde_json::from_str(&preprocessor_json(height, width, IMAGENET)).unwrap();
            assert_eq!(ours, theirs, "{name}");
            assert_eq!(read_preprocessor(&text).unwrap(), IMAGENET);
            compared += 1;
        }
        println!("compared {compared} files");
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let text = preprocessor_json(224, 320, HALF);
        assert_eq!(read_preprocessor(&text).unwrap(), HALF);
        assert!(text.contains("\"shortest_edge\": 224"));
    }

    #[test]
    fn the_hubs_older_forms_and_missing_fields_are_read() {
        let hub = r#"{"do_normalize": true, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "size": 224}"#;
        assert_eq!(read_preprocessor(hub).unwrap(), IMAGENET);
        assert_eq!(read_preprocessor(r#"{"size": {"shortest_edge": 224}}"#).unwrap(), HALF);
        assert_eq!(read_preprocessor(r#"{"image_mean": null, "image_std": 0.5}"#).unwrap(), HALF);
        let plain = read_preprocessor(r#"{"do_normalize": false}"#).unwrap();
        assert_eq!(plain, Normalisation { mean: [0.0; 3], std: [1.0; 3] });
    }

    #[test]
    fn another_rescale_factor_is_folded_into_the_normalisation() {
        // 127.5 * 1/127.5 = 1 at a grey of 0.5; (1 - 0.5) / 0.5 = 1.
        let folded = read_preprocessor(r#"{"rescale_factor": 0.00784313725490196}"#).unwrap();
        assert!(((0.5 - folded.mean[0]) / folded.std[0] - 1.0).abs() < 1e-6);
        let bytes = read_preprocessor(r#"{"do_rescale": false, "image_mean": 127.5, "image_std": 127.5}"#).unwrap();
        assert_eq!(bytes, HALF);
    }

    #[test]
    fn a_preprocessor_that_would_divide_by_nothing_is_refused() {
        for text in [
            r#"{"image_std": [0, 1, 1]}"#,
            r#"{"image_std": [-1, 1, 1]}"#,
            r#"{"image_mean": [0.5, 0.5]}"#,
            r#"{"image_mean": "grey"}"#,
            r#"{"image_mean": [1e300, 0, 0]}"#,
            r#"{"image_std": [1e-300, 1, 1]}"#,
            r#"{"rescale_factor": 0}"#,
            r#"{"do_normalize": "yes"}"#,
            "[]",
            "",
        ] {
            let error = read_preprocessor(text).unwrap_err().to_string();
            assert!(error.starts_with("preprocessor_config.json"), "{text}: {error}");
        }
    }
}
