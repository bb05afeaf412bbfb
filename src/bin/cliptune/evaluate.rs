//! `cliptune evaluate` and `cliptune metrics`: what a model is worth, and what its run logged, as files.
//!
//! Comes in: paths. Goes out: JSON on standard output, and the files that were asked for. Computes nothing itself.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use clap::{Args, ValueEnum};
use cliptune::dataset::Split;
use cliptune::engine::evaluation::{Asked, EvaluateError, evaluate as evaluate_splits};
use cliptune::evaluation::{EvaluationEvent, Views};
use cliptune::export::{events, metrics, report};
use cliptune::model::config::VideoMaeConfig;

use super::labelling::LabellingOptions;
use super::{Failure, failed, import, open_model, print, unusable};

#[derive(Args)]
pub struct Evaluate {
    /// A checkpoint's folder, a Hub model's, or a zip.
    model: PathBuf,
    folder: PathBuf,
    /// Which splits, separated by commas; without it, validation and test where the folder has them.
    #[arg(long, value_enum, value_delimiter = ',')]
    splits: Vec<SplitName>,
    /// How often to look at each video: single, kinetics (5 clips, 3 crops) or something-something (2 clips, 3 crops).
    #[arg(long, value_parser = views, default_value = "single")]
    views: Views,
    /// Clips a forward pass.
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Write a report that prints, as one HTML file.
    #[arg(long)]
    report: Option<PathBuf>,
    #[command(flatten)]
    labelling: LabellingOptions,
}

#[derive(Clone, Copy, ValueEnum)]
enum SplitName {
    Train,
    Validation,
    Test,
}

impl From<SplitName> for Split {
    fn from(name: SplitName) -> Self {
        match name {
            SplitName::Train => Self::Train,
            SplitName::Validation => Self::Validation,
            SplitName::Test => Self::Test,
        }
    }
}

fn views(name: &str) -> Result<Views, String> {
    let known = Views::ALL.into_iter().find(|(known, _)| *known == name);
    known
        .map(|(_, views)| views)
        .ok_or_else(|| format!("choose one of {}", Views::ALL.map(|(name, _)| name).join(", ")))
}

pub async fn evaluate(options: &Evaluate, device: &Device) -> Result<(), Failure> {
    let (checkpoint, _) = open_model(&options.model).await?;
    let folder = import(&options.folder, &options.labelling).await?;
    let mut splits: Vec<Split> = options.splits.iter().map(|name| Split::from(*name)).collect();
    if splits.is_empty() {
        splits = vec![Split::Validation, Split::Test];
        splits.retain(|split| !folder.catalogue.of_split(*split).is_empty());
    }
    if splits.is_empty() {
        return Err(unusable(EvaluateError::Empty("validation")));
    }
    let asked = Asked {
        checkpoint: &checkpoint,
        folder: &folder,
        splits: &splits,
        views: options.views,
        batch: options.batch,
        device,
        replicas: None,
    };
    let mut tenths = 0;
    let evaluated = evaluate_splits(asked, |event| match event {
        EvaluationEvent::Progress { done, total } if done * 10 / total.max(1) > tenths => {
            tenths = done * 10 / total.max(1);
            eprintln!("{done} of {total} views");
        }
        EvaluationEvent::Progress { .. } => {}
        EvaluationEvent::LeftOut(unusable) => eprintln!("left out {}: {}", unusable.path, unusable.reason),
        EvaluationEvent::Warning(sentence) => eprintln!("{sentence}"),
    });
    let evaluated = evaluated.await.map_err(|error| match error {
        EvaluateError::Device(_) => failed(error),
        error => unusable(error),
    })?;
    if let Some(path) = &options.report {
        let config = VideoMaeConfig::from_json(&checkpoint.config).map_err(unusable)?;
        write(path, report::html(&checkpoint, &config, &evaluated).as_bytes())?;
    }
    print(&evaluated)
}

/// Writes steps.csv, epochs.csv and a TensorBoard event file of the run that made a model into a folder.
pub async fn write_metrics(model: &Path, out: &Path) -> Result<(), Failure> {
    let (checkpoint, _) = open_model(model).await?;
    let without = || format!("{} was not tuned here: it has no run.json to take figures from.", model.display());
    let record = checkpoint.record.as_ref().ok_or_else(|| unusable(without()))?;
    std::fs::create_dir_all(out).map_err(|error| failed(format!("{} cannot be made: {error}.", out.display())))?;
    let kept = checkpoint.summary.created / 1e3;
    write(&out.join("steps.csv"), metrics::steps_csv(record).as_bytes())?;
    write(&out.join("epochs.csv"), metrics::epochs_csv(record).as_bytes())?;
    write(&out.join(events::file_name(kept)), &events::events(record, kept))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes).map_err(|error| failed(format!("{} cannot be written: {error}.", path.display())))
}
