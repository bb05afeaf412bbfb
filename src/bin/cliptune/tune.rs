//! `cliptune tune`: a folder of videos and settings -> a run's checkpoints.
//!
//! Comes in: a folder, a store, settings as options or as a file. Goes out: the best checkpoint's summary, as JSON on
//! standard output.

use std::path::PathBuf;
use std::rc::Rc;

use burn::tensor::Device;
use clap::Args;
use cliptune::dataset::direction::names_direction;
use cliptune::engine::tuning;
use cliptune::model::config::ModelSize;
use cliptune::protocol::USUAL_DISK;
use cliptune::storage::directory::DirectoryStore;
use cliptune::train::settings::{Lora, StartFrom, Strategy, Targets, TuneSettings};
use cliptune::video::kept::KeptClips;

use crate::labelling::LabellingOptions;
use crate::{Failure, failed, import, print_best, size, tell, unusable, workplace};

#[derive(Args)]
pub struct Tune {
    folder: PathBuf,
    /// Where checkpoints go.
    #[arg(long)]
    out: PathBuf,
    /// micro, tiny, small or base, from random weights; without it and --from, the starter model.
    #[arg(long, value_parser = size, conflicts_with = "from")]
    size: Option<ModelSize>,
    /// The starter model to begin with: people (unless told otherwise) or shapes.
    #[arg(long, conflicts_with_all = ["size", "from"], value_parser = starter)]
    starter: Option<StartFrom>,
    /// A file with settings, JSON, as `run.json` has them; the other options win over it.
    #[arg(long)]
    settings: Option<PathBuf>,
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
    #[arg(long)]
    clip_seconds: Option<f64>,
    /// Mirror half of the training clips.
    #[arg(long)]
    horizontal_flip: Option<bool>,
    /// Classes that are never mirrored, separated by commas; without it, those whose names speak of a direction.
    #[arg(long, value_delimiter = ',')]
    unmirrored: Option<Vec<String>>,
    /// Shrink frames of more than 480 lines before all else, so that the disk has room for them.
    #[arg(long)]
    shrink_large: Option<bool>,
    /// The least short side before the crop, in pixels, for pictures of 224.
    #[arg(long)]
    short_side_least: Option<usize>,
    /// The greatest.
    #[arg(long)]
    short_side_most: Option<usize>,
    /// How much the brightness changes at random, as in torchvision's ColorJitter; so the next three.
    #[arg(long)]
    brightness: Option<f64>,
    #[arg(long)]
    contrast: Option<f64>,
    #[arg(long)]
    saturation: Option<f64>,
    #[arg(long)]
    hue: Option<f64>,
    /// Draw the colours' changes for each frame, not once for the clip.
    #[arg(long)]
    colours_per_frame: bool,
    /// Train on this share of each clip's tokens, drawn at random; fewer are faster.
    #[arg(long)]
    token_keep: Option<f64>,
    /// Train the head and low-rank factors (LoRA) of this rank beside frozen weights, at ten times the usual learning rate.
    #[arg(long)]
    lora_rank: Option<usize>,
    /// PEFT's lora_alpha: the factors' product is scaled by it over the rank.
    #[arg(long, requires = "lora_rank")]
    lora_alpha: Option<usize>,
    /// Which matrices get factors, of query, key, value and dense, separated by commas.
    #[arg(long, requires = "lora_rank", value_parser = targets)]
    lora_targets: Option<Targets>,
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    labelling: LabellingOptions,
}

fn starter(name: &str) -> Result<StartFrom, String> {
    match name {
        "people" => Ok(StartFrom::People),
        "shapes" => Ok(StartFrom::Starter),
        _ => Err("name people or shapes".into()),
    }
}

fn targets(names: &str) -> Result<Targets, String> {
    Targets::of_names(names).ok_or_else(|| "name some of query, key, value and dense".into())
}

/// Fine-tunes on a folder, and prints the best checkpoint.
pub async fn tune(options: &Tune, device: &Device) -> Result<(), Failure> {
    let mut settings = match (&options.from, options.size) {
        (Some(id), _) => TuneSettings::for_checkpoint(id.clone()),
        (None, Some(size)) => TuneSettings::for_size(size),
        (None, None) => TuneSettings::for_start(options.starter.clone().unwrap_or(StartFrom::People)),
    };
    if let Some(file) = &options.settings {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure { code: 2, sentence: format!("{} cannot be read: {error}.", file.display()) })?;
        let start = settings.start.clone();
        settings = settings.with_file(&text).map_err(|error| Failure { code: 2, sentence: error.to_string() })?;
        if options.from.is_some() || options.size.is_some() || options.starter.is_some() {
            settings.start = start;
        }
    }
    fn set<T: Clone>(setting: &mut T, option: &Option<T>) {
        if let Some(value) = option {
            *setting = value.clone();
        }
    }
    let folder = import(&options.folder, &options.labelling).await?;
    match &options.unmirrored {
        Some(classes) => settings.unmirrored = classes.clone(),
        None if settings.unmirrored.is_empty() => {
            settings.unmirrored =
                folder.catalogue.labels().into_iter().filter(|class| names_direction(class)).collect();
        }
        None => {}
    }
    if let Some(rank) = options.lora_rank {
        let mut lora = Lora { rank, alpha: 2 * rank, ..Lora::default() };
        set(&mut lora.alpha, &options.lora_alpha);
        set(&mut lora.targets, &options.lora_targets);
        settings.set_strategy(Strategy::Lora(lora));
    }
    set(&mut settings.name, &options.name);
    set(&mut settings.epochs, &options.epochs);
    set(&mut settings.batch, &options.batch);
    set(&mut settings.accumulation, &options.accumulation);
    set(&mut settings.learning_rate, &options.learning_rate);
    set(&mut settings.warmup_ratio, &options.warmup_ratio);
    set(&mut settings.weight_decay, &options.weight_decay);
    set(&mut settings.max_grad_norm, &options.max_grad_norm);
    set(&mut settings.clip_seconds, &options.clip_seconds);
    set(&mut settings.horizontal_flip, &options.horizontal_flip);
    set(&mut settings.shrink_large, &options.shrink_large);
    set(&mut settings.short_sides[0], &options.short_side_least);
    set(&mut settings.short_sides[1], &options.short_side_most);
    set(&mut settings.colour_jitter.brightness, &options.brightness);
    set(&mut settings.colour_jitter.contrast, &options.contrast);
    set(&mut settings.colour_jitter.saturation, &options.saturation);
    set(&mut settings.colour_jitter.hue, &options.hue);
    settings.colour_jitter.per_frame |= options.colours_per_frame;
    set(&mut settings.seed, &options.seed);
    set(&mut settings.regularisation.token_keep, &options.token_keep);
    if let Some((field, sentence)) = settings.problems().into_iter().next() {
        return Err(Failure { code: 2, sentence: format!("--{}: {sentence}", field.replace('_', "-")) });
    }
    if let Some(reason) = &folder.catalogue.blocked {
        return Err(unusable(reason));
    }
    let store = DirectoryStore::open(&options.out).map_err(failed)?;
    let kept_clips = Rc::new(KeptClips::new(USUAL_DISK));
    let best = tuning::tune(&settings, workplace(&folder, &store, device, &kept_clips), tell).await.map_err(failed)?;
    print_best(&store, &best).await
}
