//! The files of a folder, and what looking into them tells: lists, which videos open, which are the same.
//!
//! Comes in: paths at once, and their handles as they arrive: a browser takes longer to hand over files than to name
//! them. Goes out: [`List`]s, and [`Checks`] that grow while the folder is used already. Reads videos' indexes, and bytes
//! only of files of equal size, a piece at a time. Never decodes a frame.

use std::cell::{Cell, Ref, RefCell};
use std::collections::HashMap;

use futures_channel::oneshot;
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};

use super::clock::Breath;
use crate::dataset::Measured;
use crate::dataset::catalogue::{Checks, Probe};
use crate::dataset::class_lists::join;
use crate::dataset::layout::is_video;
use crate::dataset::list::{self, List, MOST_ROWS};
use crate::files::{FileError, FileSource};
use crate::video::{Video, VideoReader, VideoSource};

/// Files being opened at a time: opening one mostly waits for the disk.
const FILES_AT_A_TIME: usize = 8;
/// A larger file is no list.
const LARGEST_LIST: u64 = 32 << 20;
/// Of files of equal size, so much is compared before all of it.
const HEAD: u64 = 64 << 10;
const PIECE: u64 = 1 << 20;

pub struct Contents {
    /// As they were given.
    pub paths: Vec<String>,
    lists: RefCell<Vec<List>>,
    sources: RefCell<HashMap<String, VideoSource>>,
    /// Handles that arrived.
    arrived: Cell<usize>,
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
    checks: RefCell<Checks>,
}

impl Contents {
    pub fn new(paths: Vec<String>) -> Self {
        Self {
            paths,
            lists: RefCell::default(),
            sources: RefCell::default(),
            arrived: Cell::default(),
            waiting: RefCell::default(),
            checks: RefCell::default(),
        }
    }

    /// Takes the handles of the files from the `from`th path on; none for a file that is gone.
    pub fn receive(&self, from: usize, sources: Vec<Option<VideoSource>>) {
        self.arrived.set(self.arrived.get() + sources.len());
        let at_hand = self.paths.iter().skip(from).zip(sources);
        self.sources.borrow_mut().extend(at_hand.filter_map(|(path, source)| Some((path.clone(), source?))));
        // Whoever waits looks anew; one who does not wait any longer cannot be told.
        self.waiting.take().into_iter().for_each(|waiting| _ = waiting.send(()));
    }

    /// Reads the lists among the files that [`list::candidates`] names, in its order, and opens no video. None stands for
    /// a file that is gone.
    pub async fn read_lists(&self, candidates: &[Option<VideoSource>]) {
        let mut lists = Vec::new();
        for (place, source) in list::candidates(self.paths.iter().map(String::as_str)).into_iter().zip(candidates) {
            if lists.iter().map(|list: &List| list.rows.len()).sum::<usize>() >= MOST_ROWS {
                break;
            }
            // What cannot be read is no list.
            if let (Some(path), Some(source)) = (self.paths.get(place), source)
                && let Ok(Some(text)) = list_text(source).await
            {
                lists.extend(list::read(path, &text));
            }
        }
        lists.sort_by(|one, other| one.path.cmp(&other.path));
        self.lists.replace(join(lists));
    }

    pub fn lists(&self) -> Ref<'_, Vec<List>> {
        self.lists.borrow()
    }

    /// The paths that look like videos, whatever labels they have or lack, sorted.
    pub fn videos(&self) -> Vec<String> {
        let mut videos: Vec<String> = self.paths.iter().filter(|path| is_video(path)).cloned().collect();
        videos.sort();
        videos
    }

    /// Waits until the file was handed over; none where it never is. Two files of one path share a handle.
    pub async fn source(&self, path: &str) -> Option<VideoSource> {
        loop {
            let known = self.sources.borrow().get(path).cloned();
            if known.is_some() || self.arrived.get() >= self.paths.len() {
                return known;
            }
            let (sender, receiver) = oneshot::channel();
            self.waiting.borrow_mut().push(sender);
            // Woken, or all of it is gone.
            let _ = receiver.await;
        }
    }

    pub fn checks(&self) -> Ref<'_, Checks> {
        self.checks.borrow()
    }

    /// Opens those of the videos that were not opened yet. `progress` hears how many are done and how many cannot be
    /// used.
    pub async fn check(&self, videos: Vec<String>, mut progress: impl FnMut(usize, usize)) {
        let unopened: Vec<String> =
            videos.into_iter().filter(|path| !self.checks.borrow().probes.contains_key(path)).collect();
        let opened = stream::iter(unopened).map(|path| async move {
            let probe = probe(self.source(&path).await).await;
            (path, probe)
        });
        let mut opened = std::pin::pin!(opened.buffered(FILES_AT_A_TIME));
        let (mut done, mut unusable) = (0, 0);
        while let Some((path, probe)) = opened.next().await {
            done += 1;
            unusable += usize::from(probe.is_err());
            self.checks.borrow_mut().probes.insert(path, probe);
            progress(done, unusable);
        }
    }

    /// Finds which of the videos have the same bytes: of equal size, then of equal heads, then equal throughout.
    pub async fn find_copies(&self, videos: &[String]) {
        let breath = Breath::default();
        let mut by_size: HashMap<u64, Vec<&str>> = HashMap::new();
        for path in videos {
            if let Some(Ok(file)) = self.source(path).await.as_ref().map(VideoSource::bytes) {
                by_size.entry(file.len()).or_default().push(path);
            }
            breath.take().await;
        }
        by_size.remove(&0);
        let mut copies = Vec::new();
        for (size, paths) in by_size.into_iter().filter(|(_, paths)| paths.len() > 1) {
            for alike in self.alike(paths, HEAD.min(size), &breath).await {
                match size > HEAD {
                    true => copies.extend(self.alike(alike, size, &breath).await),
                    false => copies.push(alike),
                }
            }
        }
        let mut copies: Vec<Vec<String>> =
            copies.into_iter().map(|set| set.into_iter().map(str::to_string).collect()).collect();
        copies.sort();
        self.checks.borrow_mut().copies = copies;
    }

    /// The sets of files whose first `length` bytes are the same.
    async fn alike<'a>(&self, paths: Vec<&'a str>, length: u64, breath: &Breath) -> Vec<Vec<&'a str>> {
        let mut by_digest: HashMap<[u8; 32], Vec<&'a str>> = HashMap::new();
        let digests = stream::iter(paths).map(|path| async move {
            // A file that cannot be read is told of when it is opened.
            let file = self.source(path).await?.bytes().ok()?;
            Some((path, digest(&file, length, breath).await.ok()?))
        });
        let mut digests = std::pin::pin!(digests.buffered(FILES_AT_A_TIME));
        while let Some(digested) = digests.next().await {
            if let Some((path, digest)) = digested {
                by_digest.entry(digest).or_default().push(path);
            }
        }
        by_digest.into_values().filter(|set| set.len() > 1).collect()
    }
}

async fn list_text(source: &VideoSource) -> Result<Option<String>, FileError> {
    let file = source.bytes()?;
    if file.len() > LARGEST_LIST {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&file.read_all().await?).into_owned()))
}

/// SHA-256 of the first `length` bytes.
async fn digest(file: &FileSource, length: u64, breath: &Breath) -> Result<[u8; 32], FileError> {
    let mut running = Sha256::new();
    let mut start = 0;
    while start < length {
        let end = length.min(start + PIECE);
        running.update(file.read(start..end).await?);
        start = end;
        breath.take().await;
    }
    Ok(running.finalize().into())
}

/// What opening a video tells.
async fn probe(source: Option<VideoSource>) -> Probe {
    let source = source.ok_or_else(|| "The file was not handed over; choose the folder again.".to_string())?;
    let video = Video::open(&source).await.map_err(|error| error.to_string())?;
    let info = video.info();
    Ok(Measured { seconds: info.seconds, width: info.width, height: info.height })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn contents(folder: &std::path::Path, files: &[(&str, Vec<u8>)]) -> Contents {
        let contents = Contents::new(files.iter().map(|(name, _)| name.to_string()).collect());
        let handle = |(name, bytes): &(&str, Vec<u8>)| {
            std::fs::write(folder.join(name), bytes).unwrap();
            Some(VideoSource::new(*name, folder.join(name)))
        };
        contents.receive(0, files.iter().map(handle).collect());
        contents
    }

    #[test]
    fn files_of_equal_bytes_are_found_among_files_of_equal_size() {
        let folder = tempfile::tempdir().unwrap();
        let long = |last: u8| [vec![7; 3 << 20], vec![last]].concat();
        let files = [
            ("a", vec![1, 2, 3]),
            ("b", vec![1, 2, 4]),
            ("c", vec![1, 2, 3]),
            ("d", long(1)),
            ("e", long(2)),
            ("f", long(1)),
            ("g", Vec::new()),
        ];
        let contents = contents(folder.path(), &files);
        contents.find_copies(&contents.paths).now_or_never().unwrap();
        assert_eq!(contents.checks().copies, [vec!["a".to_string(), "c".into()], vec!["d".into(), "f".into()]]);
    }

    #[test]
    fn lists_are_read_before_any_video_has_arrived() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("labels.csv");
        std::fs::write(&list, "path,label\na.mp4,jump\n").unwrap();
        let contents = Contents::new(["a.mp4", "labels.csv"].map(String::from).to_vec());
        contents.read_lists(&[Some(VideoSource::new("labels.csv", list))]).now_or_never().unwrap();
        assert_eq!(contents.lists()[0].rows[0].path, "a.mp4");
    }

    #[test]
    fn who_asks_for_a_file_waits_until_it_was_handed_over() {
        let contents = Contents::new(["a", "b", "c", "gone"].map(String::from).to_vec());
        let handle = |name: &str| Some(VideoSource::new(name, name));
        let mut waits = std::pin::pin!(contents.source("c"));
        assert_eq!(waits.as_mut().now_or_never(), None);
        contents.receive(0, vec![handle("a")]);
        assert_eq!(waits.as_mut().now_or_never(), None);
        contents.receive(1, vec![handle("b"), handle("c"), None]);
        assert_eq!(waits.now_or_never(), Some(handle("c")));
        assert_eq!(contents.source("gone").now_or_never(), Some(None), "all that is left has arrived");
    }
}
