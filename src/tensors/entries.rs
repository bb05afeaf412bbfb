//! The entries of a JSON object as they are written.
//!
//! Comes in: JSON of unknown origin. Goes out: its names and values in their order, so that a name that appears twice
//! is still there to be seen; no more of them than [`TENSORS_LIMIT`].

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::TENSORS_LIMIT;

pub struct Entries<V>(pub Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for EntriesVisitor<V> {
    type Value = Entries<V>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Entries<V>, M::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            if entries.len() == TENSORS_LIMIT {
                return Err(M::Error::custom(format_args!("there are more than {TENSORS_LIMIT} entries")));
            }
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}
