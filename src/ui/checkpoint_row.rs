//! One checkpoint in the list of models, with what can be done with it.

use js_sys::Array;
use leptos::prelude::*;

use super::origin::{has_classifier, is_brought, licence, shape, source};
use super::state::{AppState, View};
use super::tune_settings::epoch;
use super::words::{date, percent, size};
use crate::protocol::{CheckpointSummary, Command, Evaluation, Fit};
use crate::train::settings::StartFrom;

#[component]
pub fn CheckpointRow(checkpoint: CheckpointSummary, deleting: RwSignal<Option<CheckpointSummary>>) -> impl IntoView {
    let renaming = RwSignal::new(false);
    let CheckpointSummary { id, name, best, .. } = checkpoint.clone();
    let (shown, row_id) = (name.clone(), id.clone());
    view! {
        <li class="checkpoint" class:best=best data-testid="checkpoint-row" data-id=row_id data-best=best.to_string()>
            <div class="checkpoint-name">
                {move || if renaming.get() {
                    view! { <Rename id=id.clone() name=name.clone() renaming/> }.into_any()
                } else {
                    view! { <h4>{shown.clone()}</h4>{best.then(|| view! { <span class="best-mark">"Best"</span> })} }.into_any()
                }}
                <About checkpoint=checkpoint.clone()/>
            </div>
            <Scores validation=checkpoint.validation test=checkpoint.test/>
            <Actions checkpoint renaming deleting/>
        </li>
    }
}

/// What it is: of a run's, the epoch; of a brought one, all that its run does not say.
#[component]
fn About(checkpoint: CheckpointSummary) -> impl IntoView {
    let state = AppState::get();
    let weight = size(checkpoint.bytes as u64);
    if !is_brought(&checkpoint) {
        let about = [epoch(&checkpoint), Some(weight)].into_iter().flatten().collect::<Vec<_>>().join(" · ");
        return view! { <p class="quiet figures">{about}</p> }.into_any();
    }
    let what = [Some(shape(&checkpoint)), epoch(&checkpoint), Some(weight)];
    let what = what.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    let from = [source(&checkpoint.origin), Some(date(checkpoint.created))];
    let from = from.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    let licence = checkpoint.origin.licence.as_deref().map_or("licence not stated".into(), licence);
    // The smallest batch: what does not fit with it does not fit at all.
    let start = StartFrom::Checkpoint(checkpoint.id);
    state.fitting.watch(state, start.clone(), 1);
    let fit = Memo::new(move |_| state.fitting.of(state, &start, 1));
    let refused = move || fit.with(|fit| fit.as_ref().is_some_and(|fit| fit.refusal.is_some()));
    view! {
        <p class="quiet figures">{what}</p>
        <p class="quiet figures path">{from}</p>
        <p class="quiet path" data-testid="licence">{licence}</p>
        <p class="quiet figures fit" class:refused=refused data-testid="fit">{move || fit.with(|fit| fit.as_ref().map(fit_words))}</p>
    }
    .into_any()
}

fn fit_words(fit: &Fit) -> String {
    match &fit.refusal {
        Some(refusal) => refusal.clone(),
        None => format!(
            "Fits this device: about {} to classify, {} to train",
            size(fit.inference_bytes),
            size(fit.training_bytes)
        ),
    }
}

#[component]
fn Scores(validation: Option<Evaluation>, test: Option<Evaluation>) -> impl IntoView {
    let accuracy = |evaluation: Option<Evaluation>| evaluation.map_or("–".into(), |told| percent(told.accuracy));
    (validation.is_some() || test.is_some()).then(|| {
        view! {
            <dl class="scores figures">
                <div><dt>"Validation"</dt><dd>{accuracy(validation)}</dd></div>
                <div><dt>"Test"</dt><dd>{accuracy(test)}</dd></div>
            </dl>
        }
    })
}

#[component]
fn Actions(
    checkpoint: CheckpointSummary,
    renaming: RwSignal<bool>,
    deleting: RwSignal<Option<CheckpointSummary>>,
) -> impl IntoView {
    let state = AppState::get();
    let checkpoint = StoredValue::new(checkpoint);
    let CheckpointSummary { id, resumable, .. } = checkpoint.get_value();
    let can_classify = checkpoint.with_value(has_classifier);
    let testid = |what: &str| format!("{what}-{id}");
    let open = move |_| {
        state.chosen_model.set(Some(checkpoint.with_value(|checkpoint| checkpoint.id.clone())));
        state.go(View::Classify);
    };
    let start = move |_| {
        state.tuning.start_from(StartFrom::Checkpoint(checkpoint.with_value(|checkpoint| checkpoint.id.clone())));
        state.tuning.editing.set(true);
        state.go(View::Tune);
    };
    let resume = move |_| {
        state.tuning.resume(state, &checkpoint.get_value());
        state.go(View::Tune);
    };
    let running = move || state.tuning.is_running();
    let why_not = move || running().then_some("A model is being fine-tuned. Wait until it is done, or stop it.");
    let style = if can_classify { "link" } else { "secondary small" };
    view! {
        <div class="checkpoint-actions">
            {if can_classify {
                view! { <button type="button" class="secondary small" data-testid=testid("open") on:click=open>"Open"</button> }.into_any()
            } else {
                view! { <p class="quiet no-classifier" data-testid=testid("no-classifier")>"Has no classifier yet; fine-tune it first."</p> }.into_any()
            }}
            <button type="button" class=style data-testid=testid("start-from") disabled=running title=why_not on:click=start>"Fine-tune from this"</button>
            {resumable.then(|| view! {
                <button type="button" class="link" data-testid=testid("resume") disabled=running title=why_not on:click=resume>"Resume"</button>
            })}
            <button type="button" class="link" data-testid=testid("rename") on:click=move |_| renaming.update(|renaming| *renaming = !*renaming)>"Rename"</button>
            <button type="button" class="link" data-testid=testid("export") on:click=move |_| state.exporting.open(checkpoint.get_value())>"Export"</button>
            <button type="button" class="link danger" data-testid=testid("delete") on:click=move |_| deleting.set(Some(checkpoint.get_value()))>"Delete"</button>
        </div>
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
