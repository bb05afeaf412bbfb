//! The sample data set that comes with the page -> files, as if its folder had been dropped.

use futures_util::{StreamExt, stream};
use js_sys::Array;
use serde::Deserialize;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, File, FilePropertyBag, Response};

use super::folder::FoundFile;

/// Where the sample lies.
const FOLDER: &str = "./sample";
/// Requests under way at a time.
const AT_A_TIME: usize = 6;

#[derive(Deserialize)]
struct Contents {
    files: Vec<String>,
}

/// Fetches the sample. `progress` is told how many of how many files have come.
pub async fn fetch(progress: impl Fn(usize, usize)) -> Result<Vec<FoundFile>, String> {
    let contents = response(&format!("{FOLDER}/sample.json")).await?;
    let list = JsFuture::from(contents.json().map_err(|_| unavailable("sample.json"))?).await.ok();
    let list = list.and_then(|list| serde_wasm_bindgen::from_value(list).ok());
    let Contents { files: paths } = list.ok_or_else(|| unavailable("sample.json"))?;
    let total = paths.len();
    progress(0, total);
    let mut coming = stream::iter(paths).map(file).buffered(AT_A_TIME);
    let mut files = Vec::with_capacity(total);
    while let Some(file) = coming.next().await {
        files.push(file?);
        progress(files.len(), total);
    }
    Ok(files)
}

async fn file(path: String) -> Result<FoundFile, String> {
    let response = response(&format!("{FOLDER}/{path}")).await?;
    let blob =
        JsFuture::from(response.blob().map_err(|_| unavailable(&path))?).await.map_err(|_| unavailable(&path))?;
    let name = path.rsplit('/').next().unwrap_or(&path);
    let options = FilePropertyBag::new();
    options.set_type(&blob.unchecked_ref::<Blob>().type_());
    let file =
        File::new_with_blob_sequence_and_options(&Array::of1(&blob), name, &options).map_err(|_| unavailable(&path))?;
    Ok(FoundFile::new(format!("sample/{path}"), file))
}

async fn response(address: &str) -> Result<Response, String> {
    let window = web_sys::window().ok_or_else(|| unavailable(address))?;
    let response = JsFuture::from(window.fetch_with_str(address)).await.map_err(|_| unavailable(address))?;
    let response: Response = response.dyn_into().map_err(|_| unavailable(address))?;
    if response.ok() { Ok(response) } else { Err(unavailable(address)) }
}

fn unavailable(what: &str) -> String {
    format!(
        "The sample could not be fetched (\"{what}\"). Check the connection and try again, or use a folder of your own."
    )
}
