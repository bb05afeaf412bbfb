//! The form of a run's settings.

use leptos::prelude::*;

use super::components::field::NumberField;
use super::components::notice::{Notice, Tone};
use super::engine_link::EngineStatus;
use super::state::AppState;
use super::words::percent;
use crate::model::config::ModelSize;
use crate::protocol::{CheckpointSummary, DeviceChoice};
use crate::train::settings::StartFrom;

/// A size's name, its shape, and what it needs.
fn described(size: ModelSize) -> (&'static str, [&'static str; 2], &'static str) {
    match size {
        ModelSize::Micro => {
            ("Micro", ["8 frames of 32 px", "0.1 million weights"], "Minutes, on any computer, without a GPU too.")
        }
        ModelSize::Tiny => {
            ("Tiny", ["8 frames of 64 px", "2 million weights"], "Sees more detail, and takes several times as long.")
        }
        ModelSize::Small => {
            ("Small", ["16 frames of 224 px", "22 million weights"], "Wants a good GPU, hours, and thousands of clips.")
        }
        ModelSize::Base => (
            "Base",
            ["16 frames of 224 px", "86 million weights"],
            "Wants a large GPU, many hours, and still more clips.",
        ),
    }
}

#[component]
pub fn SettingsForm() -> impl IntoView {
    let state = AppState::get();
    let settings = state.tuning.settings;
    let on_cpu =
        move || matches!(state.engine.status.get(), EngineStatus::Ready(report) if report.device == DeviceChoice::Cpu);
    let is_large =
        move || settings.with(|settings| matches!(settings.start, StartFrom::Size(ModelSize::Small | ModelSize::Base)));
    view! {
        <form class="settings" on:submit=|event| event.prevent_default()>
            <fieldset>
                <legend>"Start from"</legend>
                <div class="choices">
                    {ModelSize::ALL.map(|size| view! { <SizeCard size/> })}
                </div>
                <p class="hint">"These four start from random weights in this version: they learn motion that your folder alone can teach."</p>
                <CheckpointChoice/>
                {move || (on_cpu() && is_large()).then(|| view! {
                    <Notice tone=Tone::Warning text="There is no GPU in use: this size would take days on the CPU. Choose Micro or Tiny."/>
                })}
            </fieldset>
            <fieldset>
                <legend>"Settings"</legend>
                <div class="fields">
                    <div class="field wide">
                        <label for="name">"Name"</label>
                        <input id="name" type="text" autocomplete="off" maxlength="80" prop:value=move || settings.with(|settings| settings.name.clone())
                            on:input=move |event| {
                                state.tuning.named.set(true);
                                settings.update(|settings| settings.name = event_target_value(&event));
                            }/>
                        <p class="hint">"What the model is called in your list."</p>
                    </div>
                    <NumberField name="epochs" label="Epochs" hint="How often each training clip is seen."
                        value=Signal::derive(move || settings.with(|settings| settings.epochs))
                        show=usize::to_string parse=whole on_change=|settings, value| settings.epochs = value/>
                    <NumberField name="batch" label="Batch" hint="Clips at a time. Fewer need less memory."
                        value=Signal::derive(move || settings.with(|settings| settings.batch))
                        show=usize::to_string parse=whole on_change=|settings, value| settings.batch = value/>
                    <NumberField name="learning_rate" label="Learning rate" hint="How far each step goes. Halve it if the loss jumps."
                        value=Signal::derive(move || settings.with(|settings| settings.learning_rate))
                        show=f64::to_string parse=decimal on_change=|settings, value| settings.learning_rate = value/>
                </div>
                <MoreSettings/>
            </fieldset>
        </form>
    }
}

#[component]
fn SizeCard(size: ModelSize) -> impl IntoView {
    let state = AppState::get();
    let (name, shape, needs) = described(size);
    let chosen = move || state.tuning.settings.with(|settings| settings.start == StartFrom::Size(size));
    view! {
        <label class="choice" class:chosen=chosen>
            <input type="radio" name="start" value=size.name() data-testid=format!("size-{}", size.name()) prop:checked=chosen
                on:change=move |_| state.tuning.start_from(StartFrom::Size(size))/>
            <span class="choice-name">{name}</span>
            {shape.map(|line| view! { <span class="choice-shape">{line}</span> })}
            <span class="choice-needs">{needs}</span>
        </label>
    }
}

/// A checkpoint to go on from, where there are any.
#[component]
fn CheckpointChoice() -> impl IntoView {
    let state = AppState::get();
    let chosen = move || {
        state.tuning.settings.with(|settings| match &settings.start {
            StartFrom::Checkpoint(id) => Some(id.clone()),
            StartFrom::Size(_) => None,
        })
    };
    let any = Memo::new(move |_| state.checkpoints.with(|checkpoints| !checkpoints.is_empty()));
    view! {
        <Show when=move || any.get()>
            <div class="field wide from-checkpoint">
                <label for="from-checkpoint">"Or go on from a model of yours"</label>
                <select id="from-checkpoint" data-testid="start-checkpoint" on:change=move |event| {
                    let id = event_target_value(&event);
                    state.tuning.start_from(if id.is_empty() { StartFrom::Size(ModelSize::Micro) } else { StartFrom::Checkpoint(id) });
                }>
                    <option value="" selected=move || chosen().is_none()>"None: start from the size above"</option>
                    {move || state.checkpoints.get().into_iter().map(|checkpoint| {
                        let id = checkpoint.id.clone();
                        view! { <option value=checkpoint.id.clone() selected=move || chosen().as_ref() == Some(&id)>{one_line(&checkpoint)}</option> }
                    }).collect_view()}
                </select>
                <p class="hint">"It keeps what it knows. Where your classes are others than its own, they get a new last layer."</p>
            </div>
        </Show>
    }
}

/// A checkpoint in one line of a list.
pub fn one_line(checkpoint: &CheckpointSummary) -> String {
    let mut line = checkpoint.name.clone();
    if let Some(epoch) = epoch(checkpoint) {
        line.push_str(&format!(" · {epoch}"));
    }
    if let Some(validation) = checkpoint.validation {
        line.push_str(&format!(" · {}", percent(validation.accuracy)));
    }
    if checkpoint.best {
        line.push_str(" · best");
    }
    line
}

/// The checkpoint's epoch, where its name does not say it already.
pub fn epoch(checkpoint: &CheckpointSummary) -> Option<String> {
    let epoch = format!("epoch {}", checkpoint.epoch);
    (checkpoint.epoch > 0 && !checkpoint.name.ends_with(&epoch)).then_some(epoch)
}

#[component]
fn MoreSettings() -> impl IntoView {
    let state = AppState::get();
    let settings = state.tuning.settings;
    view! {
        <details class="more">
            <summary>"More settings"</summary>
            <div class="fields">
                <NumberField name="clip_seconds" label="Clip length, seconds" hint="How much of a video one clip spans."
                    value=Signal::derive(move || settings.with(|settings| settings.clip_seconds))
                    show=rounded parse=decimal on_change=|settings, value| settings.clip_seconds = value/>
                <NumberField name="accumulation" label="Batches a step" hint="More act like a larger batch, in the same memory."
                    value=Signal::derive(move || settings.with(|settings| settings.accumulation))
                    show=usize::to_string parse=whole on_change=|settings, value| settings.accumulation = value/>
                <NumberField name="warmup_ratio" label="Warm-up share" hint="Share of the steps in which the learning rate rises."
                    value=Signal::derive(move || settings.with(|settings| settings.warmup_ratio))
                    show=f64::to_string parse=decimal on_change=|settings, value| settings.warmup_ratio = value/>
                <NumberField name="weight_decay" label="Weight decay" hint="Pulls weights towards 0; 0 leaves them alone."
                    value=Signal::derive(move || settings.with(|settings| settings.weight_decay))
                    show=f64::to_string parse=decimal on_change=|settings, value| settings.weight_decay = value/>
                <NumberField name="max_grad_norm" label="Gradient clipping" hint="Largest norm of a gradient; 0 sets no limit."
                    value=Signal::derive(move || settings.with(|settings| settings.max_grad_norm))
                    show=f64::to_string parse=decimal on_change=|settings, value| settings.max_grad_norm = value/>
                <NumberField name="seed" label="Seed" hint="The same seed gives the same run."
                    value=Signal::derive(move || settings.with(|settings| settings.seed))
                    show=u64::to_string parse=seed on_change=|settings, value| settings.seed = value/>
            </div>
            <label class="check">
                <input type="checkbox" data-testid="horizontal-flip" prop:checked=move || settings.with(|settings| settings.horizontal_flip)
                    on:change=move |event| settings.update(|settings| settings.horizontal_flip = event_target_checked(&event))/>
                <span>"Mirror half of the training clips"</span>
            </label>
            <p class="hint">{move || if state.tuning.directions.get() {
                "Off, because your class names speak of left, right or a turn: mirrored clips would carry the wrong label."
            } else {
                "Helps where left and right mean the same."
            }}</p>
        </details>
    }
}

/// 0 where it is no number, which no count allows.
fn whole(text: &str) -> usize {
    text.trim().parse().unwrap_or_default()
}

fn seed(text: &str) -> u64 {
    // Larger ones lose digits on their way to the engine.
    text.trim().parse::<u64>().unwrap_or_default().min(1 << 53)
}

/// Below every setting's range where it is no number.
fn decimal(text: &str) -> f64 {
    text.trim().replace(',', ".").parse().unwrap_or(-1.0)
}

fn rounded(value: &f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}
