//! The files of a folder, and what looking into them tells: lists, which videos open, which are the same.
//!
//! Comes in: paths with handles. Goes out: [`List`]s, and [`Checks`] that grow while the folder is used already. Reads
//! videos' indexes, and bytes only of files of equal size, a piece at a time. Never decodes a frame.

use std::cell::{Ref, RefCell};
use std::collections::HashMap;

use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};

use super::clock::Breath;
use crate::dataset::Measured;
use crate::dataset::catalogue::{Checks, Probe};
use crate::dataset::layout::is_video;
use crate::dataset::list::{self, List};
use crate::files::{FileError, FileSource};
use crate::video::{Video, VideoReader, VideoSource};

/// Files being opened at a time: opening one mostly waits for the disk.
const FILES_AT_A_TIME: usize = 8;
/// Lists that are read; some folders have a text beside each video.
const LISTS: usize = 64;
/// A larger file is no list.
const LARGEST_LIST: u64 = 32 << 20;
/// Of files of equal size, so much is compared before all of it.
const HEAD: u64 = 64 << 10;
const PIECE: u64 = 1 << 20;

pub struct Contents {
    /// Sorted.
    pub paths: Vec<String>,
    pub lists: Vec<List>,
    sources: HashMap<String, VideoSource>,
    checks: RefCell<Checks>,
}

impl Contents {
    /// Reads the lists and opens no video.
    pub async fn read(mut files: Vec<(String, VideoSource)>) -> Self {
        // Browsers and disks list a folder in any order; a run's clips come in an order drawn from the catalogue's.
        files.sort_by(|(path, _), (other, _)| path.cmp(other));
        let mut candidates: Vec<&(String, VideoSource)> =
            files.iter().filter(|(path, _)| list::may_be_list(path)).collect();
        candidates.sort_by_key(|(path, _)| path.matches('/').count());
        let mut lists = Vec::new();
        for (path, source) in candidates.into_iter().take(LISTS) {
            // What cannot be read is no list; a file that is gone is told of where it is a video.
            if let Ok(Some(text)) = list_text(source).await {
                lists.extend(list::read(path, &text));
            }
        }
        lists.sort_by(|one, other| one.path.cmp(&other.path));
        let paths = files.iter().map(|(path, _)| path.clone()).collect();
        Self { paths, lists, sources: files.into_iter().collect(), checks: RefCell::default() }
    }

    /// The paths that look like videos, whatever labels they have or lack.
    pub fn videos(&self) -> Vec<String> {
        self.paths.iter().filter(|path| is_video(path)).cloned().collect()
    }

    /// Two files of one path share a handle.
    pub fn source(&self, path: &str) -> Option<&VideoSource> {
        self.sources.get(path)
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
            let probe = probe(self.source(&path)).await;
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
            if let Some(Ok(file)) = self.source(path).map(VideoSource::bytes) {
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
        for path in paths {
            // A file that cannot be read is told of when it is opened.
            if let Some(Ok(file)) = self.source(path).map(VideoSource::bytes)
                && let Ok(digest) = digest(&file, length, breath).await
            {
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
async fn probe(source: Option<&VideoSource>) -> Probe {
    let source = source.ok_or_else(|| "The file was not handed over; choose the folder again.".to_string())?;
    let video = Video::open(source).await.map_err(|error| error.to_string())?;
    let info = video.info();
    Ok(Measured { seconds: info.seconds, width: info.width, height: info.height })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn files_of_equal_bytes_are_found_among_files_of_equal_size() {
        let folder = tempfile::tempdir().unwrap();
        let long = |last: u8| [vec![7; 3 << 20], vec![last]].concat();
        let files: [(&str, Vec<u8>); 7] = [
            ("a", vec![1, 2, 3]),
            ("b", vec![1, 2, 4]),
            ("c", vec![1, 2, 3]),
            ("d", long(1)),
            ("e", long(2)),
            ("f", long(1)),
            ("g", Vec::new()),
        ];
        for (name, bytes) in &files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        let handles =
            files.iter().map(|(name, _)| (name.to_string(), VideoSource::new(*name, folder.path().join(name))));
        let contents = Contents::read(handles.collect()).now_or_never().unwrap();
        contents.find_copies(&contents.paths).now_or_never().unwrap();
        assert_eq!(contents.checks().copies, [vec!["a".to_string(), "c".into()], vec!["d".into(), "f".into()]]);
    }

    #[test]
    fn the_lists_that_lie_nearest_to_the_top_are_read_and_videos_are_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("A")).unwrap();
        let mut handles = Vec::new();
        let mut add = |path: String, text: &str| {
            std::fs::write(folder.path().join(&path), text).unwrap();
            handles.push((path.clone(), VideoSource::new(path.clone(), folder.path().join(path))));
        };
        (0..100).for_each(|n| add(format!("A/{n}.txt"), "something else"));
        add("labels.csv".into(), "path,label\nA/1.mp4,jump\n");
        add("A/1.mp4".into(), "path,label\n");
        let contents = Contents::read(handles).now_or_never().unwrap();
        assert_eq!(contents.lists.len(), LISTS);
        let read = contents.lists.iter().find(|list| list.path == "labels.csv").unwrap();
        assert_eq!(read.rows[0].path, "A/1.mp4");
        assert!(contents.lists.iter().all(|list| list.path != "A/1.mp4"));
    }
}
