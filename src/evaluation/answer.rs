//! A model's answer for one clip, and what can be read from it.
//!
//! Comes in: logits, of one view or of several. Goes out: the logarithms of the classes' probabilities, in 64 bits, so
//! that neither a sure answer's loss nor an unlikely class's rank is lost to rounding.

/// The natural logarithms of a clip's class probabilities, `[K]`; K is at least 1, and each is finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    log_probabilities: Vec<f64>,
}

impl Answer {
    /// The softmax of one view's logits, `[K]`. None where there are none, or one of them is not a finite number.
    pub fn from_logits(logits: &[f32]) -> Option<Self> {
        let logits: Vec<f64> = logits.iter().map(|&logit| f64::from(logit)).collect();
        logits.iter().all(|logit| logit.is_finite()).then_some(())?;
        Self::softmax(&logits)
    }

    /// The mean of several views' probabilities, whatever their order. None where there are no views, or they do not
    /// score the same classes.
    pub fn average(views: &[Self]) -> Option<Self> {
        let classes = views.first()?.log_probabilities.len();
        if views.iter().any(|view| view.log_probabilities.len() != classes) {
            return None;
        }
        let of_class = |class: usize| -> Vec<f64> {
            views.iter().filter_map(|view| view.log_probabilities.get(class).copied()).collect()
        };
        let count = (views.len() as f64).ln();
        Some(Self { log_probabilities: (0..classes).map(|class| log_sum(&of_class(class)) - count).collect() })
    }

    /// The same answer after temperature scaling: probabilities to the power of `1 / temperature`, made to sum to 1.
    /// The softmax of `logits / temperature` (Guo et al. 2017, section 4.2), because a softmax forgets what all logits
    /// have in common.
    pub fn scaled(&self, temperature: f64) -> Self {
        let scaled: Vec<f64> = self.log_probabilities.iter().map(|value| value / temperature).collect();
        Self::softmax(&scaled).unwrap_or_else(|| self.clone())
    }

    fn softmax(logits: &[f64]) -> Option<Self> {
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // Shifted first: of very large logits nothing would be left beside their sum.
        let shifted: Vec<f64> = logits.iter().map(|logit| logit - largest).collect();
        let sum = log_sum(&shifted);
        sum.is_finite().then(|| Self { log_probabilities: shifted.iter().map(|logit| logit - sum).collect() })
    }

    /// `[K]`.
    pub fn log_probabilities(&self) -> &[f64] {
        &self.log_probabilities
    }

    pub fn probability(&self, class: usize) -> f64 {
        self.log_probabilities.get(class).map_or(0.0, |value| value.exp())
    }

    /// The likeliest class; of equal ones the first.
    pub fn prediction(&self) -> usize {
        let values = self.log_probabilities.iter().enumerate();
        values
            .max_by(|(at, one), (other_at, other)| one.total_cmp(other).then(other_at.cmp(at)))
            .map_or(0, |(at, _)| at)
    }

    /// The cross-entropy with a label, in nats.
    pub fn loss(&self, label: usize) -> f64 {
        // -0.0 is no loss for a reader.
        self.log_probabilities.get(label).map_or(f64::INFINITY, |value| 0.0 - value)
    }

    /// In nats: 0 where the model is sure, `ln K` where it knows nothing.
    pub fn entropy(&self) -> f64 {
        let terms = self.log_probabilities.iter().map(|value| value.exp() * value);
        (0.0 - terms.sum::<f64>()).max(0.0)
    }

    /// How many classes come before the label; of equally likely ones the first comes first.
    pub fn rank(&self, label: usize) -> usize {
        let Some(own) = self.log_probabilities.get(label) else { return self.log_probabilities.len() };
        let before = |(class, value): &(usize, &f64)| *value > own || *value == own && *class < label;
        self.log_probabilities.iter().enumerate().filter(before).count()
    }
}

/// `ln Σ exp(values)`, without leaving the range of numbers on the way.
fn log_sum(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + values.iter().map(|value| (value - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(logits: &[f32]) -> Answer {
        Answer::from_logits(logits).unwrap()
    }

    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-12
    }

    #[test]
    fn probabilities_sum_to_one_however_far_apart_the_logits() {
        for logits in [vec![0.3f32, -1.0, 2.0], vec![3e4, -3e4, 0.0], vec![-1e30, -1e30], vec![7.0]] {
            let answer = answer(&logits);
            let sum: f64 = (0..logits.len()).map(|class| answer.probability(class)).sum();
            assert!(near(sum, 1.0) && answer.entropy() >= 0.0, "{logits:?}");
            assert!((0..logits.len()).all(|class| answer.loss(class).is_finite()), "{logits:?}");
        }
    }

    #[test]
    fn logits_that_are_no_numbers_are_no_answer() {
        for logits in [vec![], vec![0.0, f32::NAN], vec![f32::INFINITY, 0.0], vec![f32::NEG_INFINITY, 0.0]] {
            assert_eq!(Answer::from_logits(&logits), None);
        }
    }

    #[test]
    fn of_equal_classes_the_first_is_predicted_and_ranks_first() {
        let tied = answer(&[1.0, 2.0, 2.0, 0.0]);
        assert_eq!(tied.prediction(), 1);
        assert_eq!([0, 1, 2, 3].map(|label| tied.rank(label)), [2, 0, 1, 3]);
        assert_eq!((tied.rank(9), tied.loss(9), tied.probability(9)), (4, f64::INFINITY, 0.0));
    }

    #[test]
    fn a_mean_of_views_is_that_of_their_probabilities_in_any_order() {
        let views = [[4.0f32, 0.0, -2.0], [0.0, 0.1, 0.2], [-900.0, 900.0, 0.0]].map(|logits| answer(&logits));
        let mean = Answer::average(&views).unwrap();
        for class in 0..3 {
            let expected: f64 = views.iter().map(|view| view.probability(class)).sum::<f64>() / 3.0;
            assert!(near(mean.probability(class), expected), "class {class}");
        }
        for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let other = Answer::average(&order.map(|at| views[at].clone())).unwrap();
            assert!((0..3).all(|class| near(other.loss(class), mean.loss(class))), "{order:?}");
        }
        assert!((0..3).all(|class| near(Answer::average(&views[..1]).unwrap().loss(class), views[0].loss(class))));
        assert_eq!(Answer::average(&[]), None);
        assert_eq!(Answer::average(&[answer(&[0.0]), answer(&[0.0, 1.0])]), None);
    }

    #[test]
    fn scaling_divides_logits_and_never_changes_what_is_predicted() {
        let logits = [2.0f32, -1.0, 0.5, 1.75];
        for temperature in [0.1, 1.0, 2.5, 40.0] {
            let scaled = answer(&logits).scaled(temperature);
            let expected = answer(&logits.map(|logit| (f64::from(logit) / temperature) as f32));
            assert!((0..4).all(|class| (scaled.probability(class) - expected.probability(class)).abs() < 1e-6));
            assert_eq!(scaled.prediction(), 0);
        }
    }

    #[test]
    fn entropy_is_greatest_where_nothing_is_known() {
        assert!(near(answer(&[0.5; 8]).entropy(), 8f64.ln()));
        assert!(answer(&[80.0, 0.0]).entropy() < 1e-30);
    }
}
