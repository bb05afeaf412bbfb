//! Step 1: a folder of videos -> what it holds.

use std::sync::Arc;

use leptos::prelude::*;

use super::components::dropzone::{Dropzone, Takes};
use super::components::notice::{Notice, Tone};
use super::components::picture::Still;
use super::components::progress::ProgressBar;
use super::components::unusable::UnusableList;
use super::folder::FoundFile;
use super::preview::ClassPreview;
use super::sample;
use super::state::{AppState, ImportPhase, View};
use super::words::{count, counted};
use crate::dataset::{Catalogue, ClassSummary, Split};

#[component]
pub fn DataView() -> impl IntoView {
    let state = AppState::get();
    let busy = Memo::new(move |_| state.import.with(ImportPhase::is_busy));
    let has_data = Memo::new(move |_| state.catalogue.with(Option::is_some));
    let on_files = Callback::new(move |files: Vec<FoundFile>| state.import_files(files));
    let on_listing = Callback::new(move |found| state.import.set(ImportPhase::Listing { found }));
    let failed = move || match state.import.get() {
        ImportPhase::Failed(sentence) => Some(sentence),
        _ => None,
    };
    view! {
        <section class="page" aria-labelledby="data-title">
            {move || if has_data.get() {
                view! { <div class="intro compact"><h1 id="data-title">"Your data"</h1></div> }.into_any()
            } else {
                view! {
                    <div class="intro">
                        <h1 id="data-title">"Teach a model to see your motions"</h1>
                        <p class="lead">"Give Cliptune a folder of short videos, sorted by what happens in them. It fine-tunes VideoMAE on them, here in your browser."</p>
                    </div>
                }.into_any()
            }}
            <Notice tone=Tone::Error text=Signal::derive(failed)/>
            {move || if busy.get() {
                view! { <Importing/> }.into_any()
            } else if has_data.get() {
                view! { <Overview on_files on_listing/> }.into_any()
            } else {
                view! {
                    <Dropzone takes=Takes::Folder testid="folder-input" label="Choose a folder" on_files on_listing disabled=busy
                        film=true title="Drop a folder of videos" text="mp4, mov, webm or mkv. Videos stay where they are: nothing is uploaded.">
                        <SampleButton/>
                    </Dropzone>
                    <FolderHelp/>
                }.into_any()
            }}
        </section>
    }
}

#[component]
fn SampleButton() -> impl IntoView {
    let state = AppState::get();
    let fetch = move |_| {
        state.import.set(ImportPhase::Fetching { done: 0, total: 0 });
        leptos::task::spawn_local(async move {
            let fetched =
                sample::fetch(move |done, total| state.import.set(ImportPhase::Fetching { done, total })).await;
            match fetched {
                Ok(files) => state.import_files(files),
                Err(sentence) => state.import.set(ImportPhase::Failed(sentence)),
            }
        });
    };
    view! {
        <button type="button" class="link try-sample" data-testid="sample-button" disabled=move || state.import.with(ImportPhase::is_busy) on:click=fetch>
            "Try the sample"
        </button>
    }
}

#[component]
fn FolderHelp() -> impl IntoView {
    view! {
        <div class="help">
            <div>
                <h3>"One folder for each class"</h3>
                <p>"The folder’s name is the label. A dozen clips a class is a start; more is better."</p>
                <pre aria-label="Example: the folder videos holds the folders wave and clap">"videos/\n  wave/   01.mp4  02.mp4 …\n  clap/   01.mp4  02.mp4 …"</pre>
            </div>
            <div>
                <h3>"Or with splits of your own"</h3>
                <p>"Without them Cliptune sets clips aside for validation and testing, and keeps those of one recording together."</p>
                <pre aria-label="Example: the folders train, val and test, each with a folder for each class">"videos/\n  train/  wave/ …  clap/ …\n  val/    wave/ …  clap/ …\n  test/   wave/ …  clap/ …"</pre>
            </div>
        </div>
    }
}

#[component]
fn Importing() -> impl IntoView {
    let state = AppState::get();
    let words = Memo::new(move |_| match state.import.get() {
        ImportPhase::Fetching { total: 0, .. } => ("Fetching the sample", String::new(), None),
        ImportPhase::Fetching { done, total } => (
            "Fetching the sample",
            format!("{} of {} files", count(done), count(total)),
            Some(done as f64 / total as f64),
        ),
        ImportPhase::Listing { found } => ("Looking through the folder", counted(found, "file", "files"), None),
        ImportPhase::Importing { done, total, .. } => (
            "Reading the videos",
            format!("{} of {} files", count(done), count(total)),
            Some(done as f64 / total.max(1) as f64),
        ),
        ImportPhase::Idle | ImportPhase::Failed(_) => ("", String::new(), None),
    });
    let title = Signal::derive(move || words.get().0.to_string());
    view! {
        <div class="card importing" data-testid="importing">
            <h2 aria-live="polite">{title}</h2>
            <ProgressBar share=Signal::derive(move || words.get().2) label=title/>
            <div class="row between">
                <p class="quiet figures">{Signal::derive(move || words.get().1)}</p>
                {move || matches!(state.import.get(), ImportPhase::Importing { .. }).then(|| view! {
                    <button type="button" class="link" on:click=move |_| state.cancel_import()>"Cancel"</button>
                })}
            </div>
        </div>
    }
}

/// What the folder holds.
#[component]
fn Overview(on_files: Callback<Vec<FoundFile>, ()>, on_listing: Callback<usize>) -> impl IntoView {
    let state = AppState::get();
    let shown = RwSignal::new(None::<usize>);
    view! {
        {move || state.catalogue.get().map(|catalogue| {
            let blocked = catalogue.blocked.clone();
            let ready = blocked.is_none();
            let warnings = catalogue.warnings.clone();
            view! {
                <Totals catalogue=catalogue.clone()/>
                <Notice tone=Tone::Blocked text=blocked/>
                {warnings.into_iter().map(|sentence| view! { <Notice tone=Tone::Warning text=Some(sentence)/> }).collect_view()}
                <ul class="classes">
                    {catalogue.classes.iter().enumerate().map(|(index, class)| view! {
                        <li><ClassCard class=class.clone() on_open=move || shown.set(Some(index))/></li>
                    }).collect_view()}
                </ul>
                {ready.then(|| view! {
                    <div class="actions next">
                        <button type="button" class="primary" data-testid="to-tuning" on:click=move |_| state.go(View::Tune)>"Continue to fine-tuning"</button>
                    </div>
                })}
                <UnusableList files=catalogue.unusable.clone() one="file cannot be used" many="files cannot be used"/>
                <ClassPreview catalogue=catalogue.clone() shown/>
            }
        })}
        <Dropzone takes=Takes::Folder testid="folder-input" label="Choose another folder" on_files on_listing disabled=Signal::derive(|| false)
            title="Drop another folder" text="It takes this one’s place. Models that you have trained stay.">
            <SampleButton/>
        </Dropzone>
    }
}

#[component]
fn Totals(catalogue: Arc<Catalogue>) -> impl IntoView {
    let state = AppState::get();
    let of = |split: Split| catalogue.videos.iter().filter(|video| video.split == split).count();
    let figures =
        [(of(Split::Train), "to train"), (of(Split::Validation), "to validate"), (of(Split::Test), "to test")];
    view! {
        <div class="totals">
            <p class="sentence">
                {counted(catalogue.videos.len(), "video", "videos")}" in "{counted(catalogue.classes.len(), "class", "classes")}
                {Signal::derive(move || match state.folder_name.get() {
                    name if name.is_empty() => name,
                    name => format!(", from “{name}”"),
                })}
            </p>
            <dl>{figures.map(|(number, what)| view! { <div><dd>{count(number)}</dd><dt>{what}</dt></div> })}</dl>
        </div>
    }
}

#[component]
fn ClassCard(class: ClassSummary, on_open: impl Fn() + 'static) -> impl IntoView {
    let state = AppState::get();
    let name = class.name.clone();
    let thumbnail = Memo::new({
        let name = name.clone();
        move |_| state.thumbnails.with(|thumbnails| thumbnails.get(&name).cloned())
    });
    let counts =
        format!("{} train, {} validation, {} test", count(class.train), count(class.validation), count(class.test));
    view! {
        <button type="button" class="class-card" data-testid="class-card" data-label=name.clone()
            aria-label=format!("{name}: {counts}. Show a clip.") on:click=move |_| on_open()>
            <span class="thumbnail">{move || thumbnail.get().map(|picture| view! { <Still picture/> })}</span>
            <span class="class-name">{name.clone()}</span>
            <span class="class-counts figures" aria-hidden="true">
                <span><b>{count(class.train)}</b>" train"</span><span><b>{count(class.validation)}</b>" val"</span><span><b>{count(class.test)}</b>" test"</span>
            </span>
        </button>
    }
}
