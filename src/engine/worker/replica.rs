//! The program of a worker that computes beside the engine.
//!
//! Comes in: tasks with their numbers. Goes out: one answer for each, in order. Computes on the CPU, where nothing is waited
//! for.

use std::cell::RefCell;

use burn::tensor::Device;
use futures_util::FutureExt;
use js_sys::Array;
use wasm_bindgen::JsValue;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

use super::replicas::{message, numbers, part};
use crate::train::replica::{Replica, Task};

/// Listens for tasks from now on.
pub fn start(scope: DedicatedWorkerGlobalScope) {
    let replica = RefCell::new(Replica::new(&Device::flex()));
    let answering = scope.clone();
    let listener = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let (message, handed_over) = match perform(&mut replica.borrow_mut(), &event.data()) {
            Ok(numbers) => message(&[], &numbers),
            Err(error) => (message(&[("error", &error.into())], &[]).0, Array::new()),
        };
        // The engine is the only listener; without it there is nobody to tell.
        let _ = answering.post_message_with_transfer(&message, &handed_over);
    });
    scope.set_onmessage(Some(listener.as_ref().unchecked_ref()));
    // It listens as long as the worker lives.
    listener.forget();
}

fn perform(replica: &mut Replica, message: &JsValue) -> Result<Vec<f32>, String> {
    let task: Task = serde_wasm_bindgen::from_value(part(message, "task")).map_err(|error| error.to_string())?;
    let done = replica.perform(task, numbers(message)).now_or_never();
    done.unwrap_or_else(|| Err("the device kept it waiting".into()))
}
