//! A place to drop files and folders on, with buttons that choose them. Hands what comes to the page's state.

use leptos::attr::custom::custom_attribute;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{DragEvent, HtmlInputElement};

use crate::ui::folder::{self, Dropped, FoundFile};
use crate::ui::state::{AppState, ImportPhase};

/// What the place takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// One folder with everything below it.
    Folder,
    /// Videos, or folders of them.
    Clips,
    /// A zip, or the files of a model.
    Model,
}

impl Takes {
    /// To the page's state, which outlives every view: a large folder takes seconds to walk through, and by then the user
    /// may have gone on to another view.
    fn hand_over(self, state: AppState, files: Vec<FoundFile>) {
        match self {
            Self::Folder => state.import_files(files),
            Self::Clips => state.classify(files),
            Self::Model => state.bringing.import(state, files),
        }
    }

    /// Tells how many files a folder held so far.
    fn found(self, state: AppState, found: usize) {
        if self == Self::Folder {
            state.import.set(ImportPhase::Listing { found });
        }
    }
}

/// Takes files in, and hands them to whom `takes` says.
#[component]
pub fn Dropzone(
    takes: Takes,
    /// The chooser's own `data-testid`.
    testid: &'static str,
    label: &'static str,
    #[prop(into)] disabled: Signal<bool>,
    title: &'static str,
    text: &'static str,
    #[prop(optional)] film: bool,
    /// Below the button.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    // Entering a child leaves its parent: the place is left when as many were left as were entered.
    let entered = RwSignal::new(0_i32);
    let input = NodeRef::<leptos::html::Input>::new();
    let state = AppState::get();
    let found = move |count| takes.found(state, count);
    let drop = move |event: DragEvent| {
        event.prevent_default();
        entered.set(0);
        let Some(transfer) = event.data_transfer() else { return };
        if disabled.get_untracked() {
            return;
        }
        let dropped = Dropped::take(&transfer);
        found(0);
        leptos::task::spawn_local(async move { takes.hand_over(state, dropped.files(&found).await) });
    };
    let choose = move |_| match takes {
        Takes::Folder if folder::has_picker() => leptos::task::spawn_local(async move {
            if let Some(files) = folder::pick(&found).await {
                takes.hand_over(state, files);
            }
        }),
        _ => {
            if let Some(input) = input.get_untracked() {
                input.click();
            }
        }
    };
    view! {
        <div class="dropzone" class:over=move || { entered.get() > 0 } class:off=disabled
            on:dragenter=move |event: DragEvent| { event.prevent_default(); entered.update(|entered| *entered += 1); }
            on:dragleave=move |_| entered.update(|entered| *entered -= 1)
            on:dragover=|event: DragEvent| event.prevent_default()
            on:drop=drop>
            {film.then(|| view! { <FilmStrip/> })}
            <h2>{title}</h2>
            <p>{text}</p>
            <div class="actions">
                <button type="button" class="primary" disabled=disabled on:click=choose>{label}</button>
            </div>
            <input node_ref=input class="hidden-input" disabled=disabled data-testid=testid type="file" multiple=true tabindex="-1" aria-hidden="true"
                {..custom_attribute("webkitdirectory", takes == Takes::Folder)}
                accept=(takes == Takes::Clips).then_some("video/*,.mkv,.avi")
                on:change=move |event| {
                    if let Some(input) = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok()) {
                        leptos::task::spawn_local(async move { takes.hand_over(state, folder::chosen(&input, &found).await) });
                    }
                }/>
            {children.map(|children| children())}
        </div>
    }
}

/// Three frames of something that moves.
#[component]
fn FilmStrip() -> impl IntoView {
    view! {
        <svg class="film" viewBox="0 0 132 64" aria-hidden="true">
            <rect x="1" y="13" width="38" height="38" rx="6"/><rect x="47" y="13" width="38" height="38" rx="6"/><rect x="93" y="13" width="38" height="38" rx="6"/>
            <circle cx="12" cy="40" r="6"/><circle cx="66" cy="32" r="6"/><circle cx="120" cy="24" r="6"/>
        </svg>
    }
}
