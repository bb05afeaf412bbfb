#!/usr/bin/env python3
"""Draws the clips that the starter model is pre-trained on: 23 motions of the sample's kind of scenes.

Comes in: nothing but the seed below. Goes out: FOLDER/{train,val,test}/<Class>/*.webm. No scene, look or speed of the
sample comes again: groups are numbered from 1001, and looks and scenes are drawn from their numbers. What is learnt
from them is `make starter`'s business (Makefile): tuning the smallest model from random weights, then exporting it.

usage: scripts/make_starter.py FOLDER
"""

import argparse
import math
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import make_sample

# Along x, along y, turning, growing: each a share of the scene's own speed, steady or back and forth.
STEADY = {
    "Still": (0, 0, 0, 0),
    "SlideLeft": (-1, 0, 0, 0),
    "SlideRight": (1, 0, 0, 0),
    "SlideUp": (0, -1, 0, 0),
    "SlideDown": (0, 1, 0, 0),
    "SlideUpLeft": (-0.8, -0.8, 0, 0),
    "SlideUpRight": (0.8, -0.8, 0, 0),
    "SlideDownLeft": (-0.8, 0.8, 0, 0),
    "SlideDownRight": (0.8, 0.8, 0, 0),
    "SpinLeft": (0, 0, -1, 0),
    "SpinRight": (0, 0, 1, 0),
    "Grow": (0, 0, 0, 1),
    "Shrink": (0, 0, 0, -1),
    "SpinLeftGrowing": (0, 0, -1, 1),
    "SpinRightGrowing": (0, 0, 1, 1),
    "SpinLeftShrinking": (0, 0, -1, -1),
    "SpinRightShrinking": (0, 0, 1, -1),
}
BACK_AND_FORTH = {
    "SwayAcross": (1, 0, 0, 0),
    "SwayUpAndDown": (0, 1, 0, 0),
    "Rock": (0, 0, 1, 0),
    "Pulse": (0, 0, 0, 1),
}
CIRCLES = {"CircleLeft": -1, "CircleRight": 1}
CLASSES = sorted([*STEADY, *BACK_AND_FORTH, *CIRCLES])
SPLITS = [("train", range(1001, 1061)), ("val", range(1061, 1067)), ("test", range(1067, 1073))]


class Scene(make_sample.Scene):
    def movement(self, motion, t):
        speeds = (self.slide, self.slide, self.turn, self.growth)
        if motion in STEADY:
            return tuple(share * speed * t for share, speed in zip(STEADY[motion], speeds))
        # Two swings a clip; as far each way as a steady motion goes in a third of one.
        phase = 2 * math.pi * 2 * t / make_sample.CLIP_SECONDS
        reach = make_sample.CLIP_SECONDS / 3
        if motion in BACK_AND_FORTH:
            return tuple(share * speed * reach * math.sin(phase) for share, speed in zip(BACK_AND_FORTH[motion], speeds))
        radius = self.slide * reach / 2
        return radius * math.cos(phase), CIRCLES[motion] * radius * math.sin(phase), 0, 0


def make_group(job):
    """One clip of every class."""
    out, split, group = job
    look, scene = make_sample.Look(group), Scene(group, 1)
    for index, motion in enumerate(CLASSES):
        path = out / split / motion / make_sample.name(motion, group, 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = [make_sample.draw(look, scene, motion, frame) for frame in range(make_sample.FRAMES)]
        # Not much larger than the model's 32 pixels: decoded, all of them then fit in the engine's cache of frames.
        make_sample.encode(frames, path, group * 10_000 + index, "scale=40:40:flags=area,")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    out = parser.parse_args().folder
    with ProcessPoolExecutor() as pool:
        groups = [(out, split, group) for split, numbers in SPLITS for group in numbers]
        for done, _ in enumerate(pool.map(make_group, groups), 1):
            print(f"\r{done} of {len(groups)} groups", end="", flush=True)
    print()


if __name__ == "__main__":
    main()
