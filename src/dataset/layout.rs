//! Relative paths -> labelled files: the class and, where folders tell, the split of each.
//!
//! Comes in: paths with `/` between parts. Goes out: a [`Layout`]. Never opens a file: names are all it knows.

use super::{Part, Split, Unusable, group::group};

/// A file that looks like a video by its name.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledFile {
    /// As it came in.
    pub path: String,
    pub class: String,
    /// Where its folders or a list tell.
    pub split: Option<Split>,
    /// The recording that it was cut from, where it is told.
    pub group: Option<String>,
    /// The part of the video that is meant, where it is not all of it.
    pub part: Option<Part>,
}

/// What the names in a folder tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// In the order of the paths.
    pub videos: Vec<LabelledFile>,
    /// Videos whose folders tell no class.
    pub unlabelled: Vec<Unusable>,
    /// Files that are no videos.
    pub other: Vec<Unusable>,
    /// How many top folders all the videos share.
    pub top: usize,
}

/// Video files by the ends of their names. Whether one can be decoded, only opening it tells.
const VIDEO_EXTENSIONS: [&str; 28] = [
    "mp4", "m4v", "mov", "qt", "webm", "mkv", "avi", "divx", "mpg", "mpeg", "mpe", "m2v", "vob", "ts", "mts", "m2ts",
    "3gp", "3g2", "wmv", "asf", "flv", "f4v", "ogv", "ogm", "mxf", "gif", "mj2", "mjpeg",
];

/// Notes that lie beside videos; nobody means them as clips.
const SIDE_FILE_EXTENSIONS: [&str; 14] =
    ["txt", "md", "json", "jsonl", "csv", "tsv", "xml", "yaml", "yml", "srt", "vtt", "html", "log", "ini"];

/// Whether a file looks like a video by its name.
pub fn is_video(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    parts.split_last().is_some_and(|(name, folders)| matches!(kind_of(name, folders), Kind::Video))
}

/// Reads `train/<Class>/…`, `val|valid|validation/<Class>/…` and `test/<Class>/…` (any case), or else `<Class>/…`,
/// each also below common top folders such as the one that was dropped.
pub fn lay_out(paths: &[String]) -> Layout {
    let mut layout = Layout::default();
    let mut candidates = Vec::new();
    for path in paths {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let Some((name, folders)) = parts.split_last() else { continue };
        match kind_of(name, folders) {
            Kind::Video => candidates.push(Candidate { path, name, folders: folders.to_vec() }),
            Kind::Ignored => {}
            Kind::Other => layout.other.push(Unusable { path: path.clone(), reason: not_a_video(name) }),
        }
    }
    let top = common_top(&candidates);
    layout.top = top;
    let split_root = split_root(&candidates, top);
    let class_root = class_root(&candidates, top);
    for candidate in candidates {
        let placed = match split_root {
            Some(root) => place_below_split(&candidate, root),
            None => place_in_class(&candidate, class_root),
        };
        match placed {
            Ok((class, split)) => layout.videos.push(LabelledFile {
                path: candidate.path.to_string(),
                class,
                split,
                group: group(candidate.name),
                part: None,
            }),
            Err(reason) => layout.unlabelled.push(Unusable { path: candidate.path.to_string(), reason }),
        }
    }
    layout
}

struct Candidate<'a> {
    path: &'a str,
    name: &'a str,
    folders: Vec<&'a str>,
}

enum Kind {
    Video,
    Ignored,
    Other,
}

fn kind_of(name: &str, folders: &[&str]) -> Kind {
    let hidden = |part: &str| part.starts_with('.') || part == "__MACOSX";
    if hidden(name) || folders.iter().any(|folder| hidden(folder)) {
        return Kind::Ignored;
    }
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default();
    if VIDEO_EXTENSIONS.contains(&extension.as_str()) {
        Kind::Video
    } else if SIDE_FILE_EXTENSIONS.contains(&extension.as_str()) || name.eq_ignore_ascii_case("thumbs.db") {
        Kind::Ignored
    } else {
        Kind::Other
    }
}

fn not_a_video(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((_, extension)) => format!("A .{extension} file is not a video. Leave it out."),
        None => "Its name has no ending such as .mp4, so it is not taken for a video. Rename it if it is one.".into(),
    }
}

/// How many top folders all the videos share.
fn common_top(candidates: &[Candidate]) -> usize {
    let Some((first, others)) = candidates.split_first() else { return 0 };
    others.iter().fold(first.folders.len(), |shared, other| {
        first.folders.iter().zip(&other.folders).take(shared).take_while(|(one, two)| one == two).count()
    })
}

/// The depth at which folders are called train, val or test, where there is one. The deepest counts, so that a
/// dropped folder may itself be called `test`.
fn split_root(candidates: &[Candidate], top: usize) -> Option<usize> {
    (0..=top).rev().find(|&depth| {
        let has_classes = candidates
            .iter()
            .any(|candidate| candidate.folders.len() > depth + 1 && split_at(candidate, depth).is_some());
        let has_train = candidates.iter().any(|candidate| split_at(candidate, depth) == Some(Split::Train));
        let only_splits = candidates.iter().all(|candidate| split_at(candidate, depth).is_some());
        has_classes && (has_train || only_splits)
    })
}

fn split_at(candidate: &Candidate, depth: usize) -> Option<Split> {
    match candidate.folders.get(depth)?.to_lowercase().as_str() {
        "train" => Some(Split::Train),
        "val" | "valid" | "validation" => Some(Split::Validation),
        "test" => Some(Split::Test),
        _ => None,
    }
}

/// Below the shared top folders; but where nothing lies below them, the last of them is the one class.
fn class_root(candidates: &[Candidate], top: usize) -> usize {
    let deeper = candidates.iter().any(|candidate| candidate.folders.len() > top);
    if deeper { top } else { top.saturating_sub(1) }
}

fn place_below_split(candidate: &Candidate, root: usize) -> Result<(String, Option<Split>), String> {
    let Some(split) = split_at(candidate, root) else {
        return Err("It lies outside the train, val and test folders. Move it into one of them.".into());
    };
    match candidate.folders.get(root + 1) {
        Some(class) => Ok((class.to_string(), Some(split))),
        None => Err("It lies in no class folder. Move it into a folder named after its class.".into()),
    }
}

fn place_in_class(candidate: &Candidate, root: usize) -> Result<(String, Option<Split>), String> {
    match candidate.folders.get(root) {
        Some(class) => Ok((class.to_string(), None)),
        None => Err("It lies in no class folder. Move it into a folder named after its class.".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lay(paths: &[&str]) -> Layout {
        lay_out(&paths.iter().map(|path| path.to_string()).collect::<Vec<_>>())
    }

    fn labels(layout: &Layout) -> Vec<(&str, Option<Split>)> {
        layout.videos.iter().map(|video| (video.class.as_str(), video.split)).collect()
    }

    #[test]
    fn split_folders_in_any_case_give_class_and_split() {
        let layout = lay(&["Train/Run/a.mp4", "VALID/Run/b.MP4", "test/Walk/deep/er/c.webm", "validation/Walk/d.mov"]);
        assert_eq!(
            labels(&layout),
            [
                ("Run", Some(Split::Train)),
                ("Run", Some(Split::Validation)),
                ("Walk", Some(Split::Test)),
                ("Walk", Some(Split::Validation)),
            ]
        );
        assert!(layout.unlabelled.is_empty() && layout.other.is_empty());
    }

    #[test]
    fn a_dropped_top_folder_changes_nothing_whatever_its_name() {
        for top in ["", "ucf/", "test/", "train/", "a/b/"] {
            let split = lay(&[&format!("{top}train/Run/a.mp4"), &format!("{top}val/Walk/b.mp4")]);
            assert_eq!(labels(&split), [("Run", Some(Split::Train)), ("Walk", Some(Split::Validation))], "{top}");
        }
        for top in ["", "ucf/", "a/b/"] {
            let plain = lay(&[&format!("{top}Run/a.mp4"), &format!("{top}Walk/b.mp4")]);
            assert_eq!(labels(&plain), [("Run", None), ("Walk", None)], "{top}");
        }
    }

    #[test]
    fn a_class_may_be_called_train() {
        let layout = lay(&["Train/a.mp4", "Car/b.mp4"]);
        assert_eq!(labels(&layout), [("Train", None), ("Car", None)]);
    }

    #[test]
    fn one_folder_of_videos_is_one_class() {
        assert_eq!(labels(&lay(&["Run/a.mp4", "Run/b.mp4"])), [("Run", None), ("Run", None)]);
        assert_eq!(labels(&lay(&["data/Run/a.mp4"])), [("Run", None)]);
    }

    #[test]
    fn videos_without_a_class_folder_are_unusable_with_the_reason() {
        for paths in [
            vec!["a.mp4", "Run/b.mp4"],
            vec!["train/a.mp4", "train/Run/b.mp4"],
            vec!["a.mp4"],
            vec!["top/a.mp4", "top/Run/b.mp4"],
        ] {
            let layout = lay(&paths);
            assert_eq!(layout.unlabelled.len(), 1, "{paths:?}");
            assert!(layout.unlabelled[0].reason.contains("no class folder"), "{paths:?}");
        }
        let outside = lay(&["train/Run/a.mp4", "extra/Run/b.mp4"]);
        assert!(outside.unlabelled[0].reason.contains("outside"));
    }

    #[test]
    fn hidden_and_side_files_are_silent_and_other_files_are_named() {
        let layout = lay(&[
            "Run/.DS_Store",
            ".git/x.mp4",
            "Run/Thumbs.db",
            "Run/notes.txt",
            "labels.csv",
            "Run/a.mp4",
            "Run/photo.jpg",
            "Run/noending",
        ]);
        assert_eq!(layout.videos.len(), 1);
        let unusable: Vec<_> = layout.other.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(unusable, ["Run/photo.jpg", "Run/noending"]);
        assert!(layout.other[0].reason.contains("not a video"));
    }

    #[test]
    fn odd_names_are_just_names() {
        let layout = lay(&["<script>alert(1)</script>/a \"b\".mp4", "O'Neil 🙂/x y.mp4", "O'Neil 🙂/.mp4"]);
        // A `/` in a name cannot be told from a folder.
        assert_eq!(layout.videos[1].class, "O'Neil 🙂");
        assert_eq!(layout.videos[0].path, "<script>alert(1)</script>/a \"b\".mp4");
        assert_eq!(layout.videos.len(), 2);
        assert_eq!(lay(&["", "/", "./."]), Layout::default());
    }
}
