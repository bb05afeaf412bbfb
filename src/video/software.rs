//! Packets -> frames through the wasm decoders, in workers of their own.
//!
//! Comes in: packets in decoding order, from a key packet on. Goes out: the wanted frames, upright. As many files are
//! decoded at a time as the machine has cores. A worker that panics, hangs or is dropped in the middle of a run is
//! ended, and the next file gets a new one.

use std::cell::RefCell;
use std::rc::Rc;

use futures_channel::{mpsc, oneshot};
use futures_util::{StreamExt, future::Either, future::select, pin_mut};
use gloo_timers::future::TimeoutFuture;
use serde::Serialize;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{Event, MessageEvent, Worker, WorkerGlobalScope, WorkerOptions, WorkerType};

use super::{Frame, VideoError, transform::fitted, upright::Orientation};
use crate::decoders::messages::{Answer, Picture, Request, Stream};

/// It loads the program that its name says.
const SCRIPT: &str = "./worker.js";
const PROGRAM: &str = "decoder";
/// Packets that a worker has and has not answered.
const PACKETS_AHEAD: usize = 8;
/// A worker that takes longer for a packet, in milliseconds, hangs. The first answer waits for the program, too.
const LONGEST_WAIT: u32 = 20_000;
const MOST_WORKERS: usize = 8;
const NOT_STARTED: &str = "it could not be started";
const UNREACHABLE: &str = "it cannot be reached";

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

#[derive(Default)]
struct Pool {
    idle: Vec<DecodingWorker>,
    /// Idle or at work.
    running: usize,
    waiting: Vec<oneshot::Sender<()>>,
}

struct DecodingWorker {
    worker: Worker,
    /// None once the worker died.
    answers: mpsc::Receiver<Option<Answer>>,
}

impl Drop for DecodingWorker {
    fn drop(&mut self) {
        self.worker.terminate();
    }
}

impl DecodingWorker {
    fn start() -> Option<Self> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        options.set_name(PROGRAM);
        let worker = Worker::new_with_options(SCRIPT, &options).ok()?;
        let (sender, answers) = mpsc::channel(PACKETS_AHEAD + 1);
        let sender = Rc::new(RefCell::new(sender));
        let message = {
            let sender = sender.clone();
            Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
                let answer = serde_wasm_bindgen::from_value(event.data()).ok();
                // Whoever no longer listens has dropped the worker.
                let _ = sender.borrow_mut().try_send(answer);
            })
        };
        let error = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            // Handled here: the engine goes on without the worker.
            event.prevent_default();
            let _ = sender.borrow_mut().try_send(None);
        });
        // They live as long as the worker's object does: what a worker threw is told of after its end, too, and an error
        // that nobody handles would end the engine.
        worker.set_onmessage(Some(message.into_js_value().unchecked_ref()));
        worker.set_onerror(Some(error.into_js_value().unchecked_ref()));
        Some(Self { worker, answers })
    }

    fn send(&self, request: &Request) -> Result<(), VideoError> {
        let message =
            request.serialize(&serde_wasm_bindgen::Serializer::new()).map_err(|_| VideoError::GaveUp(UNREACHABLE))?;
        self.worker.post_message(&message).map_err(|_| VideoError::GaveUp(UNREACHABLE))
    }
}

/// A worker on loan. It goes back to the pool when its run has ended, and ends otherwise.
struct Loan {
    worker: Option<DecodingWorker>,
}

impl Loan {
    async fn take() -> Result<Self, VideoError> {
        loop {
            let turn = POOL.with_borrow_mut(|pool| {
                if let Some(worker) = pool.idle.pop() {
                    return Ok(Some(worker));
                }
                if pool.running < most_workers() {
                    pool.running += 1;
                    return Ok(None);
                }
                let (sender, turn) = oneshot::channel();
                pool.waiting.push(sender);
                Err(turn)
            });
            match turn {
                Ok(Some(worker)) => return Ok(Self { worker: Some(worker) }),
                Ok(None) => {
                    // Should it not start, the loan's end gives the place back.
                    let mut loan = Self { worker: None };
                    loan.worker = DecodingWorker::start();
                    return if loan.worker.is_some() { Ok(loan) } else { Err(VideoError::GaveUp(NOT_STARTED)) };
                }
                // Told by whoever ends next.
                Err(turn) => drop(turn.await),
            }
        }
    }

    fn give_back(mut self) {
        if let Some(worker) = self.worker.take() {
            POOL.with_borrow_mut(|pool| {
                pool.idle.push(worker);
                pool.running += 1;
            });
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        POOL.with_borrow_mut(|pool| {
            pool.running -= 1;
            // All of them: one that was told and then gave up would leave the others waiting.
            for next in pool.waiting.drain(..) {
                // Who gave up no longer listens.
                let _ = next.send(());
            }
        });
    }
}

fn most_workers() -> usize {
    let cores = js_sys::global().unchecked_into::<WorkerGlobalScope>().navigator().hardware_concurrency();
    (cores as usize).clamp(1, MOST_WORKERS)
}

/// Decodes one run of packets. Dropping it before its end ends the worker.
pub struct SoftwareDecoder {
    loan: Loan,
    orientation: Orientation,
    /// Width and height that frames are resized to.
    size: Option<[u32; 2]>,
    unanswered: usize,
    frames: Vec<(f64, Frame)>,
}

impl SoftwareDecoder {
    /// Waits for a worker.
    pub async fn new(stream: &Stream, orientation: Orientation, size: Option<[u32; 2]>) -> Result<Self, VideoError> {
        let decoder = Self { loan: Loan::take().await?, orientation, size, unanswered: 0, frames: Vec::new() };
        decoder.send(&Request::Start(stream.clone()))?;
        Ok(decoder)
    }

    /// Hands over the packet that is shown at `time`, in microseconds, once the worker has room for it.
    pub async fn decode(&mut self, data: Vec<u8>, time: f64, wanted: bool) -> Result<(), VideoError> {
        while self.unanswered >= PACKETS_AHEAD {
            self.answer().await?;
        }
        self.send(&Request::Packet { data, time, wanted })?;
        self.unanswered += 1;
        Ok(())
    }

    /// Waits for the rest; pairs of microseconds and frame, in any order.
    pub async fn finish(mut self) -> Result<Vec<(f64, Frame)>, VideoError> {
        self.send(&Request::Finish)?;
        self.unanswered += 1;
        let mut complaint = None;
        while self.unanswered > 0 {
            complaint = self.answer().await?;
        }
        self.loan.give_back();
        match (self.frames.is_empty(), complaint) {
            (true, Some(complaint)) => Err(VideoError::Damaged(complaint)),
            _ => Ok(self.frames),
        }
    }

    fn send(&self, request: &Request) -> Result<(), VideoError> {
        self.loan.worker.as_ref().ok_or(VideoError::GaveUp(UNREACHABLE))?.send(request)
    }

    /// One answer; what the worker complains of at the end.
    async fn answer(&mut self) -> Result<Option<String>, VideoError> {
        let worker = self.loan.worker.as_mut().ok_or(VideoError::GaveUp(UNREACHABLE))?;
        let timeout = TimeoutFuture::new(LONGEST_WAIT);
        let answer = worker.answers.next();
        pin_mut!(timeout, answer);
        let answer = match select(answer, timeout).await {
            Either::Left((Some(Some(answer)), _)) => answer,
            Either::Left(_) => return Err(VideoError::GaveUp("it crashed")),
            Either::Right(_) => return Err(VideoError::GaveUp("it took too long")),
        };
        self.unanswered -= 1;
        let (pictures, complaint) = match answer {
            Answer::Decoded(pictures) => (pictures, None),
            Answer::Finished { pictures, complaint } => (pictures, complaint),
        };
        for Picture { time, rgba, width, height } in pictures {
            self.frames.push((time, fitted(self.orientation.frame(&rgba, width, height), self.size)?));
        }
        Ok(complaint)
    }
}
