//! An imported folder: the catalogue, and the handle of each of its videos.
//!
//! Comes in: relative paths, each with a [`VideoSource`], and a [`Labelling`]. Goes out: a [`Folder`]. Labels and splits
//! come from names alone, so that a folder is there at once; what looking into its files tells, [`Contents`] gathers.

use std::collections::HashSet;
use std::rc::Rc;

use super::contents::Contents;
use crate::dataset::catalogue::Checks;
use crate::dataset::labelling::Labelling;
use crate::dataset::listing::Listing;
use crate::dataset::{Catalogue, Split, Unusable, VideoSummary};
use crate::protocol::{ClipPicture, Picture};
use crate::train::feed::{ClipSource, Example};
use crate::train::record::Manifest;
use crate::train::run::Examples;
use crate::video::clip::{Clip, ClipLoader, View};
use crate::video::thumbnail::thumbnail;
use crate::video::{VideoError, VideoSource};

/// Videos that are opened before a run goes on, to tell whether the run had left them out.
const MOST_NEW: usize = 500;

pub struct Folder {
    pub catalogue: Catalogue,
    /// One for each of the catalogue's videos.
    sources: Vec<VideoSource>,
    listing: Rc<Listing>,
    contents: Rc<Contents>,
}

impl Folder {
    /// Opens no video: all that names tell.
    pub async fn list(files: Vec<(String, VideoSource)>, labelling: &Labelling) -> Self {
        Self::labelled(Rc::new(Contents::read(files).await), labelling)
    }

    /// Opens every video and leaves out those that cannot be used.
    pub async fn import(files: Vec<(String, VideoSource)>, labelling: &Labelling) -> Self {
        let folder = Self::list(files, labelling).await;
        let videos = folder.contents.videos();
        folder.contents.check(videos.clone(), |_, _| {}).await;
        folder.contents.find_copies(&videos).await;
        folder.usable()
    }

    /// The same files with other labels or splits.
    pub fn relabelled(&self, labelling: &Labelling) -> Self {
        Self::labelled(self.contents.clone(), labelling)
    }

    fn labelled(contents: Rc<Contents>, labelling: &Labelling) -> Self {
        let listing = Listing::new(&contents.paths, &contents.lists, labelling);
        Self::of(Rc::new(listing), contents, &Checks::default())
    }

    fn of(listing: Rc<Listing>, contents: Rc<Contents>, checks: &Checks) -> Self {
        let mut catalogue = Catalogue::new(&listing, checks);
        let mut sources = Vec::with_capacity(catalogue.videos.len());
        catalogue.videos.retain(|video| match contents.source(&video.path) {
            Some(source) => {
                sources.push(video.part.map_or_else(|| source.clone(), |part| source.of_part(part)));
                true
            }
            None => false,
        });
        Self { catalogue, sources, listing, contents }
    }

    pub fn contents(&self) -> &Rc<Contents> {
        &self.contents
    }

    /// What the folder holds as far as its files were looked into.
    pub fn report(&self) -> Catalogue {
        Catalogue::new(&self.listing, &self.contents.checks())
    }

    /// Without the videos that are known to be unusable.
    pub fn usable(&self) -> Self {
        Self::of(self.listing.clone(), self.contents.clone(), &self.contents.checks())
    }

    /// With the videos that a run had, whatever is known of them by now, and with those that are new since and can be
    /// used: what a run left out as unusable is no difference.
    pub async fn as_recorded(&self, data: &Manifest) -> Self {
        let recorded: HashSet<String> = data.videos.iter().map(|video| video.name()).collect();
        let is_recorded = |video: &VideoSummary| recorded.contains(&video.name());
        let new: Vec<String> =
            self.catalogue.videos.iter().filter(|video| !is_recorded(video)).map(|video| video.path.clone()).collect();
        if new.len() <= MOST_NEW {
            self.contents.check(new, |_, _| {}).await;
        }
        let mut checks = self.contents.checks().clone();
        let kept = self.catalogue.videos.iter().filter(|video| is_recorded(video));
        kept.for_each(|video| _ = checks.probes.remove(&video.path));
        Self::of(self.listing.clone(), self.contents.clone(), &checks)
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
    pub async fn thumbnail(&self, class: &str) -> Option<Picture> {
        const TRIES: usize = 3;
        let videos = (0..self.sources.len()).filter(|video| self.class_of(*video) == class).take(TRIES);
        for source in videos.filter_map(|video| self.sources.get(video)) {
            if let Ok(picture) = thumbnail(source).await {
                return Some(picture);
            }
        }
        None
    }

    /// A clip of a video as the model sees it, un-normalised, and the video's name.
    pub async fn preview(
        &self,
        video: usize,
        view: &View,
        loader: &ClipLoader,
    ) -> Result<(ClipPicture, String), Unusable> {
        let (path, source) = self.source(video)?;
        let clip = loader.load(source, view).await.map_err(|error| unusable(path, &error))?;
        let name = self.catalogue.videos.get(video).map(VideoSummary::name).unwrap_or_default();
        Ok((loader.picture(&clip), name))
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
