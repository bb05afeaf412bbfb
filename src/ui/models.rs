//! The models on this device, a place to bring others, and the published ones worth starting from.

use js_sys::Array;
use leptos::prelude::*;

use super::bring::BringModel;
use super::checkpoint_row::CheckpointRow;
use super::classify::listed;
use super::components::dialog::Dialog;
use super::components::notice::{Notice, Tone};
use super::export::{ExportDialog, PushStatus};
use super::origin::{is_brought, licence, shape, source};
use super::published::PublishedModels;
use super::state::{AppState, View};
use super::tune_settings::epoch;
use super::words::date;
use crate::protocol::{CheckpointSummary, Command};

#[component]
pub fn ModelsView() -> impl IntoView {
    let state = AppState::get();
    let deleting = RwSignal::new(None::<CheckpointSummary>);
    let has_dialog = Memo::new(move |_| state.exporting.dialog.with(Option::is_some));
    view! {
        <section class="page" aria-labelledby="models-title">
            <ModelsTabs title="Models"/>
            <Notice tone=Tone::Error text=state.models_notice on_close=Callback::new(move |()| state.models_notice.set(None))/>
            {move || (!has_dialog.get()).then(|| view! { <PushStatus/> })}
            <OnThisDevice deleting/>
            <BringModel/>
            <PublishedModels/>
            <DeleteDialog deleting/>
            <ExportDialog/>
        </section>
    }
}

/// The heading, and the way between the models, the runs that made them, and what they are worth.
#[component]
pub fn ModelsTabs(title: &'static str) -> impl IntoView {
    let state = AppState::get();
    let tab = move |view: View, name: &'static str| {
        view! { <a href=view.address() class="step" aria-current=move || (state.view.get() == view).then_some("page")>{name}</a> }
    };
    view! {
        <div class="intro compact row between no-print">
            <h1 id="models-title">{title}</h1>
            <div class="tabs">{tab(View::Models, "Models")}{tab(View::Runs, "Runs")}{tab(View::Evaluate, "Evaluate")}</div>
        </div>
    }
}

#[component]
fn OnThisDevice(deleting: RwSignal<Option<CheckpointSummary>>) -> impl IntoView {
    let state = AppState::get();
    let groups = Memo::new(move |_| {
        let (brought, made) = state.checkpoints.get().into_iter().partition::<Vec<_>, _>(is_brought);
        let mut groups = by_run(made);
        groups.push(brought);
        groups.retain(|group| !group.is_empty());
        groups
    });
    let empty = Memo::new(move |_| state.checkpoints.with(Vec::is_empty));
    view! {
        <section class="models-part" aria-labelledby="here-title">
            <h2 id="here-title">"On this device"</h2>
            {move || empty.get().then(|| view! { <NoModels/> })}
            {move || groups.get().into_iter().map(|group| view! { <Group checkpoints=group deleting/> }).collect_view()}
        </section>
    }
}

/// Keeps the order, newest first, and puts the checkpoints of one run together.
fn by_run(checkpoints: Vec<CheckpointSummary>) -> Vec<Vec<CheckpointSummary>> {
    let mut runs: Vec<Vec<CheckpointSummary>> = Vec::new();
    for checkpoint in checkpoints {
        let run = runs.iter_mut().find(|run| run.first().is_some_and(|first| first.run == checkpoint.run));
        match run {
            Some(run) => run.push(checkpoint),
            None => runs.push(vec![checkpoint]),
        }
    }
    runs
}

#[component]
fn NoModels() -> impl IntoView {
    let state = AppState::get();
    let words = Signal::derive(move || {
        let words = if state.models_busy.get() {
            "Looking for your models…"
        } else {
            "Nothing yet. Each epoch of fine-tuning leaves a checkpoint in this browser; they stay when you close it."
        };
        words.to_string()
    });
    view! {
        <div class="card empty">
            <p>{words}</p>
            <div class="actions" class:none=state.models_busy>
                <button type="button" class="primary" on:click=move |_| state.go(View::Data)>"Choose a folder of videos"</button>
            </div>
        </div>
    }
}

/// The checkpoints of one run below what they share, or those that were brought.
#[component]
fn Group(checkpoints: Vec<CheckpointSummary>, deleting: RwSignal<Option<CheckpointSummary>>) -> impl IntoView {
    let (title, about, labels) = match checkpoints.first().filter(|first| !is_brought(first)) {
        None => ("Brought here".into(), String::new(), String::new()),
        Some(first) => {
            let parts = [Some(shape(first)), source(&first.origin), first.origin.licence.as_deref().map(licence)];
            (date(first.created), parts.into_iter().flatten().collect::<Vec<_>>().join(" · "), listed(&first.labels))
        }
    };
    view! {
        <section class="run">
            <div class="run-head">
                <h3>{title}</h3>
                <p class="quiet" title=labels>{about}</p>
            </div>
            <ul class="checkpoints">
                {checkpoints.into_iter().map(|checkpoint| view! { <CheckpointRow checkpoint deleting/> }).collect_view()}
            </ul>
        </section>
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
            title="Delete this model?">
            <p>{name}" will be gone from this browser. An exported copy stays where you saved it."</p>
            <div class="actions end">
                <button type="button" class="secondary" on:click=move |_| deleting.set(None)>"Keep it"</button>
                <button type="button" class="primary danger" data-testid="confirm-delete" on:click=delete>"Delete"</button>
            </div>
        </Dialog>
    }
}
