//! The page: a header, three steps and a list of models.
//!
//! Comes in: what the user does, and the engine's events. Goes out: what is on the screen. Holds no tensor; every
//! computation that takes more than a moment is the engine's.

mod augmentation_settings;
mod bring;
mod checkpoint_row;
mod classify;
mod components;
mod data;
mod disk_choice;
mod engine_link;
mod evaluate;
mod evaluated_clips;
mod evaluating;
mod expert_settings;
mod export;
mod fitting;
mod folder;
mod header;
mod hub;
mod labels;
mod models;
mod origin;
mod pretrain;
mod pretrain_progress;
mod preview;
mod published;
mod runs;
mod sample;
mod settings_file;
mod start_choice;
mod state;
mod strategy_choice;
mod training_preview;
mod transfer;
mod tune;
mod tune_progress;
mod tune_settings;
mod tuning;
mod unfinished;
mod wake_lock;
mod words;

use leptos::prelude::*;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::UrlSearchParams;

use crate::model::config::ModelSize;
use crate::protocol::DeviceChoice;
use components::notice::{Notice, Tone};
use engine_link::{Engine, EngineStatus};
use state::{AppState, View};
use tuning::{Asked, Tuning};

/// Where the chosen device is remembered.
const DEVICE_KEY: &str = "cliptune.device";

/// Draws the page and starts the engine.
pub fn start() {
    if let Some(waiting) = document().get_element_by_id("starting") {
        waiting.remove();
    }
    leptos::mount::mount_to_body(App);
}

#[component]
fn App() -> impl IntoView {
    let parameters = window().location().search().ok().and_then(|search| UrlSearchParams::new_with_str(&search).ok());
    let parameter = move |name: &str| parameters.as_ref().and_then(|parameters| parameters.get(name));
    let device =
        parameter("device").or_else(|| remembered(DEVICE_KEY)).map_or(DeviceChoice::Auto, |name| device_named(&name));
    let asked = Asked {
        size: parameter("size").and_then(|name| ModelSize::from_name(&name)),
        epochs: parameter("epochs").and_then(|epochs| epochs.parse().ok()),
    };
    let state = AppState::new(Engine::start(device), View::at(&address()), Tuning::new(asked));
    wake_lock::hold_while(Signal::derive(move || state.tuning.is_running() && !state.tuning.is_paused()));
    provide_context(state);
    on_event(window().as_ref(), "hashchange", move || state.view.set(View::at(&address())));
    // Where the address changes and the view does not, the view stays, with the file chooser that may be open in it.
    let view = Memo::new(move |_| state.view.get());
    let offline = RwSignal::new(false);
    register_service_worker(offline);
    Effect::new(move |_| document().set_title(&title(state)));

    view! {
        <a class="skip" href="#content" on:click=|event| {
            event.prevent_default();
            focus_content();
        }>"Skip to the content"</a>
        <header::Header offline/>
        <main id="content" tabindex="-1">
            <Notice tone=Tone::Error text=Signal::derive(move || match state.engine.status.get() {
                EngineStatus::Failed(sentence) => Some(sentence),
                _ => None,
            })/>
            <Notice tone=Tone::Error text=state.engine.notice on_close=Callback::new(move |()| state.engine.notice.set(None))/>
            {move || match view.get() {
                View::Data => view! { <data::DataView/> }.into_any(),
                View::Tune => view! { <tune::TuneView/> }.into_any(),
                View::Pretrain => view! { <pretrain::PretrainView/> }.into_any(),
                View::Classify => view! { <classify::ClassifyView/> }.into_any(),
                View::Models => view! { <models::ModelsView/> }.into_any(),
                View::Runs => view! { <runs::RunsView/> }.into_any(),
                View::Evaluate => view! { <evaluate::EvaluateView/> }.into_any(),
            }}
        </main>
        <footer class="footer">
            <p><strong>"No video leaves this machine."</strong>" Cliptune reads, learns and classifies inside this page."</p>
            <p class="quiet">"Apache License 2.0 · VideoMAE: Tong et al., 2022"</p>
        </footer>
    }
}

fn focus_content() {
    if let Some(content) = document().get_element_by_id("content") {
        // Refused only where the page is going away.
        let _ = content.unchecked_into::<web_sys::HtmlElement>().focus();
    }
}

/// What the browser's tab says.
fn title(state: AppState) -> String {
    if state.tuning.is_running() {
        return format!("{:.0}% · Cliptune", state.tuning.curves.with(|curves| curves.progress()) * 100.0);
    }
    match state.view.get() {
        View::Data => "Cliptune: teach a model to see your motions".into(),
        View::Tune => "Fine-tune · Cliptune".into(),
        View::Pretrain => "Learn without labels · Cliptune".into(),
        View::Classify => "Classify · Cliptune".into(),
        View::Models => "Models · Cliptune".into(),
        View::Runs => "Runs · Cliptune".into(),
        View::Evaluate => "Evaluate · Cliptune".into(),
    }
}

fn address() -> String {
    window().location().hash().unwrap_or_default()
}

fn device_named(name: &str) -> DeviceChoice {
    match name {
        "gpu" => DeviceChoice::Gpu,
        "cpu" => DeviceChoice::Cpu,
        _ => DeviceChoice::Auto,
    }
}

/// What an earlier visit left under this key.
fn remembered(key: &str) -> Option<String> {
    window().local_storage().ok().flatten()?.get_item(key).ok().flatten()
}

/// Keeps a setting for the next visit.
fn remember(key: &str, value: &str) {
    if let Ok(Some(storage)) = window().local_storage() {
        // A browser that keeps nothing asks again next time.
        let _ = storage.set_item(key, value);
    }
}

/// Listens for as long as the page lives.
fn on_event(target: &web_sys::EventTarget, name: &str, act: impl Fn() + 'static) {
    let listener = Closure::<dyn Fn()>::new(act);
    let _ = target.add_event_listener_with_callback(name, listener.as_ref().unchecked_ref());
    listener.forget();
}

/// Registers the service worker that the build makes, and tells whether it serves this page.
fn register_service_worker(offline: RwSignal<bool>) {
    let navigator = window().navigator();
    let part = |object: &JsValue, name: &str| js_sys::Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED);
    // Absent where the page is not served safely (neither https nor localhost).
    if !part(&navigator, "serviceWorker").is_object() {
        return;
    }
    let container = navigator.service_worker();
    let see = {
        let container = container.clone();
        move || offline.set(part(&container, "controller").is_object())
    };
    see();
    on_event(container.as_ref(), "controllerchange", see);
    let registration = container.register("./service-worker.js");
    leptos::task::spawn_local(async move {
        // A development build has none; the page works all the same.
        let _ = wasm_bindgen_futures::JsFuture::from(registration).await;
    });
}
