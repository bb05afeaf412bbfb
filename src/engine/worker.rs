//! The engine as a dedicated worker: messages from the page -> jobs -> messages to the page.
//!
//! Comes in: `{message, attachments}` objects holding a [`Request`] and its files. Goes out: the same with [`Report`]s.
//! Each job is one spawned future, can be aborted at any await, and ends in exactly one of done, cancelled and failed.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use burn::tensor::Device;
use futures_util::future::{AbortHandle, abortable};
use js_sys::{Array, Object, Reflect, Uint8Array};
use serde::Serialize;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{DedicatedWorkerGlobalScope, File, MessageEvent};

use super::classification::{ClassifyError, classify};
use super::device;
use super::folder::{Folder, unusable};
use super::loaded::{IMAGENET, LoadedModel, clip_shape, clip_shape_of};
use super::tuning;
use crate::protocol::{Command, Event, JobId, Report, Request};
use crate::storage::indexed_db::IndexedDbStore;
use crate::storage::{CheckpointStore, archive};
use crate::train::settings::{StartFrom, TuneSettings};
use crate::video::VideoSource;
use crate::video::clip::{ClipLoader, View};

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
    /// Set to end fine-tuning after its current step.
    stop: Rc<Cell<bool>>,
}

struct Engine {
    scope: DedicatedWorkerGlobalScope,
    device: RefCell<Option<Device>>,
    folder: RefCell<Option<Rc<Folder>>>,
    store: IndexedDbStore,
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
            folder: RefCell::default(),
            store: IndexedDbStore::default(),
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
        let files: Vec<File> = part("attachments")
            .dyn_into::<Array>()
            .map(|array| array.iter().filter_map(|file| file.dyn_into().ok()).collect())
            .unwrap_or_default();
        match request.command {
            Command::Cancel { job } => {
                if let Some(running) = self.running.borrow().get(&job) {
                    running.abort.abort();
                }
            }
            Command::StopTuning { job } => {
                if let Some(running) = self.running.borrow().get(&job) {
                    running.stop.set(true);
                }
            }
            command => self.spawn(request.job, command, files),
        }
    }

    fn spawn(self: &Rc<Self>, job: JobId, command: Command, files: Vec<File>) {
        let stop = Rc::new(Cell::new(false));
        let engine = self.clone();
        let work = {
            let stop = stop.clone();
            async move { engine.run(job, command, files, stop).await }
        };
        let (work, abort) = abortable(work);
        self.running.borrow_mut().insert(job, Running { abort, stop });
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

    async fn run(&self, job: JobId, command: Command, files: Vec<File>, stop: Rc<Cell<bool>>) -> Outcome {
        match command {
            Command::Start { device } => {
                let (device, report) = device::choose(device).await.map_err(sentence)?;
                *self.device.borrow_mut() = Some(device);
                self.report(job, Event::Ready(report));
                Ok(())
            }
            Command::Import { paths } => self.import(job, paths, files).await,
            Command::Preview { video, settings, seed } => self.preview(job, video, &settings, seed).await,
            Command::Tune { settings } => self.tune(job, &settings, stop).await,
            Command::ListCheckpoints => self.list(job).await,
            Command::RenameCheckpoint { id, name } => {
                self.store.rename(&id, &name).await.map_err(sentence)?;
                self.list(job).await
            }
            Command::DeleteCheckpoint { id } => {
                self.store.delete(&id).await.map_err(sentence)?;
                self.list(job).await
            }
            Command::ExportCheckpoint { id } => self.export(job, &id).await,
            Command::ImportCheckpoint { file_name } => self.import_checkpoint(job, &file_name, files).await,
            Command::Classify { checkpoint, top, .. } => self.classify(job, &checkpoint, files, top).await,
            // Answered where they arrive.
            Command::Cancel { .. } | Command::StopTuning { .. } => Ok(()),
        }
    }

    async fn import(&self, job: JobId, paths: Vec<String>, files: Vec<File>) -> Outcome {
        let files: Vec<(String, VideoSource)> =
            paths.into_iter().zip(files).map(|(path, file)| (path.clone(), source(&path, file))).collect();
        let mut told = 0.0;
        let folder = Folder::import(files, |done, total| {
            let now = super::clock::seconds();
            if now - told > 0.05 || done == total {
                told = now;
                self.report(job, Event::Importing { done, total });
            }
        })
        .await;
        let folder = Rc::new(folder);
        *self.folder.borrow_mut() = Some(folder.clone());
        self.report(job, Event::Imported(folder.catalogue.clone()));
        for (index, class) in folder.catalogue.classes.iter().enumerate() {
            if let Some(picture) = folder.thumbnail(index).await {
                self.report(job, Event::Thumbnail { class: class.name.clone(), picture });
            }
        }
        Ok(())
    }

    async fn preview(&self, job: JobId, video: usize, settings: &TuneSettings, seed: u64) -> Outcome {
        let folder = self.folder()?;
        let shape = match &settings.start {
            StartFrom::Size(size) => clip_shape(&size.config(&[]), IMAGENET),
            StartFrom::Checkpoint(id) => {
                clip_shape_of(&self.store.load(id).await.map_err(sentence)?).map_err(sentence)?
            }
        };
        let loader = ClipLoader::new(shape, settings.clip_seconds);
        let view = View::Training { seed, horizontal_flip: settings.horizontal_flip };
        match folder.preview(video, &view, &loader).await {
            Ok(picture) => self.report(job, Event::Preview(picture)),
            Err(unusable) => self.report(job, Event::Unusable(unusable)),
        }
        Ok(())
    }

    async fn tune(&self, job: JobId, settings: &TuneSettings, stop: Rc<Cell<bool>>) -> Outcome {
        let (folder, device) = (self.folder()?, self.device()?);
        if self.tuning.get() {
            return Err("A model is being fine-tuned already. Wait until it is done, or stop it.".into());
        }
        let _claim = Claim::new(&self.tuning);
        let report = |event| self.report(job, Event::Tune(event));
        tuning::tune(settings, &folder, &self.store, &device, stop, report).await.map_err(sentence)?;
        Ok(())
    }

    async fn list(&self, job: JobId) -> Outcome {
        let checkpoints = self.store.list().await.map_err(sentence)?;
        self.report(job, Event::Checkpoints(checkpoints));
        Ok(())
    }

    async fn export(&self, job: JobId, id: &str) -> Outcome {
        let checkpoint = self.store.load(id).await.map_err(sentence)?;
        let file_name = archive::file_name(&checkpoint.summary.name);
        let bytes = archive::export(&checkpoint).map_err(sentence)?;
        let parts = Array::of1(&Uint8Array::from(bytes.as_slice()));
        let blob = web_sys::Blob::new_with_u8_array_sequence(&parts).map_err(|_| {
            "The browser could not make a file of this size. Close other tabs and try again.".to_string()
        })?;
        self.report_with(job, Event::Exported { file_name }, &Array::of1(&blob));
        Ok(())
    }

    async fn import_checkpoint(&self, job: JobId, file_name: &str, files: Vec<File>) -> Outcome {
        let file = files.first().ok_or("No file came with the request. Choose the file again.")?;
        let bytes = wasm_bindgen_futures::JsFuture::from(file.array_buffer())
            .await
            .map_err(|_| format!("\"{file_name}\" could not be read. Choose the file again."))?;
        let bytes = Uint8Array::new(&bytes).to_vec();
        let id = format!("imported-{:.0}", super::clock::seconds() * 1e3);
        let created = super::clock::seconds() * 1e3;
        let checkpoint =
            archive::import(&bytes, file_name, &id, created).map_err(|error| format!("\"{file_name}\": {error}"))?;
        LoadedModel::open(&checkpoint, &Device::flex()).map_err(|error| format!("\"{file_name}\": {error}"))?;
        self.store.save(&checkpoint).await.map_err(sentence)?;
        self.list(job).await
    }

    async fn classify(&self, job: JobId, id: &str, files: Vec<File>, top: usize) -> Outcome {
        let device = self.device()?;
        let loaded = self.loaded(id, &device).await?;
        for file in files {
            let source = source(&file.name(), file);
            match classify(&loaded.0, &loaded.1, &source, top, &device).await {
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
        let loaded = LoadedModel::open(&checkpoint, device).map_err(sentence)?;
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
