//! What a run logged, as others read it: the Trainer's log, CSV, event files, and runs over one another.

use super::*;

/// `TrainerState` in transformers 4.57's trainer_callback.py.
const TRAINER_STATE_FIELDS: [&str; 20] = [
    "epoch",
    "global_step",
    "max_steps",
    "logging_steps",
    "eval_steps",
    "save_steps",
    "train_batch_size",
    "num_train_epochs",
    "num_input_tokens_seen",
    "total_flos",
    "log_history",
    "best_metric",
    "best_global_step",
    "best_model_checkpoint",
    "is_local_process_zero",
    "is_world_process_zero",
    "is_hyper_param_search",
    "trial_name",
    "trial_params",
    "stateful_callbacks",
];

#[test]
fn the_trainers_log_has_an_entry_a_step_and_an_evaluation_an_epoch() {
    let cases = [(finished(), 4, vec![(2, 1.0), (4, 2.0)]), (half_way(), 3, vec![(2, 1.0), (3, 1.5)])];
    for (checkpoint, steps, epochs) in cases {
        let record = checkpoint.record.as_ref().unwrap();
        let state = Export::of(&checkpoint, Numbers::F32).json("trainer_state.json");
        let unknown: Vec<&String> =
            state.as_object().unwrap().keys().filter(|key| !TRAINER_STATE_FIELDS.contains(&key.as_str())).collect();
        assert!(unknown.is_empty(), "TrainerState refuses fields that it does not know: {unknown:?}");
        assert_eq!((state["global_step"].as_u64(), state["max_steps"].as_u64()), (Some(steps), Some(4)));
        let (evaluations, losses): (Vec<&Value>, Vec<&Value>) =
            state["log_history"].as_array().unwrap().iter().partition(|entry| entry.get("eval_loss").is_some());
        assert_eq!(losses.len(), record.steps.len());
        for (index, (entry, step)) in losses.iter().zip(&record.steps).enumerate() {
            assert_eq!(entry["step"], json!(index + 1));
            assert_eq!(entry["epoch"], json!((index + 1) as f64 / 2.0));
            assert_eq!(entry["loss"].as_f64().unwrap() as f32, step.loss);
            assert_eq!(entry["grad_norm"].as_f64().unwrap() as f32, step.gradient_norm);
            assert!((entry["learning_rate"].as_f64().unwrap() - step.learning_rate).abs() <= 1e-15);
        }
        let places: Vec<(u64, f64)> = evaluations
            .iter()
            .map(|entry| (entry["step"].as_u64().unwrap(), entry["epoch"].as_f64().unwrap()))
            .collect();
        assert_eq!(places, epochs);
        for (entry, epoch) in evaluations.iter().zip(&record.epochs) {
            assert_eq!(entry["eval_accuracy"].as_f64().unwrap() as f32, epoch.validation.unwrap().accuracy);
        }
    }
}

/// A store with the two runs above, the second as if it had run with other settings.
fn two_runs() -> (tempfile::TempDir, DirectoryStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(folder.path()).unwrap();
    let (first, mut second) = (finished(), half_way());
    let record = second.record.as_mut().unwrap();
    record.settings.learning_rate = 7e-4;
    second.summary.created = first.summary.created + 60_000.0;
    second.summary.run = "run-2".into();
    for checkpoint in [first, second] {
        block_on(store.save(&checkpoint)).unwrap();
    }
    (folder, store)
}

/// The text between two others.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let start = text.find(from).unwrap_or_else(|| panic!("no {from} in {text}")) + from.len();
    let end = text[start..].find(to).unwrap_or_else(|| panic!("no {to} after {from} in {text}"));
    &text[start..start + end]
}

#[test]
fn runs_are_laid_over_one_another_with_what_they_reached_and_in_what_they_differ() {
    let (_folder, store) = two_runs();
    let (runs, damaged) = block_on(runs::read(&store)).unwrap();
    assert_eq!(damaged, [""; 0]);
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(names, ["My model (2)", "My model"], "the newest first, and told apart");
    assert_eq!(runs[1].record.steps, finished().record.unwrap().steps);
    // Of four steps a second apart the user held the run for ten minutes after the second.
    let mut held = runs[1].clone();
    for (step, time) in held.record.steps.iter_mut().zip([0.0, 1.0, 601.0, 602.0]) {
        step.time = Some(1.7e9 + time);
    }
    assert_eq!(held.seconds(), Some(2.0));

    let ids: Vec<String> = runs.iter().map(|run| run.id.clone()).collect();
    let html = runs::comparison(&runs, &ids, Along::Steps);
    assert_eq!((html.matches("<figure").count(), html.matches("data-testid=\"result-row\"").count()), (4, 2));
    assert!(html.contains("step 4") && runs::comparison(&runs, &ids, Along::Epochs).contains("epoch 2"));
    // A line has a point for each step, each with its own colour.
    let losses = between(&html, "Training loss</b>", "</figure>");
    for (class, steps) in [("run-1", 3), ("run-2", 4)] {
        let path = between(losses, &format!("<g class=\"line {class}\"><path d=\""), "\"");
        assert_eq!(path.matches(['M', 'L']).count(), steps, "{class}: {path}");
    }
    let differing = between(&html, "data-testid=\"differing\"", "</table>");
    let rows: Vec<&str> = differing.split("<tr>").skip(2).collect();
    let [row] = rows.try_into().expect("only the rate differs");
    assert!(row.contains("learning rate</th><td>7e-4</td><td>1e-3</td>"), "{row}");
    let alike = between(&html, "<details>", "</details>");
    assert!(alike.contains("<th scope=\"row\">seed</th><td>42</td>"), "{alike}");

    // One of two that were validated on the same clips is the best, and of one alone none.
    let list = runs::list(&runs, &[], &ids[..1]);
    assert_eq!(list.matches("data-best=\"true\"").count(), 1);
    assert_eq!(list.matches("checked").count(), 2, "one run, and the axis");
    assert_eq!(runs::best(&runs[..1]).len(), 0);
    let mut other = runs.clone();
    other[0].record.data.videos.retain(|video| video.label == 0);
    assert_eq!(runs::best(&other).len(), 0, "other clips do not compare");
    assert!(runs::comparison(&runs, &[], Along::Epochs).contains("Tick runs"));
}

#[test]
fn a_runs_files_are_its_logs_and_the_settings_that_repeat_it() {
    let (_folder, store) = two_runs();
    let (runs, _) = block_on(runs::read(&store)).unwrap();
    let record = &runs[1].record;
    assert!(record.test.is_some() || finished().summary.test.is_none(), "the test of whichever was tested");
    let text = |file| {
        let (name, bytes) = runs[1].file(file).unwrap();
        (name, String::from_utf8(bytes).unwrap())
    };
    let (name, steps) = text(RunFile::Steps);
    assert_eq!((name.as_str(), steps.lines().count()), ("my-model-steps.csv", 1 + record.steps.len()));
    assert_eq!(text(RunFile::Epochs).1, metrics::epochs_csv(record));
    let (name, settings) = text(RunFile::Settings);
    assert_eq!(name, "my-model-settings.json");
    assert_eq!(TuneSettings::for_starter().with_file(&settings).unwrap(), record.settings);
    let (name, events) = runs[1].file(RunFile::Events).unwrap();
    assert!(name.starts_with("events.out.tfevents.") && !events.is_empty(), "{name}");
}

#[test]
fn names_and_notes_from_users_stay_texts_in_the_list_of_runs() {
    let (_folder, store) = two_runs();
    block_on(store.annotate("run-2", "<script>\n\"two\" </textarea>")).unwrap();
    let (mut runs, _) = block_on(runs::read(&store)).unwrap();
    runs[0].name = "<img src=x onerror=alert(1)>".into();
    runs[0].record.data.classes[0] = "</table><script>".into();
    let ids = [runs[0].id.clone()];
    let list = runs::list(&runs, &["<i>".to_string()], &ids);
    assert!(list.contains("&lt;script&gt;\n&quot;two&quot; &lt;/textarea&gt;</textarea>"), "{list}");
    for html in [list, runs::comparison(&runs, &ids, Along::Epochs)] {
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("<i>"), "{html}");
    }
    let card = Export::of(&block_on(store.load(&half_way().summary.id)).unwrap(), Numbers::F32);
    assert!(card.card().1.contains("## Notes\n\n\\<script\\>\n\n\"two\""), "{}", card.card().1);
}

#[test]
fn the_log_of_a_run_by_steps_has_its_evaluations_where_they_were_and_its_best_by_the_chosen_metric() {
    let out = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(out.path()).unwrap();
    let checkpointing = Checkpointing { eval_strategy: EvalStrategy::Steps, eval_steps: 1, save_steps: 0 };
    let selection = Selection { metric_for_best_model: Metric::F1, ..Selection::default() };
    let settings = TuneSettings { epochs: 2, checkpointing, selection, ..settings() };
    let best = short_runs::tune(&settings, &short_runs::import_sample([3, 1, 1]), &store, to_the_end).0.unwrap();
    let last = block_on(store.list()).unwrap().remove(0);
    let checkpoint = block_on(store.load(&last.id)).unwrap();
    let state = Export::of(&checkpoint, Numbers::F32).json("trainer_state.json");
    let log = state["log_history"].as_array().unwrap();
    let evaluations: Vec<&Value> = log.iter().filter(|entry| entry.get("eval_loss").is_some()).collect();
    assert_eq!(evaluations.iter().map(|entry| entry["step"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(state["eval_steps"], json!(1));
    let best = block_on(store.load(&best)).unwrap().summary;
    assert_eq!(state["best_metric"].as_f64().map(|value| value as f32), best.validation.unwrap().score);
    let step = state["best_global_step"].as_u64().unwrap();
    assert_eq!(best.stands.unwrap().step as u64, step);
    let entry = evaluations.iter().find(|entry| entry["step"] == json!(step)).unwrap();
    assert_eq!(entry["eval_f1"], state["best_metric"]);
    let place = state["best_model_checkpoint"].as_str().unwrap();
    assert!(best.name.replace(' ', "-").ends_with(place), "{place}, {}", best.name);
}

#[test]
fn event_files_have_the_times_of_the_steps_and_old_records_that_of_their_checkpoint() {
    let mut record = finished().record.unwrap();
    let times = |record: &RunRecord| -> Vec<f64> {
        // TensorBoard's records: a length, its checksum, a message, its checksum; a message begins with its time.
        let (file, mut times) = (events(record, 7.0), Vec::new());
        let mut rest = file.as_slice();
        while let Some((length, after)) = rest.split_first_chunk::<8>() {
            let length = u64::from_le_bytes(*length) as usize;
            times.push(f64::from_le_bytes(after[5..13].try_into().unwrap()));
            rest = &after[4 + length + 4..];
        }
        times.dedup();
        times
    };
    let known: Vec<f64> = record.steps.iter().map(|step| step.time.unwrap()).collect();
    assert!(known[0] > 1.7e9 && known.is_sorted());
    assert_eq!(times(&record), known);
    record.steps.iter_mut().for_each(|step| step.time = None);
    assert_eq!(times(&record), [7.0]);
}
