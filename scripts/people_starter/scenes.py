"""Where a person is filmed, and by what: grounds, cameras, things in the way, and what a film does to colours.

Comes in: a random generator. Goes out: grounds [3, times, rows, columns] from 0 to 1, a `Camera`, and a film's defects laid
on a canvas. Never draws a person.
"""

import numpy as np
import torch

TEXTURES, TEXTURE_SIDE = 192, 160
NOISE_VALUES = 1 << 21


class Store:
    """Textures and noise that clips take pieces of; the same in every process."""

    def __init__(self, seed=20261):
        generator = np.random.default_rng(seed)
        self.textures = [_texture(generator, index) for index in range(TEXTURES)]
        self.noise = generator.standard_normal(NOISE_VALUES, dtype=np.float32)

    def texture(self, generator):
        """[side, side] from 0 to 1, mirrored, turned and inverted at random."""
        picture = self.textures[generator.integers(len(self.textures))]
        if generator.random() < 0.5:
            picture = picture[:, ::-1]
        if generator.random() < 0.25:
            picture = picture.T
        return 1 - picture if generator.random() < 0.5 else picture

    def grain(self, generator, shape):
        count = int(np.prod(shape))
        start = generator.integers(NOISE_VALUES - count)
        return self.noise[start : start + count].reshape(shape)


def _level(picture):
    least, most = picture.min(), picture.max()
    return ((picture - least) / max(most - least, 1e-6)).astype(np.float32)


def _clouds(generator, exponent):
    side = TEXTURE_SIDE
    rows, columns = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    power = np.maximum(np.hypot(rows * generator.uniform(0.4, 2.5), columns), 1 / side) ** -exponent
    waves = power * np.exp(2j * np.pi * generator.random(power.shape))
    return np.fft.irfft2(waves, (side, side))


def _texture(generator, index):
    side = TEXTURE_SIDE
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32)
    kind = index % 8
    if kind in (0, 1):
        return _level(_clouds(generator, generator.uniform(0.8, 2.2)))
    if kind == 2:
        angle, width = generator.uniform(0, np.pi), generator.uniform(3, 24)
        wave = np.sin(2 * np.pi * (rows * np.sin(angle) + columns * np.cos(angle)) / width)
        return _level(np.clip(wave * generator.uniform(1, 6), -1, 1) + 0.3 * _level(_clouds(generator, 1.5)))
    if kind == 3:
        high, long = generator.uniform(3, 14), generator.uniform(6, 34)
        row = np.floor(rows / high)
        shifted = columns + long * 0.5 * (row % 2)
        joint = (rows % high < 1) | (shifted % long < 1)
        shades = generator.random((200, 400))[row.astype(int) % 200, np.floor(shifted / long).astype(int) % 400]
        return _level(0.6 * shades + 0.3 * _level(_clouds(generator, 1.2)) - generator.uniform(-0.8, 0.8) * joint)
    picture = 0.4 * _level(_clouds(generator, generator.uniform(1.0, 2.4)))
    if kind == 4:
        for _ in range(generator.integers(3, 22)):
            x, y = generator.uniform(0, side, 2)
            width, height = generator.uniform(4, 60, 2)
            inside = (np.abs(columns - x) < width / 2) & (np.abs(rows - y) < height / 2)
            picture = np.where(inside, picture * 0.3 + generator.random(), picture)
    elif kind == 5:
        for _ in range(generator.integers(3, 26)):
            x, y = generator.uniform(0, side, 2)
            far = np.hypot((columns - x) * generator.uniform(0.5, 2), rows - y) / generator.uniform(3, 26)
            picture = picture + generator.normal() * np.clip(1.5 - far, 0, 1)
    elif kind == 6:
        # A horizon with a wall or the sky above it, perhaps with posts.
        edge = generator.uniform(0.3, 0.85) * side + generator.normal(0, 0.06) * columns
        picture = picture * generator.uniform(0.2, 1)
        picture = picture + np.clip((rows - edge) / generator.uniform(0.7, 6), 0, 1) * generator.uniform(-1, 1)
        for _ in range(generator.integers(0, 6)):
            x, width = generator.uniform(0, side), generator.uniform(1, 9)
            picture = picture + generator.normal(0, 0.5) * ((np.abs(columns - x) < width) & (rows < edge + 4))
    else:
        picture = picture * generator.uniform(0, 0.4) + generator.normal() * rows / side + generator.normal() * columns / side
    return _level(picture)


class Camera:
    """How the picture moves: zoom and shift of every frame. Many stand still."""

    def __init__(self, generator, times, side, follows=None, still=False):
        count = len(times)
        passed = times - times.mean()
        self.middle = side / 2
        self.zoom, self.shift_x, self.shift_y = np.ones(count), np.zeros(count), np.zeros(count)
        self.moves = False
        if still:
            return
        if generator.random() < 0.3:
            for shift in (self.shift_x, self.shift_y):
                steps = np.cumsum(generator.normal(0, generator.uniform(0.1, 0.9), count))
                shift += steps - steps.mean()
        if generator.random() < 0.15:
            self.shift_x += passed * side * generator.normal(0, 0.12)
            self.shift_y += passed * side * generator.normal(0, 0.03)
        if generator.random() < 0.15:
            self.zoom = np.exp(passed * generator.normal(0, 0.07))
        if follows is not None:
            self.shift_x -= follows
        self.moves = bool(np.ptp(self.zoom) + np.ptp(self.shift_x) + np.ptp(self.shift_y) > 1e-6)


def ground(store, generator, camera, times, side, plain=False):
    """Two colours mixed by textures, as the camera sees them: [3, times, side, side]."""
    texture = store.texture(generator)
    first = np.clip(generator.random() + generator.normal(0, 0.1, 3) * (generator.random() < 0.8), 0, 1)
    contrast = generator.normal(0, 0.06 if plain else 0.35) * (generator.random() < 0.9)
    second = np.clip(first + contrast + generator.normal(0, 0.08, 3), 0, 1)
    picture = first[:, None, None] + (second - first)[:, None, None] * texture
    for _ in range(0 if plain else generator.integers(0, 3)):
        other = np.clip(generator.random() + generator.normal(0, 0.12, 3), 0, 1)
        share = generator.uniform(0.1, 0.7) * store.texture(generator) ** generator.uniform(1, 3)
        picture = picture + share * (other[:, None, None] - picture)
    # So many pixels of the texture to one of the picture.
    step = generator.uniform(0.5, 1.3)
    count = len(times) if camera.moves else 1
    zoom = torch.from_numpy(camera.zoom[:count]).float()
    axis = (torch.arange(side) + 0.5 - side / 2)[None]
    shifts = (torch.from_numpy(shift[:count]).float()[:, None] for shift in (camera.shift_x, camera.shift_y))
    x, y = (((axis - shift) / zoom[:, None]) * step * 2 / TEXTURE_SIDE for shift in shifts)
    grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), -1)
    plane = torch.from_numpy(np.ascontiguousarray(picture, np.float32))[None].expand(count, -1, -1, -1)
    seen = torch.nn.functional.grid_sample(plane, grid, padding_mode="reflection", align_corners=False)
    seen = seen.permute(1, 0, 2, 3).numpy()
    return np.array(np.broadcast_to(seen, (3, len(times), side, side)))


def box(canvas, generator, camera, moving, front):
    """A box that stands in the scene, or passes by; returns how much of each pixel it hides."""
    _, times, side, _ = canvas.shape
    width, height = side * generator.uniform(0.05, 0.3), side * generator.uniform(0.08, 0.5)
    x = np.full(times, generator.uniform(0, side))
    y = side * (generator.uniform(0.75, 1.1) if front else generator.uniform(0.2, 0.9))
    if moving:
        x = x + np.linspace(-0.5, 0.5, times) * side * generator.normal(0, 0.8)
    x, y = x + camera.shift_x, y + camera.shift_y
    axis = np.arange(side, dtype=np.float32) + 0.5
    across = np.clip(width / 2 - np.abs(axis[None] - x[:, None]) + 0.5, 0, 1)
    down = np.clip(height / 2 - np.abs(axis[None] - y[:, None]) + 0.5, 0, 1)
    cover = (across[:, None, :] * down[:, :, None]).astype(np.float32)
    colour = np.clip(generator.random() + generator.normal(0, 0.1, 3), 0, 1)
    canvas += cover * (colour.astype(np.float32)[:, None, None, None] - canvas)
    return cover


def shadow(canvas, generator, x, y, height):
    """A soft dark patch beneath a person; x, y and height are [times]."""
    side = canvas.shape[-1]
    axis = np.arange(side, dtype=np.float32) + 0.5
    lean = generator.normal(0, 0.12) * height
    across = (axis[None] - (x + lean)[:, None]) / (height * generator.uniform(0.12, 0.3))[:, None]
    down = (axis[None] - y[:, None]) / (height * generator.uniform(0.02, 0.06) + 0.5)[:, None]
    dark = np.exp(-(across**2)[:, None, :] - (down**2)[:, :, None]).astype(np.float32)
    canvas *= 1 - generator.uniform(0.15, 0.6) * dark


def _blurred(canvas, share):
    """With each pixel's neighbours, in both directions."""
    for axis in (2, 3):
        ahead, behind = np.roll(canvas, 1, axis), np.roll(canvas, -1, axis)
        ahead += behind
        canvas = canvas * np.float32(1 - share) + ahead * np.float32(share / 2)
    return canvas


def film(canvas, store, generator):
    """What a camera, its codec and its light do to the picture; returns u8."""
    _, times, side, _ = canvas.shape
    if generator.random() < 0.35:
        canvas = _blurred(canvas, generator.uniform(0.1, 0.6))
    if generator.random() < 0.1:
        coarse = canvas.reshape(3, times, side // 2, 2, side // 2, 2).mean((3, 5))
        canvas = _blurred(coarse.repeat(2, 2).repeat(2, 3), 0.5)
    elif generator.random() < 0.2:
        coarse = canvas.reshape(3, times, side // 4, 4, side // 4, 4).mean((3, 5), keepdims=True)
        coarse = np.broadcast_to(coarse, (3, times, side // 4, 4, side // 4, 4)).reshape(canvas.shape)
        canvas = canvas + np.float32(generator.uniform(0.1, 0.5)) * (coarse - canvas)
    if generator.random() < 0.1:
        before = np.concatenate([canvas[:, :1], canvas[:, :-1]], 1)
        canvas = canvas + np.float32(generator.uniform(0.1, 0.45)) * (before - canvas)
    if generator.random() < 0.2:
        grey = canvas.mean(0, keepdims=True)
        canvas = canvas + np.float32(generator.choice([1.0, generator.random()])) * (grey - canvas)
    gain = np.exp(generator.normal(0, 0.15)) * np.exp(generator.normal(0, 0.07, 3) * (generator.random() < 0.6))
    if generator.random() < 0.2:
        gain = gain * generator.uniform(0.45, 0.85)
    shift = generator.normal(0, 0.06)
    canvas = (canvas - 0.5) * gain.astype(np.float32)[:, None, None, None] + np.float32(0.5 + shift)
    if generator.random() < 0.15:
        canvas = canvas * (1 + generator.normal(0, 0.04, times)).astype(np.float32)[:, None, None]
    np.clip(canvas, 0, 1, out=canvas)
    if generator.random() < 0.4:
        canvas = canvas ** np.float32(np.exp(generator.normal(0, 0.35)))
    if generator.random() < 0.7:
        canvas += np.float32(abs(generator.normal(0, 0.025))) * store.grain(generator, (1, *canvas.shape[1:]))
    return digits(canvas)


def digits(canvas):
    """u8 of a picture from 0 to 1, which is overwritten."""
    canvas *= 255
    return np.clip(canvas + 0.5, 0, 255, out=canvas).astype(np.uint8)
