//! Settings as a file: saved from the form, and read back into it.
//!
//! Comes in: the settings, or a file. Goes out: a download, or settings in the form. A start that is not on this device
//! stays as it was, which is told.

use js_sys::Array;
use leptos::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, File, HtmlInputElement};

use super::components::notice::{Notice, Tone};
use super::export::save_file;
use super::state::AppState;
use crate::train::settings::StartFrom;

#[component]
pub fn SettingsFile() -> impl IntoView {
    let state = AppState::get();
    let told = RwSignal::new(None::<String>);
    let input: NodeRef<leptos::html::Input> = NodeRef::new();
    let save = move |_| told.set(save(state).err());
    let load = move |_| {
        let Some(file) = input.get().and_then(|input| chosen(&input)) else { return };
        leptos::task::spawn_local(async move { told.set(load(state, file).await) });
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

fn save(state: AppState) -> Result<(), String> {
    let settings = state.tuning.settings.get_untracked();
    let text = settings.to_file().map_err(|error| error.to_string())?;
    let blob = Blob::new_with_str_sequence(&Array::of1(&text.into()));
    let blob = blob.map_err(|_| "The browser could not make the file. Try again.".to_string())?;
    save_file(&blob, "cliptune-settings.json");
    Ok(())
}

/// Goes out: a sentence for the user, where there is something to tell.
async fn load(state: AppState, file: File) -> Option<String> {
    let Ok(text) = JsFuture::from(file.text()).await else {
        return Some(format!("{} cannot be read. Choose it again.", file.name()));
    };
    let text = text.as_string().unwrap_or_default();
    let before = state.tuning.settings.get_untracked();
    let mut settings = match before.with_file(&text) {
        Ok(settings) => settings,
        Err(error) => return Some(format!("{}: {error}", file.name())),
    };
    let here = |id: &String| state.checkpoints.with_untracked(|all| all.iter().any(|checkpoint| checkpoint.id == *id));
    let missing = matches!(&settings.start, StartFrom::Checkpoint(id) if !here(id));
    if missing {
        settings.start = before.start;
    }
    state.tuning.strategy_chosen.set(true);
    state.tuning.named.set(true);
    state.tuning.settings.set(settings);
    missing
        .then(|| "The checkpoint that these settings start from is not on this device. All else was taken over.".into())
}
