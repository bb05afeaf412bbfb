//! A checkpoint as the files that others open: the Hub's layout, a model card, the Trainer's log, and what goes on with
//! the run elsewhere.
//!
//! Comes in: a [`Checkpoint`]. Goes out: named files, for a zip or a repository. One tensor at a time is in memory.
//! Never sends anything anywhere.

mod adapter;
mod card;
mod dates;
pub mod events;
mod facts;
mod history;
pub mod metrics;
pub mod report;
pub mod runs;
mod trainer_state;

use std::collections::BTreeMap;

use crate::files::FileSource;
use crate::model::config::{ConfigError, VideoMaeConfig};
use crate::model::weights::names::{aliases, expected};
use crate::protocol::Numbers;
use crate::storage::checkpoint::{
    CARD, CONFIG, Checkpoint, CheckpointError, NamedFile, PREPROCESSOR, RECORD, SUMMARY, TRAINING_STATE, WEIGHTS,
    record_json,
};
use crate::storage::summary::summary_json;
use crate::tensors::{NumberFormat, SafetensorsWriter, TensorFiles, TensorsError};

const LABELS: &str = "labels.txt";
const TRAINER_STATE: &str = "trainer_state.json";
const TRAIN: &str = "train.py";

/// Why a model was not exported; each the end of a sentence that names it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ExportError {
    #[error("{0}")]
    Checkpoint(#[from] CheckpointError),
    #[error("{0}")]
    Tensors(#[from] TensorsError),
}

/// The files of an export, small ones first.
pub async fn files(checkpoint: &Checkpoint, numbers: Numbers) -> Result<Vec<NamedFile>, ExportError> {
    let config = VideoMaeConfig::from_json(&checkpoint.config).map_err(CheckpointError::from)?;
    let tensors = checkpoint.tensors().await?;
    let text = |name: &str, text: String| (name.to_string(), FileSource::from_bytes(text.into_bytes()));
    let mut files = vec![
        text(CARD, card::card(checkpoint, &config)),
        text(CONFIG, config_json(checkpoint, &config, numbers)?),
        text(PREPROCESSOR, checkpoint.preprocessor.clone()),
        text(SUMMARY, summary_json(&checkpoint.summary)?),
    ];
    if !checkpoint.summary.labels.is_empty() {
        // A label is one line, whatever it holds.
        let lines = checkpoint.summary.labels.iter().map(|label| label.replace(['\r', '\n'], " ") + "\n");
        files.push(text(LABELS, lines.collect()));
    }
    if let Some(record) = &checkpoint.record {
        files.push(text(RECORD, record_json(record)?));
    }
    if let Some(record) = checkpoint.tuned() {
        files.push(text(TRAINER_STATE, trainer_state::trainer_state(record)));
        files.push(text(TRAIN, include_str!("train.py").to_string()));
    }
    files.extend(adapter::files(checkpoint));
    files.push((WEIGHTS.to_string(), weights(checkpoint, &config, &tensors, numbers).await?));
    files.extend(checkpoint.training.clone().map(|state| (TRAINING_STATE.to_string(), state)));
    Ok(files)
}

/// `config.json` for `from_pretrained`: the model's own fields, and how its numbers are stored.
fn config_json(checkpoint: &Checkpoint, config: &VideoMaeConfig, numbers: Numbers) -> Result<String, ExportError> {
    let mut config = config.clone();
    if !checkpoint.summary.labels.is_empty() {
        config.architectures = VideoMaeConfig::default().architectures;
    }
    let dtype = match numbers {
        Numbers::F32 => "float32",
        Numbers::F16 => "float16",
    };
    // transformers 4.56 and later say dtype, earlier ones torch_dtype.
    config.other.remove("torch_dtype");
    config.other.insert("dtype".into(), dtype.into());
    let text = serde_json::to_string_pretty(&config);
    Ok(text.map_err(|error| CheckpointError::from(ConfigError::Json(error.to_string())))?)
}

/// One safetensors file of 32- or 16-bit floats under transformers' names; the very file where it is that already.
async fn weights(
    checkpoint: &Checkpoint,
    config: &VideoMaeConfig,
    tensors: &TensorFiles,
    numbers: Numbers,
) -> Result<FileSource, ExportError> {
    let wanted = wanted(checkpoint, config, tensors);
    let format = match numbers {
        Numbers::F32 => NumberFormat::F32,
        Numbers::F16 => NumberFormat::F16,
    };
    if let [(name, file)] = checkpoint.weights.as_slice()
        && name == WEIGHTS
        && wanted.len() == tensors.names().count()
        && tensors.metadata().get("format").is_some_and(|framework| framework == "pt")
        && wanted.iter().all(|(ours, theirs)| ours == theirs && tensors.get(ours).is_some_and(|it| it.format == format))
    {
        return Ok(file.clone());
    }
    let shape = |stored: &str| tensors.get(stored).map(|stored| stored.shape.clone()).unwrap_or_default();
    let header: Vec<_> = wanted.iter().map(|(name, stored)| (name.clone(), shape(stored))).collect();
    let metadata = BTreeMap::from([("format".to_string(), "pt".to_string())]);
    let mut writer = SafetensorsWriter::start(&header, format, &metadata).await?;
    for (_, stored) in &wanted {
        // Pieces are gathered a tensor at a time: reading hands them out, writing awaits.
        let mut values = Vec::new();
        tensors.read(stored, |_, piece| values.extend_from_slice(piece)).await?;
        writer.write(&values).await?;
    }
    Ok(writer.finish().await?)
}

/// Each tensor's name in the export and in the files, in name order: a classifier's own, or all of a backbone's.
fn wanted(checkpoint: &Checkpoint, config: &VideoMaeConfig, tensors: &TensorFiles) -> Vec<(String, String)> {
    if checkpoint.summary.labels.is_empty() {
        return tensors.names().map(|name| (name.to_string(), name.to_string())).collect();
    }
    let stored = |name: &str| {
        let names = std::iter::once(name.to_string()).chain(aliases(name));
        names.into_iter().find(|name| tensors.get(name).is_some())
    };
    expected(config).into_iter().filter_map(|(name, _)| Some((name.clone(), stored(&name)?))).collect()
}
