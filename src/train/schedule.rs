//! The learning rate of each step, as transformers' `get_scheduler` gives it (optimization.py).

use super::settings::{SchedulerType, TuneSettings};

/// Linear warm-up from 0, then the course that the kind gives.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    kind: SchedulerType,
    peak: f64,
    warmup_steps: usize,
    total_steps: usize,
}

impl Schedule {
    /// Linear decay after a warm-up over `ceil(warmup_ratio * total_steps)` steps, as the Trainer does.
    pub fn new(peak: f64, warmup_ratio: f64, total_steps: usize) -> Self {
        let warmup_steps = (warmup_ratio * total_steps as f64).ceil() as usize;
        Self { kind: SchedulerType::Linear, peak, warmup_steps, total_steps }
    }

    /// As the paper pre-trains: a cosine after the warm-up (VideoMAE, appendix, pre-training setting).
    pub fn cosine(peak: f64, warmup_ratio: f64, total_steps: usize) -> Self {
        Self { kind: SchedulerType::Cosine, ..Self::new(peak, warmup_ratio, total_steps) }
    }

    /// The schedule that a run of so many steps was given.
    pub fn of(settings: &TuneSettings, total_steps: usize) -> Self {
        let schedule = Self::new(settings.learning_rate, settings.warmup_ratio, total_steps);
        let warmup_steps = match settings.optimization.warmup_steps {
            0 => schedule.warmup_steps,
            steps => steps,
        };
        Self { kind: settings.optimization.lr_scheduler_type, warmup_steps, ..schedule }
    }

    /// The learning rate of the step after `done` steps; the first step's is 0 where there is a warm-up.
    pub fn learning_rate(&self, done: usize) -> f64 {
        self.peak * self.factor(done)
    }

    fn factor(&self, done: usize) -> f64 {
        if self.kind == SchedulerType::Constant {
            return 1.0;
        }
        if done < self.warmup_steps {
            return done as f64 / self.warmup_steps as f64;
        }
        let decay_steps = self.total_steps.saturating_sub(self.warmup_steps).max(1) as f64;
        match self.kind {
            SchedulerType::Constant | SchedulerType::ConstantWithWarmup => 1.0,
            SchedulerType::Linear => self.total_steps.saturating_sub(done) as f64 / decay_steps,
            SchedulerType::Cosine => {
                let progress = (done - self.warmup_steps) as f64 / decay_steps;
                (0.5 * (1.0 + (std::f64::consts::PI * progress).cos())).max(0.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config::ModelSize;

    /// golden/micro/meta.json: 20 steps, peak 5e-5, warm-up over 2.
    #[test]
    fn agrees_with_the_trainer() {
        let schedule = Schedule::new(5e-5, 0.1, 20);
        let expected = [0.0, 2.5e-5, 5e-5, 4.722222222222222e-05];
        for (done, expected) in expected.into_iter().enumerate() {
            assert!((schedule.learning_rate(done) - expected).abs() < 1e-15, "step {done}");
        }
        assert!((schedule.learning_rate(19) - 2.777777777777778e-06).abs() < 1e-15);
    }

    fn schedule(kind: SchedulerType, warmup_steps: usize) -> Schedule {
        let mut settings = TuneSettings { learning_rate: 2.0, ..TuneSettings::for_size(ModelSize::Micro) };
        settings.optimization.lr_scheduler_type = kind;
        settings.optimization.warmup_steps = warmup_steps;
        Schedule::of(&settings, 12)
    }

    /// By hand from transformers' optimization.py: `get_cosine_schedule_with_warmup` with half a cycle,
    /// `get_constant_schedule` and `get_constant_schedule_with_warmup`; peak 2, 12 steps.
    #[test]
    fn every_kind_agrees_with_transformers_formula() {
        let thirds = [60f64, 120.0].map(|degrees| 1.0 + degrees.to_radians().cos());
        let half = [45f64, 90.0, 135.0].map(|degrees| 1.0 + degrees.to_radians().cos());
        let cases = [
            // A share of 0.1 of 12 steps is 2 of them; 4 are said.
            (schedule(SchedulerType::Linear, 0), vec![(0, 0.0), (1, 1.0), (2, 2.0), (7, 1.0), (12, 0.0)]),
            (schedule(SchedulerType::Linear, 4), vec![(1, 0.5), (4, 2.0), (8, 1.0), (11, 0.25), (13, 0.0)]),
            (
                schedule(SchedulerType::Cosine, 4),
                vec![(0, 0.0), (3, 1.5), (4, 2.0), (6, half[0]), (8, half[1]), (10, half[2]), (12, 0.0)],
            ),
            (schedule(SchedulerType::Cosine, 9), vec![(9, 2.0), (10, thirds[0]), (11, thirds[1]), (12, 0.0)]),
            (schedule(SchedulerType::Constant, 4), vec![(0, 2.0), (3, 2.0), (12, 2.0)]),
            (schedule(SchedulerType::ConstantWithWarmup, 4), vec![(0, 0.0), (3, 1.5), (4, 2.0), (12, 2.0)]),
        ];
        for (schedule, expected) in cases {
            for (done, expected) in expected {
                let rate = schedule.learning_rate(done);
                assert!((rate - expected).abs() < 1e-12, "{schedule:?}, step {done}: {rate} and {expected}");
            }
        }
    }
}
