//! One setting of a few: a label, a list, and a hint.

use leptos::prelude::*;

#[component]
pub fn Choice(
    /// The setting's name in [`crate::train::settings::TuneSettings`].
    name: &'static str,
    label: &'static str,
    #[prop(into)] hint: Signal<String>,
    /// Names and what people read.
    options: &'static [(&'static str, &'static str)],
    /// The chosen one's name.
    value: Signal<String>,
    on_change: impl Fn(String) + 'static,
) -> impl IntoView {
    let options = options.iter().map(|(option, words)| {
        let chosen = Memo::new(move |_| value.with(|value| value == option));
        view! { <option value=*option prop:selected=chosen>{*words}</option> }
    });
    view! {
        <div class="field">
            <label for=name>{label}</label>
            <select id=name aria-describedby=format!("{name}-hint") on:change=move |event| on_change(event_target_value(&event))>
                {options.collect_view()}
            </select>
            <p class="hint" id=format!("{name}-hint") aria-live="polite">{hint}</p>
        </div>
    }
}
