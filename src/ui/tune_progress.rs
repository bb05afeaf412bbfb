//! A run as it goes: how far, how well, and the result.

use leptos::prelude::*;

use super::components::chart::ChartFigure;
use super::components::notice::{Notice, Tone};
use super::components::progress::ProgressBar;
use super::components::unusable::UnusableList;
use super::pretrain_progress::{Learnt, Shown};
use super::state::{AppState, View};
use super::tuning::{Loss, TunePhase, run_name};
use super::words::{brief, count, duration, magnitude, percent, size};
use crate::drawing::chart::{Chart, Line, Unit};
use crate::protocol::{DecodedOnDisk, StepReport};

#[component]
pub fn RunProgress(on_again: Callback<()>) -> impl IntoView {
    let state = AppState::get();
    let (phase, curves) = (state.tuning.phase, state.tuning.curves);
    let finished = Memo::new(move |_| phase.with(|phase| *phase == TunePhase::Finished));
    let running = Memo::new(move |_| state.tuning.is_running());
    let (name, without_labels) = (state.tuning.run_name, state.tuning.without_labels);
    let title = Signal::derive(move || match phase.get() {
        TunePhase::Finished => format!("“{}” is ready", name.get()),
        TunePhase::Running { stopping: true, .. } => "Stopping".into(),
        TunePhase::Running { paused: true, .. } => format!("“{}” is paused", name.get()),
        TunePhase::Failed(_) => "The run ended early".into(),
        _ if without_labels.get() => "Learning without labels".into(),
        _ => format!("Fine-tuning “{}”", name.get()),
    });
    // Told once an epoch: more often would be noise to a listener.
    let spoken = Memo::new(move |_| {
        curves.with(|curves| {
            let epoch = curves.epochs.last()?;
            let accuracy =
                epoch.validation.map(|validation| format!(", validation accuracy {}", percent(validation.accuracy)));
            Some(format!("Epoch {} done{}", epoch.epoch, accuracy.unwrap_or_default()))
        })
    });
    let spoken = Signal::derive(move || spoken.get().unwrap_or_default());
    view! {
        <div class="intro compact"><h1 id="tune-title">{title}</h1></div>
        <p class="visually-hidden" aria-live="polite">{spoken}</p>
        {move || finished.get().then(|| match without_labels.get() {
            true => view! { <Learnt/> }.into_any(),
            false => view! { <Outcome on_again/> }.into_any(),
        })}
        {move || running.get().then(|| view! { <Running/> })}
        {move || (!finished.get() && !running.get()).then(|| view! {
            <div class="actions"><button type="button" class="secondary" on:click=move |_| on_again.run(())>"Back to the settings"</button></div>
        })}
        <Notice tone=Tone::Warning text=Signal::derive(move || curves.with(|curves| curves.warning.clone()))/>
        <Figures/>
        <Curves/>
        {move || {
            let left_out = curves.with(|curves| curves.left_out.clone());
            view! { <UnusableList files=left_out one="video was left out" many="videos were left out"/> }
        }}
    }
}

/// How far the run is, and the button that ends it.
#[component]
fn Running() -> impl IntoView {
    let state = AppState::get();
    let curves = state.tuning.curves;
    let stopping = move || state.tuning.phase.with(|phase| matches!(phase, TunePhase::Running { stopping: true, .. }));
    let begun = Memo::new(move |_| curves.with(|curves| curves.latest.is_some()));
    let paused = Signal::derive(move || state.tuning.is_paused());
    let left = Signal::derive(move || {
        if paused.get() {
            return "Paused".to_string();
        }
        curves.with(|curves| match (&curves.latest, curves.total_steps) {
            (None, 0) => "Preparing the model…".to_string(),
            (None, _) => "Reading the first clips…".into(),
            (Some(latest), total) if latest.step >= total => "Saving and testing…".into(),
            (Some(latest), _) => match latest.seconds_left {
                Some(seconds) => format!("{} left", duration(seconds)),
                None => "Measuring the pace…".into(),
            },
        })
    });
    let epoch = move || {
        curves.with(|curves| {
            let latest = curves.latest.as_ref()?;
            let epochs = curves.total_steps.div_ceil(curves.steps_per_epoch.max(1));
            let [trained, all] = curves.trained;
            let of = if trained < all {
                format!(" · {} of {} weights are trained", magnitude(trained), magnitude(all))
            } else {
                String::new()
            };
            Some(format!(
                "Epoch {} of {epochs} · step {} of {}{of}",
                latest.epoch,
                count(latest.step),
                count(curves.total_steps)
            ))
        })
    };
    let epoch = Signal::derive(move || epoch().unwrap_or_default());
    view! {
        <div class="card running">
            <div class="row between">
                <p class="time-left figures">{left}</p>
                <p class="quiet figures">{epoch}</p>
            </div>
            <ProgressBar testid="progress" label="Fine-tuning"
                share=Signal::derive(move || begun.get().then(|| curves.with(|curves| curves.progress())))/>
            <div class="row between">
                <p class="hint">"You can go on using the page, or another tab. Keep this one open."</p>
                <div class="row">
                <button type="button" class="secondary" data-testid="pause-tuning" disabled=Signal::derive(stopping) on:click=move |_| state.tuning.pause(state, !paused.get_untracked())>
                    {Signal::derive(move || if paused.get() { "Go on" } else { "Pause" })}
                </button>
                <button type="button" class="secondary" data-testid="stop-tuning" disabled=Signal::derive(stopping) on:click=move |_| state.tuning.stop(state)>
                    {Signal::derive(move || {
                        let words = if stopping() { "Stopping after this step…" } else { "Stop and keep what was learnt" };
                        words.to_string()
                    })}
                </button>
                </div>
            </div>
        </div>
    }
}

/// The latest numbers.
#[component]
fn Figures() -> impl IntoView {
    let state = AppState::get();
    let without_labels = state.tuning.without_labels;
    let curves = state.tuning.curves;
    let step = move || {
        curves.with(|curves| curves.latest.as_ref().map_or("–".into(), |latest| format!("{:.4}", latest.loss)))
    };
    let losses = move || {
        curves
            .with(|curves| if curves.losses_json.is_empty() { "[]".into() } else { format!("{}]", curves.losses_json) })
    };
    let validation = move || {
        curves.with(|curves| {
            curves.evaluations.last().map_or("–".into(), |(_, validation)| percent(validation.accuracy))
        })
    };
    let pace = move || {
        curves.with(|curves| {
            curves.latest.as_ref().map_or("–".into(), |latest| format!("{:.1}", latest.clips_per_second))
        })
    };
    // Of each clip's time: where waiting is the less, decoding keeps up.
    let time = move |of: fn(&StepReport) -> f64| {
        curves.with(|curves| {
            let latest = curves.latest.as_ref().filter(|latest| latest.computing_per_clip > 0.0);
            latest.map_or_else(|| "–".into(), |latest| brief(of(latest)))
        })
    };
    let computing = Signal::derive(move || time(|step| step.computing_per_clip));
    let waiting = Signal::derive(move || time(|step| step.waiting_per_clip));
    let busy = move || {
        curves.with(|curves| {
            let latest = curves.latest.as_ref().filter(|latest| latest.computing_per_clip > 0.0);
            latest.map(|StepReport { waiting_per_clip, computing_per_clip, .. }| {
                let share = computing_per_clip / (waiting_per_clip + computing_per_clip);
                format!(" ({:.0}%)", 100.0 * share)
            })
        })
    };
    let disk = move || {
        curves.with(|curves| match curves.disk {
            Some(DecodedOnDisk { refused: true, .. }) => "disk full".to_string(),
            Some(DecodedOnDisk { limit: 0, .. }) => "none".into(),
            Some(DecodedOnDisk { bytes, .. }) => size(bytes),
            None => "–".into(),
        })
    };
    let gpu = move || {
        curves.with(|curves| curves.gpu_bytes).map(|bytes| {
            view! { <div title="Reserved while it trains"><dt>"GPU memory"</dt><dd data-testid="gpu-memory">{size(bytes)}</dd></div> }
        })
    };
    let most_on_disk = move || {
        let limit = curves.with(|curves| curves.disk.map_or(0, |disk| disk.limit));
        (limit > 0).then(|| view! { <small>{format!(" of {}", size(limit))}</small> })
    };
    let saved = move || {
        curves.with(|curves| curves.kept).map(|(views, seconds)| view! {
            <div title="What the frozen part makes of a clip is computed once and kept"><dt>"Saved an epoch"</dt>
                <dd><span data-testid="saved">{brief(seconds)}</span><small>{format!(" by {} views", count(views))}</small></dd></div>
        })
    };
    view! {
        <dl class="figure-row figures">
            <div><dt>{Signal::derive(move || if without_labels.get() { "Reconstruction loss" } else { "Training loss" })}</dt><dd data-testid="step-loss" data-losses=losses>{Signal::derive(step)}</dd></div>
            <div class:none=without_labels><dt>"Validation accuracy"</dt><dd data-testid="validation-accuracy">{Signal::derive(validation)}</dd></div>
            <div><dt>"Clips a second"</dt><dd>{Signal::derive(pace)}</dd></div>
            <div title="How long the device computed, in this epoch, and the share of the time that it was busy"><dt>"Computing a clip"</dt><dd><span data-testid="computing">{computing}</span><small data-testid="busy">{busy}</small></dd></div>
            <div title="How long the device stood still until a clip was decoded, in this epoch"><dt>"Waiting for a clip"</dt><dd data-testid="waiting">{waiting}</dd></div>
            <div title="Decoded once, and read from there in later epochs"><dt>"Clips on disk"</dt><dd><span data-testid="disk">{Signal::derive(disk)}</span>{most_on_disk}</dd></div>
            {saved}
            {gpu}
        </dl>
    }
}

#[component]
fn Curves() -> impl IntoView {
    let state = AppState::get();
    let curves = state.tuning.curves;
    let loss = Memo::new(move |_| {
        curves.with(|curves| {
            let steps = |of: fn(&Loss) -> f64| curves.losses.iter().map(|loss| (loss.step as f64, of(loss))).collect();
            let validation =
                curves.evaluations.iter().map(|(step, evaluation)| (*step as f64, f64::from(evaluation.loss)));
            Chart {
                title: "Loss",
                lines: vec![
                    Line { name: "", class: "raw", points: steps(|loss| loss.loss), dots: false },
                    Line { name: "train", class: "train", points: steps(|loss| loss.smooth), dots: false },
                    Line { name: "validation", class: "validation", points: validation.collect(), dots: true },
                ],
                until: curves.total_steps.max(1) as f64,
                until_label: if curves.total_steps == 0 {
                    String::new()
                } else {
                    format!("step {}", count(curves.total_steps))
                },
                unit: Unit::Loss,
            }
        })
    });
    let accuracy = Memo::new(move |_| {
        curves.with(|curves| {
            let epochs = curves.total_steps.div_ceil(curves.steps_per_epoch.max(1));
            let train = curves.epochs.iter().map(|epoch| (epoch.epoch as f64, f64::from(epoch.train_accuracy)));
            let of_epoch = |step: usize| step as f64 / curves.steps_per_epoch.max(1) as f64;
            let validation =
                curves.evaluations.iter().map(|(step, evaluation)| (of_epoch(*step), f64::from(evaluation.accuracy)));
            Chart {
                title: "Accuracy",
                lines: vec![
                    Line { name: "train", class: "train", points: train.collect(), dots: false },
                    Line { name: "validation", class: "validation", points: validation.collect(), dots: true },
                ],
                until: epochs.max(1) as f64,
                until_label: if epochs == 0 { String::new() } else { format!("epoch {epochs}") },
                unit: Unit::Share,
            }
        })
    });
    view! {
        <div class="charts">
            <ChartFigure chart=loss/>
            {move || match state.tuning.without_labels.get() {
                true => view! { <Shown/> }.into_any(),
                false => view! { <ChartFigure chart=accuracy/> }.into_any(),
            }}
        </div>
    }
}

/// The result: how well the best checkpoint does on clips that it never saw.
#[component]
fn Outcome(on_again: Callback<()>) -> impl IntoView {
    let state = AppState::get();
    let curves = state.tuning.curves;
    let classes =
        move || state.catalogue.with(|catalogue| catalogue.as_ref().map_or(0, |catalogue| catalogue.classes.len()));
    let tested = move || {
        curves.with(|curves| curves.tested).map(|tested| {
            let guess = if classes() > 1 { format!(" A guess would be right {} of the time.", percent(1.0 / classes() as f32)) } else { String::new() };
            view! {
                <div class="result">
                    <p class="huge figures" data-testid="test-accuracy" data-value=tested.accuracy.to_string()>{percent(tested.accuracy)}</p>
                    <p class="quiet">{format!("of {} test clips named rightly, none of them seen in training.{guess}", count(tested.videos))}</p>
                </div>
            }
        })
    };
    let untested = move || {
        curves.with(|curves| curves.tested.is_none()).then(|| {
            view! {
                <p class="quiet">"No clips were set aside to test on, so there is no test accuracy."</p>
            }
        })
    };
    let best = move || {
        curves.with(|curves| curves.best.clone()).map(|best| {
            let accuracy =
                best.validation.map(|validation| format!(", {} on validation", percent(validation.accuracy)));
            let place =
                best.name.strip_prefix(run_name(&best)).unwrap_or_default().trim_start_matches(", ").to_string();
            view! { <p>"Best checkpoint: "{place}{accuracy}". It is saved in this browser."</p> }
        })
    };
    view! {
        <div class="card outcome" role="status">
            {tested}
            {untested}
            {best}
            <div class="actions">
                <button type="button" class="primary" data-testid="to-classify" on:click=move |_| state.go(View::Classify)>"Classify a clip"</button>
                <button type="button" class="secondary" data-testid="to-evaluate" on:click=move |_| state.go(View::Evaluate)>"Evaluate it in full"</button>
                <button type="button" class="secondary" on:click=move |_| state.go(View::Models)>"See all checkpoints"</button>
                <button type="button" class="link" data-testid="tune-again" on:click=move |_| on_again.run(())>"Fine-tune again"</button>
            </div>
        </div>
    }
}
