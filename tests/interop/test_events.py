"""What `cliptune metrics` writes is what TensorBoard and a CSV reader read, and what transformers would have written."""

import csv
import json

import pytest
from conftest import cliptune
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter
from transformers import TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import TensorBoardCallback


@pytest.fixture(scope="session")
def metrics(tuned, tmp_path_factory):
    folder = tmp_path_factory.mktemp("metrics")
    cliptune("metrics", tuned, "--out", folder)
    return folder


def scalars(folder):
    """Every scalar of the event files in a folder: its steps and values by tag."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_reads_each_scalar_of_the_run(metrics, tuned):
    run = json.loads((tuned / "run.json").read_text())
    read = scalars(metrics)
    for tag, field in [
        ("train/loss", "loss"),
        ("train/accuracy", "accuracy"),
        ("train/grad_norm", "gradient_norm"),
        ("train/learning_rate", "learning_rate"),
    ]:
        expected = [(step, pytest.approx(logged[field], rel=1e-6)) for step, logged in enumerate(run["steps"], 1)]
        assert read[tag] == expected, tag
    for tag, field in [("eval/loss", "loss"), ("eval/accuracy", "accuracy")]:
        last = len(run["steps"])
        steps = [min(report["epoch"] * run["steps_per_epoch"], last) for report in run["epochs"]]
        values = [pytest.approx(report["validation"][field], rel=1e-6) for report in run["epochs"]]
        assert read[tag] == list(zip(steps, values)), tag
    if run["test"]:
        assert read["test/accuracy"][0][1] == pytest.approx(run["test"]["evaluation"]["accuracy"], rel=1e-6)
    print(f"{len(read)} tags, {sum(map(len, read.values()))} scalars")


def test_the_tags_and_values_are_those_of_transformers_callback(metrics, exported, tmp_path):
    """The Trainer's own callback, given the same log."""
    log = json.loads((exported / "trainer_state.json").read_text())["log_history"]
    callback = TensorBoardCallback(SummaryWriter(str(tmp_path)))
    arguments = TrainingArguments(output_dir=str(tmp_path / "out"), report_to=[], use_cpu=True)
    for logged in log:
        state = TrainerState(global_step=logged.pop("step"), is_world_process_zero=True)
        callback.on_log(arguments, state, TrainerControl(), logs=logged)
    callback.on_train_end(arguments, TrainerState(), TrainerControl())
    ours, theirs = scalars(metrics), scalars(tmp_path)
    assert {"train/loss", "train/grad_norm", "train/learning_rate", "train/epoch", "eval/loss"} <= theirs.keys()
    for tag, values in theirs.items():
        assert ours[tag] == [(step, pytest.approx(value, rel=1e-6)) for step, value in values], tag


def test_the_csv_files_hold_the_run(metrics, tuned):
    run = json.loads((tuned / "run.json").read_text())
    with open(metrics / "steps.csv", newline="") as file:
        steps = list(csv.DictReader(file))
    assert [int(row["step"]) for row in steps] == list(range(1, len(run["steps"]) + 1))
    for row, step in zip(steps, run["steps"]):
        assert row["run"] == run["settings"]["name"]
        assert all(float(row[field]) == step[field] for field in ("loss", "accuracy", "learning_rate", "gradient_norm"))
    with open(metrics / "epochs.csv", newline="") as file:
        epochs = list(csv.DictReader(file))
    for row, report in zip(epochs, run["epochs"], strict=True):
        assert float(row["train_loss"]) == report["train_loss"]
        assert float(row["validation_accuracy"]) == report["validation"]["accuracy"]
