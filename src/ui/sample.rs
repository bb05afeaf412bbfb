//! The sample data set that comes with the page -> files, as if its folder had been dropped.
//!
//! Comes in: a list of paths and lengths, and one file of all clips, one after another (`scripts/pack_sample.mjs`).

use js_sys::{Array, Promise, Reflect, Uint8Array};
use serde::Deserialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, File, FilePropertyBag, Response};

use super::folder::FoundFile;

const LIST: &str = "./sample/sample.json";
const CLIPS: &str = "./sample/clips.bin";
const TYPE: &str = "video/webm";

// By hand: web-sys has these behind features, each of which would build every crate above it again.
#[wasm_bindgen]
extern "C" {
    type ReadableStream;
    #[wasm_bindgen(method, catch, js_name = getReader)]
    fn reader(this: &ReadableStream) -> Result<Reader, JsValue>;

    /// A `ReadableStreamDefaultReader`.
    type Reader;
    #[wasm_bindgen(method)]
    fn read(this: &Reader) -> Promise;
}

#[derive(Deserialize)]
struct Contents {
    /// Paths below the sample's folder, and lengths in bytes.
    files: Vec<(String, u32)>,
}

/// Fetches the sample. `progress` is told how many of how many files have come.
pub async fn fetch(progress: impl Fn(usize, usize)) -> Result<Vec<FoundFile>, String> {
    let Contents { files } = contents().await.ok_or_else(|| unavailable("sample.json"))?;
    let ends: Vec<f64> = files
        .iter()
        .scan(0.0, |end, (_, length)| {
            *end += f64::from(*length);
            Some(*end)
        })
        .collect();
    progress(0, files.len());
    let came = |bytes| progress(ends.partition_point(|end| *end <= bytes), files.len());
    let clips = clips(came).await.ok_or_else(|| unavailable("clips.bin"))?;
    if ends.last().is_some_and(|end| clips.size() != *end) {
        return Err(unavailable("clips.bin"));
    }
    let taken_apart = files.iter().zip(&ends).map(|((path, length), end)| {
        file(&clips, path, end - f64::from(*length), *end).ok_or_else(|| unavailable(path))
    });
    taken_apart.collect()
}

async fn contents() -> Option<Contents> {
    let list = JsFuture::from(response(LIST).await?.json().ok()?).await.ok()?;
    serde_wasm_bindgen::from_value(list).ok()
}

/// All clips; `came` is told how many bytes have come.
async fn clips(came: impl Fn(f64)) -> Option<Blob> {
    let body = Reflect::get(response(CLIPS).await?.as_ref(), &"body".into()).ok()?;
    let reader = body.unchecked_into::<ReadableStream>().reader().ok()?;
    let (pieces, mut bytes) = (Array::new(), 0.0);
    loop {
        let read = JsFuture::from(reader.read()).await.ok()?;
        if Reflect::get(&read, &"done".into()).ok()?.is_truthy() {
            return Blob::new_with_u8_array_sequence(&pieces).ok();
        }
        let piece: Uint8Array = Reflect::get(&read, &"value".into()).ok()?.dyn_into().ok()?;
        bytes += f64::from(piece.length());
        pieces.push(&piece);
        came(bytes);
    }
}

fn file(clips: &Blob, path: &str, start: f64, end: f64) -> Option<FoundFile> {
    let clip = clips.slice_with_f64_and_f64_and_content_type(start, end, TYPE).ok()?;
    let options = FilePropertyBag::new();
    options.set_type(TYPE);
    let name = path.rsplit('/').next().unwrap_or(path);
    let file = File::new_with_blob_sequence_and_options(&Array::of1(&clip), name, &options).ok()?;
    Some(FoundFile::new(format!("sample/{path}"), file))
}

async fn response(address: &str) -> Option<Response> {
    let response: Response = JsFuture::from(web_sys::window()?.fetch_with_str(address)).await.ok()?.dyn_into().ok()?;
    response.ok().then_some(response)
}

fn unavailable(what: &str) -> String {
    format!(
        "The sample could not be fetched (\"{what}\"). Check the connection and try again, or use a folder of your own."
    )
}
