//! Low-rank adapters (LoRA; Hu et al., 2021) as a user sets them, with PEFT's names.
//!
//! Comes in: values. Goes out: [`Lora`], and sentences about values that make no sense. Never looks at a model.

use serde::{Deserialize, Serialize};

use super::Problems;

/// PEFT's `LoraConfig`: beside each targeted matrix W the factors A and B are trained, and the head; the layer computes
/// with W + alpha / rank * A B, and W stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lora {
    /// Columns of A and rows of B: PEFT's `r`.
    pub rank: usize,
    /// PEFT's `lora_alpha`.
    pub alpha: usize,
    /// PEFT's `target_modules`.
    pub targets: Targets,
}

/// Modules of a layer, by the last part of Hugging Face's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    Query,
    Key,
    Value,
    /// The attention's output, and both matrices of the feed-forward block.
    Dense,
}

/// Some of the targets; written as a list of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Target>", into = "Vec<Target>")]
pub struct Targets([bool; 4]);

impl Target {
    const ALL: [(&'static str, Self); 4] =
        [("query", Self::Query), ("key", Self::Key), ("value", Self::Value), ("dense", Self::Dense)];
}

impl Targets {
    pub fn has(self, target: Target) -> bool {
        Target::ALL.into_iter().zip(self.0).any(|((_, other), chosen)| chosen && other == target)
    }

    /// Their names, a comma between two.
    pub fn names(self) -> String {
        let chosen = Target::ALL.into_iter().zip(self.0).filter(|(_, chosen)| *chosen);
        chosen.map(|((name, _), _)| name).collect::<Vec<_>>().join(",")
    }

    /// Of names with commas between them; none where one of them is unknown.
    pub fn of_names(names: &str) -> Option<Self> {
        let target = |name: &str| Target::ALL.into_iter().find(|(known, _)| *known == name.trim());
        let targets: Option<Vec<Target>> =
            names.split(',').map(|name| target(name).map(|(_, target)| target)).collect();
        targets.map(Self::from)
    }
}

impl From<Vec<Target>> for Targets {
    fn from(targets: Vec<Target>) -> Self {
        Self(Target::ALL.map(|(_, target)| targets.contains(&target)))
    }
}

impl From<Targets> for Vec<Target> {
    fn from(targets: Targets) -> Self {
        let all = Target::ALL.into_iter().map(|(_, target)| target);
        all.filter(|target| targets.has(*target)).collect()
    }
}

impl Default for Lora {
    /// PEFT's rank, twice as much alpha, and the matrices that PEFT takes in a ViT.
    fn default() -> Self {
        Self { rank: 8, alpha: 16, targets: Targets::from(vec![Target::Query, Target::Value]) }
    }
}

impl Lora {
    pub(super) fn check(self, problems: &mut Problems) {
        problems.check((1..=256).contains(&self.rank), "lora_rank", "Choose a rank of 1 to 256; 8 is usual.");
        problems.check((1..=4096).contains(&self.alpha), "lora_alpha", "Choose 1 to 4096; twice the rank is usual.");
        problems.check(
            self.targets.0.contains(&true),
            "lora_targets",
            "Name at least one of query, key, value and dense.",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_names_in_files_and_on_the_command_line() {
        let lora: Lora = serde_json::from_str(r#"{"rank": 4, "targets": ["dense", "query"]}"#).unwrap();
        assert_eq!((lora.rank, lora.alpha, lora.targets.names().as_str()), (4, 16, "query,dense"));
        assert_eq!(serde_json::to_string(&lora).unwrap(), r#"{"rank":4,"alpha":16,"targets":["query","dense"]}"#);
        assert_eq!(Targets::of_names("query, dense"), Some(lora.targets));
        assert_eq!(Targets::of_names("query,fc1"), None);
        assert!(serde_json::from_str::<Lora>(r#"{"targets": ["fc1"]}"#).unwrap_err().to_string().contains("fc1"));
        assert!(lora.targets.has(Target::Dense) && !lora.targets.has(Target::Key));
    }

    #[test]
    fn factors_that_could_not_be_are_refused_under_their_names() {
        let mut problems = Problems::default();
        Lora::default().check(&mut problems);
        Lora { rank: 0, alpha: 0, targets: Targets::from(Vec::new()) }.check(&mut problems);
        let fields: Vec<&str> = problems.0.into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["lora_rank", "lora_alpha", "lora_targets"]);
    }
}
