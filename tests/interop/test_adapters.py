"""Low-rank adapters that Cliptune trained open in PEFT by themselves, on the weights that the run began with."""

import json

import pytest
import torch
import transformers
from conftest import CLASSES, ROOT, cliptune, cliptune_logits, largest_difference, opened, random_pixels, unzipped
from peft import PeftModel
from safetensors.torch import load_file
from transformers import VideoMAEForVideoClassification


@pytest.fixture(scope="module")
def adapted(data, tmp_path_factory):
    """The export of a run with adapters from the starter model."""
    store = tmp_path_factory.mktemp("adapted")
    lora = ["--lora-rank", 4, "--lora-alpha", 6, "--lora-targets", "query,value,dense"]
    best = json.loads(cliptune("tune", data, "--out", store, "--starter", "shapes", "--epochs", 2, "--batch", 4, *lora))
    cliptune("export", store / best["id"], store / "model.zip")
    return unzipped(store / "model.zip", store / "model")


def starter():
    # Its file has 16-bit floats, and Cliptune computes with 32.
    return VideoMAEForVideoClassification.from_pretrained(
        ROOT / "starter", num_labels=len(CLASSES), ignore_mismatched_sizes=True, dtype=torch.float32
    )


@torch.no_grad()
def test_adapters_on_the_starter_model_give_cliptunes_logits(adapted, tmp_path):
    model = PeftModel.from_pretrained(starter(), adapted / "adapter").eval()
    pixels = random_pixels(model.config)
    ours = cliptune_logits(adapted, pixels, tmp_path)
    with model.disable_adapter():
        assert largest_difference(model(pixel_values=pixels).logits, ours) > 1e-2, "the adapters do something"
    # The attention of transformers 4 reads its weights past the adapters.
    if transformers.__version__ >= "5":
        difference = largest_difference(model(pixel_values=pixels).logits, ours)
        print(f"adapters beside the weights: logits differ by {difference:.1e}")
        assert difference < 1e-4
    difference = largest_difference(model.merge_and_unload()(pixel_values=pixels).logits, ours)
    print(f"adapters worked in: logits differ by {difference:.1e}")
    assert difference < 1e-4


@torch.no_grad()
def test_the_export_itself_opens_as_any_other(adapted, complaints, tmp_path):
    model, report = opened(adapted)
    assert not any(report.values()) and complaints() == []
    pixels = random_pixels(model.config)
    assert largest_difference(model(pixel_values=pixels).logits, cliptune_logits(adapted, pixels, tmp_path)) < 1e-4


def test_peft_saves_what_it_opened_under_the_same_names(adapted, tmp_path):
    PeftModel.from_pretrained(starter(), adapted / "adapter").save_pretrained(tmp_path)
    ours, theirs = (load_file(folder / "adapter_model.safetensors") for folder in (adapted / "adapter", tmp_path))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    ours, theirs = (json.loads((folder / "adapter_config.json").read_text()) for folder in (adapted / "adapter", tmp_path))
    for name in ours.keys() - {"base_model_name_or_path"}:
        same = sorted(theirs[name]) == sorted(ours[name]) if isinstance(ours[name], list) else theirs[name] == ours[name]
        assert same, f"{name}: {ours[name]} and {theirs[name]}"
