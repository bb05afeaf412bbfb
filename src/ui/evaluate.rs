//! How well a model does on the folder: which splits, how often to look, and the report that the engine draws.

use leptos::prelude::*;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Element;

use super::classify::{ModelChoice, NoModel};
use super::components::choice::Choice;
use super::components::notice::{Notice, Tone};
use super::components::unusable::UnusableList;
use super::evaluated_clips::EvaluatedClipsDialog;
use super::evaluating::Drawn;
use super::models::ModelsTabs;
use super::origin::has_classifier;
use super::state::{AppState, View};
use super::transfer::TransferProgress;
use super::words::counted;
use crate::dataset::Split;
use crate::evaluation::Views;

/// [`Views::ALL`] in a user's words.
const VIEWS: [(&str, &str); 3] = [
    ("single", "Once"),
    ("kinetics", "15 times: 5 clips, 3 crops of each"),
    ("something-something", "6 times: 2 clips, 3 crops of each"),
];

const NONE_SET_ASIDE: &str =
    "The folder has neither validation nor test videos. Say in its labels and splits which they are.";

#[component]
pub fn EvaluateView() -> impl IntoView {
    let state = AppState::get();
    let progress = state.evaluating.progress;
    let any = Memo::new(move |_| state.checkpoints.with(|models| models.iter().any(has_classifier)));
    let folder = Memo::new(move |_| state.catalogue.with(Option::is_some));
    let left_out = state.evaluating.left_out;
    // The report has them itself.
    let unreported = move || if state.evaluating.drawn.with(Option::is_some) { Vec::new() } else { left_out.get() };
    view! {
        <section class="page" aria-labelledby="models-title">
            <ModelsTabs title="Evaluate"/>
            {move || match (any.get(), folder.get()) {
                (false, _) => view! { <NoModel/> }.into_any(),
                (true, false) => view! { <NoFolder/> }.into_any(),
                (true, true) => view! { <EvaluateForm/> }.into_any(),
            }}
            <Notice tone=Tone::Error text=Signal::derive(move || progress.failure()) on_close=Callback::new(move |()| progress.end())/>
            {move || view! { <UnusableList files=unreported() one="video was left out" many="videos were left out"/> }}
            <p class="visually-hidden" role="status">{move || state.evaluating.drawn.with(Option::is_some).then_some("The report is ready.")}</p>
            {move || state.evaluating.drawn.get().map(|drawn| view! { <ReportView drawn/> })}
            <EvaluatedClipsDialog/>
        </section>
    }
}

#[component]
fn NoFolder() -> impl IntoView {
    let state = AppState::get();
    view! {
        <div class="card empty no-print">
            <h2>"There are no videos to evaluate on"</h2>
            <p>"Choose the folder that the model was tuned on, or another one with the same classes."</p>
            <div class="actions">
                <button type="button" class="primary" on:click=move |_| state.go(View::Data)>"Choose a folder of videos"</button>
            </div>
        </div>
    }
}

#[component]
fn EvaluateForm() -> impl IntoView {
    let state = AppState::get();
    let evaluating = state.evaluating;
    let running = Memo::new(move |_| evaluating.progress.is_running());
    let nothing = Memo::new(move |_| evaluating.chosen(state).is_empty());
    let none_set_aside = move || {
        let empty = evaluating.splits.iter().all(|(split, _)| state.videos_of(*split) == 0);
        empty.then(|| NONE_SET_ASIDE.to_string())
    };
    let value = Signal::derive(move || name(evaluating.views.get()).to_string());
    let hint = Signal::derive(move || hint(evaluating.views.get()).to_string());
    let choose = move |chosen: String| {
        let views = Views::ALL.into_iter().find(|(name, _)| *name == chosen);
        evaluating.views.set(views.map(|(_, views)| views).unwrap_or_default());
    };
    view! {
        <form class="card evaluate-form no-print" on:submit=move |event| {
            event.prevent_default();
            evaluating.begin(state);
        }>
            <ModelChoice/>
            <fieldset>
                <legend>"On the videos for"</legend>
                {evaluating.splits.map(|(split, chosen)| view! { <SplitChoice split chosen/> }).collect_view()}
            </fieldset>
            <Choice name="views" label="Looks at each video" hint options=&VIEWS value on_change=choose/>
            <Notice tone=Tone::Blocked text=Signal::derive(none_set_aside)/>
            <TransferProgress transfer=evaluating.progress testid="evaluation-progress"/>
            <button type="submit" class="primary" class:none=running data-testid="evaluate" disabled=nothing>"Evaluate"</button>
        </form>
    }
}

#[component]
fn SplitChoice(split: Split, chosen: RwSignal<bool>) -> impl IntoView {
    let state = AppState::get();
    let videos = Memo::new(move |_| state.videos_of(split));
    let (testid, words) = match split {
        Split::Train => ("split-train", "Training"),
        Split::Validation => ("split-validation", "Validation"),
        Split::Test => ("split-test", "Testing"),
    };
    let count = Signal::derive(move || format!(" · {}", counted(videos.get(), "video", "videos")));
    view! {
        <label class="check">
            <input type="checkbox" data-testid=testid disabled=move || videos.get() == 0
                prop:checked=move || chosen.get() && { videos.get() > 0 } on:change=move |event| chosen.set(event_target_checked(&event))/>
            <span>{words}<span class="quiet figures">{count}</span></span>
        </label>
    }
}

fn name(views: Views) -> &'static str {
    Views::ALL.into_iter().find(|(_, known)| *known == views).map_or("", |(name, _)| name)
}

fn hint(views: Views) -> &'static str {
    match views {
        Views::Single => "At its middle, as a run validates after each epoch.",
        Views::Kinetics => "As the paper tests on Kinetics and UCF101, answers averaged. Takes 15 times as long.",
        Views::SomethingSomething => {
            "As the paper tests on Something-Something, answers averaged. Takes 6 times as long."
        }
    }
}

/// What came of it, and what can be done with that.
#[component]
fn ReportView(drawn: Drawn) -> impl IntoView {
    let state = AppState::get();
    let evaluating = state.evaluating;
    let host = NodeRef::<leptos::html::Div>::new();
    Effect::new(move |_| {
        if let Some(host) = host.get() {
            shadow(&host).set_inner_html(&drawn.html);
        }
    });
    let show = move |event: web_sys::MouseEvent| {
        // Beyond the shadow root only the path tells which of its elements was clicked.
        let clicked = event.composed_path().get(0).dyn_into::<Element>().ok();
        if let Some(clips) = clicked.and_then(|clicked| clicked.get_attribute("data-clips")) {
            evaluating.clips.open(state, clips);
        }
    };
    view! {
        <div class="row between report-head">
            <h2 class="path">{drawn.title}</h2>
            <div class="actions no-print">
                <button type="button" class="secondary" data-testid="save-report" on:click=move |_| evaluating.save(state)>"Save the report"</button>
                <button type="button" class="link" on:click=|_| _ = window().print()>"Print"</button>
            </div>
        </div>
        <Notice tone=Tone::Error text=evaluating.notice on_close=Callback::new(move |()| evaluating.notice.set(None))/>
        <div node_ref=host class="report" data-testid="report" on:click=show></div>
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
