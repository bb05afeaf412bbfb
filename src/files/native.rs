//! Files on disk, natively. Reads block; they are async only to fit [`super::FileSource`].

use std::cell::RefCell;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::rc::Rc;

use super::{FileError, FileSource, Place};

/// An open file; it stays readable where its name goes away.
#[derive(Clone, Debug)]
pub struct Outside(Rc<RefCell<File>>);

impl Outside {
    pub async fn read(&self, start: u64, length: u64) -> Result<Vec<u8>, FileError> {
        self.read_blocking(start, length).map_err(describe)
    }

    pub fn read_blocking(&self, start: u64, length: u64) -> std::io::Result<Vec<u8>> {
        let mut file = self.0.borrow_mut();
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::with_capacity(usize::try_from(length).map_err(|_| ErrorKind::OutOfMemory)?);
        Read::by_ref(&mut *file).take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl FileSource {
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Self::of(File::open(path).map_err(describe)?)
    }

    fn of(file: File) -> Result<Self, FileError> {
        let length = file.metadata().map_err(describe)?.len();
        Ok(Self { place: Place::Outside(Outside(Rc::new(RefCell::new(file)))), start: 0, length })
    }
}

/// Bytes on their way to a [`FileSource`], kept in memory: natively there is enough of it.
#[derive(Debug, Default)]
pub struct FileSink {
    bytes: Vec<u8>,
}

impl FileSink {
    pub fn new() -> Self {
        Self::default()
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.write_all(bytes).map_err(describe)
    }

    /// Adds a file's bytes.
    pub fn append(&mut self, source: &FileSource) -> Result<(), FileError> {
        source.reader().read_to_end(&mut self.bytes).map(|_| ()).map_err(describe)
    }

    pub async fn finish(self) -> Result<FileSource, FileError> {
        self.into_source()
    }

    pub fn into_source(self) -> Result<FileSource, FileError> {
        Ok(FileSource::from_bytes(self.bytes))
    }
}

impl Write for FileSink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(super) fn describe(error: std::io::Error) -> FileError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => FileError::Full,
        _ => FileError::Access(error.to_string()),
    }
}
