//! One checkpoint in the list of models, with what can be done with it.

use js_sys::Array;
use leptos::prelude::*;

use super::origin::{has_classifier, is_brought, licence, shape, source};
use super::state::{AppState, View};
use super::tune_settings::epoch;
use super::words::{date, percent, size};
use crate::protocol::{CheckpointSummary, Command, Evaluation, Fit, StepLoad};
use crate::train::settings::StartFrom;

#[component]
pub fn CheckpointRow(checkpoint: CheckpointSummary, deleting: RwSignal<Option<CheckpointSummary>>) -> impl IntoView {
    let renaming = RwSignal::new(false);
    let CheckpointSummary { id, name, best, .. } = checkpoint.clone();
    let (shown, row_id) = (name.clone(), id.clone());
    view! {
        <li class="checkpoint" class:best=best data-testid="checkpoint-row" data-id=row_id data-best=best.to_string()>
            <div class="checkpoint-name">
                {move || renaming.get().then(|| view! { <Rename id=id.clone() name=name.clone() renaming/> })}
                <h4 class:none=renaming>{shown}</h4>
                {best.then(|| view! { <span class="best-mark" class:none=renaming>"Best"</span> })}
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
    let brought = is_brought(&checkpoint);
    let what = [brought.then(|| shape(&checkpoint)), epoch(&checkpoint), Some(size(checkpoint.bytes as u64))];
    let from = [source(&checkpoint.origin), Some(date(checkpoint.created))];
    let joined = |parts: &[Option<String>]| parts.iter().flatten().cloned().collect::<Vec<_>>().join(" · ");
    let licence = checkpoint.origin.licence.as_deref().map_or("Licence not stated".into(), licence);
    view! {
        <p class="quiet figures">{joined(&what)}</p>
        {brought.then(|| view! {
            <p class="quiet figures path">{joined(&from)}</p>
            <p class="quiet path" data-testid="licence">{licence}</p>
            <FitLine id=checkpoint.id/>
        })}
    }
}

/// Whether it fits on this device, with the smallest batch: what does not fit with it does not fit at all.
#[component]
fn FitLine(id: String) -> impl IntoView {
    let state = AppState::get();
    let start = StartFrom::Checkpoint(id);
    state.fitting.watch(state, start.clone(), StepLoad::LEAST);
    let fit = Memo::new(move |_| state.fitting.of(state, &start, StepLoad::LEAST));
    let refused = Memo::new(move |_| fit.with(|fit| fit.as_ref().is_some_and(|fit| fit.refusal.is_some())));
    let words = Signal::derive(move || fit.with(|fit| fit.as_ref().map(fit_words).unwrap_or_default()));
    view! { <p class="quiet figures fit" class:refused=refused data-testid="fit">{words}</p> }
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
    let open = move |()| {
        state.chosen_model.set(Some(checkpoint.with_value(|checkpoint| checkpoint.id.clone())));
        state.go(View::Classify);
    };
    let evaluate = move |()| {
        state.chosen_model.set(Some(checkpoint.with_value(|checkpoint| checkpoint.id.clone())));
        state.go(View::Evaluate);
    };
    let start = move |()| {
        state.tuning.start_from(StartFrom::Checkpoint(checkpoint.with_value(|checkpoint| checkpoint.id.clone())));
        state.tuning.editing.set(true);
        state.go(View::Tune);
    };
    let resume = move |()| {
        state.tuning.resume(state, &checkpoint.get_value());
        state.go(View::Tune);
    };
    let rename = move |()| renaming.update(|renaming| *renaming = !*renaming);
    let export = move |()| state.exporting.open(checkpoint.get_value());
    let delete = move |()| deleting.set(Some(checkpoint.get_value()));
    let act = |what: &str, class, name, act| view! { <Act testid=testid(what) class name act/> };
    let style = if can_classify { "link" } else { "secondary small" };
    view! {
        <div class="checkpoint-actions">
            {(!can_classify).then(|| view! {
                <p class="quiet no-classifier" data-testid=testid("no-classifier")>"Has no classifier yet; fine-tune it first."</p>
            })}
            {can_classify.then(|| act("open", "secondary small", "Open", Callback::new(open)))}
            {can_classify.then(|| act("evaluate", "link", "Evaluate", Callback::new(evaluate)))}
            {act("start-from", style, "Fine-tune from this", Callback::new(start))}
            {resumable.then(|| act("resume", "link", "Resume", Callback::new(resume)))}
            {act("rename", "link", "Rename", Callback::new(rename))}
            {act("export", "link", "Export", Callback::new(export))}
            {act("delete", "link danger", "Delete", Callback::new(delete))}
        </div>
    }
}

/// One button. Those that start a run rest while another runs.
#[component]
fn Act(testid: String, class: &'static str, name: &'static str, act: Callback<()>) -> impl IntoView {
    let state = AppState::get();
    let starts = testid.starts_with("start-from-") || testid.starts_with("resume-");
    let rests = Memo::new(move |_| starts && state.tuning.is_running());
    let why = move || rests.get().then_some("A model is being fine-tuned. Wait until it is done, or stop it.");
    view! { <button type="button" class=class data-testid=testid disabled=rests title=why on:click=move |_| act.run(())>{name}</button> }
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
