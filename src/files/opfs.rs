//! The browser's private file system: files of ours that no user sees, for as long as the page is open.
//!
//! Comes in: bytes. Goes out: [`FileSource`]s on disk. What an earlier page left is removed; what a page in another tab
//! still uses is known by the file that it holds open.

use std::cell::Cell;

use js_sys::{AsyncIterator, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, DedicatedWorkerGlobalScope, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemRemoveOptions, FileSystemSyncAccessHandle,
};

use super::browser::access;
use super::{FileError, FileSource, ScratchName};

/// Begins the name of each page's folder.
const FOLDER: &str = "scratch-";
/// Held open while the folder is in use.
const LEASE: &str = "in-use";

/// A folder of our own. Removed by the next page that makes one.
pub struct Scratch {
    folder: FileSystemDirectoryHandle,
    _lease: Open,
    written: Cell<u64>,
}

/// Closed by Drop: until then nobody else can open the file.
struct Open(FileSystemSyncAccessHandle);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Scratch {
    /// Workers only.
    pub async fn create() -> Result<Self, FileError> {
        Self::create_in_browser().await.map_err(access)
    }

    async fn create_in_browser() -> Result<Self, JsValue> {
        let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
        let root: FileSystemDirectoryHandle =
            JsFuture::from(scope.navigator().storage().get_directory()).await?.unchecked_into();
        remove_left_overs(&root).await?;
        let options = FileSystemGetDirectoryOptions::new();
        options.set_create(true);
        let name = format!("{FOLDER}{:.0}-{:.0}", js_sys::Date::now(), js_sys::Math::random() * 1e9);
        let folder: FileSystemDirectoryHandle =
            JsFuture::from(root.get_directory_handle_with_options(&name, &options)).await?.unchecked_into();
        let _lease = open(&made(&folder, LEASE).await?).await?;
        Ok(Self { folder, _lease, written: Cell::new(0) })
    }

    /// The parts one after another as a file.
    pub async fn write<'a>(
        &self,
        parts: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(ScratchName, FileSource), FileError> {
        let name = ScratchName(self.written.get().to_string());
        self.written.set(self.written.get() + 1);
        let written = self.write_in_browser(&name, parts).await;
        if written.is_err() {
            self.remove(&name).await;
        }
        Ok((name, written.map_err(access)?))
    }

    async fn write_in_browser<'a>(
        &self,
        name: &ScratchName,
        parts: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<FileSource, JsValue> {
        let file = made(&self.folder, &name.0).await?;
        let open = open(&file).await?;
        for part in parts {
            let written = open.0.write_with_u8_array(part)?;
            if written < part.len() as f64 {
                return Err(js_sys::Error::new("only a part of the bytes was written").into());
            }
        }
        open.0.flush()?;
        drop(open);
        let blob: Blob = JsFuture::from(file.get_file()).await?.unchecked_into();
        Ok(blob.into())
    }

    /// A file that cannot be removed goes with the folder.
    pub async fn remove(&self, name: &ScratchName) {
        let _ = JsFuture::from(self.folder.remove_entry(&name.0)).await;
    }
}

async fn made(folder: &FileSystemDirectoryHandle, name: &str) -> Result<FileSystemFileHandle, JsValue> {
    let options = FileSystemGetFileOptions::new();
    options.set_create(true);
    Ok(JsFuture::from(folder.get_file_handle_with_options(name, &options)).await?.unchecked_into())
}

async fn open(file: &FileSystemFileHandle) -> Result<Open, JsValue> {
    Ok(Open(JsFuture::from(file.create_sync_access_handle()).await?.unchecked_into()))
}

async fn remove_left_overs(root: &FileSystemDirectoryHandle) -> Result<(), JsValue> {
    let mut names = Vec::new();
    let keys: AsyncIterator = root.keys();
    loop {
        let next = JsFuture::from(keys.next()?).await?;
        if Reflect::get(&next, &"done".into())?.is_truthy() {
            break;
        }
        names.extend(Reflect::get(&next, &"value".into())?.as_string().filter(|name| name.starts_with(FOLDER)));
    }
    for name in names {
        let folder: FileSystemDirectoryHandle =
            JsFuture::from(root.get_directory_handle(&name)).await?.unchecked_into();
        if in_use(&folder).await {
            continue;
        }
        let options = FileSystemRemoveOptions::new();
        options.set_recursive(true);
        // Another page may be removing it, too.
        let _ = JsFuture::from(root.remove_entry_with_options(&name, &options)).await;
    }
    Ok(())
}

/// Whether a page holds it. One without the file was left between two steps of making it.
async fn in_use(folder: &FileSystemDirectoryHandle) -> bool {
    match JsFuture::from(folder.get_file_handle(LEASE)).await {
        Ok(lease) => open(&lease.unchecked_into()).await.is_err(),
        Err(_) => false,
    }
}
