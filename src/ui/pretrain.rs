//! Before step 2, for who wants it: learning from videos without labels.
//!
//! Comes in: the folder, a few settings. Goes out: a run, which the fine-tuning view follows as one of its own.

use leptos::prelude::*;

use super::components::choice::Choice;
use super::state::{AppState, ImportPhase, View};
use super::tune_settings::{decimal, whole};
use super::words::counted;
use crate::model::config::ModelSize;
use crate::train::pretraining::settings::PretrainSettings;

const SIZES: [(&str, &str); 4] = [
    ("micro", "Micro · 8 frames of 32 px"),
    ("tiny", "Tiny · 8 frames of 64 px"),
    ("small", "Small · 16 frames of 224 px"),
    ("base", "Base · 16 frames of 224 px"),
];

#[component]
pub fn PretrainView() -> impl IntoView {
    let state = AppState::get();
    let settings = state.tuning.pretraining;
    let size = RwSignal::new("micro".to_string());
    let resize = move |name: String| {
        if let Some(size) = ModelSize::from_name(&name) {
            let name = settings.with_untracked(|settings| settings.name.clone());
            settings.set(PretrainSettings { name, ..PretrainSettings::for_size(size) });
        }
        size.set(name);
    };
    let why_not = move || {
        if state.tuning.is_running() {
            return Some("A model is being trained. Wait until it is done, or stop it.");
        }
        if state.import.with(ImportPhase::is_busy) {
            return Some("The videos are still being read.");
        }
        (state.learnable() == 0).then_some("This needs a folder of videos first; they need no labels.")
    };
    let unready = Memo::new(move |_| why_not().is_some() || settings.with(|settings| !settings.problems().is_empty()));
    let begin = move |_| {
        state.tuning.pretrain(state);
        state.go(View::Tune);
    };
    let videos = Signal::derive(move || match state.learnable() {
        0 => String::new(),
        learnable => format!("{} here to learn from.", counted(learnable, "video is", "videos are")),
    });
    view! {
        <section class="page" aria-labelledby="pretrain-title">
            <div class="intro compact">
                <h1 id="pretrain-title">"Learn without labels"</h1>
                <p class="lead">
                    "Most of each clip is hidden, and the model learns to fill it in: so VideoMAE itself began. What it finds out \
                    about how things look and move here, no label has to teach it later. "{videos}
                </p>
            </div>
            <form class="settings" on:submit=|event| event.prevent_default()>
                <div class="fields">
                    <Choice name="size" label="Model" hint="Larger ones want a GPU, hours, and thousands of videos." options=&SIZES
                        value=size.into() on_change=resize/>
                    {number("epochs", "Epochs", "How often each video is seen. More than for fine-tuning.",
                        |settings| settings.epochs.to_string(), |settings, text| settings.epochs = whole(text))}
                    {number("batch", "Batch", "Clips at a time. Fewer need less memory.",
                        |settings| settings.batch.to_string(), |settings, text| settings.batch = whole(text))}
                    {number("learning_rate", "Learning rate", "The highest; it falls along a cosine.",
                        |settings| settings.learning_rate.to_string(), |settings, text| settings.learning_rate = decimal(text))}
                    {number("mask_ratio", "Hidden share", "How much of each clip is hidden; 0.9 is the paper’s.",
                        |settings| settings.mask_ratio.to_string(), |settings, text| settings.mask_ratio = decimal(text))}
                </div>
            </form>
            <div class="start">
                {move || why_not().map(|sentence| view! {
                    <p class="why-not">{sentence}" "<a href=View::Data.address()>"Go to Data"</a></p>
                })}
                <div class="actions">
                    <button type="button" class="primary large" data-testid="start-pretraining" disabled=unready on:click=begin>"Learn"</button>
                    <a href=View::Tune.address()>"Back to fine-tuning"</a>
                </div>
            </div>
        </section>
    }
}

/// One number; what is typed counts once the field is left.
fn number(
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    show: fn(&PretrainSettings) -> String,
    set: fn(&mut PretrainSettings, &str),
) -> impl IntoView {
    let settings = AppState::get().tuning.pretraining;
    let problem = Memo::new(move |_| {
        let problems = settings.with(PretrainSettings::problems);
        problems.into_iter().find(|(field, _)| *field == name).map(|(_, sentence)| sentence)
    });
    let wrong = Signal::derive(move || problem.with(Option::is_some));
    view! {
        <div class="field" class:wrong=wrong>
            <label for=name>{label}</label>
            <input id=name type="text" inputmode="decimal" autocomplete="off" prop:value=Signal::derive(move || settings.with(show))
                aria-describedby=format!("{name}-hint") aria-invalid=Signal::derive(move || wrong.get().to_string())
                on:change=move |event| settings.update(|settings| set(settings, &event_target_value(&event)))/>
            <p class="hint" id=format!("{name}-hint") aria-live="polite">{Signal::derive(move || problem.get().unwrap_or_else(|| hint.into()))}</p>
        </div>
    }
}
