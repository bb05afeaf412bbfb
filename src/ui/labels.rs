//! Where labels, recordings and splits come from, as the user wants it, and corrections of labels.
//!
//! Comes in: what the user chooses and types. Goes out: a [`crate::dataset::labelling::Labelling`] for the engine, which answers with the folder
//! as it is then: the form shows what a pattern finds while it is typed. Reads no name itself.

use gloo_timers::callback::Timeout;
use leptos::prelude::*;

use super::state::AppState;
use super::words::{counted, file_name};
use crate::dataset::labelling::{Edit, Groups, Labels};
use crate::dataset::{Example, Found};

/// Milliseconds without another letter before a text counts.
const SETTLED: u32 = 200;

/// What a pattern of recordings begins as.
const USUAL_GROUPS: &str = "*_g{group}_*";

const LABELS: [&str; 4] = ["Chosen by itself", "Folder names", "A list in the folder", "File names"];
const GROUPS: [&str; 3] = ["The names, as in _g01_", "A pattern", "Nothing: each clip for itself"];

#[component]
pub fn LabelsForm() -> impl IntoView {
    let state = AppState::get();
    let found = Memo::new(move |_| {
        state.catalogue.with(|catalogue| catalogue.as_ref().map(|all| all.found.clone()).unwrap_or_default())
    });
    let labels = Memo::new(move |_| state.labelling.with(|labelling| place_of_labels(&labelling.labels)));
    let groups = Memo::new(move |_| state.labelling.with(|labelling| place_of_groups(&labelling.groups)));
    let blocked = state.catalogue.with_untracked(|all| all.as_ref().is_some_and(|all| all.blocked.is_some()));
    let choose_labels = move |place| {
        let pattern = found.with_untracked(|found| found.pattern.clone());
        state.relabel(|labelling| labelling.labels = labels_at(place, pattern));
    };
    let choose_groups = move |place| state.relabel(|labelling| labelling.groups = groups_at(place));
    let problem =
        move |of: usize| Signal::derive(move || found.with(|found| found.problems.get(of).cloned().flatten()));
    view! {
        <details class="labels" data-testid="labels-form" open=blocked>
            <summary>"Labels and splits"</summary>
            <div class="fields">
                {choice("labels-from", "Labels from", &LABELS, labels.into(), Callback::new(choose_labels))}
                {move || (labels.get() == 3).then(|| text(
                    "label-pattern", "Pattern of the file names", "{label} and {group} are what you look for, # is a number, * is anything.",
                    found.with_untracked(|found| found.pattern.clone()), problem(0),
                    Callback::new(move |typed| state.relabel(|labelling| labelling.labels = Labels::Names(typed))),
                ))}
                {choice("groups-from", "Clips of one recording told by", &GROUPS, groups.into(), Callback::new(choose_groups))}
                {move || (groups.get() == 1).then(|| text(
                    "group-pattern", "Pattern of recordings", "Such as {group}_* for anna_01.mp4, or {group}/* for folders.",
                    USUAL_GROUPS.into(), problem(1),
                    Callback::new(move |typed| state.relabel(|labelling| labelling.groups = Groups::Pattern(typed))),
                ))}
                {text(
                    "split-seed", "Seed of the splits", "Another seed draws other clips for validation and testing.",
                    state.labelling.with_untracked(|labelling| labelling.seed.to_string()), Signal::derive(|| None),
                    Callback::new(move |typed: String| {
                        if let Ok(seed) = typed.trim().parse::<u32>() {
                            state.relabel(|labelling| labelling.seed = seed.into());
                        }
                    }),
                )}
            </div>
            <ul class="examples" data-testid="examples">{move || found.with(|found| examples(found))}</ul>
            <Corrections/>
        </details>
    }
}

/// What was read from a few names.
fn examples(found: &Found) -> AnyView {
    let words = |example: &Example| {
        let group = example.group.as_ref().map(|group| format!(", recording {group}")).unwrap_or_default();
        format!("{}{group}", example.label)
    };
    let example = |example: &Example| {
        view! { <li><span class="path">{file_name(&example.path)}</span><span>{words(example)}</span></li> }
    };
    found.examples.iter().map(example).collect_view().into_any()
}

/// How many corrections there are, and a way back.
#[component]
fn Corrections() -> impl IntoView {
    let state = AppState::get();
    let count = Memo::new(move |_| state.labelling.with(|labelling| labelling.edits.len()));
    let undo = move |_| state.relabel(|labelling| _ = labelling.edits.pop());
    move || {
        (count.get() > 0).then(|| view! {
            <p class="row">
                <span data-testid="corrections">{counted(count.get(), "correction", "corrections")}</span>
                <button type="button" class="link" data-testid="undo-correction" on:click=undo>"Undo the last"</button>
            </p>
        })
    }
}

/// Renames, merges or leaves out a class, and moves the video that is shown.
#[component]
pub fn ClassEdit(
    /// The class that is shown, which a new name follows.
    class: RwSignal<Option<String>>,
    /// The name of the video that is shown.
    #[prop(into)]
    video: Signal<String>,
) -> impl IntoView {
    let state = AppState::get();
    let edit = move |edit: Edit| state.relabel(|labelling| labelling.edits.push(edit));
    let name = move || class.get().unwrap_or_default();
    let rename = move |to: String| {
        let Some(from) = class.get_untracked().filter(|from| *from != to) else { return };
        edit(Edit::Class { from, to: to.clone() });
        class.set(Some(to).filter(|to| !to.is_empty()));
    };
    let move_video = move |to: String| {
        if class.get_untracked().is_some_and(|class| class != to) {
            edit(Edit::Video { name: video.get_untracked(), to });
            class.set(None);
        }
    };
    let others = move || {
        state.catalogue.with(|catalogue| {
            let classes = catalogue.iter().flat_map(|catalogue| &catalogue.classes);
            classes.map(|class| view! { <option value=class.name.clone()></option> }).collect_view()
        })
    };
    view! {
        <details class="labels" data-testid="class-edit">
            <summary>"Correct labels"</summary>
            <datalist id="class-names">{others}</datalist>
            {rename_field("class-name", "Name of the class", "The name of another class merges the two.", Signal::derive(name), Callback::new(rename))}
            {rename_field("video-class", "Class of this clip alone", "Moves the video that you see to another class.", Signal::derive(name), Callback::new(move_video))}
            <div class="actions">
                <button type="button" class="link danger" data-testid="leave-out-class" on:click=move |_| rename(String::new())>"Leave the class out"</button>
                <button type="button" class="link danger" data-testid="leave-out-video" on:click=move |_| move_video(String::new())>"Leave this clip out"</button>
            </div>
        </details>
    }
}

/// A name that counts when it is left or confirmed.
fn rename_field(
    id: &'static str,
    label: &'static str,
    hint: &'static str,
    value: Signal<String>,
    on_change: Callback<String>,
) -> AnyView {
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <input id=id type="text" list="class-names" autocomplete="off" maxlength="200" data-testid=id prop:value=value
                on:change=move |event| {
                    let typed = event_target_value(&event).trim().to_string();
                    if !typed.is_empty() {
                        on_change.run(typed);
                    }
                }/>
            <p class="hint">{hint}</p>
        </div>
    }
    .into_any()
}

fn choice(
    id: &'static str,
    label: &'static str,
    names: &'static [&'static str],
    chosen: Signal<usize>,
    on_change: Callback<usize>,
) -> AnyView {
    let option = move |(place, name): (usize, &&'static str)| {
        view! { <option value=place.to_string() prop:selected=move || chosen.get() == place>{*name}</option> }
    };
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <select id=id data-testid=id on:change=move |event| on_change.run(event_target_value(&event).parse().unwrap_or_default())>
                {names.iter().enumerate().map(option).collect_view()}
            </select>
        </div>
    }
    .into_any()
}

/// A text that counts while it is typed.
fn text(
    id: &'static str,
    label: &'static str,
    hint: &'static str,
    value: String,
    problem: Signal<Option<String>>,
    on_input: Callback<String>,
) -> AnyView {
    let timer = StoredValue::new_local(None::<Timeout>);
    let typed = move |event| {
        let typed = event_target_value(&event);
        timer.set_value(Some(Timeout::new(SETTLED, move || on_input.run(typed))));
    };
    view! {
        <div class="field" class:wrong=move || problem.with(Option::is_some)>
            <label for=id>{label}</label>
            <input id=id type="text" autocomplete="off" spellcheck="false" maxlength="400" data-testid=id value=value on:input=typed/>
            <p class="hint" aria-live="polite">{Signal::derive(move || problem.get().unwrap_or_else(|| hint.into()))}</p>
        </div>
    }
    .into_any()
}

fn place_of_labels(labels: &Labels) -> usize {
    match labels {
        Labels::Automatic => 0,
        Labels::Folders => 1,
        Labels::Lists => 2,
        Labels::Names(_) => 3,
    }
}

fn labels_at(place: usize, pattern: String) -> Labels {
    match place {
        1 => Labels::Folders,
        2 => Labels::Lists,
        3 => Labels::Names(pattern),
        _ => Labels::Automatic,
    }
}

fn place_of_groups(groups: &Groups) -> usize {
    match groups {
        Groups::Automatic => 0,
        Groups::Pattern(_) => 1,
        Groups::None => 2,
    }
}

fn groups_at(place: usize) -> Groups {
    match place {
        1 => Groups::Pattern(USUAL_GROUPS.into()),
        2 => Groups::None,
        _ => Groups::Automatic,
    }
}
