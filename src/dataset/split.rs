//! Labelled files -> a split for each: by group, stratified by class, decided by a seed alone.
//!
//! Comes in: labelled files. Goes out: one [`Split`] a file, the same for the same files and seed on every machine,
//! whatever the order of the files. Never moves a file that its folder already places, but out of `train` where
//! there is no validation split.

use std::collections::BTreeMap;

use super::{Split, layout::LabelledFile};

/// The share of a class's videos that goes to validation, and the same again to test.
const HELD_OUT: f64 = 0.15;

/// Whether a group is known by its name alone, or by its class and its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Span {
    /// `g01` of one class is another recording than `g01` of another.
    #[default]
    Class,
    /// A group is one whatever the class.
    All,
}

/// What tells a file's group from every other; a file without one is a group of its own.
pub fn group_of(file: &LabelledFile, span: Span) -> (&str, &str) {
    match (&file.group, span) {
        (Some(group), Span::Class) => (&file.class, group),
        (Some(group), Span::All) => ("", group),
        (None, _) => (&file.class, &file.path),
    }
}

/// Whether splits are drawn for some of the files: nothing tells which are for validation.
pub fn are_drawn(files: &[LabelledFile]) -> bool {
    !files.iter().any(|file| file.split == Some(Split::Validation))
}

/// One split a file, in the files' order. Where nothing tells a split: about 70 % train, 15 % validation and 15 %
/// test of each class. Where train is told but no validation: validation out of train. A class with a single
/// group stays in train.
pub fn assign(files: &[LabelledFile], span: Span, seed: u64) -> Vec<Split> {
    let mut splits: Vec<Split> = files.iter().map(|file| file.split.unwrap_or(Split::Train)).collect();
    if !are_drawn(files) {
        return splits;
    }
    let told = files.iter().any(|file| file.split.is_some());
    let mut groups: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (index, file) in files.iter().enumerate().filter(|(index, _)| splits.get(*index) == Some(&Split::Train)) {
        groups.entry(group_of(file, span)).or_default().push(index);
    }
    let held_out: &[Split] = if told { &[Split::Validation] } else { &[Split::Validation, Split::Test] };
    match span {
        Span::Class => {
            let mut classes: BTreeMap<&str, Vec<Group>> = BTreeMap::new();
            for ((class, name), members) in groups {
                classes.entry(class).or_default().push(Group { order: order(seed, class, name), members });
            }
            classes.into_values().for_each(|groups| hold_out_of_class(groups, held_out, &mut splits));
        }
        Span::All => {
            let groups = groups.into_iter();
            let groups = groups.map(|((class, name), members)| Group { order: order(seed, class, name), members });
            hold_out_of_all(files, groups.collect(), held_out, &mut splits);
        }
    }
    splits
}

/// Files that stay together.
struct Group {
    order: u64,
    members: Vec<usize>,
}

fn hold_out_of_class(mut groups: Vec<Group>, held_out: &[Split], splits: &mut [Split]) {
    groups.sort_by_key(|group| group.order);
    let total: usize = groups.iter().map(|group| group.members.len()).sum();
    // The largest group trains: held out, it would leave too little to learn from.
    if let Some(largest) = (0..groups.len()).max_by_key(|&index| groups[index].members.len()) {
        groups.remove(largest);
    }
    let held_out = if groups.len() < 2 { &held_out[..1] } else { held_out };
    let mut groups = groups.into_iter();
    for &split in held_out {
        let mut taken = 0;
        while (taken as f64) < HELD_OUT * total as f64 {
            // The other held-out split needs a group as well.
            if taken > 0 && groups.len() < held_out.len() {
                break;
            }
            let Some(Group { members, .. }) = groups.next() else { break };
            let overshoot = (taken + members.len()) as f64 - HELD_OUT * total as f64;
            if taken > 0 && overshoot > members.len() as f64 / 2.0 {
                break;
            }
            taken += members.len();
            members.iter().for_each(|&index| splits[index] = split);
        }
    }
}

/// Takes a group where that brings its classes nearer to their shares, all in all, and never the last training files
/// of a class. Nearest to what scikit-learn's StratifiedGroupKFold does, but for shares that differ.
fn hold_out_of_all(files: &[LabelledFile], mut groups: Vec<Group>, held_out: &[Split], splits: &mut [Split]) {
    groups.sort_by_key(|group| group.order);
    let class_of = |index: usize| files.get(index).map_or("", |file| file.class.as_str());
    let mut training: BTreeMap<&str, usize> = BTreeMap::new();
    for &index in groups.iter().flat_map(|group| &group.members) {
        *training.entry(class_of(index)).or_default() += 1;
    }
    let shares: BTreeMap<&str, f64> =
        training.iter().map(|(class, count)| (*class, (HELD_OUT * *count as f64).max(1.0))).collect();
    for &split in held_out {
        let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
        groups.retain(|group| {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            group.members.iter().for_each(|&index| *counts.entry(class_of(index)).or_default() += 1);
            let leaves_some = counts.iter().all(|(class, count)| training.get(class).is_some_and(|all| all > count));
            // How much nearer each class comes to its share.
            let gain: f64 = counts
                .iter()
                .map(|(class, count)| {
                    let missing = shares.get(class).copied().unwrap_or_default()
                        - taken.get(class).copied().unwrap_or_default() as f64;
                    missing.abs() - (missing - *count as f64).abs()
                })
                .sum();
            if !leaves_some || gain <= 0.0 {
                return true;
            }
            for (class, count) in counts {
                *taken.entry(class).or_default() += count;
                training.entry(class).and_modify(|all| *all -= count);
            }
            group.members.iter().for_each(|&index| splits[index] = split);
            false
        });
    }
}

/// Orders the groups of a class as if shuffled: FNV-1a over seed, class and group, then SplitMix64's finaliser,
/// because FNV alone leaves names that differ in the last letter next to each other.
fn order(seed: u64, class: &str, group: &str) -> u64 {
    let separator: &[u8] = &[0];
    let bytes = seed.to_le_bytes();
    let bytes = bytes.iter().chain(class.as_bytes()).chain(separator).chain(group.as_bytes());
    let mut hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::layout::lay_out;

    fn files(paths: impl IntoIterator<Item = String>) -> Vec<LabelledFile> {
        lay_out(&paths.into_iter().collect::<Vec<_>>()).videos
    }

    fn grouped(classes: usize, groups: usize, clips: usize) -> Vec<LabelledFile> {
        files((0..classes).flat_map(move |class| {
            (0..groups).flat_map(move |group| {
                (0..clips).map(move |clip| format!("C{class}/v_C{class}_g{group:02}_c{clip:02}.mp4"))
            })
        }))
    }

    fn count(splits: &[Split], split: Split) -> usize {
        splits.iter().filter(|&&one| one == split).count()
    }

    #[test]
    fn a_group_never_lies_in_two_splits() {
        for seed in 0..50 {
            for (groups, clips) in [(2, 5), (3, 1), (5, 4), (25, 4)] {
                let files = grouped(3, groups, clips);
                let mut seen = BTreeMap::new();
                for (file, split) in files.iter().zip(assign(&files, Span::Class, seed)) {
                    let kept = *seen.entry((file.class.clone(), file.group.clone())).or_insert(split);
                    assert_eq!(kept, split, "{} with seed {seed}", file.path);
                }
            }
        }
    }

    #[test]
    fn shares_are_about_70_15_15_in_every_class() {
        for (groups, clips) in [(20, 1), (20, 5), (40, 2), (100, 1)] {
            let files = grouped(2, groups, clips);
            let splits = assign(&files, Span::Class, 7);
            for class in ["C0", "C1"] {
                let of_class: Vec<Split> = files
                    .iter()
                    .zip(&splits)
                    .filter(|(file, _)| file.class == class)
                    .map(|(_, split)| *split)
                    .collect();
                let share = |split| count(&of_class, split) as f64 / of_class.len() as f64;
                assert!(
                    (share(Split::Validation) - 0.15).abs() < 0.06,
                    "{groups} groups: {}",
                    share(Split::Validation)
                );
                assert!((share(Split::Test) - 0.15).abs() < 0.06, "{groups} groups: {}", share(Split::Test));
            }
        }
    }

    #[test]
    fn few_groups_keep_training_first_then_validation_then_test() {
        let of = |groups| {
            let splits = assign(&grouped(1, groups, 2), Span::Class, 3);
            [Split::Train, Split::Validation, Split::Test].map(|split| count(&splits, split))
        };
        assert_eq!(of(1), [2, 0, 0]);
        assert_eq!(of(2), [2, 2, 0]);
        assert_eq!(of(3), [2, 2, 2]);
        assert_eq!(of(4), [4, 2, 2]);
    }

    #[test]
    fn the_largest_group_trains() {
        for seed in 0..20 {
            let mut paths: Vec<String> = (0..20).map(|clip| format!("A/v_A_g01_c{clip}.mp4")).collect();
            paths.extend(["A/v_A_g02_c1.mp4".to_string(), "A/v_A_g03_c1.mp4".to_string(), "B/x.mp4".to_string()]);
            let files = files(paths);
            let splits = assign(&files, Span::Class, seed);
            assert!(splits[..20].iter().all(|&split| split == Split::Train));
            assert_eq!(count(&splits, Split::Validation), 1);
            assert_eq!(count(&splits, Split::Test), 1);
        }
    }

    #[test]
    fn the_seed_alone_decides_not_the_order_of_the_files() {
        let files = grouped(2, 10, 2);
        let splits = assign(&files, Span::Class, 1);
        let mut reversed = files.clone();
        reversed.reverse();
        let mut again = assign(&reversed, Span::Class, 1);
        again.reverse();
        assert_eq!(splits, again);
        assert!((2..10).any(|seed| assign(&files, Span::Class, seed) != splits));
    }

    #[test]
    fn folders_decide_where_they_tell() {
        let told = files(["train/A/1.mp4", "val/A/2.mp4", "train/B/3.mp4"].map(String::from));
        assert_eq!(assign(&told, Span::Class, 1), [Split::Train, Split::Validation, Split::Train]);
        let no_validation = files((0..10).map(|n| format!("train/A/{n}.mp4")).chain(["test/A/t.mp4".into()]));
        let splits = assign(&no_validation, Span::Class, 1);
        assert_eq!(count(&splits, Split::Test), 1);
        assert_eq!(splits[10], Split::Test);
        assert!((1..=2).contains(&count(&splits, Split::Validation)));
    }
    #[test]
    fn a_group_that_spans_classes_never_lies_in_two_splits_and_every_class_keeps_its_shares() {
        for seed in 0..20 {
            let mut files = grouped(4, 30, 3);
            // Every second person does two of the motions only.
            files.retain(|file| {
                file.class < "C2".to_string()
                    || file.group.as_ref().is_some_and(|group| group.ends_with(['0', '4', '8']))
            });
            let splits = assign(&files, Span::All, seed);
            let mut seen = BTreeMap::new();
            for (file, split) in files.iter().zip(&splits) {
                assert_eq!(seen.entry(file.group.clone()).or_insert(split), &split, "{} with seed {seed}", file.path);
            }
            for class in ["C0", "C1", "C2", "C3"] {
                let of_class: Vec<Split> = files
                    .iter()
                    .zip(&splits)
                    .filter(|(file, _)| file.class == class)
                    .map(|(_, split)| *split)
                    .collect();
                for split in [Split::Validation, Split::Test] {
                    let share = count(&of_class, split) as f64 / of_class.len() as f64;
                    assert!((0.03..0.3).contains(&share), "{share} of {class} is for {split:?} with seed {seed}");
                }
            }
        }
    }

    #[test]
    fn a_person_who_alone_shows_a_class_trains() {
        let mut files = grouped(1, 6, 2);
        files.push(LabelledFile { class: "Rare".into(), ..files[0].clone() });
        for seed in 0..20 {
            let splits = assign(&files, Span::All, seed);
            assert_eq!(splits.last(), Some(&Split::Train));
            assert_eq!(splits[0], Split::Train, "the same person");
        }
    }
}
