"""The people starter as transformers' VideoMAE: its shape, what it looks at in training, and how it is written to files.

Comes in: sizes, pixels. Goes out: a configuration, logits, a folder in Hugging Face's layout. Never trains.
"""

import json
from pathlib import Path

import torch
from torch.nn import functional
from transformers import VideoMAEConfig, VideoMAEForVideoClassification

import clips
import filters
import motions

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def configuration(options):
    return VideoMAEConfig(
        image_size=clips.SIDE,
        num_frames=clips.FRAMES,
        patch_size=options.patch,
        tubelet_size=options.tubelet,
        hidden_size=options.width,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        intermediate_size=4 * options.width,
        initializer_range=options.spread,
        use_mean_pooling=True,
        id2label=dict(enumerate(motions.NAMES)),
        label2id={name: number for number, name in enumerate(motions.NAMES)},
    )


def new_model(options):
    """Random weights, but for the patches' embedding."""
    model = VideoMAEForVideoClassification(configuration(options))
    with torch.no_grad():
        model.videomae.embeddings.patch_embeddings.projection.weight.copy_(filters.embedding(model.config))
    return model


def stored_model(folder):
    return VideoMAEForVideoClassification.from_pretrained(folder, dtype=torch.float32).train()


def normalised(pixels):
    """u8 [clips, 3, frames, side, side] -> what the model takes, [clips, frames, 3, side, side]."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1, 1) for values in (MEAN, STD))
    return ((pixels.float() / 255 - mean) / std).transpose(1, 2)


def choose_tokens(cells, config, share):
    """The numbers [clips, kept] of a share of the tokens, at random, those that show the person sooner."""
    count, tubelet, side = len(cells), config.tubelet_size, config.patch_size // clips.CELL
    shown = functional.max_pool3d(cells.float().amax(1, keepdim=True), (tubelet, side, side)).view(count, -1) > 0
    kept = round(shown.shape[1] * share)
    if kept == shown.shape[1]:
        return torch.arange(kept).expand(count, -1)
    return (torch.rand(shown.shape) + 0.4 * shown).topk(kept).indices.sort().values


def look(model, pixels, kept, asked_layer):
    """Logits from the kept tokens alone, the tokens of the layer that is asked, and the last layer's."""
    tokens = model.videomae.embeddings(pixels, None)
    tokens = tokens.gather(1, kept[..., None].expand(-1, -1, tokens.shape[-1]))
    for number, layer in enumerate(model.videomae.encoder.layer):
        tokens = layer(tokens)
        tokens = tokens[0] if isinstance(tokens, tuple) else tokens
        if number == asked_layer:
            between = tokens
    return model.classifier(model.fc_norm(tokens.mean(1))), between, tokens


def save(model, folder):
    """As transformers writes it, in 16-bit floats, with what a clip must look like."""
    state = {name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}
    half = VideoMAEForVideoClassification(model.config).half()
    half.load_state_dict(state)
    # The next head's first weights, not these layers'.
    half.config.initializer_range = 0.02
    half.save_pretrained(folder)
    side = clips.SIDE
    told = {
        "crop_size": {"height": side, "width": side},
        "do_center_crop": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": MEAN,
        "image_processor_type": "VideoMAEImageProcessor",
        "image_std": STD,
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": {"shortest_edge": side},
    }
    Path(folder, "preprocessor_config.json").write_text(json.dumps(told, indent=2))
