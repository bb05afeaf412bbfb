//! Which Hub the page speaks to, and as whom.
//!
//! Comes in: what the user types. Goes out: a [`Hub`] for a command. The address is remembered on this device; the
//! token stays in memory and is gone with the page.

use leptos::prelude::*;

use super::state::AppState;
use super::{remember, remembered};
use crate::protocol::Hub;

/// Where most models are.
const HUGGING_FACE: &str = "https://huggingface.co";
/// Where the address is remembered.
const ENDPOINT_KEY: &str = "cliptune.hub";

#[derive(Clone, Copy)]
pub struct HubSettings {
    endpoint: RwSignal<String>,
    token: RwSignal<String>,
}

impl HubSettings {
    pub fn new() -> Self {
        Self {
            endpoint: RwSignal::new(remembered(ENDPOINT_KEY).unwrap_or_else(|| HUGGING_FACE.into())),
            token: RwSignal::default(),
        }
    }

    pub fn hub(self) -> Hub {
        let endpoint = self.endpoint.get_untracked();
        let endpoint = endpoint.trim().trim_end_matches('/');
        let token = self.token.get_untracked().trim().to_string();
        Hub {
            endpoint: if endpoint.is_empty() { HUGGING_FACE.into() } else { endpoint.into() },
            token: (!token.is_empty()).then_some(token),
        }
    }

    pub fn has_token(self) -> bool {
        self.token.with(|token| !token.trim().is_empty())
    }
}

/// The Hub's address.
#[component]
pub fn EndpointField() -> impl IntoView {
    let endpoint = AppState::get().hub.endpoint;
    view! {
        <div class="field">
            <label for="hub-endpoint">"The Hub’s address"</label>
            <input id="hub-endpoint" type="text" inputmode="url" autocomplete="off" spellcheck="false" data-testid="hub-endpoint"
                placeholder=HUGGING_FACE prop:value=endpoint
                on:input=move |event| {
                    let typed = event_target_value(&event);
                    remember(ENDPOINT_KEY, typed.trim());
                    endpoint.set(typed);
                }/>
            <p class="hint">"A mirror’s, where you use one. Remembered on this device."</p>
        </div>
    }
}

/// The user's token. `id` is the field's own, as there may be two on the page.
#[component]
pub fn TokenField(id: &'static str, hint: &'static str) -> impl IntoView {
    let token = AppState::get().hub.token;
    view! {
        <div class="field">
            <label for=id>"Access token"</label>
            <input id=id type="password" autocomplete="off" spellcheck="false" data-testid=id aria-describedby=format!("{id}-hint")
                prop:value=token on:input=move |event| token.set(event_target_value(&event))/>
            <p class="hint" id=format!("{id}-hint")>{hint}</p>
        </div>
    }
}
