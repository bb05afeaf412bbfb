//! A small folder of the sample's real clips.

use std::path::{Path, PathBuf};

/// Two classes, each with so many clips to train on, to validate and to test.
pub fn small_folder([train, validation, test]: [usize; 3]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (split, count) in [("train", train), ("val", validation), ("test", test)] {
        for class in ["SpinLeft", "SpinRight"] {
            let from = Path::new("public/sample").join(split).join(class);
            let to = folder.path().join(split).join(class);
            std::fs::create_dir_all(&to).unwrap();
            let mut clips: Vec<PathBuf> = std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
            clips.sort();
            for clip in clips.iter().take(count) {
                std::fs::copy(clip, to.join(clip.file_name().unwrap())).unwrap();
            }
        }
    }
    folder
}
