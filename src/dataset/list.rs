//! A list of labelled videos (CSV, TSV, text, JSON or JSON lines) -> its rows.
//!
//! Comes in: a list's path and text. Goes out: [`Row`]s, and what is wrong with a row, with its line. Knows the columns
//! as people name them, Hugging Face's `metadata.csv` and `metadata.jsonl`, and the split lists of UCF101 and HMDB51. Does
//! not know which files there are: that is the business of [`super::listed`].

use super::class_lists::{self, class_and_split};
use super::delimited::{Record, delimiter, read_records};
use super::entries::{Entry, Fields, read_entries};
use super::{Part, Split};

/// What a list says of one video.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Such as `line 12`.
    pub place: String,
    /// As it is written.
    pub path: String,
    pub label: Option<String>,
    pub split: Option<Split>,
    pub part: Option<Part>,
}

/// What a list holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct List {
    /// Where it lies in the folder.
    pub path: String,
    pub rows: Vec<Row>,
    /// Places, each with a sentence.
    pub wrong: Vec<(String, String)>,
}

const ENDINGS: [&str; 6] = ["csv", "tsv", "txt", "json", "jsonl", "ndjson"];

// The columns by their names in lower case, the most telling first.
const PATH: [&str; 15] = [
    "path",
    "file_path",
    "filepath",
    "clip_path",
    "video_path",
    "file_name",
    "filename",
    "file",
    "video",
    "clip",
    "clip_name",
    "video_name",
    "name",
    "video_id",
    "id",
];
const LABEL: [&str; 8] = ["label", "class", "labels", "class_name", "label_name", "category", "action", "target"];
const SPLIT: [&str; 5] = ["split", "subset", "set", "partition", "usage"];
const START: [&str; 6] = ["start", "start_time", "time_start", "start_seconds", "start_sec", "begin"];
const END: [&str; 5] = ["end", "end_time", "time_end", "end_seconds", "end_sec"];
pub(super) const COLUMNS: [&[&str]; 5] = [&PATH, &LABEL, &SPLIT, &START, &END];

/// Files that are read as lists; some folders have a text beside each video.
const MOST: usize = 64;
/// Rows that are read of a list, those that cannot be used included. A row can be written in two bytes and takes some
/// hundreds, here and as a labelled video: without a limit a list of 32 MB would take gigabytes. Kinetics-400 has 246,000.
pub const MOST_ROWS: usize = 250_000;
const TOO_MANY: &str = "The list has more than 250,000 rows; from here on it was not read. Keep the rows of the videos in \
                        this folder.";

/// The places of those paths that may be lists by their names, the nearest to the top first. Of several ways to split a
/// data set with a list for each class the first counts.
pub fn candidates<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<usize> {
    let named = paths.enumerate().filter(|(_, path)| {
        ENDINGS.contains(&ending(path).as_str()) && class_and_split(path).is_none_or(|(_, number)| number == 1)
    });
    let mut found: Vec<(usize, usize)> = named.map(|(place, path)| (path.matches('/').count(), place)).collect();
    found.sort_unstable();
    found.truncate(MOST);
    found.into_iter().map(|(_, place)| place).collect()
}

fn ending(path: &str) -> String {
    path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default()
}

/// Reads a list. One without a row is none.
pub fn read(path: &str, text: &str) -> Option<List> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut list = List { path: path.to_string(), ..List::default() };
    match ending(path).as_str() {
        "json" => read_json(text, &mut list),
        "jsonl" | "ndjson" => read_json_lines(text, &mut list),
        "txt" => match class_and_split(path) {
            Some((class, _)) => class_lists::read(text, class, &mut list),
            None => read_words(text, &mut list),
        },
        _ => match delimiter(text) {
            Some(delimiter) => read_columns(text, delimiter, &mut list),
            None => read_words(text, &mut list),
        },
    }
    (!list.rows.is_empty()).then_some(list)
}

/// Which field of a record says what.
#[derive(Default)]
struct Columns {
    path: usize,
    label: Option<usize>,
    split: Option<usize>,
    start: Option<usize>,
    end: Option<usize>,
}

impl Columns {
    /// None where the record is no header.
    fn of_header(fields: &[String]) -> Option<Self> {
        let names: Vec<String> = fields.iter().map(|field| field.trim().to_lowercase()).collect();
        let find = |known: &[&str]| known.iter().find_map(|name| names.iter().position(|other| other == name));
        let path = find(&PATH)?;
        Some(Self { path, label: find(&LABEL), split: find(&SPLIT), start: find(&START), end: find(&END) })
    }

    /// `path,label[,split][,start,end]`.
    fn usual(fields: &[String]) -> Self {
        let has_split = fields.get(2).is_some_and(|field| !field.trim().is_empty() && seconds(field).is_none());
        let (split, start) = if has_split { (Some(2), 3) } else { (None, 2) };
        let has = |index: usize| (index < fields.len()).then_some(index);
        Self { path: 0, label: has(1), split, start: has(start), end: has(start + 1) }
    }
}

fn read_columns(text: &str, delimiter: char, list: &mut List) {
    let mut is_first = true;
    let mut header = None;
    let take = |record: Record| {
        if std::mem::take(&mut is_first) {
            header = Columns::of_header(&record.fields);
            if header.is_some() {
                return;
            }
        }
        let usual;
        let columns = match &header {
            Some(columns) => columns,
            None => {
                usual = Columns::usual(&record.fields);
                &usual
            }
        };
        let field = |column: Option<usize>| {
            column
                .and_then(|column| record.fields.get(column))
                .map(|field| field.trim())
                .filter(|field| !field.is_empty())
        };
        let told = Told {
            path: field(Some(columns.path)),
            label: field(columns.label),
            split: field(columns.split),
            start: field(columns.start),
            end: field(columns.end),
        };
        list.take(format!("line {}", record.line), &told);
    };
    if let Some(open) = read_records(text, delimiter, take) {
        let sentence = "A quote opens here and never closes, so nothing after it was read. Close it.";
        list.wrong.push((format!("line {}", open.line), sentence.into()));
    }
}

/// `path` or `path label`, with spaces between. The numbers in UCF101's lists stand for the folders of the paths.
fn read_words(text: &str, list: &mut List) {
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let (path, label) = match line.rsplit_once(char::is_whitespace) {
            Some((path, label)) => (path.trim_end(), Some(label)),
            None => (line, None),
        };
        let of_folder =
            label.is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit())) && path.contains('/');
        if !path.is_empty() {
            let label = label.filter(|_| !of_folder);
            list.take(format!("line {}", number + 1), &Told { path: Some(path), label, ..Told::default() });
        }
    }
}

/// A list of objects, or one object with a label or an object for each path.
fn read_json(text: &str, list: &mut List) {
    let mut number = 0;
    let whole = read_entries(text, |path, entry| {
        number += 1;
        list.take_json(format!("entry {number}"), path, entry);
    });
    // Not every JSON file beside videos is a list of them.
    if whole.is_err() {
        list.rows.clear();
        list.wrong.clear();
    }
}

fn read_json_lines(text: &str, list: &mut List) {
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = format!("line {}", number + 1);
        match serde_json::from_str::<Entry>(line) {
            Ok(entry) => list.take_json(place, None, entry),
            Err(_) => list.add(place, Err("This line is not JSON. Write one object a line.".into())),
        }
    }
}

/// A row as it is written.
#[derive(Default)]
struct Told<'a> {
    path: Option<&'a str>,
    label: Option<&'a str>,
    split: Option<&'a str>,
    start: Option<&'a str>,
    end: Option<&'a str>,
}

impl List {
    fn take(&mut self, place: String, told: &Told<'_>) {
        let row = || -> Result<Row, String> {
            let path = told.path.ok_or("It names no file. Write the file’s path into it.")?;
            let split =
                told.split.map(|text| split(text).ok_or(format!("“{text}” is no split. Write train, val or test.")));
            Ok(Row {
                place: place.clone(),
                path: path.to_string(),
                label: told.label.map(str::to_string),
                split: split.transpose()?,
                part: part(told.start, told.end)?,
            })
        };
        let row = row();
        self.add(place, row);
    }

    /// Takes a row, or a sentence on what is wrong with it, while there is room.
    pub(super) fn add(&mut self, place: String, row: Result<Row, String>) {
        match (self.rows.len() + self.wrong.len(), row) {
            (0..MOST_ROWS, Ok(row)) => self.rows.push(row),
            (0..MOST_ROWS, Err(sentence)) => self.wrong.push((place, sentence)),
            (MOST_ROWS, _) => self.wrong.push((place, TOO_MANY.into())),
            _ => {}
        }
    }

    fn take_json(&mut self, place: String, key: Option<String>, entry: Entry) {
        let (label, fields, is_object) = match entry {
            Entry::Text(label) => (Some(label), Fields::default(), false),
            Entry::Object(fields) => (None, fields, true),
            Entry::Other => (None, Fields::default(), false),
        };
        let [named, class, split, start, end] = fields.map(|field| field.and_then(|(_, text)| text));
        let (path, label) = (key.or(named), label.or(class));
        if path.is_some() && (label.is_some() || is_object) {
            let told = Told {
                path: path.as_deref(),
                label: label.as_deref(),
                split: split.as_deref(),
                start: start.as_deref(),
                end: end.as_deref(),
            };
            self.take(place, &told);
        }
    }
}

/// A split by any of its names.
pub fn split(text: &str) -> Option<Split> {
    match text.trim().to_lowercase().as_str() {
        "train" | "training" => Some(Split::Train),
        "val" | "valid" | "validation" | "validate" | "dev" => Some(Split::Validation),
        "test" | "testing" => Some(Split::Test),
        _ => None,
    }
}

fn part(start: Option<&str>, end: Option<&str>) -> Result<Option<Part>, String> {
    let (start, end) = match (start, end) {
        (None, None) => return Ok(None),
        (Some(start), Some(end)) => (start, end),
        _ => return Err("It gives one of start and end only. Give both, in seconds, or neither.".into()),
    };
    match (seconds(start), seconds(end)) {
        (Some(from), Some(to)) if from < to => Ok(Some(Part { start: from, end: to })),
        (Some(_), Some(_)) => Err(format!("It ends at {end} s, which is not after its start at {start} s.")),
        _ => Err(format!("“{start}” to “{end}” is no time. Give seconds, such as 1.5 and 4.")),
    }
}

/// Seconds from the video's start.
fn seconds(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|seconds| seconds.is_finite() && *seconds >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(place: &str, path: &str, label: Option<&str>, split: Option<Split>, part: Option<(f64, f64)>) -> Row {
        let part = part.map(|(start, end)| Part { start, end });
        Row { place: place.into(), path: path.into(), label: label.map(String::from), split, part }
    }

    fn rows(path: &str, text: &str) -> Vec<Row> {
        let list = read(path, text).unwrap_or_default();
        assert_eq!(list.wrong, [], "{path}");
        list.rows
    }

    #[test]
    fn columns_are_known_by_their_names_or_by_their_order() {
        let wanted = [
            row("line 2", "a.mp4", Some("jump"), Some(Split::Train), None),
            row("line 3", "b, c.mp4", Some("run"), Some(Split::Test), Some((1.5, 4.0))),
        ];
        for text in [
            "path,label,split,start,end\na.mp4,jump,train,,\n\"b, c.mp4\",run,test,1.5,4",
            "\u{feff}Subset;CLASS;File_Name;time_start;time_end\r\nTRAIN;jump;a.mp4;;\r\ntesting;run;\"b, c.mp4\";1.5;4\r\n",
            "label\tvideo\tset\tbegin\tend_time\njump\ta.mp4\ttraining\t\t\nrun\tb, c.mp4\ttest\t1.5\t4",
        ] {
            assert_eq!(rows("list.csv", text), wanted, "{text}");
        }
        let bare = rows("list.csv", "a.mp4,jump\nb.mp4,run,val\nc.mp4,run,0,2\nd.mp4,run,dev,0.5,2\n");
        assert_eq!(bare[0], row("line 1", "a.mp4", Some("jump"), None, None));
        assert_eq!(bare[1], row("line 2", "b.mp4", Some("run"), Some(Split::Validation), None));
        assert_eq!(bare[2], row("line 3", "c.mp4", Some("run"), None, Some((0.0, 2.0))));
        assert_eq!(bare[3], row("line 4", "d.mp4", Some("run"), Some(Split::Validation), Some((0.5, 2.0))));
    }

    #[test]
    fn the_path_column_is_the_one_that_says_most() {
        let kaggle = rows("train.csv", "clip_name,clip_path,label\nv_g01,/train/A/v_g01.avi,A\n");
        assert_eq!(kaggle, [row("line 2", "/train/A/v_g01.avi", Some("A"), None, None)]);
    }

    #[test]
    fn ucf101s_lists_name_classes_by_their_folders() {
        let train = rows("trainlist01.txt", "Jump/v_Jump_g08_c01.avi 1\r\nRun/v_Run_g08_c01.avi 2\r\n");
        assert_eq!(train[1], row("line 2", "Run/v_Run_g08_c01.avi", None, None, None));
        let test = rows("testlist01.txt", "Jump/v_Jump_g01_c01.avi\n");
        assert_eq!(test, [row("line 1", "Jump/v_Jump_g01_c01.avi", None, None, None)]);
        assert_eq!(rows("list.txt", "a b.mp4 jump"), [row("line 1", "a b.mp4", Some("jump"), None, None)]);
    }

    #[test]
    fn json_is_a_list_of_objects_or_an_object_or_lines_of_objects() {
        let one = |place: &str| [row(place, "a.mp4", Some("jump"), Some(Split::Train), Some((1.0, 2.5)))];
        let object = r#"{"file_name": "a.mp4", "Label": "jump", "split": "train", "start": 1, "end": 2.5}"#;
        assert_eq!(rows("metadata.jsonl", &format!("\n{object}\n")), one("line 2"));
        assert_eq!(rows("list.json", &format!("[{object}]")), one("entry 1"));
        assert_eq!(
            rows("list.json", r#"{"a.mp4": {"label": "jump", "subset": "train", "start": "1", "end": 2.5}}"#),
            one("entry 1")
        );
        assert_eq!(rows("list.json", r#"{"a.mp4": 7}"#), [row("entry 1", "a.mp4", Some("7"), None, None)]);
        for other in ["3", "\"x\"", "[1, 2]", "[[]]", "{", "[{\"width\": 3}]"] {
            assert_eq!(read("other.json", other), None, "{other}");
        }
    }

    #[test]
    fn rows_that_cannot_be_used_are_told_with_their_line_and_the_others_stay() {
        let text = "path,label,split,start,end\na.mp4,A,tarin,,\nb.mp4,A,,3,2\nc.mp4,A,,1,\nd.mp4,A,,x,2\n,A,,,\ne.mp4,A,,,\ng.mp4,A,,-1,2\n\"f.mp4";
        let list = read("list.csv", text).unwrap();
        assert_eq!(list.rows.iter().map(|row| row.path.as_str()).collect::<Vec<_>>(), ["e.mp4"]);
        let wrong: Vec<&str> = list.wrong.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(wrong, ["line 2", "line 3", "line 4", "line 5", "line 6", "line 8", "line 9"]);
        for (index, says) in
            ["tarin", "not after", "one of start", "no time", "names no file", "no time", "quote"].iter().enumerate()
        {
            assert!(list.wrong[index].1.contains(says), "{:?}", list.wrong[index]);
        }
        let lines = read("list.jsonl", "{\"path\": \"a\", \"label\": \"A\"}\nnot json\n").unwrap();
        assert_eq!(lines.wrong[0].0, "line 2");
    }

    #[test]
    fn of_many_texts_those_nearest_to_the_top_are_taken_for_lists() {
        let mut paths: Vec<String> = (0..100).map(|n| format!("A/{n}.txt")).collect();
        paths.extend(["labels.CSV", "a.mp4", "A/b/c.json"].map(String::from));
        let places = candidates(paths.iter().map(String::as_str));
        assert_eq!((places.len(), places[0], places[1]), (MOST, 100, 0));
    }

    #[test]
    fn rows_beyond_those_of_the_largest_lists_are_not_kept_and_one_sentence_says_so() {
        for (path, row) in [("a.csv", "a,b\n"), ("a.txt", "a b\n"), ("a.jsonl", "{\"id\":1}\n"), ("b.jsonl", "x\n")] {
            let text = "{\"id\":1}\n".to_string() + &row.repeat(MOST_ROWS + 9);
            let list = read(path, &text).unwrap();
            assert_eq!(list.rows.len() + list.wrong.len(), MOST_ROWS + 1, "{path}");
            assert_eq!(list.wrong.last().unwrap().1, TOO_MANY);
        }
    }

    #[test]
    fn any_text_is_read_without_a_panic() {
        for text in ["", "\n\n", "\"", ",,,\n,,", "\u{feff}", "path", "path,label", "\0\0\0", "{\"a\":{\"b\":{}}}"] {
            for path in ["a.csv", "a.tsv", "a.txt", "a.json", "a.jsonl", "a"] {
                let _ = read(path, text);
            }
        }
    }
}
