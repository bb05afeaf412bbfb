//! An imported folder: the catalogue, and the clips of its videos.
//!
//! Comes in: [`Contents`] and a [`Labelling`]. Goes out: a [`Folder`]. Labels and splits come from names and lists alone,
//! so that a folder is there at once; what looking into its files tells, [`Contents`] gathers.

use std::collections::HashSet;
use std::rc::Rc;

use super::contents::Contents;
use crate::dataset::catalogue::Checks;
use crate::dataset::labelling::Labelling;
use crate::dataset::list::candidates;
use crate::dataset::listing::Listing;
use crate::dataset::{Catalogue, Split, Unusable, VideoSummary, named};
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
    listing: Rc<Listing>,
    contents: Rc<Contents>,
}

impl Folder {
    /// Opens no video: all that names and lists tell.
    pub fn new(contents: Rc<Contents>, labelling: &Labelling) -> Self {
        let mut paths = contents.paths.clone();
        // Browsers and disks list a folder in any order; a run's clips come in an order drawn from the catalogue's.
        paths.sort();
        let listing = Listing::new(&paths, &contents.lists(), labelling);
        Self::of(Rc::new(listing), contents, &Checks::default())
    }

    /// A folder all of whose files are at hand. Opens none of the videos.
    pub async fn list(files: Vec<(String, VideoSource)>, labelling: &Labelling) -> Self {
        let (paths, sources): (Vec<String>, Vec<VideoSource>) = files.into_iter().unzip();
        let places = candidates(paths.iter().map(String::as_str)).into_iter();
        let candidates: Vec<Option<VideoSource>> = places.map(|place| sources.get(place).cloned()).collect();
        let contents = Contents::new(paths);
        contents.read_lists(&candidates).await;
        contents.receive(0, sources.into_iter().map(Some).collect());
        Self::new(Rc::new(contents), labelling)
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
        Self::new(self.contents.clone(), labelling)
    }

    fn of(listing: Rc<Listing>, contents: Rc<Contents>, checks: &Checks) -> Self {
        let mut folder = Self { catalogue: Catalogue::new(&listing, checks), listing, contents };
        folder.catalogue.learnable = folder.without_labels().len();
        folder
    }

    pub fn contents(&self) -> &Rc<Contents> {
        &self.contents
    }

    /// What the folder holds as far as its files were looked into.
    pub fn report(&self) -> Catalogue {
        self.usable().catalogue
    }

    /// The videos to learn from without labels, labelled or not: all but those that cannot be used and those that are held
    /// out from training. Nothing is held out where there are no classes to tell apart.
    pub fn without_labels(&self) -> Vec<String> {
        let has_classes = self.catalogue.classes.len() > 1;
        let held_out = self.catalogue.videos.iter().filter(|video| has_classes && video.split != Split::Train);
        let held_out: HashSet<&str> = held_out.map(|video| video.path.as_str()).collect();
        let checks = self.contents.checks();
        let usable = |path: &String| !matches!(checks.probes.get(path), Some(Err(_)));
        self.contents.videos().into_iter().filter(|path| !held_out.contains(path.as_str()) && usable(path)).collect()
    }

    /// Without the videos that are known to be unusable.
    pub fn usable(&self) -> Self {
        Self::of(self.listing.clone(), self.contents.clone(), &self.contents.checks())
    }

    /// With the videos that a run had, whatever is known of them by now, and with those that are new since and can be
    /// used: what a run left out as unusable is no difference.
    pub async fn as_recorded(&self, data: &Manifest) -> Self {
        let recorded: HashSet<String> = data.videos.iter().map(|video| video.name()).collect();
        let files = self.listing.videos.iter().map(|(file, _)| file);
        let (kept, new): (Vec<_>, Vec<_>) = files.partition(|file| recorded.contains(&named(&file.path, file.part)));
        if new.len() <= MOST_NEW {
            self.contents.check(new.into_iter().map(|file| file.path.clone()).collect(), |_, _| {}).await;
        }
        let mut checks = self.contents.checks().clone();
        kept.into_iter().for_each(|file| _ = checks.probes.remove(&file.path));
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
        for video in (0..TRIES).filter_map(|round| self.video_of(class, round)) {
            if let Ok((_, source)) = self.source(video).await
                && let Ok(picture) = thumbnail(&source).await
            {
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
        let (path, source) = self.source(video).await?;
        let clip = loader.load(&source, view).await.map_err(|error| unusable(path, &error))?;
        let name = self.catalogue.videos.get(video).map(VideoSummary::name).unwrap_or_default();
        Ok((loader.picture(&clip), name))
    }

    /// The `round`-th video of a class, those to train on first; after the last comes the first again. None that is
    /// known to be unusable.
    pub fn video_of(&self, class: &str, round: usize) -> Option<usize> {
        let checks = self.contents.checks();
        let videos = self.catalogue.videos.iter().enumerate();
        let usable = videos.filter(|(_, video)| !matches!(checks.probes.get(&video.path), Some(Err(_))));
        let mut of_class: Vec<(Split, usize)> = usable
            .filter(|(place, _)| self.class_of(*place) == class)
            .map(|(place, video)| (video.split, place))
            .collect();
        of_class.sort();
        of_class.get(round.checked_rem(of_class.len())?).map(|(_, place)| *place)
    }

    /// The name of a video's class.
    pub fn class_of(&self, video: usize) -> &str {
        let class = self.catalogue.videos.get(video).and_then(|video| self.catalogue.classes.get(video.class));
        class.map_or("", |class| &class.name)
    }

    /// A video's path and its handle, once it was handed over.
    async fn source(&self, video: usize) -> Result<(&str, VideoSource), Unusable> {
        let gone =
            |path: String| Unusable { path, reason: "It is not at hand any more. Choose the folder again.".into() };
        let Some(summary) = self.catalogue.videos.get(video) else { return Err(gone(format!("video {video}"))) };
        let source = self.contents.source(&summary.path).await.ok_or_else(|| gone(summary.path.clone()))?;
        Ok((&summary.path, summary.part.map_or_else(|| source.clone(), |part| source.of_part(part))))
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

impl FolderClips<'_> {
    /// Decodes a video to disk, so that such views of it come from there. One that cannot be decoded is told of by the run.
    pub async fn keep(&self, video: usize, view: &View) {
        if let Ok((_, source)) = self.folder.source(video).await {
            let _ = self.loader.keep(&source, view).await;
        }
    }
}

impl ClipSource for FolderClips<'_> {
    async fn clip(&self, video: usize, view: &View) -> Result<Clip, Unusable> {
        let (path, source) = self.folder.source(video).await?;
        self.loader.load(&source, view).await.map_err(|error| unusable(path, &error))
    }
}
