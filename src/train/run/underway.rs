//! Steps whose numbers are on their way from the device: the next ones are computed meanwhile, so that the device need not
//! wait for the host.
//!
//! Comes in: a step and the future of its numbers. Goes out: the step's report, in order, some steps late; all before
//! anything is judged or kept. On the CPU the numbers are there at once.

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

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
    pub numbers: LocalBoxFuture<'static, Result<Numbers, TuneError>>,
}

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

impl<S: ClipSource> Trainer<'_, S> {
    /// Reports the steps whose numbers have come, and waits until no more than `most` are under way.
    pub async fn settle<O: Observer>(&mut self, most: usize, observer: &mut O) -> Result<(), TuneError> {
        while let Some(mut oldest) = self.underway.pop_front() {
            let from = observer.now();
            let numbers = if self.underway.len() >= most {
                oldest.numbers.await?
            } else if let Some(numbers) = (&mut oldest.numbers).now_or_never() {
                numbers?
            } else {
                self.underway.push_front(oldest);
                break;
            };
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
