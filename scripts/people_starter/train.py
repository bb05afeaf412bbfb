#!/usr/bin/env python3
"""Trains the people starter: a small VideoMAE that tells drawn people's motions apart.

Comes in: nothing but seeds; clips are drawn while it trains (clips.py). Goes out: FOLDER/{config.json,
preprocessor_config.json, model.safetensors} as Hugging Face's VideoMAE has them, weights in 16-bit floats. Beside the motion's
name the model is asked, in training alone, which part of each patch shows a head, a torso, arms or legs, and where the
joints are: the drawing knows, and what finds people in one style finds them in others. What answers that is thrown away
at the end. Never reads a film.

usage: train.py FOLDER [--minutes 35 | --steps 7000]
"""

import argparse
import math
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import torch
from torch.nn import functional

from asking import Joints, Regions
from replay import Batches, checked
from starter_model import choose_tokens, look, new_model, normalised, save, stored_model


def optimizers(model, asking, options):
    """Muon for the layers' matrices, AdamW for all else; or AdamW alone."""
    matrices, rest = [], [parameter for module in asking for parameter in module.parameters()]
    for name, parameter in model.named_parameters():
        hidden = parameter.ndim == 2 and "encoder.layer" in name
        (matrices if hidden and options.muon else rest).append(parameter)
    adam = torch.optim.AdamW(
        [
            {"params": [parameter for parameter in rest if parameter.ndim > 1], "weight_decay": 0.05},
            {"params": [parameter for parameter in rest if parameter.ndim < 2], "weight_decay": 0.0},
        ],
        lr=options.rate,
        betas=(0.9, 0.98),
    )
    if not matrices:
        return [adam]
    muon = torch.optim.Muon(matrices, lr=options.rate * options.muon, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")
    return [muon, adam]


def rate_at(share, warm=0.04):
    """Up in a straight line, then down along half a cosine, for the share of the time that is over."""
    if share < warm:
        return share / warm
    return 0.5 + 0.5 * math.cos(math.pi * min(1.0, (share - warm) / (1 - warm)))


@torch.no_grad()
def accuracy(model, pixels, labels):
    model.eval()
    right, lost = 0, 0.0
    for first in range(0, len(labels), 64):
        logits = model(normalised(pixels[first : first + 64])).logits
        right += int((logits.argmax(1) == labels[first : first + 64]).sum())
        lost += float(functional.cross_entropy(logits, labels[first : first + 64], reduction="sum"))
    model.train()
    return right / len(labels), lost / len(labels)


def train(options):
    torch.manual_seed(options.seed)
    model = stored_model(options.start_from) if options.start_from else new_model(options)
    regions, joints = Regions(model.config), Joints(model.config)
    chosen = optimizers(model, [regions, joints], options)
    rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in chosen]
    print(f"{sum(parameter.numel() for parameter in model.parameters())} parameters", flush=True)
    test = checked(options.seed + 1_000_000, options.test)
    average = {name: value.clone() for name, value in model.state_dict().items()}
    smoothed = torch.zeros(4)
    started = told = time.time()
    seen = 0
    batches = Batches(options.seed, options.batch, options.workers, options.fresh, (options.plain, options.wild))
    for number, (pixels, labels, cells, places) in enumerate(batches):
        passed = number / options.steps if options.steps else (time.time() - started) / (60 * options.minutes)
        if passed >= 1:
            break
        for optimizer, base in zip(chosen, rates):
            for group, rate in zip(optimizer.param_groups, base):
                group["lr"] = rate * rate_at(passed)
        with torch.autocast("cpu", torch.bfloat16):
            kept = choose_tokens(cells, model.config, options.keep if passed < options.keep_until else 1.0)
            logits, between, last = look(model, normalised(pixels), kept, options.asked_layer)
            logits = logits.float()
            asked, sought = regions.loss(between, kept, cells.float() / 255), joints.loss(last, kept, places)
        named = functional.cross_entropy(logits, labels, label_smoothing=0.1)
        for optimizer in chosen:
            optimizer.zero_grad()
        (named + options.asked * asked + options.sought * sought).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in chosen:
            optimizer.step()
        seen += len(labels)
        right = float((logits.argmax(1) == labels).float().mean())
        losses = [float(loss.detach()) for loss in (named, asked, sought)]
        smoothed = 0.98 * smoothed + 0.02 * torch.tensor([*losses, right])
        keep = min(0.998, (number + 1) / (number + 20))
        with torch.no_grad():
            for name, value in model.state_dict().items():
                average[name].lerp_(value, 1 - keep)
        if time.time() - told > options.tell:
            told = time.time()
            corrected = smoothed / (1 - 0.98 ** (number + 1))
            print(
                f"{(told - started) / 60:5.1f} min  {seen} clips  loss {corrected[0]:.3f}  regions {corrected[1]:.4f}  "
                f"joints {corrected[2]:.4f}  right {corrected[3]:.3f}  "
                f"of {options.test} unseen {accuracy(model, *test)[0]:.3f}",
                flush=True,
            )
            save(model, options.folder)
    final = accuracy(model, *test)
    model_state = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(average)
    averaged = accuracy(model, *test)
    if averaged[1] > final[1]:
        model.load_state_dict(model_state)
    save(model, options.folder)
    minutes = (time.time() - started) / 60
    print(f"{seen} clips, {number} steps, {minutes:.1f} min; of {options.test} unseen clips {final[0]:.4f} right")
    print(f"(loss {final[1]:.3f}); with averaged weights {averaged[0]:.4f} (loss {averaged[1]:.3f}); the better is kept")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=35)
    parser.add_argument("--steps", type=int, default=0, help="instead of minutes: the same weights each time")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--fresh", type=float, default=0.4, help="share of a batch that is drawn for it")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--muon", type=float, default=5.0, help="rate of the matrices in rates of all else; 0 is AdamW alone")
    parser.add_argument("--spread", type=float, default=0.1, help="standard deviation of the first weights")
    parser.add_argument("--asked", type=float, default=2.0, help="what the regions' loss counts")
    parser.add_argument("--sought", type=float, default=3.0, help="what the joints' loss counts")
    parser.add_argument("--plain", type=int, default=16000, help="after so many new clips none is plain any more")
    parser.add_argument("--wild", type=float, default=1.0, help="the share that is not plain thereafter")
    parser.add_argument("--start-from", type=Path, help="a folder that an earlier run left, to go on from its weights")
    parser.add_argument("--keep", type=float, default=0.4, help="share of the tokens looked at, to go faster")
    parser.add_argument("--keep-until", type=float, default=0.6, help="the share of the time after which it is all")
    parser.add_argument("--asked-layer", type=int, default=2)
    parser.add_argument("--patch", type=int, default=8)
    parser.add_argument("--tubelet", type=int, default=4)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--test", type=int, default=512)
    parser.add_argument("--tell", type=float, default=60, help="seconds between two looks at unseen clips")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train(options)


if __name__ == "__main__":
    main()
