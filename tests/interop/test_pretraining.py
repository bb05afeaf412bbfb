"""What Cliptune pre-trained opens in transformers as it is, goes on there, and starts a classifier there."""

import json

import pytest
import torch
from conftest import CLASSES, SAMPLE, cliptune, random_pixels, unzipped
from safetensors.torch import load_file
from transformers import VideoMAEForPreTraining, VideoMAEForVideoClassification


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """The export of two epochs on clips without labels."""
    place = tmp_path_factory.mktemp("pretrained")
    (place / "clips").mkdir()
    for number, clip in enumerate(sorted((SAMPLE / "train").glob("*/*"))[:8]):
        (place / f"clips/{number}{clip.suffix}").write_bytes(clip.read_bytes())
    saved = json.loads(cliptune("pretrain", place / "clips", "--out", place / "store", "--epochs", 2, "--batch", 4))
    cliptune("export", place / "store" / saved["id"], place / "model.zip")
    return unzipped(place / "model.zip", place / "model")


def test_it_opens_without_a_warning_and_its_loss_falls_on(pretrained, complaints, capsys):
    model, report = VideoMAEForPreTraining.from_pretrained(pretrained, output_loading_info=True)
    assert not any(report.values()), report
    assert complaints() == [] and capsys.readouterr() == ("", "")
    # transformers 5 calls the biases query.bias and value.bias.
    named = model.named_parameters()
    values = {name.replace("query.bias", "q_bias").replace("value.bias", "v_bias"): value for name, value in named}
    saved = load_file(pretrained / "model.safetensors")
    assert all(torch.equal(value, values[name]) for name, value in saved.items())
    config = model.config
    patches = (config.image_size // config.patch_size) ** 2
    tube = torch.zeros(1, patches, dtype=torch.bool)
    tube[:, : int(0.9 * patches)] = True
    masked = tube.repeat(2, config.num_frames // config.tubelet_size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(5):
        loss = model(random_pixels(config), bool_masked_pos=masked).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] < 2, losses


def test_a_classifier_lacks_the_head_alone(pretrained):
    labels = {"id2label": dict(enumerate(CLASSES)), "label2id": {name: index for index, name in enumerate(CLASSES)}}
    model, report = VideoMAEForVideoClassification.from_pretrained(pretrained, output_loading_info=True, **labels)
    assert sorted(report["missing_keys"]) == ["classifier.bias", "classifier.weight"]
    assert all(name.startswith(("decoder.", "encoder_to_decoder.", "mask_token")) for name in report["unexpected_keys"])
    assert model.eval()(random_pixels(model.config)).logits.shape == (2, len(CLASSES))
