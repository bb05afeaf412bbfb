//! What of a model is trained, and from when on.
//!
//! Comes in: the folder, the start and the device. Goes out: a strategy in the settings: the recommended one until the user
//! chooses another. Never freezes anything itself.

use leptos::prelude::*;

use super::components::choice::Choice;
use super::components::field::NumberField;
use super::engine_link::EngineStatus;
use super::start_choice::{chosen_fit, chosen_model};
use super::state::AppState;
use super::tune_settings::whole;
use crate::protocol::DeviceChoice;
use crate::train::settings::{Knowledge, Lora, Situation, StartFrom, Strategy, Targets, TuneSettings};

const KINDS: [(&str, &str); 5] = [
    ("no_freeze", "All of it"),
    ("freeze", "The head alone"),
    ("freeze_unfreeze", "The head first, then all"),
    ("unfreeze_milestones", "The head, then the last layers, then all"),
    ("lora", "The head, and adapters (LoRA)"),
];
const TARGETS: [(&str, &str); 4] = [
    ("query,value", "Query and value"),
    ("query,key,value", "Query, key and value"),
    ("dense", "Dense"),
    ("query,key,value,dense", "All of a layer's"),
];

#[component]
pub fn StrategyChoice() -> impl IntoView {
    let state = AppState::get();
    let settings = state.tuning.settings;
    let recommended = Memo::new(move |_| recommended(state));
    // As long as the user has not chosen.
    Effect::new(move |_| {
        let Some((strategy, _)) = recommended.get() else { return };
        if !state.tuning.strategy_chosen.get() && settings.with_untracked(|settings| settings.strategy != strategy) {
            settings.update(|settings| settings.set_strategy(strategy));
        }
    });
    let why = Signal::derive(move || {
        let chosen = settings.with(|settings| settings.strategy);
        recommended.get().map_or_else(String::new, |(strategy, why)| match strategy == chosen {
            true => format!("Recommended. {why}"),
            false => format!("Recommended is “{}”. {why}", words(strategy)),
        })
    });
    let head_first =
        Memo::new(move |_| settings.with(|settings| matches!(settings.strategy, Strategy::FreezeUnfreeze(_))));
    let milestones =
        Memo::new(move |_| settings.with(|settings| matches!(settings.strategy, Strategy::UnfreezeMilestones(..))));
    let lora = Memo::new(move |_| settings.with(|settings| matches!(settings.strategy, Strategy::Lora(_))));
    let freezes = Memo::new(move |_| settings.with(|settings| settings.strategy != Strategy::NoFreeze) && !lora.get());
    view! {
        <div class="fields strategy">
            <Choice name="strategy" label="What is trained" hint=why options=&KINDS
                value=Signal::derive(move || settings.with(|settings| kind(settings.strategy)))
                on_change=move |chosen| {
                    state.tuning.strategy_chosen.set(true);
                    settings.update(|settings| settings.set_strategy(of_kind(&chosen, settings)));
                }/>
            {move || lora.get().then(|| view! {
                <NumberField name="lora_rank" label="Rank" hint="How many directions each factor can learn; 8 is usual."
                    value=Signal::derive(move || settings.with(|settings| number(settings, 0)))
                    show=usize::to_string parse=whole on_change=|settings, value| set_number(settings, 0, value)/>
                <NumberField name="lora_alpha" label="Alpha" hint="What the factors count; twice the rank is usual."
                    value=Signal::derive(move || settings.with(|settings| number(settings, 1)))
                    show=usize::to_string parse=whole on_change=|settings, value| set_number(settings, 1, value)/>
                <Choice name="lora_targets" label="Beside" hint="The matrices of each layer that get factors." options=&TARGETS
                    value=Signal::derive(move || settings.with(|settings| match settings.strategy {
                        Strategy::Lora(lora) => lora.targets.names(),
                        _ => String::new(),
                    }))
                    on_change=move |chosen| settings.update(|settings| {
                        if let (Strategy::Lora(lora), Some(targets)) = (&mut settings.strategy, Targets::of_names(&chosen)) {
                            lora.targets = targets;
                        }
                    })/>
            })}
            {move || head_first.get().then(|| view! {
                <NumberField name="unfreeze_epoch" label="Epochs with the head alone" hint="After them all of it is trained."
                    value=Signal::derive(move || settings.with(|settings| number(settings, 0)))
                    show=usize::to_string parse=whole on_change=|settings, value| set_number(settings, 0, value)/>
            })}
            {move || milestones.get().then(|| view! {
                <NumberField name="first_milestone" label="Epochs with the head alone" hint="After them the last layers are trained, too."
                    value=Signal::derive(move || settings.with(|settings| number(settings, 0)))
                    show=usize::to_string parse=whole on_change=|settings, value| set_number(settings, 0, value)/>
                <NumberField name="second_milestone" label="Epochs until all is trained" hint="Counted from the beginning."
                    value=Signal::derive(move || settings.with(|settings| number(settings, 1)))
                    show=usize::to_string parse=whole on_change=|settings, value| set_number(settings, 1, value)/>
                <NumberField name="unfrozen_layers" label="Last layers" hint="How many of them are trained in between."
                    value=Signal::derive(move || settings.with(|settings| number(settings, 2)))
                    show=usize::to_string parse=whole on_change=|settings, value| set_number(settings, 2, value)/>
            })}
            {move || freezes.get().then(|| view! {
                <NumberField name="frozen_views" label="Views while frozen" hint="Each is decoded and computed once; more of them show the head more, and take as much longer at first."
                    value=Signal::derive(move || settings.with(|settings| settings.frozen_views))
                    show=usize::to_string parse=whole on_change=|settings, value| settings.frozen_views = value/>
            })}
        </div>
    }
}

/// The recommended strategy and why; none until there is a folder.
fn recommended(state: AppState) -> Option<(Strategy, String)> {
    let (clips, classes) = state.catalogue.with(|catalogue| {
        let classes = &catalogue.as_ref()?.classes;
        Some((classes.iter().map(|class| class.train).sum(), classes.len()))
    })?;
    let (start, epochs) = state.tuning.settings.with(|settings| (settings.start.clone(), settings.epochs));
    let model = chosen_model(state);
    let knows = match start {
        StartFrom::Size(_) => Knowledge::Nothing,
        StartFrom::Starter | StartFrom::People => Knowledge::Classes,
        StartFrom::Checkpoint(_) if model.as_ref().is_some_and(|model| model.labels.is_empty()) => Knowledge::Pictures,
        StartFrom::Checkpoint(_) => Knowledge::Classes,
    };
    let fit = || chosen_fit(state).map_or(0, |fit| fit.parameters);
    let parameters = model.map_or_else(fit, |model| model.parameters);
    let gpu = state
        .engine
        .status
        .with(|status| matches!(status, EngineStatus::Ready(report) if report.device == DeviceChoice::Gpu));
    Some(Strategy::recommended(&Situation { clips, classes, knows, parameters, gpu }, epochs))
}

fn kind(strategy: Strategy) -> String {
    let place = match strategy {
        Strategy::NoFreeze => 0,
        Strategy::Freeze => 1,
        Strategy::FreezeUnfreeze(_) => 2,
        Strategy::UnfreezeMilestones(..) => 3,
        Strategy::Lora(_) => 4,
    };
    KINDS.get(place).map_or("", |(name, _)| name).to_string()
}

fn words(strategy: Strategy) -> &'static str {
    let kind = kind(strategy);
    KINDS.into_iter().find(|(name, _)| *name == kind).map_or("", |(_, words)| words)
}

/// With milestones that suit the run's length.
fn of_kind(kind: &str, settings: &TuneSettings) -> Strategy {
    let quarter = (settings.epochs / 4).max(1);
    match kind {
        "freeze" => Strategy::Freeze,
        "freeze_unfreeze" => Strategy::FreezeUnfreeze(quarter),
        "lora" => Strategy::Lora(Lora::default()),
        "unfreeze_milestones" => Strategy::UnfreezeMilestones((quarter, (settings.epochs / 2).max(quarter + 1)), 2),
        _ => Strategy::NoFreeze,
    }
}

/// The strategy's numbers in order; 0 where it has none there.
fn number(settings: &TuneSettings, place: usize) -> usize {
    let numbers = match settings.strategy {
        Strategy::NoFreeze | Strategy::Freeze => [0; 3],
        Strategy::FreezeUnfreeze(epoch) => [epoch, 0, 0],
        Strategy::UnfreezeMilestones((first, second), layers) => [first, second, layers],
        Strategy::Lora(Lora { rank, alpha, .. }) => [rank, alpha, 0],
    };
    numbers.get(place).copied().unwrap_or_default()
}

fn set_number(settings: &mut TuneSettings, place: usize, value: usize) {
    match (&mut settings.strategy, place) {
        (Strategy::Lora(Lora { rank: number, .. }), 0)
        | (Strategy::Lora(Lora { alpha: number, .. }), 1)
        | (Strategy::FreezeUnfreeze(number), 0)
        | (Strategy::UnfreezeMilestones((number, _), _), 0)
        | (Strategy::UnfreezeMilestones((_, number), _), 1)
        | (Strategy::UnfreezeMilestones(_, number), 2) => *number = value,
        _ => {}
    }
}
