//! Videos with their splits -> what lies in two of them.
//!
//! Comes in: labelled files, their splits, and which files have the same bytes. Goes out: a [`Warning`] each for groups
//! and for bytes, with the files. Never opens a file.

use std::collections::BTreeMap;

use super::layout::LabelledFile;
use super::split::{Span, group_of};
use super::words::counted;
use super::{Split, Unusable, Warning};

/// Files that a warning names at most.
const NAMED: usize = 200;

/// A labelled file and its split.
pub type Placed<'a> = (&'a LabelledFile, Split);

/// Groups of which clips lie in two splits; only what was given by hand can bring that about.
pub fn of_groups(videos: &[Placed<'_>], span: Span) -> Option<Warning> {
    let mut groups: BTreeMap<(&str, &str), Vec<Placed<'_>>> = BTreeMap::new();
    for &(file, split) in videos.iter().filter(|(file, _)| file.group.is_some()) {
        groups.entry(group_of(file, span)).or_default().push((file, split));
    }
    let shared: Vec<_> = groups.into_iter().filter(|(_, members)| in_two_splits(members)).collect();
    let members = shared.iter().flat_map(|((_, group), members)| members.iter().map(move |member| (group, member)));
    let files = members.take(NAMED).map(|(group, (file, split))| Unusable {
        path: file.path.clone(),
        reason: format!("Recording {group}, {}.", purpose(*split)),
    });
    let files: Vec<Unusable> = files.collect();
    (!shared.is_empty()).then(|| Warning {
        sentence: format!(
            "{} in more than one split, which flatters the accuracy. Move the files listed here into one split, or let \
             Cliptune draw the splits.",
            counted(shared.len(), "recording has clips", "recordings have clips"),
        ),
        files,
    })
}

/// Files with the same bytes in two splits. `copies` are paths that have the same bytes, set by set.
pub fn of_bytes(videos: &[Placed<'_>], copies: &[Vec<String>]) -> Option<Warning> {
    if copies.is_empty() {
        return None;
    }
    let mut by_path: BTreeMap<&str, Vec<Placed<'_>>> = BTreeMap::new();
    for &(file, split) in videos {
        by_path.entry(&file.path).or_default().push((file, split));
    }
    let mut count = 0;
    let mut files = Vec::new();
    for set in copies {
        let members: Vec<Placed<'_>> =
            set.iter().filter_map(|path| by_path.get(path.as_str())).flatten().copied().collect();
        let Some(&(first, split)) = members.first().filter(|_| in_two_splits(&members)) else { continue };
        count += 1;
        for &(file, own) in &members {
            // Named with a file of another split, which is what is wrong with it.
            let other = members.iter().find(|(_, other)| *other != own).map_or((first, split), |other| *other);
            files.push(Unusable {
                path: file.path.clone(),
                reason: format!("{}; the same bytes as {}, {}.", capital(purpose(own)), other.0.path, purpose(other.1)),
            });
        }
    }
    files.truncate(NAMED);
    (count > 0).then(|| Warning {
        sentence: format!(
            "{} in more than one split, byte for byte, which flatters the accuracy. Keep one copy of each.",
            counted(count, "video lies", "videos lie"),
        ),
        files,
    })
}

fn in_two_splits(members: &[Placed<'_>]) -> bool {
    members.iter().any(|(_, split)| members.first().is_some_and(|(_, first)| first != split))
}

fn purpose(split: Split) -> &'static str {
    match split {
        Split::Train => "for training",
        Split::Validation => "for validation",
        Split::Test => "for testing",
    }
}

fn capital(text: &str) -> String {
    text.replacen('f', "F", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, class: &str, group: Option<&str>) -> LabelledFile {
        let group = group.map(String::from);
        LabelledFile { path: path.into(), class: class.into(), split: None, group, part: None }
    }

    #[test]
    fn a_group_in_two_splits_is_told_with_its_files_and_one_in_one_split_is_not() {
        let files = [
            file("a", "A", Some("g1")),
            file("b", "A", Some("g1")),
            file("c", "B", Some("g1")),
            file("d", "A", Some("g2")),
            file("e", "A", None),
        ];
        let splits = [Split::Train, Split::Test, Split::Test, Split::Train, Split::Test];
        let placed: Vec<Placed<'_>> = files.iter().zip(splits).collect();
        let warning = of_groups(&placed, Span::Class).unwrap();
        assert!(warning.sentence.starts_with("1 recording has"), "{}", warning.sentence);
        let named: Vec<&str> = warning.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(named, ["a", "b"]);
        assert_eq!(warning.files[0].reason, "Recording g1, for training.");
        assert_eq!(of_groups(&placed, Span::All).unwrap().files.len(), 3);
        assert_eq!(of_groups(&placed[3..], Span::Class), None);
    }

    #[test]
    fn the_same_bytes_in_two_splits_are_told_with_the_other_file() {
        let files = [file("a", "A", None), file("b", "A", None), file("c", "B", None), file("d", "B", None)];
        let splits = [Split::Train, Split::Train, Split::Test, Split::Test];
        let placed: Vec<Placed<'_>> = files.iter().zip(splits).collect();
        let set = |paths: &[&str]| -> Vec<String> { paths.iter().map(|path| path.to_string()).collect() };
        assert_eq!(of_bytes(&placed, &[set(&["a", "b"]), set(&["c", "d"]), set(&["gone", "a"])]), None);
        let warning = of_bytes(&placed, &[set(&["a", "b", "c"])]).unwrap();
        assert!(warning.sentence.starts_with("1 video lies"), "{}", warning.sentence);
        assert_eq!(warning.files[1].reason, "For training; the same bytes as c, for testing.");
        assert_eq!(warning.files[2].reason, "For testing; the same bytes as a, for training.");
    }
}
