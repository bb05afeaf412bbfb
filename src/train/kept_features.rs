//! What a frozen backbone made of clips: in memory, and on disk what memory has no room for.
//!
//! Comes in: the features of a view of a video. Goes out: the same, to the last bit. Never computes them, never holds more
//! memory than its limit and a block, and never drops one for another: an epoch asks for each of them once.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;

use super::run::TuneError;
use crate::video::clip::Clip;
use crate::video::disk::{Content, DiskCache};

/// Bytes of features in memory: 20 000 views of 768 values.
const MEMORY_BYTES: usize = 64 << 20;
/// Bytes that go to disk in one file: a file for each view would cost more than its few kB.
const BLOCK_BYTES: usize = 4 << 20;
/// Bytes on disk: 300 000 views of 768 values.
const DISK_BYTES: u64 = 1 << 30;

/// A video and its view's seed; evaluation has one view, without a seed.
pub type ViewKey = (usize, Option<u64>);

pub struct KeptFeatures {
    views: RefCell<HashMap<ViewKey, Place>>,
    /// In memory, until there are enough of them for a file.
    waiting: RefCell<Vec<ViewKey>>,
    /// Bytes in memory that stay there, and of those that wait.
    held: Cell<usize>,
    waiting_bytes: Cell<usize>,
    most: usize,
    block: usize,
    blocks: Cell<usize>,
    disk: DiskCache,
    /// Views that were computed, kept or not.
    computed: Cell<usize>,
    failure: RefCell<Option<String>>,
}

enum Place {
    InMemory(Clip),
    /// A part of a block; the clip is without its values.
    OnDisk {
        block: String,
        part: Range<u64>,
        clip: Clip,
    },
}

impl KeptFeatures {
    /// With a folder of its own on disk, for at most so many bytes; 0 keeps them in memory alone.
    pub fn new(disk: u64) -> Self {
        Self::limited(MEMORY_BYTES, BLOCK_BYTES, disk.min(DISK_BYTES))
    }

    fn limited(most: usize, block: usize, disk: u64) -> Self {
        Self {
            views: RefCell::default(),
            waiting: RefCell::default(),
            held: Cell::new(0),
            waiting_bytes: Cell::new(0),
            most,
            block,
            blocks: Cell::new(0),
            disk: DiskCache::new(disk),
            computed: Cell::new(0),
            failure: RefCell::default(),
        }
    }

    /// Views that are kept.
    pub fn count(&self) -> usize {
        self.views.borrow().len()
    }

    /// Views that were computed so far, again where they were not kept.
    pub fn computed(&self) -> usize {
        self.computed.get()
    }

    pub async fn get(&self, key: ViewKey) -> Option<Clip> {
        let (block, part, clip) = match self.views.borrow().get(&key)? {
            Place::InMemory(clip) => return Some(clip.clone()),
            Place::OnDisk { block, part, clip } => (block.clone(), part.clone(), clip.clone()),
        };
        let file = self.disk.get(&block)?.bytes.clone();
        match file.read(part).await {
            Ok(bytes) => {
                let values = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
                Some(Clip { pixels: values.collect(), ..clip })
            }
            Err(_) => {
                // It is computed again.
                self.views.borrow_mut().remove(&key);
                None
            }
        }
    }

    /// Keeps what was computed, where there is room for it.
    pub async fn keep(&self, key: ViewKey, clip: Clip) {
        self.computed.set(self.computed.get() + 1);
        let bytes = size_of_val(clip.pixels.as_slice());
        if self.held.get() + bytes <= self.most {
            self.held.set(self.held.get() + bytes);
        } else {
            let waiting = self.waiting_bytes.get() + bytes;
            if !self.disk.has_room(waiting as u64) {
                return;
            }
            self.waiting_bytes.set(waiting);
            self.waiting.borrow_mut().push(key);
        }
        self.views.borrow_mut().insert(key, Place::InMemory(clip));
        if self.waiting_bytes.get() >= self.block {
            self.write().await;
        }
    }

    /// What waits becomes a file. A disk that refuses is no error: the next epoch computes it again.
    async fn write(&self) {
        let keys = std::mem::take(&mut *self.waiting.borrow_mut());
        self.waiting_bytes.set(0);
        let block = self.blocks.get().to_string();
        self.blocks.set(self.blocks.get() + 1);
        let (mut bytes, mut places) = (Vec::new(), Vec::new());
        for key in keys {
            let Some(Place::InMemory(clip)) = self.views.borrow_mut().remove(&key) else { continue };
            let start = bytes.len() as u64;
            bytes.extend(clip.pixels.iter().flat_map(|value| value.to_le_bytes()));
            let part = start..bytes.len() as u64;
            places.push((key, Place::OnDisk { block: block.clone(), part, clip: Clip { pixels: Vec::new(), ..clip } }));
        }
        self.disk.keep(block.clone(), Content::Features, &[&bytes]).await;
        if self.disk.get(&block).is_some() {
            self.views.borrow_mut().extend(places);
        }
    }

    /// The device may fail within a feed, which knows of videos only: whoever consumed the feed asks afterwards.
    pub fn failure(&self) -> Result<(), TuneError> {
        self.failure.borrow_mut().take().map_or(Ok(()), |reason| Err(TuneError::Device(reason)))
    }

    pub(super) fn fail(&self, reason: String) {
        self.failure.replace(Some(reason));
    }
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;

    use super::*;

    fn clip(video: usize) -> Clip {
        let pixels = (0..48).map(|index| ((video * 48 + index) as f32).sqrt()).collect();
        Clip { pixels, start: video as f64, seconds: 2.0, size: [32, 24], repeats: video % 2 == 0 }
    }

    /// How many of 100 views, of 192 bytes each, are kept; each of those is the same to the last bit.
    fn kept(features: &KeptFeatures) -> usize {
        block_on(async {
            for video in 0..100 {
                features.keep((video, Some(7)), clip(video)).await;
            }
            let mut kept = 0;
            for video in 0..100 {
                let Some(found) = features.get((video, Some(7))).await else { continue };
                let (expected, pixels) =
                    (clip(video), |clip: &Clip| clip.pixels.iter().map(|value| value.to_bits()).collect::<Vec<_>>());
                assert_eq!(pixels(&found), pixels(&expected), "video {video}");
                assert_eq!((found.start, found.size, found.repeats), (expected.start, expected.size, expected.repeats));
                kept += 1;
            }
            assert!(features.get((0, None)).await.is_none());
            assert_eq!((features.count(), features.computed()), (kept, 100));
            kept
        })
    }

    #[test]
    fn what_memory_has_no_room_for_lies_on_disk_to_the_last_bit() {
        // Ten stay in memory; the others go to disk in files of eight, the last two of them wait.
        let features = KeptFeatures::limited(10 * 192, 8 * 192, u64::MAX);
        assert_eq!(kept(&features), 100);
        assert_eq!((features.disk.report().bytes, features.waiting.borrow().len()), (88 * 192, 2));
        let in_memory = |place: &Place| matches!(place, Place::InMemory(_));
        assert_eq!(features.views.borrow().values().filter(|place| in_memory(place)).count(), 12);
    }

    #[test]
    fn without_room_on_disk_the_rest_is_computed_again() {
        assert_eq!(kept(&KeptFeatures::limited(10 * 192, 8 * 192, 0)), 10);
        assert_eq!(kept(&KeptFeatures::limited(10 * 192, 8 * 192, 20 * 192)), 10 + 2 * 8 + 4);
        assert_eq!(kept(&KeptFeatures::new(0)), 100);
    }
}
