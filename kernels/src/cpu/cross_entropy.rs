//! Cross-entropy and its slope, a clip at a time.

/// Goes out: the mean loss of all rows of so many classes; `slopes` becomes what it grows by with each of the logits.
pub fn with_slopes(logits: &[f32], targets: &[f32], classes: usize, slopes: &mut [f32]) -> f32 {
    let classes = classes.max(1);
    let clips = (logits.len() / classes).max(1) as f32;
    let mut loss = 0.0;
    for ((logits, targets), slopes) in
        logits.chunks(classes).zip(targets.chunks(classes)).zip(slopes.chunks_mut(classes))
    {
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = logits.iter().map(|logit| (logit - largest).exp()).sum();
        let (log_sum, wanted) = (largest + sum.ln(), targets.iter().sum::<f32>());
        for ((logit, target), slope) in logits.iter().zip(targets).zip(slopes) {
            *slope = ((logit - log_sum).exp() * wanted - target) / clips;
            loss += (log_sum - logit) * target;
        }
    }
    loss / clips
}
