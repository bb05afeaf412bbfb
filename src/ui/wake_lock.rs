//! Keeps the screen on, and so the computer awake, while a model is fine-tuned.
//!
//! Comes in: whether a run goes on. Goes out: the browser's wake lock, held meanwhile and released after. Where the browser
//! has none, or the battery is low, the run goes on all the same, as long as the computer is awake.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{WakeLockSentinel, WakeLockType};

use super::on_event;

/// Holds the lock as long as `running`. The browser takes it back whenever the page is out of sight.
pub fn hold_while(running: Signal<bool>) {
    let held: StoredValue<Option<WakeLockSentinel>, LocalStorage> = StoredValue::new_local(None);
    let hold = move || {
        if running.get_untracked() && !document().hidden() {
            leptos::task::spawn_local(take(running, held));
        }
    };
    Effect::new(move |_| if running.get() { hold() } else { release(held) });
    on_event(&document(), "visibilitychange", hold);
}

async fn take(running: Signal<bool>, held: StoredValue<Option<WakeLockSentinel>, LocalStorage>) {
    let navigator = window().navigator();
    let known = js_sys::Reflect::has(&navigator, &"wakeLock".into()).unwrap_or(false);
    if !known {
        return;
    }
    if let Ok(lock) = JsFuture::from(navigator.wake_lock().request(WakeLockType::Screen)).await {
        release(held);
        held.set_value(Some(lock.unchecked_into()));
        // The run may have ended meanwhile.
        if !running.get_untracked() {
            release(held);
        }
    }
}

fn release(held: StoredValue<Option<WakeLockSentinel>, LocalStorage>) {
    held.update_value(|held| {
        if let Some(lock) = held.take() {
            // Releasing one that the browser took back is no error.
            _ = lock.release();
        }
    });
}
