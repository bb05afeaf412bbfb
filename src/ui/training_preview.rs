//! A training clip as the model sees it, made anew whenever the settings change.
//!
//! Comes in: a class and which of its videos. Goes out: a clip, with a button that draws the random changes again. Asks for
//! one clip at a time.

use std::sync::Arc;

use gloo_timers::callback::Timeout;
use js_sys::Array;
use leptos::prelude::*;

use super::components::clip_player::ClipPlayer;
use super::components::notice::{Notice, Tone};
use super::state::AppState;
use super::words::file_name;
use crate::model::config::ModelSize;
use crate::protocol::{ClipPicture, Command, Event, JobId};
use crate::train::settings::TuneSettings;

/// Milliseconds without another change before a clip is asked for.
const SETTLED: u32 = 120;

/// Plays a training clip.
#[component]
pub fn TrainingPreview(
    /// A class, and which of its videos.
    #[prop(into)]
    of: Signal<Option<(String, usize)>>,
    /// Becomes the name of the video that is shown.
    #[prop(optional)]
    video: RwSignal<String>,
    /// Stands beside the "Shuffle" button.
    children: Children,
) -> impl IntoView {
    let state = AppState::get();
    let (clip, failed) = (RwSignal::new(None::<Arc<ClipPicture>>), RwSignal::new(None::<String>));
    let source = RwSignal::new(String::new());
    let seed = RwSignal::new(0_u64);
    let timer = StoredValue::new_local(None::<Timeout>);
    let job = StoredValue::new(None::<JobId>);
    let cancel = move || {
        if let Some(Some(job)) = job.try_update_value(Option::take) {
            state.engine.tell(Command::Cancel { job });
        }
    };
    let answered = move |event| match event {
        Event::Preview { clip: picture, path } => {
            failed.try_set(None);
            source.try_set(from(&path, &picture));
            video.try_set(path);
            clip.try_set(Some(Arc::new(picture)));
        }
        Event::Unusable(unusable) => _ = failed.try_set(Some(unusable.reason)),
        Event::Failed(sentence) => _ = failed.try_set(Some(sentence)),
        Event::Done => _ = job.try_set_value(None),
        _ => {}
    };
    let looks = Memo::new(move |_| state.tuning.settings.with(looks));
    Effect::new(move |_| {
        let (of, seed, settings) = (of.get(), seed.get(), looks.get());
        let Some((class, round)) = of.filter(|_| settings.problems().is_empty()) else { return };
        let ask = move || {
            cancel();
            let command = Command::Preview { class, round, settings, seed };
            let asked = state.engine.send(command, &Array::new(), move |event, _| answered(event));
            job.set_value(Some(asked));
        };
        timer.set_value(Some(Timeout::new(SETTLED, ask)));
    });
    on_cleanup(cancel);
    let caption = Signal::derive(move || clip.get().map(|clip| caption(&clip)).unwrap_or_default());
    view! {
        <div class="preview" data-testid="training-preview">
            <Notice tone=Tone::Error text=failed/>
            <div class="stage">
                {move || clip.get().map(|clip| view! { <ClipPlayer clip=clip label="A training clip as the model sees it".into()/> })}
            </div>
            <div class="quiet">
                <p class="figures">{caption}</p>
                <p class="path">{source}</p>
            </div>
            <div class="actions">
                <button type="button" class="secondary" data-testid="shuffle" on:click=move |_| seed.update(|seed| *seed += 1)>"Shuffle"</button>
                {children()}
            </div>
        </div>
    }
}

/// The settings with what cannot be seen in a clip as it is by default, so that a change of it asks for nothing.
fn looks(settings: &TuneSettings) -> TuneSettings {
    TuneSettings {
        start: settings.start.clone(),
        clip_seconds: settings.clip_seconds,
        horizontal_flip: settings.horizontal_flip,
        unmirrored: settings.unmirrored.clone(),
        short_sides: settings.short_sides,
        colour_jitter: settings.colour_jitter,
        shrink_large: settings.shrink_large,
        ..TuneSettings::for_size(ModelSize::Micro)
    }
}

fn caption(clip: &ClipPicture) -> String {
    let side = clip.frames.first().map_or(0, |frame| frame.width);
    format!("{} frames of {side} × {side} px, {:.1} s", clip.frames.len(), clip.seconds)
}

fn from(path: &str, clip: &ClipPicture) -> String {
    let [width, height] = clip.size;
    format!("From {}, {width} × {height} px", file_name(path))
}
