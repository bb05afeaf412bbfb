//! What a run starts from: the starter, a model on this device, or random weights.

use leptos::prelude::*;

use super::components::notice::{Notice, Tone};
use super::engine_link::EngineStatus;
use super::origin::{forbids_commerce, has_classifier, is_brought, licence, shape, source};
use super::state::{AppState, View};
use super::tune_settings::one_line;
use super::words::{counted, magnitude, size};
use crate::model::config::ModelSize;
use crate::protocol::{CheckpointSummary, DeviceChoice, Fit, StepLoad};
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
                <Row start=StartFrom::People testid="start-people" name="Starter model for people"
                    facts="16 frames of 64 px · 0.5 million weights · no download"/>
                <Row start=StartFrom::Starter testid="start-starter" name="Starter model for shapes"
                    facts="8 frames of 32 px · 0.1 million weights · no download"/>
                <OnThisDevice/>
                <p class="start-group">"Random weights"</p>
                {sizes}
            </div>
            <p class="hint start-without">
                "Many videos but few labels? "<a href=View::Pretrain.address()>"Learn from them without labels first"</a>"."
            </p>
            <About/>
            <Notice tone=Tone::Blocked text=Signal::derive(move || refused(state))/>
        </fieldset>
    }
}

/// Why the chosen start does not fit on this device, as far as the engine has told.
pub fn refused(state: AppState) -> Option<String> {
    chosen_fit(state)?.refusal
}

pub fn chosen_fit(state: AppState) -> Option<Fit> {
    let (start, step) = state.tuning.settings.with(|settings| (settings.start.clone(), StepLoad::of(settings)));
    state.fitting.of(state, &start, step)
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
        <label class="start-row" class:chosen=chosen>
            <input type="radio" name="start" data-testid=testid prop:checked=chosen
                on:change=move |_| state.tuning.start_from(start.get_value())/>
            <span class="start-name path">{name}</span>
            <span class="start-facts figures">{facts}</span>
        </label>
    }
}

/// What was brought, then the best of each run, what was pre-trained, and the one that was chosen elsewhere.
#[component]
fn OnThisDevice() -> impl IntoView {
    let state = AppState::get();
    let all = RwSignal::new(false);
    let chosen = untrack(|| chosen_id(state));
    let models = Memo::new(move |_| {
        let (brought, made) = state.checkpoints.get().into_iter().partition::<Vec<_>, _>(is_brought);
        let is_chosen = |model: &CheckpointSummary| Some(&model.id) == chosen.as_ref();
        let made = made.into_iter().filter(|model| model.best || !has_classifier(model) || is_chosen(model));
        let (chosen, others) = brought.into_iter().chain(made).partition::<Vec<_>, _>(is_chosen);
        [chosen, others].concat()
    });
    move || {
        let models = models.get();
        let more = (!all.get() && models.len() > ROWS).then(|| format!("Show all {}", models.len()));
        let shown = if more.is_some() { ROWS } else { models.len() };
        let rows = models.into_iter().take(shown).map(|model| {
            let (name, facts) = (one_line(&model), shape(&model));
            view! { <Row testid=format!("start-{}", model.id) start=StartFrom::Checkpoint(model.id) name facts/> }
        });
        (shown > 0).then(|| view! {
            <p class="start-group">"On this device"</p>
            {rows.collect_view()}
            {more.map(|words| view! { <button type="button" class="link start-more" on:click=move |_| all.set(true)>{words}</button> })}
        })
    }
}

fn chosen_id(state: AppState) -> Option<String> {
    state.tuning.settings.with(|settings| match &settings.start {
        StartFrom::Checkpoint(id) => Some(id.clone()),
        _ => None,
    })
}

/// The model on this device that the run starts from, where it does.
pub fn chosen_model(state: AppState) -> Option<CheckpointSummary> {
    let chosen = chosen_id(state)?;
    state.checkpoints.with(|models| models.iter().find(|model| model.id == chosen).cloned())
}

/// What the choice is, what becomes of it, and what it needs.
#[component]
fn About() -> impl IntoView {
    let state = AppState::get();
    let wanted =
        Memo::new(move |_| state.tuning.settings.with(|settings| (settings.start.clone(), StepLoad::of(settings))));
    state.fitting.watch_settings(state, wanted);
    let start = Memo::new(move |_| wanted.with(|(start, _)| start.clone()));
    let model = Memo::new(move |_| chosen_model(state));
    let about = Signal::derive(move || match start.get() {
        StartFrom::People => PEOPLE.into(),
        StartFrom::Starter => SHAPES.into(),
        StartFrom::Size(size) => {
            format!("Random weights: it learns what your folder alone can teach. {}", described(size).2)
        }
        StartFrom::Checkpoint(_) => {
            model.with(|model| model.as_ref().map(|model| about_model(state, model)).unwrap_or_default())
        }
    });
    let inherits = Signal::derive(move || {
        let licence_id = model.with(|model| model.as_ref().and_then(|model| model.origin.licence.clone()));
        let inherited = licence_id.filter(|id| forbids_commerce(id));
        inherited
            .map(|id| format!("{}. What you make from it inherits this licence.", licence(&id)))
            .unwrap_or_default()
    });
    let on_cpu =
        move || matches!(state.engine.status.get(), EngineStatus::Ready(report) if report.device == DeviceChoice::Cpu);
    let fits = move || chosen_fit(state).filter(|fit| fit.refusal.is_none());
    let need = Signal::derive(move || {
        let memory = if on_cpu() { "memory" } else { "GPU memory" };
        let words = |fit: Fit| {
            let (weights, bytes) = (magnitude(fit.parameters), size(fit.training_bytes));
            let twice = if fit.recomputes { ", with each layer computed twice" } else { "" };
            format!("{weights} weights; needs about {bytes} of {memory} to train{twice}.")
        };
        fits().map(words).unwrap_or_default()
    });
    let slow = Signal::derive(move || {
        let slow = on_cpu() && fits().is_some_and(|fit| fit.parameters > SLOW_ON_CPU);
        slow.then(|| "There is no GPU in use: this size would take days on the CPU.".to_string())
    });
    view! {
        <div class="start-about" aria-live="polite">
            <p class="path">
                {about}
                <a href=View::Models.address() class:none=move || !matches!(start.get(), StartFrom::Starter | StartFrom::People)>
                    "published models."
                </a>
            </p>
            <p data-testid="start-licence">{inherits}</p>
            <p class="quiet figures" data-testid="start-fit">{need}</p>
        </div>
        <Notice tone=Tone::Warning text=slow/>
    }
}

const PEOPLE: &str = "Pre-trained on drawn figures that walk, jump, wave and bend: it knows how bodies move, not what things \
    look like. Where objects or scenes matter, start from one of the ";
const SHAPES: &str = "Pre-trained on drawings of moving shapes: it knows small, simple motions and is the quickest. For more \
    than that, start from one of the ";

/// Weights from which the CPU takes days: the smallest published model has 22 million.
const SLOW_ON_CPU: usize = 15_000_000;

fn about_model(state: AppState, model: &CheckpointSummary) -> String {
    let head = state.catalogue.with(|catalogue| {
        let yours = catalogue.as_ref()?.labels();
        let count = counted(yours.len(), "class", "classes");
        Some(if model.labels.is_empty() {
            format!("It gets a head for your {count}.")
        } else if model.labels == yours {
            "It knows your classes and keeps its head.".into()
        } else {
            format!("It keeps what it knows of motion and gets a new head for your {count}.")
        })
    });
    let from = source(&model.origin).map(|from| format!("{from}."));
    from.into_iter().chain(head).collect::<Vec<_>>().join(" ")
}
