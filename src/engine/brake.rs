//! The user's hand on a run: pause it, let it go on, end it.
//!
//! Comes in: what the user pressed. Goes out: whether a run goes on after a step, at once or later. Never ends a step.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// Copies are shared in an `Rc`: one for who presses, one for the run.
#[derive(Debug, Default)]
pub struct Brake {
    paused: Cell<bool>,
    stopped: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Brake {
    /// Holds the run after its current step, or lets it go on.
    pub fn pause(&self, paused: bool) {
        self.paused.set(paused);
        self.wake();
    }

    /// Ends the run after its current step, also one that is paused.
    pub fn stop(&self) {
        self.stopped.set(true);
        self.wake();
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    pub fn is_paused(&self) -> bool {
        self.paused.get() && !self.stopped.get()
    }

    /// At once where the run is not paused.
    pub async fn released(&self) {
        poll_fn(|context| {
            if !self.is_paused() {
                return Poll::Ready(());
            }
            *self.waiting.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn wake(&self) {
        let waiting = self.waiting.borrow_mut().take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::rc::Rc;

    use futures_executor::block_on;
    use futures_util::future::FutureExt;
    use futures_util::poll;

    use super::*;

    #[test]
    fn a_paused_run_waits_until_it_may_go_on_or_is_to_end() {
        let let_go: [fn(&Brake); 2] = [|brake| brake.pause(false), Brake::stop];
        for let_go in let_go {
            let brake = Rc::new(Brake::default());
            assert_eq!(brake.released().now_or_never(), Some(()));
            brake.pause(true);
            let mut released = pin!(brake.released());
            block_on(async {
                assert!(poll!(released.as_mut()).is_pending());
                assert!(poll!(released.as_mut()).is_pending());
                let_go(&brake);
                released.await;
            });
        }
    }
}
