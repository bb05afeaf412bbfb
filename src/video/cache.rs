//! A cache that forgets what was not used for longest once it holds too many bytes.
//!
//! Comes in: values with their sizes. Goes out: the same values. Never holds more than its limit.

use std::collections::HashMap;

/// Least recently used values go first.
pub struct LeastRecentlyUsed<V> {
    entries: HashMap<String, Entry<V>>,
    limit: usize,
    held: usize,
    /// Counts uses; the larger, the later.
    clock: u64,
}

struct Entry<V> {
    value: V,
    bytes: usize,
    used: u64,
}

impl<V: Clone> LeastRecentlyUsed<V> {
    /// `limit` in bytes.
    pub fn new(limit: usize) -> Self {
        Self { entries: HashMap::new(), limit, held: 0, clock: 0 }
    }

    pub fn get(&mut self, key: &str) -> Option<V> {
        self.clock += 1;
        let entry = self.entries.get_mut(key)?;
        entry.used = self.clock;
        Some(entry.value.clone())
    }

    /// Keeps `value`, unless it alone is larger than the limit. Goes out: what had to go for it.
    pub fn insert(&mut self, key: String, value: V, bytes: usize) -> Vec<(String, V)> {
        self.remove(&key);
        let mut gone = Vec::new();
        if bytes > self.limit {
            return gone;
        }
        while self.held > self.limit - bytes {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { break };
            gone.extend(self.remove(&oldest).map(|value| (oldest, value)));
        }
        self.clock += 1;
        self.held += bytes;
        self.entries.insert(key, Entry { value, bytes, used: self.clock });
        gone
    }

    fn remove(&mut self, key: &str) -> Option<V> {
        let entry = self.entries.remove(key)?;
        self.held -= entry.bytes;
        Some(entry.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_goes_first_and_the_limit_holds() {
        let mut cache = LeastRecentlyUsed::new(10);
        for (key, bytes) in [("a", 4), ("b", 4)] {
            assert!(cache.insert(key.into(), key, bytes).is_empty());
        }
        assert!(cache.get("a").is_some());
        assert_eq!(cache.insert("c".into(), "c", 4), [("b".to_string(), "b")]);
        assert!(cache.get("b").is_none());
        assert!(cache.get("a").is_some() && cache.get("c").is_some());
        assert_eq!(cache.held, 8);
        cache.insert("d".into(), "d", 11);
        assert!(cache.get("d").is_none());
        cache.insert("a".into(), "a again", 10);
        assert_eq!((cache.held, cache.entries.len()), (10, 1));
        assert_eq!(cache.get("a"), Some("a again"));
    }
}
