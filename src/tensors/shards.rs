//! Weights in several files, as `model.safetensors.index.json` and `pytorch_model.bin.index.json` list them.
//!
//! Comes in: the list, and a model's files. Goes out: each tensor from the file that the list gives it.
//! Never looks for a file anywhere but among the model's.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::{Container, INDEX_LIMIT, TENSORS_LIMIT, TensorFiles, TensorsError, named, shown};
use crate::files::FileSource;

/// What is wrong with a list of shards: the end of a sentence that names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardsError {
    #[error("it has {0} bytes, more than the {INDEX_LIMIT} that are read")]
    TooLong(u64),
    #[error("it is malformed ({0})")]
    Malformed(String),
    #[error("it names no tensors")]
    Empty,
    #[error("it names {0}, which is not a file beside it")]
    Outside(String),
    #[error("it names {0}, which is not among the files; add it and try again")]
    NotThere(String),
    #[error("it says that {file} holds the tensor {tensor}, which it does not; the files may be of different models")]
    NotInShard { tensor: String, file: String },
}

#[derive(serde::Deserialize)]
struct Index {
    weight_map: WeightMap,
}

/// Tensors' names by the file that holds them.
struct WeightMap(BTreeMap<String, Vec<String>>);

pub(super) async fn open(
    name: &str,
    index: &FileSource,
    container: Container,
    files: &[(String, FileSource)],
) -> Result<TensorFiles, TensorsError> {
    let unusable = |error| TensorsError::Shards { file: shown(name), error };
    if index.len() > INDEX_LIMIT {
        return Err(unusable(ShardsError::TooLong(index.len())));
    }
    let text = index.read_all().await.map_err(|error| TensorsError::File { file: shown(name), error })?;
    let parsed = serde_json::from_slice::<Index>(&text);
    let WeightMap(weight_map) =
        parsed.map_err(|error| unusable(ShardsError::Malformed(shown(&error.to_string()))))?.weight_map;
    if weight_map.is_empty() {
        return Err(unusable(ShardsError::Empty));
    }
    let mut all = TensorFiles::default();
    for (shard, tensors) in weight_map {
        let file = find(&shard, files).map_err(unusable)?;
        let mut opened = container.read(&shard, file).await?;
        for tensor in tensors {
            let Some((tensor, stored)) = opened.tensors.remove_entry(&tensor) else {
                return Err(unusable(ShardsError::NotInShard { tensor: shown(&tensor), file: shown(&shard) }));
            };
            all.tensors.insert(tensor, stored);
        }
        all.metadata.append(&mut opened.metadata);
    }
    Ok(all)
}

fn find<'a>(shard: &str, files: &'a [(String, FileSource)]) -> Result<&'a FileSource, ShardsError> {
    if shard.is_empty() || shard == ".." || shard.contains(['/', '\\']) {
        return Err(ShardsError::Outside(shown(shard)));
    }
    named(files, shard).ok_or_else(|| ShardsError::NotThere(shown(shard)))
}

impl<'de> Deserialize<'de> for WeightMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(WeightMapVisitor)
    }
}

struct WeightMapVisitor;

impl<'de> Visitor<'de> for WeightMapVisitor {
    type Value = WeightMap;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a file's name for each tensor")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<WeightMap, M::Error> {
        let mut names = std::collections::BTreeSet::new();
        let mut shards = BTreeMap::<String, Vec<String>>::new();
        while let Some((tensor, shard)) = map.next_entry::<String, String>()? {
            if names.len() == TENSORS_LIMIT {
                return Err(M::Error::custom("more tensors than a model has"));
            }
            if !names.insert(tensor.clone()) {
                return Err(M::Error::custom(format_args!("the tensor {} is named twice", shown(&tensor))));
            }
            shards.entry(shard).or_default().push(tensor);
        }
        Ok(WeightMap(shards))
    }
}
