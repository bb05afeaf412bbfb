//! The program of one decoding worker.
//!
//! Comes in: [`Request`]s. Goes out: one [`Answer`] for each packet and for the end, in order. One run of packets at a
//! time; the next [`Request::Start`] forgets the one before.

use std::cell::RefCell;
use std::collections::HashSet;

use serde::Serialize;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

use super::Session;
use super::messages::{Answer, Request};

/// A session, and the times of the pictures that it is to give back, in microseconds.
type Run = (Session, HashSet<i64>);

/// Listens for the engine's requests from now on.
pub fn start() {
    let run = RefCell::new(None::<Run>);
    let listener = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        // A request that does not parse comes from another version of the engine: it is told by the panic hook.
        let request = serde_wasm_bindgen::from_value(event.data());
        let answer = request.ok().and_then(|request| answer(&mut run.borrow_mut(), request));
        if let Some(answer) = answer {
            post(&answer);
        }
    });
    scope().set_onmessage(Some(listener.as_ref().unchecked_ref()));
    // It listens as long as the worker lives.
    listener.forget();
}

fn answer(run: &mut Option<Run>, request: Request) -> Option<Answer> {
    match request {
        Request::Start(stream) => {
            *run = Some((Session::new(&stream), HashSet::new()));
            None
        }
        Request::Packet { data, time, wanted } => {
            let (session, times) = run.as_mut()?;
            if wanted {
                times.insert(time as i64);
            }
            Some(Answer::Decoded(session.decode(&data, time as i64, &|time| times.contains(&time))))
        }
        Request::Finish => {
            let (session, times) = run.take()?;
            let (pictures, complaint) = session.finish(&|time| times.contains(&time));
            Some(Answer::Finished { pictures, complaint })
        }
    }
}

fn post(answer: &Answer) {
    let message = answer.serialize(&serde_wasm_bindgen::Serializer::new());
    // Plain data always becomes a message.
    if let Ok(message) = message {
        let _ = scope().post_message(&message);
    }
}

fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}
