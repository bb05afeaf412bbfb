//! A JSON list -> its entries.
//!
//! Comes in: text. Goes out: of each entry what a list may want of it, one entry at a time. Never keeps a JSON value: one
//! takes sixteen times its text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::list::COLUMNS;

/// Hands over the entries of a list, or those of an object with their keys. Fails where the text is neither.
pub fn read_entries(text: &str, take: impl FnMut(Option<String>, Entry)) -> Result<(), serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.deserialize_any(Entries(take)).and_then(|()| reader.end())
}

/// The columns of an entry, in [`COLUMNS`]' order: how telling the name is under which it was found, and the text.
pub type Fields = [Option<(usize, Option<String>)>; 5];

/// What a list may want of a JSON value; of all else nothing is kept.
pub enum Entry {
    Text(String),
    Object(Fields),
    Other,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyEntry)
    }
}

struct AnyEntry;

impl<'de> Visitor<'de> for AnyEntry {
    type Value = Entry;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Entry, E> {
        let text = text.trim();
        Ok(if text.is_empty() { Entry::Other } else { Entry::Text(text.to_string()) })
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Entry, E> {
        Ok(Entry::Text(number.to_string()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Entry, E> {
        Ok(Entry::Text(number.to_string()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Entry, E> {
        Ok(Number::from_f64(number).map_or(Entry::Other, |number| Entry::Text(number.to_string())))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Entry, E> {
        Ok(Entry::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Entry, E> {
        Ok(Entry::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Entry, A::Error> {
        while entries.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Entry::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Entry, A::Error> {
        let mut fields = Fields::default();
        while let Some(name) = entries.next_key::<String>()? {
            let name = name.to_lowercase();
            let rank = |known: &[&str]| known.iter().position(|other| *other == name);
            let found = COLUMNS.iter().zip(&mut fields).find_map(|(known, field)| Some((field, rank(known)?)));
            match found {
                Some((field, rank)) if field.as_ref().is_none_or(|(other, _)| rank < *other) => {
                    let text = match entries.next_value()? {
                        Entry::Text(text) => Some(text),
                        _ => None,
                    };
                    *field = Some((rank, text));
                }
                _ => _ = entries.next_value::<IgnoredAny>()?,
            }
        }
        Ok(Entry::Object(fields))
    }
}

/// Hands each entry over as it is read.
struct Entries<T>(T);

impl<'de, T: FnMut(Option<String>, Entry)> Visitor<'de> for Entries<T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a list or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        while let Some(entry) = entries.next_element()? {
            (self.0)(None, entry);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        while let Some((key, entry)) = entries.next_entry()? {
            (self.0)(Some(key), entry);
        }
        Ok(())
    }
}
