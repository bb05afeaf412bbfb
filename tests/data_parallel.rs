//! A run whose clips are shared out among replicas is the run that one worker would have done. Real clips of the sample,
//! each replica on a thread of its own.
#![cfg(feature = "native")]

#[allow(dead_code, reason = "each test program uses its own part of it")]
mod runs;
#[allow(dead_code, reason = "each test program uses its own part of it")]
mod sample;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;

use burn::tensor::Device;
use cliptune::engine::classification::Classifying;
use cliptune::engine::loaded::LoadedModel;
use cliptune::model::config::ModelSize;
use cliptune::protocol::{Classification, Evaluation, TuneEvent};
use cliptune::storage::directory::DirectoryStore;
use cliptune::train::data_parallel::{DataParallel, Replicas};
use cliptune::train::replica::{Blueprint, Replica, Task};
use cliptune::train::settings::{
    GradientCheckpointing, Lora, Optimization, Regularisation, Strategy, Targets, TuneSettings,
};
use cliptune::video::clip::ClipLoader;
use cliptune::video::views::TestViews;
use cliptune::video::{VideoError, VideoSource};
use futures_channel::oneshot;
use futures_executor::block_on;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use runs::{Imported, import_sample, settings, to_the_end, tune, tune_with};
use sample::some_clips;

type Answer = Result<Vec<f32>, String>;

/// What goes to a thread: a task as a browser's message has it, its numbers, and where the answer goes.
type Asked = (String, Vec<f32>, oneshot::Sender<Answer>);

struct Threads {
    threads: Vec<mpsc::Sender<Asked>>,
    /// The kinds of tasks that were asked for.
    asked: RefCell<Vec<String>>,
}

/// So many replicas; each ends at the task that it is to end at, counted from 1.
fn threads(ends_at: &[Option<usize>]) -> Rc<Threads> {
    let start = |ends_at: Option<usize>| {
        let (sender, tasks) = mpsc::channel::<Asked>();
        thread::spawn(move || {
            let mut replica = Replica::new(&Device::flex());
            for (number, (task, numbers, answer)) in (1..).zip(tasks) {
                if ends_at == Some(number) {
                    return;
                }
                let task: Task = serde_json::from_str(&task).unwrap();
                let _ = answer.send(block_on(replica.perform(task, numbers)));
            }
        });
        sender
    };
    Rc::new(Threads { threads: ends_at.iter().copied().map(start).collect(), asked: RefCell::default() })
}

impl Replicas for Threads {
    fn count(&self) -> usize {
        self.threads.len()
    }

    fn ask(&self, replica: usize, task: Task, numbers: &[f32]) -> LocalBoxFuture<'static, Answer> {
        let kind = format!("{task:?}");
        self.asked.borrow_mut().push(kind.split(|letter: char| !letter.is_alphabetic()).next().unwrap().to_string());
        let (sender, answer) = oneshot::channel();
        let _ = self.threads[replica].send((serde_json::to_string(&task).unwrap(), numbers.to_vec(), sender));
        async move { answer.await.unwrap_or_else(|_| Err("it ended".into())) }.boxed_local()
    }
}

/// A run's numbers.
#[derive(Debug, Default)]
struct Told {
    /// Loss, accuracy and gradient norm of each step.
    steps: Vec<[f32; 3]>,
    evaluations: Vec<Evaluation>,
    warnings: Vec<String>,
}

fn run(settings: &TuneSettings, data: &Imported, replicas: Option<Rc<Threads>>) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(folder.path()).unwrap();
    let (best, events) = match replicas {
        Some(replicas) => tune_with(replicas, settings, data, &store, to_the_end),
        None => tune(settings, data, &store, to_the_end),
    };
    best.unwrap();
    let mut told = Told::default();
    for event in events {
        match event {
            TuneEvent::Step(step) => told.steps.push([step.loss, step.accuracy, step.gradient_norm]),
            TuneEvent::Epoch(epoch) => told.evaluations.extend(epoch.validation),
            TuneEvent::Tested(evaluation) => told.evaluations.push(evaluation),
            TuneEvent::Warning(sentence) => told.warnings.push(sentence),
            _ => {}
        }
    }
    told
}

/// Adding in another order is all that may differ.
fn assert_same(one: &Told, other: &Told, what: &str) {
    assert_eq!((one.steps.len(), one.evaluations.len()), (other.steps.len(), other.evaluations.len()), "{what}");
    for (one, other) in one.steps.iter().zip(&other.steps) {
        for (one, other) in one.iter().zip(other) {
            assert!((one - other).abs() <= 2e-4 * one.abs().max(1.0), "{what}: {one} and {other}");
        }
    }
    for (one, other) in one.evaluations.iter().zip(&other.evaluations) {
        assert!((one.loss - other.loss).abs() <= 2e-4 && one.accuracy == other.accuracy, "{what}: {one:?}, {other:?}");
        assert_eq!((one.split, one.videos), (other.split, other.videos), "{what}");
    }
}

#[test]
fn a_run_is_the_same_with_replicas_whatever_is_trained_drawn_and_kept() {
    let data = import_sample([7, 3, 3]);
    let plain = TuneSettings { batch: 5, epochs: 3, ..settings() };
    let mixed = Regularisation {
        label_smoothing_factor: 0.1,
        mixup: 0.8,
        cutmix: 1.0,
        fc_drop_rate: 0.2,
        drop_path: 0.3,
        token_keep: 0.5,
        ..Regularisation::default()
    };
    let twice = Optimization { gradient_checkpointing: GradientCheckpointing::Always, ..plain.optimization };
    let lora = Lora { rank: 2, alpha: 4, targets: Targets::of_names("query,dense").unwrap() };
    let cases = [
        ("plain", plain.clone()),
        ("regularised", TuneSettings { regularisation: mixed, ..plain.clone() }),
        ("accumulated", TuneSettings { batch: 2, accumulation: 2, ..plain.clone() }),
        ("computed twice", TuneSettings { optimization: twice, ..plain.clone() }),
        ("adapters", TuneSettings { strategy: Strategy::Lora(lora), ..plain.clone() }),
        ("thawed", TuneSettings { strategy: Strategy::UnfreezeMilestones((1, 2), 1), ..plain.clone() }),
        (
            "the head alone, of mixed clips",
            TuneSettings { strategy: Strategy::Freeze, regularisation: mixed, ..plain.clone() },
        ),
    ];
    for (what, settings) in cases {
        let replicas = threads(&[None, None]);
        let (alone, shared) = (run(&settings, &data, None), run(&settings, &data, Some(replicas.clone())));
        assert_same(&alone, &shared, what);
        assert!(shared.warnings.is_empty() && alone.warnings.is_empty(), "{what}: {:?}", shared.warnings);
        let asked = replicas.asked.borrow();
        let count = |kind: &str| asked.iter().filter(|asked| *asked == kind).count();
        // The first model, and the best for the test videos.
        assert_eq!(count("Hold"), 2 * 2, "{what}");
        assert!(count("Learn") >= alone.steps.len() && count("Answer") >= 2 * 3 && count("Follow") > 0, "{what}");
    }
}

#[test]
fn what_a_frozen_backbone_makes_of_clips_is_shared_out_and_is_the_same_to_the_last_bit() {
    let data = import_sample([9, 3, 3]);
    let frozen = TuneSettings { strategy: Strategy::Freeze, batch: 5, epochs: 3, ..settings() };
    let alone = run(&frozen, &data, None);
    for ends_at in [None, Some(3)] {
        let replicas = threads(&[None, ends_at]);
        let shared = run(&frozen, &data, Some(replicas.clone()));
        assert_eq!(alone.steps, shared.steps, "one ends at {ends_at:?}");
        let asked = replicas.asked.borrow();
        assert!(asked.iter().filter(|kind| *kind == "Features").count() >= 4, "{asked:?}");
        // The head is trained here, and no replica needs it.
        assert!(!asked.iter().any(|kind| kind == "Learn" || kind == "Follow"), "{asked:?}");
    }
}

/// Each video's name, and its answer or why it has none.
type Answers = Vec<(String, Result<Classification, String>)>;

/// What a fresh model makes of some videos.
fn classified(
    loaded: &LoadedModel,
    videos: &[VideoSource],
    views: TestViews,
    replicas: Option<Rc<Threads>>,
) -> Answers {
    let replicas = replicas.map(|replicas| DataParallel::new(replicas, Blueprint::fixed(&loaded.config)));
    let classifying = Classifying {
        loaded,
        loader: &ClipLoader::new(loaded.shape, loaded.clip_seconds),
        videos,
        views,
        top: 3,
        device: &Device::flex(),
        parallel: replicas.as_ref(),
    };
    let mut told = Vec::new();
    let answered = |video: &VideoSource, answer: Result<_, VideoError>| {
        told.push((video.name(), answer.map_err(|error| error.to_string())));
    };
    block_on(classifying.run(answered)).unwrap();
    told
}

fn fresh() -> LoadedModel {
    LoadedModel::fresh(ModelSize::Micro, &["one", "two", "three"].map(str::to_string), 0.5, 42, &Device::flex())
}

fn assert_same_answer(one: &Classification, other: &Classification) {
    assert_eq!((&one.file, one.views, &one.picture), (&other.file, other.views, &other.picture));
    assert_eq!(one.predictions.len(), 3);
    for (one, other) in one.predictions.iter().zip(&other.predictions) {
        assert!(one.label == other.label && (one.score - other.score).abs() < 1e-6, "{one:?} and {other:?}");
    }
}

#[test]
fn a_video_whose_views_are_shared_out_has_the_same_answer() {
    let loaded = fresh();
    let (path, clip) = some_clips([1, 0, 0]).remove(0);
    let videos = [VideoSource::new(path, clip)];
    let answer = |replicas| {
        let [(_, answer)] = classified(&loaded, &videos, TestViews::Kinetics, replicas).try_into().unwrap();
        answer.unwrap()
    };
    let alone = answer(None);
    assert_eq!(alone.views, 15);
    for ends_at in [None, Some(4)] {
        let replicas = threads(&[None, ends_at]);
        assert_same_answer(&alone, &answer(Some(replicas.clone())));
        let answers = replicas.asked.borrow().iter().filter(|kind| *kind == "Answer").count();
        assert!(answers >= 2 + 2, "{answers}");
    }
}

#[test]
fn videos_classified_together_have_the_answers_that_each_has_alone_in_their_order() {
    let loaded = fresh();
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.webm");
    std::fs::write(&broken, "not a video").unwrap();
    let mut files: Vec<_> = some_clips([2, 2, 1]).into_iter().map(|(path, clip)| (path, clip.to_path_buf())).collect();
    for place in [0, 3, files.len() + 2] {
        files.insert(place, ("broken.webm".into(), broken.clone()));
    }
    let videos: Vec<_> = files.iter().map(|(path, file)| VideoSource::new(path.clone(), file.clone())).collect();
    for views in [TestViews::Pipeline, TestViews::SomethingSomething] {
        let alone: Vec<_> =
            videos.iter().flat_map(|video| classified(&loaded, std::slice::from_ref(video), views, None)).collect();
        for replicas in [None, Some(threads(&[None])), Some(threads(&[None, None]))] {
            let together = classified(&loaded, &videos, views, replicas.clone());
            assert_eq!(together.len(), videos.len());
            for ((name, answer), (expected_name, expected)) in together.iter().zip(&alone) {
                assert_eq!(name, expected_name);
                match (answer, expected) {
                    (Ok(answer), Ok(expected)) => assert_same_answer(answer, expected),
                    _ => assert_eq!(answer, expected),
                }
            }
            assert_eq!(together.iter().filter(|(_, answer)| answer.is_err()).count(), 3);
            // Answers that come at once have each taken a part of the time.
            assert!(
                together.iter().filter_map(|(_, answer)| answer.as_ref().ok()).all(|answer| answer.milliseconds > 0.0)
            );
            // Where each has one view, those that are shared out are several videos'.
            if let Some(replicas) = replicas {
                assert!(replicas.asked.borrow().iter().any(|kind| kind == "Answer"), "{:?}", replicas.asked);
            }
        }
    }
}

#[test]
fn where_a_replica_ends_the_run_goes_on_without_it_and_says_so_once() {
    let data = import_sample([7, 3, 3]);
    let settings = TuneSettings { batch: 5, epochs: 3, ..settings() };
    let alone = run(&settings, &data, None);
    for ends_at in [1, 2, 3, 6, 9] {
        let shared = run(&settings, &data, Some(threads(&[None, Some(ends_at)])));
        assert_same(&alone, &shared, &format!("one ends at task {ends_at}"));
        assert_eq!(shared.warnings.len(), 1, "task {ends_at}: {:?}", shared.warnings);
        assert!(
            shared.warnings[0].starts_with("1 worker that computed beside the engine ended"),
            "{:?}",
            shared.warnings
        );
    }
    let shared = run(&settings, &data, Some(threads(&[Some(2), Some(2)])));
    assert_same(&alone, &shared, "both end");
    assert!(shared.warnings[0].starts_with("2 workers that"), "{:?}", shared.warnings);
}
