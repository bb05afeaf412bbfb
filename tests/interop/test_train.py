"""train.py, which every export carries, does as Cliptune and goes on where it stopped."""

import json
import os
import random
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import train
from accelerate import Accelerator
from conftest import GOLDEN, ROOT, cliptune, cliptune_logits, largest_difference, random_pixels, unzipped
from safetensors.torch import load_file
from transformers import VideoMAEForVideoClassification, VideoMAEImageProcessor

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def run_train(folder, data, *arguments, launcher=()):
    """Runs the folder's train.py. Goes out: what it printed, a dictionary a line, and its errors."""
    command = [sys.executable, *launcher, folder / "train.py", "--data", data, "--workers", 0, *arguments]
    run = subprocess.run([*map(str, command)], capture_output=True, text=True, env=ENVIRONMENT, timeout=300)
    return run.returncode, [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")], run.stderr


def trained(folder, data, *arguments, **options):
    code, lines, errors = run_train(folder, data, *arguments, **options)
    assert code == 0, errors
    return [line for line in lines if "step" in line], {line["split"]: line for line in lines if "split" in line}


def test_twenty_steps_have_the_losses_of_the_trainer():
    """The golden run, which Cliptune's own steps are held against as well (tests/parity.rs)."""
    model = VideoMAEForVideoClassification.from_pretrained(GOLDEN / "micro/model").train()
    golden = load_file(GOLDEN / "micro/train.safetensors")
    settings = {"learning_rate": 5e-5, "warmup_ratio": 0.1, "weight_decay": 0.0}
    accelerator = Accelerator(cpu=True)
    model, optimizer = accelerator.prepare(model, train.make_optimizer(model, settings))
    differences = []
    for step, (loss, norm) in enumerate(zip(golden["losses"].tolist(), golden["grad_norms"].tolist(), strict=True)):
        for group in optimizer.param_groups:
            group["lr"] = train.learning_rate(settings, step, 20)
        batch = step % len(golden["pixel_values"])
        batches = [(golden["pixel_values"][batch], golden["labels"][batch])]
        sums, our_norm = train.train_step(accelerator, model, optimizer, batches, 1.0)
        differences.append(abs(sums["loss"] / sums["clips"] - loss))
        assert our_norm == pytest.approx(norm, rel=1e-3)
    print(f"20 steps: losses differ by {max(differences):.1e}")
    assert max(differences) < 1e-4


def test_accumulated_batches_make_the_step_of_one_large_batch():
    golden = load_file(GOLDEN / "micro/train.safetensors")
    pixels, labels = golden["pixel_values"].flatten(0, 1), golden["labels"].flatten()
    weights = []
    for sizes in ([6], [4, 2]):
        accelerator = Accelerator(cpu=True)
        model = VideoMAEForVideoClassification.from_pretrained(GOLDEN / "micro/model").train()
        settings = {"learning_rate": 1e-3, "weight_decay": 0.05}
        model, optimizer = accelerator.prepare(model, train.make_optimizer(model, settings))
        batches = list(zip(pixels.split(sizes), labels.split(sizes), strict=True))
        weights.append((train.train_step(accelerator, model, optimizer, batches, 1.0), model.state_dict()))
    (one, one_weights), (two, two_weights) = weights
    assert two[1] == pytest.approx(one[1], rel=1e-5)
    assert all(torch.allclose(one_weights[name], two_weights[name], atol=2e-5) for name in one_weights)


def test_training_pixels_are_the_guides_for_the_same_draw():
    folder = ROOT / "tests/fixtures/pixels"
    videos, golden = load_file(folder / "videos.safetensors"), load_file(folder / "tutorial_transforms.safetensors")
    draws = json.loads((folder / "sampling.json").read_text())["meta"]
    for name, theirs in golden.items():
        if not name.startswith("train."):
            continue
        draw, count, side = draws[name], theirs.shape[0], theirs.shape[-1]
        config = VideoMAEForVideoClassification.config_class(image_size=side, num_frames=count)
        clips = train.Clips([], {}, config, VideoMAEImageProcessor(image_mean=MEAN, image_std=STD), True)
        frames = videos[draw["video"]].numpy()
        frames = frames[[index * (len(frames) - 1) // (count - 1) for index in range(count)]]
        assert train.scaled_size(frames.shape[1:3], (side, side), draw["short_side"]) == tuple(draw["resized"])
        ours = clips.scale_and_crop(frames, draw["resized"], draw["i"], draw["j"], draw["flip"])
        assert largest_difference(ours, theirs) < 1e-5, name


def test_marked_classes_are_not_mirrored_and_colours_change_as_the_settings_say():
    config = VideoMAEForVideoClassification.config_class(image_size=32, num_frames=4, id2label={0: "Left", 1: "Up"})
    processor = VideoMAEImageProcessor(image_mean=MEAN, image_std=STD)
    jitter = {"brightness": 0.5, "contrast": 0, "saturation": 0, "hue": 0, "per_frame": True}
    frames = np.tile(np.linspace(0, 200, 64, dtype=np.uint8)[None, None, :, None], (4, 48, 1, 3))

    def pixels(label, seed, **settings):
        settings = {"horizontal_flip": True, "unmirrored": ["Left"], **settings}
        return train.Clips([], settings, config, processor, True).training_pixels(frames, label, random.Random(seed))

    def mirrored(clip):
        return bool(clip[0, 0, 0, 0] > clip[0, 0, 0, -1])

    assert not any(mirrored(pixels(0, seed)) for seed in range(20))
    assert {mirrored(pixels(1, seed)) for seed in range(20)} == {False, True}
    plain, coloured = pixels(0, 1), pixels(0, 1, colour_jitter=jitter)
    assert (plain[0] == plain[1]).all() and not (coloured[0] == coloured[1]).all()
    widest = pixels(0, 1, short_sides=[2240, 2240])
    assert widest[0, 0].std() < plain[0, 0].std() / 4


def test_the_learning_rate_is_cliptunes(tuned):
    run = json.loads((tuned / "run.json").read_text())
    total = run["steps_per_epoch"] * run["settings"]["epochs"]
    for done, step in enumerate(run["steps"]):
        assert train.learning_rate(run["settings"], done, total) == pytest.approx(step["learning_rate"], rel=1e-12)


def test_an_evaluation_finds_what_cliptune_found(exported, data):
    """Decoding, choosing frames, resizing, normalising and the model, all at once."""
    _, evaluations = trained(exported, data, "--steps", 0)
    ours = json.loads((exported / "run.json").read_text())["validation"]["evaluation"]
    theirs = evaluations["validation"]
    print(f"validation loss {theirs['loss']:.6f}, Cliptune's {ours['loss']:.6f}")
    assert theirs["videos"] == ours["videos"]
    assert theirs["accuracy"] == pytest.approx(ours["accuracy"])
    assert theirs["loss"] == pytest.approx(ours["loss"], abs=5e-3)


def test_a_stopped_run_goes_on_where_it_stood(stopped, data, tmp_path):
    before = json.loads((stopped / "run.json").read_text())
    steps_per_epoch, done, epoch = before["steps_per_epoch"], before["progress"]["step"], before["progress"]["epoch"]
    steps, evaluations = trained(stopped, data, "--out", tmp_path, "--steps", steps_per_epoch)
    run = json.loads((tmp_path / f"epoch-{epoch + 1:04}/run.json").read_text())
    assert [step["step"] for step in steps] == [*range(done + 1, done + steps_per_epoch + 1)]
    assert run["steps"][:done] == before["steps"] and run["epochs"][:epoch] == before["epochs"]
    assert len(run["steps"]) == run["progress"]["step"] == done + steps_per_epoch
    assert (run["progress"]["epoch"], run["progress"]["drawn"]) == (epoch + 1, 0)
    assert run["validation"]["evaluation"] == evaluations["validation"] == run["epochs"][epoch]["validation"]


def test_the_optimizer_starts_from_cliptunes_moments(stopped):
    model = VideoMAEForVideoClassification.from_pretrained(stopped)
    optimizer = train.make_optimizer(model, {"learning_rate": 0.1, "weight_decay": 0.05})
    train.load_moments(stopped / "training_state.safetensors", model, optimizer, 6)
    stored = load_file(stopped / "training_state.safetensors")
    assert len(stored) == 2 * len(optimizer.state) == 2 * len([*model.parameters()])
    head = optimizer.state[model.classifier.weight]
    assert head["step"] == 6
    assert torch.equal(head["exp_avg"], stored["exp_avg.classifier.weight"])
    assert torch.equal(head["exp_avg_sq"], stored["exp_avg_sq.classifier.weight"])


def test_stopping_within_an_epoch_and_going_on_changes_nothing(stopped, data, tmp_path):
    epoch = json.loads((stopped / "run.json").read_text())["progress"]["epoch"] + 1
    trained(stopped, data, "--out", tmp_path / "whole", "--steps", 4)
    trained(stopped, data, "--out", tmp_path / "parts", "--steps", 2)
    trained(tmp_path / f"parts/epoch-{epoch:04}", data, "--out", tmp_path / "rest", "--steps", 2)
    for file in ("model.safetensors", "training_state.safetensors"):
        whole, rest = (load_file(tmp_path / name / f"epoch-{epoch:04}" / file) for name in ("whole", "rest"))
        assert whole.keys() == rest.keys()
        assert all(torch.equal(whole[name], rest[name]) for name in whole)


def test_cliptune_opens_what_train_py_made(stopped, data, tmp_path, complaints):
    trained(stopped, data, "--out", tmp_path, "--steps", 2)
    (folder,) = tmp_path.glob("epoch-*")
    model, report = VideoMAEForVideoClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()) and complaints() == []
    pixels = random_pixels(model.config)
    with torch.no_grad():
        theirs = model.eval()(pixel_values=pixels).logits
    assert largest_difference(cliptune_logits(folder, pixels, tmp_path), theirs) < 1e-4
    cliptune("export", folder, tmp_path / "again.zip")


def test_two_processes_share_the_clips_and_end_with_the_same_weights(stopped, data, tmp_path):
    driver = Path(__file__).with_name("two_processes.py")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = ["-m", "torch.distributed.run", "--nproc_per_node=2", f"--master_port={port}", driver, tmp_path]
    arguments = ["--out", tmp_path / "out", "--steps", 4, "--no-resume"]
    steps, _ = trained(stopped, data, *arguments, launcher=launcher)
    assert len(steps) == 4 and all(np.isfinite(step["loss"]) for step in steps)
    training = [
        [path for path in json.loads((tmp_path / f"{rank}.json").read_text()) if "/train/" in path] for rank in (0, 1)
    ]
    assert len(training[0]) == len(training[1]) > 0
    first_epoch = [paths[: 24 // 2] for paths in training]
    assert not set(first_epoch[0]) & set(first_epoch[1])
    weights = [load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1)]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    started = load_file(stopped / "model.safetensors")
    saved = load_file(tmp_path / "out/epoch-0002/model.safetensors")
    assert any(not torch.equal(started[name], saved[name]) for name in started)
    VideoMAEForVideoClassification.from_pretrained(tmp_path / "out/epoch-0002")


def test_missing_videos_are_named_and_may_be_left_out(exported, data, tmp_path):
    shutil.copytree(data, tmp_path / "data")
    gone = sorted((tmp_path / "data/train/Grow").iterdir())[0]
    gone.unlink()
    code, _, errors = run_train(exported, tmp_path / "data", "--steps", 1)
    assert code == 1 and f"train/Grow/{gone.name}" in errors and "Traceback" not in errors
    trained(exported, tmp_path / "data", "--steps", 1, "--skip-missing", "--out", tmp_path / "out")
