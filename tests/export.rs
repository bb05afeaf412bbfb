//! An export holds what others open, and nothing of it changes on its way round.
#![cfg(feature = "native")]

mod sample;
#[allow(dead_code, reason = "each test program uses its own part of it")]
#[path = "runs/mod.rs"]
mod short_runs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cliptune::engine::models;
use cliptune::export::events::events;
use cliptune::export::{self, metrics, runs};
use cliptune::files::FileSource;
use cliptune::model::config::VideoMaeConfig;
use cliptune::model::weights::names::expected;
use cliptune::protocol::{Along, Numbers, Origin, RunFile, TuneEvent};
use cliptune::storage::checkpoint::{NamedFile, Stranger};
use cliptune::storage::directory::{DirectoryStore, read_model_folder};
use cliptune::storage::{Checkpoint, CheckpointStore};
use cliptune::train::record::RunRecord;
use cliptune::train::settings::{
    Checkpointing, EvalStrategy, Lora, Metric, Selection, StartFrom, Strategy, Targets, TuneSettings,
};
use half::f16;
use pollster::block_on;

use safetensors::tensor::{Dtype, SafeTensors};
use sample::small_folder;
use serde_json::{Value, json};
use short_runs::{after_step, settings, to_the_end};

fn golden(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden").join(path)
}

fn model(path: &str) -> Checkpoint {
    block_on(read_model_folder(&golden(path))).unwrap().0
}

/// An export's files by name.
struct Export(BTreeMap<String, Vec<u8>>);

impl Export {
    fn of(checkpoint: &Checkpoint, numbers: Numbers) -> Self {
        let files = block_on(export::files(checkpoint, numbers)).unwrap();
        Self(files.into_iter().map(|(name, file)| (name, block_on(file.read_all()).unwrap())).collect())
    }

    fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    fn text(&self, name: &str) -> &str {
        std::str::from_utf8(&self.0[name]).unwrap()
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(self.text(name)).unwrap()
    }

    fn weights(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.0["model.safetensors"]).unwrap()
    }

    /// The card's front matter, and what follows it.
    fn card(&self) -> (&str, &str) {
        self.text("README.md").strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap()
    }
}

/// The last checkpoint of a run of two epochs of two steps over the sample.
fn finished() -> Checkpoint {
    static ID: OnceLock<String> = OnceLock::new();
    tuned("finished", Strategy::NoFreeze, &ID, to_the_end)
}

/// The same run with low-rank adapters, stopped in the middle of its second epoch.
fn with_adapters() -> Checkpoint {
    static ID: OnceLock<String> = OnceLock::new();
    let lora = Lora { rank: 3, alpha: 5, targets: Targets::of_names("key,dense").unwrap() };
    tuned("with-adapters", Strategy::Lora(lora), &ID, after_step(3))
}

/// The same run, stopped in the middle of its second epoch.
fn half_way() -> Checkpoint {
    static ID: OnceLock<String> = OnceLock::new();
    tuned("half-way", Strategy::NoFreeze, &ID, after_step(3))
}

/// Run once for all tests; what it leaves is read by each.
fn tuned(name: &str, strategy: Strategy, id: &OnceLock<String>, stop: impl Fn(&TuneEvent) -> bool) -> Checkpoint {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("export-{name}"));
    let id = id.get_or_init(|| {
        let clips = small_folder([3, 1, 1]);
        if out.exists() {
            std::fs::remove_dir_all(&out).unwrap();
        }
        let store = DirectoryStore::open(&out).unwrap();
        let settings = TuneSettings { epochs: 2, strategy, ..settings() };
        short_runs::tune(&settings, &short_runs::import(clips.path()), &store, stop).0.unwrap();
        block_on(store.list()).unwrap()[0].id.clone()
    });
    block_on(DirectoryStore::open(&out).unwrap().load(id)).unwrap()
}

fn imported(checkpoint: &Checkpoint, numbers: Numbers) -> Checkpoint {
    let (name, zip) = block_on(models::zip(checkpoint, numbers)).unwrap();
    let stranger = Stranger { id: "imported".into(), name: "x".into(), created: 1.0, origin: Origin::default() };
    block_on(models::open(models::model_files(vec![(name, zip)]).unwrap(), &stranger)).unwrap().0
}

#[test]
fn an_export_holds_exactly_the_promised_files() {
    let model_files = ["README.md", "cliptune.json", "config.json", "model.safetensors", "preprocessor_config.json"];
    let with = |more: &[&'static str]| {
        let mut names = [&model_files[..], more].concat();
        names.sort_unstable();
        names
    };
    let run = ["labels.txt", "run.json", "train.py", "trainer_state.json"];
    let half_way = Export::of(&half_way(), Numbers::F32);
    assert_eq!(half_way.names(), with(&[&run[..], &["training_state.safetensors"]].concat()));
    assert_eq!(half_way.text("labels.txt"), "SpinLeft\nSpinRight\n");
    let adapter = ["adapter/adapter_config.json", "adapter/adapter_model.safetensors", "training_state.safetensors"];
    assert_eq!(Export::of(&with_adapters(), Numbers::F32).names(), with(&[&run[..], &adapter].concat()));
    assert_eq!(Export::of(&finished(), Numbers::F32).names(), with(&run));
    assert_eq!(Export::of(&model("micro/model"), Numbers::F32).names(), with(&["labels.txt"]));
    assert_eq!(Export::of(&model("pretrain/model"), Numbers::F32).names(), with(&[]));
}

#[test]
fn the_config_says_what_from_pretrained_needs() {
    let export = Export::of(&finished(), Numbers::F32);
    let config = export.json("config.json");
    assert_eq!(config["architectures"], json!(["VideoMAEForVideoClassification"]));
    assert_eq!((&config["model_type"], &config["dtype"]), (&json!("videomae"), &json!("float32")));
    assert_eq!(config["id2label"], json!({"0": "SpinLeft", "1": "SpinRight"}));
    assert_eq!(config["label2id"], json!({"SpinLeft": 0, "SpinRight": 1}));
    assert_eq!(export.weights().tensor("classifier.weight").unwrap().shape(), [2, 64]);

    // Every field that transformers wrote comes back, whether it is known here or not.
    for (name, numbers, dtype) in [("micro/model", Numbers::F32, "float32"), ("rect/model", Numbers::F16, "float16")] {
        let theirs: Value = serde_json::from_slice(&std::fs::read(golden(name).join("config.json")).unwrap()).unwrap();
        let ours = Export::of(&model(name), numbers).json("config.json");
        for (field, value) in theirs.as_object().unwrap().iter().filter(|(field, _)| *field != "dtype") {
            assert_eq!(&ours[field], value, "{name}: {field}");
        }
        assert_eq!(ours["dtype"], dtype);
        assert!(ours.get("torch_dtype").is_none());
    }

    // A backbone stays what it was, decoder and all.
    let backbone = Export::of(&model("pretrain/model"), Numbers::F32);
    assert_eq!(backbone.json("config.json")["architectures"], json!(["VideoMAEForPreTraining"]));
    assert!(backbone.0["model.safetensors"] == std::fs::read(golden("pretrain/model/model.safetensors")).unwrap());
}

#[test]
fn nothing_changes_on_the_way_out_and_in_and_out_again() {
    for original in [half_way(), finished(), with_adapters(), model("odd/model"), model("pretrain/model")] {
        let first = Export::of(&original, Numbers::F32);
        let again = Export::of(&imported(&original, Numbers::F32), Numbers::F32);
        assert_eq!(first.names(), again.names());
        for (name, bytes) in first.0.iter().filter(|(name, _)| *name != "cliptune.json") {
            assert!(*bytes == again.0[name], "{}: {name}", original.summary.name);
        }
        assert_eq!(first.json("cliptune.json")["summary"]["name"], again.json("cliptune.json")["summary"]["name"]);
    }
}

/// As `save_pretrained` of PEFT 0.21.2 names and shapes them.
#[test]
fn adapters_leave_by_themselves_in_pefts_layout() {
    let export = Export::of(&with_adapters(), Numbers::F16);
    let config = export.json("adapter/adapter_config.json");
    assert_eq!((&config["peft_type"], &config["r"], &config["lora_alpha"]), (&json!("LORA"), &json!(3), &json!(5)));
    assert_eq!(
        (&config["target_modules"], &config["modules_to_save"]),
        (&json!(["key", "dense"]), &json!(["classifier"]))
    );
    let file = SafeTensors::deserialize(&export.0["adapter/adapter_model.safetensors"]).unwrap();
    let shape = |name: &str| file.tensor(&format!("base_model.model.{name}")).unwrap().shape().to_vec();
    let layer = "videomae.encoder.layer.1";
    assert_eq!(shape(&format!("{layer}.attention.attention.key.lora_A.weight")), [3, 64]);
    assert_eq!(shape(&format!("{layer}.attention.output.dense.lora_B.weight")), [64, 3]);
    assert_eq!(shape(&format!("{layer}.intermediate.dense.lora_B.weight")), [256, 3]);
    assert_eq!(shape(&format!("{layer}.output.dense.lora_A.weight")), [3, 256]);
    assert_eq!((shape("classifier.weight"), shape("classifier.bias")), (vec![2, 64], vec![2]));
    assert_eq!(file.len(), 2 * 4 * 2 + 2);
    let (_, text) = export.card();
    assert!(text.contains("PeftModel.from_pretrained") && text.contains("beside key,dense"), "{text}");
}

#[test]
fn sixteen_bits_are_half_as_large_and_rounded_to_nearest() {
    let original = finished();
    let (whole, half) = (Export::of(&original, Numbers::F32), Export::of(&original, Numbers::F16));
    let data =
        |export: &Export| -> usize { export.weights().tensors().iter().map(|(_, tensor)| tensor.data().len()).sum() };
    assert_eq!(2 * data(&half), data(&whole));
    for (name, tensor) in whole.weights().tensors() {
        let halves = half.weights();
        let rounded = halves.tensor(&name).unwrap();
        assert_eq!((rounded.dtype(), rounded.shape()), (Dtype::F16, tensor.shape()));
        let expected = tensor.data().as_chunks::<4>().0.iter().map(|bytes| f16::from_f32(f32::from_le_bytes(*bytes)));
        assert!(expected.flat_map(f16::to_le_bytes).eq(rounded.data().iter().copied()), "{name}");
    }
    // Opened and exported again they stay what they are, in 32 bits too.
    let back = imported(&original, Numbers::F16);
    assert!(Export::of(&back, Numbers::F16).0["model.safetensors"] == half.0["model.safetensors"]);
    for (name, tensor) in Export::of(&back, Numbers::F32).weights().tensors() {
        let halves = half.weights();
        let widened = halves.tensor(&name).unwrap().data().as_chunks::<2>().0.iter();
        let widened = widened.flat_map(|bytes| f16::from_le_bytes(*bytes).to_f32().to_le_bytes());
        assert!(widened.eq(tensor.data().iter().copied()), "{name}");
    }
}

#[test]
fn every_form_of_weights_leaves_under_transformers_names() {
    let original = Export::of(&model("micro/model"), Numbers::F32);
    for variant in ["sharded", "pytorch_bin", "keys_v5", "keys_v5_8_with_key_bias", "float16", "bfloat16"] {
        let folder = golden("micro/variants").join(variant);
        let mut files: Vec<NamedFile> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.file_name().unwrap().to_str().unwrap().to_string(), FileSource::open(&path).unwrap()))
            .collect();
        if !files.iter().any(|(name, _)| name == "preprocessor_config.json") {
            let preprocessor = FileSource::open(&golden("micro/model/preprocessor_config.json")).unwrap();
            files.push(("preprocessor_config.json".into(), preprocessor));
        }
        let stranger = Stranger { id: "x".into(), name: "x".into(), created: 1.0, origin: Origin::default() };
        let (checkpoint, report) = block_on(models::open(files, &stranger)).unwrap();
        assert!(report.is_complete() && report.surplus.is_empty(), "{variant}: {report:?}");
        let export = Export::of(&checkpoint, Numbers::F32);
        let weights = export.weights();
        let shapes: BTreeMap<_, _> =
            weights.tensors().into_iter().map(|(name, tensor)| (name, tensor.shape().to_vec())).collect();
        let config = VideoMaeConfig::from_json(export.text("config.json")).unwrap();
        assert_eq!(shapes.into_iter().collect::<Vec<_>>(), expected(&config), "{variant}");
        assert!(!export.names().contains(&"model.safetensors.index.json"), "{variant}");
        if !variant.ends_with("16") {
            for (name, tensor) in weights.tensors() {
                assert!(tensor.data() == original.weights().tensor(&name).unwrap().data(), "{variant}: {name}");
            }
        }
    }
}

#[test]
fn the_card_names_licence_and_base_model_where_they_are_known() {
    let mut checkpoint = finished();
    let export = Export::of(&checkpoint, Numbers::F32);
    let (front, text) = export.card();
    assert!(!front.contains("license:") && !front.contains("base_model:"), "{front}");
    assert!(text.contains("nobody else's licence"), "{text}");

    checkpoint.summary.origin = Origin {
        source: "MCG-NJU/videomae-base".into(),
        revision: Some("dc740df".into()),
        licence: Some("cc-by-nc-4.0".into()),
    };
    let export = Export::of(&checkpoint, Numbers::F32);
    let (front, text) = export.card();
    for line in [
        "library_name: transformers",
        "pipeline_tag: video-classification",
        "license: \"cc-by-nc-4.0\"",
        "base_model: \"MCG-NJU/videomae-base\"",
    ] {
        assert!(front.lines().any(|other| other == line), "{line} in {front}");
    }
    let record = checkpoint.record.as_ref().unwrap();
    let accuracy = record.test.as_ref().or(record.validation.as_ref()).unwrap().evaluation.accuracy;
    assert!(front.contains(&format!("value: {accuracy:.4}")), "{front}");
    for part in [
        "# My model, epoch 2",
        "MCG-NJU/videomae-base, revision `dc740df`",
        "are under `cc-by-nc-4.0`",
        "| SpinLeft | 3 | 1 | 1 |",
        "| batch size | 4 |",
        "| seed | 42 |",
        "## Results on validation",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    for report in &record.epochs {
        let row = format!("| {} | {:.4} | {:.4} |", report.epoch, report.train_loss, report.train_accuracy);
        assert!(text.contains(&row), "{row} in {text}");
    }
}

#[test]
fn names_from_users_neither_break_the_cards_tables_nor_become_html() {
    let mut checkpoint = finished();
    let nasty = ["<img src=x onerror=alert(1)>", "a|b\n---\nlicense: mit\n# c"].map(str::to_string);
    let mut config = VideoMaeConfig::from_json(&checkpoint.config).unwrap();
    config.set_labels(&nasty);
    checkpoint.config = serde_json::to_string(&config).unwrap();
    checkpoint.summary.labels = nasty.to_vec();
    checkpoint.summary.name = "<b>bold</b> \"name\"\n---\n".into();
    checkpoint.summary.origin.licence = Some("mit\nbase_model: evil".into());
    checkpoint.summary.origin.source = "[x](javascript:alert(1))".into();
    checkpoint.record.as_mut().unwrap().data.classes = nasty.to_vec();
    let export = Export::of(&checkpoint, Numbers::F32);
    assert_eq!(export.text("labels.txt").lines().count(), 2);
    let (front, text) = export.card();
    assert!(front.contains(r#"license: "mit\nbase_model: evil""#), "{front}");
    assert!(!front.lines().any(|line| line.starts_with("base_model")), "{front}");
    let plain = |text: &str, character: char| {
        text.char_indices().any(|(at, found)| found == character && !text[..at].ends_with('\\'))
    };
    for character in ['<', '>'] {
        assert!(!plain(text, character), "{character} in {text}");
    }
    assert!(!text.contains("](javascript") && !text.lines().any(|line| line == "---" || line == "# c"), "{text}");
    let mut rows = 0;
    let mut cells_above = None;
    for line in text.lines() {
        let cells = line.starts_with('|').then(|| line.replace("\\|", "").matches('|').count());
        if let (Some(cells), Some(above)) = (cells, cells_above) {
            assert_eq!(cells, above, "{line}");
            rows += 1;
        }
        cells_above = cells;
    }
    assert!(rows > 15, "{rows} rows of tables");
}

/// `TrainerState` in transformers 4.57's trainer_callback.py.
const TRAINER_STATE_FIELDS: [&str; 20] = [
    "epoch",
    "global_step",
    "max_steps",
    "logging_steps",
    "eval_steps",
    "save_steps",
    "train_batch_size",
    "num_train_epochs",
    "num_input_tokens_seen",
    "total_flos",
    "log_history",
    "best_metric",
    "best_global_step",
    "best_model_checkpoint",
    "is_local_process_zero",
    "is_world_process_zero",
    "is_hyper_param_search",
    "trial_name",
    "trial_params",
    "stateful_callbacks",
];

#[test]
fn the_trainers_log_has_an_entry_a_step_and_an_evaluation_an_epoch() {
    let cases = [(finished(), 4, vec![(2, 1.0), (4, 2.0)]), (half_way(), 3, vec![(2, 1.0), (3, 1.5)])];
    for (checkpoint, steps, epochs) in cases {
        let record = checkpoint.record.as_ref().unwrap();
        let state = Export::of(&checkpoint, Numbers::F32).json("trainer_state.json");
        let unknown: Vec<&String> =
            state.as_object().unwrap().keys().filter(|key| !TRAINER_STATE_FIELDS.contains(&key.as_str())).collect();
        assert!(unknown.is_empty(), "TrainerState refuses fields that it does not know: {unknown:?}");
        assert_eq!((state["global_step"].as_u64(), state["max_steps"].as_u64()), (Some(steps), Some(4)));
        let (evaluations, losses): (Vec<&Value>, Vec<&Value>) =
            state["log_history"].as_array().unwrap().iter().partition(|entry| entry.get("eval_loss").is_some());
        assert_eq!(losses.len(), record.steps.len());
        for (index, (entry, step)) in losses.iter().zip(&record.steps).enumerate() {
            assert_eq!(entry["step"], json!(index + 1));
            assert_eq!(entry["epoch"], json!((index + 1) as f64 / 2.0));
            assert_eq!(entry["loss"].as_f64().unwrap() as f32, step.loss);
            assert_eq!(entry["grad_norm"].as_f64().unwrap() as f32, step.gradient_norm);
            assert!((entry["learning_rate"].as_f64().unwrap() - step.learning_rate).abs() <= 1e-15);
        }
        let places: Vec<(u64, f64)> = evaluations
            .iter()
            .map(|entry| (entry["step"].as_u64().unwrap(), entry["epoch"].as_f64().unwrap()))
            .collect();
        assert_eq!(places, epochs);
        for (entry, epoch) in evaluations.iter().zip(&record.epochs) {
            assert_eq!(entry["eval_accuracy"].as_f64().unwrap() as f32, epoch.validation.unwrap().accuracy);
        }
    }
}

/// A store with the two runs above, the second as if it had run with other settings.
fn two_runs() -> (tempfile::TempDir, DirectoryStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(folder.path()).unwrap();
    let (first, mut second) = (finished(), half_way());
    let record = second.record.as_mut().unwrap();
    record.settings.learning_rate = 7e-4;
    second.summary.created = first.summary.created + 60_000.0;
    second.summary.run = "run-2".into();
    for checkpoint in [first, second] {
        block_on(store.save(&checkpoint)).unwrap();
    }
    (folder, store)
}

/// The text between two others.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let start = text.find(from).unwrap_or_else(|| panic!("no {from} in {text}")) + from.len();
    let end = text[start..].find(to).unwrap_or_else(|| panic!("no {to} after {from} in {text}"));
    &text[start..start + end]
}

#[test]
fn runs_are_laid_over_one_another_with_what_they_reached_and_in_what_they_differ() {
    let (_folder, store) = two_runs();
    let (runs, damaged) = block_on(runs::read(&store)).unwrap();
    assert_eq!(damaged, [""; 0]);
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(names, ["My model (2)", "My model"], "the newest first, and told apart");
    assert_eq!(runs[1].record.steps, finished().record.unwrap().steps);
    // Of four steps a second apart the user held the run for ten minutes after the second.
    let mut held = runs[1].clone();
    for (step, time) in held.record.steps.iter_mut().zip([0.0, 1.0, 601.0, 602.0]) {
        step.time = Some(1.7e9 + time);
    }
    assert_eq!(held.seconds(), Some(2.0));

    let ids: Vec<String> = runs.iter().map(|run| run.id.clone()).collect();
    let html = runs::comparison(&runs, &ids, Along::Steps);
    assert_eq!((html.matches("<figure").count(), html.matches("data-testid=\"result-row\"").count()), (4, 2));
    assert!(html.contains("step 4") && runs::comparison(&runs, &ids, Along::Epochs).contains("epoch 2"));
    // A line has a point for each step, each with its own colour.
    let losses = between(&html, "Training loss</b>", "</figure>");
    for (class, steps) in [("run-1", 3), ("run-2", 4)] {
        let path = between(losses, &format!("<g class=\"line {class}\"><path d=\""), "\"");
        assert_eq!(path.matches(['M', 'L']).count(), steps, "{class}: {path}");
    }
    let differing = between(&html, "data-testid=\"differing\"", "</table>");
    let rows: Vec<&str> = differing.split("<tr>").skip(2).collect();
    let [row] = rows.try_into().expect("only the rate differs");
    assert!(row.contains("learning rate</th><td>7e-4</td><td>1e-3</td>"), "{row}");
    let alike = between(&html, "<details>", "</details>");
    assert!(alike.contains("<th scope=\"row\">seed</th><td>42</td>"), "{alike}");

    // One of two that were validated on the same clips is the best, and of one alone none.
    let list = runs::list(&runs, &[], &ids[..1]);
    assert_eq!(list.matches("data-best=\"true\"").count(), 1);
    assert_eq!(list.matches("checked").count(), 2, "one run, and the axis");
    assert_eq!(runs::best(&runs[..1]).len(), 0);
    let mut other = runs.clone();
    other[0].record.data.videos.retain(|video| video.label == 0);
    assert_eq!(runs::best(&other).len(), 0, "other clips do not compare");
    assert!(runs::comparison(&runs, &[], Along::Epochs).contains("Tick runs"));
}

#[test]
fn a_runs_files_are_its_logs_and_the_settings_that_repeat_it() {
    let (_folder, store) = two_runs();
    let (runs, _) = block_on(runs::read(&store)).unwrap();
    let record = &runs[1].record;
    assert!(record.test.is_some() || finished().summary.test.is_none(), "the test of whichever was tested");
    let text = |file| {
        let (name, bytes) = runs[1].file(file).unwrap();
        (name, String::from_utf8(bytes).unwrap())
    };
    let (name, steps) = text(RunFile::Steps);
    assert_eq!((name.as_str(), steps.lines().count()), ("my-model-steps.csv", 1 + record.steps.len()));
    assert_eq!(text(RunFile::Epochs).1, metrics::epochs_csv(record));
    let (name, settings) = text(RunFile::Settings);
    assert_eq!(name, "my-model-settings.json");
    assert_eq!(TuneSettings::for_starter().with_file(&settings).unwrap(), record.settings);
    let (name, events) = runs[1].file(RunFile::Events).unwrap();
    assert!(name.starts_with("events.out.tfevents.") && !events.is_empty(), "{name}");
}

#[test]
fn names_and_notes_from_users_stay_texts_in_the_list_of_runs() {
    let (_folder, store) = two_runs();
    block_on(store.annotate("run-2", "<script>\n\"two\" </textarea>")).unwrap();
    let (mut runs, _) = block_on(runs::read(&store)).unwrap();
    runs[0].name = "<img src=x onerror=alert(1)>".into();
    runs[0].record.data.classes[0] = "</table><script>".into();
    let ids = [runs[0].id.clone()];
    let list = runs::list(&runs, &["<i>".to_string()], &ids);
    assert!(list.contains("&lt;script&gt;\n&quot;two&quot; &lt;/textarea&gt;</textarea>"), "{list}");
    for html in [list, runs::comparison(&runs, &ids, Along::Epochs)] {
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("<i>"), "{html}");
    }
    let card = Export::of(&block_on(store.load(&half_way().summary.id)).unwrap(), Numbers::F32);
    assert!(card.card().1.contains("## Notes\n\n\\<script\\>\n\n\"two\""), "{}", card.card().1);
}

#[test]
fn the_log_of_a_run_by_steps_has_its_evaluations_where_they_were_and_its_best_by_the_chosen_metric() {
    let clips = small_folder([3, 1, 1]);
    let out = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(out.path()).unwrap();
    let checkpointing = Checkpointing { eval_strategy: EvalStrategy::Steps, eval_steps: 1, save_steps: 0 };
    let selection = Selection { metric_for_best_model: Metric::F1, ..Selection::default() };
    let settings = TuneSettings { epochs: 2, checkpointing, selection, ..settings() };
    let best = short_runs::tune(&settings, &short_runs::import(clips.path()), &store, to_the_end).0.unwrap();
    let last = block_on(store.list()).unwrap().remove(0);
    let checkpoint = block_on(store.load(&last.id)).unwrap();
    let state = Export::of(&checkpoint, Numbers::F32).json("trainer_state.json");
    let log = state["log_history"].as_array().unwrap();
    let evaluations: Vec<&Value> = log.iter().filter(|entry| entry.get("eval_loss").is_some()).collect();
    assert_eq!(evaluations.iter().map(|entry| entry["step"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(state["eval_steps"], json!(1));
    let best = block_on(store.load(&best)).unwrap().summary;
    assert_eq!(state["best_metric"].as_f64().map(|value| value as f32), best.validation.unwrap().score);
    let step = state["best_global_step"].as_u64().unwrap();
    assert_eq!(best.stands.unwrap().step as u64, step);
    let entry = evaluations.iter().find(|entry| entry["step"] == json!(step)).unwrap();
    assert_eq!(entry["eval_f1"], state["best_metric"]);
    let place = state["best_model_checkpoint"].as_str().unwrap();
    assert!(best.name.replace(' ', "-").ends_with(place), "{place}, {}", best.name);
}

#[test]
fn event_files_have_the_times_of_the_steps_and_old_records_that_of_their_checkpoint() {
    let mut record = finished().record.unwrap();
    let times = |record: &RunRecord| -> Vec<f64> {
        // TensorBoard's records: a length, its checksum, a message, its checksum; a message begins with its time.
        let (file, mut times) = (events(record, 7.0), Vec::new());
        let mut rest = file.as_slice();
        while let Some((length, after)) = rest.split_first_chunk::<8>() {
            let length = u64::from_le_bytes(*length) as usize;
            times.push(f64::from_le_bytes(after[5..13].try_into().unwrap()));
            rest = &after[4 + length + 4..];
        }
        times.dedup();
        times
    };
    let known: Vec<f64> = record.steps.iter().map(|step| step.time.unwrap()).collect();
    assert!(known[0] > 1.7e9 && known.is_sorted());
    assert_eq!(times(&record), known);
    record.steps.iter_mut().for_each(|step| step.time = None);
    assert_eq!(times(&record), [7.0]);
}

#[test]
fn a_licence_goes_with_everything_that_is_made_from_a_model() {
    let (clips, out) = (small_folder([3, 1, 1]), tempfile::tempdir().unwrap());
    let store = DirectoryStore::open(out.path()).unwrap();
    let mut files: Vec<NamedFile> = ["config.json", "preprocessor_config.json", "model.safetensors"]
        .map(|name| (name.to_string(), FileSource::open(&golden("pretrain/model").join(name)).unwrap()))
        .to_vec();
    let card = "---\nlicense: cc-by-nc-4.0\ntags:\n- vision\n---\n# VideoMAE\n";
    files.push(("README.md".into(), FileSource::from_bytes(card.as_bytes())));
    let origin = Origin { source: "a folder".into(), ..Origin::default() };
    let stranger = Stranger { id: "base".into(), name: "Base".into(), created: 1.0, origin };
    let (kept, _) = block_on(models::keep(files, &stranger, &store)).unwrap();
    assert_eq!(kept.origin.licence.as_deref(), Some("cc-by-nc-4.0"));

    let settings = TuneSettings { epochs: 1, start: StartFrom::Checkpoint("base".into()), ..settings() };
    let best = short_runs::tune(&settings, &short_runs::import(clips.path()), &store, to_the_end).0.unwrap();
    let tuned = block_on(store.load(&best)).unwrap();
    assert_eq!(tuned.summary.origin.source, "a folder");
    let export = Export::of(&tuned, Numbers::F32);
    assert!(export.card().0.contains("license: \"cc-by-nc-4.0\""));

    // The zip alone tells it, to whoever opens it without our summary too.
    let back = imported(&tuned, Numbers::F32);
    assert_eq!(back.summary.origin, tuned.summary.origin);
    let mut bare =
        models::model_files(vec![("m.zip".into(), block_on(models::zip(&tuned, Numbers::F32)).unwrap().1)]).unwrap();
    bare.retain(|(name, _)| name != "cliptune.json");
    let (bare, _) = block_on(models::open(bare, &stranger)).unwrap();
    assert_eq!(bare.summary.origin.licence.as_deref(), Some("cc-by-nc-4.0"));
}
