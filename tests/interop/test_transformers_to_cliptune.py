"""What transformers saved opens in Cliptune and gives the same logits."""

import generate
import pytest
import torch
from conftest import GOLDEN, cliptune_logits, largest_difference, random_pixels
from safetensors.torch import load_file
from transformers import VideoMAEForVideoClassification, VideoMAEImageProcessor

# Not the committed ones' seed.
SEED = 20261121


@pytest.fixture(scope="module")
def random_configs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("random-configs")
    generate.generate(folder, SEED, 12)
    return sorted(folder.iterdir())


def test_random_classifiers_give_the_same_logits(random_configs, tmp_path):
    differences = []
    for folder in random_configs:
        golden = load_file(folder / "golden.safetensors")
        ours = cliptune_logits(folder, golden["pixel_values"], tmp_path)
        differences.append(largest_difference(ours, golden["logits"]))
        assert differences[-1] < 1e-4, (folder / "config.json").read_text()
    print(f"{len(differences)} random classifiers: logits differ by {max(differences):.1e} at most")


@pytest.mark.parametrize("name", ["micro", "tiny", "odd", "rect"])
def test_golden_classifiers_give_the_same_logits(name, tmp_path):
    golden = load_file(GOLDEN / name / "forward.safetensors")
    ours = cliptune_logits(GOLDEN / name / "model", golden["pixel_values"], tmp_path)
    difference = largest_difference(ours, golden["logits"])
    print(f"{name}: logits differ by {difference:.1e}")
    assert difference < 1e-4


@torch.no_grad()
@pytest.mark.parametrize("form", ["float16", "sharded", "pytorch_bin"])
def test_every_form_of_weights_gives_the_same_logits(form, tmp_path):
    folder = GOLDEN / "micro/variants" / form
    model = VideoMAEForVideoClassification.from_pretrained(folder, dtype=torch.float32).eval()
    pixels = random_pixels(model.config)
    difference = largest_difference(cliptune_logits(folder, pixels, tmp_path), model(pixel_values=pixels).logits)
    print(f"{form}: logits differ by {difference:.1e}")
    assert difference < 1e-4


@torch.no_grad()
def test_what_transformers_saves_of_an_export_comes_back(exported, tmp_path):
    model = VideoMAEForVideoClassification.from_pretrained(exported).eval()
    model.save_pretrained(tmp_path / "saved")
    VideoMAEImageProcessor.from_pretrained(exported).save_pretrained(tmp_path / "saved")
    pixels = random_pixels(model.config)
    ours = [cliptune_logits(folder, pixels, tmp_path) for folder in (exported, tmp_path / "saved")]
    assert torch.equal(*ours)
