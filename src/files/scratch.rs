//! A folder of our own on disk, natively: gone when the program ends.
//!
//! Comes in: bytes. Goes out: [`FileSource`]s on disk. Writes block; they are async only to be what a browser's are.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use super::native::describe;
use super::{FileError, FileSource, ScratchName};

/// Tells one program's folders apart.
static MADE: AtomicU64 = AtomicU64::new(0);

/// Removed by Drop.
pub struct Scratch {
    folder: PathBuf,
    written: Cell<u64>,
}

impl Scratch {
    /// Where the system keeps temporary files.
    pub async fn create() -> Result<Self, FileError> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("cliptune-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).map_err(describe)?;
        Ok(Self { folder, written: Cell::new(0) })
    }

    /// The parts one after another as a file.
    pub async fn write<'a>(
        &self,
        parts: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(ScratchName, FileSource), FileError> {
        let name = ScratchName(self.written.get().to_string());
        self.written.set(self.written.get() + 1);
        let path = self.folder.join(&name.0);
        let mut file = File::create(&path).map_err(describe)?;
        for part in parts {
            file.write_all(part).map_err(describe)?;
        }
        Ok((name, FileSource::open(&path)?))
    }

    /// A file that cannot be removed goes with the folder.
    pub async fn remove(&self, name: &ScratchName) {
        let _ = fs::remove_file(self.folder.join(&name.0));
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays lies among the system's temporary files.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn nothing_stays_on_disk_when_its_owner_is_gone() {
        let scratch = Scratch::create().now_or_never().unwrap().unwrap();
        let (name, source) = scratch.write([&[1u8, 2][..], &[3]]).now_or_never().unwrap().unwrap();
        assert_eq!(source.read_all().now_or_never().unwrap().unwrap(), [1, 2, 3]);
        assert!(scratch.folder.join(&name.0).is_file());
        scratch.remove(&name).now_or_never().unwrap();
        assert!(!scratch.folder.join(&name.0).exists());
        let folder = scratch.folder.clone();
        drop(scratch);
        assert!(!folder.exists());
    }
}
