//! How much of the disk decoded clips may take.
//!
//! Comes in: the user's choice, kept for the next visit. Goes out: a number of bytes for the engine. Never touches the disk.

use leptos::prelude::*;

use super::state::AppState;
use super::words::size;
use super::{remember, remembered};
use crate::protocol::USUAL_DISK;

const KEY: &str = "cliptune.disk";
/// In bytes.
const CHOICES: [u64; 5] = [0, 1_000_000_000, USUAL_DISK, 16_000_000_000, 64_000_000_000];

/// In bytes.
pub fn chosen() -> u64 {
    let chosen = remembered(KEY).and_then(|bytes| bytes.parse().ok());
    chosen.filter(|bytes| CHOICES.contains(bytes)).unwrap_or(USUAL_DISK)
}

#[component]
pub fn DiskChoice() -> impl IntoView {
    let state = AppState::get();
    let chosen = chosen();
    let choices = CHOICES.map(|bytes| {
        let words = if bytes == 0 { "None".to_string() } else { size(bytes) };
        view! { <option value=bytes.to_string() selected=bytes == chosen>{words}</option> }
    });
    view! {
        <div class="field">
            <label for="disk">"Disk for decoded clips"</label>
            <select id="disk" aria-describedby="disk-hint" on:change=move |event| {
                remember(KEY, &event_target_value(&event));
                state.decode_ahead();
            }>
                {choices.into_iter().collect_view()}
            </select>
            <p class="hint" id="disk-hint">"At most. Later epochs read from there instead of decoding again; it is emptied once the page is closed."</p>
        </div>
    }
}
