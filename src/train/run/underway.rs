//! Steps whose numbers are on their way from the device: the next ones are computed meanwhile, so that the device need not
//! wait for the host.
//!
//! Comes in: a step and the future of its numbers. Goes out: the step's report, in order, some steps late; all before
//! anything is judged or kept; and how long the device stood still while the next step's clips were waited for. On the CPU the
//! numbers are there at once.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};

use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, MaybeDone};

use super::{ClipSource, Observer, Spent, StepReport, Trainer, TuneError, TuneEvent};

/// So many steps may be under way: what each holds of the device until then is small.
pub const MOST: usize = 2;
/// Steps in a row that may be left out, each of which halves the loss's scale: by then it is below one.
const MOST_LEFT_OUT: usize = 24;

pub struct Underway {
    pub step: usize,
    pub epoch: usize,
    pub learning_rate: f64,
    /// What went by until it was handed to the device.
    pub spent: Spent,
    pub numbers: Coming,
}

/// A step's numbers, as soon as the device is done with it.
pub type Coming = MaybeDone<LocalBoxFuture<'static, Result<Numbers, TuneError>>>;

/// What a step tells.
pub struct Numbers {
    pub loss: f32,
    /// Clips.
    pub right: f32,
    /// 0 where the step was left out, its gradients being too large for 16 bits.
    pub gradient_norm: f32,
    /// What losses are multiplied by from then on, where layers compute with 16 bits.
    pub loss_scale: Option<f32>,
}

/// Waits for what the next step needs. Goes out: it, and how many of the seconds meanwhile the device had nothing left to do.
pub async fn while_underway<T>(
    underway: &mut VecDeque<Underway>,
    wanted: impl Future<Output = T>,
    now: impl Fn() -> f64,
) -> (T, f64) {
    let mut wanted = pin!(wanted);
    let mut idle_from = None;
    let found = poll_fn(|context| {
        if idle_from.is_none() {
            let is_idle = underway.iter_mut().all(|step| step.numbers.poll_unpin(context).is_ready());
            idle_from = is_idle.then(&now);
        }
        wanted.as_mut().poll(context)
    });
    let found = found.await;
    let now = now();
    (found, now - idle_from.unwrap_or(now))
}

impl<S: ClipSource> Trainer<'_, S> {
    /// Reports the steps whose numbers have come, and waits until no more than `most` are under way.
    pub async fn settle<O: Observer>(&mut self, most: usize, observer: &mut O) -> Result<(), TuneError> {
        while let Some(mut oldest) = self.underway.pop_front() {
            let from = observer.now();
            if self.underway.len() >= most {
                (&mut oldest.numbers).await;
            }
            _ = (&mut oldest.numbers).now_or_never();
            let Some(numbers) = Pin::new(&mut oldest.numbers).take_output() else {
                self.underway.push_front(oldest);
                break;
            };
            let numbers = numbers?;
            let now = observer.now();
            oldest.spent.computing += now - from;
            self.pace.add(now, oldest.spent);
            let Underway { step, epoch, learning_rate, spent: Spent { clips, .. }, .. } = oldest;
            let Numbers { loss, right, gradient_norm, loss_scale } = numbers;
            self.progress.loss_scale = loss_scale;
            let is_left_out = loss_scale.is_some() && gradient_norm == 0.0;
            self.left_out = if is_left_out { self.left_out + 1 } else { 0 };
            if !loss.is_finite() || !gradient_norm.is_finite() || self.left_out > MOST_LEFT_OUT {
                return Err(TuneError::Diverged { step });
            }
            observer.event(TuneEvent::Step(StepReport {
                step,
                epoch,
                loss,
                accuracy: right / clips as f32,
                learning_rate,
                gradient_norm,
                clips_per_second: self.pace.clips_per_second(),
                seconds_left: self.pace.seconds_left(self.total_steps.saturating_sub(step)),
                waiting_per_clip: self.pace.epoch().waiting_per_clip(),
                computing_per_clip: self.pace.epoch().computing_per_clip(),
            }));
            self.progress.sums.add(loss, right, clips);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_channel::oneshot;
    use futures_util::future::{maybe_done, pending};
    use futures_util::poll;

    use super::*;

    fn underway(numbers: LocalBoxFuture<'static, Result<Numbers, TuneError>>) -> VecDeque<Underway> {
        let numbers = maybe_done(numbers);
        [Underway { step: 1, epoch: 1, learning_rate: 0.0, spent: Spent::default(), numbers }].into()
    }

    #[test]
    fn only_what_the_device_stands_still_counts_as_waiting() {
        futures_executor::block_on(async {
            let clock = Cell::new(0.0);
            let (done, numbers) = oneshot::channel::<()>();
            let (found, wanted) = oneshot::channel();
            let numbers = async move {
                numbers.await.unwrap();
                Ok(Numbers { loss: 1.0, right: 1.0, gradient_norm: 1.0, loss_scale: None })
            };
            let mut steps = underway(numbers.boxed_local());
            {
                let mut waiting = pin!(while_underway(&mut steps, wanted, || clock.get()));
                assert!(poll!(waiting.as_mut()).is_pending());
                clock.set(5.0);
                done.send(()).unwrap();
                assert!(poll!(waiting.as_mut()).is_pending());
                clock.set(8.0);
                found.send("clips").unwrap();
                assert_eq!(waiting.await, (Ok("clips"), 3.0));
            }
            assert!(Pin::new(&mut steps[0].numbers).take_output().is_some(), "its numbers are kept");

            let mut computing = underway(pending().boxed_local());
            let later = async { clock.set(60.0) };
            assert_eq!(
                while_underway(&mut computing, later, || clock.get()).await,
                ((), 0.0),
                "it computed all the time"
            );
        });
    }
}
