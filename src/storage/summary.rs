//! `cliptune.json`: what the list of models shows of a checkpoint, beside the Hub's own files.
//!
//! Comes in: a [`CheckpointSummary`], or JSON that anybody may have written. Goes out: the other. Never reads a disk.

use serde::{Deserialize, Serialize};

use super::checkpoint::{CheckpointError, SUMMARY};
use crate::protocol::{CheckpointSummary, Evaluation};

/// The form of `cliptune.json` that this program writes.
const SUMMARY_FORMAT: u32 = 1;
/// Longer names and notes are cut: they come from files that anybody may have written.
const LONGEST_NAME: usize = 120;
const LONGEST_NOTE: usize = 4000;

/// A name without control characters and outer spaces, cut at 120 characters; none where nothing is left.
pub fn tidy_name(name: &str) -> Option<String> {
    let visible: String = name.chars().filter(|character| !character.is_control()).collect();
    let cut: String = visible.trim().chars().take(LONGEST_NAME).collect();
    let cut = cut.trim_end();
    (!cut.is_empty()).then(|| cut.to_string())
}

/// A note without control characters but its lines' ends, cut at 4000 characters.
pub fn tidy_note(note: &str) -> String {
    let visible = |character: &char| !character.is_control() || *character == '\n';
    let visible: String = note.replace("\r\n", "\n").chars().filter(visible).collect();
    visible.trim().chars().take(LONGEST_NOTE).collect()
}

#[derive(Deserialize)]
struct SummaryFormat {
    format: u32,
}

#[derive(Deserialize)]
struct SummaryFile {
    summary: CheckpointSummary,
}

#[derive(Serialize)]
struct SummaryFileRef<'a> {
    format: u32,
    summary: &'a CheckpointSummary,
}

/// `cliptune.json`. An evaluation that is not a number, which JSON cannot write, is left out.
pub fn summary_json(summary: &CheckpointSummary) -> Result<String, CheckpointError> {
    let finite =
        |evaluation: Option<Evaluation>| evaluation.filter(|it| it.loss.is_finite() && it.accuracy.is_finite());
    let mut summary = summary.clone();
    summary.validation = finite(summary.validation);
    summary.test = finite(summary.test);
    let file = SummaryFileRef { format: SUMMARY_FORMAT, summary: &summary };
    serde_json::to_string_pretty(&file).map_err(|error| CheckpointError::Summary(error.to_string()))
}

/// The summary in a `cliptune.json`.
pub fn read_summary(text: &str) -> Result<CheckpointSummary, CheckpointError> {
    let wrong = |error: serde_json::Error| CheckpointError::Summary(error.to_string());
    // The format first: a newer file need not have a summary that this program can read.
    let SummaryFormat { format } = serde_json::from_str(text).map_err(wrong)?;
    if format != SUMMARY_FORMAT {
        return Err(CheckpointError::Newer { name: SUMMARY, format });
    }
    let file: SummaryFile = serde_json::from_str(text).map_err(wrong)?;
    Ok(file.summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cut_and_cleaned_but_keeps_its_letters() {
        assert_eq!(tidy_name("  Café \u{7}日本 <script> \n").as_deref(), Some("Café 日本 <script>"));
        assert_eq!(tidy_name(" \n\t "), None);
        assert_eq!(tidy_name(&"é".repeat(500)).unwrap().chars().count(), LONGEST_NAME);
    }

    #[test]
    fn a_note_keeps_its_lines() {
        assert_eq!(tidy_note(" one\r\n\u{7}two\t<b>\n\n"), "one\ntwo<b>");
        assert_eq!(tidy_note(&"é".repeat(9000)).chars().count(), LONGEST_NOTE);
    }

    #[test]
    fn a_newer_summary_says_so_and_a_broken_one_is_named() {
        assert_eq!(
            read_summary(r#"{"format": 2, "anything": 1}"#),
            Err(CheckpointError::Newer { name: SUMMARY, format: 2 })
        );
        assert!(matches!(read_summary(r#"{"format": 1}"#), Err(CheckpointError::Summary(_))));
        assert!(matches!(read_summary("nonsense"), Err(CheckpointError::Summary(_))));
    }
}
