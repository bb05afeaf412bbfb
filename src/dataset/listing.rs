//! Paths, lists and a user's choices -> labelled files, each in a split.
//!
//! Comes in: the paths of a folder, the lists among them, a [`Labelling`]. Goes out: a [`Listing`], the same for the
//! same names on every machine, whatever of the files can be opened there. Never opens a file.

use std::collections::{BTreeMap, BTreeSet};

use super::labelling::{Edit, Groups, Labelling, Labels};
use super::layout::{LabelledFile, Layout, lay_out};
use super::list::List;
use super::listed::{Listed, by_lists};
use super::pattern::{Pattern, propose};
use super::split::{Span, are_drawn, assign, group_of};
use super::words::{count, counted, enumerated};
use super::{Example, Found, Split, Unusable, Warning, named};

/// What a folder's names tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    pub videos: Vec<(LabelledFile, Split)>,
    pub unusable: Vec<Unusable>,
    pub warnings: Vec<Warning>,
    pub span: Span,
    pub found: Found,
}

/// Examples that are shown.
const EXAMPLES: usize = 4;
/// Files of a warning that are named.
const NAMED: usize = 200;

impl Listing {
    pub fn new(paths: &[String], lists: &[List], labelling: &Labelling) -> Self {
        let layout = lay_out(paths);
        let other = layout.other.clone();
        let mut labelled = Labelled::new(layout, lists, &labelling.labels);
        labelled.unusable.extend(other);
        let group_problem = labelled.group(&labelling.groups);
        let left_out = labelled.edit(&labelling.edits);
        labelled.warnings.extend(left_out);
        let Labelled { videos, span, unusable, warnings, mut found } = labelled;
        let splits = assign(&videos, span, labelling.seed);
        found.splits = splits_sentence(&videos, span, labelling);
        found.examples = examples(&videos);
        found.problems[1] = group_problem;
        Self { videos: videos.into_iter().zip(splits).collect(), unusable, warnings, span, found }
    }
}

/// Files on their way to a listing.
#[derive(Default)]
struct Labelled {
    videos: Vec<LabelledFile>,
    span: Span,
    unusable: Vec<Unusable>,
    warnings: Vec<Warning>,
    found: Found,
}

impl Labelled {
    fn new(layout: Layout, lists: &[List], labels: &Labels) -> Self {
        let mut paths: Vec<&str> = layout.videos.iter().map(|file| file.path.as_str()).collect();
        paths.extend(layout.unlabelled.iter().map(|file| file.path.as_str()));
        // A run's clips come in an order drawn from this one.
        paths.sort_unstable();
        let proposed = propose(&paths).unwrap_or_default();
        let listed = || by_lists(lists, &paths, &layout.videos, layout.top);
        let mut labelled = match labels {
            Labels::Folders => Self::by_folders(layout),
            Labels::Lists => Self::listed(listed(), &paths),
            Labels::Names(pattern) => Self::by_names(pattern, &paths),
            Labels::Automatic => {
                let listed = listed();
                let labelled: BTreeSet<&str> = listed.videos.iter().map(|file| file.path.as_str()).collect();
                let classes: BTreeSet<&str> = layout.videos.iter().map(|file| file.class.as_str()).collect();
                if !labelled.is_empty() && labelled.len() * 2 >= paths.len() {
                    Self::listed(listed, &paths)
                } else if classes.len() < 2 && !proposed.is_empty() {
                    Self::by_names(proposed, &paths)
                } else {
                    Self::by_folders(layout)
                }
            }
        };
        if labelled.found.pattern.is_empty() {
            labelled.found.pattern = proposed.to_string();
        }
        labelled
    }

    fn by_folders(layout: Layout) -> Self {
        let labels = "Labels are the names of the folders.".into();
        let found = Found { labels, ..Found::default() };
        Self { videos: layout.videos, unusable: layout.unlabelled, found, ..Self::default() }
    }

    fn listed(listed: Listed, paths: &[&str]) -> Self {
        let labelled: BTreeSet<&str> = listed.videos.iter().map(|file| file.path.as_str()).collect();
        let missing: Vec<&str> = paths.iter().copied().filter(|path| !labelled.contains(path)).collect();
        let names: Vec<&str> = listed.lists.iter().map(String::as_str).collect();
        let labels = match names.as_slice() {
            [] => "No list here labels videos. A list is a CSV or JSON file in the folder, with a path and a label \
                   in each row."
                .into(),
            names => format!("Labels come from {}.", enumerated(names)),
        };
        let warning = Warning {
            sentence: format!(
                "{} labelled by no list, and left out.",
                counted(missing.len(), "video is", "videos are")
            ),
            files: missing
                .iter()
                .take(NAMED)
                .map(|path| Unusable { path: path.to_string(), reason: "Add a row for it, or leave it out.".into() })
                .collect(),
        };
        let mut videos = listed.videos;
        videos.sort_by(|one, other| one.path.cmp(&other.path));
        Self {
            videos,
            unusable: listed.wrong,
            warnings: (!missing.is_empty()).then_some(warning).into_iter().collect(),
            found: Found { labels, ..Found::default() },
            ..Self::default()
        }
    }

    fn by_names(text: &str, paths: &[&str]) -> Self {
        let mut labelled = Self { found: Found { pattern: text.to_string(), ..Found::default() }, ..Self::default() };
        let pattern = match Pattern::of_labels(text) {
            Ok(pattern) => pattern,
            Err(error) => {
                labelled.found.labels = "Labels come from the names of the files.".into();
                labelled.found.problems[0] = Some(error.to_string());
                return labelled;
            }
        };
        if pattern.tells_groups() {
            labelled.span = Span::All;
        }
        for path in paths {
            match pattern.read(path) {
                Some(told) => labelled.videos.push(LabelledFile {
                    path: path.to_string(),
                    class: told.label.unwrap_or_default().to_string(),
                    split: None,
                    group: if pattern.tells_groups() {
                        told.group.map(str::to_string)
                    } else {
                        super::group::group(path)
                    },
                    part: None,
                }),
                None => labelled.unusable.push(Unusable {
                    path: path.to_string(),
                    reason: format!("Its name does not fit {text}. Rename it, or change the pattern."),
                }),
            }
        }
        labelled.found.labels = format!(
            "Labels come from the names of the files, by {text}: it fits {} of {}.",
            count(labelled.videos.len()),
            count(paths.len())
        );
        labelled
    }

    /// Groups as the user wants them. Goes out: what is wrong with their pattern.
    fn group(&mut self, groups: &Groups) -> Option<String> {
        let pattern = match groups {
            Groups::Automatic => return None,
            Groups::None => {
                self.videos.iter_mut().for_each(|file| file.group = None);
                return None;
            }
            Groups::Pattern(text) => Pattern::of_groups(text),
        };
        match pattern {
            Ok(pattern) => {
                self.span = Span::All;
                for file in &mut self.videos {
                    file.group = pattern.read(&file.path).and_then(|told| told.group).map(str::to_string);
                }
                None
            }
            Err(error) => Some(error.to_string()),
        }
    }

    /// Applies the corrections. Goes out: what was left out by them.
    fn edit(&mut self, edits: &[Edit]) -> Option<Warning> {
        for edit in edits {
            match edit {
                Edit::Class { from, to } => {
                    self.videos.iter_mut().filter(|file| file.class == *from).for_each(|file| file.class = to.clone());
                }
                Edit::Video { name, to } => {
                    let named = self.videos.iter_mut().filter(|file| named(&file.path, file.part) == *name);
                    named.for_each(|file| file.class = to.clone());
                }
            }
        }
        let (left_out, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.videos).into_iter().partition(|file| file.class.is_empty());
        self.videos = kept;
        (!left_out.is_empty())
            .then(|| Warning::new(format!("You left out {}.", counted(left_out.len(), "video", "videos"))))
    }
}

fn splits_sentence(videos: &[LabelledFile], span: Span, labelling: &Labelling) -> String {
    let told = videos.iter().any(|file| file.split.is_some());
    if !are_drawn(videos) {
        return "The splits are as they are given.".into();
    }
    let grouped: BTreeSet<(&str, &str)> =
        videos.iter().filter(|file| file.group.is_some()).map(|file| group_of(file, span)).collect();
    let loose = videos.iter().filter(|file| file.group.is_none()).count();
    let together = match (grouped.len(), loose) {
        (0, _) => "each clip for itself".to_string(),
        (groups, 0) => format!("the clips of each of {} together", counted(groups, "recording", "recordings")),
        (groups, loose) => format!(
            "the clips of each of {} together and {} for themselves",
            counted(groups, "recording", "recordings"),
            count(loose)
        ),
    };
    match told {
        true => format!(
            "Splits are as they are given, but for validation clips: drawn from those to train on, {together}, seed {}.",
            labelling.seed
        ),
        false => format!("Splits are drawn, {together}, seed {}.", labelling.seed),
    }
}

/// A few videos, of different classes where there are any.
fn examples(videos: &[LabelledFile]) -> Vec<Example> {
    let mut first_of: BTreeMap<&str, &LabelledFile> = BTreeMap::new();
    for file in videos {
        first_of.entry(&file.class).or_insert(file);
    }
    let example =
        |file: &LabelledFile| Example { path: file.path.clone(), label: file.class.clone(), group: file.group.clone() };
    first_of.into_values().take(EXAMPLES).map(example).collect()
}

#[cfg(test)]
mod tests {
    use super::super::list;
    use super::*;

    fn listing(paths: &[&str], lists: &[(&str, &str)], labelling: &Labelling) -> Listing {
        let lists: Vec<List> = lists.iter().filter_map(|(path, text)| list::read(path, text)).collect();
        Listing::new(&paths.iter().map(|path| path.to_string()).collect::<Vec<_>>(), &lists, labelling)
    }

    fn told(listing: &Listing) -> Vec<(&str, &str)> {
        listing.videos.iter().map(|(file, _)| (file.path.as_str(), file.class.as_str())).collect()
    }

    const FOLDERS: [&str; 4] = ["A/1.mp4", "A/2.mp4", "B/1.mp4", "B/2.mp4"];

    #[test]
    fn a_list_of_half_the_videos_goes_before_folders_and_a_shorter_one_does_not() {
        let automatic = Labelling::default();
        let half = [("l.csv", "A/1.mp4,x\nB/1.mp4,y")];
        let by_list = listing(&FOLDERS, &half, &automatic);
        assert_eq!(told(&by_list), [("A/1.mp4", "x"), ("B/1.mp4", "y")]);
        assert!(by_list.warnings[0].sentence.starts_with("2 videos are labelled by no list"));
        assert_eq!(by_list.warnings[0].files[1].path, "B/2.mp4");
        assert!(by_list.found.labels.contains("l.csv"));
        let short = [("l.csv", "A/1.mp4,x")];
        assert_eq!(told(&listing(&FOLDERS, &short, &automatic))[0], ("A/1.mp4", "A"));
        let asked = Labelling { labels: Labels::Lists, ..Labelling::default() };
        assert_eq!(told(&listing(&FOLDERS, &short, &asked)), [("A/1.mp4", "x")]);
        let folders = Labelling { labels: Labels::Folders, ..Labelling::default() };
        assert_eq!(told(&listing(&FOLDERS, &half, &folders)).len(), 4);
    }

    #[test]
    fn a_flat_folder_is_labelled_by_its_names_where_they_follow_a_usual_pattern() {
        let names: Vec<String> =
            (0..20).map(|n| format!("all/v_{}_g{:02}_c01.avi", ["Jump", "Run"][n % 2], n / 2)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = listing(&names, &[], &Labelling::default());
        assert_eq!(found.found.pattern, "v_{label}_g{group}_c#");
        assert_eq!(found.videos.len(), 20);
        assert_eq!(found.videos[0].0.class, "Jump");
        assert_eq!(found.videos[0].0.group.as_deref(), Some("00"));
        assert_eq!(found.span, Span::All);
        let asked = |text: &str| {
            listing(&names, &[], &Labelling { labels: Labels::Names(text.into()), ..Labelling::default() })
        };
        assert_eq!(asked("v_{label}_g00_*").unusable.len(), 18);
        assert!(asked("v_{lable}").found.problems[0].as_ref().is_some_and(|sentence| sentence.contains("{lable}")));
    }

    #[test]
    fn corrections_speak_of_the_names_that_those_before_them_left() {
        let edits = vec![
            Edit::Class { from: "A".into(), to: "C".into() },
            Edit::Video { name: "B/1.mp4".into(), to: "C".into() },
            Edit::Class { from: "C".into(), to: "D".into() },
        ];
        let found = listing(&FOLDERS, &[], &Labelling { edits, ..Labelling::default() });
        assert_eq!(told(&found), [("A/1.mp4", "D"), ("A/2.mp4", "D"), ("B/1.mp4", "D"), ("B/2.mp4", "B")]);
        let merged = vec![Edit::Class { from: "A".into(), to: "B".into() }];
        assert!(
            told(&listing(&FOLDERS, &[], &Labelling { edits: merged, ..Labelling::default() }))
                .iter()
                .all(|(_, class)| *class == "B")
        );
        let out = vec![Edit::Class { from: "A".into(), to: String::new() }];
        let without = listing(&FOLDERS, &[], &Labelling { edits: out, ..Labelling::default() });
        assert_eq!(told(&without), [("B/1.mp4", "B"), ("B/2.mp4", "B")]);
        assert_eq!(without.warnings[0].sentence, "You left out 2 videos.");
    }

    #[test]
    fn groups_are_those_of_the_users_pattern_or_none() {
        let paths = ["A/anna_1.mp4", "A/ben_1.mp4", "B/anna_1.mp4", "B/ben_2.mp4"];
        let by = |groups| listing(&paths, &[], &Labelling { groups, ..Labelling::default() });
        let groups = |listing: &Listing| -> Vec<Option<String>> {
            listing.videos.iter().map(|(file, _)| file.group.clone()).collect()
        };
        let found = by(Groups::Pattern("{group}_#".into()));
        assert_eq!(groups(&found), ["anna", "ben", "anna", "ben"].map(|name| Some(name.to_string())));
        assert!(found.found.splits.contains("2 recordings"), "{}", found.found.splits);
        for (one, other) in [(0, 2), (1, 3)] {
            assert_eq!(found.videos[one].1, found.videos[other].1, "one person, one split");
        }
        assert!(by(Groups::Pattern("x".into())).found.problems[1].is_some());
        let usual = ["A/v_g01_1.mp4", "B/v_g01_1.mp4"];
        assert!(listing(&usual, &[], &Labelling::default()).found.splits.contains("2 recordings"));
        let none = Labelling { groups: Groups::None, ..Labelling::default() };
        assert_eq!(groups(&listing(&usual, &[], &none)), [None, None]);
    }

    #[test]
    fn all_of_ucf101_is_listed_labelled_and_split_in_a_fraction_of_three_seconds() {
        let paths: Vec<String> = (0..13_320)
            .map(|n| (n % 101, n / 101))
            .map(|(class, n)| format!("UCF-101/Class{class}/v_Class{class}_g{:02}_c{:02}.avi", n % 25 + 1, n / 25 + 1))
            .collect();
        let text: String = paths.iter().map(|path| path.trim_start_matches("UCF-101/").to_string() + " 1\n").collect();
        let lists = [list::read("UCF-101/trainlist01.txt", &text).unwrap()];
        for labels in [Labels::Automatic, Labels::Folders, Labels::Names("v_{label}_g{group}_c#".into())] {
            let begun = std::time::Instant::now();
            let found = Listing::new(&paths, &lists, &Labelling { labels, ..Labelling::default() });
            assert_eq!(found.videos.len(), 13_320);
            assert!(begun.elapsed().as_secs_f64() < 1.0, "{:?}", begun.elapsed());
        }
    }
}
