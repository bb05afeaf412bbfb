//! Files of this device -> a repository of the Hub's, with Hugging Face's own library (push.js, loaded when first used).
//!
//! Comes in: files, a repository's name, a [`Hub`] with a token. Goes out: the model's address. Never reads a file into
//! wasm's memory; the token is in the library's hands for as long as it pushes and nowhere else.

use std::collections::HashMap;

use futures_channel::mpsc;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use js_sys::{Array, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::Meter;
use super::address::{checked_endpoint, checked_repository, host_of};
use super::client::Aborts;
use super::error::{HubError, Refusal};
use crate::files::FileSource;
use crate::protocol::Hub;

#[wasm_bindgen(inline_js = r#"export const load = () => import(new URL("./push_to_hub.js", self.location.href));"#)]
extern "C" {
    fn load() -> Promise;
}

#[wasm_bindgen]
extern "C" {
    /// What push.js exports.
    type Library;
    #[wasm_bindgen(method)]
    fn push(this: &Library, what: &Object) -> Promise;
}

/// Puts files into a repository, which is made where there is none; `progress` hears of the file at hand and of the
/// bytes so far and in all. Returns where the model can be seen. Dropping the future ends the push.
pub async fn push(
    files: &[(String, FileSource)],
    repository: &str,
    private: bool,
    hub: &Hub,
    progress: impl FnMut(&str, u64, u64),
) -> Result<String, HubError> {
    let repository = checked_repository(repository)?;
    let endpoint = checked_endpoint(&hub.endpoint)?;
    let token = hub.token.as_deref().ok_or(HubError::NoToken)?;
    if !token.starts_with("hf_") || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(HubError::Token);
    }
    let (paths, blobs) = (Array::new(), Array::new());
    for (name, file) in files {
        paths.push(&name.into());
        let blob = file.to_blob().map_err(|error| HubError::Storage(error.to_string()))?;
        blobs.push(&blob);
    }
    let library: Library = JsFuture::from(load()).await.map_err(|_| HubError::Library)?.unchecked_into();
    let aborts = Aborts::new().ok_or(HubError::Library)?;
    let (mut sender, mut heard) = mpsc::channel(64);
    let hear = Closure::<dyn FnMut(String, f64)>::new(move |path: String, share: f64| {
        // Where this one finds no place, a later one tells the same and more.
        let _ = sender.try_send((path, share));
    });
    let what = Object::new();
    let fields: [(&str, &JsValue); 8] = [
        ("paths", &paths),
        ("blobs", &blobs),
        ("repository", &repository.into()),
        ("isPrivate", &private.into()),
        ("endpoint", &endpoint.as_str().into()),
        ("token", &token.into()),
        ("signal", &aborts.signal()),
        ("progress", hear.as_ref()),
    ];
    for (name, value) in fields {
        // Setting a field of a plain object cannot fail.
        let _ = Reflect::set(&what, &name.into(), value);
    }
    let sizes: HashMap<&str, u64> = files.iter().map(|(name, file)| (name.as_str(), file.len())).collect();
    let total = sizes.values().sum();
    let mut sent: HashMap<String, u64> = HashMap::new();
    let mut meter = Meter::new(total, 0, progress);
    let mut pushing = JsFuture::from(library.push(&what));
    let outcome = loop {
        match select(&mut pushing, heard.next()).await {
            Either::Left((outcome, _)) => break outcome,
            Either::Right((Some((path, share)), _)) => {
                let size = sizes.get(path.as_str()).copied().unwrap_or_default();
                sent.insert(path.clone(), (size as f64 * share.clamp(0.0, 1.0)) as u64);
                meter.set(&path, sent.values().sum());
            }
            // The sender lives as long as this loop.
            Either::Right((None, _)) => {}
        }
    };
    match outcome {
        Ok(address) => {
            meter.set(files.last().map_or("", |(name, _)| name), total);
            Ok(address.as_string().unwrap_or(endpoint))
        }
        Err(reason) => Err(described(&reason, repository, host_of(&endpoint))),
    }
}

/// What push.js threw.
fn described(reason: &JsValue, repository: &str, host: &str) -> HubError {
    let field = |name: &str| Reflect::get(reason, &name.into()).unwrap_or_default();
    if let Some(status) = field("status").as_f64() {
        let message = field("message").as_string().unwrap_or_default();
        return Refusal { status: status as u16, message, ..Refusal::default() }.of_push(repository, host);
    }
    let host = host.to_string();
    match field("public").is_truthy() {
        true => HubError::Public { repository: repository.to_string(), host },
        // The browser does not tell pages why a request did not come through.
        false => HubError::Unreachable { host },
    }
}
