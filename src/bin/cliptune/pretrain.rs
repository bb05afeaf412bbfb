//! `cliptune pretrain`: self-supervised pre-training on a folder of videos, labelled or not.
//!
//! Comes in: options. Goes out: a checkpoint that `cliptune tune --from` starts from; its summary as JSON on standard
//! output, progress on standard error.

use std::path::PathBuf;
use std::rc::Rc;

use burn::tensor::Device;
use clap::Args;
use cliptune::engine::pretraining::{self, PretrainJobError};
use cliptune::model::config::ModelSize;
use cliptune::protocol::USUAL_DISK;
use cliptune::storage::directory::DirectoryStore;
use cliptune::train::pretraining::events::PretrainEvent;
use cliptune::train::pretraining::settings::PretrainSettings;
use cliptune::video::kept::KeptClips;

use crate::labelling::LabellingOptions;
use crate::{Failure, failed, import, print_best, size, unusable, workplace};

#[derive(Args)]
pub struct Pretrain {
    /// Any videos; of a labelled folder those held out for validation and test are not looked at.
    folder: PathBuf,
    /// Where the checkpoint goes.
    #[arg(long)]
    out: PathBuf,
    /// micro, tiny, small or base, from random weights.
    #[arg(long, value_parser = size, conflicts_with = "from", default_value = "micro")]
    size: ModelSize,
    /// Go on from a checkpoint: its id in --out.
    #[arg(long)]
    from: Option<String>,
    #[arg(long)]
    name: Option<String>,
    #[arg(long)]
    epochs: Option<usize>,
    #[arg(long)]
    batch: Option<usize>,
    #[arg(long)]
    accumulation: Option<usize>,
    #[arg(long)]
    learning_rate: Option<f64>,
    #[arg(long)]
    warmup_ratio: Option<f64>,
    #[arg(long)]
    weight_decay: Option<f64>,
    #[arg(long)]
    max_grad_norm: Option<f64>,
    /// Share of the patches that are hidden.
    #[arg(long)]
    mask_ratio: Option<f64>,
    /// Reconstruct each patch less its mean and divided by its standard deviation; else its plain pixels.
    #[arg(long)]
    norm_pix_loss: Option<bool>,
    #[arg(long)]
    horizontal_flip: Option<bool>,
    #[arg(long)]
    clip_seconds: Option<f64>,
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    labelling: LabellingOptions,
}

impl Pretrain {
    fn settings(&self) -> PretrainSettings {
        let offered = match &self.from {
            Some(id) => PretrainSettings::for_checkpoint(id.clone()),
            None => PretrainSettings::for_size(self.size),
        };
        PretrainSettings {
            name: self.name.clone().unwrap_or(offered.name),
            epochs: self.epochs.unwrap_or(offered.epochs),
            batch: self.batch.unwrap_or(offered.batch),
            accumulation: self.accumulation.unwrap_or(offered.accumulation),
            learning_rate: self.learning_rate.unwrap_or(offered.learning_rate),
            warmup_ratio: self.warmup_ratio.unwrap_or(offered.warmup_ratio),
            weight_decay: self.weight_decay.unwrap_or(offered.weight_decay),
            max_grad_norm: self.max_grad_norm.unwrap_or(offered.max_grad_norm),
            mask_ratio: self.mask_ratio.unwrap_or(offered.mask_ratio),
            norm_pix_loss: self.norm_pix_loss.unwrap_or(offered.norm_pix_loss),
            horizontal_flip: self.horizontal_flip.unwrap_or(offered.horizontal_flip),
            clip_seconds: self.clip_seconds.unwrap_or(offered.clip_seconds),
            seed: self.seed.unwrap_or(offered.seed),
            ..offered
        }
    }
}

pub async fn pretrain(options: &Pretrain, device: &Device) -> Result<(), Failure> {
    let settings = options.settings();
    if let Some((field, sentence)) = settings.problems().into_iter().next() {
        return Err(Failure { code: 2, sentence: format!("--{}: {sentence}", field.replace('_', "-")) });
    }
    let folder = import(&options.folder, &options.labelling).await?;
    let store = DirectoryStore::open(&options.out).map_err(failed)?;
    let kept_clips = Rc::new(KeptClips::new(USUAL_DISK));
    let id = pretraining::pretrain(&settings, workplace(&folder, &store, device, &kept_clips), tell).await;
    let id = id.map_err(|error| match error {
        PretrainJobError::NoVideos => unusable(error),
        error => failed(error),
    })?;
    print_best(&store, &id.unwrap_or_default()).await
}

/// Progress, a line at a time.
fn tell(event: PretrainEvent) {
    match event {
        PretrainEvent::Started { total_steps, parameters, .. } => {
            eprintln!("{total_steps} steps, {parameters} parameters.");
        }
        PretrainEvent::Step(step) if step.step % 10 == 0 => eprintln!(
            "step {}: loss {:.4}, {:.1} clips/s, {:.0} s left",
            step.step,
            step.loss,
            step.clips_per_second,
            step.seconds_left.unwrap_or(0.0)
        ),
        PretrainEvent::Epoch(epoch) => eprintln!("epoch {}: loss {:.4}", epoch.epoch, epoch.loss),
        PretrainEvent::LeftOut(unusable) => eprintln!("left out {}: {}", unusable.path, unusable.reason),
        PretrainEvent::Step(_) | PretrainEvent::Reconstructed(_) | PretrainEvent::Saved(_) => {}
    }
}
