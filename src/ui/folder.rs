//! Dropped or chosen folders -> a list of files with their relative paths.
//!
//! Comes in: what the browser hands over. Goes out: [`FoundFile`]s. Never reads a file's contents, and lets the page
//! breathe between directories.

use js_sys::{Array, AsyncIterator, Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DataTransfer, File, FileList, FileSystemDirectoryEntry, FileSystemDirectoryHandle, FileSystemEntry,
    FileSystemFileEntry, FileSystemFileHandle, FileSystemHandle, FileSystemHandleKind, HtmlInputElement,
};

/// A file and where it lies below the folder that was given, with `/` between parts.
#[derive(Clone)]
pub struct FoundFile {
    pub path: String,
    pub file: File,
}

/// More files than this are not looked at.
const MOST_FILES: usize = 50_000;

/// Files that are looked at before the page gets a turn.
const AT_A_TIME: usize = 500;
/// Files that the browser is asked for at once: each answer takes its time, however little is to do.
const ASKED_AT_ONCE: u32 = 100;

/// What an `<input type="file">` holds, with or without `webkitdirectory`. Empties it, so that the same choice can be
/// made again. `found` is told how many there are so far.
pub async fn chosen(input: &HtmlInputElement, found: &dyn Fn(usize)) -> Vec<FoundFile> {
    let mut files = Vec::new();
    if let Some(list) = input.files() {
        let count = list.length().min(MOST_FILES as u32);
        for index in 0..count {
            files.extend(list.get(index).map(|file| FoundFile { path: relative_path(&file), file }));
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
        let mut open = self.entries;
        open.reverse();
        while let Some(entry) = open.pop() {
            if files.len() >= MOST_FILES {
                break;
            }
            if entry.is_directory() {
                let inside = children(entry.unchecked_ref()).await;
                let (folders, inside): (Vec<_>, Vec<_>) = inside.into_iter().partition(FileSystemEntry::is_directory);
                files.append(&mut entry_files(&inside).await);
                open.extend(folders.into_iter().rev());
                found(files.len());
            } else {
                files.append(&mut entry_files(&[entry]).await);
            }
        }
        found(files.len());
        files
    }
}

fn loose(files: &FileList) -> Vec<FoundFile> {
    let files = (0..files.length()).filter_map(|index| files.get(index));
    files.map(|file| FoundFile { path: relative_path(&file), file }).collect()
}

/// The files of entries; one that cannot be read is none.
async fn entry_files(entries: &[FileSystemEntry]) -> Vec<FoundFile> {
    let mut files = Vec::with_capacity(entries.len());
    for few in entries.chunks(ASKED_AT_ONCE as usize) {
        let asked = Array::new();
        for entry in few {
            let entry: &FileSystemFileEntry = entry.unchecked_ref();
            asked.push(&Promise::new(&mut |resolve, reject| {
                entry.file_with_callback_and_callback(&resolve.unchecked_into(), &reject.unchecked_into());
            }));
        }
        let paths = few.iter().map(|entry| entry.full_path().trim_start_matches('/').to_string());
        files.append(&mut settled_files(&asked, paths).await);
    }
    files
}

/// The files that were promised, each with its path.
async fn settled_files(asked: &Array, paths: impl Iterator<Item = String>) -> Vec<FoundFile> {
    let Ok(outcomes) = JsFuture::from(Promise::all_settled(asked)).await else { return Vec::new() };
    let file = |outcome: JsValue| Reflect::get(&outcome, &"value".into()).ok()?.dyn_into::<File>().ok();
    let outcomes: Array = outcomes.unchecked_into();
    outcomes.iter().zip(paths).filter_map(|(outcome, path)| Some(FoundFile { path, file: file(outcome)? })).collect()
}

/// A directory's entries: the browser hands over about a hundred at a time, and none at the end.
async fn children(directory: &FileSystemDirectoryEntry) -> Vec<FileSystemEntry> {
    let reader = directory.create_reader();
    let mut children = Vec::new();
    loop {
        let batch = settled(|resolve, reject| {
            let _ = reader.read_entries_with_callback_and_callback(&resolve.unchecked_into(), &reject.unchecked_into());
        });
        let Ok(batch) = batch.await else { break };
        let batch: Array = batch.unchecked_into();
        if batch.length() == 0 {
            break;
        }
        children.extend(batch.iter().map(|entry| entry.unchecked_into::<FileSystemEntry>()));
    }
    children
}

/// A function with two callbacks as one future.
async fn settled(mut call: impl FnMut(Function, Function)) -> Result<JsValue, JsValue> {
    let promise = Promise::new(&mut |resolve, reject| call(resolve, reject));
    JsFuture::from(promise).await
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
        let (asked, mut paths) = (Array::new(), Vec::new());
        let mut more = true;
        while more {
            let handle = next(&handles).await;
            more = handle.is_some() && files.len() + paths.len() < MOST_FILES;
            if let Some(handle) = handle {
                let path = format!("{path}/{}", handle.name());
                if handle.kind() == FileSystemHandleKind::Directory {
                    open.push((path, handle.unchecked_into()));
                } else {
                    asked.push(&handle.unchecked_ref::<FileSystemFileHandle>().get_file());
                    paths.push(path);
                }
            }
            if !more || asked.length() == ASKED_AT_ONCE {
                files.append(&mut settled_files(&asked, paths.drain(..)).await);
                asked.set_length(0);
            }
        }
        found(files.len());
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
