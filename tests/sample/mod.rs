//! The sample's real clips, a few of them.

use std::path::{Path, PathBuf};

/// Of two classes, so many clips each to train on, to validate and to test: where each belongs, and where it lies.
pub fn some_clips([train, validation, test]: [usize; 3]) -> Vec<(String, PathBuf)> {
    let mut chosen = Vec::new();
    for (split, count) in [("train", train), ("val", validation), ("test", test)] {
        for class in ["SpinLeft", "SpinRight"] {
            let folder = Path::new("public/sample").join(split).join(class);
            let entries = std::fs::read_dir(folder).unwrap();
            let mut clips: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
            clips.sort();
            let named =
                |clip: PathBuf| (format!("{split}/{class}/{}", clip.file_name().unwrap().to_str().unwrap()), clip);
            chosen.extend(clips.into_iter().take(count).map(named));
        }
    }
    chosen
}

/// A folder of copies of [`some_clips`].
pub fn small_folder(counts: [usize; 3]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, clip) in some_clips(counts) {
        let copy = folder.path().join(path);
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::copy(clip, copy).unwrap();
    }
    folder
}
