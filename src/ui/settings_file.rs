//! Settings as a file: saved from the form, and read back into it.
//!
//! Comes in: the settings, or a file. Goes out: a download, or settings in the form. A start that is not on this device
//! stays as it was, which is told. The engine writes and reads the file.

use js_sys::Array;
use leptos::prelude::*;
use web_sys::{File, HtmlInputElement};

use super::components::notice::{Notice, Tone};
use super::export::save_file;
use super::state::AppState;
use crate::protocol::{Command, Event};
use crate::train::settings::{StartFrom, TuneSettings};

#[component]
pub fn SettingsFile() -> impl IntoView {
    let state = AppState::get();
    let told = RwSignal::new(None::<String>);
    let input: NodeRef<leptos::html::Input> = NodeRef::new();
    let ask = move |command: Command, files: &Array| {
        told.set(None);
        state.engine.send(command, files, move |event, attachments| match event {
            Event::Exported { file_name } => save_file(&attachments.get(0), &file_name),
            Event::Settings(settings) => told.set(take_over(state, *settings)),
            Event::Failed(sentence) => told.set(Some(sentence)),
            _ => {}
        });
    };
    let settings = move || state.tuning.settings.get_untracked();
    let save = move |_| ask(Command::WriteSettings { settings: settings() }, &Array::new());
    let load = move |_| {
        if let Some(file) = input.get().and_then(|input| chosen(&input)) {
            ask(Command::ReadSettings { settings: settings() }, &Array::of1(&file));
        }
    };
    view! {
        <div class="actions settings-file">
            <button type="button" class="secondary" data-testid="save-settings" on:click=save>"Save these settings"</button>
            <button type="button" class="secondary" on:click=move |_| _ = input.get().map(|input| input.click())>"Load settings"</button>
            <input node_ref=input class="hidden-input" data-testid="load-settings" type="file" accept=".json,application/json" tabindex="-1" aria-hidden="true"
                on:change=load/>
        </div>
        <Notice tone=Tone::Warning text=told/>
    }
}

/// The file that was chosen; the input is emptied, so that the same can be chosen again.
fn chosen(input: &HtmlInputElement) -> Option<File> {
    let file = input.files()?.get(0);
    input.set_value("");
    file
}

/// Goes out: a sentence for the user, where there is something to tell.
pub fn take_over(state: AppState, mut settings: TuneSettings) -> Option<String> {
    let here = |id: &String| state.checkpoints.with_untracked(|all| all.iter().any(|checkpoint| checkpoint.id == *id));
    let missing = matches!(&settings.start, StartFrom::Checkpoint(id) if !here(id));
    if missing {
        settings.start = state.tuning.settings.with_untracked(|before| before.start.clone());
    }
    state.tuning.strategy_chosen.set(true);
    state.tuning.named.set(true);
    state.tuning.settings.set(settings);
    missing
        .then(|| "The checkpoint that these settings start from is not on this device. All else was taken over.".into())
}
