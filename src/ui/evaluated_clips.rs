//! Clips of an evaluation, playing in a dialog: a few at a time, with what the model said of each.

use std::sync::Arc;

use js_sys::Array;
use leptos::prelude::*;

use super::components::clip_player::ClipPlayer;
use super::components::dialog::Dialog;
use super::components::notice::{Notice, Tone};
use super::state::AppState;
use super::words::{count, counted};
use crate::protocol::{CLIPS_AT_A_TIME, ClipPicture, Command, Event, JobId};

/// One clip, or why it cannot be shown.
#[derive(Clone)]
struct ShownClip {
    path: String,
    said: String,
    clip: Option<Arc<ClipPicture>>,
}

#[derive(Clone, Copy)]
pub struct EvaluatedClips {
    /// What the report's button carries.
    chosen: RwSignal<Option<String>>,
    title: RwSignal<String>,
    total: RwSignal<usize>,
    /// The first of those that are shown.
    from: RwSignal<usize>,
    shown: RwSignal<Vec<ShownClip>>,
    notice: RwSignal<Option<String>>,
    job: StoredValue<Option<JobId>>,
    /// Counts what was asked for, so that what is told of an earlier one is not taken for the last one's.
    round: StoredValue<usize>,
}

impl EvaluatedClips {
    pub fn new() -> Self {
        Self {
            chosen: RwSignal::new(None),
            title: RwSignal::default(),
            total: RwSignal::default(),
            from: RwSignal::default(),
            shown: RwSignal::default(),
            notice: RwSignal::new(None),
            job: StoredValue::new(None),
            round: StoredValue::new(0),
        }
    }

    /// Shows what a button of the report leads to.
    pub fn open(self, state: AppState, chosen: String) {
        self.title.set("Videos".into());
        self.total.set(0);
        self.chosen.set(Some(chosen));
        self.ask(state, 0);
    }

    fn ask(self, state: AppState, from: usize) {
        let Some(clips) = self.chosen.get_untracked() else { return };
        self.forget(state);
        self.from.set(from);
        let round = self.round.get_value();
        let job = state.engine.send(Command::ShowClips { clips, from }, &Array::new(), move |event, _| {
            if self.round.get_value() == round {
                self.take(event);
            }
        });
        self.job.set_value(Some(job));
    }

    fn take(self, event: Event) {
        let (path, said, clip) = match event {
            Event::Clips { title, total } => {
                self.title.set(title);
                return self.total.set(total);
            }
            Event::Failed(sentence) => return self.notice.set(Some(sentence)),
            Event::Clip { clip, path, said } => (path, said, Some(Arc::new(clip))),
            Event::Unusable(unusable) => (unusable.path, unusable.reason, None),
            _ => return,
        };
        self.shown.update(|shown| shown.push(ShownClip { path, said, clip }));
    }

    /// Drops what is shown, and asks for no more of it.
    fn forget(self, state: AppState) {
        self.round.set_value(self.round.get_value() + 1);
        if let Some(job) = self.job.get_value() {
            state.engine.tell(Command::Cancel { job });
        }
        self.job.set_value(None);
        self.notice.set(None);
        self.shown.set(Vec::new());
    }

    fn close(self, state: AppState) {
        self.forget(state);
        self.chosen.set(None);
    }

    /// How many will be shown.
    fn wanted(self) -> usize {
        (self.total.get() - self.from.get().min(self.total.get())).min(CLIPS_AT_A_TIME)
    }
}

#[component]
pub fn EvaluatedClipsDialog() -> impl IntoView {
    let state = AppState::get();
    let clips = state.evaluating.clips;
    let EvaluatedClips { chosen, title, total, from, shown, notice, .. } = clips;
    let words = Signal::derive(move || match (total.get(), clips.wanted()) {
        (0, _) => String::new(),
        (all, wanted) if wanted == all => counted(all, "video", "videos"),
        (all, wanted) => format!("{} to {} of {} videos", from.get() + 1, from.get() + wanted, count(all)),
    });
    let pages = Memo::new(move |_| total.get() > CLIPS_AT_A_TIME);
    let first = Signal::derive(move || from.get() == 0);
    let last = Signal::derive(move || from.get() + CLIPS_AT_A_TIME >= total.get());
    view! {
        <Dialog open=Signal::derive(move || chosen.with(Option::is_some)) on_close=Callback::new(move |()| clips.close(state)) title>
            <p class="quiet figures" role="status">{words}</p>
            <Notice tone=Tone::Error text=notice/>
            <ul class="shown-clips" data-testid="shown-clips">
                <For each=move || shown.get() key=|clip| clip.path.clone() let:clip><ShownClipCard clip/></For>
                {move || (shown.with(Vec::len)..clips.wanted()).map(|_| view! { <li><div class="stage waiting"></div></li> }).collect_view()}
            </ul>
            <div class="actions end" class:none=move || !pages.get()>
                <button type="button" class="secondary" disabled=first on:click=move |_| clips.ask(state, from.get_untracked().saturating_sub(CLIPS_AT_A_TIME))>"Earlier"</button>
                <button type="button" class="secondary" data-testid="more-clips" disabled=last on:click=move |_| clips.ask(state, from.get_untracked() + CLIPS_AT_A_TIME)>"More"</button>
            </div>
        </Dialog>
    }
}

#[component]
fn ShownClipCard(clip: ShownClip) -> impl IntoView {
    let ShownClip { path, said, clip } = clip;
    let (label, name) = (path.clone(), path.clone());
    view! {
        <li data-testid="shown-clip" data-path=name>
            <div class="stage">
                {match clip {
                    Some(clip) => view! { <ClipPlayer clip label/> }.into_any(),
                    None => view! { <span class="unusable-stage" aria-hidden="true">"×"</span> }.into_any(),
                }}
            </div>
            <p class="path">{path}</p>
            <p class="quiet figures">{said}</p>
        </li>
    }
}
