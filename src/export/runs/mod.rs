//! The runs that left checkpoints: what each was, did and reached, in a list and over one another.
//!
//! Comes in: a store. Goes out: [`Run`]s, the newest first, and HTML of them ([`list()`], [`comparison()`]). A run lives
//! as long as one of its checkpoints: who deletes the last one wants it gone, and nothing is kept that no list shows.
//! Never reads weights.

mod comparison;
mod list;

use std::collections::{HashMap, HashSet};

pub use comparison::comparison;
pub use list::list;

use super::history::{Logged, history};
use super::{events, metrics};
use crate::dataset::Split;
use crate::engine::clock;
use crate::protocol::{CheckpointSummary, Evaluation, RunFile};
use crate::storage::{CheckpointStore, StorageError};
use crate::train::record::{Manifest, RunRecord};
use crate::train::settings::SettingsFileError;

/// So many runs over one another can still be told apart.
pub const MOST_COMPARED: usize = 6;
/// So many are compared where nobody has chosen.
const USUALLY_COMPARED: usize = 3;

/// So many times the usual a step may take: its epoch's validation is in it.
const LONGEST_STEP: f64 = 50.0;

/// One run, as far as its newest checkpoint tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub id: String,
    /// The user's name for it, with a number where an older run has the same.
    pub name: String,
    pub note: String,
    /// When its newest checkpoint was saved: milliseconds since 1970 by the clock on the wall.
    pub saved: f64,
    pub parameters: usize,
    /// With the test of whichever checkpoint was tested.
    pub record: RunRecord,
}

impl Run {
    /// The best validation by what the run goes by, and after how many epochs it was; of equals the earlier.
    pub fn best(&self) -> Option<(f64, Evaluation)> {
        let validated = history(&self.record).into_iter().filter_map(|entry| match entry.logged {
            Logged::Evaluation(evaluation) => Some((entry.epoch, evaluation)),
            Logged::Step(_) => None,
        });
        let finite = validated.filter(|(_, evaluation)| evaluation.accuracy.is_finite());
        finite.max_by(|(epoch, one), (later, other)| one.compare(other).then(later.total_cmp(epoch)))
    }

    /// How long it took, from its first step to its last; none where nobody looked at the clock. Where more than a minute
    /// and many times the usual lies between two steps, the run was held or left meanwhile.
    pub fn seconds(&self) -> Option<f64> {
        let times: Vec<f64> = self.record.steps.iter().filter_map(|step| step.time).collect();
        let mut pauses: Vec<f64> = times.iter().zip(times.iter().skip(1)).map(|(one, next)| next - one).collect();
        pauses.sort_by(f64::total_cmp);
        let usual = pauses.get(pauses.len() / 2)?;
        let longest = (LONGEST_STEP * usual).max(60.0);
        Some(pauses.iter().filter(|pause| **pause < longest).sum())
    }

    pub fn test(&self) -> Option<Evaluation> {
        self.record.test.as_ref().map(|test| test.evaluation)
    }

    /// A file about it: its name and its bytes.
    pub fn file(&self, file: RunFile) -> Result<(String, Vec<u8>), SettingsFileError> {
        let record = &self.record;
        let named = |end: &str| format!("{}-{end}", plain(&self.name));
        Ok(match file {
            RunFile::Steps => (named("steps.csv"), metrics::steps_csv(record).into_bytes()),
            RunFile::Epochs => (named("epochs.csv"), metrics::epochs_csv(record).into_bytes()),
            RunFile::Events => {
                let seconds = self.saved / 1e3;
                (events::file_name(seconds), events::events(record, seconds))
            }
            RunFile::Settings => (named("settings.json"), record.settings.to_file()?.into_bytes()),
        })
    }
}

/// The runs of a store, the newest first, and a sentence for each whose story cannot be read.
pub async fn read<Store: CheckpointStore>(store: &Store) -> Result<(Vec<Run>, Vec<String>), StorageError> {
    let mut checkpoints: Vec<Vec<CheckpointSummary>> = Vec::new();
    for summary in store.list().await? {
        let of_run = checkpoints.iter_mut().find(|of_run| of_run.iter().any(|other| other.run == summary.run));
        match of_run {
            Some(of_run) => of_run.push(summary),
            None => checkpoints.push(vec![summary]),
        }
    }
    let (mut runs, mut damaged) = (Vec::new(), Vec::new());
    for of_run in checkpoints {
        match read_one(store, &of_run).await {
            Ok(run) => runs.extend(run),
            Err(error) => damaged.push(error.to_string()),
        }
    }
    number(&mut runs);
    Ok((runs, damaged))
}

/// The run of these checkpoints, the newest first; none where they were not tuned here.
async fn read_one<Store: CheckpointStore>(
    store: &Store,
    checkpoints: &[CheckpointSummary],
) -> Result<Option<Run>, StorageError> {
    let Some(newest) = checkpoints.first() else { return Ok(None) };
    let Some(mut record) = store.record(&newest.id).await? else { return Ok(None) };
    if let Some(tested) = checkpoints.iter().find(|summary| summary.test.is_some())
        && record.test.is_none()
    {
        record.test = store.record(&tested.id).await?.and_then(|record| record.test);
    }
    Ok(Some(Run {
        id: newest.run.clone(),
        name: record.settings.name.clone(),
        note: newest.note.clone(),
        saved: clock::local(newest.created),
        parameters: newest.parameters,
        record,
    }))
}

/// Tells runs of one name apart, the oldest as it is.
fn number(runs: &mut [Run]) {
    let mut known: HashMap<String, usize> = HashMap::new();
    for run in runs.iter_mut().rev() {
        let before = known.entry(run.name.clone()).or_default();
        *before += 1;
        if *before > 1 {
            run.name = format!("{} ({before})", run.name);
        }
    }
}

/// Of the runs that were validated on the same clips the best: the highest accuracy, of equals the lowest loss. Runs on
/// different clips do not compare, and of one alone nothing is the best.
pub fn best(runs: &[Run]) -> HashSet<String> {
    let mut groups: Vec<(Validation<'_>, Vec<(&Run, Evaluation)>)> = Vec::new();
    for run in runs {
        let Some((_, evaluation)) = run.best() else { continue };
        let validation = validated_on(&run.record.data);
        match groups.iter_mut().find(|(other, _)| *other == validation) {
            Some((_, group)) => group.push((run, evaluation)),
            None => groups.push((validation, vec![(run, evaluation)])),
        }
    }
    let best = groups.into_iter().filter(|(_, group)| group.len() > 1).filter_map(|(_, group)| {
        let by = |one: &Evaluation, other: &Evaluation| {
            one.accuracy.total_cmp(&other.accuracy).then(other.loss.total_cmp(&one.loss))
        };
        group.into_iter().max_by(|(_, one), (_, other)| by(one, other)).map(|(run, _)| run.id.clone())
    });
    best.collect()
}

/// What decides whether two runs' validations compare: the classes, and which clip is of which.
type Validation<'a> = (&'a [String], Vec<(String, usize)>);

fn validated_on(data: &Manifest) -> Validation<'_> {
    let clips = data.videos.iter().filter(|video| video.split == Split::Validation);
    let mut clips: Vec<(String, usize)> = clips.map(|video| (video.name(), video.label)).collect();
    clips.sort();
    (&data.classes, clips)
}

/// The ids of the runs that are compared where nobody has chosen: the newest.
pub fn usually_compared(runs: &[Run]) -> Vec<String> {
    runs.iter().take(USUALLY_COMPARED).map(|run| run.id.clone()).collect()
}

/// A name as a part of a file's name.
fn plain(name: &str) -> String {
    let letters = name.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' });
    let plain = letters.collect::<String>().to_lowercase();
    let plain: Vec<&str> = plain.split('-').filter(|part| !part.is_empty()).collect();
    if plain.is_empty() { "run".into() } else { plain.join("-") }
}
