//! An export holds what others open, and nothing of it changes on its way round.
#![cfg(feature = "native")]

mod logs;
#[path = "../sample/mod.rs"]
#[allow(dead_code, reason = "each test program uses its own part of it")]
mod sample;
#[allow(dead_code, reason = "each test program uses its own part of it")]
#[path = "../runs/mod.rs"]
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
use futures_executor::block_on;
use half::f16;

use safetensors::tensor::{Dtype, SafeTensors};
use serde_json::{Value, json};
use short_runs::{after_step, settings, to_the_end};

fn golden(path: &str) -> PathBuf {
    PathBuf::from("tests/fixtures/golden").join(path)
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
        if out.exists() {
            std::fs::remove_dir_all(&out).unwrap();
        }
        let store = DirectoryStore::open(&out).unwrap();
        let settings = TuneSettings { epochs: 2, strategy, ..settings() };
        short_runs::tune(&settings, &short_runs::import_sample([3, 1, 1]), &store, stop).0.unwrap();
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

#[test]
fn a_licence_goes_with_everything_that_is_made_from_a_model() {
    let out = tempfile::tempdir().unwrap();
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
    let best = short_runs::tune(&settings, &short_runs::import_sample([3, 1, 1]), &store, to_the_end).0.unwrap();
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
