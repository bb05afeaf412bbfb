//! The learning rate of each step: `get_linear_schedule_with_warmup` of transformers.

/// Linear warm-up from 0, then linear decay to 0.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    peak: f64,
    warmup_steps: usize,
    total_steps: usize,
}

impl Schedule {
    /// Warms up over `ceil(warmup_ratio * total_steps)` steps, as the Trainer does.
    pub fn new(peak: f64, warmup_ratio: f64, total_steps: usize) -> Self {
        let warmup_steps = (warmup_ratio * total_steps as f64).ceil() as usize;
        Self { peak, warmup_steps, total_steps }
    }

    /// The learning rate of the step after `done` steps; the first step's is 0 where there is a warm-up.
    pub fn learning_rate(&self, done: usize) -> f64 {
        let factor = if done < self.warmup_steps {
            done as f64 / self.warmup_steps as f64
        } else {
            let decay_steps = self.total_steps.saturating_sub(self.warmup_steps).max(1);
            self.total_steps.saturating_sub(done) as f64 / decay_steps as f64
        };
        self.peak * factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
