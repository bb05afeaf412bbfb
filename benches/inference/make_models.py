"""Makes the models that the inference bench compares: random weights from transformers, as safetensors and as ONNX.

usage: make_models.py FOLDER [SIZE...]
Writes FOLDER/<size>/{config.json, model.safetensors, model.onnx}; leaves alone what is there. The ONNX graph is torch's
own export of VideoMAEForVideoClassification, for any batch, with constants folded, in f32.
"""

import sys
from pathlib import Path

import torch
from transformers import VideoMAEConfig, VideoMAEForVideoClassification

# src/model/config.rs: width, layers, heads, pixels a side, patch, frames.
SIZES = {
    "micro": (64, 2, 4, 32, 8, 8),
    "tiny": (192, 4, 3, 64, 16, 8),
    "small": (384, 12, 6, 224, 16, 16),
    "base": (768, 12, 12, 224, 16, 16),
}
LABELS = 10


class Logits(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        return self.model(pixel_values).logits


def make(folder: Path, size: str) -> None:
    width, layers, heads, side, patch, frames = SIZES[size]
    config = VideoMAEConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        image_size=side,
        patch_size=patch,
        num_frames=frames,
        num_labels=LABELS,
        attn_implementation="eager",
    )
    torch.manual_seed(0)
    model = VideoMAEForVideoClassification(config).eval()
    model.save_pretrained(folder)
    clip = torch.randn(2, frames, 3, side, side)
    torch.onnx.export(
        Logits(model),
        (clip,),
        folder / "model.onnx",
        input_names=["pixel_values"],
        output_names=["logits"],
        dynamic_axes={"pixel_values": {0: "clips"}, "logits": {0: "clips"}},
        opset_version=17,
        dynamo=False,
    )


def main() -> None:
    root, *sizes = sys.argv[1:]
    for size in sizes or SIZES:
        folder = Path(root) / size
        if not (folder / "model.onnx").exists():
            folder.mkdir(parents=True, exist_ok=True)
            make(folder, size)
            print(f"{size}: made", file=sys.stderr)


if __name__ == "__main__":
    main()
