//! A sentence that the user should see, near what it is about.

use leptos::prelude::*;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Error,
    Blocked,
    Warning,
    Good,
}

#[component]
pub fn Notice(
    tone: Tone,
    #[prop(into)] text: Signal<String>,
    /// Shown with a button that closes it, where there is one.
    #[prop(optional)]
    on_close: Option<Callback<()>>,
    /// After the sentence, such as a link.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let (class, testid, role, mark) = match tone {
        Tone::Error => ("notice error", "notice-error", "alert", "!"),
        Tone::Blocked => ("notice error", "blocked", "alert", "!"),
        Tone::Warning => ("notice warning", "warning", "status", "i"),
        Tone::Good => ("notice good", "notice-good", "status", "✓"),
    };
    view! {
        <div class=class data-testid=testid role=role>
            <span class="mark" aria-hidden="true">{mark}</span>
            <p>{move || text.get()}{children.map(|children| children())}</p>
            {on_close.map(|close| view! {
                <button class="plain close" type="button" aria-label="Close this message" on:click=move |_| close.run(())>"×"</button>
            })}
        </div>
    }
}
