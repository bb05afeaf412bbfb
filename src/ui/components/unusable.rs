//! A list of files that cannot be used, with the reasons.

use leptos::prelude::*;

use crate::dataset::Unusable;
use crate::ui::words::counted;

/// Rows before the button that shows the others.
const ROWS: usize = 50;

#[component]
pub fn UnusableList(files: Vec<Unusable>, one: &'static str, many: &'static str) -> impl IntoView {
    let total = files.len();
    let all = RwSignal::new(false);
    let files = StoredValue::new(files);
    let rows = move || {
        let shown = if all.get() { total } else { total.min(ROWS) };
        files.with_value(|files| {
            files
                .iter()
                .take(shown)
                .map(|file| {
                    view! {
                        <li data-testid="unusable-row">
                            <span class="path">{file.path.clone()}</span>
                            <span class="reason">{file.reason.clone()}</span>
                        </li>
                    }
                })
                .collect_view()
        })
    };
    (total > 0).then(|| view! {
        <details class="unusable" open=total <= 6>
            <summary>{counted(total, one, many)}</summary>
            <ul>{rows}</ul>
            <Show when=move || !all.get() && { total > ROWS }>
                <button type="button" class="secondary small" on:click=move |_| all.set(true)>{format!("Show all {total}")}</button>
            </Show>
        </details>
    })
}
