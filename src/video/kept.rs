//! What was decoded once -> the same again, from memory or from disk.
//!
//! Comes in: all frames of short videos, and clips that are asked for again just as they are. Goes out: the same, to the
//! last bit. Small videos lie in memory; what memory has no room for, and what takes longer to decode, on disk. Never decodes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_util::future::try_join_all;

use super::Frame;
use super::cache::LeastRecentlyUsed;
use super::clip::Clip;
use super::disk::{Content, DiskCache};
use crate::files::{FileError, FileSource};

/// How many bytes of decoded frames lie in memory.
const MEMORY_BYTES: usize = 256 << 20;
/// A video lies in memory where its frames take at most this many bytes.
pub const SMALL_BYTES: usize = 4 << 20;
/// Bytes of frames in memory at a time, of all videos that are on their way to disk; no larger video is kept. Seven seconds
/// of UCF101 are 40 MB.
const BYTES_UNDER_WAY: usize = 256 << 20;

/// When a video's frames are shown.
#[derive(Debug, PartialEq)]
pub struct Outline {
    pub seconds: f64,
    pub timestamps: Vec<f64>,
    /// Width and height in pixels, as they were kept.
    pub size: [u32; 2],
    /// Width and height of the video itself, which may be larger.
    pub full_size: [u32; 2],
}

impl Outline {
    /// Bytes of all frames.
    fn bytes(&self) -> usize {
        self.timestamps.len() * self.frame_bytes()
    }

    fn is_shrunk(&self) -> bool {
        self.size != self.full_size
    }

    fn frame_bytes(&self) -> usize {
        self.size.iter().map(|&side| side as usize).product::<usize>() * 3
    }
}

/// All frames of a video.
pub struct Whole {
    pub outline: Rc<Outline>,
    pub frames: WholeFrames,
}

pub enum WholeFrames {
    InMemory(Vec<Frame>),
    /// One after another.
    OnDisk(FileSource),
}

impl Whole {
    /// The frames from disk, in the order of `indices`.
    pub async fn read(&self, file: &FileSource, indices: &[usize]) -> Result<Vec<Frame>, FileError> {
        let ([width, height], bytes) = (self.outline.size, self.outline.frame_bytes() as u64);
        let frame = |&index: &usize| async move {
            let start = index as u64 * bytes;
            Ok(Frame { width, height, rgb: file.read(start..start + bytes).await? })
        };
        try_join_all(indices.iter().map(frame)).await
    }
}

/// What is kept of a folder, for all who load clips of it.
pub struct KeptClips {
    memory: RefCell<LeastRecentlyUsed<Rc<Whole>>>,
    disk: DiskCache,
    under_way: Cell<usize>,
}

/// What a video is decoded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A clip now, and others later; while somebody fills the disk, the clip is all that is worth waiting for.
    Clips,
    /// A clip that is the same each time: it takes less room than the video.
    OneClip,
    /// Clips later, from disk.
    Later,
}

/// Room in memory for a video's frames; given back by Drop.
pub struct Room<'a> {
    under_way: &'a Cell<usize>,
    bytes: usize,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.under_way.set(self.under_way.get() - self.bytes);
    }
}

impl KeptClips {
    /// `disk` is a limit in bytes; 0 keeps in memory only.
    pub fn new(disk: u64) -> Self {
        let memory = RefCell::new(LeastRecentlyUsed::new(MEMORY_BYTES));
        Self { memory, disk: DiskCache::new(disk), under_way: Cell::new(0) }
    }

    pub fn disk(&self) -> &DiskCache {
        &self.disk
    }

    /// Forgets everything, in memory and on disk.
    pub async fn clear(&self) {
        *self.memory.borrow_mut() = LeastRecentlyUsed::new(MEMORY_BYTES);
        self.disk.clear().await;
    }

    pub fn video(&self, key: &str) -> Option<Rc<Whole>> {
        if let Some(whole) = self.memory.borrow_mut().get(key) {
            return Some(whole);
        }
        let entry = self.disk.get(key)?;
        let Content::Frames(outline) = &entry.content else { return None };
        Some(Rc::new(Whole { outline: outline.clone(), frames: WholeFrames::OnDisk(entry.bytes.clone()) }))
    }

    /// Room for a video of so many bytes of frames, where it is to be kept; there may be none now and some in the next
    /// epoch. Shrunk frames take long to decode, however little room.
    pub fn room(&self, bytes: usize, is_shrunk: bool, purpose: Purpose) -> Option<Room<'_>> {
        let on_disk = || self.disk.has_room(bytes as u64);
        let is_quick = bytes <= SMALL_BYTES && !is_shrunk;
        let wanted = match purpose {
            Purpose::Clips => is_quick || (on_disk() && !self.disk.is_being_filled()),
            Purpose::OneClip => is_quick,
            // Memory has a small one as soon as it is asked for.
            Purpose::Later => !is_quick && on_disk(),
        };
        if !wanted {
            return None;
        }
        let under_way = self.under_way.get().saturating_add(bytes);
        if under_way > BYTES_UNDER_WAY {
            return None;
        }
        self.under_way.set(under_way);
        Some(Room { under_way: &self.under_way, bytes })
    }

    pub async fn keep_video(&self, key: &str, whole: &Rc<Whole>) {
        let bytes = whole.outline.bytes();
        if bytes > SMALL_BYTES || whole.outline.is_shrunk() {
            return self.write(key.to_string(), whole).await;
        }
        let gone = self.memory.borrow_mut().insert(key.to_string(), whole.clone(), bytes);
        for (key, whole) in gone {
            self.write(key, &whole).await;
        }
    }

    async fn write(&self, key: String, whole: &Whole) {
        let WholeFrames::InMemory(frames) = &whole.frames else { return };
        // A stream may change its size; on disk each frame lies where its number says.
        if frames.iter().any(|frame| [frame.width, frame.height] != whole.outline.size) {
            return;
        }
        let parts: Vec<&[u8]> = frames.iter().map(|frame| frame.rgb.as_slice()).collect();
        self.disk.keep(key, Content::Frames(whole.outline.clone()), &parts).await;
    }

    pub async fn forget_video(&self, key: &str) {
        self.disk.forget(key).await;
    }

    pub async fn clip(&self, key: &str) -> Option<Clip> {
        let entry = self.disk.get(key)?;
        let &Content::Pixels { start, seconds, size, repeats } = &entry.content else { return None };
        match entry.bytes.read_all().await {
            Ok(bytes) => {
                let pixels = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
                Some(Clip { pixels, start, seconds, size, repeats })
            }
            Err(_) => {
                self.disk.forget(key).await;
                None
            }
        }
    }

    /// On disk only: of a video that lies in memory a clip is soon made.
    pub async fn keep_clip(&self, key: String, clip: &Clip, video: &str) {
        if self.memory.borrow_mut().get(video).is_some() || !self.disk.has_room(size_of_val(&*clip.pixels) as u64) {
            return;
        }
        let bytes: Vec<u8> = clip.pixels.iter().flat_map(|value| value.to_le_bytes()).collect();
        let &Clip { start, seconds, size, repeats, .. } = clip;
        self.disk.keep(key, Content::Pixels { start, seconds, size, repeats }, &[&bytes]).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_on_their_way_to_disk_take_no_more_memory_than_is_allowed() {
        let kept = KeptClips::new(u64::MAX);
        let large = BYTES_UNDER_WAY / 2 + 1;
        let room = |bytes| kept.room(bytes, false, Purpose::Clips);
        let first = room(large);
        assert!(first.is_some() && room(large).is_none());
        assert!(room(SMALL_BYTES).is_some());
        drop(first);
        assert!(room(large).is_some());
        assert!(room(usize::MAX).is_none());
    }

    #[test]
    fn a_video_is_decoded_whole_only_where_that_pays() {
        let (disk, none) = (KeptClips::new(u64::MAX), KeptClips::new(0));
        let told = |kept: &KeptClips, bytes, is_shrunk| {
            [Purpose::Clips, Purpose::OneClip, Purpose::Later]
                .map(|purpose| kept.room(bytes, is_shrunk, purpose).is_some())
        };
        let has_room = |kept: &KeptClips, bytes| told(kept, bytes, false);
        assert_eq!(told(&disk, 1, true), [true, false, true]);
        assert_eq!(told(&none, 1, true), [false, false, false]);
        assert_eq!(has_room(&disk, SMALL_BYTES), [true, true, false]);
        assert_eq!(has_room(&disk, SMALL_BYTES + 1), [true, false, true]);
        assert_eq!(has_room(&none, SMALL_BYTES), [true, true, false]);
        assert_eq!(has_room(&none, SMALL_BYTES + 1), [false, false, false]);
        let filling = disk.disk().fill();
        assert_eq!(has_room(&disk, SMALL_BYTES), [true, true, false]);
        assert_eq!(has_room(&disk, SMALL_BYTES + 1), [false, false, true]);
        drop(filling);
        assert_eq!(has_room(&disk, SMALL_BYTES + 1), [true, false, true]);
    }
}
