//! Settings as a file that people keep, send and edit.
//!
//! Comes in: settings, or a file's text with some of them. Goes out: the text, or settings. What a file leaves out stays as
//! it is; what it names and nobody knows is told, since a misspelt setting would else be none. Never reads a disk.

use serde_json::{Map, Value};

use super::TuneSettings;

/// Settings that hold others by name.
const GROUPS: [&str; 5] = ["colour_jitter", "optimization", "regularisation", "selection", "checkpointing"];

/// Why a text is no settings file; a sentence.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SettingsFileError {
    #[error("The settings file is no JSON: {0}. Save one here to see how it is written.")]
    Json(String),
    #[error("The settings file names \"{0}\", which is no setting. Correct or remove it.")]
    Unknown(String),
    #[error("A value in the settings file cannot be read: {0}.")]
    Value(String),
}

impl TuneSettings {
    /// All settings as JSON, a line each.
    pub fn to_file(&self) -> Result<String, SettingsFileError> {
        serde_json::to_string_pretty(self).map_err(|error| SettingsFileError::Value(error.to_string()))
    }

    /// These settings with those that the file has; not checked for sense, which [`Self::problems`] does.
    pub fn with_file(&self, text: &str) -> Result<Self, SettingsFileError> {
        let file: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| SettingsFileError::Json(error.to_string()))?;
        let value = |error: serde_json::Error| SettingsFileError::Value(error.to_string());
        let mut all = serde_json::to_value(self).map_err(value)?;
        for (name, new) in file {
            let old = all.get_mut(&name).ok_or_else(|| SettingsFileError::Unknown(name.clone()))?;
            match (new, old) {
                (Value::Object(new), Value::Object(old)) if GROUPS.contains(&name.as_str()) => {
                    for (inner, new) in new {
                        let unknown = || SettingsFileError::Unknown(format!("{name}.{inner}"));
                        *old.get_mut(&inner).ok_or_else(unknown)? = new;
                    }
                }
                (new, old) => *old = new,
            }
        }
        serde_json::from_value(all).map_err(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config::ModelSize;
    use crate::train::settings::{StartFrom, Strategy};

    #[test]
    fn a_file_gives_back_the_settings_that_it_was_made_of() {
        let settings = TuneSettings {
            start: StartFrom::Checkpoint("run-1".into()),
            strategy: Strategy::UnfreezeMilestones((1, 3), 2),
            learning_rate: 3.7e-5,
            ..TuneSettings::for_size(ModelSize::Tiny)
        };
        let text = settings.to_file().unwrap();
        assert_eq!(TuneSettings::for_starter().with_file(&text).unwrap(), settings);
    }

    #[test]
    fn what_a_file_leaves_out_stays_as_it_is() {
        let before = TuneSettings::for_starter();
        let text = r#"{"epochs": 3, "strategy": {"freeze_unfreeze": 1}, "optimization": {"layer_decay": 0.75}}"#;
        let after = before.with_file(text).unwrap();
        let mut expected = TuneSettings { epochs: 3, strategy: Strategy::FreezeUnfreeze(1), ..before };
        expected.optimization.layer_decay = 0.75;
        assert_eq!(after, expected);
    }

    #[test]
    fn what_is_no_setting_is_named() {
        let read = |text| TuneSettings::for_starter().with_file(text).unwrap_err().to_string();
        assert!(read(r#"{"epoch": 3}"#).contains("\"epoch\""));
        assert!(read(r#"{"optimization": {"beta": 3}}"#).contains("optimization.beta"));
        assert!(read(r#"{"epochs": "three"}"#).contains("three"));
        assert!(read(r#"{"start": {"Size": "huge"}}"#).contains("huge"));
        assert!(read("epochs: 3").contains("no JSON"));
    }
}
