#!/usr/bin/env python3
"""Makes tests/fixtures/exported: an export of a model that Cliptune tuned, and transformers' logits of it.

usage: scripts/test_interop.sh --make-exported    (after a change of what is exported, and with a reason)
"""

import tempfile
from pathlib import Path

import torch
import transformers
from conftest import EXPORTED, cliptune, lay_out_data, opened, random_pixels, unzipped
from safetensors.torch import save_file

with tempfile.TemporaryDirectory() as folder, torch.no_grad():
    folder = Path(folder)
    data, store = lay_out_data(folder / "data"), folder / "store"
    cliptune("tune", data, "--out", store, "--size", "micro", "--epochs", 2, "--batch", 4, "--name", "Three motions")
    cliptune("export", max(store.glob("run-*")), EXPORTED / "model.zip")
    model, report = opened(unzipped(EXPORTED / "model.zip", folder / "model"))
    assert not any(report.values()), report
    pixels = random_pixels(model.config, clips=1)
    tensors = {"pixel_values": pixels, "logits": model(pixel_values=pixels).logits}
    made_with = f"transformers {transformers.__version__}, torch {torch.__version__}"
    save_file(tensors, EXPORTED / "logits.safetensors", {"made_with": made_with})
    (EXPORTED / "logits.safetensors").chmod(0o644)
