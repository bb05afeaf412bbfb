//! A run's numbers as CSV (RFC 4180): one file with a row for each step, one with a row for each epoch.
//!
//! Comes in: a [`RunRecord`]. Goes out: text. Each row begins with the run's name, so that the files of several runs can
//! be joined; numbers are written as they are read back, to the last bit.

use crate::train::record::RunRecord;

const STEP_COLUMNS: [&str; 7] = ["run", "step", "epoch", "loss", "accuracy", "learning_rate", "gradient_norm"];
const EPOCH_COLUMNS: [&str; 8] = [
    "run",
    "epoch",
    "step",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "validation_videos",
];

/// A row for each optimizer step.
pub fn steps_csv(record: &RunRecord) -> String {
    let rows = record.steps.iter().enumerate().map(|(index, step)| {
        [
            quoted(&record.settings.name),
            (index + 1).to_string(),
            step.epoch.to_string(),
            step.loss.to_string(),
            accuracy(record, step.accuracy),
            step.learning_rate.to_string(),
            step.gradient_norm.to_string(),
        ]
    });
    table(STEP_COLUMNS, rows)
}

/// A row for each epoch; fields of the validation are empty where the data have none.
pub fn epochs_csv(record: &RunRecord) -> String {
    let rows = record.epochs.iter().map(|report| {
        let validation = report.validation;
        [
            quoted(&record.settings.name),
            report.epoch.to_string(),
            record.steps_until(report.epoch).to_string(),
            report.train_loss.to_string(),
            accuracy(record, report.train_accuracy),
            validation.map_or_else(String::new, |validation| validation.loss.to_string()),
            validation.map_or_else(String::new, |validation| validation.accuracy.to_string()),
            validation.map_or_else(String::new, |validation| validation.videos.to_string()),
        ]
    });
    table(EPOCH_COLUMNS, rows)
}

/// Nothing where the run learnt without labels.
fn accuracy(record: &RunRecord, share: f32) -> String {
    if record.pretraining.is_some() { String::new() } else { share.to_string() }
}

fn table<const COLUMNS: usize>(head: [&str; COLUMNS], rows: impl Iterator<Item = [String; COLUMNS]>) -> String {
    let mut text = head.join(",") + "\r\n";
    for row in rows {
        text += &row.join(",");
        text += "\r\n";
    }
    text
}

/// A field, in quotes where it needs them.
fn quoted(field: &str) -> String {
    let plain = !field.contains([',', '"', '\r', '\n']) && field.trim() == field;
    if plain { field.to_string() } else { format!("\"{}\"", field.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::delimited::records;

    #[test]
    fn any_name_is_one_field_and_comes_back() {
        for name in ["My model", "", "a, \"b\"", "two\r\nlines", " spaces ", "\"", "日本, é", ",,,"] {
            let text = format!("{},1\r\n{},2\r\n", quoted(name), quoted("x"));
            let (records, open) = records(&text, ',');
            assert_eq!(open, None, "{name:?}");
            assert_eq!((records.len(), records[0].fields.len()), (2, 2), "{name:?}: {text:?}");
            assert_eq!(records[0].fields[0], name);
        }
    }
}
