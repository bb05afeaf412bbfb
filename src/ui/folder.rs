//! Dropped or chosen folders -> a list of files with their relative paths.
//!
//! Comes in: what the browser hands over. Goes out: [`FoundFile`]s, and the `File`s of a few of them when they are asked
//! for: a browser names a file in microseconds and takes a third of a millisecond to open it. Never reads a file's
//! contents, and lets the page breathe meanwhile.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use js_sys::{Array, AsyncIterator, Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DataTransfer, File, FileList, FileSystemDirectoryEntry, FileSystemDirectoryHandle, FileSystemDirectoryReader,
    FileSystemEntry, FileSystemFileEntry, FileSystemFileHandle, FileSystemHandle, FileSystemHandleKind,
    HtmlInputElement,
};

/// A file and where it lies below the folder that was given, with `/` between parts.
#[derive(Clone)]
pub struct FoundFile {
    pub path: String,
    handle: Handle,
}

/// What the browser gives for a file.
#[derive(Clone)]
enum Handle {
    Open(File),
    Dropped(FileSystemFileEntry),
    Picked(FileSystemFileHandle),
}

impl FoundFile {
    pub fn new(path: String, file: File) -> Self {
        Self { path, handle: Handle::Open(file) }
    }

    /// The `File`, or a promise of it.
    fn open(&self) -> JsValue {
        match &self.handle {
            Handle::Open(file) => file.into(),
            Handle::Dropped(entry) => promised(|resolve, reject| {
                entry.file_with_callback_and_callback(&resolve, &reject);
            })
            .into(),
            Handle::Picked(handle) => handle.get_file().into(),
        }
    }
}

/// The `File`s, each in its place; `null` for one that is gone.
pub async fn open(files: &[FoundFile]) -> Array {
    let opened = Array::new();
    for few in files.chunks(OPENED_AT_ONCE) {
        let asked: Array = few.iter().map(FoundFile::open).collect();
        let outcomes = JsFuture::from(Promise::all_settled(&asked)).await.unwrap_or_default();
        for place in 0..asked.length() {
            let outcome = Reflect::get_u32(&outcomes, place).unwrap_or_default();
            let file = Reflect::get(&outcome, &"value".into()).ok().filter(JsCast::has_type::<File>);
            opened.push(&file.unwrap_or(JsValue::NULL));
        }
    }
    opened
}

/// Those files that are still there: their paths, and the `File`s.
pub async fn at_hand(files: Vec<FoundFile>) -> (Vec<String>, Array) {
    let opened = open(&files).await;
    let is_there: Vec<bool> = opened.iter().map(|file| !file.is_null()).collect();
    let paths = files.into_iter().zip(is_there).filter(|(_, is_there)| *is_there).map(|(found, _)| found.path);
    (paths.collect(), opened.iter().filter(|file| !file.is_null()).collect())
}

/// More files than this are not looked at.
const MOST_FILES: usize = 50_000;

/// Files that are looked at before the page gets a turn.
const AT_A_TIME: usize = 500;
/// Files that the browser opens at once: it hands over all answers that are there in one go, a third of a millisecond each.
const OPENED_AT_ONCE: usize = 25;
/// Directories that it reads at once: each answer takes its time, however little is to do.
const READ_AT_ONCE: usize = 8;

/// What an `<input type="file">` holds, with or without `webkitdirectory`. Empties it, so that the same choice can be
/// made again. `found` is told how many there are so far.
pub async fn chosen(input: &HtmlInputElement, found: &dyn Fn(usize)) -> Vec<FoundFile> {
    let mut files = Vec::new();
    if let Some(list) = input.files() {
        let count = list.length().min(MOST_FILES as u32);
        for index in 0..count {
            files.extend(list.get(index).map(|file| FoundFile::new(relative_path(&file), file)));
            if files.len().is_multiple_of(AT_A_TIME) {
                found(files.len());
                gloo_timers::future::TimeoutFuture::new(0).await;
            }
        }
    }
    input.set_value("");
    files
}

fn relative_path(file: &File) -> String {
    let relative = Reflect::get(file, &"webkitRelativePath".into()).ok().and_then(|path| path.as_string());
    relative.filter(|path| !path.is_empty()).unwrap_or_else(|| file.name())
}

/// What was dropped. Must be called while the drop event is being handled: the browser empties it afterwards.
pub struct Dropped {
    entries: Vec<FileSystemEntry>,
    loose: Vec<FoundFile>,
}

impl Dropped {
    pub fn take(transfer: &DataTransfer) -> Self {
        let items = transfer.items();
        let entries: Vec<FileSystemEntry> = (0..items.length())
            .filter_map(|index| items.get(index))
            .filter_map(|item| item.webkit_get_as_entry().ok().flatten())
            .collect();
        let loose = match entries.is_empty() {
            true => transfer.files().map(|files| loose(&files)).unwrap_or_default(),
            false => Vec::new(),
        };
        Self { entries, loose }
    }

    /// Every file below what was dropped. `found` is told how many there are so far.
    pub async fn files(self, found: &dyn Fn(usize)) -> Vec<FoundFile> {
        let mut files = self.loose;
        let mut open = Vec::new();
        sort_out(self.entries, &mut files, &mut open);
        let mut reading = FuturesUnordered::new();
        while files.len() < MOST_FILES {
            while reading.len() < READ_AT_ONCE
                && let Some(directory) = open.pop()
            {
                reading.push(next_entries(directory.create_reader()));
            }
            let Some((reader, entries)) = reading.next().await else { break };
            if !entries.is_empty() {
                reading.push(next_entries(reader));
                sort_out(entries, &mut files, &mut open);
                found(files.len());
            }
        }
        files
    }
}

fn loose(files: &FileList) -> Vec<FoundFile> {
    let files = (0..files.length()).filter_map(|index| files.get(index));
    files.map(|file| FoundFile::new(relative_path(&file), file)).collect()
}

fn sort_out(
    entries: Vec<FileSystemEntry>,
    files: &mut Vec<FoundFile>,
    directories: &mut Vec<FileSystemDirectoryEntry>,
) {
    for entry in entries {
        if entry.is_directory() {
            directories.push(entry.unchecked_into());
        } else {
            let path = entry.full_path().trim_start_matches('/').to_string();
            files.push(FoundFile { path, handle: Handle::Dropped(entry.unchecked_into()) });
        }
    }
}

/// More entries of a directory: the browser hands over about a hundred at a time, and none at the end. Those of one that
/// cannot be read are none.
async fn next_entries(reader: FileSystemDirectoryReader) -> (FileSystemDirectoryReader, Vec<FileSystemEntry>) {
    let entries = promised(|resolve, reject| {
        // It fails where it is called while it is under way, which it is not.
        let _ = reader.read_entries_with_callback_and_callback(&resolve, &reject);
    });
    let entries: Array = JsFuture::from(entries).await.map(JsCast::unchecked_into).unwrap_or_default();
    (reader, entries.iter().map(JsCast::unchecked_into).collect())
}

/// A function with two callbacks as a promise.
fn promised(mut call: impl FnMut(Function, Function)) -> Promise {
    Promise::new(&mut |resolve, reject| call(resolve, reject))
}

/// Whether the browser can open a folder by its own dialog.
pub fn has_picker() -> bool {
    Reflect::has(&js_sys::global(), &"showDirectoryPicker".into()).unwrap_or(false)
}

/// Asks for a folder by the browser's own dialog. None where the user closes it.
pub async fn pick(found: &dyn Fn(usize)) -> Option<Vec<FoundFile>> {
    let global = js_sys::global();
    let picker: Function = Reflect::get(&global, &"showDirectoryPicker".into()).ok()?.dyn_into().ok()?;
    let promise: Promise = picker.call0(&global).ok()?.dyn_into().ok()?;
    let root: FileSystemDirectoryHandle = JsFuture::from(promise).await.ok()?.dyn_into().ok()?;
    let mut files = Vec::new();
    let mut open = vec![(root.name(), root)];
    while let Some((path, directory)) = open.pop() {
        let Some(handles) = handles(&directory) else { continue };
        while files.len() < MOST_FILES
            && let Some(handle) = next(&handles).await
        {
            let path = format!("{path}/{}", handle.name());
            if handle.kind() == FileSystemHandleKind::Directory {
                open.push((path, handle.unchecked_into()));
                continue;
            }
            files.push(FoundFile { path, handle: Handle::Picked(handle.unchecked_into()) });
            if files.len().is_multiple_of(AT_A_TIME) {
                found(files.len());
                gloo_timers::future::TimeoutFuture::new(0).await;
            }
        }
    }
    Some(files)
}

fn handles(directory: &FileSystemDirectoryHandle) -> Option<AsyncIterator> {
    let values: Function = Reflect::get(directory, &"values".into()).ok()?.dyn_into().ok()?;
    values.call0(directory).ok().map(JsCast::unchecked_into)
}

async fn next(handles: &AsyncIterator) -> Option<FileSystemHandle> {
    let result = JsFuture::from(handles.next().ok()?).await.ok()?;
    match Reflect::get(&result, &"done".into()).ok()?.is_truthy() {
        true => None,
        false => Reflect::get(&result, &"value".into()).ok()?.dyn_into().ok(),
    }
}
