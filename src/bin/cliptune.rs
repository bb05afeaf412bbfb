//! The engine's native twin: the same jobs over the same code, for scripts, benches and machines without a screen.
//!
//! Progress goes to standard error, results as JSON to standard output. Exit codes: 0 done, 1 the job failed,
//! 2 wrong arguments, 3 the data or the model given cannot be used.

#[path = "cliptune/evaluate.rs"]
mod evaluate;
#[path = "cliptune/labelling.rs"]
mod labelling;
#[path = "cliptune/pretrain.rs"]
mod pretrain;
#[path = "cliptune/tune.rs"]
mod tune;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use burn::tensor::{Device, Tensor, TensorData};
use clap::{Parser, Subcommand, ValueEnum};
use cliptune::engine::classification::Classifying;
use cliptune::engine::fit::Limits;
use cliptune::engine::folder::Folder;
use cliptune::engine::loaded::LoadedModel;
use cliptune::engine::tuning::{JobError, Workplace};
use cliptune::engine::{clock, device, models, tuning};
use cliptune::files::FileSource;
use cliptune::model::config::ModelSize;
use cliptune::protocol::{
    Classification, DeviceChoice, LoadReport, Numbers, Origin, StepEvaluation, TuneEvent, USUAL_DISK,
};
use cliptune::storage::checkpoint::Stranger;
use cliptune::storage::directory::{DirectoryStore, read_model_folder};
use cliptune::storage::{Checkpoint, CheckpointStore};
use cliptune::video::clip::ClipLoader;
use cliptune::video::kept::KeptClips;
use cliptune::video::views::TestViews;
use cliptune::video::{VideoError, VideoSource};
use labelling::LabellingOptions;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

#[derive(Parser)]
#[command(version, about = "Fine-tunes VideoMAE on a folder of videos and classifies clips with it.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Where to compute.
    #[arg(long, global = true, value_enum, default_value_t = OnDevice::Cpu)]
    device: OnDevice,
}

#[derive(Clone, Copy, ValueEnum)]
enum OnDevice {
    Cpu,
    Gpu,
}

#[derive(Subcommand)]
enum Command {
    /// What a folder holds: classes, splits, and every file that cannot be used, with the reason.
    Inspect {
        folder: PathBuf,
        #[command(flatten)]
        labelling: LabellingOptions,
    },
    /// Fine-tune on a folder; checkpoints land in DIR.
    Tune(Box<tune::Tune>),
    /// Learn from videos without labels (VideoMAE's masked reconstruction); gives a checkpoint for `tune --from`.
    Pretrain(Box<pretrain::Pretrain>),
    /// Go on with a run that was stopped or cut off, on the same folder.
    Resume {
        folder: PathBuf,
        /// Where the run's checkpoints are.
        #[arg(long)]
        out: PathBuf,
        /// The checkpoint's id in --out; without it, the newest whose run can go on.
        #[arg(long)]
        from: Option<String>,
        #[command(flatten)]
        labelling: LabellingOptions,
    },
    /// Bring a model into DIR: a Hub model's folder, or a zip. Prints what of it fits.
    Import {
        model: PathBuf,
        #[arg(long)]
        out: PathBuf,
    },
    /// Classify clips with a checkpoint: a folder or an exported zip.
    Classify {
        model: PathBuf,
        #[arg(required = true)]
        clips: Vec<PathBuf>,
        /// How many labels to print.
        #[arg(long, default_value_t = 5)]
        top: usize,
        /// How to look at a clip: spread, guide, dense, constant, kinetics, something-something, pipeline or pipeline-4.
        #[arg(long, value_parser = views, default_value = "spread")]
        views: TestViews,
    },
    /// How good a checkpoint is on splits of a folder: scores, confusions, calibration, the clips to look at.
    Evaluate(Box<evaluate::Evaluate>),
    /// What the run that made a checkpoint logged: steps.csv, epochs.csv and a TensorBoard event file, into DIR.
    Metrics {
        model: PathBuf,
        #[arg(long)]
        out: PathBuf,
    },
    /// Write a model as one zip in Hugging Face's layout; MODEL is a checkpoint's folder, a Hub model's, or a zip.
    Export {
        model: PathBuf,
        output: PathBuf,
        /// Weights as 16-bit floats.
        #[arg(long)]
        half: bool,
    },
    /// Logits of `pixel_values` [B, T, C, H, W] (f32, safetensors), written as `logits` [B, K].
    Logits { model: PathBuf, input: PathBuf, output: PathBuf },
}

fn size(name: &str) -> Result<ModelSize, String> {
    ModelSize::from_name(name).ok_or_else(|| "choose micro, tiny, small or base".into())
}

fn views(name: &str) -> Result<TestViews, String> {
    let known = TestViews::ALL.into_iter().find(|(known, _)| *known == name);
    known
        .map(|(_, views)| views)
        .ok_or_else(|| format!("choose one of {}", TestViews::ALL.map(|(name, _)| name).join(", ")))
}

/// Why a command ended: its exit code and a sentence.
struct Failure {
    code: u8,
    sentence: String,
}

/// The job could not be done.
fn failed(error: impl std::fmt::Display) -> Failure {
    Failure { code: 1, sentence: error.to_string() }
}

/// What was given cannot be used.
fn unusable(error: impl std::fmt::Display) -> Failure {
    Failure { code: 3, sentence: error.to_string() }
}

fn main() -> ExitCode {
    match futures_executor::block_on(run(Arguments::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.sentence);
            ExitCode::from(failure.code)
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let choice = match arguments.device {
        OnDevice::Cpu => DeviceChoice::Cpu,
        OnDevice::Gpu => DeviceChoice::Gpu,
    };
    let device = async || {
        let (device, report, _) = device::choose(choice).await.map_err(failed)?;
        eprintln!("Computing on {}.", report.name);
        Ok(device)
    };
    match arguments.command {
        Command::Inspect { folder, labelling } => print(&import(&folder, &labelling).await?.catalogue),
        Command::Tune(options) => tune::tune(&options, &device().await?).await,
        Command::Pretrain(options) => pretrain::pretrain(&options, &device().await?).await,
        Command::Resume { folder, out, from, labelling } => {
            resume(&folder, &labelling, &out, from, &device().await?).await
        }
        Command::Import { model, out } => import_model(&model, &out).await,
        Command::Evaluate(options) => evaluate::evaluate(&options, &device().await?).await,
        Command::Metrics { model, out } => evaluate::write_metrics(&model, &out).await,
        Command::Export { model, output, half } => export(&model, &output, half).await,
        Command::Classify { model, clips, top, views } => {
            classify_clips(&model, &clips, views, top, &device().await?).await
        }
        Command::Logits { model, input, output } => logits(&model, &input, &output, &device().await?).await,
    }
}

/// Results are JSON on standard output.
fn print(value: &impl serde::Serialize) -> Result<(), Failure> {
    use std::io::Write;
    let text = serde_json::to_string_pretty(value).map_err(failed)?;
    // Whoever reads may close the pipe; that is an error to tell, not to panic at.
    writeln!(std::io::stdout(), "{text}").map_err(failed)
}

async fn import(folder: &Path, labelling: &LabellingOptions) -> Result<Folder, Failure> {
    let mut files = Vec::new();
    list(folder, "", &mut files).map_err(|error| unusable(format!("{} cannot be read: {error}.", folder.display())))?;
    eprintln!("Looking at {} files in {}.", files.len(), folder.display());
    Ok(Folder::import(files, &labelling.labelling()).await)
}

/// Every file below `folder`, with its path relative to the top, `/` between parts, in name order.
fn list(folder: &Path, prefix: &str, files: &mut Vec<(String, VideoSource)>) -> std::io::Result<()> {
    let mut entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let relative = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &format!("{relative}/"), files)?;
        } else {
            files.push((relative.clone(), VideoSource::new(relative, entry.path())));
        }
    }
    Ok(())
}

async fn resume(
    folder: &Path,
    labelling: &LabellingOptions,
    out: &Path,
    from: Option<String>,
    device: &Device,
) -> Result<(), Failure> {
    let store = DirectoryStore::open(out).map_err(failed)?;
    let newest = store.list().await.map_err(failed)?.into_iter().find(|summary| summary.resumable);
    let none = || unusable(format!("No run in {} can go on: each is complete.", out.display()));
    let from = from.or(newest.map(|summary| summary.id)).ok_or_else(none)?;
    let folder = import(folder, labelling).await?;
    let kept_clips = Rc::new(KeptClips::new(USUAL_DISK));
    let best =
        tuning::resume(&from, workplace(&folder, &store, device, &kept_clips), tell).await.map_err(
            |error| match error {
                JobError::OtherData(_) | JobError::NotResumable(_) => unusable(error),
                error => failed(error),
            },
        )?;
    print_best(&store, &best).await
}

/// A terminal stops a run by ending the program.
fn workplace<'a>(
    folder: &'a Folder,
    store: &'a DirectoryStore,
    device: &'a Device,
    kept_clips: &'a Rc<KeptClips>,
) -> Workplace<'a, DirectoryStore> {
    Workplace { folder, store, device, limits: Limits::None, kept_clips, replicas: None, brake: Rc::default() }
}

async fn print_best(store: &DirectoryStore, id: &str) -> Result<(), Failure> {
    print(&store.list().await.map_err(failed)?.into_iter().find(|summary| summary.id == id))
}

/// Progress, a line at a time.
fn tell(event: TuneEvent) {
    match event {
        TuneEvent::Started { total_steps, parameters, trained, .. } => {
            eprintln!("{total_steps} steps, {trained} of {parameters} parameters are trained.");
        }
        TuneEvent::Step(step) if step.step % 10 == 0 => eprintln!(
            "step {}: loss {:.4}, {:.1} clips/s ({:.1} ms a clip computing, {:.1} waiting for decoding), {:.0} s left",
            step.step,
            step.loss,
            step.clips_per_second,
            1e3 * step.computing_per_clip,
            1e3 * step.waiting_per_clip,
            step.seconds_left.unwrap_or(0.0)
        ),
        TuneEvent::Epoch(epoch) => {
            let validation = epoch.validation.map_or_else(String::new, |validation| {
                format!(", validation {:.1} % (loss {:.4})", 100.0 * validation.accuracy, validation.loss)
            });
            eprintln!(
                "epoch {}: loss {:.4}, training {:.1} %{validation}",
                epoch.epoch,
                epoch.train_loss,
                100.0 * epoch.train_accuracy
            );
        }
        TuneEvent::Evaluated(StepEvaluation { step, evaluation }) => {
            eprintln!("step {step}: validation {:.1} % (loss {:.4})", 100.0 * evaluation.accuracy, evaluation.loss);
        }
        TuneEvent::Tested(test) => {
            eprintln!("test: {:.1} % of {} videos (loss {:.4})", 100.0 * test.accuracy, test.videos, test.loss);
        }
        TuneEvent::FeaturesKept { views, seconds } => {
            eprintln!(
                "{views} views of clips are kept as the frozen part sees them: the epoch took {seconds:.1} s less."
            );
        }
        TuneEvent::Warning(sentence) => eprintln!("{sentence}"),
        TuneEvent::LeftOut(unusable) => eprintln!("left out {}: {}", unusable.path, unusable.reason),
        TuneEvent::Step(_) | TuneEvent::Saved(_) | TuneEvent::DecodedOnDisk(_) | TuneEvent::GpuMemory(_) => {}
    }
}

/// A model from its folder or a zip, and what of it fits.
async fn open_model(path: &Path) -> Result<(Checkpoint, LoadReport), Failure> {
    let wrong = |error: &dyn std::fmt::Display| unusable(format!("{}: {error}", path.display()));
    if path.is_dir() {
        return read_model_folder(path).await.map_err(unusable);
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let file = FileSource::open(path).map_err(|error| wrong(&error))?;
    let files = models::model_files(vec![(name.clone(), file)]).map_err(|error| wrong(&error))?;
    let stranger = Stranger { id: "model".into(), name, created: 0.0, origin: Origin::default() };
    models::open(files, &stranger).await.map_err(|error| wrong(&error))
}

async fn open(path: &Path, device: &Device) -> Result<LoadedModel, Failure> {
    let (checkpoint, _) = open_model(path).await?;
    LoadedModel::open(&checkpoint, device).await.map_err(unusable)
}

async fn import_model(model: &Path, out: &Path) -> Result<(), Failure> {
    let (mut checkpoint, report) = open_model(model).await?;
    models::check(&checkpoint, &report).await.map_err(unusable)?;
    let store = DirectoryStore::open(out).map_err(failed)?;
    let id = format!("model-{:.0}", clock::seconds() * 1e3);
    checkpoint.summary.run = id.clone();
    checkpoint.summary.id = id;
    let saved = store.save(&checkpoint).await.map_err(failed)?;
    print(&serde_json::json!({ "checkpoint": saved, "report": report }))
}

async fn export(model: &Path, output: &Path, half: bool) -> Result<(), Failure> {
    let (checkpoint, _) = open_model(model).await?;
    let numbers = if half { Numbers::F16 } else { Numbers::F32 };
    let (_, zip) = models::zip(&checkpoint, numbers).await.map_err(failed)?;
    let wrong = |error: std::io::Error| failed(format!("{} cannot be written: {error}.", output.display()));
    let mut file = std::fs::File::create(output).map_err(wrong)?;
    std::io::copy(&mut zip.reader(), &mut file).map(|_| ()).map_err(wrong)
}

async fn classify_clips(
    model: &Path,
    clips: &[PathBuf],
    views: TestViews,
    top: usize,
    device: &Device,
) -> Result<(), Failure> {
    #[derive(serde::Serialize)]
    #[serde(untagged)]
    enum Line {
        Classified { file: PathBuf, predictions: Vec<cliptune::protocol::Prediction>, views: usize, milliseconds: f64 },
        Unusable { file: PathBuf, reason: String },
    }
    let loaded = open(model, device).await?;
    let loader = ClipLoader::new(loaded.shape, loaded.clip_seconds);
    let video = |clip: &PathBuf| VideoSource::new(clip.display().to_string(), clip.clone());
    let videos: Vec<_> = clips.iter().map(video).collect();
    let classifying =
        Classifying { loaded: &loaded, loader: &loader, videos: &videos, views, top, device, parallel: None };
    let mut lines = Vec::with_capacity(clips.len());
    let mut files = clips.iter();
    let line = |_: &VideoSource, answer| {
        let Some(file) = files.next().cloned() else { return };
        lines.push(match answer {
            Ok(Classification { predictions, views, milliseconds, .. }) => {
                Line::Classified { file, predictions, views, milliseconds }
            }
            Err(error) => Line::Unusable { file, reason: VideoError::to_string(&error) },
        });
    };
    classifying.run(line).await.map_err(failed)?;
    print(&lines)?;
    if lines.iter().all(|line| matches!(line, Line::Unusable { .. })) {
        return Err(unusable("None of the clips could be classified."));
    }
    Ok(())
}

async fn logits(model: &Path, input: &Path, output: &Path, device: &Device) -> Result<(), Failure> {
    let loaded = open(model, device).await?;
    let bytes =
        std::fs::read(input).map_err(|error| unusable(format!("{} cannot be read: {error}.", input.display())))?;
    let wrong = |reason: String| unusable(format!("{} cannot be used: {reason}.", input.display()));
    let file = SafeTensors::deserialize(&bytes).map_err(|error| wrong(error.to_string()))?;
    let view = file.tensor("pixel_values").map_err(|error| wrong(error.to_string()))?;
    let shape = &loaded.shape;
    let expected = [shape.frames, 3, shape.height, shape.width];
    if view.dtype() != Dtype::F32 || view.shape().len() != 5 || view.shape()[1..] != expected {
        return Err(wrong(format!(
            "pixel_values is {:?} {:?}, but this model takes F32 [B, {}, 3, {}, {}]",
            view.dtype(),
            view.shape(),
            shape.frames,
            shape.height,
            shape.width
        )));
    }
    let values: Vec<f32> = view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let pixels = Tensor::from_data(TensorData::new(values, view.shape().to_vec()), device);
    let logits = loaded.model.forward(pixels);
    let dims = logits.dims().to_vec();
    let data = logits.into_data_async().await.map_err(failed)?;
    let view = TensorView::new(Dtype::F32, dims, data.as_bytes()).map_err(failed)?;
    let bytes = safetensors::serialize([("logits", view)], None).map_err(failed)?;
    std::fs::write(output, bytes).map_err(|error| failed(format!("{} cannot be written: {error}.", output.display())))
}
