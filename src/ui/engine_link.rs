//! The page's end of the line to the engine.
//!
//! Comes in: commands with their files. Goes out: each job's events, to whoever asked. Owns the worker, and starts a
//! new one when it dies. Never holds a tensor, and never waits on the page's thread.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use js_sys::{Array, Object, Reflect};
use leptos::prelude::*;
use serde::Serialize;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{ErrorEvent, MessageEvent, Worker, WorkerOptions, WorkerType};

use crate::protocol::{Command, DeviceChoice, DeviceReport, Event, JobId, Report, Request};

/// The worker's script: it listens at once and loads the program that the worker's name says.
const WORKER_SCRIPT: &str = "./worker.js";
const ENGINE: &str = "engine";

/// More crashes than this within [`CRASH_WINDOW`] milliseconds, and starting it again is no help.
const CRASHES_ALLOWED: usize = 3;
const CRASH_WINDOW: f64 = 60_000.0;

const STOPPED: &str = "The engine stopped unexpectedly and was started again. What was saved is safe.";
const CUT_SHORT: &str = "This was cut short, because the engine stopped. Try once more.";

/// How the engine is.
#[derive(Clone, Debug, PartialEq)]
pub enum EngineStatus {
    Starting,
    Ready(DeviceReport),
    Failed(String),
}

type Route = Rc<dyn Fn(Event, &Array)>;

/// A command that waits until the engine is ready.
struct Waiting {
    job: JobId,
    command: Command,
    files: Array,
}

#[derive(Default)]
struct Line {
    worker: RefCell<Option<Worker>>,
    routes: RefCell<HashMap<JobId, Route>>,
    waiting: RefCell<Vec<Waiting>>,
    last_job: Cell<JobId>,
    crashes: RefCell<Vec<f64>>,
}

/// A handle to the engine; copies share one worker.
#[derive(Clone, Copy)]
pub struct Engine {
    line: StoredValue<Rc<Line>, LocalStorage>,
    pub status: RwSignal<EngineStatus>,
    pub choice: RwSignal<DeviceChoice>,
    /// How often the engine became ready: above 1, what it held in memory is gone.
    pub starts: RwSignal<u32>,
    /// Said when the engine died.
    pub notice: RwSignal<Option<String>>,
}

impl Engine {
    /// Starts the engine on the chosen device.
    pub fn start(choice: DeviceChoice) -> Self {
        let engine = Self {
            line: StoredValue::new_local(Rc::default()),
            status: RwSignal::new(EngineStatus::Starting),
            choice: RwSignal::new(choice),
            starts: RwSignal::new(0),
            notice: RwSignal::new(None),
        };
        engine.launch();
        engine
    }

    /// Sends a command with its files; every event of its job goes to `route`. Returns the job's number.
    pub fn send(self, command: Command, files: &Array, route: impl Fn(Event, &Array) + 'static) -> JobId {
        let line = self.line.get_value();
        let job = line.last_job.get() + 1;
        line.last_job.set(job);
        line.routes.borrow_mut().insert(job, Rc::new(route));
        match self.status.get_untracked() {
            EngineStatus::Ready(_) => self.post(job, command, files),
            EngineStatus::Starting => line.waiting.borrow_mut().push(Waiting { job, command, files: files.clone() }),
            EngineStatus::Failed(sentence) => {
                // After the caller has its job number.
                leptos::task::spawn_local(async move { self.deliver(job, Event::Failed(sentence), &Array::new()) });
            }
        }
        job
    }

    /// Sends a command that nobody waits for.
    pub fn tell(self, command: Command) {
        self.send(command, &Array::new(), |_, _| {});
    }

    /// Ends the engine and starts a new one on another device.
    pub fn use_device(self, choice: DeviceChoice) {
        self.choice.set(choice);
        self.notice.set(None);
        self.line.get_value().crashes.borrow_mut().clear();
        self.fail_all("The engine was restarted on another device. Start this again.");
        self.launch();
    }

    fn launch(self) {
        let line = self.line.get_value();
        if let Some(worker) = line.worker.borrow_mut().take() {
            worker.set_onmessage(None);
            worker.set_onerror(None);
            worker.terminate();
        }
        self.status.set(EngineStatus::Starting);
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        options.set_name(ENGINE);
        let worker = match Worker::new_with_options(WORKER_SCRIPT, &options) {
            Ok(worker) => worker,
            Err(_) => return self.give_up("This browser does not allow background workers, which the engine needs."),
        };
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| self.receive(&event));
        let on_error = Closure::<dyn Fn(ErrorEvent)>::new(move |event: ErrorEvent| {
            event.prevent_default();
            self.crashed();
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        // They live as long as the worker, and a page starts few of those.
        on_message.forget();
        on_error.forget();
        *line.worker.borrow_mut() = Some(worker);
        self.post(0, Command::Start { device: self.choice.get_untracked() }, &Array::new());
    }

    fn post(self, job: JobId, command: Command, files: &Array) {
        let serializer = serde_wasm_bindgen::Serializer::json_compatible().serialize_bytes_as_arrays(false);
        let Ok(message) = (Request { job, command }).serialize(&serializer) else { return };
        let envelope = Object::new();
        for (name, value) in [("message", &message), ("attachments", files.as_ref())] {
            // Setting a field of a plain object cannot fail.
            let _ = Reflect::set(&envelope, &name.into(), value);
        }
        let posted = self.line.get_value().worker.borrow().as_ref().map(|worker| worker.post_message(&envelope));
        if !matches!(posted, Some(Ok(()))) {
            self.deliver(
                job,
                Event::Failed("The files could not be handed to the engine. Choose them again.".into()),
                files,
            );
        }
    }

    fn receive(self, event: &MessageEvent) {
        let data = event.data();
        let part = |name: &str| Reflect::get(&data, &name.into()).unwrap_or(JsValue::UNDEFINED);
        let attachments = part("attachments").dyn_into::<Array>().unwrap_or_default();
        match serde_wasm_bindgen::from_value::<Report>(part("message")) {
            Ok(Report { job: 0, event: Event::Ready(device) }) => self.ready(device),
            Ok(Report { job: 0, event: Event::Failed(sentence) }) => self.give_up(&sentence),
            Ok(Report { job, event }) => self.deliver(job, event, &attachments),
            Err(error) => leptos::logging::error!("a report that cannot be read: {error}"),
        }
    }

    fn ready(self, device: DeviceReport) {
        self.status.set(EngineStatus::Ready(device));
        self.starts.update(|starts| *starts += 1);
        let waiting = std::mem::take(&mut *self.line.get_value().waiting.borrow_mut());
        for Waiting { job, command, files } in waiting {
            self.post(job, command, &files);
        }
    }

    fn deliver(self, job: JobId, event: Event, attachments: &Array) {
        let line = self.line.get_value();
        let ended = matches!(event, Event::Done | Event::Cancelled | Event::Failed(_));
        let route = {
            let mut routes = line.routes.borrow_mut();
            if ended { routes.remove(&job) } else { routes.get(&job).cloned() }
        };
        if let Some(route) = route {
            route(event, attachments);
        }
    }

    fn crashed(self) {
        let now = js_sys::Date::now();
        let crashes = {
            let line = self.line.get_value();
            let mut crashes = line.crashes.borrow_mut();
            crashes.retain(|time| now - time < CRASH_WINDOW);
            crashes.push(now);
            crashes.len()
        };
        if self.starts.get_untracked() == 0 && crashes > 1 {
            return self.give_up("The engine could not be loaded. Check the connection and reload the page.");
        }
        if crashes > CRASHES_ALLOWED {
            return self.give_up("The engine keeps stopping. Choose the CPU in the device menu, or reload the page.");
        }
        if self.starts.get_untracked() > 0 {
            self.notice.set(Some(STOPPED.into()));
        }
        self.fail_all(CUT_SHORT);
        self.launch();
    }

    fn give_up(self, sentence: &str) {
        self.status.set(EngineStatus::Failed(sentence.into()));
        self.fail_all(sentence);
    }

    /// Ends every open job with this sentence.
    fn fail_all(self, sentence: &str) {
        let line = self.line.get_value();
        line.waiting.borrow_mut().clear();
        let routes = std::mem::take(&mut *line.routes.borrow_mut());
        for route in routes.into_values() {
            route(Event::Failed(sentence.into()), &Array::new());
        }
    }
}
