//! A class of the folder -> its clips, one at a time, as the model sees them.

use std::sync::Arc;

use js_sys::Array;
use leptos::prelude::*;

use super::components::clip_player::ClipPlayer;
use super::components::dialog::Dialog;
use super::components::notice::{Notice, Tone};
use super::state::AppState;
use super::words::file_name;
use crate::dataset::Catalogue;
use crate::protocol::{ClipPicture, Command, Event};

/// A clip of a class, as the model sees it with the current settings.
#[component]
pub fn ClassPreview(catalogue: Arc<Catalogue>, shown: RwSignal<Option<usize>>) -> impl IntoView {
    let state = AppState::get();
    let clip = RwSignal::new(None::<Arc<ClipPicture>>);
    let failed = RwSignal::new(None::<String>);
    let round = RwSignal::new(0_u64);
    let catalogue = StoredValue::new(catalogue);
    let videos = move |class: usize| {
        catalogue.with_value(|catalogue| {
            // Training clips are the ones that the settings change.
            let mut of_class: Vec<usize> = (0..catalogue.videos.len())
                .filter(|&video| catalogue.videos.get(video).is_some_and(|video| video.class == class))
                .collect();
            of_class.sort_by_key(|&video| catalogue.videos.get(video).map(|video| video.split));
            of_class
        })
    };
    Effect::new(move |_| {
        let Some(class) = shown.get() else {
            round.set(0);
            return clip.set(None);
        };
        let seed = round.get();
        let videos = videos(class);
        let Some(&video) = videos.get(seed as usize % videos.len().max(1)) else { return };
        failed.set(None);
        let settings = state.tuning.settings.get_untracked();
        state.engine.send(Command::Preview { video, settings, seed }, &Array::new(), move |event, _| match event {
            // An answer to an earlier question comes too late.
            Event::Preview(picture) if shown.get_untracked() == Some(class) && round.get_untracked() == seed => {
                clip.set(Some(Arc::new(picture)))
            }
            Event::Failed(sentence) => failed.set(Some(sentence)),
            _ => {}
        });
    });
    let title = Memo::new(move |_| {
        let class = shown.get().and_then(|class| {
            catalogue.with_value(|catalogue| catalogue.classes.get(class).map(|class| class.name.clone()))
        });
        class.unwrap_or_default()
    });
    let caption = move |clip: &ClipPicture| {
        let side = clip.frames.first().map_or(0, |frame| frame.width);
        format!("{} frames of {side} × {side} px, {:.1} s", clip.frames.len(), clip.seconds)
    };
    let source = move |clip: &ClipPicture| {
        catalogue.with_value(|catalogue| {
            catalogue
                .videos
                .get(clip.video)
                .map(|video| format!("From {}, {} × {} px", file_name(&video.path), video.width, video.height))
        })
    };
    view! {
        <Dialog open=Signal::derive(move || shown.get().is_some()) on_close=Callback::new(move |()| shown.set(None)) title>
            <p class="quiet">"A clip as the model sees it: sampled, cropped and mirrored by the current settings."</p>
            <Notice tone=Tone::Error text=failed/>
            <div class="stage">
                {move || clip.get().map(|clip| view! { <ClipPlayer clip=clip label=format!("A clip of {}", title.get_untracked())/> })}
            </div>
            <div class="row between">
                <div class="quiet">
                    <p class="figures">{Signal::derive(move || clip.get().map(|clip| caption(&clip)).unwrap_or_default())}</p>
                    <p class="path">{Signal::derive(move || clip.get().and_then(|clip| source(&clip)).unwrap_or_default())}</p>
                </div>
                <button type="button" class="secondary" data-testid="another-clip" on:click=move |_| round.update(|round| *round += 1)>"Another clip"</button>
            </div>
        </Dialog>
    }
}
