//! The part of the settings that changes training clips at random, with a clip that shows it.

use leptos::prelude::*;

use super::components::field::NumberField;
use super::state::AppState;
use super::training_preview::TrainingPreview;
use super::tune_settings::{decimal, rounded, whole};
use crate::dataset::direction::names_direction;

/// Names that a sentence lists before it counts.
const NAMED: usize = 3;

/// Fields, and beside them a clip while `shown`.
#[component]
pub fn AugmentationSettings(#[prop(into)] shown: Signal<bool>) -> impl IntoView {
    let state = AppState::get();
    let settings = state.tuning.settings;
    let jitter = move |of: fn(&crate::train::augmentation::ColourJitter) -> f64| {
        Signal::derive(move || settings.with(|settings| of(&settings.colour_jitter)))
    };
    view! {
        <h3>"Changes to training clips"</h3>
        <p class="hint">"Each time a clip is trained on, another part of it is taken and changed a little, so that the model learns what stays the same."</p>
        <div class="augmentation">
            <div>
                <div class="fields">
                    <NumberField name="short_side_least" label="Short side from, pixels" hint="A frame is scaled to it, then cropped to 224."
                        value=Signal::derive(move || settings.with(|settings| settings.short_sides[0]))
                        show=usize::to_string parse=whole on_change=|settings, value| settings.short_sides[0] = value/>
                    <NumberField name="short_side_most" label="Short side to, pixels" hint="More zooms in further. For other picture sizes in proportion."
                        value=Signal::derive(move || settings.with(|settings| settings.short_sides[1]))
                        show=usize::to_string parse=whole on_change=|settings, value| settings.short_sides[1] = value/>
                    <NumberField name="brightness" label="Brightness" hint="0.4 makes clips up to 40 % darker or brighter; 0 is off."
                        value=jitter(|jitter| jitter.brightness)
                        show=rounded parse=decimal on_change=|settings, value| settings.colour_jitter.brightness = value/>
                    <NumberField name="contrast" label="Contrast" hint="Likewise; 0 is off."
                        value=jitter(|jitter| jitter.contrast)
                        show=rounded parse=decimal on_change=|settings, value| settings.colour_jitter.contrast = value/>
                    <NumberField name="saturation" label="Saturation" hint="Paler or more colourful; 0 is off."
                        value=jitter(|jitter| jitter.saturation)
                        show=rounded parse=decimal on_change=|settings, value| settings.colour_jitter.saturation = value/>
                    <NumberField name="hue" label="Hue" hint="Turns colours into others; 0.5 is half the circle, 0 is off."
                        value=jitter(|jitter| jitter.hue)
                        show=rounded parse=decimal on_change=|settings, value| settings.colour_jitter.hue = value/>
                </div>
                <label class="check">
                    <input type="checkbox" prop:checked=Signal::derive(move || settings.with(|settings| settings.colour_jitter.per_frame))
                        on:change=move |event| settings.update(|settings| settings.colour_jitter.per_frame = event_target_checked(&event))/>
                    <span>"Change the colours of each frame anew, not of the whole clip"</span>
                </label>
                <label class="check">
                    <input type="checkbox" data-testid="shrink-large" prop:checked=Signal::derive(move || settings.with(|settings| settings.shrink_large))
                        on:change=move |event| settings.update(|settings| settings.shrink_large = event_target_checked(&event))/>
                    <span>"Shrink frames of more than 480 lines first"</span>
                </label>
                <p class="hint">"More decoded videos then fit on the disk, and what is there is not decoded again."</p>
                <label class="check">
                    <input type="checkbox" data-testid="horizontal-flip" prop:checked=Signal::derive(move || settings.with(|settings| settings.horizontal_flip))
                        on:change=move |event| settings.update(|settings| settings.horizontal_flip = event_target_checked(&event))/>
                    <span>"Mirror half of the training clips"</span>
                </label>
                <Unmirrored/>
            </div>
            {move || (shown.get() && state.has_usable_data()).then(|| view! { <Preview/> })}
        </div>
    }
}

/// Which classes are never mirrored.
#[component]
fn Unmirrored() -> impl IntoView {
    let state = AppState::get();
    let settings = state.tuning.settings;
    let classes = Memo::new(move |_| {
        state.catalogue.with(|catalogue| catalogue.as_ref().map(|all| all.labels()).unwrap_or_default())
    });
    let summary = Signal::derive(move || {
        let marked = settings.with(|settings| settings.unmirrored.len());
        format!("Never mirrored: {marked} of {} classes", classes.with(Vec::len))
    });
    let mark = move |class: String, never: bool| {
        settings.update(|settings| {
            settings.unmirrored.retain(|name| *name != class);
            if never {
                settings.unmirrored.push(class);
            }
        });
    };
    let one = move |class: String| {
        let checked = {
            let class = class.clone();
            Signal::derive(move || settings.with(|settings| settings.unmirrored.contains(&class)))
        };
        let name = class.clone();
        view! {
            <li><label class="check">
                <input type="checkbox" data-testid="unmirrored" data-label=name.clone() prop:checked=checked
                    on:change=move |event| mark(class.clone(), event_target_checked(&event))/>
                <span>{name}</span>
            </label></li>
        }
    };
    move || {
        (settings.with(|settings| settings.horizontal_flip) && classes.with(|classes| !classes.is_empty())).then(|| {
            view! {
                <details class="unmirrored" data-testid="unmirrored-classes">
                    <summary>{summary}</summary>
                    <p class="hint">"Mark those in which left and right mean something: a mirrored clip would carry the wrong label."</p>
                    <ul>{classes.get().into_iter().map(one).collect_view()}</ul>
                </details>
            }
        })
    }
}

/// A clip of one class after the other, then the next of each.
#[component]
fn Preview() -> impl IntoView {
    let state = AppState::get();
    let round = RwSignal::new(0_usize);
    let of = Signal::derive(move || {
        let round = round.get();
        state.catalogue.with(|catalogue| {
            let classes = catalogue.as_ref()?.classes.iter().filter(|class| class.train > 0);
            let names: Vec<&String> = classes.map(|class| &class.name).collect();
            let name = names.get(round.checked_rem(names.len())?)?;
            Some((name.to_string(), round / names.len()))
        })
    });
    view! {
        <TrainingPreview of>
            <button type="button" class="secondary" data-testid="another-clip" on:click=move |_| round.update(|round| *round += 1)>"Another clip"</button>
        </TrainingPreview>
    }
}

/// What is said of classes whose names speak of a direction, as long as they are not mirrored.
pub fn direction_warning(state: AppState) -> Option<String> {
    let unmirrored = state
        .tuning
        .settings
        .with(|settings| if settings.horizontal_flip { settings.unmirrored.clone() } else { Vec::new() });
    let spoken: Vec<&str> = unmirrored.iter().map(String::as_str).filter(|class| names_direction(class)).collect();
    let names = match spoken.as_slice() {
        [] => return None,
        names if names.len() > NAMED => format!("{} and {} more", names.get(..NAMED)?.join(", "), names.len() - NAMED),
        [class] => return Some(format!("{class} speaks of a direction: its clips are not mirrored, as others are.")),
        names => names.join(", "),
    };
    Some(format!(
        "{names} speak of a direction: clips of these classes are not mirrored, as others are. “More settings” lists \
         them."
    ))
}
