//! Evaluation against scikit-learn, torchmetrics and SciPy (tests/fixtures/evaluation). Without Burn: the page draws it.

use std::collections::BTreeMap;

use cliptune::dataset::Split;
use cliptune::evaluation::{Answer, Answered, Evaluated, Temperature, Views};
use serde::Deserialize;

/// What generate.py wrote of one made-up split.
#[derive(Deserialize)]
struct Golden {
    /// `[N, K]`.
    logits: Vec<Vec<f32>>,
    labels: Vec<usize>,
    accuracy: f64,
    top5: f64,
    loss: f64,
    /// Precision, recall, F1 and support of each class.
    per_class: Vec<[f64; 4]>,
    #[serde(rename = "macro")]
    macro_average: [f64; 3],
    confusion: Vec<Vec<usize>>,
    calibration_error: f64,
    temperature: Option<f64>,
    scaled_loss: Option<f64>,
    scaled_calibration_error: Option<f64>,
}

fn golden() -> BTreeMap<String, Golden> {
    serde_json::from_str(include_str!("fixtures/evaluation/golden.json")).unwrap()
}

impl Golden {
    fn answered(&self) -> Vec<Answered> {
        let clips = self.logits.iter().zip(&self.labels).enumerate();
        let answered = clips.map(|(clip, (logits, label))| Answered {
            path: format!("val/{label}/{clip}.webm"),
            part: None,
            label: *label,
            answer: Answer::from_logits(logits).unwrap(),
        });
        answered.collect()
    }

    fn evaluated(&self) -> Evaluated {
        let (answered, split) = (self.answered(), Split::Validation);
        let classes = (0..self.per_class.len()).map(|class| format!("class {class}")).collect();
        let temperature = Temperature::fit(split, &answered);
        Evaluated::new((split, Views::Single), classes, &answered, temperature).unwrap()
    }
}

#[track_caller]
fn near(ours: f64, theirs: f64, tolerance: f64, what: &str) {
    assert!((ours - theirs).abs() <= tolerance, "{what}: {ours}, not {theirs}");
}

#[test]
fn scores_are_scikit_learns() {
    for (name, golden) in golden() {
        let ours = golden.evaluated();
        near(ours.accuracy, golden.accuracy, 1e-15, &format!("{name}, accuracy"));
        near(ours.top5, golden.top5, 1e-15, &format!("{name}, top-5"));
        near(ours.loss, golden.loss, 1e-6, &format!("{name}, loss"));
        for (class, (ours, theirs)) in ours.by_class.iter().zip(&golden.per_class).enumerate() {
            let ours = [ours.precision, ours.recall, ours.f1, ours.support as f64];
            for (ours, theirs) in ours.into_iter().zip(theirs) {
                near(ours, *theirs, 1e-15, &format!("{name}, class {class}"));
            }
        }
        let ours = ours.macro_average;
        for (ours, theirs) in [ours.precision, ours.recall, ours.f1].into_iter().zip(golden.macro_average) {
            near(ours, theirs, 1e-15, &format!("{name}, macro average"));
        }
    }
}

#[test]
fn the_confusion_matrix_is_scikit_learns_and_names_each_clip_once() {
    for (name, golden) in golden() {
        let ours = golden.evaluated();
        let mut named: Vec<usize> = Vec::new();
        for (label, row) in golden.confusion.iter().enumerate() {
            for (prediction, count) in row.iter().enumerate() {
                let clips = ours.cell(label, prediction);
                assert_eq!(clips.len(), *count, "{name}: {label} taken for {prediction}");
                assert!(clips.iter().all(|&clip| golden.labels[clip] == label));
                named.extend(clips);
            }
        }
        named.sort_unstable();
        assert!(named.into_iter().eq(0..golden.labels.len()), "{name}");
    }
}

#[test]
fn calibration_is_torchmetrics_and_the_temperature_scipys() {
    for (name, golden) in golden() {
        let ours = golden.evaluated();
        near(ours.calibration.error, golden.calibration_error, 1e-6, &name);
        let fitted = ours.scaled.as_ref().map(|scaled| scaled.temperature.value);
        assert_eq!(fitted.is_some(), golden.temperature.is_some(), "{name}: {fitted:?}");
        let Some(scaled) = &ours.scaled else { continue };
        near(scaled.temperature.value / golden.temperature.unwrap(), 1.0, 1e-6, &format!("{name}, temperature"));
        near(scaled.loss, golden.scaled_loss.unwrap(), 1e-6, &format!("{name}, scaled loss"));
        near(scaled.calibration.error, golden.scaled_calibration_error.unwrap(), 1e-6, &format!("{name}, scaled"));
        assert!(scaled.loss <= ours.loss, "{name}");
    }
}

#[test]
fn the_most_wrong_are_wrong_and_both_lists_begin_with_the_worst() {
    for (name, golden) in golden() {
        let ours = golden.evaluated();
        let (wrong, uncertain) = (ours.most_wrong(10), ours.most_uncertain(10));
        let errors = ours.clips.iter().filter(|clip| !clip.is_right()).count();
        assert_eq!((wrong.len(), uncertain.len()), (errors.min(10), 10), "{name}");
        assert!(wrong.iter().chain(&uncertain).all(|&(place, clip)| std::ptr::eq(&ours.clips[place], clip)));
        assert!(wrong.iter().all(|(_, clip)| !clip.is_right() && clip.rank > 0));
        assert!(wrong.is_sorted_by(|(_, one), (_, next)| one.loss >= next.loss));
        assert!(uncertain.is_sorted_by(|(_, one), (_, next)| one.entropy >= next.entropy));
        let highest = ours.clips.iter().map(|clip| clip.entropy).fold(0.0, f64::max);
        assert_eq!(uncertain[0].1.entropy, highest, "{name}");
    }
}

#[test]
fn an_evaluation_is_read_as_it_was_written() {
    for golden in golden().values() {
        let ours = golden.evaluated();
        let back: Evaluated = serde_json::from_str(&serde_json::to_string(&ours).unwrap()).unwrap();
        assert_eq!(back, ours);
    }
    assert_eq!(Evaluated::new((Split::Test, Views::Single), vec!["a".into()], &[], None), None);
}
