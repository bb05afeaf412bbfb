//! How well a model does on the folder: which splits, how often to look, and the report that the engine draws.

use leptos::prelude::*;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, HtmlSelectElement};

use super::classify::{ModelChoice, NoModel};
use super::components::notice::{Notice, Tone};
use super::evaluated_clips::EvaluatedClipsDialog;
use super::models::ModelsTabs;
use super::origin::has_classifier;
use super::state::AppState;
use super::transfer::TransferProgress;
use super::words::counted;
use crate::dataset::Split;
use crate::drawing::markup::Markup;
use crate::evaluation::Views;

const NO_FOLDER: &str = "<h2>There are no videos to evaluate on</h2>\
    <p>Choose the folder that the model was tuned on, or another one with the same classes.</p>\
    <div class=\"actions\"><a class=\"primary\" href=\"#data\">Choose a folder of videos</a></div>";

/// How often to look, by the names of [`Views::ALL`].
const VIEWS: &str = "<div class=\"field\"><label for=\"views\">Looks at each video</label><select id=\"views\">\
    <option value=\"single\">Once, at its middle</option>\
    <option value=\"kinetics\">15 times: 5 clips, 3 crops of each</option>\
    <option value=\"something-something\">6 times: 2 clips, 3 crops of each</option></select>\
    <p class=\"hint\">15 times as the paper on Kinetics and UCF101, 6 times as on Something-Something, the answers averaged; \
    it takes so many times as long.</p></div>";

/// Each with the id of its box.
const SPLITS: [(Split, &str, &str); 2] =
    [(Split::Validation, "split-validation", "Validation"), (Split::Test, "split-test", "Testing")];

#[component]
pub fn EvaluateView() -> impl IntoView {
    let state = AppState::get();
    let evaluating = state.evaluating;
    let progress = evaluating.progress;
    let any = Memo::new(move |_| state.checkpoints.with(|models| models.iter().any(has_classifier)));
    let ready = Memo::new(move |_| any.get() && state.catalogue.with(Option::is_some));
    let running = Memo::new(move |_| progress.is_running());
    let host = NodeRef::<leptos::html::Div>::new();
    Effect::new(move |_| {
        if let Some(host) = host.get() {
            let root = shadow(&host);
            Effect::new(move |_| root.set_inner_html(&evaluating.report.get().unwrap_or_default()));
        }
    });
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let (splits, views) = asked();
        evaluating.begin(state, splits, views);
    };
    let ready_words = move || evaluating.report.with(Option::is_some).then_some("The report is ready.");
    view! {
        <section class="page" aria-labelledby="models-title">
            <ModelsTabs title="Evaluate"/>
            {move || (!any.get()).then(|| view! { <NoModel/> })}
            <div class="card empty no-print" class:none=move || !any.get() || ready.get() inner_html=NO_FOLDER></div>
            <form class="card evaluate-form no-print" class:none=move || !ready.get() on:submit=submit>
                <ModelChoice/>
                <fieldset inner_html=move || splits(state)></fieldset>
                <div inner_html=VIEWS></div>
                <button type="submit" class="primary" class:none=running data-testid="evaluate">"Evaluate"</button>
                <TransferProgress transfer=progress testid="evaluation-progress"/>
            </form>
            <Notice tone=Tone::Error text=Signal::derive(move || progress.failure()) on_close=Callback::new(move |()| progress.end())/>
            <p class="visually-hidden" role="status">{ready_words}</p>
            <div node_ref=host class="report" class:none=move || evaluating.report.with(Option::is_none) data-testid="report"
                on:click=move |event| pressed(state, &event)></div>
            <EvaluatedClipsDialog/>
        </section>
    }
}

/// A box for each split, with how many videos of it the folder has.
fn splits(state: AppState) -> String {
    let mut html = Markup::default();
    html.leaf("legend", &[], "On the videos for");
    for (split, id, name) in SPLITS {
        let videos = state.videos_of(split);
        html.element("label", &[("class", "check")], |html| {
            let state = if videos > 0 { "checked" } else { "disabled" };
            html.void("input", &[("type", "checkbox"), ("id", id), (state, "")]);
            html.element("span", &[], |html| {
                html.text(name);
                html.leaf(
                    "span",
                    &[("class", "quiet figures")],
                    &[" · ", &counted(videos, "video", "videos")].concat(),
                );
            });
        });
    }
    html.finish()
}

/// What the form says.
fn asked() -> (Vec<Split>, Views) {
    let ticked =
        |id: &str| document().query_selector(&["#", id, ":checked"].concat()).is_ok_and(|found| found.is_some());
    let splits = SPLITS.into_iter().filter(|(_, id, _)| ticked(id)).map(|(split, ..)| split).collect();
    let select = document().get_element_by_id("views").and_then(|select| select.dyn_into::<HtmlSelectElement>().ok());
    let chosen = select.map(|select| select.value()).unwrap_or_default();
    let views = Views::ALL.into_iter().find(|(name, _)| *name == chosen);
    (splits, views.map(|(_, views)| views).unwrap_or_default())
}

/// A button of the report.
fn pressed(state: AppState, event: &web_sys::Event) {
    // Beyond the shadow root only the path tells which of its elements was clicked.
    let Ok(button) = event.composed_path().get(0).dyn_into::<Element>() else { return };
    if let Some(clips) = button.get_attribute("data-clips") {
        return state.evaluating.clips.show(state, clips);
    }
    match button.get_attribute("data-act").as_deref() {
        Some("save") => state.evaluating.save(state),
        // Refused only where the page may open no dialogs.
        Some("print") => _ = window().print(),
        _ => {}
    }
}

#[wasm_bindgen]
extern "C" {
    type Host;
    #[wasm_bindgen(method, js_name = attachShadow)]
    fn attach_shadow(this: &Host, options: &JsValue) -> Element;
}

/// A root of its own, in which the report's style meets none of the page's.
fn shadow(host: &JsValue) -> Element {
    let options = js_sys::Object::new();
    // Setting a field of a plain object cannot fail.
    let _ = js_sys::Reflect::set(&options, &"mode".into(), &"open".into());
    host.unchecked_ref::<Host>().attach_shadow(&options)
}
