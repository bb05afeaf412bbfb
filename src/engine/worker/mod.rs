//! The engine as a dedicated worker: messages from the page -> jobs -> messages to the page.
//!
//! Comes in: `{message, attachments}` objects holding a [`Request`] and its files. Goes out: the same with [`Report`]s.
//! Each job is one spawned future, can be aborted at any await, and ends in exactly one of done, cancelled and failed.
//! What each command does stands in the rooms below; this one listens, dispatches and reports.

mod checkpoints;
mod classifying;
mod evaluating;
mod fine_tuning;
mod folders;
mod pretraining;
mod replica;
mod replicas;
mod runs;
mod settings;

use std::cell::{Cell, Ref, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use burn::tensor::Device;
use futures_util::future::{AbortHandle, abortable};
use js_sys::{Array, Object, Reflect};
use serde::Serialize;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{DedicatedWorkerGlobalScope, File, MessageEvent};

use self::fine_tuning::{Measurable, Run};
use self::replicas::ReplicaWorkers;
use super::brake::Brake;
use super::contents::Contents;
use super::device;
use super::fit::{self, Limits};
use super::folder::Folder;
use super::loaded::LoadedModel;
use super::probe::Measured;
use super::review::Review;
use crate::model::config::VideoMaeConfig;
use crate::protocol::{Command, Event, JobId, Report, Request, StepLoad, USUAL_DISK};
use crate::storage::CheckpointStore;
use crate::storage::indexed_db::IndexedDbStore;
use crate::train::data_parallel::Replicas;
use crate::video::VideoSource;
use crate::video::clip::ClipLoader;
use crate::video::kept::KeptClips;

/// Starts listening, as the engine or, by the worker's name, as one that computes beside it; the worker lives until it is
/// ended.
pub fn start() {
    let Ok(scope) = js_sys::global().dyn_into::<DedicatedWorkerGlobalScope>() else { return };
    if scope.name() == replicas::NAME {
        return replica::start(scope);
    }
    let engine = Rc::new(Engine::new(scope.clone()));
    let listener = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| engine.receive(&event));
    scope.set_onmessage(Some(listener.as_ref().unchecked_ref()));
    // The listener lives as long as the worker.
    listener.forget();
}

/// A job that has not ended.
struct Running {
    abort: AbortHandle,
    /// Of a job that trains.
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
    /// The job that decodes ahead.
    ahead: Cell<Option<JobId>>,
    /// Classes of the folder whose pictures the page has.
    pictured: RefCell<Vec<String>>,
    store: IndexedDbStore,
    /// Decoded clips of the folder.
    kept_clips: Rc<KeptClips>,
    running: RefCell<HashMap<JobId, Running>>,
    tuning: Cell<bool>,
    /// What the last measurement told, and what it holds for; none where it is too much for the CPU.
    measured: RefCell<Option<(Measurable, Option<Measured>)>>,
    /// The model that classified last, with its loader: the next clip is likely for the same one.
    loaded: RefCell<Option<(String, Rc<(LoadedModel, ClipLoader)>)>>,
    /// The last files that were classified, by number, each with its model's id.
    classified: RefCell<BTreeMap<usize, (String, VideoSource)>>,
    /// The last evaluation.
    review: RefCell<Option<Rc<Review>>>,
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
            ahead: Cell::default(),
            pictured: RefCell::default(),
            store: IndexedDbStore::default(),
            kept_clips: Rc::new(KeptClips::new(USUAL_DISK)),
            running: RefCell::default(),
            tuning: Cell::new(false),
            measured: RefCell::default(),
            loaded: RefCell::default(),
            classified: RefCell::default(),
            review: RefCell::default(),
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
            Command::Cancel { job } => self.abort(Some(job)),
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
            Command::DecodeAhead { settings, disk } => self.decode_ahead(job, &settings, disk).await,
            Command::Preview { class, round, settings, seed } => {
                self.preview(job, (&class, round), &settings, seed).await
            }
            Command::Tune { settings, disk } => self.tune(job, Run::New(&settings), disk, brake).await,
            Command::Pretrain { settings, disk } => self.pretrain(job, &settings, disk, brake).await,
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
            Command::WriteSettings { settings } => self.write_settings(job, &settings),
            Command::ReadSettings { settings } => self.read_settings(job, &settings, files).await,
            Command::AskFit { start, step } => self.ask_fit(job, &start, step).await,
            Command::ListRuns => self.list_runs(job).await,
            Command::CompareRuns { runs, along } => self.compare_runs(job, &runs, along).await,
            Command::NoteRun { run, note } => self.note_run(&run, &note).await,
            Command::ExportRun { run, file } => self.export_run(job, &run, file).await,
            Command::RunSettings { run } => self.run_settings(job, &run).await,
            Command::AskTime { settings } => self.ask_time(job, &settings).await,
            Command::Evaluate { checkpoint, splits, views } => self.evaluate(job, &checkpoint, &splits, views).await,
            Command::ShowClips { clips } => self.show_clips(job, &clips).await,
            Command::ExportReport => self.export_report(job),
            Command::Classify { checkpoint, first, top, .. } => {
                let files = files.into_iter().flatten();
                self.classify(job, &checkpoint, (first..).zip(files).collect(), top).await
            }
            Command::ShowAttention { file } => self.show_attention(job, file).await,
            // Answered where they arrive.
            Command::Cancel { .. } | Command::PauseTuning { .. } | Command::StopTuning { .. } => Ok(()),
        }
    }

    /// Ends a job, where there is one that goes on.
    fn abort(&self, job: Option<JobId>) {
        if let Some(running) = job.and_then(|job| Ref::filter_map(self.running.borrow(), |all| all.get(&job)).ok()) {
            running.abort.abort();
        }
    }

    fn device(&self) -> Result<Device, String> {
        self.device.borrow().clone().ok_or_else(|| "The engine has no device yet. Reload the page.".into())
    }

    /// Workers that share a step's clips with this one for as long as a job has them, where the CPU computes: as many as its
    /// cores and its memory allow.
    fn replicas(&self, config: &VideoMaeConfig, step: StepLoad) -> Option<Rc<dyn Replicas>> {
        let count = match self.limits.get() {
            Limits::Wasm => fit::workers(config, step, replicas::machine()) - 1,
            Limits::None | Limits::Gpu { .. } => 0,
        };
        (count > 0).then(|| Rc::new(ReplicaWorkers::start(count)) as Rc<dyn Replicas>)
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

fn sentence(error: impl std::fmt::Display) -> String {
    error.to_string()
}
