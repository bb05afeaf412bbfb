//! How fast a run goes, and what it waits for.
//!
//! Comes in: when each step was done, how long it waited for its clips and how long it computed. Goes out: clips a
//! second, the time left, and a clip's share of either time. Never reads a clock.

/// Seconds of steps, and how many clips and steps they were.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// The device stood still until clips were read and decoded.
    pub waiting: f64,
    /// Uploading, computing and reading back.
    pub computing: f64,
    pub clips: usize,
}

/// From a run's second step on: the first one compiles kernels and finds no clip decoded ahead.
#[derive(Debug, Default)]
pub struct Pace {
    /// When the first step was done, and the last.
    first: Option<f64>,
    last: f64,
    steps: usize,
    run: Spent,
    epoch: Spent,
}

impl Spent {
    fn add(&mut self, other: Spent) {
        self.waiting += other.waiting;
        self.computing += other.computing;
        self.clips += other.clips;
    }

    fn seconds(&self) -> f64 {
        self.waiting + self.computing
    }

    fn per_clip(&self, seconds: f64) -> f64 {
        if self.clips > 0 { seconds / self.clips as f64 } else { 0.0 }
    }

    /// Seconds a clip that went by until it was there.
    pub fn waiting_per_clip(&self) -> f64 {
        self.per_clip(self.waiting)
    }

    /// Seconds a clip that went by on the device.
    pub fn computing_per_clip(&self) -> f64 {
        self.per_clip(self.computing)
    }
}

impl Pace {
    /// The first epoch reads every file; later ones find clips that were kept, so each is told for itself.
    pub fn begin_epoch(&mut self) {
        self.epoch = Spent::default();
    }

    /// A step that was done at `now`, in seconds.
    pub fn add(&mut self, now: f64, step: Spent) {
        self.last = now;
        if self.first.is_none() {
            self.first = Some(now);
            return;
        }
        self.run.add(step);
        self.epoch.add(step);
        self.steps += 1;
    }

    /// A time that does not count, because the user held the run.
    pub fn pause(&mut self, seconds: f64) {
        self.first = self.first.map(|first| first + seconds);
    }

    /// This epoch so far.
    pub fn epoch(&self) -> &Spent {
        &self.epoch
    }

    pub fn clips_per_second(&self) -> f64 {
        let seconds = self.run.seconds();
        if seconds > 0.0 { self.run.clips as f64 / seconds } else { 0.0 }
    }

    /// What so many steps will take, with all that goes on between them, such as validation; none before a second
    /// step was done.
    pub fn seconds_left(&self, steps: usize) -> Option<f64> {
        let first = self.first.filter(|_| self.steps > 0)?;
        Some((self.last - first) / self.steps as f64 * steps as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_tells_nothing_and_each_epoch_its_own() {
        let mut pace = Pace::default();
        pace.add(200.0, Spent { waiting: 100.0, computing: 100.0, clips: 1 });
        assert_eq!((pace.clips_per_second(), pace.seconds_left(3)), (0.0, None));
        pace.begin_epoch();
        pace.add(204.0, Spent { waiting: 3.0, computing: 1.0, clips: 4 });
        assert_eq!((pace.epoch().waiting_per_clip(), pace.epoch().computing_per_clip()), (0.75, 0.25));
        pace.begin_epoch();
        pace.pause(1000.0);
        pace.add(1212.0, Spent { waiting: 0.0, computing: 4.0, clips: 4 });
        assert_eq!((pace.epoch().waiting_per_clip(), pace.epoch().computing_per_clip()), (0.0, 1.0));
        assert_eq!((pace.clips_per_second(), pace.seconds_left(3)), (1.0, Some(18.0)));
    }
}
