//! A run that was cut off, offered to go on when the page is opened again.
//!
//! Comes in: the list of checkpoints, newest first. Goes out: which run it is, how far it was, what it needs, and the
//! button. One that its user stopped is left to the list of models.

use leptos::prelude::*;

use super::origin::is_brought;
use super::state::{AppState, View};
use super::tuning::run_name;
use super::words::count;
use crate::protocol::CheckpointSummary;

#[component]
pub fn Unfinished() -> impl IntoView {
    let state = AppState::get();
    let offered = Memo::new(move |_| {
        let newest = state.checkpoints.with(|all| all.iter().find(|one| !is_brought(one)).cloned());
        let settled = state.tuning.settled.get();
        newest.filter(|newest| newest.resumable && settled.as_ref() != Some(&newest.run) && !state.tuning.is_running())
    });
    move || offered.get().map(|checkpoint| view! { <Offer checkpoint/> })
}

#[component]
fn Offer(checkpoint: CheckpointSummary) -> impl IntoView {
    let state = AppState::get();
    let ready = Memo::new(move |_| state.has_usable_data());
    let (place, folder) = match &checkpoint.stands {
        Some(stands) => (
            format!(" after step {} of {}", count(stands.step), count(stands.total_steps)),
            if stands.folder.is_empty() { String::new() } else { format!(", “{}”", stands.folder) },
        ),
        None => Default::default(),
    };
    let what =
        format!("“{}” was cut off{place}, and nothing that it had learnt by then is lost. ", run_name(&checkpoint));
    let needs = format!("To go on, choose its folder again{folder}.");
    let needs = move || if ready.get() { "It can go on with this folder.".into() } else { needs.clone() };
    let run = checkpoint.run.clone();
    let resume = move |_| {
        state.tuning.resume(state, &checkpoint);
        state.go(View::Tune);
    };
    view! {
        <div class="notice good offer" data-testid="unfinished" role="status">
            <span class="mark" aria-hidden="true">"↻"</span>
            <p>{what}{needs}</p>
            <button type="button" class="primary small" data-testid="go-on" disabled=move || !ready.get() on:click=resume>"Go on"</button>
            <button type="button" class="link" data-testid="not-now" on:click=move |_| state.tuning.settle(run.clone())>"Not now"</button>
        </div>
    }
}
