#!/usr/bin/env python3
"""Goes on with the fine-tuning of the model in this script's folder, on as many machines as you have.

The folder is an export of Cliptune or a checkpoint of this script: the model as transformers reads it, and run.json
with the videos, their labels and splits, and the settings. If training_state.safetensors is there, the same run goes on
with the same optimizer state; else a new run of as many epochs starts from the weights.

    pip install torch torchvision transformers accelerate av
    python train.py --data FOLDER
    torchrun --nproc_per_node=8 train.py --data FOLDER
    accelerate launch --mixed_precision bf16 train.py --data FOLDER

Each process takes `batch` clips at a time: more processes make larger batches and fewer steps, so you may want to
change --batch or --learning-rate. Each epoch leaves such a folder in --out again, train.py included.
"""

import argparse
import contextlib
import copy
import itertools
import json
import math
import random
import shutil
from pathlib import Path

import av
import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy, interpolate
from torchvision.transforms import functional
from transformers import VideoMAEForVideoClassification, VideoMAEImageProcessor

HERE = Path(__file__).resolve().parent
RUN, STATE = "run.json", "training_state.safetensors"
MOMENTS, SUMS = ("exp_avg", "exp_avg_sq"), ("loss", "right", "clips")
SPLITS = ("train", "validation", "test")
CHANGEABLE = {"epochs": int, "batch": int, "accumulation": int, "learning_rate": float}
# Settings of Cliptune's that this script does not follow, and what they are where nothing was chosen.
NOT_FOLLOWED = {
    "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8, "layer_decay": 1.0, "lr_scheduler_type": "linear",
    "warmup_steps": 0, "max_steps": 0, "label_smoothing_factor": 0.0, "class_weights": "uniform", "fc_drop_rate": 0.0,
    "drop_path": 0.0, "mixup": 0.0, "cutmix": 0.0, "metric_for_best_model": "accuracy", "early_stopping_patience": 0,
    "strategy": "no_freeze", "token_keep": 1.0, "eval_strategy": "epoch", "fp16": False,
}
# The short sides to which the Hugging Face guide scales training frames for pictures of 224.
GUIDE_SHORT_SIDES, GUIDE_SIDE = (256, 320), 224
# Above so many pixels on the short side, frames are shrunk before all else.
LARGE = 480


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that the paths in run.json start from")
    parser.add_argument("--out", type=Path, default=Path("tuned"), help="where checkpoints go (default: tuned)")
    parser.add_argument("--steps", type=int, help="stop after this many; 0 evaluates only")
    parser.add_argument("--no-resume", action="store_true", help=f"start a new run even if {STATE} is there")
    parser.add_argument("--skip-missing", action="store_true", help="leave out videos that are not in --data")
    parser.add_argument("--workers", type=int, default=4, help="decoders for each process (default: 4)")
    parser.add_argument("--mixed-precision", choices=["no", "fp16", "bf16"])
    for name, kind in CHANGEABLE.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help="instead of the run's own")
    return parser.parse_args()


def locate(folder, videos, skip_missing):
    """The manifest's videos as (path, label, part): from which second to which, where a list gave that."""
    found, missing = [], []
    for video in videos:
        # A browser's paths begin with the name of the chosen folder itself.
        candidates = folder / video["path"], folder / video["path"].partition("/")[2]
        path = next((path for path in candidates if path.is_file()), None)
        if path:
            part = video.get("part") or {"start": 0, "end": math.inf}
            found.append((path, video["label"], (part["start"], part["end"])))
        else:
            missing.append(video["path"])
    if missing and not skip_missing:
        raise SystemExit(
            f"{len(missing)} of {len(videos)} videos are not in {folder}, such as {', '.join(missing[:5])}. "
            "Choose the folder that holds them with --data, or leave them out with --skip-missing."
        )
    return found


def timeline(path):
    """When the first frame is shown, and how long from then to the last one's end: seconds of the file's own time."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        first = next((frame.time for frame in container.decode(stream) if frame.time is not None), None)
        if first is None:
            raise RuntimeError("no frame of it can be decoded")
        if stream.duration:
            end = float(((stream.start_time or 0) + stream.duration) * stream.time_base)
        elif container.duration:
            end = ((container.start_time or 0) + container.duration) / av.time_base
        else:
            # Browsers' own recordings do not say.
            ends = [packet.pts + (packet.duration or 0) for packet in container.demux(stream) if packet.pts is not None]
            end = float(max(ends, default=0) * stream.time_base)
        return first, end - first


def decode(path, start, end, seek):
    """Frames and their times: from a key frame before `start`, or from the first frame, to `end`."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if seek:
            container.seek(int(start / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            if frame.time is not None:
                yield frame, frame.time
                if frame.time >= end:
                    return


def read_frames(path, part, place, seconds, count):
    """`count` frames, evenly by number, of those shown in `seconds`; upright: [T, H, W, 3] u8.

    `place` is where the seconds begin: 0 at the part's first frame, 1 as late as they all fit.
    """
    first, length = timeline(path)
    length = max(min(length, part[1]) - part[0], 0)
    seconds = min(seconds, length) if math.isfinite(part[1]) else seconds
    first += part[0]
    start = first + place * max(length - seconds, 0)
    # Some files cannot be sought in.
    for seek in (start > first + 1, False):
        inside, nearest, earliest = [], None, math.inf
        for frame, time in decode(path, start, start + seconds, seek):
            earliest = min(earliest, time)
            if start <= time < start + seconds:
                inside.append(frame)
            if nearest is None or abs(time - start) < abs(nearest[1] - start):
                nearest = frame, time
        if earliest <= start:
            break
    inside = inside or [nearest[0]]
    chosen = [index * (len(inside) - 1) // max(count - 1, 1) for index in range(count)]
    pictures = {index: inside[index].to_ndarray(format="rgb24") for index in set(chosen)}
    return np.stack([np.rot90(pictures[index], inside[index].rotation // 90) for index in chosen])


def bound_axis(frame, crop):
    """Which of height (0) and width (1) leaves `crop` no room in a frame that is scaled to cover it."""
    return int(crop[0] * frame[1] < crop[1] * frame[0])


def scaled_size(frame, crop, side):
    """Height and width of `frame` once its bound side is `side`; never less than `crop`."""
    axis = bound_axis(frame, crop)
    other = max(side * frame[1 - axis] // frame[axis], crop[1 - axis])
    return (other, side) if axis else (side, other)


class Clips(torch.utils.data.Dataset):
    """A split's clips as (pixels [T, 3, H, W], label): centred ones, or for training random ones in random order."""

    def __init__(self, videos, settings, config, processor, training):
        self.videos, self.settings, self.processor, self.training = videos, settings, processor, training
        size = config.image_size
        self.crop = (size, size) if isinstance(size, int) else tuple(size)
        self.frames, self.epoch = config.num_frames, 0
        # Runs from before these were settings had the guide's.
        self.short_sides = settings.get("short_sides", GUIDE_SHORT_SIDES)
        self.jitter = settings.get("colour_jitter")
        self.unmirrored = {
            label for label, name in config.id2label.items() if name in settings.get("unmirrored", ())
        }

    def start_epoch(self, epoch):
        """The order comes from the seed and the epoch alone, so that every process has the same."""
        self.epoch = epoch
        self.videos.sort()
        random.Random(f"{self.settings['seed']} {epoch}").shuffle(self.videos)

    def __len__(self):
        return len(self.videos)

    def __getitem__(self, index):
        path, label, part = self.videos[index]
        draw = random.Random(f"{self.settings['seed']} {self.epoch} {index}")
        place = draw.random() if self.training else 0.5
        try:
            frames = read_frames(path, part, place, self.settings["clip_seconds"], self.frames)
        except (av.error.FFmpegError, IndexError, RuntimeError) as error:
            raise RuntimeError(f"{path} cannot be used: {error}. Take it out of {RUN}.") from error
        return self.training_pixels(frames, label, draw) if self.training else self.evaluation_pixels(frames), label

    def evaluation_pixels(self, frames):
        """transformers' own: resize, centre crop, normalise."""
        frame = frames.shape[1:3]
        height, width = scaled_size(frame, self.crop, self.crop[bound_axis(frame, self.crop)])
        size = {"height": height, "width": width}
        return self.processor(list(frames), size=size, return_tensors="pt")["pixel_values"][0]

    def training_pixels(self, frames, label, draw):
        """The guide's RandomShortSideScale, RandomCrop and RandomHorizontalFlip, then torchvision's ColorJitter."""
        frames = self.shrunk(frames)
        frame = frames.shape[1:3]
        bound = self.crop[bound_axis(frame, self.crop)]
        side = draw.randint(*(round(side * bound / GUIDE_SIDE) for side in self.short_sides))
        resized = scaled_size(frame, self.crop, side)
        top, left = (draw.randint(0, length - crop) for length, crop in zip(resized, self.crop))
        flip = draw.random() < 0.5 and self.settings["horizontal_flip"] and label not in self.unmirrored
        colours = []
        if self.jitter:
            draws = len(frames) if self.jitter["per_frame"] else 1
            colours = [draw_colours(self.jitter, draw) for _ in range(draws)]
        return self.scale_and_crop(frames, resized, top, left, flip, colours)

    def shrunk(self, frames):
        """The frames of large videos as the run kept them."""
        frame = frames.shape[1:3]
        bound = self.crop[bound_axis(frame, self.crop)]
        size = scaled_size(frame, self.crop, round(self.short_sides[1] * bound / GUIDE_SIDE))
        is_smaller = all(kept < length for kept, length in zip(size, frame))
        if not self.settings.get("shrink_large") or min(frame) <= LARGE or not is_smaller:
            return frames
        pixels = torch.from_numpy(frames).permute(0, 3, 1, 2)
        return interpolate(pixels, size=size, mode="bilinear", antialias=True).permute(0, 2, 3, 1).numpy()

    def scale_and_crop(self, frames, resized, top, left, flip, colours=()):
        """`colours` holds the changes of all frames, or those of each."""
        mean, std = (torch.tensor(each).view(3, 1, 1) for each in (self.processor.image_mean, self.processor.image_std))
        pixels = interpolate(
            torch.from_numpy(frames).permute(0, 3, 1, 2) / 255, size=resized, mode="bilinear", align_corners=False
        )
        pixels = pixels[:, :, top : top + self.crop[0], left : left + self.crop[1]]
        pixels = pixels.flip(-1) if flip else pixels
        if len(colours) == 1:
            pixels = change_colours(pixels, colours[0])
        elif colours:
            pixels = torch.stack([change_colours(*each) for each in zip(pixels, colours, strict=True)])
        return (pixels - mean) / std


def draw_colours(jitter, draw):
    """torchvision's ColorJitter: what to adjust, by how much, in a random order."""
    ranges = {name: (max(1 - jitter[name], 0), 1 + jitter[name]) for name in ("brightness", "contrast", "saturation")}
    ranges["hue"] = -jitter["hue"], jitter["hue"]
    changes = [(name, draw.uniform(*ranges[name])) for name in ranges if jitter[name] > 0]
    draw.shuffle(changes)
    return changes


def change_colours(pixels, changes):
    for name, factor in changes:
        pixels = getattr(functional, f"adjust_{name}")(pixels, factor)
    return pixels


def learning_rate(settings, done, total):
    """After `done` of `total` steps: linear warm-up from 0, then linear decay to 0."""
    warmup = math.ceil(settings["warmup_ratio"] * total)
    factor = done / warmup if done < warmup else max(total - done, 0) / max(total - warmup, 1)
    return settings["learning_rate"] * factor


def not_followed(settings):
    """The names of the run's settings that this script does not follow."""
    groups = (settings.get(group, {}) for group in ("optimization", "regularisation", "selection", "checkpointing"))
    chosen = settings | {name: value for group in groups for name, value in group.items()}
    return [name for name, usual in NOT_FOLLOWED.items() if chosen.get(name, usual) != usual]


def make_optimizer(model, settings):
    """The Trainer's AdamW: biases and norms do not decay."""
    matrices, vectors = ([each for each in model.parameters() if (each.dim() > 1) == many] for many in (True, False))
    groups = [{"params": matrices, "weight_decay": settings["weight_decay"]}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings["learning_rate"])


def stored_name(name):
    """A parameter's name in files; transformers 5 has others in memory."""
    return name.replace("attention.query.bias", "attention.q_bias").replace("attention.value.bias", "attention.v_bias")


def load_moments(path, model, optimizer, step):
    with safe_open(path, "pt") as file:
        for name, parameter in model.named_parameters():
            moments = {moment: file.get_tensor(f"{moment}.{stored_name(name)}") for moment in MOMENTS}
            optimizer.state[parameter] = {"step": torch.tensor(float(step)), **moments}


def save(accelerator, folder, model, optimizer, processor, run, finished):
    """A folder like this script's own, from the first process."""
    if not accelerator.is_main_process:
        return
    model = accelerator.unwrap_model(model)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    if not finished:
        moments = {
            f"{moment}.{stored_name(name)}": optimizer.state[parameter][moment]
            for (name, parameter), moment in itertools.product(model.named_parameters(), MOMENTS)
        }
        progress = {name: str(run["progress"][name]) for name in ("step", "epoch")}
        save_file(moments, folder / STATE, {"format": "pt", **progress})
    (folder / RUN).write_text(json.dumps(run, ensure_ascii=False), encoding="utf-8")
    shutil.copy(__file__, folder / "train.py")


def train_step(accelerator, model, optimizer, batches, max_grad_norm):
    """One optimizer step. Goes out: SUMS over the clips of all processes, and the gradient's norm before clipping."""
    clips = sum(len(labels) for _, labels in batches)
    sums = torch.zeros(3, device=accelerator.device)
    optimizer.zero_grad()
    for index, (pixels, labels) in enumerate(batches):
        # Processes exchange gradients once a step.
        with contextlib.nullcontext() if index == len(batches) - 1 else accelerator.no_sync(model):
            logits = model(pixel_values=pixels).logits.float()
            loss = cross_entropy(logits, labels)
            accelerator.backward(loss * len(labels) / clips)
        sums[0] += loss.detach() * len(labels)
        sums[1] += (logits.argmax(1) == labels).sum()
        sums[2] += len(labels)
    norm = accelerator.clip_grad_norm_(model.parameters(), max_grad_norm or math.inf)
    optimizer.step()
    loss, right, clips = accelerator.reduce(sums).tolist()
    return {"loss": loss, "right": right, "clips": int(clips)}, float(norm)


@torch.no_grad()
def evaluate(accelerator, model, loader, split):
    """Loss, accuracy and confusion[label][prediction], one centred clip a video; None where the split is empty."""
    if len(loader.dataset) == 0:
        return None
    model.eval()
    outputs = ((model(pixel_values=pixels).logits, labels) for pixels, labels in loader)
    gathered = [accelerator.gather_for_metrics(output) for output in outputs]
    model.train()
    logits, labels = (torch.cat(parts) for parts in zip(*gathered))
    predictions, classes = logits.argmax(1), logits.shape[1]
    evaluation = {
        "split": split,
        "loss": cross_entropy(logits.float(), labels).item(),
        "accuracy": (predictions == labels).float().mean().item(),
        "videos": len(labels),
    }
    accelerator.print(json.dumps(evaluation))
    confusion = torch.bincount(labels * classes + predictions, minlength=classes**2).view(classes, classes)
    return {"evaluation": evaluation, "confusion": confusion.tolist()}


def train_epoch(accelerator, run, model, optimizer, loader, epoch, steps):
    """Trains for `steps` of an epoch's steps, a range that counts from 0, and logs them in `run`."""
    settings, progress = run["settings"], run["progress"]
    total = run["steps_per_epoch"] * settings["epochs"]
    loader.dataset.start_epoch(epoch)
    batches = itertools.islice(loader, steps.start * settings["accumulation"], None)
    for index in steps:
        done = (epoch - 1) * run["steps_per_epoch"] + index
        rate = learning_rate(settings, done, total)
        for group in optimizer.param_groups:
            group["lr"] = rate
        together = list(itertools.islice(batches, settings["accumulation"]))
        sums, norm = train_step(accelerator, model, optimizer, together, settings["max_grad_norm"])
        loss, accuracy = sums["loss"] / sums["clips"], sums["right"] / sums["clips"]
        if not math.isfinite(loss):
            raise SystemExit(f"The loss is not a number at step {done + 1}. Choose a smaller --learning-rate.")
        progress["step"] += 1
        progress["drawn"] += sums["clips"]
        progress["sums"] = {name: progress["sums"][name] + value for name, value in sums.items()}
        log = {"epoch": epoch, "loss": loss, "accuracy": accuracy, "learning_rate": rate, "gradient_norm": norm}
        run["steps"].append(log)
        accelerator.print(json.dumps({"step": done + 1, "of": total, **log}))


def train(accelerator, arguments, run, model, optimizer, processor, loaders):
    """Trains, evaluates and saves epoch by epoch; at the end the best epoch's weights are tested."""
    settings, progress, best, left = run["settings"], run["progress"], None, arguments.steps or math.inf
    steps_per_epoch = run["steps_per_epoch"] = math.ceil(len(loaders["train"]) / settings["accumulation"])
    # The first epoch may be half done, and by another number of processes.
    first = round(progress["drawn"] / len(loaders["train"].dataset) * steps_per_epoch)
    for epoch in range(progress["epoch"] + (progress["drawn"] == 0), settings["epochs"] + 1):
        if progress["epoch"] != epoch:
            progress.update(epoch=epoch, drawn=0, sums=dict.fromkeys(SUMS, 0))
        steps = range(first, min(first + left, steps_per_epoch))
        train_epoch(accelerator, run, model, optimizer, loaders["train"], epoch, steps)
        first, left = 0, left - len(steps)
        if steps.stop == steps_per_epoch:
            progress["drawn"] = 0
        run["validation"] = evaluate(accelerator, model, loaders["validation"], "validation")
        evaluation = run["validation"] and run["validation"]["evaluation"]
        loss, accuracy = (progress["sums"][name] / progress["sums"]["clips"] for name in ("loss", "right"))
        report = {"epoch": epoch, "train_loss": loss, "train_accuracy": accuracy, "validation": evaluation}
        run["epochs"] = [*(earlier for earlier in run["epochs"] if earlier["epoch"] < epoch), report]
        folder = arguments.out / f"epoch-{epoch:04}"
        finished = epoch == settings["epochs"] and progress["drawn"] == 0
        save(accelerator, folder, model, optimizer, processor, run, finished)
        score = (evaluation["accuracy"], -evaluation["loss"]) if evaluation else (epoch, 0)
        if best is None or score > best[0]:
            best = score, folder, copy.deepcopy(accelerator.unwrap_model(model).state_dict())
        if left == 0:
            break
    if best is None:
        raise SystemExit("The run has no epoch left. Choose more --epochs, or --no-resume for a new run.")
    _, folder, weights = best
    accelerator.unwrap_model(model).load_state_dict(weights)
    evaluate(accelerator, model, loaders["test"], "test")
    accelerator.print(f"The best checkpoint is {folder}.")


def main():
    arguments = parse_arguments()
    run = json.loads((HERE / RUN).read_text(encoding="utf-8"))
    settings = run["settings"]
    settings.update({name: value for name in CHANGEABLE if (value := getattr(arguments, name)) is not None})
    # Without being told, accelerate does not join processes on CPUs.
    accelerator = Accelerator(mixed_precision=arguments.mixed_precision, cpu=not torch.accelerator.is_available())
    set_seed(settings["seed"])
    model = VideoMAEForVideoClassification.from_pretrained(HERE).float().train()
    processor = VideoMAEImageProcessor.from_pretrained(HERE)
    optimizer = make_optimizer(model, settings)

    if others := not_followed(settings):
        accelerator.print(f"This script does not follow the run's {', '.join(others)}: what they change is left out.")
    if (HERE / STATE).is_file() and not arguments.no_resume:
        if others:
            raise SystemExit("So it cannot go on with this run: go on in Cliptune, or start a new run with --no-resume.")
        load_moments(HERE / STATE, model, optimizer, run["progress"]["step"])
    else:
        run.update(steps=[], epochs=[], evaluations=[], validation=None, test=None)
        run["origin"] |= {"source": settings["name"]}
        run["progress"] = {"step": 0, "epoch": 0, "drawn": 0}

    loaders = {}
    for split in SPLITS:
        videos = [video for video in run["data"]["videos"] if video["split"] == split]
        videos = locate(arguments.data, videos, arguments.skip_missing)
        clips = Clips(videos, settings, model.config, processor, split == "train")
        loaders[split] = torch.utils.data.DataLoader(clips, settings["batch"], num_workers=arguments.workers)
    model, optimizer, *prepared = accelerator.prepare(model, optimizer, *loaders.values())
    loaders = dict(zip(SPLITS, prepared))
    if arguments.steps == 0:
        for split in SPLITS[1:]:
            evaluate(accelerator, model, loaders[split], split)
    else:
        train(accelerator, arguments, run, model, optimizer, processor, loaders)
    # gloo's threads may still hold tensors of the last exchange, and would be waited for while they wait for us.
    accelerator.wait_for_everyone()
    accelerator.end_training()


if __name__ == "__main__":
    main()
