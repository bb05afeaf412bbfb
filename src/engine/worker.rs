//! The engine as a dedicated worker: messages from the page -> jobs -> messages to the page.
//!
//! Comes in: `{message, attachments}` objects holding a [`Request`] and its files. Goes out: the same with [`Report`]s.
//! Each job is one spawned future, can be aborted at any await, and ends in exactly one of done, cancelled and failed.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use burn::tensor::Device;
use futures_util::future::{AbortHandle, abortable, join};
use js_sys::{Array, Object, Reflect};
use serde::Serialize;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{DedicatedWorkerGlobalScope, File, MessageEvent};

use super::brake::Brake;
use super::classification::{ClassifyError, classify};
use super::contents::Contents;
use super::device;
use super::fit::{self, Limits};
use super::folder::{Folder, unusable};
use super::loaded::{IMAGENET, LoadedModel, clip_shape, clip_shape_of};
use super::{import, models, starter, tuning};
use crate::dataset::labelling::Labelling;
use crate::hub;
use crate::model::config::VideoMaeConfig;
use crate::protocol::{
    CheckpointSummary, Command, Event, Hub, JobId, LoadReport, Numbers, Origin, PATH_END, Report, Request, USUAL_DISK,
};
use crate::storage::CheckpointStore;
use crate::storage::checkpoint::{Checkpoint, NamedFile, Stranger};
use crate::storage::indexed_db::IndexedDbStore;
use crate::train::settings::{StartFrom, TuneSettings};
use crate::video::VideoSource;
use crate::video::clip::{ClipLoader, View};
use crate::video::disk::DiskCache;
use crate::video::views::TestViews;

/// Starts listening; the worker lives until the page ends it.
pub fn start() {
    let Ok(scope) = js_sys::global().dyn_into::<DedicatedWorkerGlobalScope>() else { return };
    let engine = Rc::new(Engine::new(scope.clone()));
    let listener = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| engine.receive(&event));
    scope.set_onmessage(Some(listener.as_ref().unchecked_ref()));
    // The listener lives as long as the worker.
    listener.forget();
}

/// A job that has not ended.
struct Running {
    abort: AbortHandle,
    /// Of a fine-tuning job.
    brake: Rc<Brake>,
}

struct Engine {
    scope: DedicatedWorkerGlobalScope,
    device: RefCell<Option<Device>>,
    limits: Cell<Limits>,
    folder: RefCell<Option<Rc<Folder>>>,
    /// The folder's files, which may still arrive.
    contents: RefCell<Option<Rc<Contents>>>,
    imports: Cell<usize>,
    /// The import that looks into its files.
    importing: Cell<Option<JobId>>,
    /// Classes of the folder whose pictures the page has.
    pictured: RefCell<Vec<String>>,
    store: IndexedDbStore,
    /// Decoded clips of the folder.
    disk: Rc<DiskCache>,
    running: RefCell<HashMap<JobId, Running>>,
    tuning: Cell<bool>,
    /// The model that classified last, with its loader: the next clip is likely for the same one.
    loaded: RefCell<Option<(String, Rc<(LoadedModel, ClipLoader)>)>>,
}

/// A job's sentence for the page.
type Outcome = Result<(), String>;

impl Engine {
    fn new(scope: DedicatedWorkerGlobalScope) -> Self {
        Self {
            scope,
            device: RefCell::default(),
            limits: Cell::new(Limits::Wasm),
            folder: RefCell::default(),
            contents: RefCell::default(),
            imports: Cell::default(),
            importing: Cell::default(),
            pictured: RefCell::default(),
            store: IndexedDbStore::default(),
            disk: Rc::new(DiskCache::new(USUAL_DISK)),
            running: RefCell::default(),
            tuning: Cell::new(false),
            loaded: RefCell::default(),
        }
    }

    fn receive(self: &Rc<Self>, event: &MessageEvent) {
        let data = event.data();
        let part = |name: &str| Reflect::get(&data, &name.into()).unwrap_or(JsValue::UNDEFINED);
        let request: Request = match serde_wasm_bindgen::from_value(part("message")) {
            Ok(request) => request,
            Err(error) => {
                return self.report(0, Event::Failed(format!("The engine got a message it cannot read: {error}.")));
            }
        };
        let files: Vec<Option<File>> = part("attachments")
            .dyn_into::<Array>()
            .map(|array| array.iter().map(|file| file.dyn_into().ok()).collect())
            .unwrap_or_default();
        match request.command {
            Command::Cancel { job } => {
                if let Some(running) = self.running.borrow().get(&job) {
                    running.abort.abort();
                }
            }
            Command::PauseTuning { job, paused } => {
                if let Some(running) = self.running.borrow().get(&job) {
                    running.brake.pause(paused);
                }
            }
            Command::StopTuning { job } => {
                if let Some(running) = self.running.borrow().get(&job) {
                    running.brake.stop();
                }
            }
            command => self.spawn(request.job, command, files),
        }
    }

    fn spawn(self: &Rc<Self>, job: JobId, command: Command, files: Vec<Option<File>>) {
        let brake = Rc::new(Brake::default());
        let engine = self.clone();
        let work = {
            let brake = brake.clone();
            async move { engine.run(job, command, files, brake).await }
        };
        let (work, abort) = abortable(work);
        self.running.borrow_mut().insert(job, Running { abort, brake });
        let engine = self.clone();
        wasm_bindgen_futures::spawn_local(async move {
            let outcome = work.await;
            engine.running.borrow_mut().remove(&job);
            engine.report(
                job,
                match outcome {
                    Ok(Ok(())) => Event::Done,
                    Ok(Err(sentence)) => Event::Failed(sentence),
                    Err(_) => Event::Cancelled,
                },
            );
        });
    }

    /// `files` came beside the command; none stands for one that is gone.
    async fn run(&self, job: JobId, command: Command, files: Vec<Option<File>>, brake: Rc<Brake>) -> Outcome {
        match command {
            Command::Start { device } => {
                let (device, report, limits) = device::choose(device).await.map_err(sentence)?;
                *self.device.borrow_mut() = Some(device);
                self.limits.set(limits);
                self.report(job, Event::Ready(report));
                Ok(())
            }
            Command::Import { paths, labelling } => self.import(job, &paths, &labelling, files).await,
            Command::HandOver { from } => {
                self.hand_over(from, files);
                Ok(())
            }
            Command::Label { labelling } => self.label(job, &labelling).await,
            Command::Preview { class, round, settings, seed } => {
                let video = self.folder()?.video_of(&class, round);
                let video = video.ok_or_else(|| format!("The class \"{class}\" has no video any more."))?;
                self.preview(job, video, &settings, seed).await
            }
            Command::Tune { settings, disk } => self.tune(job, Run::New(&settings), disk, brake).await,
            Command::Resume { checkpoint, disk } => self.tune(job, Run::Old(&checkpoint), disk, brake).await,
            Command::ListCheckpoints => self.list(job).await,
            Command::RenameCheckpoint { id, name } => {
                self.store.rename(&id, &name).await.map_err(sentence)?;
                self.list(job).await
            }
            Command::DeleteCheckpoint { id } => {
                self.store.delete(&id).await.map_err(sentence)?;
                self.list(job).await
            }
            Command::ExportCheckpoint { id, numbers } => self.export(job, &id, numbers).await,
            Command::ImportCheckpoint { paths } => {
                self.import_checkpoint(job, paths, files.into_iter().flatten().collect()).await
            }
            Command::Download { model, hub } => self.download(job, &model, &hub).await,
            Command::Push { id, numbers, repository, private, hub } => {
                self.push(job, &id, numbers, &repository, private, &hub).await
            }
            Command::AskFit { start, batch } => self.ask_fit(job, &start, batch).await,
            Command::Classify { checkpoint, top, .. } => {
                self.classify(job, &checkpoint, files.into_iter().flatten().collect(), top).await
            }
            // Answered where they arrive.
            Command::Cancel { .. } | Command::PauseTuning { .. } | Command::StopTuning { .. } => Ok(()),
        }
    }

    fn hand_over(&self, from: usize, files: Vec<Option<File>>) {
        if let Some(contents) = &*self.contents.borrow() {
            let of_paths = contents.paths.iter().skip(from).zip(files);
            contents.receive(from, of_paths.map(|(path, file)| Some(self.source_of(path, file?))).collect());
        }
    }

    /// The key need not tell a file's contents: the browser refuses one that was changed since it was chosen.
    fn source_of(&self, path: &str, file: File) -> VideoSource {
        VideoSource::new(format!("{path}, import {}", self.imports.get()), file)
    }

    async fn import(&self, job: JobId, paths: &str, labelling: &Labelling, lists: Vec<Option<File>>) -> Outcome {
        self.imports.set(self.imports.get() + 1);
        if let Some(earlier) = self.importing.replace(Some(job))
            && let Some(running) = self.running.borrow().get(&earlier)
        {
            running.abort.abort();
        }
        self.pictured.take();
        // Before anything is waited for: the files that are handed over next are of this folder.
        let contents = Rc::new(Contents::new(paths.split_terminator(PATH_END).map(String::from).collect()));
        *self.contents.borrow_mut() = Some(contents.clone());
        self.disk.clear().await;
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

    async fn label(&self, job: JobId, labelling: &Labelling) -> Outcome {
        let folder = Rc::new(self.folder()?.relabelled(labelling));
        *self.folder.borrow_mut() = Some(folder.clone());
        self.report(job, Event::Imported(Box::new(folder.report().for_page())));
        import::picture(&folder, &self.pictured, |event| self.report(job, event)).await;
        Ok(())
    }

    async fn preview(&self, job: JobId, video: usize, settings: &TuneSettings, seed: u64) -> Outcome {
        let folder = self.folder()?;
        let shape = match &settings.start {
            StartFrom::Size(size) => clip_shape(&size.config(&[]), IMAGENET),
            start => clip_shape_of(&self.beginning(start).await?).map_err(sentence)?,
        };
        let loader = ClipLoader::new(shape, settings.clip_seconds);
        let view = View::Training { seed, augmentation: settings.augmentation(folder.class_of(video)) };
        match folder.preview(video, &view, &loader).await {
            Ok((clip, path)) => self.report(job, Event::Preview { clip, path }),
            Err(unusable) => self.report(job, Event::Unusable(unusable)),
        }
        Ok(())
    }

    async fn tune(&self, job: JobId, run: Run<'_>, disk: u64, brake: Rc<Brake>) -> Outcome {
        let (folder, device) = (self.folder()?, self.device()?);
        if self.tuning.get() {
            return Err("A model is being fine-tuned already. Wait until it is done, or stop it.".into());
        }
        let _claim = Claim::new(&self.tuning);
        if let Run::New(settings) = run {
            self.refuse_what_does_not_fit(&self.config_of(&settings.start).await?, Some(settings.batch))?;
        }
        let report = |event| self.report(job, Event::Tune(event));
        self.disk.set_limit(disk).await;
        let (store, disk) = (&self.store, &self.disk);
        let place = tuning::Workplace { folder: &folder, store, device: &device, disk, brake };
        let ended = match run {
            Run::New(settings) => tuning::tune(settings, place, report).await,
            Run::Old(checkpoint) => tuning::resume(checkpoint, place, report).await,
        };
        ended.map(|_| ()).map_err(sentence)
    }

    /// The checkpoint that a run starts from, where it starts from one.
    async fn beginning(&self, start: &StartFrom) -> Result<Checkpoint, String> {
        match start {
            StartFrom::Checkpoint(id) => self.store.load(id).await.map_err(sentence),
            _ => starter::checkpoint().await.map_err(sentence),
        }
    }

    async fn config_of(&self, start: &StartFrom) -> Result<VideoMaeConfig, String> {
        match start {
            StartFrom::Size(size) => Ok(size.config(&[])),
            start => VideoMaeConfig::from_json(&self.beginning(start).await?.config).map_err(sentence),
        }
    }

    /// Before its weights are loaded: memory that is not there would end the engine.
    fn refuse_what_does_not_fit(&self, config: &VideoMaeConfig, batch: Option<usize>) -> Outcome {
        fit::estimate(config, batch, self.limits.get()).refusal.map_or(Ok(()), Err)
    }

    async fn ask_fit(&self, job: JobId, start: &StartFrom, batch: usize) -> Outcome {
        let config = self.config_of(start).await?;
        self.report(job, Event::Fit(fit::estimate(&config, Some(batch), self.limits.get())));
        Ok(())
    }

    async fn list(&self, job: JobId) -> Outcome {
        let checkpoints = self.store.list().await.map_err(sentence)?;
        self.report(job, Event::Checkpoints(checkpoints));
        Ok(())
    }

    async fn export(&self, job: JobId, id: &str, numbers: Numbers) -> Outcome {
        let checkpoint = self.store.load(id).await.map_err(sentence)?;
        let name = &checkpoint.summary.name;
        let failed = |error: &dyn std::fmt::Display| format!("\"{name}\" could not be exported: {error}");
        let (file_name, zip) = models::zip(&checkpoint, numbers).await.map_err(|error| failed(&error))?;
        let blob = zip.to_blob().map_err(|error| failed(&error))?;
        self.report_with(job, Event::Exported { file_name }, &Array::of1(&blob));
        Ok(())
    }

    async fn import_checkpoint(&self, job: JobId, paths: Vec<String>, files: Vec<File>) -> Outcome {
        let first = paths.first().ok_or("No file came with the request. Choose the files again.")?;
        // The folder that was chosen, or the one file; loose files tell no name.
        let name = match first.split_once(['/', '\\']) {
            Some((folder, _)) => folder.to_string(),
            None if paths.len() == 1 => first.clone(),
            None => "model".to_string(),
        };
        let chosen: Vec<NamedFile> =
            paths.iter().cloned().zip(files).map(|(path, file)| (path, web_sys::Blob::from(file).into())).collect();
        let origin = Origin { source: name.clone(), ..Origin::default() };
        let stranger = stranger(name.strip_suffix(".zip").unwrap_or(&name), origin);
        let failed = |error: models::ModelError| format!("\"{name}\": {error}");
        let files = models::model_files(chosen).map_err(failed)?;
        let (checkpoint, report) = models::keep(files, &stranger, &self.store).await.map_err(failed)?;
        self.added(job, checkpoint, report).await
    }

    async fn download(&self, job: JobId, model: &str, hub: &Hub) -> Outcome {
        let progress =
            |file: &str, done, total| self.report(job, Event::Transferring { file: file.to_string(), done, total });
        let fetched = hub::fetch(model, hub, progress).await.map_err(sentence)?;
        let origin = Origin {
            source: fetched.repository.clone(),
            revision: Some(fetched.revision.clone()),
            licence: fetched.licence.clone(),
        };
        let name = fetched.repository.rsplit('/').next().unwrap_or(model);
        let stranger = stranger(name, origin);
        let kept = models::keep(fetched.files.clone(), &stranger, &self.store).await;
        let (checkpoint, report) = kept.map_err(|error| format!("\"{model}\": {error}"))?;
        hub::forget(&fetched).await;
        self.added(job, checkpoint, report).await
    }

    async fn push(
        &self,
        job: JobId,
        id: &str,
        numbers: Numbers,
        repository: &str,
        private: bool,
        hub: &Hub,
    ) -> Outcome {
        let checkpoint = self.store.load(id).await.map_err(sentence)?;
        let files = crate::export::files(&checkpoint, numbers).await.map_err(sentence)?;
        let progress =
            |file: &str, done, total| self.report(job, Event::Transferring { file: file.to_string(), done, total });
        let address = hub::push::push(&files, repository, private, hub, progress).await.map_err(sentence)?;
        self.report(job, Event::Pushed { address });
        Ok(())
    }

    async fn added(&self, job: JobId, checkpoint: CheckpointSummary, report: LoadReport) -> Outcome {
        self.report(job, Event::Added { checkpoint: Box::new(checkpoint), report });
        self.list(job).await
    }

    async fn classify(&self, job: JobId, id: &str, files: Vec<File>, top: usize) -> Outcome {
        let device = self.device()?;
        let loaded = self.loaded(id, &device).await?;
        for file in files {
            let source = source(&file.name(), file);
            match classify(&loaded.0, &loaded.1, &source, TestViews::default(), top, &device).await {
                Ok(classification) => self.report(job, Event::Classified(classification)),
                Err(ClassifyError::Video(error)) => {
                    self.report(job, Event::Unusable(unusable(&source.name(), &error)));
                }
                Err(error @ ClassifyError::Device(_)) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    async fn loaded(&self, id: &str, device: &Device) -> Result<Rc<(LoadedModel, ClipLoader)>, String> {
        if let Some((last, loaded)) = &*self.loaded.borrow()
            && last == id
        {
            return Ok(loaded.clone());
        }
        let checkpoint = self.store.load(id).await.map_err(sentence)?;
        self.refuse_what_does_not_fit(&VideoMaeConfig::from_json(&checkpoint.config).map_err(sentence)?, None)?;
        let loaded = LoadedModel::open(&checkpoint, device).await.map_err(sentence)?;
        let loader = ClipLoader::new(loaded.shape, loaded.clip_seconds);
        let loaded = Rc::new((loaded, loader));
        *self.loaded.borrow_mut() = Some((id.to_string(), loaded.clone()));
        Ok(loaded)
    }

    fn device(&self) -> Result<Device, String> {
        self.device.borrow().clone().ok_or_else(|| "The engine has no device yet. Reload the page.".into())
    }

    fn folder(&self) -> Result<Rc<Folder>, String> {
        self.folder.borrow().clone().ok_or_else(|| "There is no folder yet. Choose a folder of videos first.".into())
    }

    fn report(&self, job: JobId, event: Event) {
        self.report_with(job, event, &Array::new());
    }

    fn report_with(&self, job: JobId, event: Event, attachments: &Array) {
        let serializer = serde_wasm_bindgen::Serializer::json_compatible().serialize_bytes_as_arrays(false);
        let Ok(message) = (Report { job, event }).serialize(&serializer) else { return };
        let envelope = Object::new();
        let parts: [(&str, &JsValue); 2] = [("message", &message), ("attachments", attachments)];
        for (name, value) in parts {
            // Setting a field of a plain object cannot fail.
            let _ = Reflect::set(&envelope, &name.into(), value);
        }
        // The page is the only listener; without it there is nobody to tell.
        let _ = self.scope.post_message(&envelope);
    }
}

/// What a fine-tuning job runs.
enum Run<'a> {
    New(&'a TuneSettings),
    /// Goes on from a checkpoint.
    Old(&'a str),
}

/// A model from elsewhere, under an id of its own.
fn stranger(name: &str, origin: Origin) -> Stranger {
    let created = super::clock::seconds() * 1e3;
    Stranger { id: format!("model-{created:.0}"), name: name.to_string(), created, origin }
}

/// A file under a key that changes with its contents.
fn source(path: &str, file: File) -> VideoSource {
    VideoSource::new(format!("{path}, {} bytes, {}", file.size(), file.last_modified()), file)
}

/// Holds a flag while a job runs, also where the job is aborted.
struct Claim<'a>(&'a Cell<bool>);

impl<'a> Claim<'a> {
    fn new(flag: &'a Cell<bool>) -> Self {
        flag.set(true);
        Self(flag)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

fn sentence(error: impl std::fmt::Display) -> String {
    error.to_string()
}
