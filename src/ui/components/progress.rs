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
    let whole = move || share.get().map(|share| format!("{:.0}", share.clamp(0.0, 1.0) * 100.0));
    view! {
        <div class="bar" class:waiting=move || share.get().is_none() data-testid=testid role="progressbar"
            aria-valuemin="0" aria-valuemax="100" aria-valuenow=whole aria-label=label>
            <div class="fill" style:width=move || share.get().map_or("40%".into(), |share| format!("{:.2}%", share.clamp(0.0, 1.0) * 100.0))></div>
        </div>
    }
}
