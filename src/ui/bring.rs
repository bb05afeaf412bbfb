//! A model from the Hub or from this computer -> the engine, and what came of it.
//!
//! Comes in: a name, or files. Goes out: commands, and signals to draw. Reads no file itself.

use js_sys::Array;
use leptos::attr::custom::custom_attribute;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlInputElement;

use super::components::dropzone::{Dropzone, Takes};
use super::components::load_report::LoadReportList;
use super::components::notice::{Notice, Tone};
use super::folder::{self, FoundFile};
use super::hub::{EndpointField, TokenField};
use super::state::{AppState, is_hidden};
use super::transfer::{Transfer, TransferProgress};
use super::words::{counted, file_name, magnitude};
use crate::protocol::{CheckpointSummary, Command, Event, LoadReport};

/// A model that has just come.
#[derive(Clone)]
pub struct Brought {
    pub checkpoint: CheckpointSummary,
    pub report: LoadReport,
}

/// Bringing one model at a time.
#[derive(Clone, Copy)]
pub struct Bringing {
    pub transfer: Transfer,
    /// The Hub's model that was asked for last; empty where files were.
    pub asked: RwSignal<String>,
    typed: RwSignal<String>,
    brought: RwSignal<Option<Brought>>,
}

impl Bringing {
    pub fn new() -> Self {
        Self {
            transfer: Transfer::new(),
            asked: RwSignal::default(),
            typed: RwSignal::default(),
            brought: RwSignal::new(None),
        }
    }

    /// Fetches a model of the Hub; what an earlier try fetched is not fetched again.
    pub fn download(self, state: AppState, model: String) {
        self.asked.set(model.clone());
        self.typed.set(model.clone());
        let command = Command::Download { model: model.clone(), hub: state.hub.hub() };
        self.send(state, command, &Array::new(), model);
    }

    /// Hands over a zip, or the files of a model's folder.
    pub fn import(self, state: AppState, files: Vec<FoundFile>) {
        let files: Vec<FoundFile> = files.into_iter().filter(|found| !is_hidden(&found.path)).collect();
        let Some(first) = files.first() else {
            let sentence = "There are no files in what you chose. Choose a zip, or the files of a model.";
            return self.transfer.fail(sentence.into());
        };
        let what = match (files.len(), first.path.split_once('/')) {
            (1, _) => file_name(&first.path),
            (_, Some((folder, _))) => folder.to_string(),
            (count, None) => counted(count, "file", "files"),
        };
        self.asked.set(String::new());
        leptos::task::spawn_local(async move {
            let (paths, files) = folder::at_hand(files).await;
            self.send(state, Command::ImportCheckpoint { paths }, &files, what);
        });
    }

    fn send(self, state: AppState, command: Command, files: &Array, what: String) {
        self.brought.set(None);
        let job = state.engine.send(command, files, move |event, _| match event {
            Event::Transferring { file, done, total } => self.transfer.moved(file, done, total),
            Event::Added { checkpoint, report } => {
                self.typed.set(String::new());
                self.brought.set(Some(Brought { checkpoint: *checkpoint, report }));
            }
            Event::Checkpoints(checkpoints) => state.checkpoints.set(checkpoints),
            Event::Failed(sentence) => self.transfer.fail(sentence),
            Event::Done | Event::Cancelled => self.transfer.end(),
            _ => {}
        });
        self.transfer.begin(job, what);
    }
}

#[component]
pub fn BringModel() -> impl IntoView {
    let state = AppState::get();
    let transfer = state.bringing.transfer;
    let busy = Memo::new(move |_| transfer.is_running());
    view! {
        <section class="models-part" aria-labelledby="bring-title">
            <h2 id="bring-title">"Bring a model"</h2>
            <div class="card bring">
                <div class="bring-from">
                    <HubForm busy/>
                    <Dropzone takes=Takes::Model testid="import-checkpoint" label="Choose files" disabled=busy
                        title="Or from this computer" text="A zip, or a model’s files or folder: config.json and its weights, as safetensors or pytorch_model.bin.">
                        <FolderButton busy/>
                    </Dropzone>
                </div>
                <Outcome/>
            </div>
        </section>
    }
}

#[component]
fn HubForm(busy: Memo<bool>) -> impl IntoView {
    let state = AppState::get();
    let typed = state.bringing.typed;
    let blocked = Memo::new(move |_| busy.get() || typed.with(|typed| typed.trim().is_empty()));
    let download = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let model = typed.get_untracked().trim().to_string();
        if !model.is_empty() && !busy.get_untracked() {
            state.bringing.download(state, model);
        }
    };
    view! {
        <form class="hub-form" on:submit=download>
            <div class="field">
                <label for="hub-model">"From the Hugging Face Hub"</label>
                <div class="field-row">
                    <input id="hub-model" type="text" autocomplete="off" autocapitalize="off" spellcheck="false" data-testid="hub-model"
                        placeholder="MCG-NJU/videomae-small-finetuned-kinetics" aria-describedby="hub-model-hint"
                        prop:value=typed on:input=move |event| typed.set(event_target_value(&event))/>
                    <button type="submit" class="primary" data-testid="hub-download" disabled=blocked>"Download"</button>
                </div>
                <p class="hint" id="hub-model-hint">"A VideoMAE model’s name, its name@revision, or its page’s address. It is kept on this device."</p>
            </div>
            <details class="more">
                <summary data-testid="hub-more">"More"</summary>
                <div class="hub-fields">
                    <EndpointField/>
                    <TokenField id="hub-token" hint="Only for gated or private models. It stays in memory and goes nowhere but to the Hub."/>
                </div>
            </details>
        </form>
    }
}

/// Chooses a model's folder, which a chooser of files cannot.
#[component]
fn FolderButton(busy: Memo<bool>) -> impl IntoView {
    let state = AppState::get();
    let input = NodeRef::<leptos::html::Input>::new();
    let choose = move |_| {
        if folder::has_picker() {
            leptos::task::spawn_local(async move {
                if let Some(files) = folder::pick(&|_| {}).await {
                    state.bringing.import(state, files);
                }
            });
        } else if let Some(input) = input.get_untracked() {
            input.click();
        }
    };
    view! {
        <button type="button" class="link" disabled=busy on:click=choose>"Choose a folder"</button>
        <input node_ref=input class="hidden-input" disabled=busy data-testid="import-model-folder" type="file" multiple=true tabindex="-1" aria-hidden="true"
                {..custom_attribute("webkitdirectory", true)}
            on:change=move |event| {
                if let Some(input) = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok()) {
                    leptos::task::spawn_local(async move { state.bringing.import(state, folder::chosen(&input, &|_| {}).await) });
                }
            }/>
    }
}

/// How far it is, or what came of it.
#[component]
fn Outcome() -> impl IntoView {
    let state = AppState::get();
    let Bringing { transfer, asked, brought, .. } = state.bringing;
    let failure = Signal::derive(move || transfer.failure());
    let can_try_again = Memo::new(move |_| failure.get().is_some() && asked.with(|asked| !asked.is_empty()));
    let welcome = Signal::derive(move || brought.with(|brought| brought.as_ref().map(welcome)));
    view! {
        <div class="bring-outcome">
            <TransferProgress transfer testid="bring-progress"/>
            <Notice tone=Tone::Error text=failure on_close=Callback::new(move |()| transfer.end())/>
            {move || can_try_again.get().then(|| view! {
                <button type="button" class="secondary small" data-testid="download-again"
                    on:click=move |_| state.bringing.download(state, asked.get_untracked())>"Download again"</button>
            })}
            <Notice tone=Tone::Good text=welcome on_close=Callback::new(move |()| brought.set(None))/>
            {move || brought.get().map(|Brought { checkpoint, report }| view! {
                <LoadReportList report has_classifier=!checkpoint.labels.is_empty()/>
            })}
        </div>
    }
}

fn welcome(Brought { checkpoint, .. }: &Brought) -> String {
    let classes = match checkpoint.labels.len() {
        0 => "no classifier yet".into(),
        count => counted(count, "class", "classes"),
    };
    format!("“{}” is here: {} weights, {classes}.", checkpoint.name, magnitude(checkpoint.parameters))
}
