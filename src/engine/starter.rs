//! The starter model: small, pre-trained on drawn motions (scripts/make_starter.py), and part of this program.
//!
//! Goes out: a [`Checkpoint`]. Never downloads anything.

use crate::files::FileSource;
use crate::protocol::Origin;
use crate::storage::checkpoint::{CARD, CONFIG, PREPROCESSOR, Stranger, WEIGHTS};
use crate::storage::{Checkpoint, CheckpointError};

const FILES: [(&str, &[u8]); 4] = [
    (CONFIG, include_bytes!("../../starter/config.json")),
    (PREPROCESSOR, include_bytes!("../../starter/preprocessor_config.json")),
    (WEIGHTS, include_bytes!("../../starter/model.safetensors")),
    (CARD, include_bytes!("../../starter/README.md")),
];

/// The starter model as a checkpoint.
pub async fn checkpoint() -> Result<Checkpoint, CheckpointError> {
    let files = FILES.map(|(name, bytes)| (name.to_string(), FileSource::from_bytes(bytes)));
    let origin = Origin { source: "Cliptune's starter model".into(), ..Origin::default() };
    let stranger = Stranger { id: "starter".into(), name: "Starter model".into(), created: 0.0, origin };
    Ok(Checkpoint::from_files(files.into(), &stranger).await?.0)
}
