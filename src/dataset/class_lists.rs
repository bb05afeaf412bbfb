//! Split lists of one class each, as HMDB51 ships them (`brush_hair_test_split1.txt`) -> one list of all classes.
//!
//! Comes in: such lists' names and texts. Goes out: rows with the class that a list's name tells, and the lists of a
//! folder as one, because none of them alone labels a data set. Does not know which files there are.

use std::collections::BTreeMap;

use super::Split;
use super::list::{List, Row};

const WRONG: &str = "It does not end in 0, 1 or 2. Write 1 after the file’s name to train on it, 2 to test on it, 0 to \
                     leave it out.";

/// The class that such a list is of, and which of several ways to split the data set it belongs to.
pub fn class_and_split(path: &str) -> Option<(&str, u32)> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let (class, number) = name.strip_suffix(".txt")?.rsplit_once("_test_split")?;
    number.parse().ok().filter(|_| !class.is_empty()).map(|number| (class, number))
}

/// `file 1` to train on, `file 2` to test on, `file 0` for what this way to split leaves out.
pub fn read(text: &str, class: &str, list: &mut List) {
    let lines = text.lines().enumerate().map(|(number, line)| (number, line.trim()));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
        let place = format!("{class}, line {}", number + 1);
        let row = |path: &str, split| {
            let (path, label) = (path.trim_end().to_string(), Some(class.to_string()));
            Ok(Row { place: place.clone(), path, label, split: Some(split), part: None })
        };
        let row = match line.rsplit_once(char::is_whitespace) {
            Some((_, "0")) => continue,
            Some((path, "1")) => row(path, Split::Train),
            Some((path, "2")) => row(path, Split::Test),
            _ => Err(WRONG.into()),
        };
        list.add(place, row);
    }
}

/// The lists of one class each of a folder become one; others stay as they are.
pub fn join(lists: Vec<List>) -> Vec<List> {
    let mut joined = Vec::new();
    let mut of_classes: BTreeMap<String, List> = BTreeMap::new();
    for list in lists {
        let Some((_, number)) = class_and_split(&list.path) else {
            joined.push(list);
            continue;
        };
        let folder = list.path.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
        let path = format!("{folder}*_split{number}.txt");
        let all = of_classes.entry(path.clone()).or_insert(List { path, ..List::default() });
        all.rows.extend(list.rows);
        all.wrong.extend(list.wrong);
    }
    joined.extend(of_classes.into_values());
    joined
}

#[cfg(test)]
mod tests {
    use super::super::labelling::Labelling;
    use super::super::list;
    use super::super::listing::Listing;
    use super::*;

    /// As HMDB51 lies on a disk: its lines end in a space, and names hold what other lists take for delimiters.
    const FILES: [&str; 6] = [
        "hmdb/brush_hair/#20_Rhythm_brush_hair_u_nm_np1_fr_goo_0.avi",
        "hmdb/brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0.avi",
        "hmdb/brush_hair/unused_brush_hair_h_nm_np1_ri_goo_0.avi",
        "hmdb/wave/A,B;C_wave_u_cm_np1_fr_med_0.avi",
        "hmdb/wave/Best_Of_wave_u_cm_np1_fr_med_1.avi",
        "hmdb/wave/Best_Of_wave_u_cm_np1_fr_med_2.avi",
    ];
    const LISTS: [(&str, &str); 3] = [
        (
            "hmdb/splits/brush_hair_test_split1.txt",
            "#20_Rhythm_brush_hair_u_nm_np1_fr_goo_0.avi 1 \nApril_09_brush_hair_u_nm_np1_ba_goo_0.avi 2 \n\
             unused_brush_hair_h_nm_np1_ri_goo_0.avi 0 \n",
        ),
        ("hmdb/splits/brush_hair_test_split2.txt", "April_09_brush_hair_u_nm_np1_ba_goo_0.avi 1 \n"),
        (
            "hmdb/splits/wave_test_split1.txt",
            "A,B;C_wave_u_cm_np1_fr_med_0.avi 1 \r\nBest_Of_wave_u_cm_np1_fr_med_1.avi 2 \r\n\r\n\
             Best_Of_wave_u_cm_np1_fr_med_2.avi\r\n",
        ),
    ];

    #[test]
    fn hmdb51_is_labelled_and_split_by_the_first_of_its_three_ways_to_split() {
        let paths: Vec<String> = FILES.iter().copied().chain(LISTS.map(|(path, _)| path)).map(String::from).collect();
        let candidates = list::candidates(paths.iter().map(String::as_str));
        let lists = candidates.into_iter().filter_map(|place| {
            let (path, text) = LISTS.iter().find(|(path, _)| *path == paths[place])?;
            list::read(path, text)
        });
        let found = Listing::new(&paths, &join(lists.collect()), &Labelling::default());
        let told: Vec<(&str, &str, bool)> = found
            .videos
            .iter()
            .map(|(file, split)| (file.path.as_str(), file.class.as_str(), *split == Split::Test))
            .collect();
        let wanted = [
            (FILES[0], "brush_hair", false),
            (FILES[1], "brush_hair", true),
            (FILES[3], "wave", false),
            (FILES[4], "wave", true),
        ];
        assert_eq!(told, wanted);
        assert_eq!(found.found.labels, "Labels come from “hmdb/splits/*_split1.txt”.");
        let wrong = found.unusable.iter().find(|row| row.reason == WRONG).map(|row| row.path.as_str());
        assert_eq!(wrong, Some("hmdb/splits/*_split1.txt, wave, line 4"));
    }

    #[test]
    fn other_lists_are_not_taken_for_those_of_one_class() {
        for path in
            ["test_split1.txt", "_test_split1.txt", "a/trainlist01.txt", "wave_test_split.txt", "wave_test_split1.csv"]
        {
            assert_eq!(class_and_split(path), None, "{path}");
        }
        assert_eq!(class_and_split("a/b/shake_hands_test_split3.txt"), Some(("shake_hands", 3)));
    }
}
