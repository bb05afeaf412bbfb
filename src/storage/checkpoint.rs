//! One checkpoint: a model's files under the Hub's names, and what they tell.
//!
//! Comes in: files with their names, as a store, a zip, a folder or the Hub has them. Goes out: a [`Checkpoint`] whose
//! files are known to fit together, or the sentence that says why they do not. Reads texts and the weights' index;
//! never a tensor's values.

use super::preprocessor::read_preprocessor;
use super::summary::{read_summary, summary_json, tidy_name, tidy_note};
use crate::files::{FileError, FileSource};
use crate::model::config::{ConfigError, VideoMaeConfig};
use crate::model::weights::{compare, names};
use crate::protocol::{CheckpointSummary, LoadReport, Origin};
use crate::tensors::{TensorFiles, TensorsError};
use crate::train::record::{self, RunRecord};
use crate::train::settings::GUIDE_CLIP_SECONDS;

/// The names of a model's files: the Hub's, and those of our own.
pub const CONFIG: &str = "config.json";
pub const PREPROCESSOR: &str = "preprocessor_config.json";
pub const WEIGHTS: &str = "model.safetensors";
pub const CARD: &str = "README.md";
pub const SUMMARY: &str = "cliptune.json";
pub const RECORD: &str = "run.json";
pub const TRAINING_STATE: &str = "training_state.safetensors";
/// PEFT's name for low-rank adapters, and the folder of an export that holds them: beside `config.json`, transformers would
/// add them to weights that have them already.
pub const ADAPTER: &str = "adapter_model.safetensors";
pub const ADAPTER_FOLDER: &str = "adapter";

/// Texts beyond this are no texts of a model.
const LONGEST_TEXT: u64 = 32 << 20;
/// As the settings allow.
const LONGEST_CLIP_SECONDS: f64 = 60.0;

/// A file and its name.
pub type NamedFile = (String, FileSource);

/// A model that can be opened, exported and trained further.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    pub summary: CheckpointSummary,
    /// `config.json`, as it was read or written.
    pub config: String,
    /// `preprocessor_config.json`.
    pub preprocessor: String,
    /// The files that hold the weights, as they came.
    pub weights: Vec<NamedFile>,
    /// What the run was; none where the model was not trained here.
    pub record: Option<RunRecord>,
    /// The optimizer's state, where the run can go on from here.
    pub training: Option<FileSource>,
    /// The low-rank adapters that are worked into the weights, where the run trained some.
    pub adapter: Option<FileSource>,
}

/// What stands in where no `cliptune.json` tells it.
#[derive(Clone, Debug)]
pub struct Stranger {
    pub id: String,
    pub name: String,
    /// Milliseconds since 1970, UTC.
    pub created: f64,
    pub origin: Origin,
}

/// Why files are not a model that can be used. Each sentence names its file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CheckpointError {
    #[error("it has no {0}; a model has config.json, preprocessor_config.json and model.safetensors")]
    Absent(&'static str),
    #[error("{name}: {error}")]
    Unreadable { name: &'static str, error: FileError },
    #[error("{0} is not text; copy or download it again")]
    NotText(&'static str),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("preprocessor_config.json cannot be used: {0}")]
    Preprocessor(String),
    #[error(transparent)]
    Weights(#[from] TensorsError),
    #[error("config.json names {labels} classes, but the weights score {scores}; the two are not from one model")]
    LabelCount { labels: usize, scores: usize },
    #[error("cliptune.json cannot be read: {0}")]
    Summary(String),
    #[error("{name} was written by a newer Cliptune (format {format}); update Cliptune to open it")]
    Newer { name: &'static str, format: u32 },
    #[error("run.json cannot be read: {0}")]
    Record(String),
}

impl Checkpoint {
    /// A model's files as a checkpoint, and what of the weights fits. What only `cliptune.json` can tell is taken from
    /// it where it is there, and from `stranger` where not.
    pub async fn from_files(files: Vec<NamedFile>, stranger: &Stranger) -> Result<(Self, LoadReport), CheckpointError> {
        let mut config = required(&files, CONFIG).await?;
        let preprocessor = required(&files, PREPROCESSOR).await?;
        let mut parsed = VideoMaeConfig::from_json(&config)?;
        read_preprocessor(&preprocessor)?;
        let told = text(&files, SUMMARY).await?.map(|text| read_summary(&text)).transpose()?;
        let record = text(&files, RECORD).await?.map(|text| read_record(&text)).transpose()?;
        let tensors = TensorFiles::open(&files).await?;
        let labels = match tensors.get("classifier.weight").and_then(|head| head.shape.first().copied()) {
            None => Vec::new(),
            Some(scores) => {
                if parsed.id2label.is_empty() {
                    // transformers leaves out labels that nobody named.
                    parsed.set_labels(&(0..scores).map(|id| format!("LABEL_{id}")).collect::<Vec<_>>());
                    config =
                        serde_json::to_string_pretty(&parsed).map_err(|error| ConfigError::Json(error.to_string()))?;
                }
                let labels = parsed.labels();
                if labels.len() != scores {
                    return Err(CheckpointError::LabelCount { labels: labels.len(), scores });
                }
                labels
            }
        };
        let report = compare(&parsed, &tensors);
        let find = |name: &str| files.iter().find(|(other, _)| other == name).map(|(_, file)| file.clone());
        let training = find(TRAINING_STATE).filter(|_| record.is_some());
        let adapter = find(ADAPTER).filter(|_| record.is_some());
        let card = text(&files, CARD).await?;
        let weights: Vec<NamedFile> = files.into_iter().filter(|(name, _)| holds_weights(name)).collect();
        let expected = names::expected(&parsed);
        let mut summary = CheckpointSummary {
            id: stranger.id.clone(),
            name: tidy_name(&stranger.name).unwrap_or_else(|| "model".to_string()),
            run: stranger.id.clone(),
            created: stranger.created,
            epoch: 0,
            parameters: expected
                .iter()
                .filter(|(name, _)| !labels.is_empty() || !names::is_head(name))
                .map(|(_, shape)| shape.iter().product::<usize>())
                .sum(),
            labels,
            bytes: weights.iter().map(|(_, file)| file.len() as usize).sum(),
            validation: None,
            test: None,
            best: false,
            frames: parsed.num_frames,
            image_size: parsed.image_size.height_width()[0],
            clip_seconds: GUIDE_CLIP_SECONDS,
            origin: stranger.origin.clone(),
            resumable: training.is_some(),
            note: String::new(),
            stands: None,
        };
        if summary.origin.licence.is_none() {
            summary.origin.licence = card.as_deref().and_then(licence_of_card);
        }
        if let Some(told) = told {
            adopt(&mut summary, told);
        }
        Ok((Self { summary, config, preprocessor, weights, record, training, adapter }, report))
    }

    /// All of its files, as a store keeps them.
    pub fn files(&self) -> Result<Vec<NamedFile>, CheckpointError> {
        let text = |name: &str, text: String| (name.to_string(), FileSource::from_bytes(text.into_bytes()));
        let mut files = vec![
            text(CONFIG, self.config.clone()),
            text(PREPROCESSOR, self.preprocessor.clone()),
            text(SUMMARY, summary_json(&self.summary)?),
        ];
        if let Some(record) = &self.record {
            files.push(text(RECORD, record_json(record)?));
        }
        files.extend(self.weights.iter().cloned());
        files.extend(self.training.clone().map(|state| (TRAINING_STATE.to_string(), state)));
        files.extend(self.adapter.clone().map(|adapter| (ADAPTER.to_string(), adapter)));
        Ok(files)
    }

    /// The run that fine-tuned it; none where it was only pre-trained, or made elsewhere.
    pub fn tuned(&self) -> Option<&RunRecord> {
        self.record.as_ref().filter(|record| record.pretraining.is_none())
    }

    /// The index of its weights.
    pub async fn tensors(&self) -> Result<TensorFiles, TensorsError> {
        TensorFiles::open(&self.weights).await
    }

    /// What it takes on disk, in bytes.
    pub fn size(&self) -> u64 {
        let weights: u64 = self.weights.iter().map(|(_, file)| file.len()).sum();
        weights
            + self.training.as_ref().map_or(0, FileSource::len)
            + self.adapter.as_ref().map_or(0, FileSource::len)
            + (self.config.len() + self.preprocessor.len()) as u64
    }
}

/// Whether a file of that name is part of a model.
pub fn belongs_to_a_model(name: &str) -> bool {
    [CONFIG, PREPROCESSOR, CARD, SUMMARY, RECORD, TRAINING_STATE, ADAPTER].contains(&name) || holds_weights(name)
}

/// The Hub's names for weights, whole or in shards, with the shards' index.
fn holds_weights(name: &str) -> bool {
    ![TRAINING_STATE, ADAPTER].contains(&name)
        && (name.ends_with(".safetensors")
            || name.ends_with(".safetensors.index.json")
            || name.starts_with("pytorch_model") && (name.ends_with(".bin") || name.ends_with(".bin.index.json")))
}

/// Takes over what only a `cliptune.json` tells.
fn adopt(summary: &mut CheckpointSummary, told: CheckpointSummary) {
    summary.id = told.id;
    summary.name = tidy_name(&told.name).unwrap_or_else(|| "model".to_string());
    summary.run = told.run;
    summary.created = told.created;
    summary.epoch = told.epoch;
    summary.validation = told.validation;
    summary.test = told.test;
    summary.best = told.best;
    summary.note = tidy_note(&told.note);
    summary.stands = told.stands;
    if told.clip_seconds > 0.0 && told.clip_seconds <= LONGEST_CLIP_SECONDS {
        summary.clip_seconds = told.clip_seconds;
    }
    if told.origin != Origin::default() {
        summary.origin = told.origin;
    }
}

async fn required(files: &[NamedFile], name: &'static str) -> Result<String, CheckpointError> {
    text(files, name).await?.ok_or(CheckpointError::Absent(name))
}

async fn text(files: &[NamedFile], name: &'static str) -> Result<Option<String>, CheckpointError> {
    let Some((_, file)) = files.iter().find(|(other, _)| other == name) else { return Ok(None) };
    if file.len() > LONGEST_TEXT {
        return Err(CheckpointError::NotText(name));
    }
    let bytes = file.read_all().await.map_err(|error| CheckpointError::Unreadable { name, error })?;
    String::from_utf8(bytes).map(Some).map_err(|_| CheckpointError::NotText(name))
}

/// Reads `run.json`.
pub fn read_record(text: &str) -> Result<RunRecord, CheckpointError> {
    #[derive(serde::Deserialize)]
    struct Format {
        format: u32,
    }
    let wrong = |error: serde_json::Error| CheckpointError::Record(error.to_string());
    // The format first: a newer record need not be one that this program can read.
    let Format { format } = serde_json::from_str(text).map_err(wrong)?;
    if format != record::FORMAT {
        return Err(CheckpointError::Newer { name: RECORD, format });
    }
    serde_json::from_str(text).map_err(wrong)
}

/// `run.json`.
pub fn record_json(record: &RunRecord) -> Result<String, CheckpointError> {
    serde_json::to_string(record).map_err(|error| CheckpointError::Record(error.to_string()))
}

/// The licence in a model card's front matter: `license: cc-by-nc-4.0` between the first two lines of `---`.
fn licence_of_card(card: &str) -> Option<String> {
    let mut lines = card.lines();
    if lines.next()?.trim_end() != "---" {
        return None;
    }
    let front = lines.take_while(|line| line.trim_end() != "---");
    let value = front.filter_map(|line| line.strip_prefix("license:")).next()?;
    let value = value.trim().trim_matches(['"', '\'']);
    tidy_name(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_licence_is_read_from_the_front_matter_only() {
        assert_eq!(
            licence_of_card("---\ntags:\n- video\nlicense: \"cc-by-nc-4.0\"\n---\n# A").as_deref(),
            Some("cc-by-nc-4.0")
        );
        assert_eq!(licence_of_card("# A\nlicense: mit\n"), None);
        assert_eq!(licence_of_card("---\ntags: []\n---\nlicense: mit\n"), None);
        assert_eq!(licence_of_card("---\nlicense:\n---\n"), None);
    }

    #[test]
    fn only_a_models_own_files_are_taken() {
        for name in
            ["config.json", "model-00001-of-00003.safetensors", "pytorch_model.bin", "pytorch_model.bin.index.json"]
        {
            assert!(belongs_to_a_model(name), "{name}");
        }
        for name in ["training_args.bin", "optimizer.pt", "flax_model.msgpack", "merges.txt", "adapter_config.json"] {
            assert!(!belongs_to_a_model(name), "{name}");
        }
        assert!(belongs_to_a_model(ADAPTER) && !holds_weights(ADAPTER));
    }
}
