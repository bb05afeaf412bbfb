//! The import job: paths and file handles -> a catalogue of videos that can be opened.
//!
//! Comes in: relative paths, each with a [`VideoSource`]. Goes out: a [`Folder`]. Reads each file's index, never its
//! frames; a file that cannot be opened is listed with the reason and left out.

use std::collections::HashMap;

use futures_util::{StreamExt, stream};

use crate::dataset::catalogue::{Measured, Probe, SPLIT_SEED};
use crate::dataset::{Catalogue, Split, Unusable, layout::lay_out};
use crate::protocol::{ClipPicture, Picture};
use crate::train::feed::{ClipSource, Example};
use crate::train::run::Examples;
use crate::video::clip::{Clip, ClipLoader, View};
use crate::video::thumbnail::thumbnail;
use crate::video::{Video, VideoError, VideoReader, VideoSource};

/// Files being opened at a time: opening one mostly waits for the disk.
const FILES_AT_A_TIME: usize = 8;

/// An imported folder.
pub struct Folder {
    pub catalogue: Catalogue,
    /// One for each of the catalogue's videos.
    sources: Vec<VideoSource>,
}

impl Folder {
    /// Looks at every file; `progress` hears how many have been looked at, of how many.
    pub async fn import(mut files: Vec<(String, VideoSource)>, mut progress: impl FnMut(usize, usize)) -> Self {
        // Browsers and disks list a folder in any order; a run's clips come in an order drawn from the catalogue's.
        files.sort_by(|(path, _), (other, _)| path.cmp(other));
        let paths: Vec<String> = files.iter().map(|(path, _)| path.clone()).collect();
        let mut sources: HashMap<String, VideoSource> = files.into_iter().collect();
        let layout = lay_out(&paths);
        let total = layout.videos.len();
        let mut probes = Vec::with_capacity(total);
        let wanted: Vec<Option<VideoSource>> =
            layout.videos.iter().map(|file| sources.get(&file.path).cloned()).collect();
        let mut opened = stream::iter(wanted).map(probe).buffered(FILES_AT_A_TIME);
        progress(0, total);
        while let Some(outcome) = opened.next().await {
            probes.push(outcome);
            progress(probes.len(), total);
        }
        drop(opened);
        let mut catalogue = Catalogue::new(layout, probes, SPLIT_SEED);
        let mut kept = Vec::with_capacity(catalogue.videos.len());
        // Two files of one path share a handle, so that handles and videos stay side by side.
        catalogue.videos.retain(|video| match sources.get(&video.path) {
            Some(source) => {
                kept.push(source.clone());
                true
            }
            None => false,
        });
        sources.clear();
        Self { catalogue, sources: kept }
    }

    /// The videos of each split with their label ids.
    pub fn examples(&self) -> Examples {
        let of = |split| -> Vec<Example> {
            let videos = self.catalogue.videos.iter().enumerate();
            videos
                .filter(|(_, video)| video.split == split)
                .map(|(index, video)| Example { video: index, label: video.class })
                .collect()
        };
        Examples { train: of(Split::Train), validation: of(Split::Validation), test: of(Split::Test) }
    }

    /// A picture for the class: of the first of its videos that decodes, tried for a few.
    pub async fn thumbnail(&self, class: usize) -> Option<Picture> {
        const TRIES: usize = 3;
        let videos = self.catalogue.videos.iter().zip(&self.sources);
        for (_, source) in videos.filter(|(video, _)| video.class == class).take(TRIES) {
            if let Ok(picture) = thumbnail(source).await {
                return Some(picture);
            }
        }
        None
    }

    /// A clip of a video as the model sees it, un-normalised, and the video's path.
    pub async fn preview(
        &self,
        video: usize,
        view: &View,
        loader: &ClipLoader,
    ) -> Result<(ClipPicture, String), Unusable> {
        let (path, source) = self.source(video)?;
        let clip = loader.load(source, view).await.map_err(|error| unusable(path, &error))?;
        Ok((loader.picture(&clip), path.to_string()))
    }

    /// The `round`-th video of a class, those to train on first; after the last comes the first again.
    pub fn video_of(&self, class: &str, round: usize) -> Option<usize> {
        let mut of_class: Vec<usize> = (0..self.sources.len()).filter(|&video| self.class_of(video) == class).collect();
        of_class.sort_by_key(|&video| self.catalogue.videos.get(video).map(|video| video.split));
        of_class.get(round.checked_rem(of_class.len())?).copied()
    }

    /// The name of a video's class.
    pub fn class_of(&self, video: usize) -> &str {
        let class = self.catalogue.videos.get(video).and_then(|video| self.catalogue.classes.get(video.class));
        class.map_or("", |class| &class.name)
    }

    fn source(&self, video: usize) -> Result<(&str, &VideoSource), Unusable> {
        match (self.catalogue.videos.get(video), self.sources.get(video)) {
            (Some(summary), Some(source)) => Ok((&summary.path, source)),
            _ => Err(Unusable {
                path: format!("video {video}"),
                reason: "It is not part of the folder any more. Choose the folder again.".into(),
            }),
        }
    }
}

/// What opening a video tells.
async fn probe(source: Option<VideoSource>) -> Probe {
    let source = source.ok_or_else(|| "The file was not handed over; choose the folder again.".to_string())?;
    let video = Video::open(&source).await.map_err(|error| error.to_string())?;
    let info = video.info();
    Ok(Measured { seconds: info.seconds, width: info.width, height: info.height })
}

/// A file's error with its path.
pub fn unusable(path: &str, error: &VideoError) -> Unusable {
    Unusable { path: path.to_string(), reason: error.to_string() }
}

/// A folder's clips, for training.
pub struct FolderClips<'a> {
    pub folder: &'a Folder,
    pub loader: ClipLoader,
}

impl ClipSource for FolderClips<'_> {
    async fn clip(&self, video: usize, view: &View) -> Result<Clip, Unusable> {
        let (path, source) = self.folder.source(video)?;
        self.loader.load(source, view).await.map_err(|error| unusable(path, &error))
    }
}
