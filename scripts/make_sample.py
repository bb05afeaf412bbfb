#!/usr/bin/env python3
"""Draws the sample data set: eight motions that one frame cannot tell apart.

Comes in: nothing but the seed below. Goes out: public/sample/{train,val,test}/<Class>/v_<Class>_gNN_cNN.webm,
public/sample/sample.json. Needs Python's standard library and the ffmpeg program. Never touches README.md there.

A group is one look: shape, colours, background. Every class has every group, and a group's n-th clip starts from the
same scene in every class. A scene is a plane covered by a few copies of the shape, again and again, turned and shifted
at random, each copy at its own place in a cycle of sizes (past the largest it goes on from the smallest). A slide shifts
the plane, a spin turns it about the middle of the picture, growth moves each copy on in its cycle; so a frame of any
class, at any time, comes from the same distribution.

usage: scripts/make_sample.py [--out FOLDER] [--sheet PICTURE.png]
"""

import argparse
import colorsys
import json
import math
import random
import shutil
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

SEED = 20260
SIDE = 80
FRAMES_PER_SECOND = 12
FRAMES = 29
# The model's clip; speeds are given for it.
CLIP_SECONDS = 2.1
# Radius of the shape in pixels, and the factor from the smallest to the largest.
SMALLEST, LARGEST = 12.0, 28.0
# The plane repeats after so many pixels; so many copies of the shape in each repetition.
CELL = 72
COPIES = 2
SUBROWS = 4

CLASSES = ["SlideLeft", "SlideRight", "SlideUp", "SlideDown", "SpinLeft", "SpinRight", "Grow", "Shrink"]
# Groups and clips a group.
SPLITS = [("train", range(1, 13), 2), ("val", range(13, 16), 2), ("test", range(16, 19), 2)]

# Thick at one end, thin at the other, so that a turn either way shows at the few pixels that a small model sees.
# Corner by corner, y downwards.
SHAPES = {
    "arrow": [(-13, -3), (2, -3), (2, -9), (12, 0), (2, 9), (2, 3), (-13, 3)],
    "drop": [(-14, 0), (-3, -4), (4, -6), (9, -5), (12, 0), (9, 5), (4, 6), (-3, 4)],
    "paddle": [(-13, -2.5), (0, -2.5), (2, -6), (11, -6), (13, 0), (11, 6), (2, 6), (0, 2.5), (-13, 2.5)],
    "wedge": [(-13, -2), (12, -8), (12, 8), (-13, 2)],
}


def unit(corners):
    """The polygon about its centroid, its farthest corner at distance 1."""
    area = x_sum = y_sum = 0.0
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1]):
        cross = x0 * y1 - x1 * y0
        area += cross
        x_sum += (x0 + x1) * cross
        y_sum += (y0 + y1) * cross
    moved = [(x - x_sum / (3 * area), y - y_sum / (3 * area)) for x, y in corners]
    reach = max(math.hypot(x, y) for x, y in moved)
    return [(x / reach, y / reach) for x, y in moved]


def rgb(hue, lightness, saturation):
    return tuple(round(255 * channel) for channel in colorsys.hls_to_rgb(hue % 1.0, lightness, saturation))


def luminance(colour):
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


class Look:
    """What a group's clips share: a shape, its colour, and a background of SIDE + 8 pixels a side."""

    def __init__(self, group):
        chance = random.Random(SEED * 1000 + group)
        self.shape = unit(SHAPES[sorted(SHAPES)[group % len(SHAPES)]])
        self.background_kind = ["plain", "gradient", "texture"][group % 3]
        hue = chance.random()
        ground = rgb(hue, chance.uniform(0.10, 0.22), chance.uniform(0.25, 0.6))
        while True:
            self.colour = rgb(hue + chance.uniform(0.25, 0.75), chance.uniform(0.62, 0.85), chance.uniform(0.7, 0.95))
            if luminance(self.colour) > 165:
                break
        self.background = self._paint(chance, ground)

    def _paint(self, chance, ground):
        side = SIDE + 8
        angle = chance.uniform(0, 2 * math.pi)
        waves = [(chance.uniform(2, 9), chance.uniform(0, 2 * math.pi), chance.uniform(0, 2 * math.pi)) for _ in range(6)]
        picture = bytearray()
        for y in range(side):
            for x in range(side):
                if self.background_kind == "gradient":
                    shade = 25 * ((x / side - 0.5) * math.cos(angle) + (y / side - 0.5) * math.sin(angle)) * 2
                elif self.background_kind == "texture":
                    shade = sum(
                        math.sin(frequency * 2 * math.pi * (x * math.cos(turn) + y * math.sin(turn)) / side + phase)
                        for frequency, turn, phase in waves
                    ) * 5 + chance.gauss(0, 4)
                else:
                    shade = 0
                picture += bytes(max(0, min(255, round(channel + shade))) for channel in ground)
        return picture


class Scene:
    """What the n-th clips of a group share in every class: the start, the speeds, the shake."""

    def __init__(self, group, number):
        chance = random.Random(SEED * 1_000_000 + group * 1000 + number)
        # Place in the cell, place in the cycle of sizes from 0 to 1, angle. Sizes are spread out, places kept apart.
        self.copies = []
        for copy in range(COPIES):
            place = (chance.uniform(0, CELL), chance.uniform(0, CELL))
            while any(distance_in_cell(place, other[:2]) < 0.6 * CELL for other in self.copies):
                place = (chance.uniform(0, CELL), chance.uniform(0, CELL))
            self.copies.append((*place, (copy + chance.random()) / COPIES, chance.uniform(0, 2 * math.pi)))
        self.turned = chance.uniform(0, 2 * math.pi)
        self.slide = SIDE * chance.uniform(0.45, 0.7) / CLIP_SECONDS
        self.turn = math.radians(chance.uniform(125, 180)) / CLIP_SECONDS
        self.growth = math.log(chance.uniform(1.6, 1.9)) / math.log(LARGEST / SMALLEST) / CLIP_SECONDS
        self.shake = self._shake(chance)

    @staticmethod
    def _shake(chance):
        """A hand-held camera: a slow random walk, in whole pixels, at most 2 from the middle."""
        places, x, y = [], 0.0, 0.0
        for _ in range(FRAMES):
            x = 0.85 * x + chance.gauss(0, 0.5)
            y = 0.85 * y + chance.gauss(0, 0.5)
            places.append((max(-2, min(2, round(x))), max(-2, min(2, round(y)))))
        return places

    def movement(self, motion, t):
        """How far the plane has slid, turned and grown after t seconds: x, y, angle, share of the cycle of sizes."""
        x = {"SlideLeft": -1, "SlideRight": 1}.get(motion, 0) * self.slide * t
        y = {"SlideUp": -1, "SlideDown": 1}.get(motion, 0) * self.slide * t
        # y points downwards, so a growing angle turns to the right, clockwise.
        turned = {"SpinLeft": -1, "SpinRight": 1}.get(motion, 0) * self.turn * t
        grown = {"Grow": 1, "Shrink": -1}.get(motion, 0) * self.growth * t
        return x, y, turned, grown

    def shapes(self, motion, frame):
        """Middle, radius and angle of each shape that this frame may show."""
        x, y, turned, grown = self.movement(motion, frame / FRAMES_PER_SECOND)
        shift_x = SIDE / 2 + x + self.shake[frame][0]
        shift_y = SIDE / 2 + y + self.shake[frame][1]
        turned += self.turned
        cos, sin = math.cos(turned), math.sin(turned)
        for x, y, size, angle in self.copies:
            radius = SMALLEST * (LARGEST / SMALLEST) ** ((size + grown) % 1.0)
            for column in range(-3, 4):
                for row in range(-3, 4):
                    plane_x, plane_y = x + column * CELL, y + row * CELL
                    middle_x = plane_x * cos - plane_y * sin + shift_x
                    middle_y = plane_x * sin + plane_y * cos + shift_y
                    if -radius < middle_x < SIDE + radius and -radius < middle_y < SIDE + radius:
                        yield middle_x, middle_y, radius, angle + turned


def distance_in_cell(one, other):
    """The shortest way between two places of a plane that repeats."""
    return math.hypot(*((a - b + CELL / 2) % CELL - CELL / 2 for a, b in zip(one, other)))


def coverage(corners):
    """How much of each pixel the polygon covers: rows of (y, first x, list of 0..1)."""
    top, bottom = math.floor(min(y for _, y in corners)), math.ceil(max(y for _, y in corners))
    left, right = math.floor(min(x for x, _ in corners)), math.ceil(max(x for x, _ in corners))
    edges = list(zip(corners, corners[1:] + corners[:1]))
    for row in range(top, bottom):
        covered = [0.0] * (right - left + 1)
        for subrow in range(SUBROWS):
            y = row + (subrow + 0.5) / SUBROWS
            crossings = sorted(
                x0 + (y - y0) * (x1 - x0) / (y1 - y0) for (x0, y0), (x1, y1) in edges if (y0 <= y) != (y1 <= y)
            )
            for start, end in zip(crossings[::2], crossings[1::2]):
                start, end = start - left, end - left
                first, last = int(start), int(end)
                if first == last:
                    covered[first] += (end - start) / SUBROWS
                    continue
                covered[first] += (first + 1 - start) / SUBROWS
                for x in range(first + 1, last):
                    covered[x] += 1 / SUBROWS
                covered[last] += (end - last) / SUBROWS
        yield row, left, covered


def draw(look, scene, motion, frame):
    """One frame, RGB, SIDE x SIDE."""
    shake_x, shake_y = scene.shake[frame]
    wide = SIDE + 8
    picture = bytearray()
    for row in range(SIDE):
        start = ((row + 4 - shake_y) * wide + 4 - shake_x) * 3
        picture += look.background[start : start + SIDE * 3]
    for x, y, radius, angle in scene.shapes(motion, frame):
        cos, sin = radius * math.cos(angle), radius * math.sin(angle)
        for row, left, covered in coverage([(x + u * cos - v * sin, y + u * sin + v * cos) for u, v in look.shape]):
            if not 0 <= row < SIDE:
                continue
            for column, share in enumerate(covered, left):
                if share <= 0 or not 0 <= column < SIDE:
                    continue
                at = (row * SIDE + column) * 3
                for channel in range(3):
                    under = picture[at + channel]
                    picture[at + channel] = round(under + min(share, 1.0) * (look.colour[channel] - under))
    return bytes(picture)


def encode(frames, path, noise_seed, scale=""):
    """VP9 in WebM, with sensor noise, perhaps scaled by a filter of ffmpeg's; the same bytes each time."""
    command = [
        "ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{SIDE}x{SIDE}",
        "-r", str(FRAMES_PER_SECOND), "-i", "-", "-vf", f"{scale}format=yuv420p,noise=c0s=5:c0f=t:c0_seed={noise_seed}",
        "-c:v", "libvpx-vp9", "-b:v", "0", "-crf", "36", "-cpu-used", "2", "-row-mt", "0", "-threads", "1", "-g", str(FRAMES),
        "-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1", str(path),
    ]  # fmt: skip
    subprocess.run(command, input=b"".join(frames), check=True)


def name(motion, group, number):
    return f"v_{motion}_g{group:02}_c{number:02}.webm"


def make_group(job):
    """Every class's clips of one group; returns their paths."""
    out, split, group, clips = job
    look = Look(group)
    paths = []
    for number in range(1, clips + 1):
        scene = Scene(group, number)
        for index, motion in enumerate(CLASSES):
            path = Path(split) / motion / name(motion, group, number)
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            frames = [draw(look, scene, motion, frame) for frame in range(FRAMES)]
            encode(frames, out / path, group * 10_000 + number * 100 + index)
            paths.append(path.as_posix())
    return paths


def contact_sheet(out, paths, picture):
    """For the eye: a clip a row, every fourth frame."""
    chosen = [path for path in paths if path.endswith("_c01.webm")]
    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate(chosen):
            subprocess.run(
                ["ffmpeg", "-v", "error", "-i", str(out / path), "-vf", "select='not(mod(n,4))',tile=8x1",
                 "-frames:v", "1", f"{folder}/{number:04}.png"], check=True)  # fmt: skip
        subprocess.run(
            ["ffmpeg", "-v", "error", "-y", "-i", f"{folder}/%04d.png", "-vf", f"tile=2x{-(-len(chosen) // 2)}",
             "-frames:v", "1", str(picture)], check=True)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "public" / "sample")
    parser.add_argument("--sheet", type=Path, help="also write a contact sheet of the first clips")
    options = parser.parse_args()
    for split, _, _ in SPLITS:
        shutil.rmtree(options.out / split, ignore_errors=True)
    jobs = [(options.out, split, group, clips) for split, groups, clips in SPLITS for group in groups]
    with ProcessPoolExecutor() as pool:
        paths = sorted(path for group in pool.map(make_group, jobs) for path in group)
    listing = json.dumps({"files": paths}, indent=0)
    (options.out / "sample.json").write_text(listing + "\n")
    total = sum((options.out / path).stat().st_size for path in paths)
    print(f"{len(paths)} clips, {total / 1e6:.2f} MB, in {options.out}")
    if options.sheet:
        contact_sheet(options.out, paths, options.sheet)


if __name__ == "__main__":
    main()
