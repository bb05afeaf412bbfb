//! Weights in several files, as `model.safetensors.index.json` and `pytorch_model.bin.index.json` list them.
//!
//! Comes in: the list, and a model's files. Goes out: each tensor from the file that the list gives it.
//! Never looks for a file anywhere but among the model's.

use std::collections::{BTreeMap, BTreeSet};

use super::entries::Entries;
use super::{Container, INDEX_LIMIT, TensorFiles, TensorsError, named, shown};
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
    #[error("it names the tensor {0} twice")]
    NamedTwice(String),
    #[error("it names {0}, which is not a file beside it")]
    Outside(String),
    #[error("it names {0}, which is not among the files; add it and try again")]
    NotThere(String),
    #[error("it says that {file} holds the tensor {tensor}, which it does not; the files may be of different models")]
    NotInShard { tensor: String, file: String },
}

#[derive(serde::Deserialize)]
struct Index {
    /// The file's name for each tensor.
    weight_map: Entries<String>,
}

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
    let shards = by_shard(&text).map_err(unusable)?;
    let mut all = TensorFiles::default();
    for (shard, tensors) in shards {
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

/// The tensors' names by the file that holds them.
fn by_shard(text: &[u8]) -> Result<BTreeMap<String, Vec<String>>, ShardsError> {
    let index: Index =
        serde_json::from_slice(text).map_err(|error| ShardsError::Malformed(shown(&error.to_string())))?;
    let mut names = BTreeSet::new();
    if let Some((twice, _)) = index.weight_map.0.iter().find(|(tensor, _)| !names.insert(tensor)) {
        return Err(ShardsError::NamedTwice(shown(twice)));
    }
    let mut shards = BTreeMap::<_, Vec<_>>::new();
    for (tensor, shard) in index.weight_map.0 {
        shards.entry(shard).or_default().push(tensor);
    }
    if shards.is_empty() { Err(ShardsError::Empty) } else { Ok(shards) }
}

fn find<'a>(shard: &str, files: &'a [(String, FileSource)]) -> Result<&'a FileSource, ShardsError> {
    if shard.is_empty() || shard == ".." || shard.contains(['/', '\\']) {
        return Err(ShardsError::Outside(shown(shard)));
    }
    named(files, shard).ok_or_else(|| ShardsError::NotThere(shown(shard)))
}
