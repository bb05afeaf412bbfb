//! Labelled files with their splits, and what opening them told -> the [`Catalogue`] that the page shows and training
//! uses.
//!
//! Comes in: a [`Listing`] and a [`Checks`]. Goes out: classes, counts, warnings, and why nothing can be trained where
//! that is so. Never opens a file.

use std::collections::{BTreeMap, BTreeSet};

use super::listing::Listing;
use super::words::{count, counted, enumerated};
use super::{Catalogue, ClassSummary, Measured, Split, Unusable, VideoSummary, Warning, leakage, named};

/// What opening a video told, or a sentence why it cannot be used.
pub type Probe = Result<Measured, String>;

/// What looking into the files told so far.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    pub probes: BTreeMap<String, Probe>,
    /// Paths of files with the same bytes, set by set.
    pub copies: Vec<Vec<String>>,
}

/// A class with fewer training clips than this share of the largest class's is called rare.
const RARE: f64 = 0.2;
/// Files that cannot be used that the page is told of.
const LISTED: usize = 200;
/// Classes that the page shows.
pub const PICTURED: usize = 200;

impl Catalogue {
    /// The videos of the listing but for those that `checks` found unusable.
    pub fn new(listing: &Listing, checks: &Checks) -> Self {
        let mut unusable = listing.unusable.clone();
        let mut told = BTreeSet::new();
        let mut usable = Vec::with_capacity(listing.videos.len());
        for (file, split) in &listing.videos {
            let probe = checks.probes.get(&file.path);
            if let (Some(Ok(measured)), Some(part)) = (probe, file.part)
                && part.start >= measured.seconds
            {
                let (name, seconds) = (named(&file.path, file.part), measured.seconds);
                let reason = format!("The video ends at {seconds:.1} s already. Correct the times in the list.");
                unusable.push(Unusable { path: name, reason });
                continue;
            }
            match probe {
                Some(Err(reason)) if told.insert(file.path.as_str()) => {
                    unusable.push(Unusable { path: file.path.clone(), reason: reason.clone() });
                }
                Some(Err(_)) => {}
                probe => usable.push((file, *split, probe.and_then(|probe| probe.as_ref().ok().copied()))),
            }
        }
        let names: BTreeSet<&str> = usable.iter().map(|(file, ..)| file.class.as_str()).collect();
        let ids: BTreeMap<&str, usize> = names.iter().enumerate().map(|(id, name)| (*name, id)).collect();
        let empty = |name: &&str| ClassSummary { name: name.to_string(), train: 0, validation: 0, test: 0 };
        let mut classes: Vec<ClassSummary> = names.iter().map(empty).collect();
        let mut videos = Vec::with_capacity(usable.len());
        for (file, split, measured) in &usable {
            let class = ids.get(file.class.as_str()).copied().unwrap_or_default();
            if let Some(class) = classes.get_mut(class) {
                *class.count_mut(*split) += 1;
            }
            videos.push(VideoSummary {
                path: file.path.clone(),
                part: file.part,
                class,
                split: *split,
                group: file.group.clone(),
                measured: *measured,
            });
        }
        let blocked = blocked(&classes, unusable.len());
        let mut warnings = listing.warnings.clone();
        if blocked.is_none() {
            warnings.extend(thin(&classes).into_iter().map(Warning::new));
            let placed: Vec<leakage::Placed<'_>> = usable.iter().map(|(file, split, _)| (*file, *split)).collect();
            warnings.extend(leakage::of_groups(&placed, listing.span));
            warnings.extend(leakage::of_bytes(&placed, &checks.copies));
        }
        let mut found = listing.found.clone();
        found.balance = balance(&classes);
        Self { classes, videos, unusable_count: unusable.len(), unusable, warnings, blocked, learnable: 0, found }
    }

    /// Without what a page cannot show at once.
    pub fn for_page(mut self) -> Self {
        self.videos.clear();
        self.unusable.truncate(LISTED);
        self
    }

    /// All videos that can be used.
    pub fn count(&self) -> usize {
        self.classes.iter().map(ClassSummary::total).sum()
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

impl ClassSummary {
    fn count_mut(&mut self, split: Split) -> &mut usize {
        match split {
            Split::Train => &mut self.train,
            Split::Validation => &mut self.validation,
            Split::Test => &mut self.test,
        }
    }

    pub fn total(&self) -> usize {
        self.train + self.validation + self.test
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
             one folder of videos for each class, such as Jump/ and Run/, or say below where labels come from.",
            counted(unusable, "file is", "files are")
        )),
        [class] => Some(format!(
            "All videos are in one class, “{}”. A model learns to tell classes apart: add a folder of videos for at \
             least one more class.",
            class.name
        )),
        classes if classes.iter().all(|class| class.train == 0) => Some(
            "There are no training clips: every video is for validation or testing. Put the clips to learn from \
             into train/<Class>/, or drop a folder that holds the class folders only."
                .into(),
        ),
        classes if classes.iter().filter(|class| class.train > 0).count() == 1 => Some(
            "Only one class has training clips. Put clips of at least one more class into its training folder.".into(),
        ),
        _ => None,
    }
}

/// Where there is too little to learn from, or to measure with.
fn thin(classes: &[ClassSummary]) -> Vec<String> {
    let mut warnings = Vec::new();
    let of = |holds: &dyn Fn(&ClassSummary) -> bool| -> Vec<&str> {
        classes.iter().filter(|class| holds(class)).map(|class| class.name.as_str()).collect()
    };
    let untrained = of(&|class| class.train == 0);
    if !untrained.is_empty() {
        warnings.push(format!("The model cannot learn {}: no training clips.", enumerated(&untrained)));
    }
    let single = of(&|class| class.total() == 1 && class.train == 1);
    if !single.is_empty() {
        warnings.push(format!(
            "A single clip is all there is of {}: it is used for training, and nothing is left to check it with.",
            enumerated(&single)
        ));
    }
    if classes.iter().all(|class| class.validation == 0) {
        warnings.push(
            "No clips are left for validation, so the accuracy cannot be measured while training. Add clips from \
             other recordings."
                .into(),
        );
    } else {
        let unchecked = of(&|class| class.validation == 0 && class.train > 0 && class.total() > 1);
        if !unchecked.is_empty() {
            warnings.push(format!("No clips are left to validate {} with.", enumerated(&unchecked)));
        }
    }
    let largest = classes.iter().map(|class| class.train).max().unwrap_or_default();
    let rare = of(&|class| class.train > 0 && (class.train as f64) < RARE * largest as f64);
    if !rare.is_empty() {
        warnings.push(format!(
            "There are far fewer training clips of {} than the {} of the largest class: the model may seldom \
             answer so. Add clips, or remove some of the others.",
            enumerated(&rare),
            count(largest)
        ));
    }
    warnings
}

/// How evenly training clips are spread over the classes that have any.
fn balance(classes: &[ClassSummary]) -> String {
    let trained = || classes.iter().filter(|class| class.train > 0);
    match (trained().min_by_key(|class| class.train), trained().max_by_key(|class| class.train)) {
        (Some(least), Some(most)) if least.train == most.train => {
            format!("Every class has {} to train on.", counted(most.train, "clip", "clips"))
        }
        (Some(least), Some(most)) => format!(
            "“{}” has the fewest clips to train on, {}, and “{}” the most, {}: 1 to {:.1}.",
            least.name,
            count(least.train),
            most.name,
            count(most.train),
            most.train as f64 / least.train as f64
        ),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::labelling::Labelling;

    fn listing(paths: &[&str]) -> Listing {
        let paths: Vec<String> = paths.iter().map(|path| path.to_string()).collect();
        Listing::new(&paths, &[], &Labelling::default())
    }

    fn catalogue(paths: &[&str]) -> Catalogue {
        Catalogue::new(&listing(paths), &Checks::default())
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
    fn a_file_that_fails_is_listed_and_left_out_and_the_others_stay_in_their_splits() {
        let listing = listing(&["A/1.mp4", "A/2.mp4", "B/3.mp4", "B/4.mp4"]);
        let before = Catalogue::new(&listing, &Checks::default());
        let measured = Measured { seconds: 2.0, width: 64, height: 48 };
        let probes = [("A/1.mp4", Ok(measured)), ("A/2.mp4", Err("It is cut off.".into()))];
        let probes = probes.into_iter().map(|(path, probe)| (path.to_string(), probe)).collect();
        let after = Catalogue::new(&listing, &Checks { probes, copies: Vec::new() });
        assert_eq!(after.unusable, [Unusable { path: "A/2.mp4".into(), reason: "It is cut off.".into() }]);
        assert_eq!((after.videos.len(), after.unusable_count), (3, 1));
        assert_eq!(after.videos[0], VideoSummary { measured: Some(measured), ..before.videos[0].clone() });
        assert_eq!(after.videos[1..], before.videos[2..]);
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
        let warns = |paths: &[&str]| -> String {
            catalogue(paths).warnings.into_iter().map(|warning| warning.sentence + "\n").collect()
        };
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
    fn the_page_gets_the_first_of_many_files_and_no_videos() {
        let mut paths: Vec<String> = (0..900).map(|n| format!("{}/{n:03}.mp4", ["A", "B", "C"][n % 3])).collect();
        paths.extend((0..400).map(|n| format!("A/{n}.jpg")));
        let whole = catalogue(&paths.iter().map(String::as_str).collect::<Vec<_>>());
        let page = whole.for_page();
        assert_eq!((page.videos.len(), page.count()), (0, 900));
        assert_eq!((page.unusable.len(), page.unusable_count), (LISTED, 400));
    }

    #[test]
    fn the_balance_of_the_classes_is_said_as_a_ratio() {
        let says = |paths: &[&str]| catalogue(paths).found.balance;
        assert_eq!(says(&["train/A/1.mp4", "train/B/1.mp4"]), "Every class has 1 clip to train on.");
        let uneven =
            ["train/A/1.mp4", "train/A/2.mp4", "train/A/3.mp4", "train/B/1.mp4", "train/B/2.mp4", "val/A/4.mp4"];
        assert_eq!(says(&uneven), "“B” has the fewest clips to train on, 2, and “A” the most, 3: 1 to 1.5.");
        assert_eq!(says(&[]), "");
    }

    #[test]
    fn a_file_with_several_parts_that_fails_is_listed_once() {
        let list = crate::dataset::list::read("l.csv", "a.mp4,A,0,1\na.mp4,B,1,2\nb.mp4,A\nc.mp4,B").unwrap();
        let paths = ["a.mp4", "b.mp4", "c.mp4"].map(String::from);
        let listing = Listing::new(&paths, &[list], &Labelling::default());
        let probes = BTreeMap::from([("a.mp4".to_string(), Err("It is empty.".to_string()))]);
        let found = Catalogue::new(&listing, &Checks { probes, copies: Vec::new() });
        assert_eq!((found.videos.len(), found.unusable_count), (2, 1));
        let short = Measured { seconds: 1.0, width: 64, height: 48 };
        let probes = BTreeMap::from([("a.mp4".to_string(), Ok(short))]);
        let found = Catalogue::new(&listing, &Checks { probes, copies: Vec::new() });
        assert_eq!(found.unusable[0].path, "a.mp4, 1 to 2 s");
        assert_eq!((found.videos.len(), found.unusable_count), (3, 1));
    }
}
