//! Labelled files and what opening each told -> the [`Catalogue`] that the page shows and training uses.
//!
//! Comes in: a [`Layout`] and one [`Probe`] for each of its videos. Goes out: classes, splits, warnings, and why
//! nothing can be trained where that is so. Never opens a file.

use std::collections::{BTreeMap, BTreeSet};

use super::{Catalogue, ClassSummary, Split, Unusable, VideoSummary, layout::Layout, split::assign};

/// What opening a video told about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    pub seconds: f64,
    /// Upright, in pixels.
    pub width: u32,
    pub height: u32,
}

/// What opening a video told, or a sentence why it cannot be used.
pub type Probe = Result<Measured, String>;

/// Splits depend on the data alone, so that runs with other seeds can be compared.
pub const SPLIT_SEED: u64 = 42;

/// A class with fewer training clips than this share of the largest class's is called rare.
const RARE: f64 = 0.2;

impl Catalogue {
    /// `probes` belong to `layout.videos` one by one; a video without one counts as not looked at.
    pub fn new(layout: Layout, probes: Vec<Probe>, seed: u64) -> Self {
        let mut unusable = layout.unusable;
        let mut usable = Vec::new();
        let missing = std::iter::repeat_with(|| Err("It was not looked at.".to_string()));
        for (file, probe) in layout.videos.into_iter().zip(probes.into_iter().chain(missing)) {
            match probe {
                Ok(measured) => usable.push((file, measured)),
                Err(reason) => unusable.push(Unusable { path: file.path, reason }),
            }
        }
        let (files, measured): (Vec<_>, Vec<_>) = usable.into_iter().unzip();
        let splits = assign(&files, seed);
        let names: BTreeSet<String> = files.iter().map(|file| file.class.clone()).collect();
        let ids: BTreeMap<&str, usize> = names.iter().enumerate().map(|(id, name)| (name.as_str(), id)).collect();
        let videos: Vec<VideoSummary> = files
            .into_iter()
            .zip(measured)
            .zip(splits)
            .map(|((file, measured), split)| VideoSummary {
                class: ids.get(file.class.as_str()).copied().unwrap_or_default(),
                path: file.path,
                split,
                group: file.group,
                seconds: measured.seconds,
                width: measured.width,
                height: measured.height,
            })
            .collect();
        let classes: Vec<ClassSummary> = names
            .iter()
            .enumerate()
            .map(|(id, name)| {
                let count = |split| videos.iter().filter(|video| video.class == id && video.split == split).count();
                ClassSummary {
                    name: name.clone(),
                    train: count(Split::Train),
                    validation: count(Split::Validation),
                    test: count(Split::Test),
                }
            })
            .collect();
        let blocked = blocked(&classes, unusable.len());
        let warnings = if blocked.is_none() { warnings(&classes, &videos) } else { Vec::new() };
        Self { classes, videos, unusable, warnings, blocked }
    }

    /// Class names in label-id order.
    pub fn labels(&self) -> Vec<String> {
        self.classes.iter().map(|class| class.name.clone()).collect()
    }

    /// The videos of a split, as counts into [`Catalogue::videos`].
    pub fn of_split(&self, split: Split) -> Vec<usize> {
        (0..self.videos.len()).filter(|&index| self.videos[index].split == split).collect()
    }
}

fn blocked(classes: &[ClassSummary], unusable: usize) -> Option<String> {
    match classes {
        [] if unusable == 0 => Some(
            "There are no videos in this folder. Choose one that holds a folder of videos for each class, \
             such as Jump/ and Run/."
                .into(),
        ),
        [] => Some(format!(
            "There is no video here that can be used: {} listed below with the reason. Choose a folder that holds \
             one folder of videos for each class, such as Jump/ and Run/.",
            if unusable == 1 { "1 file is".into() } else { format!("{unusable} files are") }
        )),
        [class] => Some(format!(
            "All videos are in one class, “{}”. A model learns to tell classes apart: add a folder of videos for at \
             least one more class.",
            class.name
        )),
        classes if classes.iter().all(|class| class.train == 0) => Some(
            "There are no training clips: every video lies in a val or test folder. Put the clips to learn from \
             into train/<Class>/, or drop a folder that holds the class folders only."
                .into(),
        ),
        classes if classes.iter().filter(|class| class.train > 0).count() == 1 => Some(
            "Only one class has training clips. Put clips of at least one more class into its training folder.".into(),
        ),
        _ => None,
    }
}

fn warnings(classes: &[ClassSummary], videos: &[VideoSummary]) -> Vec<String> {
    let mut warnings = Vec::new();
    let total = |class: &ClassSummary| class.train + class.validation + class.test;
    let of = |holds: &dyn Fn(&ClassSummary) -> bool| -> Vec<&str> {
        classes.iter().filter(|class| holds(class)).map(|class| class.name.as_str()).collect()
    };
    let untrained = of(&|class| class.train == 0);
    if !untrained.is_empty() {
        warnings.push(format!("The model cannot learn {}: no training clips.", listed(&untrained)));
    }
    let single = of(&|class| total(class) == 1 && class.train == 1);
    if !single.is_empty() {
        warnings.push(format!(
            "A single clip is all there is of {}: it is used for training, and nothing is left to check it with.",
            listed(&single)
        ));
    }
    if classes.iter().all(|class| class.validation == 0) {
        warnings.push(
            "No clips are left for validation, so the accuracy cannot be measured while training. Add clips from \
             other recordings."
                .into(),
        );
    } else {
        let unchecked = of(&|class| class.validation == 0 && class.train > 0 && total(class) > 1);
        if !unchecked.is_empty() {
            warnings.push(format!("No clips are left to validate {} with.", listed(&unchecked)));
        }
    }
    let largest = classes.iter().map(|class| class.train).max().unwrap_or_default();
    let rare = of(&|class| class.train > 0 && (class.train as f64) < RARE * largest as f64);
    if !rare.is_empty() {
        warnings.push(format!(
            "There are far fewer training clips of {} than the {largest} of the largest class: the model may seldom \
             answer so. Add clips, or remove some of the others.",
            listed(&rare)
        ));
    }
    let shared = shared_groups(videos);
    if shared > 0 {
        warnings.push(format!(
            "{} both for training and for validation or test, which flatters the accuracy.",
            if shared == 1 { "Clips of 1 recording are".into() } else { format!("Clips of {shared} recordings are") }
        ));
    }
    warnings
}

/// Groups that lie in train and in another split; only folders can bring that about.
fn shared_groups(videos: &[VideoSummary]) -> usize {
    let groups = |trains: bool| -> BTreeSet<(usize, &str)> {
        let of_side = videos.iter().filter(|video| (video.split == Split::Train) == trains);
        of_side.filter_map(|video| Some((video.class, video.group.as_deref()?))).collect()
    };
    groups(true).intersection(&groups(false)).count()
}

/// `“A”, “B” and 3 more`.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 4;
    let quoted: Vec<String> = names.iter().take(SHOWN).map(|name| format!("“{name}”")).collect();
    match (names.len().saturating_sub(SHOWN), quoted.split_last()) {
        (0, Some((last, []))) => last.clone(),
        (0, Some((last, before))) => format!("{} and {last}", before.join(", ")),
        (more, _) => format!("{} and {more} more", quoted.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::layout::lay_out;

    const GOOD: Probe = Ok(Measured { seconds: 2.0, width: 64, height: 48 });

    fn catalogue(paths: &[&str]) -> Catalogue {
        let layout = lay_out(&paths.iter().map(|path| path.to_string()).collect::<Vec<_>>());
        let probes = vec![GOOD; layout.videos.len()];
        Catalogue::new(layout, probes, SPLIT_SEED)
    }

    #[test]
    fn classes_are_sorted_and_counts_add_up() {
        let found = catalogue(&["train/Walk/1.mp4", "train/Bend/2.mp4", "val/Walk/3.mp4", "test/Walk/4.mp4"]);
        assert_eq!(found.labels(), ["Bend", "Walk"]);
        assert_eq!(found.classes[1], ClassSummary { name: "Walk".into(), train: 1, validation: 1, test: 1 });
        assert_eq!(found.videos[0].class, 1);
        assert_eq!(found.of_split(Split::Train), [0, 1]);
        assert_eq!(found.blocked, None);
    }

    #[test]
    fn a_file_that_fails_is_listed_and_left_out() {
        let layout = lay_out(&["A/1.mp4", "A/2.mp4", "B/3.mp4", "B/4.mp4"].map(String::from));
        let found = Catalogue::new(layout, vec![GOOD, Err("It is cut off.".into()), GOOD, GOOD], 1);
        assert_eq!(found.videos.len(), 3);
        assert_eq!(found.unusable, [Unusable { path: "A/2.mp4".into(), reason: "It is cut off.".into() }]);
    }

    #[test]
    fn what_cannot_be_trained_is_blocked_with_a_sentence() {
        let says = |paths: &[&str]| catalogue(paths).blocked.unwrap_or_default();
        assert!(says(&[]).contains("no videos"));
        assert!(says(&[".DS_Store", "notes.txt"]).contains("no videos"));
        assert!(says(&["A/1.jpg", "2.mp4"]).contains("2 files are"));
        assert!(says(&["A/1.mp4", "A/2.mp4"]).contains("one class, “A”"));
        assert!(says(&["val/A/1.mp4", "test/B/2.mp4"]).contains("no training clips"));
        assert!(says(&["train/A/1.mp4", "val/B/2.mp4"]).contains("Only one class"));
        assert_eq!(says(&["A/1.mp4", "B/2.mp4"]), "");
    }

    #[test]
    fn thin_data_is_warned_about() {
        let warns = |paths: &[&str]| catalogue(paths).warnings.join("\n");
        assert!(warns(&["A/1.mp4", "B/2.mp4"]).contains("“A” and “B”"));
        assert!(warns(&["A/1.mp4", "B/2.mp4"]).contains("left for validation"));
        assert!(warns(&["train/A/1.mp4", "train/B/2.mp4", "val/C/1.mp4"]).contains("cannot learn “C”"));
        assert!(warns(&["train/A/v_g01_c1.mp4", "val/A/v_g01_c2.mp4", "train/B/v_g01_c1.mp4"]).contains("1 recording"));
        let mut many: Vec<String> = (0..60).map(|n| format!("A/{n}.mp4")).collect();
        many.extend((0..4).map(|n| format!("B/{n}.mp4")));
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(warns(&many).contains("far fewer training clips of “B”"));
        let fine: Vec<String> = (0..40).map(|n| format!("{}/{n}.mp4", ["A", "B"][n % 2])).collect();
        assert_eq!(warns(&fine.iter().map(String::as_str).collect::<Vec<_>>()), "");
    }

    #[test]
    fn two_thousand_files_are_no_trouble() {
        let paths: Vec<String> = (0..2000).map(|n| format!("C{}/v_g{:03}_c{n}.mp4", n % 20, n / 20)).collect();
        let found = catalogue(&paths.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(found.videos.len(), 2000);
        assert_eq!(found.classes.len(), 20);
        assert_eq!(found.classes.iter().map(|class| class.train + class.validation + class.test).sum::<usize>(), 2000);
    }
}
