"""What Cliptune tuned and exported opens in transformers as it is, and gives the same numbers."""

import json

import pytest
import torch
import transformers
from conftest import CLASSES, EXPORTED, cliptune, cliptune_logits, largest_difference, opened, random_pixels, unzipped
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from transformers import VideoMAEImageProcessor


@torch.no_grad()
@pytest.mark.parametrize("form", ["exported", "exported_half"])
def test_an_export_opens_without_a_warning_and_gives_the_same_logits(form, request, complaints, tmp_path, capsys):
    folder = request.getfixturevalue(form)
    model, report = opened(folder, dtype=torch.float32)
    assert not any(report.values()), report
    assert complaints() == [] and capsys.readouterr() == ("", "")
    assert [model.config.id2label[index] for index in range(3)] == CLASSES
    pixels = random_pixels(model.config)
    difference = largest_difference(model(pixel_values=pixels).logits, cliptune_logits(folder, pixels, tmp_path))
    print(f"{form}: logits differ by {difference:.1e}")
    assert difference < 1e-4


@torch.no_grad()
def test_the_committed_export_still_opens_and_gives_the_committed_logits(complaints, tmp_path):
    """`make test` holds Cliptune against the same files (tests/opened_by_transformers.rs)."""
    model, report = opened(unzipped(EXPORTED / "model.zip", tmp_path))
    assert not any(report.values()) and complaints() == []
    golden = load_file(EXPORTED / "logits.safetensors")
    difference = largest_difference(model(pixel_values=golden["pixel_values"]).logits, golden["logits"])
    print(f"the committed export: logits differ by {difference:.1e}")
    assert difference < 1e-5


@torch.no_grad()
def test_16_bit_weights_change_the_logits_little(exported, exported_half):
    (model, _), (half, _) = opened(exported), opened(exported_half, dtype=torch.float32)
    assert (exported_half / "model.safetensors").stat().st_size < 0.52 * (exported / "model.safetensors").stat().st_size
    pixels = random_pixels(model.config)
    logits = model(pixel_values=pixels).logits
    difference = largest_difference(half(pixel_values=pixels).logits, logits)
    print(f"f16 weights change the logits by {difference:.1e} of {logits.abs().max():.2f}")
    assert 0 < difference < 5e-3


def test_the_processor_makes_the_pixels_that_the_model_takes(exported, complaints):
    processor = VideoMAEImageProcessor.from_pretrained(exported)
    model, _ = opened(exported)
    frames = torch.randint(0, 256, (model.config.num_frames, 3, 40, 50), dtype=torch.uint8)
    pixels = processor(list(frames.numpy()), return_tensors="pt")["pixel_values"]
    assert pixels.shape[1:] == (model.config.num_frames, 3, model.config.image_size, model.config.image_size)
    assert complaints() == []


def test_the_pipeline_says_of_most_clips_what_cliptune_says(data, exported, complaints):
    clips = sorted(data.glob("*/*/*.webm"))
    classify = transformers.pipeline("video-classification", model=str(exported))
    assert not [line for line in complaints() if "weight" in line.lower()]
    ours = json.loads(cliptune("classify", exported, *clips))
    # Every third of the sample's frames: the pipeline of transformers 4 takes the first ones, Cliptune spreads them.
    theirs = classify([str(clip) for clip in clips], frame_sampling_rate=3)
    pairs = [(our["predictions"][0]["label"], their[0]["label"]) for our, their in zip(ours, theirs, strict=True)]
    agreeing = sum(our == their for our, their in pairs)
    print(f"the pipeline agrees on {agreeing} of {len(pairs)} clips; {len({our for our, _ in pairs})} labels")
    assert all({each["label"] for each in their} == set(CLASSES) for their in theirs)
    assert agreeing >= 0.6 * len(pairs)


def test_the_trainers_log_and_the_model_card_are_read(exported):
    state = transformers.TrainerState.load_from_json(exported / "trainer_state.json")
    run = json.loads((exported / "run.json").read_text())
    losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
    assert losses == pytest.approx([step["loss"] for step in run["steps"]])
    assert state.global_step == len(losses)
    card = ModelCard.load(exported / "README.md")
    assert card.data.library_name == "transformers"
    assert card.data.pipeline_tag == "video-classification"
    result = card.data.eval_results[0]
    assert result.metric_type == "accuracy" and 0 <= result.metric_value <= 1
    assert "Drei Bewegungen" in card.text
    assert (exported / "labels.txt").read_text().split() == CLASSES
