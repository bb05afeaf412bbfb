//! The checkpoints on this device: open, rename, export, delete, import.

use js_sys::Array;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, DragEvent, HtmlAnchorElement, HtmlInputElement, Url};

use super::classify::listed;
use super::components::dialog::Dialog;
use super::components::notice::{Notice, Tone};
use super::folder::{self, FoundFile};
use super::state::{AppState, View};
use super::tune_settings::epoch;
use super::words::{counted, date, magnitude, percent, size};
use crate::protocol::{CheckpointSummary, Command};

#[component]
pub fn ModelsView() -> impl IntoView {
    let state = AppState::get();
    let runs = Memo::new(move |_| state.checkpoints.with(|checkpoints| by_run(checkpoints)));
    let deleting = RwSignal::new(None::<CheckpointSummary>);
    view! {
        <section class="page" aria-labelledby="models-title">
            <div class="intro compact row between">
                <h1 id="models-title">"Models"</h1>
                <ImportButton/>
            </div>
            {move || state.models_notice.get().map(|sentence| view! {
                <Notice tone=Tone::Error text=sentence on_close=Callback::new(move |()| state.models_notice.set(None))/>
            })}
            {move || if runs.with(Vec::is_empty) {
                view! { <NoModels/> }.into_any()
            } else {
                runs.get().into_iter().map(|run| view! { <Run checkpoints=run deleting/> }).collect_view().into_any()
            }}
            <DeleteDialog deleting/>
        </section>
    }
}

/// Keeps the order, newest first, and puts the checkpoints of one run together.
fn by_run(checkpoints: &[CheckpointSummary]) -> Vec<Vec<CheckpointSummary>> {
    let mut runs: Vec<Vec<CheckpointSummary>> = Vec::new();
    for checkpoint in checkpoints {
        let run = runs.iter_mut().find(|run| run.first().is_some_and(|first| first.run == checkpoint.run));
        match run {
            Some(run) => run.push(checkpoint.clone()),
            None => runs.push(vec![checkpoint.clone()]),
        }
    }
    runs
}

#[component]
fn NoModels() -> impl IntoView {
    let state = AppState::get();
    move || {
        if state.models_busy.get() {
            view! { <div class="card empty"><p class="quiet">"Looking for your models…"</p></div> }.into_any()
        } else {
            view! {
            <div class="card empty">
                <h2>"Nothing here yet"</h2>
                <p>"Each epoch of fine-tuning leaves a checkpoint in this browser. They stay when you close it."</p>
                <div class="actions"><button type="button" class="primary" on:click=move |_| state.go(View::Data)>"Choose a folder of videos"</button></div>
            </div>
        }.into_any()
        }
    }
}

#[component]
fn ImportButton() -> impl IntoView {
    let state = AppState::get();
    let input = NodeRef::<leptos::html::Input>::new();
    let over = RwSignal::new(false);
    let import = move |files: Vec<FoundFile>| {
        for found in files {
            let file_name = found.file.name();
            state.change_models(Command::ImportCheckpoint { file_name }, &Array::of1(&found.file));
        }
    };
    view! {
        <div class="import" class:over=move || over.get()
            on:dragover=move |event: DragEvent| { event.prevent_default(); over.set(true); }
            on:dragleave=move |_| over.set(false)
            on:drop=move |event: DragEvent| {
                event.prevent_default();
                over.set(false);
                if let Some(transfer) = event.data_transfer() {
                    let dropped = folder::Dropped::take(&transfer);
                    leptos::task::spawn_local(async move { import(dropped.files(|_| {}).await) });
                }
            }>
            <button type="button" class="secondary" on:click=move |_| if let Some(input) = input.get_untracked() { input.click() }>"Import a model"</button>
            <input node_ref=input class="hidden-input" type="file" accept=".zip" tabindex="-1" aria-hidden="true" data-testid="import-checkpoint"
                on:change=move |event| {
                    if let Some(input) = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok()) {
                        import(folder::chosen(&input));
                    }
                }/>
        </div>
    }
}

/// The checkpoints of one run: the newest or the best first seen, the others below.
#[component]
fn Run(checkpoints: Vec<CheckpointSummary>, deleting: RwSignal<Option<CheckpointSummary>>) -> impl IntoView {
    let Some(first) = checkpoints.first().cloned() else { return ().into_any() };
    let about = format!(
        "{} · {} weights · {} frames of {} px",
        counted(first.labels.len(), "class", "classes"),
        magnitude(first.parameters),
        first.frames,
        first.image_size,
    );
    let labels = listed(&first.labels);
    view! {
        <section class="run">
            <div class="run-head">
                <h2>{date(first.created)}</h2>
                <p class="quiet" title=labels>{about}</p>
            </div>
            <ul class="checkpoints">
                {checkpoints.into_iter().map(|checkpoint| view! { <Checkpoint checkpoint deleting/> }).collect_view()}
            </ul>
        </section>
    }
    .into_any()
}

#[component]
fn Checkpoint(checkpoint: CheckpointSummary, deleting: RwSignal<Option<CheckpointSummary>>) -> impl IntoView {
    let state = AppState::get();
    let renaming = RwSignal::new(false);
    let CheckpointSummary { id, name, bytes, best, .. } = checkpoint.clone();
    let about = [(checkpoint.epoch == 0).then(|| "imported".to_string()), epoch(&checkpoint), Some(size(bytes))];
    let about = about.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    let accuracy = |evaluation: Option<crate::protocol::Evaluation>| {
        evaluation.map_or("–".into(), |evaluation| percent(evaluation.accuracy))
    };
    let (validation, test) = (accuracy(checkpoint.validation), accuracy(checkpoint.test));
    let testid = |what: &str| format!("{what}-{id}");
    let (rename_id, delete_id, export_id, open_id) =
        (testid("rename"), testid("delete"), testid("export"), testid("open"));
    let open = {
        let id = id.clone();
        move |_| {
            state.chosen_model.set(Some(id.clone()));
            state.go(View::Classify);
        }
    };
    let export = {
        let id = id.clone();
        move |_| state.change_models(Command::ExportCheckpoint { id: id.clone() }, &Array::new())
    };
    let (shown, row_id) = (name.clone(), id.clone());
    view! {
        <li class="checkpoint" class:best=best data-testid="checkpoint-row" data-id=row_id data-best=best.to_string()>
            <div class="checkpoint-name">
                {move || if renaming.get() {
                    view! { <Rename id=id.clone() name=name.clone() renaming/> }.into_any()
                } else {
                    view! { <h3>{shown.clone()}</h3>{best.then(|| view! { <span class="best-mark">"Best"</span> })} }.into_any()
                }}
                <p class="quiet figures">{about}</p>
            </div>
            <dl class="scores figures">
                <div><dt>"Validation"</dt><dd>{validation}</dd></div>
                <div><dt>"Test"</dt><dd>{test}</dd></div>
            </dl>
            <div class="checkpoint-actions">
                <button type="button" class="secondary small" data-testid=open_id on:click=open>"Open"</button>
                <button type="button" class="link" data-testid=rename_id on:click=move |_| renaming.update(|renaming| *renaming = !*renaming)>"Rename"</button>
                <button type="button" class="link" data-testid=export_id on:click=export>"Export"</button>
                <button type="button" class="link danger" data-testid=delete_id on:click=move |_| deleting.set(Some(checkpoint.clone()))>"Delete"</button>
            </div>
        </li>
    }
}

#[component]
fn Rename(id: String, name: String, renaming: RwSignal<bool>) -> impl IntoView {
    let state = AppState::get();
    let input = NodeRef::<leptos::html::Input>::new();
    Effect::new(move |_| {
        if let Some(input) = input.get() {
            // Refused only where the input is not on the page.
            let _ = input.focus();
            input.select();
        }
    });
    let old = name.clone();
    let save = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let new = input.get_untracked().map(|input| input.value().trim().to_string()).unwrap_or_default();
        renaming.set(false);
        if !new.is_empty() && new != old {
            state.change_models(Command::RenameCheckpoint { id: id.clone(), name: new }, &Array::new());
        }
    };
    view! {
        <form class="rename" on:submit=save>
            <input node_ref=input type="text" maxlength="80" aria-label="New name" data-testid="rename-input" value=name
                on:keydown=move |event| if event.key() == "Escape" { renaming.set(false) }/>
            <button type="submit" class="secondary small" data-testid="rename-save">"Save"</button>
        </form>
    }
}

#[component]
fn DeleteDialog(deleting: RwSignal<Option<CheckpointSummary>>) -> impl IntoView {
    let state = AppState::get();
    let name = move || {
        deleting.with(|checkpoint| {
            checkpoint
                .as_ref()
                .map(|checkpoint| match epoch(checkpoint) {
                    None => format!("“{}”", checkpoint.name),
                    Some(epoch) => format!("“{}”, {epoch},", checkpoint.name),
                })
                .unwrap_or_default()
        })
    };
    let delete = move |_| {
        if let Some(checkpoint) = deleting.get_untracked() {
            state.change_models(Command::DeleteCheckpoint { id: checkpoint.id }, &Array::new());
        }
        deleting.set(None);
    };
    view! {
        <Dialog open=Signal::derive(move || deleting.with(Option::is_some)) on_close=Callback::new(move |()| deleting.set(None))
            title="Delete this checkpoint?">
            <p>{name}" will be gone from this browser. An exported copy stays where you saved it."</p>
            <div class="actions end">
                <button type="button" class="secondary" on:click=move |_| deleting.set(None)>"Keep it"</button>
                <button type="button" class="primary danger" data-testid="confirm-delete" on:click=delete>"Delete"</button>
            </div>
        </Dialog>
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
