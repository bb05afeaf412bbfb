//! What a run starts from: the starter, a model on this device, or random weights.

use leptos::prelude::*;

use super::components::notice::{Notice, Tone};
use super::engine_link::EngineStatus;
use super::origin::{forbids_commerce, is_brought, licence, shape, source};
use super::state::{AppState, View};
use super::tune_settings::one_line;
use super::words::{counted, magnitude, size};
use crate::model::config::ModelSize;
use crate::protocol::{CheckpointSummary, DeviceChoice};
use crate::train::settings::StartFrom;

/// Models on this device before the button that shows the others.
const ROWS: usize = 5;

/// A size's name, its shape, and what it needs.
fn described(size: ModelSize) -> (&'static str, &'static str, &'static str) {
    match size {
        ModelSize::Micro => {
            ("Micro", "8 frames of 32 px · 0.1 million weights", "Takes minutes on any computer, without a GPU too.")
        }
        ModelSize::Tiny => (
            "Tiny",
            "8 frames of 64 px · 2 million weights",
            "Sees more detail than Micro, and takes several times as long.",
        ),
        ModelSize::Small => {
            ("Small", "16 frames of 224 px · 22 million weights", "Wants a good GPU, hours, and thousands of clips.")
        }
        ModelSize::Base => {
            ("Base", "16 frames of 224 px · 86 million weights", "Wants a large GPU, many hours, and still more clips.")
        }
    }
}

#[component]
pub fn StartChoice() -> impl IntoView {
    let state = AppState::get();
    let sizes = ModelSize::ALL.map(|size| {
        let (name, facts, _) = described(size);
        view! { <Row start=StartFrom::Size(size) testid=format!("size-{}", size.name()) name facts/> }
    });
    view! {
        <fieldset>
            <legend>"Start from"</legend>
            <div class="starts">
                <Row start=StartFrom::Starter testid="start-starter" name="Starter model"
                    facts="Small motions, made for this page; no download"/>
                <OnThisDevice/>
                <p class="start-group">"Random weights"</p>
                {sizes}
            </div>
            <About/>
            {move || refused(state).map(|sentence| view! { <Notice tone=Tone::Blocked text=sentence/> })}
        </fieldset>
    }
}

/// Why the chosen start does not fit on this device, as far as the engine has told.
pub fn refused(state: AppState) -> Option<String> {
    chosen_fit(state)?.refusal
}

fn chosen_fit(state: AppState) -> Option<crate::protocol::Fit> {
    let (start, batch) = state.tuning.settings.with(|settings| (settings.start.clone(), settings.batch));
    state.fitting.of(state, &start, batch)
}

#[component]
fn Row(
    start: StartFrom,
    #[prop(into)] testid: String,
    #[prop(into)] name: String,
    #[prop(into)] facts: String,
) -> impl IntoView {
    let state = AppState::get();
    let start = StoredValue::new(start);
    let chosen =
        Memo::new(move |_| state.tuning.settings.with(|settings| start.with_value(|start| settings.start == *start)));
    view! {
        <label class="start-row" class:chosen=move || chosen.get()>
            <input type="radio" name="start" data-testid=testid prop:checked=move || chosen.get()
                on:change=move |_| state.tuning.start_from(start.get_value())/>
            <span class="start-name path">{name}</span>
            <span class="start-facts figures">{facts}</span>
        </label>
    }
}

/// What was brought, then the best of each run, and the chosen one wherever it stands.
#[component]
fn OnThisDevice() -> impl IntoView {
    let state = AppState::get();
    let all = RwSignal::new(false);
    let models = Memo::new(move |_| {
        let mut models = state.checkpoints.get();
        let chosen = chosen_id(state);
        models.retain(|model| is_brought(model) || model.best || Some(&model.id) == chosen.as_ref());
        models.sort_by_key(|model| !is_brought(model));
        models
    });
    let shown = move || {
        let chosen = chosen_id(state);
        let some = |(index, model): &(usize, CheckpointSummary)| {
            all.get() || *index < ROWS || Some(&model.id) == chosen.as_ref()
        };
        models.get().into_iter().enumerate().filter(some).map(|(_, model)| model).collect::<Vec<_>>()
    };
    let total = move || models.with(Vec::len);
    view! {
        <Show when=move || { total() > 0 }><p class="start-group">"On this device"</p></Show>
        <For each=shown key=|model| model.id.clone() let:model>
            <Row start=StartFrom::Checkpoint(model.id.clone()) testid=format!("start-{}", model.id) name=one_line(&model) facts=shape(&model)/>
        </For>
        <Show when=move || !all.get() && { total() > ROWS }>
            <button type="button" class="link start-more" on:click=move |_| all.set(true)>{move || format!("Show all {}", total())}</button>
        </Show>
    }
}

fn chosen_id(state: AppState) -> Option<String> {
    state.tuning.settings.with(|settings| match &settings.start {
        StartFrom::Checkpoint(id) => Some(id.clone()),
        StartFrom::Starter | StartFrom::Size(_) => None,
    })
}

/// What the choice is, what becomes of it, and what it needs.
#[component]
fn About() -> impl IntoView {
    let state = AppState::get();
    let wanted = Memo::new(move |_| state.tuning.settings.with(|settings| (settings.start.clone(), settings.batch)));
    state.fitting.watch_settings(state, wanted);
    let start = Memo::new(move |_| wanted.with(|(start, _)| start.clone()));
    let lines = move || {
        match start.get() {
        StartFrom::Starter => view! {
            <p>"Pre-trained on generated drawings of moving shapes, not on filmed people: it knows small, simple motions. For filmed people start from a "
                <a href=View::Models.address()>"published model"</a>"."</p>
        }
        .into_any(),
        StartFrom::Size(size) => {
            let (_, _, needs) = described(size);
            view! { <p>"Random weights: it learns what your folder alone can teach. "{needs}</p> }.into_any()
        }
        StartFrom::Checkpoint(id) => {
            let model = state.checkpoints.with(|models| models.iter().find(|model| model.id == id).cloned());
            model.map(|model| view! { <AboutModel model/> }).into_any()
        }
    }
    };
    let on_cpu =
        move || matches!(state.engine.status.get(), EngineStatus::Ready(report) if report.device == DeviceChoice::Cpu);
    let need = move || {
        let fit = chosen_fit(state).filter(|fit| fit.refusal.is_none())?;
        let (weights, bytes) = (magnitude(fit.parameters), size(fit.training_bytes));
        let memory = if on_cpu() { "memory" } else { "GPU memory" };
        Some(format!("{weights} weights; needs about {bytes} of {memory} to train."))
    };
    let slow = move || {
        let fits = chosen_fit(state).filter(|fit| fit.refusal.is_none());
        (on_cpu() && fits.is_some_and(|fit| fit.parameters > SLOW_ON_CPU))
            .then_some("There is no GPU in use: this size would take days on the CPU.")
    };
    view! {
        <div class="start-about" aria-live="polite">
            {lines}
            <p class="quiet figures" data-testid="start-fit">{need}</p>
        </div>
        {move || slow().map(|sentence| view! { <Notice tone=Tone::Warning text=sentence/> })}
    }
}

/// Weights from which the CPU takes days: the smallest published model has 22 million.
const SLOW_ON_CPU: usize = 15_000_000;

#[component]
fn AboutModel(model: CheckpointSummary) -> impl IntoView {
    let state = AppState::get();
    let labels = model.labels.clone();
    let head = move || {
        state.catalogue.with(|catalogue| {
            let yours = catalogue.as_ref()?.labels();
            let count = counted(yours.len(), "class", "classes");
            Some(if labels.is_empty() {
                format!("It gets a head for your {count}.")
            } else if labels == yours {
                "It knows your classes and keeps its head.".into()
            } else {
                format!("It keeps what it knows of motion and gets a new head for your {count}.")
            })
        })
    };
    let from = source(&model.origin).map(|from| format!("{from}. "));
    let inherits = model.origin.licence.clone().filter(|id| forbids_commerce(id));
    view! {
        <p class="path">{from}{head}</p>
        {inherits.map(|id| view! { <p data-testid="start-licence">{licence(&id)}". What you make from it inherits this licence."</p> })}
    }
}
