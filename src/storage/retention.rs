//! Which checkpoint of a run is its best, and which are dropped so that a long run does not fill the disk.
//!
//! Comes in: summaries. Goes out: the same summaries marked and ordered, or the ids to drop.
//! Never touches a store.

use std::cmp::Ordering;

use crate::protocol::CheckpointSummary;

/// How many checkpoints of one run are kept, besides the one in [`latest_id`].
pub const KEPT_PER_RUN: usize = 5;

/// The id of what a run leaves in the middle of an epoch so that nothing is lost: each replaces the one before, and
/// whatever else is kept of the run after it takes its place.
pub fn latest_id(run: &str) -> String {
    format!("{run}-latest")
}

/// Marks each run's best by [`Evaluation::compare`](crate::protocol::Evaluation::compare), and orders the list newest first.
///
/// Of equals the earlier wins: it reached the accuracy with less training. A run without a validated checkpoint has
/// no best. The mark is always worked out from the whole list, so that deleting the best passes it on.
pub fn mark_and_order(summaries: &mut [CheckpointSummary]) {
    let best: Vec<bool> = summaries
        .iter()
        .map(|summary| best_of_run(summaries, &summary.run).is_some_and(|best| best.id == summary.id))
        .collect();
    for (summary, best) in summaries.iter_mut().zip(best) {
        summary.best = best;
    }
    summaries.sort_by(|left, right| by_age(right, left));
}

/// The ids to drop so that at most [`KEPT_PER_RUN`] checkpoints of the run of `saved` stay: the oldest that are neither
/// the best nor the one just saved; and the one in [`latest_id`], where it is no longer the latest. `summaries` has
/// `saved` in it.
pub fn surplus(summaries: &[CheckpointSummary], saved: &CheckpointSummary) -> Vec<String> {
    let latest = latest_id(&saved.run);
    let of_run = summaries.iter().filter(|summary| summary.run == saved.run);
    let (outdated, mut of_run): (Vec<_>, Vec<_>) = of_run.partition(|summary| summary.id == latest);
    let outdated = outdated.into_iter().map(|summary| summary.id.as_str()).filter(|&id| id != saved.id);
    of_run.sort_by(|left, right| by_age(left, right));
    let over = of_run.len().saturating_sub(KEPT_PER_RUN);
    let best = best_of_run(summaries, &saved.run).map(|best| best.id.as_str());
    let droppable = of_run.iter().map(|summary| summary.id.as_str()).filter(|&id| id != saved.id && Some(id) != best);
    droppable.take(over).chain(outdated).map(str::to_string).collect()
}

/// The ids whose optimizer state is no longer needed: a run goes on from its newest checkpoint only.
pub fn superseded(summaries: &[CheckpointSummary], saved: &CheckpointSummary) -> Vec<String> {
    let older = summaries.iter().filter(|other| other.run == saved.run && other.id != saved.id && other.resumable);
    older.map(|other| other.id.clone()).collect()
}

/// What the user wrote about a run, as its newest checkpoint has it; none where it has no checkpoint yet.
pub fn note_of_run(summaries: &[CheckpointSummary], run: &str) -> Option<String> {
    let of_run = summaries.iter().filter(|summary| summary.run == run);
    of_run.max_by(|one, other| by_age(one, other)).map(|newest| newest.note.clone())
}

/// The best validated checkpoint of a run; of equals the earlier.
pub fn best_of_run<'a>(summaries: &'a [CheckpointSummary], run: &str) -> Option<&'a CheckpointSummary> {
    let of_run = summaries.iter().filter(|summary| summary.run == run);
    let validated = of_run.filter_map(|summary| Some((summary.validation?, summary)));
    validated
        .filter(|(validation, _)| validation.accuracy.is_finite())
        .max_by(|(validation, summary), (other, other_summary)| {
            validation.compare(other).then_with(|| by_age(other_summary, summary))
        })
        .map(|(_, summary)| summary)
}

/// Oldest first.
fn by_age(left: &CheckpointSummary, right: &CheckpointSummary) -> Ordering {
    let epochs = left.epoch.cmp(&right.epoch);
    left.created.total_cmp(&right.created).then(epochs).then_with(|| left.id.cmp(&right.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Split;
    use crate::protocol::{Evaluation, Origin};

    fn summary(run: &str, epoch: usize, accuracy: Option<f32>) -> CheckpointSummary {
        CheckpointSummary {
            id: format!("{run}-{epoch}"),
            name: String::new(),
            run: run.into(),
            created: 1000.0 + epoch as f64,
            epoch,
            labels: Vec::new(),
            parameters: 0,
            bytes: 0,
            validation: accuracy.map(|accuracy| Evaluation {
                split: Split::Validation,
                loss: 1.0,
                accuracy,
                videos: 4,
                score: None,
            }),
            test: None,
            best: true,
            frames: 8,
            image_size: 32,
            clip_seconds: 2.0,
            origin: Origin::default(),
            resumable: true,
            note: String::new(),
            stands: None,
        }
    }

    fn latest(run: &str, epoch: usize) -> CheckpointSummary {
        CheckpointSummary { id: latest_id(run), ..summary(run, epoch, None) }
    }

    fn marked(summaries: &[CheckpointSummary]) -> Vec<&str> {
        summaries.iter().filter(|summary| summary.best).map(|summary| summary.id.as_str()).collect()
    }

    #[test]
    fn each_run_has_one_best_and_the_earlier_of_equals_wins() {
        let mut list = vec![
            summary("a", 1, Some(0.5)),
            summary("a", 2, Some(0.9)),
            summary("a", 3, Some(0.9)),
            summary("b", 4, Some(0.1)),
            summary("c", 5, None),
            summary("d", 6, Some(f32::NAN)),
        ];
        mark_and_order(&mut list);
        assert_eq!(marked(&list), ["b-4", "a-2"]);
        let order: Vec<usize> = list.iter().map(|summary| summary.epoch).collect();
        assert_eq!(order, [6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn the_mark_passes_on_when_the_best_is_gone() {
        let mut list = vec![summary("a", 1, Some(0.5)), summary("a", 2, Some(0.9)), summary("a", 3, Some(0.6))];
        list.retain(|summary| summary.epoch != 2);
        mark_and_order(&mut list);
        assert_eq!(marked(&list), ["a-3"]);
    }

    #[test]
    fn a_long_run_keeps_five_with_its_best_and_its_last() {
        let mut kept: Vec<CheckpointSummary> = vec![summary("other", 1, Some(1.0))];
        for epoch in 1..=20 {
            kept.push(summary("a", epoch, Some(if epoch == 3 { 0.9 } else { 0.4 })));
            let dropped = surplus(&kept, &kept[kept.len() - 1]);
            kept.retain(|summary| !dropped.contains(&summary.id));
        }
        let epochs: Vec<usize> =
            kept.iter().filter(|summary| summary.run == "a").map(|summary| summary.epoch).collect();
        assert_eq!(epochs, [3, 17, 18, 19, 20]);
        assert!(kept.iter().any(|summary| summary.run == "other"));
    }

    #[test]
    fn nothing_is_dropped_while_a_run_is_short() {
        let list: Vec<_> = (1..=KEPT_PER_RUN).map(|epoch| summary("a", epoch, None)).collect();
        assert!(surplus(&list, &list[0]).is_empty());
    }

    #[test]
    fn what_was_just_saved_stays_even_with_an_older_clock() {
        let list: Vec<_> = (1..=6).map(|epoch| summary("a", epoch, None)).collect();
        assert_eq!(surplus(&list, &list[0]), ["a-2"]);
    }

    #[test]
    fn what_is_kept_in_the_middle_of_an_epoch_pushes_nothing_out_and_goes_when_the_epoch_is_complete() {
        let mut list: Vec<_> = (1..=KEPT_PER_RUN).map(|epoch| summary("a", epoch, Some(0.1 * epoch as f32))).collect();
        list.push(latest("a", 6));
        list.push(latest("b", 6));
        assert!(surplus(&list, &latest("a", 6)).is_empty());
        assert_eq!(best_of_run(&list, "a").unwrap().id, "a-5");
        list.push(summary("a", 6, Some(0.1)));
        assert_eq!(surplus(&list, &summary("a", 6, Some(0.1))), ["a-1", "a-latest"]);
    }

    #[test]
    fn only_the_newest_of_a_run_keeps_its_optimizer() {
        let mut list = vec![summary("a", 1, None), summary("b", 1, None), summary("a", 2, None), summary("a", 3, None)];
        list[0].resumable = false;
        assert_eq!(superseded(&list, &list[3]), ["a-2"]);
    }

    #[test]
    fn runs_without_validation_drop_their_oldest() {
        let list: Vec<_> = (1..=7).map(|epoch| summary("a", epoch, None)).collect();
        assert_eq!(surplus(&list, &list[6]), ["a-1", "a-2"]);
    }
}
