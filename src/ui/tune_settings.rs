//! The form of a run's settings.

use leptos::prelude::*;
use wasm_bindgen::JsValue;

use super::augmentation_settings::{AugmentationSettings, direction_warning};
use super::components::field::NumberField;
use super::components::notice::{Notice, Tone};
use super::disk_choice::DiskChoice;
use super::expert_settings::ExpertSettings;
use super::settings_file::SettingsFile;
use super::start_choice::StartChoice;
use super::state::AppState;
use super::strategy_choice::StrategyChoice;
use super::words::percent;
use crate::protocol::CheckpointSummary;

#[component]
pub fn SettingsForm() -> impl IntoView {
    let state = AppState::get();
    let settings = state.tuning.settings;
    view! {
        <form class="settings" on:submit=|event| event.prevent_default()>
            <StartChoice/>
            <fieldset>
                <legend>"Settings"</legend>
                <div class="fields">
                    <div class="field wide">
                        <label for="name">"Name"</label>
                        <input id="name" type="text" autocomplete="off" maxlength="80" prop:value=Signal::derive(move || settings.with(|settings| settings.name.clone()))
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
                <StrategyChoice/>
                <Notice tone=Tone::Warning text=Signal::derive(move || direction_warning(state))/>
                <MoreSettings/>
            </fieldset>
        </form>
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
    let shown = RwSignal::new(false);
    view! {
        <details class="more" on:toggle=move |event| shown.set(is_open(&event))>
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
                <DiskChoice/>
            </div>
            <ExpertSettings/>
            <AugmentationSettings shown/>
            <SettingsFile/>
        </details>
    }
}

/// Whether the details that this happened to are open.
fn is_open(event: &web_sys::Event) -> bool {
    event
        .target()
        .is_some_and(|details| js_sys::Reflect::get(&details, &"open".into()).is_ok_and(|open| open.is_truthy()))
}

/// 0 where it is no number, which no count allows.
pub fn whole(text: &str) -> usize {
    text.trim().parse().unwrap_or_default()
}

fn seed(text: &str) -> u64 {
    // Larger ones lose digits on their way to the engine.
    text.trim().parse::<u64>().unwrap_or_default().min(1 << 53)
}

/// Below every setting's range where it is no number.
pub fn decimal(text: &str) -> f64 {
    let text = text.trim().replace(',', ".");
    // The browser's own reading of numbers; Rust's would be a thirtieth of the page.
    let value = if text.is_empty() { f64::NAN } else { JsValue::from_str(&text).unchecked_into_f64() };
    if value.is_finite() { value } else { -1.0 }
}

pub fn rounded(value: &f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}
