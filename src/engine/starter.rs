//! The starter models: small, pre-trained on drawings of our own (scripts/make_starter.py, scripts/people_starter/).
//!
//! Comes in: which. Goes out: a [`Checkpoint`]. The one for shapes is part of this program; the larger one for people lies
//! beside the page, which the service worker keeps. Never asks another host.

use std::cell::RefCell;

use crate::files::FileSource;
use crate::protocol::Origin;
use crate::storage::checkpoint::{CARD, CONFIG, PREPROCESSOR, Stranger, WEIGHTS};
use crate::storage::{Checkpoint, CheckpointError};

const MOTIONS: [(&str, &[u8]); 4] = [
    (CONFIG, include_bytes!("../../starter/config.json")),
    (PREPROCESSOR, include_bytes!("../../starter/preprocessor_config.json")),
    (WEIGHTS, include_bytes!("../../starter/model.safetensors")),
    (CARD, include_bytes!("../../starter/README.md")),
];

/// Why a starter cannot be had; each a sentence.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StarterError {
    #[error(
        "The starter model for people could not be fetched from where this page comes from. Check the connection and try again, or start from the starter model for shapes."
    )]
    Unreachable,
    #[error("The model cannot be opened. {0}")]
    Checkpoint(#[from] CheckpointError),
}

thread_local! {
    /// The files of the one for people, once they came.
    static PEOPLE: RefCell<Option<Vec<(String, FileSource)>>> = const { RefCell::new(None) };
}

/// The small one, which knows motions of shapes, as a checkpoint.
pub async fn motions() -> Result<Checkpoint, StarterError> {
    let files = MOTIONS.map(|(name, bytes)| (name.to_string(), FileSource::from_bytes(bytes)));
    checkpoint("starter", "Starter model", "Cliptune's starter model", files).await
}

/// The one that knows motions of people, as a checkpoint.
pub async fn people() -> Result<Checkpoint, StarterError> {
    let known = PEOPLE.with_borrow(Clone::clone);
    let files = match known {
        Some(files) => files,
        None => {
            let mut files = Vec::new();
            for name in [CONFIG, PREPROCESSOR, WEIGHTS, CARD] {
                let bytes = platform::people(name).await.ok_or(StarterError::Unreachable)?;
                files.push((name.to_string(), FileSource::from_bytes(bytes)));
            }
            PEOPLE.set(Some(files.clone()));
            files
        }
    };
    checkpoint("people", "Starter model for people", "Cliptune's starter model for people", files).await
}

async fn checkpoint(
    id: &str,
    name: &str,
    source: &str,
    files: impl IntoIterator<Item = (String, FileSource)>,
) -> Result<Checkpoint, StarterError> {
    let origin = Origin { source: source.into(), ..Origin::default() };
    let stranger = Stranger { id: id.into(), name: name.into(), created: 0.0, origin };
    Ok(Checkpoint::from_files(files.into_iter().collect(), &stranger).await?.0)
}

#[cfg(target_family = "wasm")]
mod platform {
    use js_sys::{ArrayBuffer, Promise, Uint8Array};
    use wasm_bindgen::prelude::wasm_bindgen;
    use wasm_bindgen_futures::JsFuture;

    #[wasm_bindgen]
    extern "C" {
        #[wasm_bindgen(js_name = fetch)]
        fn fetch(address: &str) -> Promise;
        type Response;
        #[wasm_bindgen(method, getter)]
        fn ok(this: &Response) -> bool;
        #[wasm_bindgen(method, js_name = arrayBuffer)]
        fn array_buffer(this: &Response) -> Promise;
    }

    /// Where index.html has it copied, beside the worker's script.
    const FOLDER: &str = "starter-people";

    pub async fn people(name: &str) -> Option<Vec<u8>> {
        use wasm_bindgen::JsCast;
        let answer: Response = JsFuture::from(fetch(&format!("{FOLDER}/{name}"))).await.ok()?.unchecked_into();
        if !answer.ok() {
            return None;
        }
        let body: ArrayBuffer = JsFuture::from(answer.array_buffer()).await.ok()?.unchecked_into();
        Some(Uint8Array::new(&body).to_vec())
    }
}

#[cfg(not(target_family = "wasm"))]
mod platform {
    use super::{CARD, CONFIG, PREPROCESSOR, WEIGHTS};

    const FILES: [(&str, &[u8]); 4] = [
        (CONFIG, include_bytes!("../../starter/people/config.json")),
        (PREPROCESSOR, include_bytes!("../../starter/people/preprocessor_config.json")),
        (WEIGHTS, include_bytes!("../../starter/people/model.safetensors")),
        (CARD, include_bytes!("../../starter/people/README.md")),
    ];

    pub async fn people(name: &str) -> Option<Vec<u8>> {
        FILES.iter().find(|(file, _)| *file == name).map(|(_, bytes)| bytes.to_vec())
    }
}
