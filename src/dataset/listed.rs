//! Lists and the files beside them -> labelled files.
//!
//! Comes in: [`List`]s and the folder's videos. Goes out: each row's file, or why it has none. Chooses the lists that
//! label the most, because folders hold lists of other things, too. Never opens a file.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::group::group;
use super::layout::LabelledFile;
use super::list::{List, Row, split};
use super::{Split, Unusable};

/// What lists tell of a folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    /// The lists that were used.
    pub lists: Vec<String>,
    /// In the order of the rows.
    pub videos: Vec<LabelledFile>,
    /// Rows that cannot be used.
    pub wrong: Vec<Unusable>,
}

/// Labels by the lists that label the most. `videos` are paths of videos, `by_folder` what their folders tell of them,
/// `top` how many top folders all of them share.
pub fn by_lists(lists: &[List], videos: &[&str], by_folder: &[LabelledFile], top: usize) -> Listed {
    let index = Index::new(videos, top);
    let told: HashMap<&str, &LabelledFile> = by_folder.iter().map(|file| (file.path.as_str(), file)).collect();
    let read: Vec<Resolved> = lists.iter().map(|list| Resolved::new(list, &index, &told)).collect();
    let labels = |resolved: &&Resolved| !resolved.videos.is_empty();
    // Lists of which each names its own split belong together: trainlist01.txt and testlist01.txt, but not 02 as well.
    let mut of_split: BTreeMap<Split, &Resolved> = BTreeMap::new();
    for resolved in read.iter().filter(labels) {
        if let Some(split) = resolved.split {
            let best = of_split.entry(split).or_insert(resolved);
            if resolved.videos.len() > best.videos.len() && !is_numbered(&resolved.list.path) {
                *best = resolved;
            }
        }
    }
    let together: Vec<&Resolved> = of_split.into_values().collect();
    let alone = read.iter().filter(labels).rev().max_by_key(|resolved| resolved.videos.len());
    let count = |chosen: &[&Resolved]| chosen.iter().map(|resolved| resolved.videos.len()).sum::<usize>();
    let chosen: Vec<&Resolved> = match alone {
        Some(alone) if alone.videos.len() > count(&together) => vec![alone],
        _ => together,
    };
    let mut listed = Listed::default();
    let mut seen = HashSet::new();
    for resolved in chosen {
        listed.lists.push(resolved.list.path.clone());
        listed.wrong.extend(resolved.wrong.iter().cloned());
        for (row, file) in &resolved.videos {
            let part = file.part.map(|part| (part.start.to_bits(), part.end.to_bits()));
            if seen.insert((file.path.clone(), part)) {
                listed.videos.push(file.clone());
            } else {
                listed.wrong.push(at(
                    resolved.list,
                    &row.place,
                    format!("It names {} again. The first row counts.", row.path),
                ));
            }
        }
    }
    listed
}

/// One list held against the files.
struct Resolved<'a> {
    list: &'a List,
    /// Where its name or its folder tells.
    split: Option<Split>,
    videos: Vec<(&'a Row, LabelledFile)>,
    wrong: Vec<Unusable>,
}

impl<'a> Resolved<'a> {
    fn new(list: &'a List, index: &Index<'_>, told: &HashMap<&str, &LabelledFile>) -> Self {
        let folder = list.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let split = split_of_name(&list.path).or_else(|| folder.rsplit('/').next().and_then(split));
        let mut wrong: Vec<Unusable> =
            list.wrong.iter().map(|(place, sentence)| at(list, place, sentence.clone())).collect();
        let mut videos = Vec::with_capacity(list.rows.len());
        for row in &list.rows {
            let labelled = index.find(&row.path, folder).and_then(|path| {
                let by_folder = told.get(path);
                let class = row.label.clone().or_else(|| by_folder.map(|file| file.class.clone()));
                let class = class.ok_or_else(|| format!("It gives no label for {}, and no folder does.", row.path))?;
                let split = row.split.or(split).or_else(|| by_folder.and_then(|file| file.split));
                Ok(LabelledFile { path: path.to_string(), class, split, group: group(path), part: row.part })
            });
            match labelled {
                Ok(file) => videos.push((row, file)),
                Err(sentence) => wrong.push(at(list, &row.place, sentence)),
            }
        }
        Self { list, split, videos, wrong }
    }
}

fn at(list: &List, place: &str, reason: String) -> Unusable {
    Unusable { path: format!("{}, {place}", list.path), reason }
}

/// The split that a list's name tells, such as `val.csv` or `trainlist01.txt`.
fn split_of_name(path: &str) -> Option<Split> {
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
    let known = |word: &str| {
        let begins = [("train", Split::Train), ("val", Split::Validation), ("test", Split::Test)];
        split(word).or_else(|| {
            let list = word.trim_end_matches(|letter: char| letter.is_ascii_digit()).strip_suffix("list")?;
            begins.into_iter().find(|(name, _)| *name == list).map(|(_, split)| split)
        })
    };
    stem.split(|letter: char| !letter.is_alphanumeric()).find_map(known)
}

/// Whether a list is one of several that were made alike, such as `trainlist02.txt`.
fn is_numbered(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(stem, _)| stem.ends_with(|letter: char| letter.is_ascii_digit()))
}

/// The videos by their names.
struct Index<'a> {
    by_name: HashMap<&'a str, Vec<&'a str>>,
    by_stem: HashMap<&'a str, Vec<&'a str>>,
    top: usize,
}

impl<'a> Index<'a> {
    fn new(videos: &[&'a str], top: usize) -> Self {
        let mut index = Self { by_name: HashMap::new(), by_stem: HashMap::new(), top };
        for path in videos {
            let name = path.rsplit('/').next().unwrap_or(path);
            let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
            index.by_name.entry(name).or_default().push(path);
            index.by_stem.entry(stem).or_default().push(path);
        }
        index
    }

    /// The file that a list in `folder` means by `written`. Folders may lie before either that the other does not
    /// know: where the data lay when the list was written, or the folder that was dropped; all others must agree.
    fn find(&self, written: &str, folder: &str) -> Result<&'a str, String> {
        let written_parts = written.replace('\\', "/");
        let parts: Vec<&str> = written_parts.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let missing = || format!("It names {written}, which is not in this folder. Correct the path, or add the file.");
        let name = parts.last().ok_or_else(missing)?;
        let by_name = self.by_name.get(name).or_else(|| self.by_stem.get(name)).ok_or_else(missing)?;
        let below = format!("{folder}/");
        let fit = |path: &&'a str| {
            let folders: Vec<&str> = path.split('/').rev().skip(1).collect();
            let common = folders.iter().zip(parts.iter().rev().skip(1)).take_while(|(one, two)| one == two).count();
            let fits = common + 1 == parts.len() || folders.len() - common <= self.top;
            let beside = folder.is_empty() || path.starts_with(&below);
            fits.then_some((common, beside, std::cmp::Reverse(folders.len()), *path))
        };
        let mut fitting: Vec<_> = by_name.iter().filter_map(fit).collect();
        fitting.sort();
        let key = |one: &(usize, bool, std::cmp::Reverse<usize>, &'a str)| (one.0, one.1, one.2);
        match fitting.as_slice() {
            [] => Err(missing()),
            [.., second, best] if key(second) == key(best) => {
                Err(format!("It names {written}, which is both {} and {}. Write more of the path.", second.3, best.3))
            }
            [.., best] => Ok(best.3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{layout::lay_out, list};
    use super::*;

    fn listed(lists: &[(&str, &str)], videos: &[&str]) -> Listed {
        let lists: Vec<List> = lists.iter().filter_map(|(path, text)| list::read(path, text)).collect();
        let layout = lay_out(&videos.iter().map(|path| path.to_string()).collect::<Vec<_>>());
        by_lists(&lists, videos, &layout.videos, layout.top)
    }

    fn told(listed: &Listed) -> Vec<(&str, &str, Option<Split>)> {
        listed.videos.iter().map(|file| (file.path.as_str(), file.class.as_str(), file.split)).collect()
    }

    #[test]
    fn a_list_labels_files_wherever_the_folder_was_dropped_from_or_the_list_written() {
        for written in [
            "clips/a.mp4",
            "./clips/a.mp4",
            "clips\\a.mp4",
            "/home/me/data/clips/a.mp4",
            "top/clips/a.mp4",
            "a.mp4",
            "a",
        ] {
            let found =
                listed(&[("top/labels.csv", &format!("{written},jump"))], &["top/clips/a.mp4", "top/clips/b.mp4"]);
            assert_eq!(told(&found), [("top/clips/a.mp4", "jump", None)], "{written}");
            assert_eq!(found.lists, ["top/labels.csv"]);
        }
    }

    #[test]
    fn a_row_never_labels_a_file_of_another_folder() {
        let found = listed(&[("l.csv", "jump/1.mp4,jump\nrun/1.mp4,run\nb.mp4,b")], &["run/1.mp4", "walk/b.mp4"]);
        assert_eq!(told(&found), [("run/1.mp4", "run", None), ("walk/b.mp4", "b", None)]);
        assert_eq!(found.wrong.len(), 1);
        assert_eq!(found.wrong[0].path, "l.csv, line 1");
        assert!(found.wrong[0].reason.contains("jump/1.mp4, which is not in this folder"));
        let both = listed(&[("l.csv", "1.mp4,x\nrun/1.mp4,run")], &["run/1.mp4", "walk/1.mp4"]);
        assert!(both.wrong[0].reason.contains("run/1.mp4 and walk/1.mp4"), "{}", both.wrong[0].reason);
    }

    #[test]
    fn the_first_of_ucf101s_three_splits_counts_and_its_folders_are_the_labels() {
        let files = ["u/Jump/v_Jump_g08_c01.avi", "u/Jump/v_Jump_g01_c01.avi", "u/Run/v_Run_g08_c01.avi"];
        let lists = [
            ("u/ucfTrainTestlist/classInd.txt", "1 Jump\n2 Run\n"),
            ("u/ucfTrainTestlist/testlist01.txt", "Jump/v_Jump_g01_c01.avi\n"),
            ("u/ucfTrainTestlist/testlist02.txt", "Jump/v_Jump_g08_c01.avi\nRun/v_Run_g08_c01.avi"),
            ("u/ucfTrainTestlist/trainlist01.txt", "Jump/v_Jump_g08_c01.avi 1\nRun/v_Run_g08_c01.avi 2\n"),
            ("u/ucfTrainTestlist/trainlist02.txt", "Jump/v_Jump_g01_c01.avi 1\n"),
        ];
        let found = listed(&lists, &files);
        assert_eq!(
            told(&found),
            [
                (files[0], "Jump", Some(Split::Train)),
                (files[2], "Run", Some(Split::Train)),
                (files[1], "Jump", Some(Split::Test))
            ]
        );
        assert_eq!(found.lists, ["u/ucfTrainTestlist/trainlist01.txt", "u/ucfTrainTestlist/testlist01.txt"]);
    }

    #[test]
    fn hugging_faces_metadata_is_found_in_each_split_folder() {
        let lists = [
            ("train/metadata.csv", "file_name,label\na.mp4,jump\n"),
            ("test/metadata.jsonl", "{\"file_name\": \"a.mp4\", \"label\": \"run\"}"),
        ];
        let one = listed(&lists[..1], &["train/a.mp4", "test/a.mp4"]);
        assert_eq!(told(&one), [("train/a.mp4", "jump", Some(Split::Train))]);
        let both = listed(&lists, &["train/a.mp4", "test/a.mp4"]);
        assert_eq!(both.videos.len(), 2, "{both:?}");
    }

    #[test]
    fn the_list_that_labels_most_is_chosen_and_one_about_other_files_never() {
        let lists = [
            ("a.csv", "1.mp4,x"),
            ("b.csv", "1.mp4,y\n2.mp4,y\n3.mp4,z"),
            ("c.csv", "photo.jpg,x\n4.jpg,x\n5.jpg,x\n6.jpg,x"),
        ];
        let found = listed(&lists, &["1.mp4", "2.mp4"]);
        assert_eq!(found.lists, ["b.csv"]);
        assert_eq!(found.wrong.len(), 1);
        assert_eq!(listed(&lists[2..], &["1.mp4"]), Listed::default());
    }

    #[test]
    fn parts_of_one_video_are_examples_of_their_own_and_the_same_part_twice_is_told() {
        let text = "path,label,start,end\na.mp4,jump,0,2\na.mp4,run,2,4\na.mp4,run,2,4\n";
        let found = listed(&[("l.csv", text)], &["a.mp4"]);
        assert_eq!(found.videos.len(), 2);
        assert_eq!(found.wrong[0].path, "l.csv, line 4");
        assert!(found.wrong[0].reason.contains("again"));
    }
}
