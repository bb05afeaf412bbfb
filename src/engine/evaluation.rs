//! The evaluation job: a checkpoint and splits of a folder -> what the model's answers are worth, split by split.
//!
//! Comes in: a [`Checkpoint`], an imported [`Folder`], a device. Goes out: [`EvaluationEvent`]s, and an [`Evaluated`] for
//! each split. Clips are decoded ahead of the model; it reads back once a batch. Trains nothing, keeps nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use burn::tensor::Device;
use futures_channel::mpsc;
use futures_util::{StreamExt, future};

use super::clock::Breath;
use super::folder::{Folder, FolderClips};
use super::loaded::{LoadedModel, OpenError};
use crate::dataset::words::{counted, enumerated};
use crate::dataset::{Split, Unusable, VideoSummary};
use crate::evaluation::{Answer, Answered, Evaluated, EvaluationEvent, Temperature, Views};
use crate::model::read_back::read_back;
use crate::storage::Checkpoint;
use crate::train::data_parallel::{DataParallel, Replicas};
use crate::train::evaluate::upload;
use crate::train::feed::{BATCHES_AHEAD, Batch, Example, feed};
use crate::train::replica::Blueprint;
use crate::train::run::TuneError;
use crate::video::clip::{ClipLoader, View};
use crate::video::views::{TestView, TestViews};

/// Why a model was not evaluated; each a sentence.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    #[error("{0}")]
    Open(#[from] OpenError),
    #[error("There is nothing to evaluate on. Choose the validation videos, the test videos, or both.")]
    NoSplit,
    #[error("The folder has no {0} videos. Choose another split, or say in the labels and splits which they are.")]
    Empty(&'static str),
    #[error(
        "The model knows none of the folder's classes ({folder}): it tells {model} apart. Choose the folder that it was \
         tuned on, or one with the same classes."
    )]
    OtherClasses { folder: String, model: String },
    #[error("None of the {split} videos could be used, so there is nothing to evaluate. The first, {path}: {reason}")]
    NothingUsable { split: &'static str, path: String, reason: String },
    #[error(
        "The model's answer for {0} is not a number: its training went wrong. Evaluate an earlier checkpoint of the run."
    )]
    NotANumber(String),
    #[error("{0}")]
    Device(#[from] TuneError),
}

/// What an evaluation is asked for.
pub struct Asked<'a> {
    pub checkpoint: &'a Checkpoint,
    pub folder: &'a Folder,
    /// A temperature is fitted where the validation split is among them.
    pub splits: &'a [Split],
    pub views: Views,
    /// Clips a forward pass.
    pub batch: usize,
    pub device: &'a Device,
    /// Workers that share the computing, where there are some.
    pub replicas: Option<Rc<dyn Replicas>>,
}

/// Evaluates a checkpoint. Goes out: one [`Evaluated`] for each of the splits, in their order.
pub async fn evaluate(
    asked: Asked<'_>,
    mut report: impl FnMut(EvaluationEvent),
) -> Result<Vec<Evaluated>, EvaluateError> {
    let device = asked.device.clone().without_autodiff();
    let loaded = LoadedModel::open(asked.checkpoint, &device).await?;
    let folder = asked.folder.usable();
    let places = places(&folder, &loaded.config.labels())?;
    let views = test_views(asked.views);
    // Validation first: the temperature comes from it.
    let mut splits = asked.splits.to_vec();
    splits.sort_by_key(|split| (*split != Split::Validation, *split));
    splits.dedup();
    if splits.is_empty() {
        return Err(EvaluateError::NoSplit);
    }
    let of_split = |split: Split| -> Vec<usize> { folder.catalogue.of_split(split) };
    if let Some(empty) = splits.iter().find(|split| of_split(**split).is_empty()) {
        return Err(EvaluateError::Empty(words(*empty)));
    }
    let total = splits.iter().map(|split| of_split(*split).len()).sum::<usize>() * views.len();
    let source = FolderClips { folder: &folder, loader: ClipLoader::new(loaded.shape, loaded.clip_seconds) };
    let parallel = asked.replicas.map(|replicas| DataParallel::new(replicas, Blueprint::fixed(&loaded.config)));
    let job = Job {
        loaded: &loaded,
        source: &source,
        views: &views,
        batch: asked.batch.max(1),
        device: &device,
        parallel: parallel.as_ref(),
    };
    let (mut done, mut temperature) = (0, None);
    let mut evaluated = BTreeMap::new();
    for split in splits {
        let videos = of_split(split);
        let mut left_out = LeftOut::default();
        let known: Vec<Example> = videos
            .iter()
            .filter_map(|&video| match places.get(folder.class_of(video)) {
                Some(&label) => Some(Example { video, label }),
                None => {
                    left_out.add(unknown_class(&folder, video), &mut report);
                    None
                }
            })
            .collect();
        done += (videos.len() - known.len()) * views.len();
        let answers = job
            .answers(&known, |drawn, unusable| {
                unusable.into_iter().for_each(|unusable| left_out.add(unusable, &mut report));
                done += drawn;
                report(EvaluationEvent::Progress { done, total });
            })
            .await?;
        let answered = answered(&folder, &known, answers)?;
        if split == Split::Validation {
            temperature = Temperature::fit(split, &answered);
        }
        let of = (split, asked.views);
        let mut outcome = Evaluated::new(of, loaded.config.labels(), &answered, temperature)
            .ok_or_else(|| left_out.all_of(words(split)))?;
        outcome.left_out = left_out.files;
        outcome.warnings = trained_on(asked.checkpoint, split, &answered).into_iter().collect();
        outcome.warnings.iter().for_each(|warning| report(EvaluationEvent::Warning(warning.clone())));
        evaluated.insert(split, outcome);
    }
    Ok(asked.splits.iter().filter_map(|split| evaluated.remove(split)).collect())
}

/// The views of one video, the same for each.
fn test_views(views: Views) -> Vec<TestView> {
    match views {
        Views::Single => vec![TestView::CENTRE],
        // Both choose frames by number: the video's length does not matter.
        Views::Kinetics => TestViews::Kinetics.of(0.0, 1.0),
        Views::SomethingSomething => TestViews::SomethingSomething.of(0.0, 1.0),
    }
}

/// The model's label ids of the folder's classes, by name.
fn places(folder: &Folder, labels: &[String]) -> Result<HashMap<String, usize>, EvaluateError> {
    let classes: HashSet<String> = folder.catalogue.labels().into_iter().collect();
    let labelled = labels.iter().enumerate().filter(|(_, name)| classes.contains(*name));
    let places: HashMap<String, usize> = labelled.map(|(label, name)| (name.clone(), label)).collect();
    if places.is_empty() {
        let mut classes: Vec<&str> = classes.iter().map(String::as_str).collect();
        classes.sort_unstable();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        return Err(EvaluateError::OtherClasses { folder: enumerated(&classes), model: enumerated(&labels) });
    }
    Ok(places)
}

/// A folder's videos through a model.
struct Job<'a> {
    loaded: &'a LoadedModel,
    source: &'a FolderClips<'a>,
    views: &'a [TestView],
    batch: usize,
    device: &'a Device,
    parallel: Option<&'a DataParallel>,
}

impl Job<'_> {
    /// The answers on each view that could be decoded, by example. `told` hears after each batch how many views it used
    /// up and which files could not be decoded.
    async fn answers(
        &self,
        examples: &[Example],
        mut told: impl FnMut(usize, Vec<Unusable>),
    ) -> Result<Vec<Vec<Option<Answer>>>, EvaluateError> {
        let classes = self.loaded.config.id2label.len().max(1);
        // A batch carries labels alone: an example's place stands in for its label, which is known from there.
        let wanted = examples.iter().enumerate().flat_map(|(place, example)| {
            let example = Example { video: example.video, label: place };
            self.views.iter().map(move |view| (example, View::Evaluation(*view)))
        });
        let (sender, mut batches) = mpsc::channel::<Batch>(BATCHES_AHEAD);
        let consume = async move {
            let breath = Breath::default();
            let mut answers = vec![Vec::with_capacity(self.views.len()); examples.len()];
            while let Some(mut batch) = batches.next().await {
                let (drawn, left_out) = (batch.drawn, std::mem::take(&mut batch.left_out));
                let places = batch.labels.clone();
                if !places.is_empty() {
                    let pixels = upload(batch, &self.loaded.shape, self.device);
                    let logits = match self.parallel {
                        Some(parallel) => parallel.forward(&self.loaded.model, pixels).await,
                        None => Ok(self.loaded.model.forward(pixels)),
                    };
                    let logits = read_back(logits.map_err(TuneError::Device)?).await;
                    let logits: Vec<f32> = logits.map_err(TuneError::Device)?.iter::<f32>().collect();
                    for (place, logits) in places.iter().zip(logits.chunks_exact(classes)) {
                        if let Some(answers) = usize::try_from(*place).ok().and_then(|place| answers.get_mut(place)) {
                            answers.push(Answer::from_logits(logits));
                        }
                    }
                }
                told(drawn, left_out);
                breath.take().await;
            }
            Ok(answers)
        };
        let (_, answers) = future::join(feed(self.source, wanted.collect(), self.batch, sender), consume).await;
        answers.map(|answers: Vec<Vec<Option<Answer>>>| {
            // A video of which a view is missing would be looked at otherwise than the others.
            let whole = |answers: Vec<_>| if answers.len() == self.views.len() { answers } else { Vec::new() };
            answers.into_iter().map(whole).collect()
        })
    }
}

/// The examples that were answered, each over all its views.
fn answered(
    folder: &Folder,
    examples: &[Example],
    answers: Vec<Vec<Option<Answer>>>,
) -> Result<Vec<Answered>, EvaluateError> {
    let seen = examples.iter().zip(answers).filter(|(_, views)| !views.is_empty());
    let answered = seen.filter_map(|(example, views)| {
        let video = folder.catalogue.videos.get(example.video)?;
        let views: Option<Vec<Answer>> = views.into_iter().collect();
        let answer = views.and_then(|views| Answer::average(&views));
        let not_a_number = || EvaluateError::NotANumber(video.name());
        Some(answer.ok_or_else(not_a_number).map(|answer| Answered {
            path: video.path.clone(),
            part: video.part,
            label: example.label,
            answer,
        }))
    });
    answered.collect()
}

/// What was left out of a split, each file once, whatever number of its views failed.
#[derive(Default)]
struct LeftOut {
    files: Vec<Unusable>,
    told: BTreeSet<String>,
}

impl LeftOut {
    /// Where nothing else is left.
    fn all_of(&self, split: &'static str) -> EvaluateError {
        let Unusable { path, reason } = self.files.first().cloned().unwrap_or_default();
        EvaluateError::NothingUsable { split, path, reason }
    }

    fn add(&mut self, unusable: Unusable, report: &mut impl FnMut(EvaluationEvent)) {
        if self.told.insert(unusable.path.clone()) {
            report(EvaluationEvent::LeftOut(unusable.clone()));
            self.files.push(unusable);
        }
    }
}

fn unknown_class(folder: &Folder, video: usize) -> Unusable {
    let path = folder.catalogue.videos.get(video).map(VideoSummary::name).unwrap_or_default();
    Unusable { path, reason: format!("The model does not know its class, “{}”.", folder.class_of(video)) }
}

/// A warning where the checkpoint's own run trained on videos of another split than it was asked for.
fn trained_on(checkpoint: &Checkpoint, split: Split, answered: &[Answered]) -> Option<String> {
    let data = &checkpoint.record.as_ref()?.data;
    let trained: HashSet<String> =
        data.videos.iter().filter(|video| video.split == Split::Train).map(|video| video.name()).collect();
    let seen = answered.iter().filter(|clip| trained.contains(&crate::dataset::named(&clip.path, clip.part))).count();
    (split != Split::Train && seen > 0).then(|| {
        format!(
            "The model was trained on {} of the {} split, so these figures flatter it. Evaluate with the splits that the \
             run had.",
            counted(seen, "video", "videos"),
            words(split)
        )
    })
}

fn words(split: Split) -> &'static str {
    match split {
        Split::Train => "training",
        Split::Validation => "validation",
        Split::Test => "test",
    }
}
