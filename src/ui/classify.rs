//! Step 3: clips -> what a model sees in them.

use std::sync::Arc;

use js_sys::Array;
use leptos::prelude::*;

use super::components::clip_player::ClipPlayer;
use super::components::dropzone::{Dropzone, Takes};
use super::components::notice::{Notice, Tone};
use super::origin::has_classifier;
use super::state::{Answer, AppState, ClassifiedFile, View};
use super::tune_settings::one_line;
use super::words::{counted, file_name, percent};
use crate::protocol::{Classification, ClipPicture, Command, Event};

const LOOKED_AT: &str = "The brighter, the more the answer rests on it, by attention roll-out over the layers.";

#[component]
pub fn ClassifyView() -> impl IntoView {
    let state = AppState::get();
    let any = Memo::new(move |_| state.checkpoints.with(|models| models.iter().any(has_classifier)));
    let busy = Memo::new(move |_| state.classifying.with(Option::is_some));
    view! {
        <section class="page" aria-labelledby="classify-title">
            <div class="intro compact"><h1 id="classify-title">"Classify"</h1></div>
            <Notice tone=Tone::Error text=state.classify_notice on_close=Callback::new(move |()| state.classify_notice.set(None))/>
            {move || if any.get() {
                view! {
                    <ModelChoice/>
                    <Dropzone takes=Takes::Clips testid="classify-input" label="Choose clips" disabled=busy
                        title="Drop one clip, or many" text="Single videos or a whole folder. They are read here and nowhere else."/>
                    <Results/>
                }.into_any()
            } else {
                view! { <NoModel/> }.into_any()
            }}
        </section>
    }
}

#[component]
pub fn NoModel() -> impl IntoView {
    let state = AppState::get();
    let waiting = move || state.models_busy.get();
    view! {
        <div class="card empty">
            {move || if waiting() {
                view! { <p class="quiet">"Looking for your models…"</p> }.into_any()
            } else {
                view! {
                    <h2>"There is no model yet"</h2>
                    <p>"Fine-tune one on a folder of videos, or bring one that names classes already."</p>
                    <div class="actions">
                        <button type="button" class="primary" on:click=move |_| state.go(View::Data)>"Choose a folder of videos"</button>
                        <button type="button" class="secondary" on:click=move |_| state.go(View::Models)>"Bring a model"</button>
                    </div>
                }.into_any()
            }}
        </div>
    }
}

#[component]
pub fn ModelChoice() -> impl IntoView {
    let state = AppState::get();
    let model = Memo::new(move |_| state.model());
    let id = move || model.with(|model| model.as_ref().map(|model| model.id.clone()));
    let classes = Signal::derive(move || {
        model
            .with(|model| {
                model.as_ref().map(|model| {
                    format!("Knows {}: {}.", counted(model.labels.len(), "class", "classes"), listed(&model.labels),)
                })
            })
            .unwrap_or_default()
    });
    view! {
        <div class="field model-choice">
            <label for="model">"Model"</label>
            <select id="model" data-testid="model-select" on:change=move |event| state.chosen_model.set(Some(event_target_value(&event)))>
                {move || state.checkpoints.get().into_iter().filter(has_classifier).map(|checkpoint| {
                    let this = checkpoint.id.clone();
                    view! { <option value=checkpoint.id.clone() selected=move || id().as_ref() == Some(&this)>{one_line(&checkpoint)}</option> }
                }).collect_view()}
            </select>
            <p class="hint">{classes}</p>
        </div>
    }
}

/// Labels in a line; of many, the first.
pub fn listed(labels: &[String]) -> String {
    const SHOWN: usize = 12;
    let line = labels.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match labels.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{line} and {more} more"),
        _ => line,
    }
}

#[component]
fn Results() -> impl IntoView {
    let state = AppState::get();
    let files = state.classified;
    const SHOWN: usize = 100;
    let all = RwSignal::new(false);
    let total = move || files.with(Vec::len);
    let waiting = move || {
        let waits = |file: &&ArcRwSignal<ClassifiedFile>| file.with(|file| matches!(file.answer, Answer::Waiting));
        files.with(|files| files.iter().filter(waits).count())
    };
    view! {
        <div class="results-head" class:none=move || total() == 0>
            <p class="quiet figures" aria-live="polite">{Signal::derive(move || match waiting() {
                0 => counted(total(), "clip", "clips"),
                waiting => format!("{} of {} to go", waiting, counted(total(), "clip", "clips")),
            })}</p>
            {move || match state.classifying.get() {
                Some(job) => view! { <button type="button" class="link" on:click=move |_| state.engine.tell(Command::Cancel { job })>"Stop"</button> }.into_any(),
                None => view! { <button type="button" class="link" on:click=move |_| files.set(Vec::new())>"Clear"</button> }.into_any(),
            }}
        </div>
        <ul class="results">
            <For each=move || {
                let shown = if all.get() { usize::MAX } else { SHOWN };
                files.with(|files| files.iter().take(shown).cloned().collect::<Vec<_>>())
            } key=|file| file.with_untracked(|file| file.id) let:file>
                <li class="card result-card"><ResultCard file/></li>
            </For>
        </ul>
        <Show when=move || !all.get() && { total() > SHOWN }>
            <button type="button" class="secondary small" on:click=move |_| all.set(true)>{move || format!("Show all {}", total())}</button>
        </Show>
    }
}

#[component]
fn ResultCard(file: ArcRwSignal<ClassifiedFile>) -> impl IntoView {
    let name = file.with_untracked(|file| file_name(&file.name));
    let path = file.with_untracked(|file| file.name.clone());
    let title = name.clone();
    view! {
        {move || file.with(|file| match &file.answer {
            Answer::Waiting => view! {
                <div class="stage waiting"></div>
                <div class="answer"><h3 title=path.clone()>{title.clone()}</h3><p class="quiet">"Waiting…"</p></div>
            }.into_any(),
            Answer::Unusable(reason) => view! {
                <div class="stage unusable-stage" aria-hidden="true">"×"</div>
                <div class="answer" data-testid="unusable-row"><h3 title=path.clone()>{title.clone()}</h3><p class="reason">{reason.clone()}</p></div>
            }.into_any(),
            Answer::Classified(answer) => view! { <Predictions file=file.id answer=answer.clone() name=name.clone()/> }.into_any(),
        })}
    }
}

#[component]
fn Predictions(file: usize, answer: Arc<Classification>, name: String) -> impl IntoView {
    let rows = answer.predictions.iter().map(|prediction| {
        let share = f64::from(prediction.score) * 100.0;
        view! {
            <li class="prediction" data-testid="prediction-row" data-label=prediction.label.clone() data-score=prediction.score.to_string()>
                <span class="prediction-label">{prediction.label.clone()}</span>
                <span class="prediction-score figures">{percent(prediction.score)}</span>
                <span class="prediction-bar" aria-hidden="true"><span style=format!("width:{share:.2}%")></span></span>
            </li>
        }
    }).collect_view();
    let has_frames = !answer.picture.frames.is_empty();
    let note = format!("{} · {:.0} ms", counted(answer.views, "view", "views"), answer.milliseconds);
    let label = format!("The clip {name}, as the model saw it");
    let attention = RwSignal::new(None::<Arc<ClipPicture>>);
    let seen = answer.clone();
    let stage = move || match attention.get() {
        Some(clip) => view! { <ClipPlayer clip label=LOOKED_AT.into()/> }.into_any(),
        None => has_frames.then(|| view! { <ClipPlayer clip=seen.clone() label=label.clone()/> }).into_any(),
    };
    view! {
        <div class="stage">{stage}</div>
        <div class="answer">
            <h3 title=answer.file.clone()>{name}</h3>
            <ol class="predictions">{rows}</ol>
            <p class="quiet figures">{note}</p>
            <AttentionToggle file attention/>
        </div>
    }
}

/// Swaps the clip for the same with what its answer rested on.
#[component]
fn AttentionToggle(file: usize, attention: RwSignal<Option<Arc<ClipPicture>>>) -> impl IntoView {
    let state = AppState::get();
    let (asked, failed) = (RwSignal::new(false), RwSignal::new(None::<String>));
    let shown = Memo::new(move |_| attention.with(Option::is_some));
    let toggle = move |_| {
        if shown.get_untracked() {
            return attention.set(None);
        }
        asked.set(true);
        failed.set(None);
        // The card may be gone when the answer comes.
        state.engine.send(Command::ShowAttention { file }, &Array::new(), move |event, _| match event {
            Event::Preview { clip, .. } => _ = attention.try_set(Some(Arc::new(clip))),
            Event::Failed(sentence) => {
                asked.try_set(false);
                failed.try_set(Some(sentence));
            }
            Event::Done | Event::Cancelled => _ = asked.try_set(false),
            _ => {}
        });
    };
    let hint = move || failed.get().or_else(|| shown.get().then(|| LOOKED_AT.to_string())).unwrap_or_default();
    view! {
        <button type="button" class="link" data-testid="attention" aria-pressed=move || shown.get().to_string() disabled=asked on:click=toggle>
            "What it looked at"
        </button>
        <p class="quiet" role="status">{Signal::derive(hint)}</p>
    }
}
