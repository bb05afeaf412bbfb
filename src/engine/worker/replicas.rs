//! The engine's side of the workers that compute beside it: starts them, asks, and hears their answers.
//!
//! Comes in: tasks with their numbers. Goes out: numbers. The workers run the engine's own program under another name, and
//! share no memory with it, so that the page need not be isolated. Where they are dropped, the workers end.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use futures_channel::oneshot;
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, ready};
use js_sys::{Array, Float32Array, Object, Reflect};
use serde::Serialize;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, MessageEvent, Worker, WorkerGlobalScope, WorkerOptions, WorkerType};

use crate::train::data_parallel::Replicas;
use crate::train::replica::Task;

/// It loads the program that its name begins with.
const SCRIPT: &str = "./worker.js";
/// Name of a worker that computes beside the engine.
pub const NAME: &str = "engine replica";
/// In GB, where the browser does not tell.
const USUAL_MEMORY: f64 = 4.0;

/// Numbers that a replica sends back.
type Answer = Result<Vec<f32>, String>;

/// Ends its workers when it is dropped.
pub struct ReplicaWorkers {
    workers: Vec<ReplicaWorker>,
}

struct ReplicaWorker {
    worker: Option<Worker>,
    line: Rc<RefCell<Line>>,
}

/// Who waits for an answer, oldest first.
#[derive(Default)]
struct Line {
    waiting: VecDeque<oneshot::Sender<Answer>>,
    ended: bool,
}

impl ReplicaWorkers {
    /// Of workers that cannot be started, every answer is an error.
    pub fn start(count: usize) -> Self {
        Self { workers: (0..count).map(|_| ReplicaWorker::start()).collect() }
    }
}

impl Replicas for ReplicaWorkers {
    fn count(&self) -> usize {
        self.workers.len()
    }

    fn ask(&self, replica: usize, task: Task, numbers: &[f32]) -> LocalBoxFuture<'static, Answer> {
        match self.workers.get(replica).and_then(|worker| worker.ask(&task, numbers)) {
            Some(answer) => async move { answer.await.unwrap_or_else(|_| Err("it ended".into())) }.boxed_local(),
            None => ready(Err("it cannot be reached".into())).boxed_local(),
        }
    }
}

impl ReplicaWorker {
    fn start() -> Self {
        let line = Rc::new(RefCell::new(Line::default()));
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        options.set_name(NAME);
        let Ok(worker) = Worker::new_with_options(SCRIPT, &options) else { return Self { worker: None, line } };
        let message = {
            let line = line.clone();
            Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
                let next = line.borrow_mut().waiting.pop_front();
                // Whoever asked may have given up.
                let _ = next.map(|next| next.send(answer(&event.data())));
            })
        };
        let error = {
            let line = line.clone();
            Closure::<dyn FnMut(Event)>::new(move |event: Event| {
                // Handled here: the engine goes on without the worker.
                event.prevent_default();
                let mut line = line.borrow_mut();
                line.ended = true;
                // Who waits hears that nobody will answer.
                line.waiting.clear();
            })
        };
        // They live as long as the worker's object does: what a worker threw is told of after its end, too, and an error
        // that nobody handles would end the engine.
        worker.set_onmessage(Some(message.into_js_value().unchecked_ref()));
        worker.set_onerror(Some(error.into_js_value().unchecked_ref()));
        Self { worker: Some(worker), line }
    }

    fn ask(&self, task: &Task, numbers: &[f32]) -> Option<oneshot::Receiver<Answer>> {
        let worker = self.worker.as_ref().filter(|_| !self.line.borrow().ended)?;
        let task = task.serialize(&serde_wasm_bindgen::Serializer::json_compatible()).ok()?;
        let (message, handed_over) = message(&[("task", &task)], numbers);
        worker.post_message_with_transfer(&message, &handed_over).ok()?;
        let (sender, answer) = oneshot::channel();
        self.line.borrow_mut().waiting.push_back(sender);
        Some(answer)
    }
}

impl Drop for ReplicaWorker {
    fn drop(&mut self) {
        if let Some(worker) = &self.worker {
            worker.terminate();
        }
    }
}

/// An object of these parts and the numbers, and what of it is handed over instead of copied.
pub(super) fn message(parts: &[(&str, &JsValue)], numbers: &[f32]) -> (Object, Array) {
    let message = Object::new();
    let numbers = Float32Array::from(numbers);
    for (name, value) in parts.iter().copied().chain([("numbers", numbers.as_ref())]) {
        // Setting a field of a plain object cannot fail.
        let _ = Reflect::set(&message, &name.into(), value);
    }
    (message, Array::of1(&numbers.buffer()))
}

/// A part of a [`message`].
pub(super) fn part(message: &JsValue, name: &str) -> JsValue {
    Reflect::get(message, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// The numbers of a [`message`]; none where there are none.
pub(super) fn numbers(message: &JsValue) -> Vec<f32> {
    part(message, "numbers").dyn_into::<Float32Array>().map(|numbers| numbers.to_vec()).unwrap_or_default()
}

fn answer(message: &JsValue) -> Answer {
    match part(message, "error").as_string() {
        Some(error) => Err(error),
        None => Ok(numbers(message)),
    }
}

/// How many cores the machine has, and how many bytes of memory; the browser rounds both, or guesses.
pub(super) fn machine() -> (usize, u64) {
    let navigator = js_sys::global().unchecked_into::<WorkerGlobalScope>().navigator();
    let memory = part(&navigator, "deviceMemory").as_f64().unwrap_or(USUAL_MEMORY);
    (navigator.hardware_concurrency() as usize, (memory * 1e9) as u64)
}
