//! Settings as a file, both ways: the page has no JSON of its own.
//!
//! Comes in: settings, or a file with some. Goes out: the other, as a report. Never checks their sense.

use js_sys::Array;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, File};

use super::{Engine, Outcome, sentence};
use crate::protocol::{Event, JobId};
use crate::train::settings::TuneSettings;

impl Engine {
    pub(super) fn write_settings(&self, job: JobId, settings: &TuneSettings) -> Outcome {
        let text = settings.to_file().map_err(sentence)?;
        let blob = Blob::new_with_str_sequence(&Array::of1(&text.into()))
            .map_err(|_| "The browser could not make the settings file. Try again.")?;
        self.report_with(job, Event::Exported { file_name: "cliptune-settings.json".into() }, &Array::of1(&blob));
        Ok(())
    }

    pub(super) async fn read_settings(&self, job: JobId, settings: &TuneSettings, files: Vec<Option<File>>) -> Outcome {
        let file = files.into_iter().flatten().next().ok_or("No file came with the request. Choose it again.")?;
        let text = JsFuture::from(file.text()).await.ok().and_then(|text| text.as_string());
        let text = text.ok_or_else(|| format!("{} cannot be read. Choose it again.", file.name()))?;
        let settings = settings.with_file(&text).map_err(|error| format!("{}: {error}", file.name()))?;
        self.report(job, Event::Settings(Box::new(settings)));
        Ok(())
    }
}
