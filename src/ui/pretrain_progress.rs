//! What of a run's progress only learning without labels has: its pictures, and what came of it.

use leptos::prelude::*;

use super::components::picture::Still;
use super::state::{AppState, View};
use crate::train::settings::StartFrom;

/// A narrower picture shows its pixels when it is enlarged.
const ENLARGED: u32 = 500;

/// What the model makes of a clip by now.
#[component]
pub fn Shown() -> impl IntoView {
    let shown = AppState::get().tuning.shown;
    view! {
        <figure class="chart" data-testid="reconstruction">
            <figcaption><b>"What it makes of a clip"</b></figcaption>
            {move || match shown.get() {
                None => view! { <p class="hint">"A picture follows the first epoch."</p> }.into_any(),
                Some(picture) => {
                    let class = if picture.width < ENLARGED { "sheet pixelated" } else { "sheet" };
                    view! {
                        <div class=class>
                            <ul class="hint"><li>"The clip"</li><li>"What it sees"</li><li>"What it fills in"</li></ul>
                            <Still picture/>
                        </div>
                    }.into_any()
                }
            }}
        </figure>
    }
}

/// What was learnt without labels, and what it is for.
#[component]
pub fn Learnt() -> impl IntoView {
    let state = AppState::get();
    let from_it = move |_| {
        if let Some(learnt) = state.tuning.curves.with_untracked(|curves| curves.best.clone()) {
            state.tuning.start_from(StartFrom::Checkpoint(learnt.id));
        }
        state.tuning.editing.set(true);
    };
    view! {
        <div class="card outcome" role="status">
            <p>"It is saved in this browser. It has no classes yet: fine-tune from it on videos with labels."</p>
            <div class="actions">
                <button type="button" class="primary" data-testid="tune-from-learnt" on:click=from_it>"Fine-tune from it"</button>
                <button type="button" class="secondary" on:click=move |_| state.go(View::Models)>"See all models"</button>
                <button type="button" class="link" on:click=move |_| state.go(View::Pretrain)>"Learn again"</button>
            </div>
        </div>
    }
}
