//! A bar for how far something is.

use leptos::prelude::*;

#[component]
pub fn ProgressBar(
    /// 0 to 1; none where it cannot be told.
    #[prop(into)]
    share: Signal<Option<f64>>,
    /// What is going on, for those who do not see the bar.
    #[prop(into)]
    label: Signal<String>,
    #[prop(optional, into)] testid: Option<&'static str>,
) -> impl IntoView {
    let percent = move || share.get().map(|share| share.clamp(0.0, 1.0) * 100.0);
    let whole = move || percent().map(|percent| format!("{percent:.0}"));
    // Moved, not resized: what changes a size has the page laid out and painted anew at each frame of the transition.
    let moved = move || percent().map_or("none".into(), |percent| format!("translateX({:.2}%)", percent - 100.0));
    view! {
        <div class="bar" class:waiting=move || share.get().is_none() data-testid=testid role="progressbar"
            aria-valuemin="0" aria-valuemax="100" aria-valuenow=whole aria-label=label>
            <div class="fill" style:transform=moved></div>
        </div>
    }
}
