//! The settings that an expert looks for: the optimizer's, what keeps a model from learning by heart, and which
//! checkpoint is the best.

use leptos::prelude::*;

use super::components::choice::Choice;
use super::components::field::NumberField;
use super::engine_link::EngineStatus;
use super::state::AppState;
use super::tune_settings::{decimal, whole};
use crate::train::settings::{
    Checkpointing, ClassWeights, EvalStrategy, GradientCheckpointing, Metric, Optimization, Regularisation,
    SchedulerType, TuneSettings,
};

const SCHEDULES: [(&str, &str); 4] = [
    ("linear", "Falls in a line"),
    ("cosine", "Falls as a cosine"),
    ("constant_with_warmup", "Constant after the warm-up"),
    ("constant", "Constant"),
];
const GRADIENT_CHECKPOINTING: [(&str, &str); 3] =
    [("auto", "Where memory is short"), ("always", "Always"), ("never", "Never")];
const METRICS: [(&str, &str); 3] = [("accuracy", "Accuracy"), ("loss", "Loss"), ("f1", "F1, each class the same")];
const EVAL_STRATEGIES: [(&str, &str); 2] = [("epoch", "After each epoch"), ("steps", "After so many steps")];
const CLASS_WEIGHTS: [(&str, &str); 2] = [("uniform", "Each clip the same"), ("balanced", "Each class the same")];

#[component]
pub fn ExpertSettings() -> impl IntoView {
    let settings = AppState::get().tuning.settings;
    let of = move |read: fn(&Optimization) -> f64| Signal::derive(move || settings.with(|all| read(&all.optimization)));
    let steps =
        move |read: fn(&Optimization) -> usize| Signal::derive(move || settings.with(|all| read(&all.optimization)));
    let share =
        move |read: fn(&Regularisation) -> f64| Signal::derive(move || settings.with(|all| read(&all.regularisation)));
    let keeping =
        move |read: fn(&Checkpointing) -> usize| Signal::derive(move || settings.with(|all| read(&all.checkpointing)));
    let name = move |read: fn(&TuneSettings) -> &'static str| {
        Signal::derive(move || settings.with(|settings| read(settings).to_string()))
    };
    let fp16 = Memo::new(move |_| settings.with(|settings| settings.optimization.fp16));
    let status = AppState::get().engine.status;
    let half = Memo::new(move |_| matches!(status.get(), EngineStatus::Ready(report) if report.half));
    view! {
        <h3>"Optimizer and schedule"</h3>
        <div class="fields">
            <Choice name="lr_scheduler_type" label="Learning rate's course" hint="lr_scheduler_type of the Trainer." options=&SCHEDULES
                value=name(|settings| settings.optimization.lr_scheduler_type.name())
                on_change=move |chosen| settings.update(|settings| {
                    settings.optimization.lr_scheduler_type = SchedulerType::from_name(&chosen).unwrap_or_default();
                })/>
            <NumberField name="warmup_steps" label="Warm-up steps" hint="0: the warm-up share decides."
                value=steps(|all| all.warmup_steps) show=usize::to_string parse=whole
                on_change=|settings, value| settings.optimization.warmup_steps = value/>
            <NumberField name="max_steps" label="Most steps" hint="0: the epochs decide."
                value=steps(|all| all.max_steps) show=usize::to_string parse=whole
                on_change=|settings, value| settings.optimization.max_steps = value/>
            <NumberField name="layer_decay" label="Layer-wise decay" hint="Each layer learns at this share of the one above; 1 is off, 0.75 the paper's."
                value=of(|all| all.layer_decay) show=f64::to_string parse=decimal
                on_change=|settings, value| settings.optimization.layer_decay = value/>
            <NumberField name="adam_beta1" label="Adam beta 1" hint="Memory of the gradient."
                value=of(|all| all.adam_beta1) show=f64::to_string parse=decimal
                on_change=|settings, value| settings.optimization.adam_beta1 = value/>
            <NumberField name="adam_beta2" label="Adam beta 2" hint="Memory of its square."
                value=of(|all| all.adam_beta2) show=f64::to_string parse=decimal
                on_change=|settings, value| settings.optimization.adam_beta2 = value/>
            <NumberField name="adam_epsilon" label="Adam epsilon" hint="Keeps steps finite."
                value=of(|all| all.adam_epsilon) show=f64::to_string parse=decimal
                on_change=|settings, value| settings.optimization.adam_epsilon = value/>
            <Choice name="gradient_checkpointing" label="Layers computed twice" hint="Takes a fraction of the memory and a third more time; gradient_checkpointing of the Trainer."
                options=&GRADIENT_CHECKPOINTING value=name(|settings| settings.optimization.gradient_checkpointing.name())
                on_change=move |chosen| settings.update(|settings| {
                    settings.optimization.gradient_checkpointing = GradientCheckpointing::from_name(&chosen).unwrap_or_default();
                })/>
        </div>
        <label class="check">
            <input type="checkbox" data-testid="fp16" prop:checked=fp16 disabled=move || !half.get() && !fp16.get()
                on:change=move |event| settings.update(|settings| settings.optimization.fp16 = event_target_checked(&event))/>
            <span>"Products in 16 bits"</span>
        </label>
        <p class="hint">{move || match half.get() {
            true => "Half the memory for what each layer computes, and quicker on many GPUs; fp16 of the Trainer.",
            false => "For GPUs that compute with 16 bits; this device does not.",
        }}</p>
        <h3>"Against learning by heart"</h3>
        <div class="fields">
            <NumberField name="label_smoothing_factor" label="Label smoothing" hint="0 is off, 0.1 is usual."
                value=share(|all| all.label_smoothing_factor) show=f64::to_string parse=decimal
                on_change=|settings, value| settings.regularisation.label_smoothing_factor = value/>
            <NumberField name="mixup" label="Mixup" hint="Blends clips in pairs; 0 is off, 0.8 is usual."
                value=share(|all| all.mixup) show=f64::to_string parse=decimal
                on_change=|settings, value| settings.regularisation.mixup = value/>
            <NumberField name="cutmix" label="CutMix" hint="Pastes a part of one clip over another; 0 is off, 1 is usual."
                value=share(|all| all.cutmix) show=f64::to_string parse=decimal
                on_change=|settings, value| settings.regularisation.cutmix = value/>
            <NumberField name="fc_drop_rate" label="Dropout" hint="Before the head; 0 is off."
                value=share(|all| all.fc_drop_rate) show=f64::to_string parse=decimal
                on_change=|settings, value| settings.regularisation.fc_drop_rate = value/>
            <NumberField name="drop_path" label="Drop-path" hint="Skips layers at random; 0 is off, 0.1 is usual."
                value=share(|all| all.drop_path) show=f64::to_string parse=decimal
                on_change=|settings, value| settings.regularisation.drop_path = value/>
            <NumberField name="token_keep" label="Share of the tokens" hint="Each step looks at so much of a clip, drawn at random; 1 is all, less is faster."
                value=share(|all| all.token_keep) show=f64::to_string parse=decimal
                on_change=|settings, value| settings.regularisation.token_keep = value/>
            <Choice name="class_weights" label="What counts in the loss" hint="Each class the same helps where some have few clips." options=&CLASS_WEIGHTS
                value=name(|settings| match settings.regularisation.class_weights {
                    ClassWeights::Uniform => "uniform",
                    ClassWeights::Balanced => "balanced",
                })
                on_change=move |chosen| settings.update(|settings| {
                    let balanced = chosen == "balanced";
                    settings.regularisation.class_weights = if balanced { ClassWeights::Balanced } else { ClassWeights::Uniform };
                })/>
        </div>
        <h3>"Checkpoints"</h3>
        <div class="fields">
            <Choice name="metric_for_best_model" label="The best is chosen by" hint="On validation clips." options=&METRICS
                value=name(|settings| settings.selection.metric_for_best_model.name())
                on_change=move |chosen| settings.update(|settings| {
                    settings.selection.metric_for_best_model = Metric::from_name(&chosen).unwrap_or_default();
                })/>
            <Choice name="eval_strategy" label="Evaluated" hint="On validation clips, and kept each time." options=&EVAL_STRATEGIES
                value=name(|settings| settings.checkpointing.eval_strategy.name())
                on_change=move |chosen| settings.update(|settings| {
                    settings.checkpointing.eval_strategy = EvalStrategy::from_name(&chosen).unwrap_or_default();
                })/>
            <NumberField name="eval_steps" label="Steps to the next evaluation" hint="Where steps decide."
                value=keeping(|all| all.eval_steps) show=usize::to_string parse=whole
                on_change=|settings, value| settings.checkpointing.eval_steps = value/>
            <NumberField name="save_steps" label="Steps to the next checkpoint" hint="Lost at most when the page is closed; 0: after each epoch only."
                value=keeping(|all| all.save_steps) show=usize::to_string parse=whole
                on_change=|settings, value| settings.checkpointing.save_steps = value/>
            <NumberField name="early_stopping_patience" label="Patience" hint="Ends the run after so many evaluations without a new best; 0: never."
                value=Signal::derive(move || settings.with(|settings| settings.selection.early_stopping_patience))
                show=usize::to_string parse=whole on_change=|settings, value| settings.selection.early_stopping_patience = value/>
        </div>
    }
}
