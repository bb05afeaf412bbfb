//! The imported folder: handing over its files, listing, labelling, previewing, decoding ahead.
//!
//! Comes in: the page's commands about a folder. Goes out: catalogues, thumbnails and previews as reports.

use std::cell::Cell;
use std::rc::Rc;

use futures_util::future::join;
use web_sys::File;

use super::{Engine, Outcome, sentence};
use crate::dataset::labelling::Labelling;
use crate::engine::ahead::decode_ahead;
use crate::engine::contents::Contents;
use crate::engine::folder::{Folder, FolderClips};
use crate::engine::loaded::{IMAGENET, clip_shape, clip_shape_of};
use crate::engine::{clock, import};
use crate::protocol::{Event, JobId, PATH_END};
use crate::train::settings::{StartFrom, TuneSettings};
use crate::video::VideoSource;
use crate::video::clip::{ClipLoader, ClipShape, View};

/// Seconds between two reports of how far decoding ahead is.
const TOLD_EVERY: f64 = 0.25;

impl Engine {
    pub(super) fn hand_over(&self, from: usize, files: Vec<Option<File>>) {
        if let Some(contents) = &*self.contents.borrow() {
            let of_paths = contents.paths.iter().skip(from).zip(files);
            contents.receive(from, of_paths.map(|(path, file)| Some(self.source_of(path, file?))).collect());
        }
    }

    /// The key need not tell a file's contents: the browser refuses one that was changed since it was chosen.
    fn source_of(&self, path: &str, file: File) -> VideoSource {
        VideoSource::new(format!("{path}, import {}", self.imports.get()), file)
    }

    pub(super) async fn import(
        &self,
        job: JobId,
        paths: &str,
        labelling: &Labelling,
        lists: Vec<Option<File>>,
    ) -> Outcome {
        self.imports.set(self.imports.get() + 1);
        self.abort(self.importing.replace(Some(job)));
        self.abort(self.ahead.take());
        self.pictured.take();
        // Before anything is waited for: the files that are handed over next are of this folder.
        let contents = Rc::new(Contents::new(paths.split_terminator(PATH_END).map(String::from).collect()));
        *self.contents.borrow_mut() = Some(contents.clone());
        self.kept_clips.clear().await;
        let lists: Vec<Option<VideoSource>> =
            lists.into_iter().map(|file| Some(self.source_of("list", file?))).collect();
        contents.read_lists(&lists).await;
        let folder = Rc::new(Folder::new(contents, labelling));
        *self.folder.borrow_mut() = Some(folder.clone());
        let report = |event| self.report(job, event);
        report(Event::Imported(Box::new(folder.report().for_page())));
        let current = || self.folder.borrow().clone();
        join(import::picture(&folder, &self.pictured, report), import::check(&folder, current, report)).await;
        Ok(())
    }

    pub(super) async fn label(&self, job: JobId, labelling: &Labelling) -> Outcome {
        let folder = Rc::new(self.folder()?.relabelled(labelling));
        *self.folder.borrow_mut() = Some(folder.clone());
        self.report(job, Event::Imported(Box::new(folder.report().for_page())));
        import::picture(&folder, &self.pictured, |event| self.report(job, event)).await;
        Ok(())
    }

    pub(super) async fn preview(
        &self,
        job: JobId,
        (class, round): (&str, usize),
        settings: &TuneSettings,
        seed: u64,
    ) -> Outcome {
        let folder = self.folder()?;
        let video = folder.video_of(class, round);
        let video = video.ok_or_else(|| format!("The class \"{class}\" has no video any more."))?;
        let loader = ClipLoader::new(self.shape_of(&settings.start).await?, settings.clip_seconds);
        let view = View::Training { seed, augmentation: settings.augmentation(folder.class_of(video)) };
        match folder.preview(video, &view, &loader).await {
            Ok((clip, path)) => self.report(job, Event::Preview { clip, path }),
            Err(unusable) => self.report(job, Event::Unusable(unusable)),
        }
        Ok(())
    }
    /// Until the disk is full or another folder comes; a run that begins meanwhile decodes what it lacks itself.
    pub(super) async fn decode_ahead(&self, job: JobId, settings: &TuneSettings, disk: u64) -> Outcome {
        self.abort(self.ahead.replace(Some(job)));
        self.kept_clips.disk().set_limit(disk).await;
        let folder = self.folder()?.usable();
        let shape = self.shape_of(&settings.start).await?;
        let loader = ClipLoader::keeping(shape, settings.clip_seconds, self.kept_clips.clone());
        let told = Cell::new(0.0);
        let report = |done, total| {
            let now = clock::seconds();
            if now - told.get() > TOLD_EVERY || done == total {
                told.set(now);
                self.report(job, Event::DecodedAhead { done, total, disk: self.kept_clips.disk().report() });
            }
        };
        let view = View::Training { seed: settings.seed, augmentation: settings.augmentation("") };
        decode_ahead(&FolderClips { folder: &folder, loader }, &view, self.kept_clips.disk(), report).await;
        Ok(())
    }

    async fn shape_of(&self, start: &StartFrom) -> Result<ClipShape, String> {
        match start {
            StartFrom::Size(size) => Ok(clip_shape(&size.config(&[]), IMAGENET)),
            start => clip_shape_of(&self.beginning(start).await?).map_err(sentence),
        }
    }
}
