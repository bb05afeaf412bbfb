//! The options that say where labels, recordings and splits come from -> a [`Labelling`].
//!
//! Comes in: what was typed. Goes out: the same choices that the page's form gives. Reads no name itself.

use clap::{Args, ValueEnum};
use cliptune::dataset::labelling::{Groups, Labelling, Labels, SPLIT_SEED};
use cliptune::dataset::pattern::{Pattern, PatternError};

#[derive(Args)]
pub struct LabellingOptions {
    /// Where labels come from; without it, and without --label-pattern, chosen by itself.
    #[arg(long, value_enum, conflicts_with = "label_pattern")]
    labels: Option<LabelsFrom>,
    /// Labels from the files' names, such as v_{label}_g{group}_c#.
    #[arg(long, value_parser = label_pattern)]
    label_pattern: Option<String>,
    /// Clips of one recording from the files' names, such as {group}_* or {group}/*; without it, _g01_ where it is in them.
    #[arg(long, value_parser = group_pattern)]
    group_pattern: Option<String>,
    /// Split each clip for itself, whatever recording it is of.
    #[arg(long, conflicts_with = "group_pattern")]
    no_groups: bool,
    /// Draws the splits that nothing gives.
    #[arg(long, default_value_t = SPLIT_SEED)]
    split_seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum LabelsFrom {
    Folders,
    /// A CSV, JSON or text file in the folder.
    Lists,
}

fn label_pattern(text: &str) -> Result<String, PatternError> {
    Pattern::of_labels(text).map(|_| text.to_string())
}

fn group_pattern(text: &str) -> Result<String, PatternError> {
    Pattern::of_groups(text).map(|_| text.to_string())
}

impl LabellingOptions {
    pub fn labelling(&self) -> Labelling {
        let labels = match (&self.label_pattern, self.labels) {
            (Some(pattern), _) => Labels::Names(pattern.clone()),
            (None, Some(LabelsFrom::Folders)) => Labels::Folders,
            (None, Some(LabelsFrom::Lists)) => Labels::Lists,
            (None, None) => Labels::Automatic,
        };
        let groups = match &self.group_pattern {
            Some(pattern) => Groups::Pattern(pattern.clone()),
            None if self.no_groups => Groups::None,
            None => Groups::Automatic,
        };
        Labelling { labels, groups, seed: self.split_seed, edits: Vec::new() }
    }
}
