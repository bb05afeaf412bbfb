//! Short runs over real clips, stopped where a test wants.

use std::ops::Deref;
use std::path::Path;
use std::rc::Rc;

use burn::tensor::Device;
use cliptune::dataset::labelling::Labelling;
use cliptune::engine::brake::Brake;
use cliptune::engine::fit::Limits;
use cliptune::engine::folder::Folder;
use cliptune::engine::tuning::{self, JobError, Workplace};
use cliptune::model::config::ModelSize;
use cliptune::protocol::{TuneEvent, USUAL_DISK};
use cliptune::storage::directory::DirectoryStore;
use cliptune::train::data_parallel::Replicas;
use cliptune::train::settings::TuneSettings;
use cliptune::video::VideoSource;
use cliptune::video::kept::KeptClips;
use futures_executor::block_on;

use crate::sample::some_clips;

/// The clips below a folder of `split/class/clip`.
pub fn clips(folder: &Path) -> Vec<(String, VideoSource)> {
    let names = |folder: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let mut files = Vec::new();
    for split in names(folder) {
        for class in names(&folder.join(&split)) {
            for clip in names(&folder.join(&split).join(&class)) {
                let path = format!("{split}/{class}/{clip}");
                files.push((path.clone(), VideoSource::new(path.clone(), folder.join(path))));
            }
        }
    }
    files
}

/// A folder, and what its runs keep of it, as in the page's engine.
pub struct Imported {
    folder: Folder,
    kept_clips: Rc<KeptClips>,
}

impl Deref for Imported {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl From<Folder> for Imported {
    fn from(folder: Folder) -> Self {
        Self { folder, kept_clips: Rc::new(KeptClips::new(USUAL_DISK)) }
    }
}

/// The folder of [`clips`], each of them opened.
pub fn import(folder: &Path) -> Imported {
    block_on(Folder::import(clips(folder), &Labelling::default())).into()
}

/// [`some_clips`], where they lie: for tests that change no file.
pub fn import_sample(counts: [usize; 3]) -> Imported {
    let sources = some_clips(counts).into_iter().map(|(path, clip)| (path.clone(), VideoSource::new(path, clip)));
    block_on(Folder::import(sources.collect(), &Labelling::default())).into()
}

/// Four epochs from random weights. Of six clips, the second step of an epoch has the two that are left.
pub fn settings() -> TuneSettings {
    TuneSettings { epochs: 4, batch: 4, ..TuneSettings::for_size(ModelSize::Micro) }
}

/// What a run gave: the id of its best checkpoint, and all that it told.
pub type Told = (Result<String, JobError>, Vec<TuneEvent>);

/// Fine-tunes; the user stops the run at the first event for which `stop` holds.
pub fn tune(
    settings: &TuneSettings,
    data: &Imported,
    store: &DirectoryStore,
    stop: impl Fn(&TuneEvent) -> bool,
) -> Told {
    watch(data, store, stop, async |place, report| tuning::tune(settings, place, report).await)
}

/// The same, with others that share the computing.
pub fn tune_with(
    replicas: Rc<dyn Replicas>,
    settings: &TuneSettings,
    data: &Imported,
    store: &DirectoryStore,
    stop: impl Fn(&TuneEvent) -> bool,
) -> Told {
    watch(data, store, stop, async |place, report| {
        tuning::tune(settings, Workplace { replicas: Some(replicas), ..place }, report).await
    })
}

/// Goes on with a run.
pub fn resume(id: &str, data: &Imported, store: &DirectoryStore, stop: impl Fn(&TuneEvent) -> bool) -> Told {
    watch(data, store, stop, async |place, report| tuning::resume(id, place, report).await)
}

/// The CPU; the GPU that the driver offers where CLIPTUNE_DEVICE says `gpu`.
fn device() -> Device {
    match std::env::var("CLIPTUNE_DEVICE").as_deref() {
        Ok("gpu") => Device::wgpu(Default::default()),
        _ => Device::flex(),
    }
}

fn watch(
    data: &Imported,
    store: &DirectoryStore,
    stop: impl Fn(&TuneEvent) -> bool,
    job: impl AsyncFnOnce(Workplace<'_, DirectoryStore>, &mut dyn FnMut(TuneEvent)) -> Result<String, JobError>,
) -> Told {
    let brake = Rc::new(Brake::default());
    let Imported { folder, kept_clips } = data;
    let (device, limits) = (&device(), Limits::None);
    let place = Workplace { folder, store, device, limits, kept_clips, replicas: None, brake: brake.clone() };
    let mut events = Vec::new();
    let mut report = |event: TuneEvent| {
        if stop(&event) {
            brake.stop();
        }
        events.push(event);
    };
    let best = block_on(job(place, &mut report));
    (best, events)
}

/// Never.
pub fn to_the_end(_: &TuneEvent) -> bool {
    false
}

/// After that step.
pub fn after_step(wanted: usize) -> impl Fn(&TuneEvent) -> bool {
    move |event| matches!(event, TuneEvent::Step(step) if step.step == wanted)
}

/// After that epoch's validation.
pub fn after_epoch(wanted: usize) -> impl Fn(&TuneEvent) -> bool {
    move |event| matches!(event, TuneEvent::Epoch(epoch) if epoch.epoch == wanted)
}
