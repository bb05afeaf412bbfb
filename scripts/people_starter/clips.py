#!/usr/bin/env python3
"""Clips of drawn people, each new, each the same whenever it is drawn again.

Comes in: a seed and a clip's number. Goes out: the clip's pixels [3, frames, side, side] u8, its motion's number, and how
much of each cell of pixels shows a head, a torso, arms and legs, and where the joints are. As a program: a contact sheet of
such clips for the eye, and how long a clip takes to draw. Never reads a film or a picture.

usage: clips.py SHEET.png [--seed SEED] [--motions NAME…] [--wild SHARE]
"""

import argparse
import time
from pathlib import Path

import numpy as np

import motions
from figures import REGIONS, Body, Capsules, View, skeleton
from scenes import Camera, Store, box, digits, film, ground, shadow

SIDE, FRAMES, CLIP_SECONDS = 64, 16, 2.1
# Pixels a side of the cells for which regions are told.
CELL = 4
# The least and greatest height of a person, in shares of the picture's.
HEIGHTS = (0.3, 0.95)
_stores = {}


def store():
    """Made once in a process."""
    if "store" not in _stores:
        _stores["store"] = Store()
    return _stores["store"]


def _azimuth(generator):
    """Degrees from where the person looks to the right; half of the people are seen about from the side."""
    kind = generator.random()
    if kind < 0.45:
        return generator.choice([0, 180]) + generator.normal(0, 14)
    if kind < 0.8:
        return generator.choice([90, 270, 270]) + generator.normal(0, 14)
    return generator.uniform(0, 360)


def _view(generator, plain):
    if plain:
        place = (SIDE * generator.uniform(0.4, 0.6), SIDE * generator.uniform(0.9, 0.97))
        return View(_azimuth(generator), 0, 8, SIDE * generator.uniform(0.55, 0.75), place)
    height = SIDE * np.exp(generator.uniform(*np.log(HEIGHTS)))
    room = max(0.0, SIDE - height)
    ground_y = SIDE - room * generator.uniform(0.05, 0.75) ** 1.3 * 0.9 + generator.normal(0, 0.02) * SIDE
    place = (SIDE * generator.uniform(0.28, 0.72), ground_y)
    elevation = generator.uniform(-4, 10) if generator.random() < 0.8 else generator.uniform(10, 32)
    return View(_azimuth(generator), elevation, generator.uniform(3.5, 12), height, place)


def draw(seed, number, motion=None, wild=1.0):
    """The clip of that number, `wild` the share of clips that are not plain: pixels, the motion's number, regions
    [4, frames, side / CELL, side / CELL] u8, joints as `_told` has them."""
    generator = np.random.default_rng((seed, number))
    plain = generator.random() >= wild
    drawn = int(generator.integers(len(motions.NAMES)))
    label = drawn if motion is None else motions.NAMES.index(motion)
    times = _times(generator)
    pace = np.exp(generator.uniform(np.log(0.72), np.log(1.4)))
    pose = motions.perform(motions.NAMES[label], times, pace, generator)
    body, view = Body(generator), _view(generator, plain)
    _place(pose, view, generator)
    # Where the person stands, to follow and to put a shadow under.
    way = np.stack([pose.forwards, np.zeros(FRAMES), pose.sideways], -1)
    x, y, _, scale = view.project(way)
    follows = (x - x.mean()) * generator.uniform(0.6, 1.1) if generator.random() < 0.2 else None
    camera = Camera(generator, times, SIDE, follows, still=plain)
    canvas = ground(store(), generator, camera, times, SIDE, plain)
    happens = lambda share: not plain and generator.random() < share  # noqa: E731
    if happens(0.15):
        box(canvas, generator, camera, moving=happens(0.5), front=False)
    if happens(0.12):
        _bystander(canvas, times, view, camera, generator)
    if happens(0.4):
        seen_x = (x - camera.middle) * camera.zoom + camera.middle + camera.shift_x
        seen_y = (y - camera.middle) * camera.zoom + camera.middle + camera.shift_y
        shadow(canvas, generator, seen_x, seen_y, scale * camera.zoom)
    body.dress(generator, _behind(canvas, x.mean(), y.mean(), view.height))
    person = Capsules(skeleton(body, pose), view).through(camera)
    regions = np.zeros((len(REGIONS), FRAMES, SIDE, SIDE), np.float32)
    person.paint(canvas, regions, body, opacity=generator.uniform(0.45, 1) if happens(0.15) else 1.0)
    if happens(0.12):
        regions *= 1 - box(canvas, generator, camera, moving=happens(0.2), front=True)
    pixels = digits(canvas) if plain else film(canvas, store(), generator)
    cells = regions.reshape(len(REGIONS), FRAMES, SIDE // CELL, CELL, SIDE // CELL, CELL).mean((3, 5))
    return pixels, label, (cells * 255).astype(np.uint8), _told(person, view.height)


def _times(generator):
    """Seconds of a clip's frames. A film has 24 to 30 frames a second, and those nearest to even times are taken."""
    seconds = CLIP_SECONDS * generator.uniform(0.85, 1.15)
    if generator.random() < 0.2:
        seconds *= generator.uniform(0.65, 1.2)
    rate = generator.choice([15, 24, 25, 30], p=[0.1, 0.2, 0.4, 0.3])
    return np.floor(np.linspace(0, seconds, FRAMES) * rate) / rate


def _told(person, height):
    """Of each frame: the hips' place from -1 to 1, and the joints' from the hips, about as far; [frames, joints, 2] f32."""
    places = np.stack([person.joint_x.T, person.joint_y.T], -1)
    hips = places[:, :1] / (SIDE / 2) - 1
    return np.concatenate([np.clip(hips, -2, 2), (places[:, 1:] - places[:, :1]) / (0.4 * height)], 1).astype(np.float32)


def _place(pose, view, generator):
    """People who travel cross the middle at some time of the clip; the same draw for those who do not."""
    passes = generator.uniform(-0.35, 0.35)
    pose.forwards += passes * (pose.forwards[-1] - pose.forwards[0])
    pose.sideways += passes * (pose.sideways[-1] - pose.sideways[0])


def _behind(canvas, x, y, height):
    """The mean brightness of the ground behind a person whose feet are there."""
    left, right = (int(np.clip(x + side * 0.4 * height, 0, SIDE)) for side in (-1, 1))
    top, bottom = (int(np.clip(y - share * height, 0, SIDE)) for share in (1, 0))
    area = canvas[:, 0, top : max(bottom, top + 1), left : max(right, left + 1)]
    return float(area.mean()) if area.size else 0.5


def _bystander(canvas, times, view, camera, generator):
    pose = motions.perform("Stand", times, 1.0, generator)
    place = (SIDE * generator.uniform(0, 1), view.place[1] + generator.normal(0, 3))
    other = View(_azimuth(generator), 0, 8, view.height * generator.uniform(0.7, 1.1), place)
    body = Body(generator)
    body.dress(generator, 0.5)
    Capsules(skeleton(body, pose), other).through(camera).paint(canvas, None, body)


def sheet(picture, seed, names, clips_each=1, frames=8, wild=1.0):
    """A clip a row, every other frame; two columns of clips."""
    from PIL import Image

    rows = []
    for index, name in enumerate(names * clips_each):
        pixels = draw(seed, index, name, wild)[0]
        rows.append(np.concatenate(list(pixels.transpose(1, 2, 3, 0)[:: FRAMES // frames]), 1))
    rows += [np.zeros_like(rows[0])] * (-len(rows) % 2)
    half = len(rows) // 2
    image = np.concatenate([np.concatenate(rows[:half]), np.concatenate(rows[half:])], 1)
    Image.fromarray(image).save(picture)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--motions", nargs="*", default=motions.NAMES)
    parser.add_argument("--clips", type=int, default=1, help="of each motion")
    parser.add_argument("--wild", type=float, default=1.0, help="share of clips that are not plain")
    options = parser.parse_args()
    sheet(options.sheet, options.seed, options.motions, options.clips, wild=options.wild)
    print("\n".join(f"{index + 1}: {name}" for index, name in enumerate(options.motions)))
    started = time.perf_counter()
    for number in range(100):
        draw(options.seed, number)
    print(f"{(time.perf_counter() - started) * 10:.1f} ms a clip")


if __name__ == "__main__":
    main()
