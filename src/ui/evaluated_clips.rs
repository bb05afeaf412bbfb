//! Clips of an evaluation, playing in a dialog. The engine draws it; this plays the clips on its canvases.

use std::sync::Arc;

use js_sys::Array;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlCanvasElement};

use super::components::clip_player::{Player, prefers_less_motion};
use super::components::dialog::Dialog;
use super::components::picture::SMALL;
use super::state::AppState;
use crate::protocol::{ClipPicture, Command, Event, JobId};

#[derive(Clone, Copy)]
pub struct EvaluatedClips {
    open: RwSignal<bool>,
    title: RwSignal<String>,
    /// HTML.
    list: RwSignal<String>,
    playing: RwSignal<bool>,
    players: StoredValue<Vec<Player>, LocalStorage>,
    job: StoredValue<Option<JobId>>,
    /// Counts what was asked for, so that what is told of an earlier one is not taken for the last one's.
    round: StoredValue<usize>,
}

impl EvaluatedClips {
    pub fn new() -> Self {
        Self {
            open: RwSignal::new(false),
            title: RwSignal::default(),
            list: RwSignal::default(),
            playing: RwSignal::new(!prefers_less_motion()),
            players: StoredValue::new_local(Vec::new()),
            job: StoredValue::new(None),
            round: StoredValue::new(0),
        }
    }

    /// Shows what a button leads to.
    pub fn show(self, state: AppState, clips: String) {
        self.forget(state);
        self.title.set("Videos".into());
        self.open.set(true);
        let round = self.round.get_value();
        let job = state.engine.send(Command::ShowClips { clips }, &Array::new(), move |event, _| {
            if self.round.get_value() == round {
                self.take(event);
            }
        });
        self.job.set_value(Some(job));
    }

    fn take(self, event: Event) {
        match event {
            Event::Clips { title, list } => {
                self.title.set(title);
                self.list.set(list);
            }
            Event::Clip { canvas, clip } => self.play(&canvas, clip),
            Event::Failed(sentence) => self.title.set(sentence),
            _ => {}
        }
    }

    fn play(self, canvas: &str, clip: Result<ClipPicture, String>) {
        let canvas =
            document().get_element_by_id(canvas).and_then(|canvas| canvas.dyn_into::<HtmlCanvasElement>().ok());
        match (canvas, clip) {
            (Some(canvas), Ok(clip)) => {
                let small = clip.frames.first().is_some_and(|frame| frame.width < SMALL);
                canvas.set_class_name(if small { "picture pixelated" } else { "picture" });
                let player = Player::start(canvas, Arc::new(clip), self.playing);
                self.players.update_value(|players| players.push(player));
            }
            (Some(canvas), Err(reason)) => {
                canvas.parent_element().into_iter().for_each(|stage| stage.set_text_content(Some(&reason)))
            }
            // Closed meanwhile.
            (None, _) => {}
        }
    }

    /// Drops what is shown, and asks for no more of it.
    fn forget(self, state: AppState) {
        self.round.set_value(self.round.get_value() + 1);
        if let Some(job) = self.job.get_value() {
            state.engine.tell(Command::Cancel { job });
        }
        self.job.set_value(None);
        self.players.set_value(Vec::new());
        self.list.set(String::new());
    }

    fn pressed(self, state: AppState, event: &web_sys::Event) {
        let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        let Some(Ok(Some(pressed))) = target.map(|target| target.closest("[data-clips],[data-hold]")) else { return };
        match pressed.get_attribute("data-clips") {
            Some(clips) => self.show(state, clips),
            None => self.playing.update(|playing| *playing = !*playing),
        }
    }
}

#[component]
pub fn EvaluatedClipsDialog() -> impl IntoView {
    let state = AppState::get();
    let clips = state.evaluating.clips;
    let close = move |()| {
        clips.forget(state);
        clips.open.set(false);
    };
    view! {
        <Dialog open=clips.open on_close=Callback::new(close) title=clips.title>
            <div class="evaluated-clips" inner_html=clips.list on:click=move |event| clips.pressed(state, &event)></div>
        </Dialog>
    }
}
