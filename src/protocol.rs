//! What the page and the engine say to each other: requests one way, a stream of reports the other.
//!
//! Comes in and goes out: serde values only. File handles and blobs travel beside a message, in an array, in the
//! order that the message's documentation gives. A job is started by a request, reports under the request's number,
//! and ends in exactly one of [`Event::Done`], [`Event::Cancelled`] and [`Event::Failed`].
//! Never holds a tensor, and never depends on a browser type.

pub mod pictures;
mod run;

use serde::{Deserialize, Serialize};

use crate::dataset::labelling::Labelling;
use crate::dataset::{Catalogue, Split, Unusable};
use crate::evaluation::Views;
use crate::train::pretraining::settings::PretrainSettings;
use crate::train::settings::{GradientCheckpointing, StartFrom, Strategy, TuneSettings};

pub use pictures::{ClipPicture, Picture};
pub use run::*;

/// Numbers a job; chosen by the page, one up for each request.
pub type JobId = u32;

/// One message from the page to the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub job: JobId,
    pub command: Command,
}

/// One message from the engine to the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub job: JobId,
    pub event: Event,
}

/// Where the model runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// The GPU where there is a real one, else the CPU: software WebGPU adapters are slower than the CPU backend.
    #[default]
    Auto,
    Gpu,
    Cpu,
}

/// Ends a path among others: no file's name has it.
pub const PATH_END: char = '\0';

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// The first request: choose a device. Answer: [`Event::Ready`].
    Start { device: DeviceChoice },
    /// List, label and split a folder by its paths (relative, `/` between parts; [`PATH_END`] after each, because making
    /// thousands of small texts holds up a page longer than one large one). Beside the message travel the `File`s
    /// that [`crate::dataset::list::candidates`] names. Answers: [`Event::Imported`] at once, a [`Event::Thumbnail`] for
    /// each class, and, while every file is looked into, [`Event::Checking`] and an [`Event::Imported`] for what was found.
    Import { paths: String, labelling: Labelling },
    /// Some of the `File`s of that import beside the message, from its `from`th path on, `null` for one that is gone. A
    /// browser takes so long to hand files over that all of a large folder's at once would hold up the page: the next
    /// follow when the engine has these.
    HandOver { from: usize },
    /// Other labels or splits for the imported folder. Answers: [`Event::Imported`], [`Event::Thumbnail`]s.
    Label { labelling: Labelling },
    /// Decode the imported folder's videos to disk before a run with these settings asks for them, keeping at most `disk`
    /// bytes there. Another import ends it. Answers: [`Event::DecodedAhead`]s.
    DecodeAhead { settings: TuneSettings, disk: u64 },
    /// A training clip as the model will see it, of the `round`-th video of a class, those to train on first. The seed
    /// decides all that is random. Answer: [`Event::Preview`].
    Preview { class: String, round: usize, settings: TuneSettings, seed: u64 },
    /// Fine-tune on the imported folder, keeping at most `disk` bytes of decoded clips on disk until the page is closed.
    /// Answers: a stream of [`TuneEvent`]s.
    Tune { settings: TuneSettings, disk: u64 },
    /// Pre-train on the imported folder's videos, labelled or not. Answers: [`TuneEvent`]s without accuracies, and an
    /// [`Event::Reconstructed`] now and then. Paused, stopped and cancelled as `Tune` is.
    Pretrain { settings: PretrainSettings, disk: u64 },
    /// Goes on with the run of a checkpoint where it stood, on the same imported folder. Answers: as for `Tune`.
    Resume { checkpoint: String, disk: u64 },
    /// Holds the fine-tuning job `job` after its current step, or lets it go on.
    PauseTuning { job: JobId, paused: bool },
    /// Ends the fine-tuning job `job` after its current step; what was learnt is kept as a checkpoint.
    StopTuning { job: JobId },
    /// Ends any job at its next await, keeping nothing.
    Cancel { job: JobId },
    /// Answer: [`Event::Checkpoints`], newest first.
    ListCheckpoints,
    /// Answer: [`Event::Checkpoints`].
    RenameCheckpoint { id: String, name: String },
    /// Answer: [`Event::Checkpoints`].
    DeleteCheckpoint { id: String },
    /// One zip in the Hub's layout, its weights in `numbers`. Answer: [`Event::Exported`], the `Blob` beside the message.
    ExportCheckpoint { id: String, numbers: Numbers },
    /// One model from disk: a zip, or the files of a folder, whose `File` handles travel beside the message, one for
    /// each path. Answers: [`Event::Added`], [`Event::Checkpoints`].
    ImportCheckpoint { paths: Vec<String> },
    /// A model of the Hub: `owner/name`, `owner/name@revision` or its page's address. What was fetched before a cut is
    /// not fetched again. Answers: [`Event::Transferring`]s, [`Event::Added`], [`Event::Checkpoints`].
    Download { model: String, hub: Hub },
    /// Puts an export into a repository of the Hub's, `owner/name`, which is made where there is none.
    /// Answers: [`Event::Transferring`]s, [`Event::Pushed`].
    Push { id: String, numbers: Numbers, repository: String, private: bool, hub: Hub },
    /// The settings as a file. Answer: [`Event::Exported`], the `Blob` beside the message.
    WriteSettings { settings: TuneSettings },
    /// These settings with those of a file, whose `File` travels beside the message. Answer: [`Event::Settings`].
    ReadSettings { settings: TuneSettings },
    /// Whether a model of this configuration and its training fit on this device. Answer: [`Event::Fit`].
    AskFit { start: StartFrom, step: StepLoad },
    /// The runs that left checkpoints here. Answer: [`Event::Runs`], with the newest ones over one another.
    ListRuns,
    /// Curves, results and settings of these runs over one another. Answer: [`Event::Compared`].
    CompareRuns { runs: Vec<String>, along: Along },
    /// What the user writes about a run. No answer but its end.
    NoteRun { run: String, note: String },
    /// What a run logged or ran with. Answer: [`Event::Exported`], the `Blob` beside the message.
    ExportRun { run: String, file: RunFile },
    /// What a run ran with. Answer: [`Event::Settings`].
    RunSettings { run: String },
    /// How long a run with these settings will take on the imported folder, measured by a few steps of it where that was
    /// not done before. Answer: [`Event::Estimated`], or only the end where the CPU would take too long to tell.
    AskTime { settings: TuneSettings },
    /// What a model is worth on splits of the imported folder. Answers: [`Event::Looked`]s, [`Event::Evaluated`].
    Evaluate { checkpoint: String, splits: Vec<Split>, views: Views },
    /// A few clips of the last evaluation; `clips` is what a button carries as `data-clips`. Answers: [`Event::Clips`], and
    /// an [`Event::Clip`] for each.
    ShowClips { clips: String },
    /// The last evaluation's report as a file. Answer: [`Event::Exported`], the `Blob` beside the message.
    ExportReport,
    /// Classify files, whose `File` handles travel beside the message, one for each name; they are numbered from `first`
    /// on. Answers: an [`Event::Classified`] or [`Event::Unusable`] for each file, in order.
    Classify { checkpoint: String, names: Vec<String>, first: usize, top: usize },
    /// What the answer for a classified file rested on, by the file's number. Answer: [`Event::Preview`].
    ShowAttention { file: usize },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Ready(DeviceReport),
    /// How many of the files have been looked into.
    Checking {
        done: usize,
        total: usize,
    },
    /// As far as a page can show it.
    Imported(Box<Catalogue>),
    Thumbnail {
        class: String,
        picture: Picture,
    },
    /// How many of the videos that a run asks for were decoded.
    DecodedAhead {
        done: usize,
        total: usize,
        disk: DecodedOnDisk,
    },
    /// With the video's path.
    Preview {
        clip: ClipPicture,
        path: String,
    },
    Tune(TuneEvent),
    /// A clip's frames as they are, as the encoder sees them, and as the model fills them in: three rows of one picture.
    Reconstructed(Picture),
    Checkpoints(Vec<CheckpointSummary>),
    Exported {
        file_name: String,
    },
    /// Bytes fetched or sent so far, over all files; `file` is the one at hand.
    Transferring {
        file: String,
        done: u64,
        total: u64,
    },
    /// A model is on this device now, and what of it fitted.
    Added {
        checkpoint: Box<CheckpointSummary>,
        report: LoadReport,
    },
    /// Where the pushed model can be seen.
    Pushed {
        address: String,
    },
    Settings(Box<TuneSettings>),
    /// All runs, as HTML, the ids of those that are compared, and their comparison, as HTML.
    Runs {
        list: String,
        compared: Vec<String>,
        comparison: String,
    },
    /// As HTML.
    Compared(String),
    Fit(Fit),
    Estimated(Estimate),
    /// How many views of videos the model has seen.
    Looked {
        done: usize,
        total: usize,
    },
    /// HTML for a shadow root.
    Evaluated {
        report: String,
    },
    /// What the clips have in common, and, as HTML, each with a canvas for its picture.
    Clips {
        title: String,
        list: String,
    },
    /// The middle of a video as the model sees it, or why it cannot be shown; `canvas` is the id of its place.
    Clip {
        canvas: String,
        clip: Result<ClipPicture, String>,
    },
    Classified(Classification),
    Unusable(Unusable),
    Done,
    Cancelled,
    /// A sentence: what happened, to which file, what to do.
    Failed(String),
}

/// How an export writes its weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Numbers {
    #[default]
    F32,
    F16,
}

/// What the curves of several runs are drawn along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Along {
    #[default]
    Epochs,
    Steps,
}

/// A file about a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunFile {
    /// A row for each step.
    Steps,
    /// A row for each epoch.
    Epochs,
    /// TensorBoard's event file.
    Events,
    /// The settings, which fine-tuning reads back.
    Settings,
}

/// Which Hub, and as whom.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Hub {
    /// The address of the Hub or of a mirror, without a `/` at its end.
    pub endpoint: String,
    /// The user's token. Never stored, never logged.
    pub token: Option<String>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Hub").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// What did not fit when weights were read, by Hugging Face name and shape.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadReport {
    /// In the model, not in the file.
    pub missing: Vec<(String, Vec<usize>)>,
    /// In the file, not in the model.
    pub surplus: Vec<(String, Vec<usize>)>,
    /// In both with different shapes: the model's, the file's.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl LoadReport {
    /// Whether every weight of the model came from the file.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.misshapen.is_empty()
    }
}

/// What of the settings decides how much memory a training step of a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepLoad {
    /// Clips a forward pass.
    pub batch: usize,
    pub checkpointing: GradientCheckpointing,
    pub strategy: Strategy,
    /// The layers' products in 16 bits.
    pub fp16: bool,
}

impl StepLoad {
    pub fn of(settings: &TuneSettings) -> Self {
        let TuneSettings { batch, strategy, optimization, .. } = *settings;
        Self { batch, checkpointing: optimization.gradient_checkpointing, strategy, fp16: optimization.fp16 }
    }

    /// The least that training all of a model asks for.
    pub const LEAST: Self =
        Self { batch: 1, checkpointing: GradientCheckpointing::Auto, strategy: Strategy::NoFreeze, fp16: false };
}

/// Whether a model fits on a device, estimated from its configuration and the device's limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    pub parameters: usize,
    /// Bytes that classifying one clip takes, about.
    pub inference_bytes: u64,
    /// Bytes that a training step takes, about.
    pub training_bytes: u64,
    /// Whether it computes each layer twice, so that it takes no more.
    pub recomputes: bool,
    /// Why it will not fit, and what to do; a sentence.
    pub refusal: Option<String>,
}

/// How long a run will take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub seconds: f64,
    /// The same with what else was measured, in sentences.
    pub words: String,
}

/// The source of a model that started from nothing.
pub const RANDOM_WEIGHTS: &str = "random weights";

/// Where a model's weights come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Where from, for people: `MCG-NJU/videomae-base` on the Hub, a file's name, "random weights", "starter".
    pub source: String,
    /// The Hub's commit.
    pub revision: Option<String>,
    /// As the model card's front matter writes it, such as `cc-by-nc-4.0`. It goes with everything that is made from the model.
    pub licence: Option<String>,
}

/// The device that the engine chose, in words for the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// `gpu` or `cpu`.
    pub device: DeviceChoice,
    /// The adapter's own description, or "CPU".
    pub name: String,
    /// Why the CPU is used, where it is; a sentence.
    pub notice: Option<String>,
    /// Whether it is a GPU that computes with 16 bits.
    pub half: bool,
}

/// What the model makes of one file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    pub file: String,
    /// Best first.
    pub predictions: Vec<Prediction>,
    /// How many clips of the file were looked at; their probabilities are averaged.
    pub views: usize,
    /// The file's share of the time that its job took.
    pub milliseconds: f64,
    /// The first view, as the model saw it.
    pub picture: ClipPicture,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    pub label: String,
    /// Probability, 0 to 1.
    pub score: f32,
}
