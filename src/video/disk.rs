//! Decoded frames and clips, and what a frozen backbone made of them, on disk for as long as the program runs.
//!
//! Comes in: a key, what the bytes are, and the bytes. Goes out: the same, read in parts. Never holds more than its limit,
//! and never drops one for another: an epoch asks for everything once, so what is dropped would be asked for before what
//! took its place is.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::kept::Outline;
use crate::files::{FileError, FileSource, Scratch, ScratchName};
use crate::protocol::DecodedOnDisk;

/// What the bytes of an entry are.
pub enum Content {
    /// All frames of a video, `[frames, height, width, 3]` bytes.
    Frames(Rc<Outline>),
    /// A clip as the model takes it, `[T, C, H, W]` floats of 4 bytes, little-endian.
    Pixels { start: f64, seconds: f64, size: [u32; 2], repeats: bool },
    /// What a backbone made of clips, one after another, floats of 4 bytes, little-endian.
    Features,
}

/// One entry.
pub struct OnDisk {
    pub content: Content,
    pub bytes: FileSource,
    name: ScratchName,
}

/// All entries; made on the first write.
pub struct DiskCache {
    scratch: RefCell<Option<Rc<Scratch>>>,
    entries: RefCell<HashMap<String, Rc<OnDisk>>>,
    limit: Cell<u64>,
    /// Written or being written.
    held: Cell<u64>,
    /// The disk refused something; nothing more is tried.
    refused: Cell<bool>,
    /// How many are at work to fill it with what others will ask for.
    fillers: Cell<usize>,
}

impl DiskCache {
    /// `limit` in bytes; 0 keeps nothing.
    pub fn new(limit: u64) -> Self {
        Self {
            scratch: RefCell::default(),
            entries: RefCell::default(),
            limit: Cell::new(limit),
            held: Cell::new(0),
            refused: Cell::new(false),
            fillers: Cell::new(0),
        }
    }

    /// Tells, for as long as the answer is held, that somebody fills the cache with all that others will ask for.
    pub fn fill(&self) -> Filling<'_> {
        self.fillers.set(self.fillers.get() + 1);
        Filling(&self.fillers)
    }

    pub fn is_being_filled(&self) -> bool {
        self.fillers.get() > 0
    }

    pub fn get(&self, key: &str) -> Option<Rc<OnDisk>> {
        self.entries.borrow().get(key).cloned()
    }

    /// Whether so many bytes more may be kept.
    pub fn has_room(&self, bytes: u64) -> bool {
        !self.refused.get() && self.held.get().saturating_add(bytes) <= self.limit.get()
    }

    pub fn report(&self) -> DecodedOnDisk {
        DecodedOnDisk { bytes: self.held.get(), limit: self.limit.get(), refused: self.refused.get() }
    }

    /// Keeps the parts one after another, where there is room for them. A disk that is full or refuses is no error: the
    /// next epoch decodes again.
    pub async fn keep(&self, key: String, content: Content, parts: &[&[u8]]) {
        let bytes = parts.iter().map(|part| part.len() as u64).sum();
        if self.entries.borrow().contains_key(&key) || !self.has_room(bytes) {
            return;
        }
        let claim = Claim::new(&self.held, bytes);
        match self.write(parts).await {
            Ok((name, bytes)) => {
                let entry = Rc::new(OnDisk { content, bytes, name });
                // Of two writes of the same the later is dropped.
                if self.entries.borrow().contains_key(&key) {
                    self.remove(&entry).await;
                    return;
                }
                claim.keep();
                self.entries.borrow_mut().insert(key, entry);
            }
            Err(_) => self.refused.set(true),
        }
    }

    /// Forgets an entry that could not be read.
    pub async fn forget(&self, key: &str) {
        let entry = self.entries.borrow_mut().remove(key);
        if let Some(entry) = entry {
            self.held.set(self.held.get().saturating_sub(entry.bytes.len()));
            self.remove(&entry).await;
        }
    }

    /// Forgets everything, and gives a disk that refused another chance.
    pub async fn clear(&self) {
        let entries = std::mem::take(&mut *self.entries.borrow_mut());
        self.refused.set(false);
        for entry in entries.values() {
            self.held.set(self.held.get().saturating_sub(entry.bytes.len()));
            self.remove(entry).await;
        }
    }

    /// A limit below what is held clears the cache.
    pub async fn set_limit(&self, bytes: u64) {
        self.limit.set(bytes);
        if self.held.get() > bytes {
            self.clear().await;
        }
    }

    async fn write(&self, parts: &[&[u8]]) -> Result<(ScratchName, FileSource), FileError> {
        let made = self.scratch.borrow().clone();
        let scratch = match made {
            Some(scratch) => scratch,
            None => {
                let scratch = Rc::new(Scratch::create().await?);
                self.scratch.borrow_mut().get_or_insert(scratch).clone()
            }
        };
        scratch.write(parts.iter().copied()).await
    }

    async fn remove(&self, entry: &OnDisk) {
        let scratch = self.scratch.borrow().clone();
        if let Some(scratch) = scratch {
            scratch.remove(&entry.name).await;
        }
    }
}

/// Held by whoever fills a cache.
pub struct Filling<'a>(&'a Cell<usize>);

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Bytes that are counted while they are being written; given back where the write is given up.
struct Claim<'a> {
    held: &'a Cell<u64>,
    bytes: u64,
}

impl<'a> Claim<'a> {
    fn new(held: &'a Cell<u64>, bytes: u64) -> Self {
        held.set(held.get() + bytes);
        Self { held, bytes }
    }

    fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.held.set(self.held.get().saturating_sub(self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn ready<T>(future: impl Future<Output = T>) -> T {
        future.now_or_never().expect("a native disk is ready at once")
    }

    fn keep(cache: &DiskCache, key: &str, parts: &[&[u8]]) {
        let content = Content::Pixels { start: 0.0, seconds: 1.0, size: [2, 2], repeats: false };
        ready(cache.keep(key.into(), content, parts));
    }

    fn read(cache: &DiskCache, key: &str) -> Option<Vec<u8>> {
        cache.get(key).map(|entry| ready(entry.bytes.read_all()).unwrap())
    }

    #[test]
    fn what_was_kept_first_stays_and_the_limit_holds() {
        let cache = DiskCache::new(10);
        keep(&cache, "a", &[&[1, 2], &[3]]);
        keep(&cache, "b", &[&[0; 8]]);
        keep(&cache, "c", &[&[4; 7]]);
        keep(&cache, "a", &[&[9]]);
        assert_eq!(read(&cache, "a").unwrap(), [1, 2, 3]);
        assert_eq!((read(&cache, "b"), read(&cache, "c")), (None, Some(vec![4; 7])));
        assert_eq!(cache.report(), DecodedOnDisk { bytes: 10, limit: 10, refused: false });
    }

    #[test]
    fn what_is_forgotten_makes_room() {
        let cache = DiskCache::new(4);
        keep(&cache, "a", &[&[1; 4]]);
        ready(cache.forget("a"));
        keep(&cache, "b", &[&[2; 4]]);
        assert_eq!((read(&cache, "a"), read(&cache, "b")), (None, Some(vec![2; 4])));
        ready(cache.set_limit(3));
        assert_eq!(cache.report(), DecodedOnDisk { bytes: 0, limit: 3, refused: false });
        assert!(cache.get("b").is_none());
    }

    #[test]
    fn a_write_that_is_given_up_holds_nothing() {
        let cache = DiskCache::new(4);
        drop(Claim::new(&cache.held, 4));
        assert!(cache.has_room(4));
    }
}
