//! Evaluating a tuned model on real clips, as a job and as a command, and what is written about it.
#![cfg(feature = "native")]

#[allow(dead_code, reason = "each test program uses its own part of it")]
mod runs;
mod sample;

use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::sync::OnceLock;

use burn::tensor::Device;
use cliptune::dataset::Split;
use cliptune::dataset::labelling::Labelling;
use cliptune::engine::classification::Classifying;
use cliptune::engine::evaluation::{Asked, EvaluateError, evaluate};
use cliptune::engine::folder::Folder;
use cliptune::engine::loaded::LoadedModel;
use cliptune::engine::review::Review;
use cliptune::evaluation::{Evaluated, EvaluationEvent, Views};
use cliptune::export::report;
use cliptune::files::FileSource;
use cliptune::model::config::VideoMaeConfig;
use cliptune::protocol::Origin;
use cliptune::storage::directory::DirectoryStore;
use cliptune::storage::{Checkpoint, CheckpointStore};
use cliptune::train::settings::TuneSettings;
use cliptune::video::VideoSource;
use cliptune::video::clip::ClipLoader;
use cliptune::video::views::TestViews;
use futures_executor::block_on;
use runs::{clips, import, settings, to_the_end};
use sample::small_folder;
use serde_json::Value;

const HELD_OUT: [Split; 2] = [Split::Validation, Split::Test];

/// The best checkpoint of a run of one epoch, and the data that it ran on; tuned once for all tests.
fn tuned() -> (Checkpoint, &'static Path) {
    static RUN: OnceLock<(tempfile::TempDir, tempfile::TempDir, String)> = OnceLock::new();
    let (data, out, id) = RUN.get_or_init(|| {
        let (data, out) = (small_folder([4, 3, 2]), tempfile::tempdir().unwrap());
        let store = DirectoryStore::open(out.path()).unwrap();
        let settings = TuneSettings { epochs: 1, ..settings() };
        let id = runs::tune(&settings, &import(data.path()), &store, to_the_end).0.unwrap();
        (data, out, id)
    });
    (block_on(DirectoryStore::open(out.path()).unwrap().load(id)).unwrap(), data.path())
}

/// The splits' evaluations, and all that was told on the way.
fn evaluated(
    checkpoint: &Checkpoint,
    folder: &Folder,
    (splits, views, batch): (&[Split], Views, usize),
) -> (Result<Vec<Evaluated>, EvaluateError>, Vec<EvaluationEvent>) {
    let mut events = Vec::new();
    let asked = Asked { checkpoint, folder, splits, views, batch, device: &Device::flex(), replicas: None };
    (block_on(evaluate(asked, |event| events.push(event))), events)
}

#[test]
fn an_evaluation_finds_what_the_run_recorded_whatever_the_batch() {
    let (checkpoint, data) = tuned();
    let record = checkpoint.record.as_ref().unwrap();
    for batch in [1, 4, 100] {
        let evaluated = evaluated(&checkpoint, &import(data), (&HELD_OUT, Views::Single, batch)).0.unwrap();
        for (ours, recorded) in evaluated.iter().zip([&record.validation, &record.test]) {
            let recorded = recorded.as_ref().unwrap();
            assert_eq!((ours.split, ours.clips.len()), (recorded.evaluation.split, recorded.evaluation.videos));
            assert!((ours.accuracy - f64::from(recorded.evaluation.accuracy)).abs() < 1e-6);
            assert!((ours.loss - f64::from(recorded.evaluation.loss)).abs() < 1e-5, "{} {recorded:?}", ours.loss);
            for (label, row) in recorded.confusion.iter().enumerate() {
                let counts = (0..row.len()).map(|prediction| ours.cell(label, prediction).len() as u32);
                assert!(counts.eq(row.iter().copied()));
            }
        }
    }
}

#[test]
fn several_views_are_averaged_as_when_a_clip_is_classified() {
    let (checkpoint, data) = tuned();
    let device = Device::flex();
    let loaded = block_on(LoadedModel::open(&checkpoint, &device)).unwrap();
    let loader = ClipLoader::new(loaded.shape, loaded.clip_seconds);
    for (views, the_same) in
        [(Views::Kinetics, TestViews::Kinetics), (Views::SomethingSomething, TestViews::SomethingSomething)]
    {
        let (outcome, events) = evaluated(&checkpoint, &import(data), (&[Split::Test], views, 4));
        let [test] = outcome.unwrap().try_into().unwrap();
        assert_eq!((test.views, test.clips.len()), (views, 4));
        assert!(test.scaled.is_none(), "there was no validation to fit a temperature on");
        for clip in &test.clips {
            let source = VideoSource::new(clip.path.clone(), data.join(&clip.path));
            let classifying = Classifying {
                loaded: &loaded,
                loader: &loader,
                videos: &[source],
                views: the_same,
                top: 1,
                device: &device,
                parallel: None,
            };
            let mut answers = Vec::new();
            block_on(classifying.run(|_, answer| answers.push(answer.unwrap()))).unwrap();
            let [alone] = answers.try_into().unwrap();
            assert_eq!(alone.predictions[0].label, test.classes[clip.prediction]);
            assert!((f64::from(alone.predictions[0].score) - clip.confidence).abs() < 1e-5, "{}", clip.path);
            let last = EvaluationEvent::Progress { done: 4 * alone.views, total: 4 * alone.views };
            assert_eq!(events.last(), Some(&last));
        }
    }
}

#[test]
fn what_cannot_be_decoded_or_is_of_no_known_class_is_left_out_once_and_named() {
    let (checkpoint, _) = tuned();
    let data = small_folder([1, 2, 0]);
    let (class, other) = (data.path().join("val/SpinLeft"), data.path().join("val/Other"));
    std::fs::create_dir(&other).unwrap();
    let clip = std::fs::read_dir(&class).unwrap().next().unwrap().unwrap().path();
    std::fs::copy(&clip, other.join("a.webm")).unwrap();
    std::fs::write(class.join("broken.webm"), "not a video").unwrap();
    // Not looked into before: the job itself meets the broken one.
    let folder = block_on(Folder::list(clips(data.path()), &Labelling::default()));
    let (outcome, events) = evaluated(&checkpoint, &folder, (&[Split::Validation], Views::SomethingSomething, 4));
    let [validation] = outcome.unwrap().try_into().unwrap();
    assert_eq!((validation.clips.len(), validation.classes.len()), (4, 2));
    let mut left_out: Vec<&str> = validation.left_out.iter().map(|file| file.path.as_str()).collect();
    left_out.sort_unstable();
    assert_eq!(left_out, ["val/Other/a.webm", "val/SpinLeft/broken.webm"]);
    assert_eq!(events.iter().filter(|event| matches!(event, EvaluationEvent::LeftOut(_))).count(), 2);
    assert_eq!(events.last(), Some(&EvaluationEvent::Progress { done: 36, total: 36 }));
    assert!(validation.left_out.iter().any(|file| file.reason.contains("“Other”")));
}

#[test]
fn what_cannot_be_evaluated_is_told_with_what_to_do() {
    let (checkpoint, data) = tuned();
    let refusal = |checkpoint: &Checkpoint, folder: &Folder, splits: &[Split]| {
        evaluated(checkpoint, folder, (splits, Views::Single, 4)).0.unwrap_err().to_string()
    };
    let no_test = small_folder([2, 1, 0]);
    let sentence = refusal(&checkpoint, &import(no_test.path()), &HELD_OUT);
    assert!(sentence.contains("no test videos"), "{sentence}");
    for name in ["train", "val"] {
        std::fs::rename(no_test.path().join(name).join("SpinLeft"), no_test.path().join(name).join("A")).unwrap();
        std::fs::rename(no_test.path().join(name).join("SpinRight"), no_test.path().join(name).join("B")).unwrap();
    }
    let sentence = refusal(&checkpoint, &import(no_test.path()), &[Split::Validation]);
    assert!(sentence.contains("“A” and “B”") && sentence.contains("“SpinLeft” and “SpinRight”"), "{sentence}");

    let mut broken = checkpoint.clone();
    let mut bytes = block_on(broken.weights[0].1.read_all()).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for number in bytes[header..].chunks_exact_mut(4) {
        // Finite, so that it opens.
        number.copy_from_slice(&f32::MAX.to_le_bytes());
    }
    broken.weights[0].1 = FileSource::from_bytes(bytes);
    let sentence = refusal(&broken, &import(data), &[Split::Test]);
    assert!(sentence.contains("test/Spin") && sentence.contains("not a number"), "{sentence}");
}

#[test]
fn figures_of_videos_that_were_trained_on_come_with_a_warning() {
    let (mut checkpoint, data) = tuned();
    let asked = (&[Split::Test][..], Views::Single, 4);
    assert!(evaluated(&checkpoint, &import(data), asked).0.unwrap()[0].warnings.is_empty());
    let videos = &mut checkpoint.record.as_mut().unwrap().data.videos;
    videos.iter_mut().filter(|video| video.split == Split::Test).take(3).for_each(|video| video.split = Split::Train);
    let warnings = evaluated(&checkpoint, &import(data), asked).0.unwrap().remove(0).warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("3 videos of the test split"), "{warnings:?}");
}

#[test]
fn every_number_and_every_name_on_the_page_leads_to_its_clips() {
    let (checkpoint, data) = tuned();
    let folder = block_on(Folder::import(clips(data), &Labelling::default()));
    let evaluated = evaluated(&checkpoint, &folder, (&HELD_OUT, Views::Single, 4)).0.unwrap();
    let clips: usize = evaluated.iter().map(|split| split.clips.len()).sum();
    let review = Review::new(checkpoint, Rc::new(folder), evaluated).unwrap();
    let html = review.for_page();
    let mut in_cells = 0;
    for button in html.split("<button").filter(|button| button.contains("data-clips")) {
        let text = button.split("data-clips=\"").nth(1).unwrap().split('"').next().unwrap().replace("&quot;", "\"");
        let shown = review.find(&text).unwrap();
        let words = button.split_once('>').unwrap().1.split_once('<').unwrap().0;
        match words.parse::<usize>() {
            Ok(count) => {
                assert_eq!(shown.clips.len(), count, "{text}");
                assert!(
                    shown.clips.iter().all(|(_, clip)| shown.title.starts_with(&format!("“{}”", of_path(&clip.path))))
                );
                in_cells += count;
            }
            Err(_) => assert_eq!((shown.clips.len(), words), (1, shown.clips[0].1.path.as_str())),
        }
    }
    assert_eq!(in_cells, clips, "every clip is in one cell");
    let shown = review.find(r#"{"split":"test","clips":{"one":0},"from":0}"#).unwrap();
    let (canvas, clip) = &shown.clips[0];
    assert!(shown.list.contains(&format!("<canvas id=\"{canvas}\"")) && shown.list.contains(&clip.path));
    let picture = block_on(review.picture(clip)).unwrap();
    assert!(!picture.frames.is_empty());
    assert!(review.find("").is_none());
    let (name, html) = review.file();
    assert!(name.ends_with("-evaluation.html") && !html.contains("data-clips"), "{name}");
}

/// `test/SpinLeft/a.webm` -> `SpinLeft`.
fn of_path(path: &str) -> &str {
    path.split('/').nth(1).unwrap()
}

/// The tags of an HTML text with all their attributes, in order, and what lies between those that follow the style.
fn taken_apart(html: &str) -> (Vec<&str>, String) {
    let (_, body) = html.split_once("</style>").unwrap();
    let tags = html.split('<').skip(1).map(|piece| piece.split_once('>').unwrap().0);
    (tags.collect(), body.split('<').skip(1).map(|piece| piece.split_once('>').unwrap().1).collect())
}

#[test]
fn no_name_becomes_a_tag_of_the_report_or_an_attribute() {
    let (mut checkpoint, data) = tuned();
    let mut evaluated = evaluated(&checkpoint, &import(data), (&HELD_OUT, Views::Single, 4)).0.unwrap();
    let mut written = |name: &str| {
        let labels: Vec<String> = (0..2).map(|class| format!("{name}{class}")).collect();
        let mut config = VideoMaeConfig::from_json(&checkpoint.config).unwrap();
        config.set_labels(&labels);
        checkpoint.summary.name = name.into();
        checkpoint.summary.labels = labels.clone();
        checkpoint.summary.origin =
            Origin { source: name.into(), revision: Some(name.into()), licence: Some(name.into()) };
        let record = checkpoint.record.as_mut().unwrap();
        record.settings.name = name.into();
        record.settings.unmirrored = labels.clone();
        record.data.classes = labels.clone();
        for evaluated in &mut evaluated {
            evaluated.classes = labels.clone();
            evaluated.clips.iter_mut().for_each(|clip| clip.path = format!("val/{name}.webm"));
            evaluated.left_out = vec![cliptune::dataset::Unusable { path: name.into(), reason: name.into() }];
            evaluated.warnings = vec![name.into()];
        }
        [report::html(&checkpoint, &config, &evaluated), report::for_page(&checkpoint, &evaluated)]
    };
    let harmless = written("name");
    let tags = harmless.each_ref().map(|html| taken_apart(html).0);
    assert!(tags[0].len() > 300 && !tags[0].iter().any(|tag| tag.contains("name0")), "{} tags", tags[0].len());
    for hostile in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "</style></title></textarea><svg onload=alert(1)>",
        "]]>--><!--<!DOCTYPE x>",
        "javascript:alert(1)\u{0}\u{202e}",
        "&lt;b&gt;&#60;i&#62;",
    ] {
        for (html, tags) in written(hostile).iter().zip(&tags) {
            let (found, texts) = taken_apart(html);
            // A button's label holds names: as many attributes as with a harmless one.
            let without_labels =
                |tag: &&str| (tag.split(" title=").next().unwrap().to_string(), tag.matches('"').count());
            let [found, expected] = [&found, tags].map(|tags| tags.iter().map(without_labels).collect::<Vec<_>>());
            assert_eq!(found, expected, "{hostile}");
            assert!(!texts.contains('"') && !texts.contains('\u{0}'), "{hostile}");
        }
    }
    assert!(written("&lt;b&gt;")[0].contains("&amp;lt;b&amp;gt;"), "what looks escaped is a name like any other");
}

fn cliptune(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_cliptune")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_command_agrees_with_the_run_and_writes_a_report_and_the_metrics() {
    let (data, out) = (small_folder([4, 2, 2]), tempfile::tempdir().unwrap());
    let [folder, store] = [data.path(), out.path()].map(|path| path.to_str().unwrap());
    let run = |arguments: &[&str]| {
        let (code, printed, errors) = cliptune(arguments);
        assert_eq!(code, 0, "{arguments:?}: {errors}");
        printed
    };
    let best = run(&["tune", folder, "--out", store, "--starter", "shapes", "--epochs", "2", "--batch", "4"]);
    let best: Value = serde_json::from_str(&best).unwrap();
    let model = out.path().join(best["id"].as_str().unwrap());
    let model = model.to_str().unwrap();
    let report = out.path().join("report.html");
    let printed = run(&["evaluate", model, folder, "--report", report.to_str().unwrap()]);
    let evaluated: Vec<Evaluated> = serde_json::from_str(&printed).unwrap();
    for (ours, name) in evaluated.iter().zip(["validation", "test"]) {
        let number = |field: &str| best[name][field].as_f64().unwrap();
        assert_eq!(ours.clips.len() as f64, number("videos"), "{name}");
        assert!((ours.accuracy - number("accuracy")).abs() < 1e-6, "{name}");
        assert!((ours.loss - number("loss")).abs() < 1e-5, "{name}: {}", ours.loss);
    }
    let html = std::fs::read_to_string(report).unwrap();
    assert!(
        html.contains("SpinLeft") && !html.contains("http://") && !html.contains("https://") && !html.contains("src=")
    );

    let metrics = out.path().join("metrics");
    run(&["metrics", model, "--out", metrics.to_str().unwrap()]);
    let mut names: Vec<String> =
        std::fs::read_dir(&metrics).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(
        matches!(&names[..], [epochs, steps, events]
        if epochs == "epochs.csv" && steps.starts_with("events.out.tfevents.") && events == "steps.csv"),
        "{names:?}"
    );
    let epoch = best["epoch"].as_u64().unwrap();
    let rows = std::fs::read_to_string(metrics.join("epochs.csv")).unwrap();
    assert_eq!(rows.lines().count() as u64, 1 + epoch, "{rows}");
    let steps = std::fs::read_to_string(metrics.join("steps.csv")).unwrap();
    assert_eq!(steps.lines().count() as u64, 1 + 2 * epoch, "{steps}");

    let imported = Path::new("tests/fixtures/golden/micro/model");
    assert_eq!(cliptune(&["metrics", imported.to_str().unwrap(), "--out", store]).0, 3);
    assert_eq!(cliptune(&["evaluate", imported.to_str().unwrap(), folder]).0, 3, "other classes");
    assert_eq!(cliptune(&["evaluate", model, folder, "--views", "many"]).0, 2);
}
