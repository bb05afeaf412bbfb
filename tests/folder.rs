//! A folder is used before its files were looked into, and before a run to measure how long it will take. Real clips of
//! the sample.
#![cfg(feature = "native")]

#[allow(dead_code, reason = "each test program uses its own part of it")]
mod runs;
mod sample;

use std::time::Instant;

use burn::tensor::Device;
use cliptune::dataset::labelling::{Edit, Labelling};
use cliptune::engine::fit::Limits;
use cliptune::engine::folder::Folder;
use cliptune::engine::probe;
use cliptune::model::config::ModelSize;
use cliptune::protocol::TuneEvent;
use cliptune::storage::CheckpointStore;
use cliptune::storage::directory::DirectoryStore;
use cliptune::train::settings::TuneSettings;
use futures_executor::block_on;
use runs::{Imported, after_epoch, after_step, clips, import, resume, settings, to_the_end, tune};
use sample::small_folder;

#[test]
fn a_run_that_began_before_its_files_were_looked_into_goes_on_after_that_and_the_other_way_round() {
    let folder = small_folder([3, 1, 1]);
    let class = clips(folder.path())[0].0.split('/').nth(1).unwrap().to_string();
    std::fs::write(folder.path().join("train").join(class).join("broken.webm"), b"no video").unwrap();
    let fresh = || Imported::from(block_on(Folder::list(clips(folder.path()), &Labelling::default())));
    let looked_into = || import(folder.path());
    assert_eq!(fresh().catalogue.videos.len(), looked_into().catalogue.videos.len() + 1);
    assert_eq!(fresh().catalogue.unusable_count, 0);
    assert!(looked_into().catalogue.unusable[0].path.ends_with("broken.webm"));
    for (begins, goes_on) in [(fresh(), looked_into()), (looked_into(), fresh())] {
        let place = tempfile::tempdir().unwrap();
        let store = DirectoryStore::open(place.path()).unwrap();
        let (outcome, events) = tune(&settings(), &begins, &store, after_step(1));
        outcome.unwrap();
        let left_out = |events: &[TuneEvent]| events.iter().any(|event| matches!(event, TuneEvent::LeftOut(_)));
        let newest = block_on(store.list()).unwrap().remove(0);
        let (outcome, more) = resume(&newest.id, &goes_on, &store, to_the_end);
        outcome.unwrap();
        // The broken file counts where the run began with it, and is met at the latest in its last epoch.
        let began_with_it = begins.catalogue.videos.len() > looked_into().catalogue.videos.len();
        assert_eq!(left_out(&events) || left_out(&more), began_with_it);
    }
}

#[test]
fn other_labels_need_no_other_look_at_the_files_and_a_run_with_other_labels_does_not_go_on() {
    let folder = small_folder([3, 1, 1]);
    let found = import(folder.path());
    let first = found.catalogue.labels()[0].clone();
    let edits = vec![Edit::Class { from: first.clone(), to: "Other".into() }];
    let other = Imported::from(found.relabelled(&Labelling { edits, ..Labelling::default() }));
    assert!(other.catalogue.labels().contains(&"Other".to_string()) && !other.catalogue.labels().contains(&first));
    assert!(other.report().videos.iter().all(|video| video.measured.is_some()), "what was known is still known");
    let place = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(place.path()).unwrap();
    tune(&settings(), &found, &store, after_epoch(1)).0.unwrap();
    let newest = block_on(store.list()).unwrap().remove(0);
    let refused = resume(&newest.id, &other, &store, to_the_end).0.unwrap_err().to_string();
    assert!(refused.contains(&format!("its classes were {first}")), "{refused}");
}

#[test]
fn a_few_steps_tell_how_long_a_run_will_take() {
    let (folder, place) = (small_folder([12, 2, 1]), tempfile::tempdir().unwrap());
    let (data, store) = (import(folder.path()), DirectoryStore::open(place.path()).unwrap());
    let settings = TuneSettings { epochs: 6, batch: 4, ..settings() };
    let measure = |size: ModelSize| {
        let config = size.config(&data.catalogue.labels());
        block_on(probe::measure(&settings, &config, &data, &Device::flex(), Limits::None, None)).unwrap()
    };
    let measured = measure(ModelSize::Micro).unwrap();
    assert_eq!(measured.gpu_bytes, None, "the CPU's memory is nobody's to count");
    let estimate = measured.estimate(&settings, 24, 4);
    assert!(estimate.words.contains("for 6 epochs"), "{estimate:?}");
    let began = Instant::now();
    tune(&settings, &data, &store, to_the_end).0.unwrap();
    let took = began.elapsed().as_secs_f64();
    // Other tests run beside this one.
    assert!((0.2..5.0).contains(&(took / estimate.seconds)), "it took {took} s, and {estimate:?}");
    let began = Instant::now();
    assert_eq!(measure(ModelSize::Base), None, "hours for a step, perhaps");
    assert!(began.elapsed().as_secs_f64() < 1.0);
}
