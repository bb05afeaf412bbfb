//! A modal dialog, as the browser has it: focus stays inside, Escape closes.

use leptos::prelude::*;

/// Shows its children while `open`. `on_close` is called however it is closed.
#[component]
pub fn Dialog(
    #[prop(into)] open: Signal<bool>,
    on_close: Callback<()>,
    #[prop(into)] title: Signal<String>,
    children: ChildrenFn,
) -> impl IntoView {
    let dialog = NodeRef::<leptos::html::Dialog>::new();
    Effect::new(move |_| {
        let open = open.get();
        let Some(dialog) = dialog.get() else { return };
        if open && !dialog.open() {
            // Refused only where the dialog is not on the page.
            let _ = dialog.show_modal();
        } else if !open && dialog.open() {
            dialog.close();
        }
    });
    view! {
        <dialog node_ref=dialog class="dialog" aria-label=title on:close=move |_| on_close.run(())
            on:click=move |event| {
                // A click beside the dialog's content lands on the dialog itself.
                let on_itself = event.target() == event.current_target();
                if on_itself {
                    on_close.run(());
                }
            }>
            {move || open.get().then(|| view! {
                <div class="dialog-body">
                    <div class="dialog-head">
                        <h2>{title}</h2>
                        <button class="plain close" type="button" aria-label="Close" on:click=move |_| on_close.run(())>"×"</button>
                    </div>
                    {children()}
                </div>
            })}
        </dialog>
    }
}
