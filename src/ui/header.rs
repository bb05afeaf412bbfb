//! The header: the name, the three steps, the models, and the device.

use leptos::prelude::*;

use super::engine_link::EngineStatus;
use super::state::{AppState, View};
use super::tuning::TunePhase;
use super::{DEVICE_KEY, device_named, remember};
use crate::protocol::DeviceChoice;

#[component]
pub fn Header(offline: RwSignal<bool>) -> impl IntoView {
    let state = AppState::get();
    let busy = move || {
        state
            .tuning
            .is_running()
            .then(|| format!("{:.0}%", state.tuning.curves.with(|curves| curves.progress()) * 100.0))
    };
    let models =
        move || state.checkpoints.with(|checkpoints| (!checkpoints.is_empty()).then(|| checkpoints.len().to_string()));
    let item = move |view: View, step: Option<&'static str>, name: &'static str| {
        let done = move || match view {
            View::Data => state.has_usable_data(),
            View::Tune => {
                !state.tuning.without_labels.get() && state.tuning.phase.with(|phase| *phase == TunePhase::Finished)
            }
            View::Pretrain | View::Classify | View::Models | View::Runs | View::Evaluate => false,
        };
        // Those without a place here belong to another.
        let current = move || match state.view.get() {
            View::Runs | View::Evaluate => view == View::Models,
            View::Pretrain => view == View::Tune,
            current => view == current,
        };
        view! {
            <a href=view.address() class="step" class:done=done aria-current=move || current().then_some("page")>
                {step.map(|step| view! { <span class="number" aria-hidden="true">{move || if done() { "✓" } else { step }}</span> })}
                <span>{name}</span>
                {move || match view {
                    View::Tune => busy().map(|busy| view! { <span class="badge">{busy}</span> }),
                    View::Models => models().map(|models| view! { <span class="badge">{models}</span> }),
                    _ => None,
                }}
            </a>
        }
    };
    view! {
        <header class="header">
            <a class="brand" href="#data" aria-label="Cliptune">
                <svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="9"/><path d="M9 20V12M14 24V8M19 21v-10M24 18v-4"/></svg>
                <span>"Cliptune"</span>
            </a>
            <nav aria-label="Steps">
                {item(View::Data, Some("1"), "Data")}
                {item(View::Tune, Some("2"), "Fine-tune")}
                {item(View::Classify, Some("3"), "Classify")}
                {item(View::Models, None, "Models")}
            </nav>
            <div class="chips">
                {move || offline.get().then(|| view! { <span class="chip" title="This page opens without a network.">"Works offline"</span> })}
                <Device/>
            </div>
        </header>
    }
}

/// The device in use, with a menu to choose another.
#[component]
fn Device() -> impl IntoView {
    let state = AppState::get();
    let status = state.engine.status;
    let name = Signal::derive(move || match status.get() {
        EngineStatus::Starting => "Starting…".to_string(),
        EngineStatus::Ready(report) if report.device == DeviceChoice::Gpu && report.name != "GPU" => {
            format!("GPU · {}", report.name)
        }
        EngineStatus::Ready(report) => report.name,
        EngineStatus::Failed(_) => "No engine".into(),
    });
    let kind = move || match status.get() {
        EngineStatus::Starting => "starting",
        EngineStatus::Ready(report) if report.device == DeviceChoice::Gpu => "gpu",
        EngineStatus::Ready(_) => "cpu",
        EngineStatus::Failed(_) => "failed",
    };
    let notice = move || match status.get() {
        EngineStatus::Ready(report) => report.notice,
        EngineStatus::Failed(sentence) => Some(sentence),
        EngineStatus::Starting => None,
    };
    view! {
        <button type="button" class=Signal::derive(move || format!("chip device {}", kind())) data-testid="device-chip" data-device=kind
            popovertarget="device-menu" aria-label=Signal::derive(move || format!("Device: {}. Choose another.", name.get())) title=notice>
            <span class="dot" aria-hidden="true"></span>
            <span class="device-name">{name}</span>
        </button>
        <div id="device-menu" class="menu" popover="auto">
            <p class="menu-title">"Runs on "{name}</p>
            {move || notice().map(|notice| view! { <p class="hint" data-testid="device-notice">{notice}</p> })}
            <label for="device">"Device"</label>
            <select id="device" data-testid="device-select" on:change=move |event| {
                let name = event_target_value(&event);
                remember(DEVICE_KEY, &name);
                state.engine.use_device(device_named(&name));
            }>
                {[("auto", "Choose for me", DeviceChoice::Auto), ("gpu", "GPU", DeviceChoice::Gpu), ("cpu", "CPU", DeviceChoice::Cpu)]
                    .map(|(value, label, choice)| view! {
                        <option value=value selected=move || state.engine.choice.get() == choice>{label}</option>
                    })}
            </select>
            <p class="hint">"Another device restarts the engine. Fine-tuning that is under way ends; its saved checkpoints stay."</p>
        </div>
    }
}
