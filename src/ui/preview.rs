//! The dialog with a clip of a class, as the model sees it with the current settings.

use leptos::prelude::*;

use super::components::dialog::Dialog;
use super::labels::ClassEdit;
use super::training_preview::TrainingPreview;

/// A clip of a class, as the model sees it with the current settings.
#[component]
pub fn ClassPreview(
    /// The class's name, while the dialog is open.
    shown: RwSignal<Option<String>>,
) -> impl IntoView {
    let round = RwSignal::new(0_usize);
    let video = RwSignal::new(String::new());
    let of = Signal::derive(move || shown.get().map(|class| (class, round.get())));
    let close = move |()| {
        shown.set(None);
        round.set(0);
    };
    view! {
        <Dialog open=Signal::derive(move || shown.with(Option::is_some)) on_close=Callback::new(close) title=Signal::derive(move || shown.get().unwrap_or_default())>
            <p class="quiet">"A clip as the model sees it in training: sampled, cropped, mirrored and coloured at random, by the settings."</p>
            <TrainingPreview of video>
                <button type="button" class="secondary" data-testid="another-clip" on:click=move |_| round.update(|round| *round += 1)>"Another clip"</button>
            </TrainingPreview>
            <ClassEdit class=shown video/>
        </Dialog>
    }
}
