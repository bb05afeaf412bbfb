"""What the patches' embedding starts from: cosines in space and time, most of them blind to what stands still.

Comes in: a configuration. Goes out: weights [width, 3, tubelet, patch, patch]. Never learns; training goes on from them.

From random weights a small model spends most of a short training on grounds and colours: they vary more than a person does.
Filters that add up to nothing over time see only what moves, so that people stand out from the first step.
"""

import math

import torch


def cosines(count):
    """[count, count]: waves as rows, each of length 1."""
    places = torch.arange(count) + 0.5
    waves = torch.stack([torch.cos(math.pi * wave * places / count) for wave in range(count)])
    return waves / waves.norm(dim=1, keepdim=True)


def embedding(config, scale=0.8, moving=0.7):
    """A share `moving` of the filters sees changes, coarse ones first; the others see what a picture shows."""
    width, tubelet, patch = config.hidden_size, config.tubelet_size, config.patch_size
    times, sides = cosines(tubelet), cosines(patch)
    colours = torch.tensor([[1.0, 1, 1], [1, -1, 0], [1, 1, -2]])
    grey, reddish, bluish = colours / colours.norm(dim=1, keepdim=True)
    waves = [(row, column) for row in range(patch) for column in range(patch)]
    waves.sort(key=lambda wave: (wave[0] ** 2 + wave[1] ** 2, wave))

    def filter_of(colour, time, wave):
        return torch.einsum("c,t,y,x->ctyx", colour, times[time], sides[wave[0]], sides[wave[1]])

    # Slow changes and coarse shapes go first.
    changes = sorted(
        ((time, wave) for time in range(1, tubelet) for wave in waves),
        key=lambda pair: pair[1][0] ** 2 + pair[1][1] ** 2 + 2.0 * (pair[0] - 1),
    )
    count = round(width * moving)
    chosen = [filter_of(grey, time, wave) for time, wave in changes[:count]]
    chosen += [0.5 * filter_of(colour, 0, (0, 0)) for colour in (grey, reddish, bluish)]
    chosen += [0.5 * filter_of(grey, 0, wave) for wave in waves[1 : width - len(chosen) + 1]]
    return scale * torch.stack(chosen)
