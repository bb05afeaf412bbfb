//! Step 2: settings, then the run as it goes, then its result.

use leptos::prelude::*;

use super::components::notice::{Notice, Tone};
use super::fitting::Time;
use super::start_choice::refused;
use super::state::{AppState, ImportPhase, View};
use super::tune_progress::RunProgress;
use super::tune_settings::SettingsForm;
use super::tuning::TunePhase;
use super::words::counted;

/// How long the run will take, once it is measured.
#[component]
fn TimeNeeded() -> impl IntoView {
    let state = AppState::get();
    state.fitting.watch_time(state);
    let words = Signal::derive(move || match state.fitting.time.get() {
        Time::Unknown => String::new(),
        Time::Measuring => "Measuring how long it will take…".into(),
        Time::Known(estimate) => estimate.words,
        Time::Failed(sentence) => {
            format!("How long it will take could not be measured. {sentence} A smaller batch needs less memory.")
        }
    });
    let seconds = move || match state.fitting.time.get() {
        Time::Known(estimate) => Some(estimate.seconds.to_string()),
        _ => None,
    };
    view! { <p class="quiet figures" aria-live="polite" data-testid="estimate" data-seconds=seconds>{words}</p> }
}

#[component]
pub fn TuneView() -> impl IntoView {
    let state = AppState::get();
    let editing = state.tuning.editing;
    let begun = Memo::new(move |_| state.tuning.curves.with(|curves| curves.total_steps > 0));
    let has_run = Memo::new(move |_| match state.tuning.phase.get() {
        TunePhase::Running { .. } => true,
        TunePhase::Finished => !editing.get(),
        // What failed before its first step has nothing to show.
        TunePhase::Failed(_) => begun.get() && !editing.get(),
        TunePhase::Idle => false,
    });
    let failed = Signal::derive(move || match state.tuning.phase.get() {
        TunePhase::Failed(sentence) => Some(sentence),
        _ => None,
    });
    let begin = move |_| {
        state.tuning.begin(state);
        if let Some(window) = web_sys::window() {
            window.scroll_to_with_x_and_y(0.0, 0.0);
        }
    };
    let blocked_by_data = move || {
        if state.import.with(ImportPhase::is_busy) {
            return Some("The videos are still being read.".to_string());
        }
        state.catalogue.with(|catalogue| match catalogue {
            None => Some("Fine-tuning needs a folder of videos first.".to_string()),
            Some(catalogue) => catalogue.blocked.clone(),
        })
    };
    let has_problems = move || state.tuning.settings.with(|settings| !settings.problems().is_empty());
    view! {
        <section class="page" aria-labelledby="tune-title">
            {move || if has_run.get() {
                view! {
                    <Notice tone=Tone::Error text=failed/>
                    <RunProgress on_again=Callback::new(move |()| editing.set(true))/>
                }.into_any()
            } else {
                view! {
                    <div class="intro compact">
                        <h1 id="tune-title">"Fine-tune"</h1>
                        <p class="lead">{move || state.catalogue.with(|catalogue| catalogue.as_ref().map(|catalogue| format!(
                            "{} in {}. The settings below are a good start.",
                            counted(catalogue.count(), "video", "videos"),
                            counted(catalogue.classes.len(), "class", "classes"),
                        )))}</p>
                    </div>
                    <Notice tone=Tone::Error text=failed/>
                    <Notice tone=Tone::Warning text=state.tuning.notice on_close=Callback::new(move |()| state.tuning.notice.set(None))/>
                    <SettingsForm/>
                    <div class="start">
                        {move || state.ahead.get().map(|words| view! { <p class="hint" data-testid="decoded-ahead">{words}</p> })}
                        {move || blocked_by_data().map(|sentence| view! {
                            <p class="why-not">{sentence}" "<a href=View::Data.address()>"Go to Data"</a></p>
                        })}
                        <button type="button" class="primary large" data-testid="start-tuning"
                            disabled=move || !state.has_usable_data() || has_problems() || refused(state).is_some() on:click=begin>"Fine-tune"</button>
                        <TimeNeeded/>
                    </div>
                }.into_any()
            }}
        </section>
    }
}
