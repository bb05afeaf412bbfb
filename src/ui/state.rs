//! What the page knows, as signals, and what it asks the engine to do.
//!
//! Comes in: the user's acts and the engine's events. Goes out: signals that the views draw. Holds no tensor, and
//! draws nothing itself.

use std::collections::HashMap;
use std::sync::Arc;

use js_sys::Array;
use leptos::prelude::*;

use super::bring::Bringing;
use super::disk_choice;
use super::engine_link::Engine;
use super::evaluating::Evaluating;
use super::export::Exporting;
use super::fitting::Fitting;
use super::folder::{self, FoundFile};
use super::hub::HubSettings;
use super::origin::has_classifier;
use super::tuning::Tuning;
use super::words::{count, counted, size};
use crate::dataset::labelling::Labelling;
use crate::dataset::list::candidates;
use crate::dataset::{Catalogue, ClassSummary, Split};
use crate::protocol::{CheckpointSummary, Classification, Command, Event, JobId, PATH_END, Picture};

/// The page's views; each has an address of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Data,
    Tune,
    /// Learning without labels, before fine-tuning.
    Pretrain,
    Classify,
    Models,
    Runs,
    Evaluate,
}

impl View {
    pub const ALL: [Self; 7] =
        [Self::Data, Self::Tune, Self::Pretrain, Self::Classify, Self::Models, Self::Runs, Self::Evaluate];

    pub fn address(self) -> &'static str {
        match self {
            Self::Data => "#data",
            Self::Tune => "#fine-tune",
            Self::Pretrain => "#pre-train",
            Self::Classify => "#classify",
            Self::Models => "#models",
            Self::Runs => "#runs",
            Self::Evaluate => "#evaluate",
        }
    }

    pub fn at(address: &str) -> Self {
        Self::ALL.into_iter().find(|view| view.address() == address).unwrap_or(Self::Data)
    }
}

/// Where the import of a folder is.
#[derive(Clone, Debug, PartialEq)]
pub enum ImportPhase {
    Idle,
    /// Bringing the sample.
    Fetching {
        done: usize,
        total: usize,
    },
    /// Listing a folder's files.
    Listing {
        found: usize,
    },
    /// The engine lists, labels and splits.
    Importing,
    Failed(String),
}

impl ImportPhase {
    pub fn is_busy(&self) -> bool {
        !matches!(self, Self::Idle | Self::Failed(_))
    }
}

/// One file to classify.
#[derive(Clone)]
pub struct ClassifiedFile {
    pub id: usize,
    pub name: String,
    pub answer: Answer,
}

#[derive(Clone)]
pub enum Answer {
    Waiting,
    Classified(Arc<Classification>),
    Unusable(String),
}

#[derive(Clone, Copy)]
pub struct AppState {
    pub engine: Engine,
    pub view: RwSignal<View>,
    // Data.
    pub import: RwSignal<ImportPhase>,
    pub catalogue: RwSignal<Option<Arc<Catalogue>>>,
    pub thumbnails: RwSignal<HashMap<String, Arc<Picture>>>,
    pub folder_name: RwSignal<String>,
    pub labelling: RwSignal<Labelling>,
    /// How many of the folder's files were looked into, of how many.
    pub checking: RwSignal<Option<(usize, usize)>>,
    /// How far decoding the folder's videos ahead is, in words.
    pub ahead: RwSignal<Option<String>>,
    relabelling: StoredValue<Option<JobId>>,
    /// Counts the folders, so that what is told of an earlier one is not taken for the current one's.
    imports: StoredValue<usize>,
    files: StoredValue<Vec<FoundFile>, LocalStorage>,
    // Fine-tune.
    pub tuning: Tuning,
    // Models.
    pub checkpoints: RwSignal<Vec<CheckpointSummary>>,
    pub models_notice: RwSignal<Option<String>>,
    pub models_busy: RwSignal<bool>,
    pub bringing: Bringing,
    pub exporting: Exporting,
    pub hub: HubSettings,
    pub fitting: Fitting,
    pub evaluating: Evaluating,
    // Classify.
    pub chosen_model: RwSignal<Option<String>>,
    /// Each outlives the view that asked for it, so that an answer finds it after the user has gone elsewhere.
    pub classified: RwSignal<Vec<ArcRwSignal<ClassifiedFile>>>,
    pub classifying: RwSignal<Option<JobId>>,
    pub classify_notice: RwSignal<Option<String>>,
    clips_so_far: StoredValue<usize>,
}

/// So many clips keep their moving picture; a 224-pixel one takes 3 MB.
const PICTURES_KEPT: usize = 60;
/// Files that are handed to the engine in one message.
const FILES_AT_A_TIME: usize = 50;
/// Labels shown for a clip.
const TOP: usize = 5;

impl AppState {
    pub fn new(engine: Engine, view: View, tuning: Tuning) -> Self {
        let state = Self {
            engine,
            view: RwSignal::new(view),
            import: RwSignal::new(ImportPhase::Idle),
            catalogue: RwSignal::new(None),
            thumbnails: RwSignal::default(),
            folder_name: RwSignal::default(),
            labelling: RwSignal::default(),
            checking: RwSignal::new(None),
            ahead: RwSignal::new(None),
            relabelling: StoredValue::new(None),
            imports: StoredValue::new(0),
            files: StoredValue::new_local(Vec::new()),
            tuning,
            checkpoints: RwSignal::default(),
            models_notice: RwSignal::new(None),
            models_busy: RwSignal::new(true),
            bringing: Bringing::new(),
            exporting: Exporting::new(),
            hub: HubSettings::new(),
            fitting: Fitting::new(),
            evaluating: Evaluating::new(),
            chosen_model: RwSignal::new(None),
            classified: RwSignal::default(),
            classifying: RwSignal::new(None),
            classify_notice: RwSignal::new(None),
            clips_so_far: StoredValue::new(0),
        };
        // A start that was deleted cannot be chosen any longer.
        Effect::new(move |was: Option<Vec<String>>| {
            let ids: Vec<String> =
                state.checkpoints.with(|models| models.iter().map(|model| model.id.clone()).collect());
            let gone = was.unwrap_or_default().into_iter().filter(|id| !ids.contains(id));
            gone.for_each(|id| state.tuning.forget_start(&id));
            ids
        });
        Effect::new(move |_| {
            let starts = engine.starts.get();
            if starts > 0 {
                state.list_checkpoints();
            }
            // A new engine has forgotten the folder. One whose import failed is not tried again: it may be what failed.
            if starts > 1 && state.catalogue.with_untracked(Option::is_some) {
                state.import_again();
            }
        });
        state
    }

    /// The state, from any component.
    pub fn get() -> Self {
        expect_context()
    }

    pub fn go(self, view: View) {
        if let Some(window) = web_sys::window() {
            // Setting the address shows the view, by the listener in `ui`.
            let _ = window.location().set_hash(view.address());
            // The button that led here is gone with its view.
            super::focus_content();
            window.scroll_to_with_x_and_y(0.0, 0.0);
        }
    }

    /// Videos to learn from without labels.
    pub fn learnable(self) -> usize {
        self.catalogue.with(|catalogue| catalogue.as_ref().map_or(0, |catalogue| catalogue.learnable))
    }

    /// Whether fine-tuning can start.
    pub fn has_usable_data(self) -> bool {
        !self.import.with(ImportPhase::is_busy)
            && self.catalogue.with(|catalogue| catalogue.as_ref().is_some_and(|catalogue| catalogue.blocked.is_none()))
    }

    /// How many usable videos of the folder are of a split.
    pub fn videos_of(self, split: Split) -> usize {
        let of = |class: &ClassSummary| match split {
            Split::Train => class.train,
            Split::Validation => class.validation,
            Split::Test => class.test,
        };
        self.catalogue.with(|catalogue| catalogue.as_ref().map_or(0, |all| all.classes.iter().map(of).sum()))
    }

    /// Hands a folder to the engine.
    pub fn import_files(self, mut files: Vec<FoundFile>) {
        if files.is_empty() {
            let sentence =
                "There are no files in what you chose. Choose a folder that holds one folder of videos for each class.";
            return self.import.set(ImportPhase::Failed(sentence.into()));
        }
        self.folder_name.set(common_folder(&files));
        self.labelling.set(Labelling::default());
        // The order in which the engine looks into them, and so is handed them.
        files.sort_by(|one, other| one.path.cmp(&other.path));
        self.files.set_value(files);
        self.import_again();
    }

    /// Names all files at once, and hands over the lists among them, then all a few at a time.
    fn import_again(self) {
        let import = self.imports.get_value() + 1;
        self.imports.set_value(import);
        self.catalogue.set(None);
        self.thumbnails.set(HashMap::new());
        self.ahead.set(None);
        let (paths, lists, total) = self.files.with_value(|files| {
            let mut paths = String::new();
            for found in files {
                paths.push_str(&found.path);
                paths.push(PATH_END);
            }
            let places = candidates(files.iter().map(|found| found.path.as_str()));
            let lists: Vec<FoundFile> = places.into_iter().filter_map(|place| files.get(place).cloned()).collect();
            (paths, lists, files.len())
        });
        self.import.set(ImportPhase::Importing);
        self.checking.set(Some((0, total)));
        leptos::task::spawn_local(async move {
            let lists = folder::open(&lists).await;
            if !self.is_current(import) {
                return;
            }
            let command = Command::Import { paths, labelling: self.labelling.get_untracked() };
            self.engine.send(command, &lists, move |event, _| {
                if self.is_current(import) {
                    self.imported(event);
                }
            });
            self.hand_over(import, 0).await;
        });
    }

    fn is_current(self, import: usize) -> bool {
        self.imports.get_value() == import
    }

    /// Hands over a few files, and once the engine has them the next: all of a large folder would hold up the page.
    async fn hand_over(self, import: usize, from: usize) {
        let few: Vec<FoundFile> =
            self.files.with_value(|files| files.iter().skip(from).take(FILES_AT_A_TIME).cloned().collect());
        let opened = folder::open(&few).await;
        if !few.is_empty() && self.is_current(import) {
            self.engine.send(Command::HandOver { from }, &opened, move |event, _| {
                if matches!(event, Event::Done) && self.is_current(import) {
                    leptos::task::spawn_local(self.hand_over(import, from + FILES_AT_A_TIME));
                }
            });
        }
    }

    fn imported(self, event: Event) {
        match event {
            Event::Checking { done, total } => self.checking.set(Some((done, total))),
            Event::Imported(catalogue) => {
                let labels = |catalogue: &Option<Arc<Catalogue>>| catalogue.as_ref().map(|all| all.labels());
                if self.catalogue.with_untracked(labels) != Some(catalogue.labels()) {
                    self.tuning.adopt(&catalogue, &self.folder_name.get_untracked());
                }
                self.catalogue.set(Some(Arc::new(*catalogue)));
                self.import.set(ImportPhase::Idle);
            }
            Event::Thumbnail { class, picture } => {
                self.thumbnails.update(|thumbnails| _ = thumbnails.insert(class, Arc::new(picture)));
            }
            Event::Done => {
                self.checking.set(None);
                self.decode_ahead();
            }
            Event::Cancelled => self.checking.set(None),
            Event::Failed(sentence) => {
                self.checking.set(None);
                self.catalogue.set(None);
                self.import.set(ImportPhase::Failed(sentence));
            }
            _ => {}
        }
    }

    /// Has the folder's videos decoded while the user chooses settings.
    pub fn decode_ahead(self) {
        if untrack(|| !self.has_usable_data() || self.tuning.is_running()) {
            return;
        }
        let settings = self.tuning.settings.get_untracked();
        let command = Command::DecodeAhead { settings, disk: disk_choice::chosen() };
        self.engine.send(command, &Array::new(), move |event, _| match event {
            Event::DecodedAhead { done, total, disk } if disk.bytes > 0 => {
                let words = format!(
                    "{} of {} decoded ahead, {} on disk",
                    count(done),
                    counted(total, "video", "videos"),
                    size(disk.bytes)
                );
                self.ahead.set(Some(words));
            }
            // A run tells of the disk itself.
            Event::Cancelled | Event::Failed(_) => self.ahead.set(None),
            _ => {}
        });
    }

    /// Other labels or splits for the folder.
    pub fn relabel(self, change: impl FnOnce(&mut Labelling)) {
        self.labelling.update(change);
        if let Some(job) = self.relabelling.get_value() {
            self.engine.tell(Command::Cancel { job });
        }
        let import = self.imports.get_value();
        let command = Command::Label { labelling: self.labelling.get_untracked() };
        let job = self.engine.send(command, &Array::new(), move |event, _| {
            // The import goes on looking into the files.
            if self.imports.get_value() == import && matches!(event, Event::Imported(_) | Event::Thumbnail { .. }) {
                self.imported(event);
            }
        });
        self.relabelling.set_value(Some(job));
    }

    pub fn list_checkpoints(self) {
        self.change_models(Command::ListCheckpoints, &Array::new());
    }

    /// Sends one of the commands that answer with the list of checkpoints.
    pub fn change_models(self, command: Command, files: &Array) {
        self.models_notice.set(None);
        self.models_busy.set(true);
        self.engine.send(command, files, move |event, _| match event {
            Event::Checkpoints(checkpoints) => self.checkpoints.set(checkpoints),
            Event::Failed(sentence) => {
                self.models_notice.set(Some(sentence));
                self.models_busy.set(false);
            }
            Event::Done | Event::Cancelled => self.models_busy.set(false),
            _ => {}
        });
    }

    /// The model that classifies: the chosen one, or the best of the newest run.
    pub fn model(self) -> Option<CheckpointSummary> {
        self.checkpoints.with(|checkpoints| {
            let chosen = self.chosen_model.get();
            let usable = || checkpoints.iter().filter(|checkpoint| has_classifier(checkpoint));
            let by_id = usable().find(|checkpoint| Some(&checkpoint.id) == chosen.as_ref());
            let newest_run = usable().next().map(|checkpoint| checkpoint.run.clone());
            let of_run = |best: bool| {
                let run = newest_run.clone();
                usable().find(move |checkpoint| Some(&checkpoint.run) == run.as_ref() && (!best || checkpoint.best))
            };
            by_id.or_else(|| of_run(true)).or_else(|| of_run(false)).cloned()
        })
    }

    pub fn classify(self, files: Vec<FoundFile>) {
        let files: Vec<FoundFile> = files.into_iter().filter(|found| !is_hidden(&found.path)).collect();
        leptos::task::spawn_local(async move {
            let (names, files) = folder::at_hand(files).await;
            self.classify_opened(names, &files);
        });
    }

    fn classify_opened(self, names: Vec<String>, files: &Array) {
        let Some(model) = untrack(|| self.model()) else { return };
        if names.is_empty() {
            return self
                .classify_notice
                .set(Some("There are no files in what you chose. Choose one or more videos.".into()));
        }
        self.classify_notice.set(None);
        let first = self.clips_so_far.get_value();
        self.clips_so_far.set_value(first + names.len());
        let fresh: Vec<ArcRwSignal<ClassifiedFile>> = names
            .iter()
            .enumerate()
            .map(|(index, name)| {
                ArcRwSignal::new(ClassifiedFile { id: first + index, name: name.clone(), answer: Answer::Waiting })
            })
            .collect();
        // The newest lot first, each in its own order.
        self.classified.update(|all| _ = all.splice(0..0, fresh.iter().cloned()));
        let answered = std::cell::Cell::new(0);
        let command = Command::Classify { checkpoint: model.id, names, first, top: TOP };
        let job = self.engine.send(command, files, move |event, _| {
            let answer = match event {
                Event::Classified(mut classification) => {
                    if answered.get() >= PICTURES_KEPT {
                        classification.picture.frames.clear();
                    }
                    Answer::Classified(Arc::new(classification))
                }
                Event::Unusable(unusable) => Answer::Unusable(unusable.reason),
                Event::Failed(sentence) => {
                    self.forget_waiting();
                    return self.classify_notice.set(Some(sentence));
                }
                Event::Done | Event::Cancelled => return self.forget_waiting(),
                _ => return,
            };
            if let Some(file) = fresh.get(answered.replace(answered.get() + 1)) {
                file.update(|file| file.answer = answer);
            }
        });
        self.classifying.set(Some(job));
    }

    /// Takes the files without an answer off the list, once none will come.
    fn forget_waiting(self) {
        self.classifying.set(None);
        let waits =
            |file: &ArcRwSignal<ClassifiedFile>| file.with_untracked(|file| matches!(file.answer, Answer::Waiting));
        if self.classified.with_untracked(|files| files.iter().any(waits)) {
            self.classified.update(|files| files.retain(|file| !waits(file)));
        }
    }
}

/// Files that an operating system keeps for itself, such as `.DS_Store`.
pub fn is_hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.'))
}

/// The folder that all files lie in, or nothing.
fn common_folder(files: &[FoundFile]) -> String {
    let first = |path: &str| path.split_once('/').map(|(folder, _)| folder.to_string());
    let Some(folder) = files.first().and_then(|found| first(&found.path)) else { return String::new() };
    let same = files.iter().all(|found| first(&found.path).as_ref() == Some(&folder));
    if same { folder } else { String::new() }
}
