//! Text with delimiters (CSV, RFC 4180) -> its records.
//!
//! Comes in: text. Goes out: fields, each record with the line that it begins on. Reads what spreadsheets write: quoted
//! fields with delimiters, line breaks and doubled quotes in them, and any kind of line break. Knows no columns.

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// From 1.
    pub line: usize,
    pub fields: Vec<String>,
}

/// A quote that opens on this line and never closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenQuote {
    pub line: usize,
}

/// Of a record, so many fields are kept, and of a field so many bytes: no path is longer, and no list has more columns.
const MOST_FIELDS: usize = 64;
const LONGEST_FIELD: usize = 4096;

/// Hands over the records in their order, one at a time; empty lines are none. What comes before a quote that never
/// closes is kept.
pub fn read_records(text: &str, delimiter: char, mut take: impl FnMut(Record)) -> Option<OpenQuote> {
    let mut record = Record { line: 1, fields: Vec::new() };
    let mut field = String::new();
    let mut line = 1;
    let mut quoted_since = None;
    let mut letters = text.chars().peekable();
    let end_field = |record: &mut Record, field: &mut String| {
        if record.fields.len() < MOST_FIELDS {
            record.fields.push(field.clone());
        }
        field.clear();
    };
    let add = |field: &mut String, letter: char| {
        if field.len() < LONGEST_FIELD {
            field.push(letter);
        }
    };
    let mut end = |record: &mut Record, field: &mut String, next_line: usize| {
        end_field(record, field);
        let fields = std::mem::take(&mut record.fields);
        if fields.iter().any(|field| !field.trim().is_empty()) {
            take(Record { line: record.line, fields });
        }
        record.line = next_line;
    };
    while let Some(letter) = letters.next() {
        let breaks = letter == '\n' || (letter == '\r' && letters.peek() != Some(&'\n'));
        line += usize::from(breaks);
        match letter {
            '"' if quoted_since.is_some() => {
                if letters.next_if_eq(&'"').is_some() {
                    add(&mut field, '"');
                } else {
                    quoted_since = None;
                }
            }
            letter if quoted_since.is_some() => add(&mut field, letter),
            '"' if field.trim().is_empty() => {
                field.clear();
                quoted_since = Some(line);
            }
            '\r' if !breaks => {}
            _ if breaks => end(&mut record, &mut field, line),
            letter if letter == delimiter => end_field(&mut record, &mut field),
            letter => add(&mut field, letter),
        }
    }
    if quoted_since.is_none() {
        end(&mut record, &mut field, line);
    }
    quoted_since.map(|line| OpenQuote { line })
}

/// All of them at once, for tests.
#[cfg(test)]
pub fn records(text: &str, delimiter: char) -> (Vec<Record>, Option<OpenQuote>) {
    let mut records = Vec::new();
    let open = read_records(text, delimiter, |record| records.push(record));
    (records, open)
}

/// The delimiter of a text: the one that its first line has most of.
pub fn delimiter(text: &str) -> Option<char> {
    let first = text.lines().find(|line| !line.trim().is_empty())?;
    let count = |delimiter: &char| first.matches(*delimiter).count();
    [',', '\t', ';'].into_iter().rev().max_by_key(count).filter(|delimiter| count(delimiter) > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, Vec<String>)> {
        records(text, ',').0.into_iter().map(|record| (record.line, record.fields)).collect()
    }

    fn record(line: usize, fields: &[&str]) -> (usize, Vec<String>) {
        (line, fields.iter().map(|field| field.to_string()).collect())
    }

    #[test]
    fn every_form_of_rfc_4180_is_read_with_its_line() {
        assert_eq!(read("a,b\r\nc,d\r\n"), [record(1, &["a", "b"]), record(2, &["c", "d"])]);
        assert_eq!(read("a,\"b, \"\"c\"\"\"\nd,e"), [record(1, &["a", "b, \"c\""]), record(2, &["d", "e"])]);
        assert_eq!(read("a,\"two\nlines\"\nb,c"), [record(1, &["a", "two\nlines"]), record(3, &["b", "c"])]);
        assert_eq!(read("a,,\n\n,\nb\rc"), [record(1, &["a", "", ""]), record(4, &["b"]), record(5, &["c"])]);
        assert_eq!(read("x \"y\", \"z\""), [record(1, &["x \"y\"", "z"])]);
        assert_eq!(read(""), []);
    }

    #[test]
    fn a_quote_that_never_closes_is_told_and_what_came_before_is_kept() {
        let (kept, open) = records("a,b\n\"c,d\ne,f\n", ',');
        assert_eq!((kept.len(), open), (1, Some(OpenQuote { line: 2 })));
    }

    #[test]
    fn of_what_no_list_has_a_part_is_kept() {
        let (kept, _) = records(&format!("{}\n{}", ",x".repeat(1 << 20), "y".repeat(1 << 20)), ',');
        assert_eq!((kept[0].fields.len(), kept[1].fields[0].len()), (MOST_FIELDS, LONGEST_FIELD));
    }

    #[test]
    fn the_delimiter_is_the_one_that_the_first_line_has_most_of() {
        assert_eq!(delimiter("path,label\n"), Some(','));
        assert_eq!(delimiter("\na, b\tc\td"), Some('\t'));
        assert_eq!(delimiter("path;label"), Some(';'));
        assert_eq!(delimiter("clip.mp4 3"), None);
        assert_eq!(delimiter(""), None);
    }
}
