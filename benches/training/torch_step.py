"""What a step of fine-tuning takes PyTorch on the CPU: the same model, batch and optimizer as step.rs, as a line of JSON.

usage: torch_step.py SIZE BATCH STEPS
"""

import json
import statistics
import sys
import time

import torch
from transformers import VideoMAEConfig, VideoMAEForVideoClassification

# src/model/config.rs: width, layers, heads, pixels a side, patch, frames.
SIZES = {
    "micro": (64, 2, 4, 32, 8, 8),
    "tiny": (192, 4, 3, 64, 16, 8),
    "small": (384, 12, 6, 224, 16, 16),
    "base": (768, 12, 12, 224, 16, 16),
}
CLASSES = 10


def timed(compute):
    start = time.perf_counter()
    compute()
    return (time.perf_counter() - start) * 1e3


def main(size, batch, steps):
    width, layers, heads, side, patch, frames = SIZES[size]
    config = VideoMAEConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        image_size=side,
        patch_size=patch,
        num_frames=frames,
        num_labels=CLASSES,
    )
    model = VideoMAEForVideoClassification(config)
    pixels = torch.randn(batch, frames, 3, side, side)
    labels = torch.arange(batch) % CLASSES

    def forward():
        with torch.no_grad():
            torch.nn.functional.cross_entropy(model(pixels).logits, labels).item()

    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05)

    def step():
        loss = torch.nn.functional.cross_entropy(model(pixels).logits, labels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()

    median = lambda compute: statistics.median([timed(compute) for _ in range(steps + 1)][1:])
    print(json.dumps({"forward_ms": median(forward), "step_ms": median(step), "version": torch.__version__}))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
