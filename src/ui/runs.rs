//! The runs over one another. The engine draws them; this listens to what its HTML offers.
//!
//! Comes in: HTML whose controls say by `data-` attributes what they are for. Goes out: the user's choices as commands.

use js_sys::Array;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlInputElement};

use super::components::notice::{Notice, Tone};
use super::export::save_file;
use super::models::ModelsTabs;
use super::settings_file::take_over;
use super::state::{AppState, View};
use crate::protocol::{Along, Command, Event, RunFile};

#[component]
pub fn RunsView() -> impl IntoView {
    let state = AppState::get();
    let page = Runs {
        state,
        list: RwSignal::default(),
        comparison: RwSignal::default(),
        compared: StoredValue::default(),
        along: StoredValue::default(),
        notice: RwSignal::default(),
    };
    // Anew whenever a checkpoint came or went.
    let checkpoints = Memo::new(move |_| state.checkpoints.with(Vec::len));
    Effect::new(move |_| {
        checkpoints.track();
        page.ask(Command::ListRuns);
    });
    view! {
        <section class="page" aria-labelledby="models-title">
            <ModelsTabs title="Runs"/>
            <Notice tone=Tone::Error text=page.notice on_close=Callback::new(move |()| page.notice.set(None))/>
            <div class="runs" data-testid="runs" inner_html=page.list on:change=move |event| page.changed(&event) on:click=move |event| page.pressed(&event)></div>
            <div class="comparison" data-testid="comparison" inner_html=page.comparison></div>
        </section>
    }
}

#[derive(Clone, Copy)]
struct Runs {
    state: AppState,
    list: RwSignal<String>,
    comparison: RwSignal<String>,
    compared: StoredValue<Vec<String>>,
    along: StoredValue<Along>,
    notice: RwSignal<Option<String>>,
}

impl Runs {
    fn ask(self, command: Command) {
        self.state.engine.send(command, &Array::new(), move |event, attachments| match event {
            Event::Runs { list, compared, comparison } => {
                self.compared.try_set_value(compared);
                self.along.try_set_value(Along::default());
                self.list.try_set(list);
                self.comparison.try_set(comparison);
            }
            Event::Compared(comparison) => _ = self.comparison.try_set(comparison),
            Event::Exported { file_name } => save_file(&attachments.get(0), &file_name),
            Event::Settings(settings) => {
                self.state.tuning.notice.set(take_over(self.state, *settings));
                self.state.tuning.editing.set(true);
                self.state.go(View::Tune);
            }
            Event::Failed(sentence) => _ = self.notice.try_set(Some(sentence)),
            _ => {}
        });
    }

    /// A tick, a choice or a note.
    fn changed(self, event: &web_sys::Event) {
        let Some(target) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else { return };
        let of = |name: &str| target.get_attribute(name);
        if let Some(run) = of("data-note") {
            let saved = target.next_element_sibling();
            let command = Command::NoteRun { run, note: event_target_value(event) };
            self.state.engine.send(command, &Array::new(), move |event, _| match (event, &saved) {
                (Event::Done, Some(saved)) => saved.set_text_content(Some("Saved")),
                (Event::Failed(sentence), _) => _ = self.notice.try_set(Some(sentence)),
                _ => {}
            });
            return;
        }
        if let Some(run) = of("data-compare") {
            let ticked = target.dyn_ref::<HtmlInputElement>().is_some_and(HtmlInputElement::checked);
            self.compared.update_value(|compared| {
                compared.retain(|other| *other != run);
                if ticked {
                    compared.push(run);
                }
            });
        } else if let Some(along) = of("data-along") {
            self.along.set_value(if along == "steps" { Along::Steps } else { Along::Epochs });
        }
        self.ask(Command::CompareRuns { runs: self.compared.get_value(), along: self.along.get_value() });
    }

    fn pressed(self, event: &web_sys::Event) {
        let Some(target) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else { return };
        let (Some(act), Some(run)) = (target.get_attribute("data-act"), target.get_attribute("data-run")) else {
            return;
        };
        self.notice.set(None);
        self.ask(match act.as_str() {
            "use" => Command::RunSettings { run },
            "settings" => Command::ExportRun { run, file: RunFile::Settings },
            "steps" => Command::ExportRun { run, file: RunFile::Steps },
            "epochs" => Command::ExportRun { run, file: RunFile::Epochs },
            _ => Command::ExportRun { run, file: RunFile::Events },
        });
    }
}
