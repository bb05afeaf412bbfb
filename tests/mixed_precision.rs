//! Layers that compute with 16 bits learn what they learn with 32. Real clips of the sample, on the CPU; on the GPU that the
//! driver offers where CLIPTUNE_DEVICE says `gpu`.
#![cfg(feature = "native")]

#[allow(dead_code, reason = "each test program uses its own part of it")]
mod runs;
#[allow(dead_code, reason = "each test program uses its own part of it")]
mod sample;

use cliptune::protocol::TuneEvent;
use cliptune::storage::directory::DirectoryStore;
use cliptune::train::settings::{GradientCheckpointing, Optimization, TuneSettings};
use runs::{import_sample, to_the_end, tune};

/// Loss and gradient norm of each step.
fn steps(events: &[TuneEvent]) -> Vec<[f32; 2]> {
    let numbers = |event: &TuneEvent| match event {
        TuneEvent::Step(step) => Some([step.loss, step.gradient_norm]),
        _ => None,
    };
    events.iter().filter_map(numbers).collect()
}

/// Mean distance of the losses.
fn apart(one: &[[f32; 2]], other: &[[f32; 2]]) -> f32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(one, other)| (one[0] - other[0]).abs()).sum::<f32>() / one.len() as f32
}

fn mean(steps: &[[f32; 2]]) -> f32 {
    steps.iter().map(|[loss, _]| loss).sum::<f32>() / steps.len() as f32
}

#[test]
fn the_loss_falls_as_with_32_bits_within_what_another_seed_changes() {
    let data = import_sample([12, 0, 0]);
    let run = |seed, optimization| {
        let folder = tempfile::tempdir().unwrap();
        let store = DirectoryStore::open(folder.path()).unwrap();
        // A mirrored spin is another.
        let settings = TuneSettings { horizontal_flip: false, epochs: 10, ..TuneSettings::for_starter() };
        let settings = TuneSettings { seed, optimization, batch: 4, ..settings };
        let (best, events) = tune(&settings, &data, &store, to_the_end);
        best.unwrap();
        steps(&events)
    };
    let full = Optimization { gradient_checkpointing: GradientCheckpointing::Never, ..Optimization::default() };
    let half = Optimization { fp16: true, ..full };
    let twice = Optimization { gradient_checkpointing: GradientCheckpointing::Always, ..half };
    let in_full = run(42, full);
    let noise = apart(&in_full, &run(43, full));
    for (what, optimization) in [("kept", half), ("computed twice", twice)] {
        let in_half = run(42, optimization);
        let apart = apart(&in_full, &in_half);
        eprintln!("layers {what}: losses {apart} apart, {noise} with another seed");
        assert!(apart > 0.0, "nothing was rounded");
        assert!(apart < noise / 4.0, "layers {what}: losses {apart} apart, {noise} with another seed");
        assert!(in_half.iter().all(|[_, norm]| *norm > 0.0), "a step was left out");
        let (first, last) = (mean(&in_half[..6]), mean(&in_half[in_half.len() - 6..]));
        assert!(last < first / 2.0, "it learns: {last} after {first}");
    }
}
