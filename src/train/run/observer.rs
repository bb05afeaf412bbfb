//! What a run tells whoever watches it, and what it takes to go on with one.
//!
//! Comes in: a run's events and moments. Goes out: checkpoints, and whether it goes on. Computes nothing.

use crate::model::classifier::VideoMae;
use crate::model::weights::WeightsError;
use crate::protocol::{Evaluation, TuneEvent};
use crate::train::optimizer::AdamW;
use crate::train::record::{Outcomes, Progress};

/// Why a run ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    #[error("The device failed while computing: {0}. Reload the page, or choose the CPU, and start again.")]
    Device(String),
    #[error(
        "The loss is no longer a number at step {step}. Choose a smaller learning rate and start again; \
         the checkpoints up to here are kept."
    )]
    Diverged { step: usize },
    #[error("None of the training videos could be decoded, so there is nothing to learn from.")]
    NothingDecoded,
    #[error("{0}")]
    Weights(#[from] WeightsError),
    #[error("{0}")]
    Storage(String),
}

/// Why a run is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// An epoch is complete, and was evaluated where it was time for that.
    Epoch { evaluated: bool },
    /// The user stopped the run in the middle of an epoch.
    Stop,
    /// An evaluation in the middle of an epoch.
    Evaluation,
    /// So many steps were done since, and they are not to be lost: it was not evaluated.
    Steps,
}

impl Occasion {
    /// Whether it had an evaluation that the settings ask for: those count for the run's patience.
    pub fn counts(self) -> bool {
        matches!(self, Self::Epoch { evaluated: true } | Self::Evaluation)
    }
}

/// A run at a moment worth keeping.
pub struct Moment<'a> {
    /// Without autodiff.
    pub model: &'a VideoMae,
    pub optimizer: &'a AdamW,
    pub progress: Progress,
    pub validation: Option<Outcomes>,
    pub occasion: Occasion,
    /// Whether it is the best so far.
    pub improved: bool,
    /// Whether steps are left to be done, or the test.
    pub unfinished: bool,
}

/// Who watches a run: tells the page, keeps checkpoints, and knows the time.
pub trait Observer {
    fn event(&mut self, event: TuneEvent);
    fn checkpoint(&mut self, moment: Moment<'_>) -> impl Future<Output = Result<(), TuneError>>;
    /// The run is over: the best model on the test split, where there is one.
    fn ended(&mut self, test: Option<Outcomes>) -> impl Future<Output = Result<(), TuneError>>;
    /// Whether the user asked to stop and keep what was learnt.
    fn should_stop(&self) -> bool;
    /// Lets others on this thread run, and waits as long as the user holds the run.
    fn breathe(&self) -> impl Future<Output = ()>;
    /// Seconds since some fixed moment.
    fn now(&self) -> f64;
}

/// Where a run goes on that was begun before.
pub struct Resumption {
    pub progress: Progress,
    pub optimizer: AdamW,
    /// The best model so far, without autodiff, and its evaluation, where it is still at hand.
    pub best: Option<Best>,
}

/// The best model of a run so far.
pub struct Best {
    pub model: VideoMae,
    pub validation: Option<Evaluation>,
}
