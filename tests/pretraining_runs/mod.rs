//! Short pre-training runs, stopped where a test wants, and the pictures of a clip.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use burn::tensor::{Device, Tensor, TensorData};
use cliptune::dataset::Unusable;
use cliptune::dataset::labelling::Labelling;
use cliptune::engine::fit::Limits;
use cliptune::engine::folder::Folder;
use cliptune::engine::loaded::{IMAGENET, clip_shape};
use cliptune::engine::pretraining;
use cliptune::engine::tuning::{self, Workplace};
use cliptune::export::runs;
use cliptune::files::FileSource;
use cliptune::model::config::{ModelSize, VideoMaeConfig};
use cliptune::model::masking::{Masks, TubeMasking};
use cliptune::model::pretraining::PretrainingModel;
use cliptune::model::pretraining::config::{DecoderConfig, for_size};
use cliptune::model::weights;
use cliptune::protocol::{Along, RunFile, TuneEvent, USUAL_DISK};
use cliptune::storage::CheckpointStore;
use cliptune::storage::directory::DirectoryStore;
use cliptune::tensors::{NumberFormat, TensorFiles};
use cliptune::train::feed::ClipSource;
use cliptune::train::optimizer::AdamW;
use cliptune::train::pretraining::events::PretrainEvent;
use cliptune::train::pretraining::reconstruction::{fill_in, reconstruct};
use cliptune::train::pretraining::run::{self, Moment, Observer, PretrainError, Resumption, Run};
use cliptune::train::pretraining::settings::{BETAS, PretrainSettings};
use cliptune::train::record::Progress;
use cliptune::train::settings::{StartFrom, TuneSettings};
use cliptune::video::VideoSource;
use cliptune::video::clip::{Clip, ClipLoader, ClipShape, View};
use cliptune::video::kept::KeptClips;
use cliptune::video::views::TestView;
use futures_executor::block_on;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::sample::{small_folder, some_clips};

const MOMENTS: [&str; 2] = ["exp_avg.", "exp_avg_sq."];

/// Stripes that move, brighter from video to video; the fifth cannot be decoded.
struct Stripes(ClipShape);

impl ClipSource for Stripes {
    async fn clip(&self, video: usize, view: &View) -> Result<Clip, Unusable> {
        assert!(matches!(view, View::Training { .. }));
        if video == 4 {
            return Err(Unusable { path: "four".into(), reason: "It is damaged.".into() });
        }
        let ClipShape { frames, height, width, .. } = self.0;
        let count = frames * 3 * height * width;
        let value = |index: usize| {
            let (x, frame) = (index % width, index / (3 * height * width));
            ((x + frame) as f32 * 0.7).sin() * (1 + video) as f32
        };
        let pixels = (0..count).map(value).collect();
        Ok(Clip { pixels, start: 0.0, seconds: 1.0, size: [32, 32], repeats: false })
    }
}

/// Notes losses; stops after a step, and keeps what it takes to go on.
#[derive(Default)]
struct Watcher {
    losses: Vec<f32>,
    epochs: Vec<f32>,
    left_out: usize,
    stop_after: Option<usize>,
    kept: Option<(FileSource, Progress, bool)>,
}

impl Observer for Watcher {
    fn event(&mut self, event: PretrainEvent) {
        match event {
            PretrainEvent::Step(step) => {
                self.losses.push(step.loss);
                assert_eq!((step.gradient_norm > 0.0, step.epoch > 0), (true, true));
            }
            PretrainEvent::Epoch(epoch) => self.epochs.push(epoch.loss),
            PretrainEvent::LeftOut(_) => self.left_out += 1,
            _ => {}
        }
    }

    async fn checkpoint(&mut self, moment: Moment<'_>) -> Result<(), PretrainError> {
        let (first, second) = (|id: &_| moment.optimizer.first_moment(id), |id: &_| moment.optimizer.second_moment(id));
        let choices: [(&str, weights::Choice<'_>); 3] =
            [("", &|value, _| Some(value)), (MOMENTS[0], &|_, id| first(id)), (MOMENTS[1], &|_, id| second(id))];
        let config = for_size(ModelSize::Micro).0;
        let file = weights::write(moment.model, &config, &choices, NumberFormat::F32, &BTreeMap::new()).await.unwrap();
        self.kept = Some((file, moment.progress, moment.unfinished));
        Ok(())
    }

    fn should_stop(&self) -> bool {
        self.stop_after.is_some_and(|step| self.losses.len() >= step)
    }

    async fn breathe(&self) {}

    fn now(&self) -> f64 {
        0.0
    }
}

fn settings() -> PretrainSettings {
    PretrainSettings { epochs: 6, batch: 2, ..PretrainSettings::for_size(ModelSize::Micro) }
}

/// Pre-trains on five stripes, three steps an epoch, from the start or from what a run kept.
fn pretrain(settings: &PretrainSettings, kept: Option<(FileSource, Progress)>, stop_after: Option<usize>) -> Watcher {
    let device = Device::flex().autodiff();
    let (config, decoder) = for_size(ModelSize::Micro);
    let shape = clip_shape(&config, IMAGENET);
    let mut model = PretrainingModel::new(&config, &decoder, settings.seed, &device);
    let resumption = kept.map(|(file, progress)| {
        let files = block_on(TensorFiles::open_safetensors("kept", &file)).unwrap();
        model = block_on(weights::load(model.clone(), &config, &files)).unwrap();
        let [first, second] = MOMENTS.map(|moment| block_on(weights::read(&model, &config, &files, moment)).unwrap());
        let optimizer = AdamW::restored(settings.weight_decay, progress.step, first, second).with_betas(BETAS);
        Resumption { progress, optimizer }
    });
    let mut watcher = Watcher { stop_after, ..Watcher::default() };
    let (source, videos) = (Stripes(shape), [0, 1, 2, 3, 4, 5]);
    let run = Run { settings, videos: &videos, source: &source, shape: &shape, grid: config.grid(), device: &device };
    block_on(run::pretrain(run, model, resumption, &mut watcher)).unwrap();
    watcher
}

#[test]
fn the_loss_falls_and_a_seed_decides_all_of_it() {
    let long = PretrainSettings { epochs: 40, warmup_ratio: 0.1, ..settings() };
    let whole = pretrain(&long, None, None);
    println!("epoch 1: {}, epoch 40: {}", whole.epochs[0], whole.epochs[39]);
    assert!(whole.epochs[39] < 0.8 * whole.epochs[0], "{:?}", whole.epochs);
    assert_eq!((whole.losses.len(), whole.left_out), (120, 40), "five of six clips, two a step");

    let short = settings();
    let losses = |settings: &PretrainSettings| pretrain(settings, None, None).losses;
    assert_eq!(losses(&short), losses(&short));
    assert_ne!(losses(&short), losses(&PretrainSettings { seed: 7, ..short.clone() }));
}

#[test]
fn a_stopped_run_goes_on_as_if_it_had_never_stopped() {
    let settings = PretrainSettings { accumulation: 1, ..settings() };
    let whole = pretrain(&settings, None, None);
    // Within an epoch, at its end, and in the first.
    for stop in [1, 5, 9, 17] {
        let begun = pretrain(&settings, None, Some(stop));
        let (file, progress, unfinished) = begun.kept.unwrap();
        assert!(unfinished && progress.step == stop);
        let rest = pretrain(&settings, Some((file, progress)), None);
        let losses: Vec<f32> = begun.losses.into_iter().chain(rest.losses).collect();
        assert_eq!(losses, whole.losses, "stopped after step {stop}");
        assert!(!rest.kept.unwrap().2);
    }
}

/// The sample's clips side by side in a folder, without a word about what they show.
fn unlabelled(clips: usize) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for (number, (_, clip)) in some_clips([clips / 2, 0, 0]).into_iter().enumerate() {
        std::fs::copy(clip, to.path().join(format!("holiday {number}.webm"))).unwrap();
    }
    to
}

/// Every file below a folder.
fn import(folder: &Path) -> Folder {
    fn list(folder: &Path, prefix: &str, files: &mut Vec<(String, VideoSource)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() {
                list(&path, &format!("{name}/"), files);
            } else {
                files.push((name.clone(), VideoSource::new(name, path)));
            }
        }
    }
    let mut files = Vec::new();
    list(folder, "", &mut files);
    block_on(Folder::import(files, &Labelling::default()))
}

type Parts<'a> = (&'a DirectoryStore, &'a Device, &'a Rc<KeptClips>);

fn workplace<'a>(folder: &'a Folder, (store, device, kept_clips): Parts<'a>) -> Workplace<'a, DirectoryStore> {
    Workplace { folder, store, device, limits: Limits::None, kept_clips, replicas: None, brake: Rc::default() }
}

#[test]
fn a_folder_without_labels_gives_a_checkpoint_to_fine_tune_from() {
    let (device, place) = (Device::flex(), tempfile::tempdir().unwrap());
    let store = DirectoryStore::open(place.path()).unwrap();
    let kept_clips = Rc::new(KeptClips::new(USUAL_DISK));
    let parts = (&store, &device, &kept_clips);
    let clips = unlabelled(4);
    let folder = import(clips.path());
    assert!(folder.catalogue.blocked.is_some(), "it could not be fine-tuned on");
    assert_eq!(folder.catalogue.learnable, 4);
    let settings = PretrainSettings { epochs: 2, batch: 4, ..PretrainSettings::for_size(ModelSize::Micro) };
    let mut pictures = 0;
    let mut report = |event: PretrainEvent| match event {
        PretrainEvent::Started { total_steps, .. } => assert_eq!(total_steps, 2),
        PretrainEvent::Reconstructed(_) => pictures += 1,
        _ => {}
    };
    let id = block_on(pretraining::pretrain(&settings, workplace(&folder, parts), &mut report)).unwrap();
    let id = id.unwrap();
    assert_eq!(pictures, 2, "after the first epoch and at the end");
    let checkpoint = block_on(store.load(&id)).unwrap();
    assert!(checkpoint.config.contains("VideoMAEForPreTraining") && checkpoint.summary.labels.is_empty());
    assert_ne!(checkpoint.summary.run, id, "it was made here, not brought");
    let record = checkpoint.record.as_ref().unwrap();
    assert_eq!((record.steps.len(), record.epochs.len(), record.data.videos.len()), (2, 2, 4));
    assert!(record.pretraining.is_some() && checkpoint.tuned().is_none());
    let (runs, _) = block_on(runs::read(&store)).unwrap();
    let compared = [runs[0].id.clone()];
    let html = runs::comparison(&runs, &compared, Along::Epochs);
    assert!(html.contains("Reconstruction loss") && !html.contains("ccuracy"), "{html}");
    let (_, steps) = runs[0].file(RunFile::Steps).unwrap();
    assert!(String::from_utf8(steps).unwrap().lines().skip(1).all(|row| row.split(',').nth(4) == Some("")));
    let (_, events) = runs[0].file(RunFile::Events).unwrap();
    assert!(!String::from_utf8_lossy(&events).contains("accuracy"), "without labels nothing is right or wrong");
    assert!(!runs::list(&runs, &[], &compared).contains("data-act=\"use\""), "its settings are not fine-tuning's");

    let labelled = small_folder([2, 1, 1]);
    let labelled = import(labelled.path());
    let further = PretrainSettings { start: StartFrom::Checkpoint(id.clone()), ..settings.clone() };
    let mut clips = 0;
    let count = |event: PretrainEvent| {
        if let PretrainEvent::Started { steps_per_epoch, .. } = event {
            clips = steps_per_epoch;
        }
    };
    let one = PretrainSettings { batch: 1, epochs: 1, ..further };
    block_on(pretraining::pretrain(&one, workplace(&labelled, parts), count)).unwrap();
    assert_eq!(clips, 4, "what is held out for validation and test is not looked at");
    assert_eq!(labelled.catalogue.learnable, clips);

    let tuned = TuneSettings { epochs: 1, batch: 4, ..TuneSettings::for_checkpoint(id) };
    let mut steps = 0;
    let count = |event: TuneEvent| steps += usize::from(matches!(event, TuneEvent::Step(_)));
    block_on(tuning::tune(&tuned, workplace(&labelled, parts), count)).unwrap();
    assert_eq!(steps, 1);
}

/// The middle of a real clip, its shape, and a mask for it.
fn real_clip(config: &VideoMaeConfig) -> (Clip, ClipShape, Vec<bool>) {
    let shape = clip_shape(config, IMAGENET);
    let folder = small_folder([1, 0, 0]);
    let entry = std::fs::read_dir(folder.path().join("train/SpinLeft")).unwrap().next().unwrap().unwrap();
    let source = VideoSource::new("clip".to_string(), entry.path());
    let loader = ClipLoader::new(shape, 2.0);
    let clip = block_on(loader.load(&source, &View::Evaluation(TestView::CENTRE))).unwrap();
    let masking = TubeMasking::new(config.grid(), 0.9).unwrap();
    (clip, shape, masking.draw(&mut ChaCha8Rng::seed_from_u64(5)))
}

#[test]
fn the_picture_of_a_perfect_reconstruction_is_the_original() {
    let device = Device::flex();
    for norm_pix_loss in [true, false] {
        let (config, decoder) = for_size(ModelSize::Micro);
        let decoder = DecoderConfig { norm_pix_loss, ..decoder };
        let (clip, shape, hidden) = real_clip(&config);
        let model = PretrainingModel::new(&config, &decoder, 1, &device);
        let masks = Masks::new(vec![hidden.clone()]).unwrap();
        let dims = [1, shape.frames, 3, shape.height, shape.width];
        let pixels = Tensor::<5>::from_data(TensorData::new(clip.pixels.clone(), dims), &device);
        let targets = model.targets(pixels, &masks, shape.mean, shape.std);
        let targets: Vec<f32> = targets.into_data().iter::<f32>().collect();
        let perfect = fill_in(&config, &clip, &shape, &hidden, &targets, norm_pix_loss);
        assert!(perfect.reconstructed == perfect.original, "norm_pix_loss {norm_pix_loss}");

        // A model that has learnt nothing shows what it sees as it is, and something else elsewhere.
        let shown = block_on(reconstruct(&model, &config, &clip, &shape, &hidden, &device)).unwrap();
        assert!(shown.original == perfect.original && shown.masked == perfect.masked);
        let [patch_height, patch_width] = config.patch_size.height_width();
        let [_, _, columns] = config.grid();
        let mut differ = 0;
        for (index, frame) in shown.original.frames.iter().enumerate() {
            let (masked, filled) = (&shown.masked.frames[index].rgba, &shown.reconstructed.frames[index].rgba);
            for (place, pixel) in frame.rgba.chunks(4).enumerate() {
                let (row, column) = (place / shape.width / patch_height, place % shape.width / patch_width);
                let at = place * 4..place * 4 + 4;
                if hidden[row * columns + column] {
                    assert_eq!(&masked[at.clone()], [0, 0, 0, 255]);
                    differ += usize::from(&filled[at] != pixel);
                } else {
                    assert!(&masked[at.clone()] == pixel && &filled[at] == pixel);
                }
            }
        }
        assert!(differ > 100, "{differ} pixels");
    }
}
