//! A checkpoint on its way out: a zip for this computer, or a push to the Hub.
//!
//! Comes in: a checkpoint, and how its weights are to be written. Goes out: a saved file, or the address of what was
//! pushed. Both outlive the dialog that began them.

use js_sys::Array;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, HtmlAnchorElement, Url};

use super::components::dialog::Dialog;
use super::components::notice::{Notice, Tone};
use super::hub::TokenField;
use super::origin::licence;
use super::state::AppState;
use super::transfer::{Transfer, TransferProgress};
use super::words::size;
use crate::protocol::{CheckpointSummary, Command, Event, Numbers};

#[derive(Clone, Copy)]
pub struct Exporting {
    /// Whose dialog is open.
    pub dialog: RwSignal<Option<CheckpointSummary>>,
    zip: Transfer,
    push: Transfer,
    /// What was pushed last, and where it can be seen.
    pushed: RwSignal<Option<(String, String)>>,
    repository: RwSignal<String>,
    private: RwSignal<bool>,
    numbers: RwSignal<Numbers>,
}

impl Exporting {
    pub fn new() -> Self {
        Self {
            dialog: RwSignal::new(None),
            zip: Transfer::new(),
            push: Transfer::new(),
            pushed: RwSignal::new(None),
            repository: RwSignal::default(),
            private: RwSignal::new(true),
            numbers: RwSignal::default(),
        }
    }

    pub fn open(self, checkpoint: CheckpointSummary) {
        self.zip.forget_failure();
        self.push.forget_failure();
        self.dialog.set(Some(checkpoint));
    }

    /// Writes the zip and hands it to the browser's downloads.
    fn save(self, state: AppState, CheckpointSummary { id, name, .. }: CheckpointSummary) {
        let command = Command::ExportCheckpoint { id, numbers: self.numbers.get_untracked() };
        let job = state.engine.send(command, &Array::new(), move |event, attachments| match event {
            Event::Transferring { file, done, total } => self.zip.moved(file, done, total),
            Event::Exported { file_name } => {
                save_file(&attachments.get(0), &file_name);
                self.dialog.set(None);
            }
            Event::Failed(sentence) => self.zip.fail(sentence),
            Event::Done | Event::Cancelled => self.zip.end(),
            _ => {}
        });
        self.zip.begin(job, format!("Writing “{name}”"));
    }

    fn push(self, state: AppState, CheckpointSummary { id, name, .. }: CheckpointSummary) {
        let repository = self.repository.get_untracked().trim().to_string();
        let title = format!("Pushing “{name}” to {repository}");
        let command = Command::Push {
            id,
            numbers: self.numbers.get_untracked(),
            repository,
            private: self.private.get_untracked(),
            hub: state.hub.hub(),
        };
        self.pushed.set(None);
        let job = state.engine.send(command, &Array::new(), move |event, _| match event {
            Event::Transferring { file, done, total } => self.push.moved(file, done, total),
            Event::Pushed { address } => self.pushed.set(Some((name.clone(), address))),
            Event::Failed(sentence) => self.push.fail(sentence),
            Event::Done | Event::Cancelled => self.push.end(),
            _ => {}
        });
        self.push.begin(job, title);
    }
}

/// How a push goes; in the dialog, and on the page where the dialog was closed.
#[component]
pub fn PushStatus() -> impl IntoView {
    let Exporting { push, pushed, .. } = AppState::get().exporting;
    let done = move || pushed.get().map(|(name, _)| format!("“{name}” is on the Hub: "));
    let address = Signal::derive(move || pushed.get().map(|(_, address)| address));
    view! {
        <TransferProgress transfer=push testid="push-progress"/>
        <Notice tone=Tone::Error text=Signal::derive(move || push.failure()) on_close=Callback::new(move |()| push.end())/>
        <Notice tone=Tone::Good text=Signal::derive(done) link=address on_close=Callback::new(move |()| pushed.set(None))/>
    }
}

#[component]
pub fn ExportDialog() -> impl IntoView {
    let exporting = AppState::get().exporting;
    let dialog = exporting.dialog;
    let title = Signal::derive(move || {
        dialog.with(|open| open.as_ref().map_or(String::new(), |checkpoint| format!("Export “{}”", checkpoint.name)))
    });
    view! {
        <Dialog open=Signal::derive(move || dialog.with(Option::is_some)) on_close=Callback::new(move |()| dialog.set(None)) title>
            {move || dialog.get().map(|checkpoint| view! {
                <NumbersChoice bytes=checkpoint.bytes as u64/>
                {checkpoint.origin.licence.as_deref().map(|id| view! {
                    <p class="hint">{licence(id)}". The licence goes with the export."</p>
                })}
                <ZipPart checkpoint=checkpoint.clone()/>
                <PushPart checkpoint/>
            })}
        </Dialog>
    }
}

#[component]
fn NumbersChoice(bytes: u64) -> impl IntoView {
    let chosen = AppState::get().exporting.numbers;
    let choice = move |numbers: Numbers, testid: &'static str, name: &'static str, about: String| {
        view! {
            <label class="check">
                <input type="radio" name="numbers" data-testid=testid prop:checked=move || chosen.get() == numbers
                    on:change=move |_| chosen.set(numbers)/>
                <span>{name}<span class="quiet figures">{about}</span></span>
            </label>
        }
    };
    view! {
        <fieldset class="numbers">
            <legend class="visually-hidden">"How the weights are written"</legend>
            {choice(Numbers::F32, "numbers-f32", "32-bit floats", format!(" · about {}", size(bytes)))}
            {choice(Numbers::F16, "numbers-f16", "16-bit floats", format!(" · about {}", size(bytes / 2)))}
        </fieldset>
    }
}

#[component]
fn ZipPart(checkpoint: CheckpointSummary) -> impl IntoView {
    let state = AppState::get();
    let zip = state.exporting.zip;
    let running = Memo::new(move |_| zip.is_running());
    view! {
        <Notice tone=Tone::Error text=Signal::derive(move || zip.failure())/>
        <TransferProgress transfer=zip testid="export-progress"/>
        <div class:none=running>
            <button type="button" class="primary" data-testid="export-zip" on:click=move |_| state.exporting.save(state, checkpoint.clone())>"Save as a zip"</button>
            <p class="hint">"In the Hub’s layout: it opens in Python’s transformers as it is, and here again."</p>
        </div>
    }
}

#[component]
fn PushPart(checkpoint: CheckpointSummary) -> impl IntoView {
    let state = AppState::get();
    let Exporting { push, pushed, repository, private, .. } = state.exporting;
    let busy = Memo::new(move |_| push.is_running());
    let named = move || {
        repository.with(|repository| {
            repository.trim().split_once('/').is_some_and(|(owner, name)| !owner.is_empty() && !name.is_empty())
        })
    };
    // What is under way, or what came of it, takes the fields’ place.
    let away = Memo::new(move |_| busy.get() || pushed.with(Option::is_some));
    let unready = Memo::new(move |_| busy.get() || !named() || !state.hub.has_token());
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if !unready.get_untracked() {
            state.exporting.push(state, checkpoint.clone());
        }
    };
    // Open where there is something to see in it.
    let open = untrack(|| push.is_running());
    view! {
        <details class="push" open=open>
            <summary data-testid="push-open">"Push to the Hub"</summary>
            <form on:submit=submit>
                <div class="push-fields" class:none=away>
                    <div class="field">
                        <label for="push-repository">"Repository"</label>
                        <input id="push-repository" type="text" autocomplete="off" autocapitalize="off" spellcheck="false" data-testid="push-repository"
                            placeholder="your-name/your-model" aria-describedby="push-repository-hint"
                            prop:value=repository on:input=move |event| repository.set(event_target_value(&event))/>
                        <p class="hint" id="push-repository-hint">"owner/name. It is made where there is none."</p>
                    </div>
                    <label class="check">
                        <input type="checkbox" data-testid="push-private" prop:checked=private
                            on:change=move |event| private.set(event_target_checked(&event))/>
                        <span>"Private: only you can see it"</span>
                    </label>
                    <TokenField id="push-token" hint="One that may write. It stays in memory and goes nowhere but to the Hub."/>
                </div>
                <PushStatus/>
                <button type="submit" class="secondary" class:none=away data-testid="push" disabled=unready>"Push"</button>
            </form>
        </details>
    }
}

/// Hands a blob to the browser's downloads.
pub fn save_file(blob: &JsValue, file_name: &str) {
    let Some(blob) = blob.dyn_ref::<Blob>() else { return };
    let Ok(address) = Url::create_object_url_with_blob(blob) else { return };
    if let Ok(anchor) = document().create_element("a") {
        let anchor: HtmlAnchorElement = anchor.unchecked_into();
        anchor.set_href(&address);
        anchor.set_download(file_name);
        anchor.click();
    }
    // The download reads the blob after this.
    gloo_timers::callback::Timeout::new(60_000, move || _ = Url::revoke_object_url(&address)).forget();
}
