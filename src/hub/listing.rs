//! The Hub's list of a model's files -> which of them are fetched, and what the model may be used for.
//!
//! Comes in: the answer to `/api/models/…/revision/…?blobs=true`, a `config.json`, an index of shards. Goes out: files
//! with their sizes and checksums. Never trusts a name that is not in the list, never fetches.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::checksum::Checksum;
use super::error::HubError;

pub const CONFIG: &str = "config.json";
/// By preference. transformers 5 writes a video processor's settings under a name of its own.
pub const PREPROCESSORS: [&str; 3] =
    ["preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json"];
/// Fetched where they are there: the card, and what Cliptune writes beside a model.
const EXTRAS: [&str; 3] = ["README.md", "cliptune.json", "run.json"];
/// By preference: a file of weights, or an index of shards.
const WEIGHTS: [(&str, Form); 4] = [
    ("model.safetensors", Form::Whole),
    ("model.safetensors.index.json", Form::Sharded),
    ("pytorch_model.bin", Form::Whole),
    ("pytorch_model.bin.index.json", Form::Sharded),
];
/// More than any text beside a model needs; those are held in memory.
const LONGEST_TEXT: u64 = 32 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Whole,
    Sharded,
}

/// A file as the Hub describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    pub name: String,
    pub size: u64,
    pub checksum: Checksum,
}

/// What a model's repository holds at one commit.
#[derive(Clone, Debug)]
pub struct Listing {
    pub commit: String,
    /// As the card's front matter writes it.
    pub licence: Option<String>,
    files: BTreeMap<String, RemoteFile>,
}

/// What is fetched of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Small, `config.json` first.
    pub texts: Vec<RemoteFile>,
    pub weights: Weights,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weights {
    Whole(RemoteFile),
    /// The index, a text that names the shards.
    Sharded(RemoteFile),
}

#[derive(Deserialize)]
struct Answer {
    sha: String,
    siblings: Vec<Sibling>,
    #[serde(default, rename = "cardData")]
    card: Option<Card>,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: String,
    size: u64,
}

#[derive(Deserialize)]
struct Card {
    #[serde(default)]
    license: serde_json::Value,
    #[serde(default)]
    license_name: serde_json::Value,
}

impl Listing {
    /// None where it is not the list of a model's files, or one without sizes and checksums.
    pub fn parse(json: &[u8]) -> Option<Self> {
        let answer: Answer = serde_json::from_slice(json).ok()?;
        let is_commit = (7..=64).contains(&answer.sha.len()) && answer.sha.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_commit.then_some(())?;
        let licence = licence(answer.card.as_ref(), &answer.tags);
        let mut files = BTreeMap::new();
        // Folders hold nothing that is wanted.
        for sibling in answer.siblings.into_iter().filter(|sibling| is_plain(&sibling.rfilename)) {
            let (size, checksum) = match sibling.lfs {
                Some(lfs) => (lfs.size, Checksum::sha256(&lfs.sha256)?),
                None => (sibling.size?, Checksum::git_sha1(&sibling.blob_id?)?),
            };
            files.insert(sibling.rfilename.clone(), RemoteFile { name: sibling.rfilename, size, checksum });
        }
        Some(Self { commit: answer.sha, licence, files })
    }

    pub fn select(&self, repository: &str) -> Result<Selection, HubError> {
        let repository = repository.to_string();
        let find = |name: &str| self.files.get(name).cloned();
        let Some(config) = find(CONFIG) else { return Err(HubError::NoConfig { repository }) };
        let weights = WEIGHTS.into_iter().find_map(|(name, form)| Some((find(name)?, form)));
        let Some((weights, form)) = weights else { return Err(HubError::NoWeights { repository }) };
        let Some(preprocessor) = PREPROCESSORS.into_iter().find_map(find) else {
            return Err(HubError::NoPreprocessor { repository });
        };
        let mut texts = vec![config, preprocessor];
        texts.extend(EXTRAS.into_iter().filter_map(find));
        let index = (form == Form::Sharded).then_some(&weights);
        if let Some(long) = texts.iter().chain(index).find(|text| text.size > LONGEST_TEXT) {
            return Err(HubError::Oversized { repository, file: long.name.clone(), size: long.size });
        }
        let weights = if form == Form::Sharded { Weights::Sharded(weights) } else { Weights::Whole(weights) };
        Ok(Selection { texts, weights })
    }

    /// The shards that an index names.
    pub fn shards(&self, repository: &str, file: &str, index: &[u8]) -> Result<Vec<RemoteFile>, HubError> {
        #[derive(Deserialize)]
        struct Index {
            weight_map: BTreeMap<String, String>,
        }
        let wrong = || HubError::Shards { repository: repository.to_string(), file: file.to_string() };
        let index: Index = serde_json::from_slice(index).map_err(|_| wrong())?;
        let mut names: Vec<&String> = index.weight_map.values().collect();
        names.sort();
        names.dedup();
        let ending = if file.starts_with("model.") { ".safetensors" } else { ".bin" };
        let shards = names.into_iter().map(|name| self.files.get(name).filter(|_| name.ends_with(ending)).cloned());
        shards.collect::<Option<Vec<_>>>().filter(|shards| !shards.is_empty()).ok_or_else(wrong)
    }
}

/// Refuses a configuration of another architecture before its weights are fetched.
pub fn check_config(repository: &str, config: &[u8]) -> Result<(), HubError> {
    #[derive(Deserialize)]
    struct Config {
        model_type: Option<String>,
    }
    let repository = repository.to_string();
    let model_type = serde_json::from_slice::<Config>(config).ok().and_then(|config| config.model_type);
    match model_type {
        Some(model_type) if model_type == "videomae" => Ok(()),
        Some(model_type) => {
            let name: String = model_type.chars().filter(|c| !c.is_control()).take(60).collect();
            Err(HubError::NotVideoMae { repository, found: format!("\"{name}\"") })
        }
        None => Err(HubError::NotVideoMae { repository, found: "of a kind that its config.json does not tell".into() }),
    }
}

/// `license`; where that is "other", the name it is given.
fn licence(card: Option<&Card>, tags: &[String]) -> Option<String> {
    let text = |value: &serde_json::Value| {
        let value = value.as_array().and_then(|values| values.first()).unwrap_or(value);
        let tidy: String = value.as_str()?.trim().chars().filter(|c| !c.is_control()).take(100).collect();
        Some(tidy).filter(|text| !text.is_empty())
    };
    let of_card = card.and_then(|card| text(&card.license));
    let named = card.and_then(|card| text(&card.license_name));
    match of_card.as_deref() {
        Some("other") => named.or(of_card),
        Some(_) => of_card,
        None => tags.iter().find_map(|tag| text(&tag.strip_prefix("license:")?.into())),
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\']) && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const COMMIT: &str = "607a30d783dfa663caf39e06633721c8d4cfcd7e";

    fn small(name: &str) -> Value {
        json!({"rfilename": name, "blobId": "10c66461e4c109db5a2196bff4bb59be30396ed8", "size": 665})
    }

    fn large(name: &str) -> Value {
        let lfs = json!({"sha256": "24".repeat(32), "size": 548_105_171, "pointerSize": 134});
        json!({"rfilename": name, "blobId": "44b36d6e32d13c8fb28b0feab0ac8bfefa7efeda", "size": 548_105_171, "lfs": lfs})
    }

    fn answer(files: &[Value]) -> Value {
        json!({"id": "a/b", "sha": COMMIT, "private": false, "gated": false, "siblings": files})
    }

    fn listing(files: &[Value]) -> Listing {
        Listing::parse(answer(files).to_string().as_bytes()).unwrap()
    }

    fn names(files: &[RemoteFile]) -> Vec<&str> {
        files.iter().map(|file| file.name.as_str()).collect()
    }

    #[test]
    fn a_listing_as_the_hub_gives_it_tells_sizes_and_checksums() {
        let listing = listing(&[
            small(".gitattributes"),
            small("README.md"),
            small(CONFIG),
            large("model.safetensors"),
            small("preprocessor_config.json"),
            large("pytorch_model.bin"),
            large("onnx/model.onnx"),
        ]);
        assert_eq!(listing.commit, COMMIT);
        let selection = listing.select("a/b").unwrap();
        assert_eq!(names(&selection.texts), [CONFIG, "preprocessor_config.json", "README.md"]);
        let checksum = Checksum::Sha256("24".repeat(32));
        let weights = RemoteFile { name: "model.safetensors".into(), size: 548_105_171, checksum };
        assert_eq!(selection.weights, Weights::Whole(weights));
        assert_eq!(
            selection.texts[0].checksum,
            Checksum::git_sha1("10c66461e4c109db5a2196bff4bb59be30396ed8").unwrap()
        );
    }

    #[test]
    fn the_best_form_of_the_weights_is_taken_and_our_own_files_come_along() {
        let rest = [small(CONFIG), small("video_preprocessor_config.json"), small("cliptune.json"), small("run.json")];
        let with = |weights: &[Value]| listing(&[&rest[..], weights].concat()).select("a/b").unwrap();
        let bin = [large("pytorch_model.bin"), small("pytorch_model.bin.index.json")];
        assert!(matches!(with(&bin).weights, Weights::Whole(file) if file.name == "pytorch_model.bin"));
        let index = [small("model.safetensors.index.json"), large("pytorch_model.bin")];
        assert!(matches!(with(&index).weights, Weights::Sharded(file) if file.name == "model.safetensors.index.json"));
        let bin_index = with(&bin[1..]);
        assert!(matches!(bin_index.weights, Weights::Sharded(file) if file.name == "pytorch_model.bin.index.json"));
        assert_eq!(names(&bin_index.texts), [CONFIG, "video_preprocessor_config.json", "cliptune.json", "run.json"]);
    }

    #[test]
    fn what_is_missing_is_said_before_anything_is_fetched() {
        let repository = String::from("a/b");
        let (config, preprocessor, weights) = (small(CONFIG), small(PREPROCESSORS[0]), large("model.safetensors"));
        let select = |files: &[&Value]| listing(&files.iter().copied().cloned().collect::<Vec<_>>()).select("a/b");
        let no_config = HubError::NoConfig { repository: repository.clone() };
        assert_eq!(select(&[&preprocessor, &weights]), Err(no_config));
        let no_preprocessor = HubError::NoPreprocessor { repository: repository.clone() };
        assert_eq!(select(&[&config, &weights]), Err(no_preprocessor));
        let no_weights = HubError::NoWeights { repository: repository.clone() };
        assert_eq!(select(&[&config, &preprocessor, &large("tf_model.h5")]), Err(no_weights));
        let huge = large(CONFIG);
        let oversized = HubError::Oversized { repository, file: CONFIG.into(), size: 548_105_171 };
        assert_eq!(select(&[&huge, &preprocessor, &weights]), Err(oversized));
    }

    #[test]
    fn only_videomae_is_fetched() {
        assert_eq!(check_config("a/b", br#"{"model_type": "videomae", "hidden_size": 8}"#), Ok(()));
        let found = |config: &str| match check_config("a/b", config.as_bytes()) {
            Err(HubError::NotVideoMae { found, .. }) => found,
            other => panic!("{config}: {other:?}"),
        };
        assert_eq!(found(r#"{"model_type": "vit"}"#), "\"vit\"");
        for config in ["{}", "[]", "not JSON", r#"{"model_type": 3}"#, ""] {
            assert!(found(config).contains("does not tell"), "{config}");
        }
    }

    #[test]
    fn shards_are_those_of_the_index_and_of_the_listing() {
        let index_file = "model.safetensors.index.json";
        let listing = listing(&[
            large("model-00001-of-00002.safetensors"),
            large("model-00002-of-00002.safetensors"),
            large("other.bin"),
            large("deep/model.safetensors"),
        ]);
        let shards = |map: Value| listing.shards("a/b", index_file, json!({"weight_map": map}).to_string().as_bytes());
        let both = shards(json!({
            "b": "model-00002-of-00002.safetensors",
            "a": "model-00001-of-00002.safetensors",
            "c": "model-00002-of-00002.safetensors",
        }));
        assert_eq!(names(&both.unwrap()), ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]);
        let refused = HubError::Shards { repository: "a/b".into(), file: index_file.into() };
        for map in [
            json!({}),
            json!({"a": "model-00003-of-00002.safetensors"}),
            json!({"a": "../model-00001-of-00002.safetensors"}),
            json!({"a": "deep/model.safetensors"}),
            json!({"a": "other.bin"}),
            json!({"a": 1}),
            json!(["model-00001-of-00002.safetensors"]),
        ] {
            assert_eq!(shards(map.clone()), Err(refused.clone()), "{map}");
        }
        assert_eq!(listing.shards("a/b", index_file, b"<html>"), Err(refused));
    }

    #[test]
    fn the_licence_comes_from_the_card_else_from_the_tags() {
        let licence = |card: Value, tags: Value| {
            let mut answer = answer(&[]);
            answer["cardData"] = card;
            answer["tags"] = tags;
            Listing::parse(answer.to_string().as_bytes()).unwrap().licence
        };
        let tags = json!(["transformers", "license:mit", "region:us"]);
        assert_eq!(licence(json!({"license": "cc-by-nc-4.0"}), tags.clone()).as_deref(), Some("cc-by-nc-4.0"));
        assert_eq!(licence(json!({"license": ["apache-2.0"]}), tags.clone()).as_deref(), Some("apache-2.0"));
        let named = json!({"license": "other", "license_name": "our-own"});
        assert_eq!(licence(named, tags.clone()).as_deref(), Some("our-own"));
        assert_eq!(licence(json!({"license": "other"}), tags.clone()).as_deref(), Some("other"));
        assert_eq!(licence(json!({"language": "en"}), tags.clone()).as_deref(), Some("mit"));
        assert_eq!(licence(Value::Null, json!([])), None);
    }

    #[test]
    fn an_answer_that_is_no_listing_is_refused() {
        let bare = json!({"rfilename": CONFIG});
        let wrong_checksum = json!({"rfilename": CONFIG, "size": 1, "blobId": "main"});
        let mut no_commit = answer(&[]);
        no_commit["sha"] = json!("../../etc");
        let answers = [answer(&[bare]), answer(&[wrong_checksum]), no_commit, json!({"error": "no"}), json!([])];
        for answer in answers {
            assert!(Listing::parse(answer.to_string().as_bytes()).is_none(), "{answer}");
        }
        assert!(Listing::parse(b"<!doctype html>").is_none());
        assert!(Listing::parse(b"").is_none());
    }
}
