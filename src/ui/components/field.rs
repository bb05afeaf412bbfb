//! One setting: a label, an input, a hint, and what is wrong with it.

use leptos::prelude::*;

use crate::ui::state::AppState;

/// A number as text that may be half typed. `parse` gives what goes into the settings, also for text that is no number.
#[component]
pub fn NumberField<T>(
    /// The setting's name in [`crate::train::settings::TuneSettings`].
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    value: Signal<T>,
    show: fn(&T) -> String,
    parse: fn(&str) -> T,
    on_change: fn(&mut crate::train::settings::TuneSettings, T),
) -> impl IntoView
where
    T: PartialEq + Clone + Send + Sync + 'static,
{
    let state = AppState::get();
    let text = RwSignal::new(value.with_untracked(show));
    // New defaults replace the text; what the user is typing stays as it is.
    Effect::new(move |_| {
        let value = value.get();
        let typed = text.with_untracked(|text| parse(text));
        if show(&typed) != show(&value) {
            text.set(show(&value));
        }
    });
    let problem = Memo::new(move |_| problem(state, name));
    view! {
        <div class="field" class:wrong=move || problem.with(Option::is_some)>
            <label for=name>{label}</label>
            <input id=name type="text" inputmode="decimal" autocomplete="off" prop:value=text
                aria-describedby=format!("{name}-hint") aria-invalid=Signal::derive(move || problem.with(Option::is_some).to_string())
                on:input=move |event| {
                    let typed = event_target_value(&event);
                    let parsed = parse(&typed);
                    text.set(typed);
                    state.tuning.settings.update(|settings| on_change(settings, parsed));
                }/>
            <p class="hint" id=format!("{name}-hint") aria-live="polite">{Signal::derive(move || problem.get().unwrap_or_else(|| hint.into()))}</p>
        </div>
    }
}

/// What is wrong with the setting of this name.
pub fn problem(state: AppState, name: &str) -> Option<String> {
    let problems = state.tuning.settings.with(|settings| settings.problems());
    problems.into_iter().find(|(field, _)| *field == name).map(|(_, sentence)| sentence)
}
