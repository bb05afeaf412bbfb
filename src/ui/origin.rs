//! Where a model comes from, in words.

use super::words::{counted, magnitude};
use crate::protocol::{CheckpointSummary, Origin};

/// Whether the model was brought as it is, not made by a run here: such a one is a run of its own.
pub fn is_brought(checkpoint: &CheckpointSummary) -> bool {
    checkpoint.run == checkpoint.id
}

/// Whether it can name classes.
pub fn has_classifier(checkpoint: &CheckpointSummary) -> bool {
    !checkpoint.labels.is_empty()
}

/// `From MCG-NJU/videomae-base at 1a2b3c4`. None where nothing tells.
pub fn source(origin: &Origin) -> Option<String> {
    let Origin { source, revision, .. } = origin;
    let short = |revision: &String| format!(" at {}", revision.chars().take(7).collect::<String>());
    (!source.is_empty()).then(|| format!("From {source}{}", revision.as_ref().map(short).unwrap_or_default()))
}

/// `CC-BY-NC-4.0: not for commercial use`.
pub fn licence(id: &str) -> String {
    let name = id.to_ascii_uppercase();
    if forbids_commerce(id) { format!("{name}: not for commercial use") } else { name }
}

pub fn forbids_commerce(licence: &str) -> bool {
    licence.split('-').any(|part| part.eq_ignore_ascii_case("nc"))
}

/// `400 classes · 22.0 million weights · 16 frames of 224 px`.
pub fn shape(checkpoint: &CheckpointSummary) -> String {
    let classes = match checkpoint.labels.len() {
        0 => "no classifier".into(),
        count => counted(count, "class", "classes"),
    };
    let CheckpointSummary { parameters, frames, image_size, .. } = checkpoint;
    format!("{classes} · {} weights · {frames} frames of {image_size} px", magnitude(*parameters))
}
