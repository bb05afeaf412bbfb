//! Names -> labels and groups, by a pattern that a user writes, such as `v_{label}_g{group}_c#`.
//!
//! Comes in: a pattern and paths. Goes out: what `{label}` and `{group}` stand for in each. `#` is a number, `*` is
//! anything or nothing, every other letter is itself. A pattern is held against the file's name without its ending,
//! and one with a `/` against the folders before it, too. No regular expressions: their engine weighs more than this
//! page's whole reading of folders, and their patterns can be slow.

/// Longer patterns and names are refused: matching takes time with the square of a name's length.
const LONGEST: usize = 400;

/// A pattern that can be held against paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pieces: Vec<Piece>,
    /// Folders before the name that it speaks of.
    folders: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Label,
    Group,
    Number,
    Anything,
}

/// What a path told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told<'a> {
    pub label: Option<&'a str>,
    pub group: Option<&'a str>,
}

/// Why a pattern cannot be used; a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("The pattern is longer than {LONGEST} letters. Write a shorter one.")]
    TooLong,
    #[error("The pattern has {0} twice. Write * for one of them.")]
    Twice(&'static str),
    #[error("“{{{0}}}” means nothing here: write {{label}}, {{group}}, # for a number or * for anything.")]
    Unknown(String),
    #[error("Write {0} where it stands in the names, such as {1}.")]
    Lacks(&'static str, &'static str),
}

impl Pattern {
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > LONGEST {
            return Err(PatternError::TooLong);
        }
        let mut pieces: Vec<Piece> = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let (piece, length) = match first {
                '*' => (Piece::Anything, 1),
                '#' => (Piece::Number, 1),
                '{' => match rest.split_once('}') {
                    Some(("{label", _)) => (Piece::Label, "{label}".len()),
                    Some(("{group", _)) => (Piece::Group, "{group}".len()),
                    Some((other, _)) => return Err(PatternError::Unknown(other.trim_start_matches('{').to_string())),
                    None => return Err(PatternError::Unknown(rest.trim_start_matches('{').to_string())),
                },
                letter => (Piece::Text(letter.to_string()), letter.len_utf8()),
            };
            rest = rest.get(length..).unwrap_or_default();
            match (pieces.last_mut(), piece) {
                (Some(Piece::Text(text)), Piece::Text(letter)) => text.push_str(&letter),
                (Some(Piece::Anything), Piece::Anything) => {}
                (_, piece) => pieces.push(piece),
            }
        }
        for (piece, name) in [(Piece::Label, "{label}"), (Piece::Group, "{group}")] {
            if pieces.iter().filter(|other| **other == piece).count() > 1 {
                return Err(PatternError::Twice(name));
            }
        }
        Ok(Self { pieces, folders: text.matches('/').count() })
    }

    /// One that tells labels.
    pub fn of_labels(text: &str) -> Result<Self, PatternError> {
        let pattern = Self::parse(text)?;
        let has = pattern.pieces.contains(&Piece::Label);
        if has { Ok(pattern) } else { Err(PatternError::Lacks("{label}", "{label}_#")) }
    }

    /// One that tells groups.
    pub fn of_groups(text: &str) -> Result<Self, PatternError> {
        let pattern = Self::parse(text)?;
        if pattern.tells_groups() { Ok(pattern) } else { Err(PatternError::Lacks("{group}", "*_g{group}_*")) }
    }

    pub fn tells_groups(&self) -> bool {
        self.pieces.contains(&Piece::Group)
    }

    /// What the path tells. None where it does not fit.
    pub fn read<'a>(&self, path: &'a str) -> Option<Told<'a>> {
        let tail = tail(path, self.folders)?;
        if tail.len() > LONGEST {
            return None;
        }
        let mut matching = Matching {
            name: tail,
            pieces: &self.pieces,
            failed: vec![false; (self.pieces.len() + 1) * (tail.len() + 1)],
        };
        let mut told = Told::default();
        matching.fits(0, 0, &mut told).then_some(told)
    }
}

/// The path's name without its ending, with so many of the folders before it.
fn tail(path: &str, folders: usize) -> Option<&str> {
    let mut start = path.len();
    for _ in 0..=folders {
        // Asked for more folders than there are.
        let before = path.get(..start.checked_sub(usize::from(start < path.len()))?)?;
        start = before.rfind('/').map_or(0, |slash| slash + 1);
        if start == 0 && before.is_empty() {
            return None;
        }
    }
    if path.get(start..)?.matches('/').count() != folders {
        return None;
    }
    let tail = path.get(start..)?;
    let name = tail.rfind('/').map_or(0, |slash| slash + 1);
    match tail.rfind('.') {
        Some(dot) if dot > name => tail.get(..dot),
        _ => Some(tail),
    }
}

/// One name held against one pattern. What failed once is not tried again.
struct Matching<'a, 'b> {
    name: &'a str,
    pieces: &'b [Piece],
    failed: Vec<bool>,
}

impl<'a> Matching<'a, '_> {
    /// Whether the pieces from `piece` on fit the name from `start` on. A label is as long as it can be, because names
    /// of classes have underscores, too; everything else is as short as it can be.
    fn fits(&mut self, piece: usize, start: usize, told: &mut Told<'a>) -> bool {
        let place = piece * (self.name.len() + 1) + start;
        if self.failed.get(place).copied().unwrap_or(true) {
            return false;
        }
        let name = self.name;
        let rest = name.get(start..).unwrap_or_default();
        let pieces = self.pieces;
        let fits = match pieces.get(piece) {
            None => rest.is_empty(),
            Some(Piece::Text(text)) => {
                rest.starts_with(text.as_str()) && self.fits(piece + 1, start + text.len(), told)
            }
            Some(Piece::Number) => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                let begins =
                    !name.get(..start).is_some_and(|before| before.ends_with(|letter: char| letter.is_ascii_digit()));
                digits > 0 && begins && self.fits(piece + 1, start + digits, told)
            }
            Some(Piece::Anything) => (start..=name.len()).any(|end| self.fits_until(piece, end, told)),
            Some(Piece::Group) => (start + 1..=name.len()).any(|end| {
                let fits = self.fits_until(piece, end, told);
                if fits {
                    told.group = name.get(start..end);
                }
                fits
            }),
            Some(Piece::Label) => (start + 1..=name.len()).rev().any(|end| {
                let fits = self.fits_until(piece, end, told);
                if fits {
                    told.label = name.get(start..end);
                }
                fits
            }),
        };
        if !fits && let Some(failed) = self.failed.get_mut(place) {
            *failed = true;
        }
        fits
    }

    /// Whether the pieces after `piece` fit, where it ends at `end`.
    fn fits_until(&mut self, piece: usize, end: usize, told: &mut Told<'a>) -> bool {
        self.name.is_char_boundary(end) && self.fits(piece + 1, end, told)
    }
}

/// Patterns that people's names of files follow, the most telling first.
const USUAL: [&str; 10] = [
    "v_{label}_g{group}_c#",
    "{label}_g{group}_*",
    "{label}_#",
    "{label}-#",
    "{label} (#)",
    "{label} #",
    "{label}#",
    "#_{label}",
    "{label}_*",
    "{label}-*",
];

/// Names that are looked at for a proposal.
const LOOKED_AT: usize = 500;
/// The share of the names that a proposal has to fit.
const FITTING: f64 = 0.8;

/// The first usual pattern that most of these names follow, where it tells two labels at least, of two files each.
pub fn propose(paths: &[&str]) -> Option<&'static str> {
    let every = paths.len().div_ceil(LOOKED_AT).max(1);
    let looked_at: Vec<&str> = paths.iter().step_by(every).copied().collect();
    let labels_by = |text: &str| -> Vec<&str> {
        let Ok(pattern) = Pattern::of_labels(text) else { return Vec::new() };
        looked_at.iter().filter_map(|path| pattern.read(path)?.label).collect()
    };
    let mut read = USUAL.into_iter().map(|text| (text, labels_by(text)));
    let (text, labels) =
        read.find(|(_, labels)| !labels.is_empty() && labels.len() as f64 >= FITTING * looked_at.len() as f64)?;
    let distinct: std::collections::BTreeSet<&str> = labels.iter().copied().collect();
    (distinct.len() >= 2 && distinct.len() * 2 <= labels.len()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<'a>(pattern: &str, path: &'a str) -> Option<(&'a str, &'a str)> {
        let told = Pattern::parse(pattern).unwrap().read(path)?;
        Some((told.label.unwrap_or(""), told.group.unwrap_or("")))
    }

    #[test]
    fn labels_and_groups_are_read_from_names_as_people_write_them() {
        assert_eq!(told("v_{label}_g{group}_c#", "v_SpinLeft_g03_c01.avi"), Some(("SpinLeft", "03")));
        assert_eq!(told("v_{label}_g{group}_c#", "x/v_playing_guitar_g01_c02.avi"), Some(("playing_guitar", "01")));
        assert_eq!(told("{label}_#", "brush_hair_007.mp4"), Some(("brush_hair", "")));
        assert_eq!(told("{label}#", "jump12.mp4"), Some(("jump", "")));
        assert_eq!(told("{label} (#)", "star jump (3).mov"), Some(("star jump", "")));
        assert_eq!(told("#_{label}", "0001_wave.mp4"), Some(("wave", "")));
        assert_eq!(told("{group}_{label}_*", "person01_boxing_d1_uncomp.avi"), Some(("boxing_d1", "person01")));
        assert_eq!(told("{group}_{label}_d#_*", "person01_boxing_d1_uncomp.avi"), Some(("boxing", "person01")));
        assert_eq!(told("{label}", "Grüße 🎬.mp4"), Some(("Grüße 🎬", "")));
    }

    #[test]
    fn a_slash_brings_the_folders_in() {
        assert_eq!(told("{group}/*", "top/anna/jump/1.mp4"), Some(("", "jump")));
        assert_eq!(told("{group}/{label}/#", "top/anna/jump/1.mp4"), Some(("jump", "anna")));
        assert_eq!(told("{group}/{label}/#", "jump/1.mp4"), None);
        assert_eq!(told("{label}/*", "1.mp4"), None);
    }

    #[test]
    fn what_does_not_fit_tells_nothing() {
        assert_eq!(told("{label}_#", "jump.mp4"), None);
        assert_eq!(told("{label}_#", "_1.mp4"), None);
        assert_eq!(told("{label}_#", "a_1b.mp4"), None);
        assert_eq!(told("*", ""), None);
        assert_eq!(told("a1#", "a12.mp4"), None, "a number is a whole run of digits");
    }

    #[test]
    fn a_pattern_that_cannot_be_used_is_refused_with_a_sentence() {
        let says = |result: Result<Pattern, PatternError>| result.unwrap_err().to_string();
        assert!(says(Pattern::parse("{class}_#")).contains("{class}"));
        assert!(says(Pattern::parse("{label")).contains("means nothing"));
        assert!(says(Pattern::parse("{label}_{label}")).contains("twice"));
        assert!(says(Pattern::of_labels("*_#")).contains("Write {label}"));
        assert!(says(Pattern::of_groups("{label}")).contains("Write {group}"));
        assert!(says(Pattern::parse(&"a".repeat(LONGEST + 1))).contains("shorter"));
    }

    #[test]
    fn a_pattern_of_many_wildcards_is_decided_in_bounded_time() {
        let pattern = "*a".repeat(190) + "b";
        let name = "a".repeat(LONGEST);
        assert_eq!(Pattern::parse(&pattern).unwrap().read(&name), None);
    }

    #[test]
    fn the_usual_patterns_are_proposed_for_the_names_that_follow_them() {
        let of = |names: &[String]| propose(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let named = |make: fn(&str, usize) -> String| -> Vec<String> {
            ["jump", "brush_hair"].iter().flat_map(|label| (1..6).map(|n| make(label, n))).collect()
        };
        assert_eq!(of(&named(|label, n| format!("v_{label}_g{n:02}_c01.avi"))), Some("v_{label}_g{group}_c#"));
        assert_eq!(of(&named(|label, n| format!("{label}_{n:03}.mp4"))), Some("{label}_#"));
        assert_eq!(of(&named(|label, n| format!("{label} ({n}).mp4"))), Some("{label} (#)"));
        assert_eq!(of(&named(|label, n| format!("{label}{n}.mp4"))), Some("{label}#"));
        assert_eq!(of(&named(|label, n| format!("{n}_{label}.mp4"))), Some("#_{label}"));
        assert_eq!(of(&named(|_, n| format!("IMG_{n}.mov"))), None, "one label is none");
        assert_eq!(
            of(&named(|_, n| format!("v_jump_g{:02}_c{n:02}.avi", n / 2))),
            None,
            "its recordings are no labels"
        );
        assert_eq!(of(&["wave.mp4".into(), "clap.mp4".into()]), None);
        assert_eq!(of(&[]), None);
    }
}
