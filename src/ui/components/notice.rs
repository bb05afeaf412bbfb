//! A sentence that the user should see, near what it is about.

use leptos::prelude::*;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Error,
    Blocked,
    Warning,
    Good,
}

/// Shown while there is a sentence.
#[component]
pub fn Notice(
    tone: Tone,
    #[prop(into)] text: Signal<Option<String>>,
    /// Shown with a button that closes it, where there is one.
    #[prop(optional)]
    on_close: Option<Callback<()>>,
    /// After the sentence, with its address for words.
    #[prop(optional, into)]
    link: Option<Signal<Option<String>>>,
) -> impl IntoView {
    let (class, testid, role, mark) = match tone {
        Tone::Error => ("notice error", "notice-error", "alert", "!"),
        Tone::Blocked => ("notice error", "blocked", "alert", "!"),
        Tone::Warning => ("notice warning", "warning", "status", "i"),
        Tone::Good => ("notice good", "notice-good", "status", "✓"),
    };
    let link = move || {
        link.and_then(|link| link.get()).map(|address| {
            view! { <a href=address.clone() target="_blank" rel="noopener noreferrer" class="path" data-testid="notice-link">{address.clone()}</a> }
        })
    };
    move || {
        text.get().map(|text| {
            view! {
                <div class=class data-testid=testid role=role>
                    <span class="mark" aria-hidden="true">{mark}</span>
                    <p>{text}{link()}</p>
                    {on_close.map(|close| view! {
                        <button class="plain close" type="button" aria-label="Close this message" on:click=move |_| close.run(())>"×"</button>
                    })}
                </div>
            }
        })
    }
}
