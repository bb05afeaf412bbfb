"""What the tests share: the native twin, a model that it tuned and exported, and transformers' complaints."""

import json
import logging
import os
import shutil
import subprocess
import sys
import time
import warnings
import zipfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import VideoMAEForVideoClassification

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/fixtures/golden"
EXPORTED = ROOT / "tests/fixtures/exported"
SAMPLE = ROOT / "public/sample"
CLASSES = ["Grow", "SlideLeft", "SpinRight"]
sys.path += [str(ROOT / "src/export"), str(ROOT / "tests/fixtures/random_configs")]
torch.set_num_threads(1)
transformers.utils.logging.disable_progress_bar()


def cliptune(*arguments):
    """Runs the native twin. Goes out: what it printed."""
    run = subprocess.run([os.environ["CLIPTUNE"], *map(str, arguments)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


def cliptune_logits(model, pixels, folder):
    """Cliptune's logits of [B, T, C, H, W]."""
    save_file({"pixel_values": pixels.contiguous()}, folder / "pixels.safetensors")
    cliptune("logits", model, folder / "pixels.safetensors", folder / "logits.safetensors")
    return load_file(folder / "logits.safetensors")["logits"]


def largest_difference(one, other):
    assert one.shape == other.shape
    return (one.double() - other.double()).abs().max().item()


def opened(folder, **options):
    """The model in a folder, and transformers' report of its weights."""
    model, report = VideoMAEForVideoClassification.from_pretrained(folder, output_loading_info=True, **options)
    return model.eval(), report


def unzipped(archive, folder):
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return folder


def random_pixels(config, clips=2, seed=7):
    sides = [config.image_size] * 2 if isinstance(config.image_size, int) else config.image_size
    shape = (clips, config.num_frames, config.num_channels, *sides)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def lay_out_data(folder):
    """Three classes of the sample: 8 clips of each to train on, 3 to validate, 2 to test."""
    for split, count in [("train", 8), ("val", 3), ("test", 2)]:
        for name in CLASSES:
            (folder / split / name).mkdir(parents=True)
            for clip in sorted((SAMPLE / split / name).iterdir())[:count]:
                shutil.copy(clip, folder / split / name)
    return folder


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return lay_out_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def tuned(data, tmp_path_factory):
    """The best checkpoint of a run of two epochs, from the starter model."""
    store = tmp_path_factory.mktemp("store")
    best = json.loads(cliptune("tune", data, "--out", store, "--starter", "shapes", "--epochs", 2, "--batch", 4, "--name", "Drei Bewegungen"))
    return store / best["id"]


@pytest.fixture(scope="session")
def stopped(data, tmp_path_factory):
    """The export of a run of six epochs that was killed after its first."""
    store = tmp_path_factory.mktemp("stopped")
    command = [os.environ["CLIPTUNE"], "tune", data, "--out", store, "--size", "micro", "--epochs", 6, "--batch", 4]
    with subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        while run.poll() is None and not any(store.glob("run-*-epoch-0001/run.json")):
            time.sleep(0.01)
        run.kill()
    checkpoint = max(store.glob("run-*/training_state.safetensors")).parent
    cliptune("export", checkpoint, store / "model.zip")
    return unzipped(store / "model.zip", store / "model")


@pytest.fixture(scope="session")
def exported(tuned, tmp_path_factory):
    """Its export, unpacked."""
    folder = tmp_path_factory.mktemp("exported")
    cliptune("export", tuned, folder / "model.zip")
    return unzipped(folder / "model.zip", folder / "model")


@pytest.fixture(scope="session")
def exported_half(tuned, tmp_path_factory):
    """The same with weights of 16 bits."""
    folder = tmp_path_factory.mktemp("exported-half")
    cliptune("export", tuned, folder / "model.zip", "--half")
    return unzipped(folder / "model.zip", folder / "model")


@pytest.fixture
def complaints(caplog):
    """What transformers logged or warned of, as a function."""
    transformers.utils.logging.enable_propagation()
    transformers.utils.logging.set_verbosity_warning()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield lambda: [
            *(record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING),
            *(str(warning.message) for warning in warned if "transformers" in warning.filename),
        ]
