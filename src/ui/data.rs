//! Step 1: a folder of videos -> what it holds.

use std::sync::Arc;

use leptos::prelude::*;

use super::components::dropzone::{Dropzone, Takes};
use super::components::notice::{Notice, Tone};
use super::components::picture::Still;
use super::components::progress::ProgressBar;
use super::components::unusable::UnusableList;
use super::labels::LabelsForm;
use super::preview::ClassPreview;
use super::sample;
use super::state::{AppState, ImportPhase, View};
use super::unfinished::Unfinished;
use super::words::{count, counted};
use crate::dataset::catalogue::PICTURED;
use crate::dataset::{Catalogue, ClassSummary, Warning};

/// Classes that are drawn before more are asked for.
const CLASSES_AT_FIRST: usize = 24;

#[component]
pub fn DataView() -> impl IntoView {
    let state = AppState::get();
    let busy = Memo::new(move |_| state.import.with(ImportPhase::is_busy));
    let has_data = Memo::new(move |_| state.catalogue.with(Option::is_some));
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
            <Unfinished/>
            <Notice tone=Tone::Error text=Signal::derive(failed)/>
            {move || if busy.get() {
                view! { <Importing/> }.into_any()
            } else if has_data.get() {
                view! { <Overview/> }.into_any()
            } else {
                view! {
                    <Dropzone takes=Takes::Folder testid="folder-input" label="Choose a folder" disabled=busy
                        film=true title="Drop a folder of videos" text="mp4, mov, webm, mkv or avi. Videos stay where they are: nothing is uploaded.">
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
                <p>"The folder’s name is the label. A dozen clips a class is a start; more is better. A list (CSV, JSON) in the folder or a pattern in the files’ names will do, too."</p>
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
        ImportPhase::Importing => ("Looking through the folder", String::new(), None),
        ImportPhase::Idle | ImportPhase::Failed(_) => ("", String::new(), None),
    });
    let title = Signal::derive(move || words.get().0.to_string());
    view! {
        <div class="card importing" data-testid="importing">
            <h2 aria-live="polite">{title}</h2>
            <ProgressBar share=Signal::derive(move || words.get().2) label=title/>
            <p class="quiet figures">{Signal::derive(move || words.get().1)}</p>
        </div>
    }
}

/// What the folder holds. It grows while the files are looked into, so that only what changed is drawn anew.
#[component]
fn Overview() -> impl IntoView {
    let state = AppState::get();
    let shown = RwSignal::new(None::<String>);
    let drawn = RwSignal::new(CLASSES_AT_FIRST);
    let classes = Memo::new(move |_| {
        state.catalogue.with(|catalogue| catalogue.as_ref().map(|all| all.classes.clone()).unwrap_or_default())
    });
    let most =
        Signal::derive(move || classes.with(|all| all.iter().map(ClassSummary::total).max().unwrap_or_default()));
    let ready = Memo::new(move |_| {
        state.catalogue.with(|catalogue| catalogue.as_ref().is_some_and(|catalogue| catalogue.blocked.is_none()))
    });
    let card = move |class: &ClassSummary| {
        let name = class.name.clone();
        view! { <li><ClassCard class=class.clone() most on_open=move || shown.set(Some(name.clone()))/></li> }
    };
    view! {
        {move || state.catalogue.get().map(|catalogue| view! { <Findings catalogue/> })}
        <Checking/>
        <LabelsForm/>
        <ul class="classes">{move || classes.with(|classes| classes.iter().take(drawn.get()).map(card).collect_view())}</ul>
        {move || (classes.with(Vec::len) > drawn.get()).then(|| view! {
            <button type="button" class="secondary small" data-testid="all-classes" on:click=move |_| drawn.set(PICTURED)>
                {format!("{} of {}: show more", count(drawn.get()), counted(classes.with(Vec::len), "class", "classes"))}
            </button>
        })}
        {move || ready.get().then(|| view! {
            <div class="actions next">
                <button type="button" class="primary" data-testid="to-tuning" on:click=move |_| state.go(View::Tune)>"Continue to fine-tuning"</button>
            </div>
        })}
        <Troubles/>
        <ClassPreview shown/>
        <Dropzone takes=Takes::Folder testid="folder-input" label="Choose another folder" disabled=Signal::derive(|| false)
            title="Drop another folder" text="It takes this one’s place. Models that you have trained stay.">
            <SampleButton/>
        </Dropzone>
    }
}

/// Files that cannot be used, as far as they are known.
#[component]
fn Troubles() -> impl IntoView {
    let state = AppState::get();
    let files = Memo::new(move |_| {
        let told = |catalogue: &Arc<Catalogue>| (catalogue.unusable.clone(), catalogue.unusable_count);
        state.catalogue.with(|catalogue| catalogue.as_ref().map(told).unwrap_or_default())
    });
    move || {
        let (files, count) = files.get();
        let more = count - files.len();
        view! {
            <UnusableList files one="file cannot be used" many="files cannot be used"/>
            {(more > 0).then(|| view! { <p class="quiet">{format!("And {} like these.", counted(more, "file", "files"))}</p> })}
        }
    }
}

/// How far the engine is with looking into the files. The folder can be used meanwhile.
#[component]
fn Checking() -> impl IntoView {
    let state = AppState::get();
    let is_checking = Memo::new(move |_| state.checking.with(Option::is_some));
    let words = Signal::derive(move || {
        let (done, total) = state.checking.get().unwrap_or_default();
        match done == total {
            true => "Looking for copies".to_string(),
            false => format!("Checking {} of {}", count(done), counted(total, "file", "files")),
        }
    });
    let share = Signal::derive(move || state.checking.get().map(|(done, total)| done as f64 / total.max(1) as f64));
    move || {
        is_checking.get().then(|| {
            view! {
                <div class="transfer" data-testid="checking">
                    <p class="quiet figures">{words}</p>
                    <ProgressBar share label="Checking the files"/>
                </div>
            }
        })
    }
}

/// Counts, where labels and splits come from, and what is wrong with the data as a whole.
#[component]
fn Findings(catalogue: Arc<Catalogue>) -> impl IntoView {
    let state = AppState::get();
    let of = |split: fn(&ClassSummary) -> usize| catalogue.classes.iter().map(split).sum::<usize>();
    let figures = [
        (of(|class| class.train), "to train"),
        (of(|class| class.validation), "to validate"),
        (of(|class| class.test), "to test"),
    ];
    let warning = |warning: &Warning| {
        view! {
            <Notice tone=Tone::Warning text=Some(warning.sentence.clone())/>
            <UnusableList files=warning.files.clone() one="file" many="files"/>
        }
    };
    let found = &catalogue.found;
    view! {
        <div class="totals">
            <p class="sentence">
                {match catalogue.classes.len() {
                    0 => counted(catalogue.learnable, "video without a label", "videos without labels"),
                    classes => format!("{} in {}", counted(catalogue.count(), "video", "videos"), counted(classes, "class", "classes")),
                }}
                {Signal::derive(move || match state.folder_name.get() {
                    name if name.is_empty() => name,
                    name => format!(", from “{name}”"),
                })}
            </p>
            <dl>{figures.map(|(number, what)| view! { <div><dd>{count(number)}</dd><dt>{what}</dt></div> })}</dl>
        </div>
        <p class="quiet found" data-testid="found">{[&found.labels, &found.splits, &found.balance].map(String::as_str).join(" ")}</p>
        <Notice tone=Tone::Blocked text=catalogue.blocked.clone()/>
        {(catalogue.blocked.is_some() && catalogue.learnable > 0).then(|| view! {
            <div class="without-labels">
                <p>{counted(catalogue.learnable, "video here needs", "videos here need")}" no label to be learnt from: what a model learns of them is a start for fine-tuning on a folder with labels."</p>
                <button type="button" class="secondary" data-testid="to-pretraining" on:click=move |_| state.go(View::Pretrain)>"Learn without labels"</button>
            </div>
        })}
        {catalogue.warnings.iter().map(warning).collect_view()}
    }
}

#[component]
fn ClassCard(
    class: ClassSummary,
    /// Videos of the largest class.
    most: Signal<usize>,
    on_open: impl Fn() + 'static,
) -> impl IntoView {
    let state = AppState::get();
    let name = class.name.clone();
    let thumbnail = Memo::new({
        let name = name.clone();
        move |_| state.thumbnails.with(|thumbnails| thumbnails.get(&name).cloned())
    });
    let total = class.total();
    let share = move || format!("{:.1}%", 100.0 * total as f64 / most.get().max(1) as f64);
    let counts =
        format!("{} train, {} validation, {} test", count(class.train), count(class.validation), count(class.test));
    view! {
        <button type="button" class="class-card" data-testid="class-card" data-label=name.clone()
            aria-label=format!("{name}: {counts}. Show a clip.") on:click=move |_| on_open()>
            <span class="thumbnail">{move || thumbnail.get().map(|picture| view! { <Still picture/> })}</span>
            <span class="class-name">{name.clone()}</span>
            <span class="class-share" aria-hidden="true"><span style:width=share></span></span>
            <span class="class-counts figures" aria-hidden="true">
                <span><b>{count(class.train)}</b>" train"</span><span><b>{count(class.validation)}</b>" val"</span><span><b>{count(class.test)}</b>" test"</span>
            </span>
        </button>
    }
}
