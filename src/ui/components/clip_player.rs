//! A clip's frames -> a looping picture at the clip's own pace, with a button that holds it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::HtmlCanvasElement;

use super::picture::{SMALL, draw};
use crate::protocol::ClipPicture;

/// What the player needs of a clip, without copying its frames.
pub trait Clip: 'static {
    fn clip(&self) -> &ClipPicture;
}

impl Clip for ClipPicture {
    fn clip(&self) -> &ClipPicture {
        self
    }
}

impl Clip for crate::protocol::Classification {
    fn clip(&self) -> &ClipPicture {
        &self.picture
    }
}

/// Plays a clip until it is unmounted. Starts held where the user asked for less motion.
#[component]
pub fn ClipPlayer<C: Clip>(
    clip: std::sync::Arc<C>,
    /// What the clip shows, for those who do not see it.
    label: String,
) -> impl IntoView {
    let canvas = NodeRef::<leptos::html::Canvas>::new();
    let playing = RwSignal::new(!prefers_less_motion());
    let small = clip.clip().frames.first().is_some_and(|frame| frame.width < SMALL);
    let player = StoredValue::new_local(None::<Player>);
    Effect::new(move |_| {
        if let Some(canvas) = canvas.get() {
            player.set_value(Some(Player::start(canvas, clip.clone(), playing)));
        }
    });
    on_cleanup(move || player.dispose());
    view! {
        <div class="clip">
            <canvas class="picture" class:pixelated=small node_ref=canvas data-testid="preview-canvas" role="img" aria-label=label></canvas>
            <button type="button" class="hold" aria-label=move || if playing.get() { "Hold the clip" } else { "Play the clip" }
                on:click=move |_| playing.update(|playing| *playing = !*playing)>
                <svg viewBox="0 0 16 16" aria-hidden="true">
                    <path d=move || if playing.get() { "M4 3h3v10H4zM9 3h3v10H9z" } else { "M4.5 2.5v11l9-5.5z" }/>
                </svg>
            </button>
        </div>
    }
}

pub fn prefers_less_motion() -> bool {
    let query = window().match_media("(prefers-reduced-motion: reduce)").ok().flatten();
    query.is_some_and(|query| query.matches())
}

/// Draws on each of the browser's frames; ends when dropped.
pub struct Player {
    request: Rc<Cell<i32>>,
    _callback: Callback,
}

type Callback = Rc<RefCell<Option<Closure<dyn FnMut(f64)>>>>;

impl Player {
    pub fn start<C: Clip>(canvas: HtmlCanvasElement, clip: std::sync::Arc<C>, playing: RwSignal<bool>) -> Self {
        let request = Rc::new(Cell::new(0));
        let callback: Callback = Rc::default();
        let mut drawn = None;
        let (mut at, mut last) = (0.0, None::<f64>);
        let step = {
            let (request, callback) = (request.clone(), Rc::downgrade(&callback));
            Closure::<dyn FnMut(f64)>::new(move |now: f64| {
                let frames = &clip.clip().frames;
                let seconds = clip.clip().seconds;
                if playing.try_get_untracked().unwrap_or(false) {
                    at += (now - last.unwrap_or(now)) / 1000.0;
                }
                last = Some(now);
                let share = if seconds > 0.0 { (at / seconds).fract() } else { 0.0 };
                let index = (share * frames.len() as f64) as usize;
                if drawn != Some(index)
                    && let Some(frame) = frames.get(index)
                {
                    draw(&canvas, frame);
                    drawn = Some(index);
                }
                if let Some(callback) = callback.upgrade() {
                    request.set(ask(&callback));
                }
            })
        };
        *callback.borrow_mut() = Some(step);
        request.set(ask(&callback));
        Self { request, _callback: callback }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // Only a window that is closing refuses.
        let _ = window().cancel_animation_frame(self.request.get());
    }
}

fn ask(callback: &Callback) -> i32 {
    let callback = callback.borrow();
    let asked = callback.as_ref().map(|callback| window().request_animation_frame(callback.as_ref().unchecked_ref()));
    asked.and_then(Result::ok).unwrap_or_default()
}
