"""Batches of drawn clips: a share new, the others seen before, mirrored and in other colours.

Comes in: a seed, sizes. Goes out: batches of pixels, labels, regions and joints, as tensors; the same ones for the
same seed and sizes, however many processes draw. Never keeps more than `KEPT` clips.
"""

import torch
from torch.utils.data import DataLoader, Dataset

import clips

KEPT = 6144


class Drawn(Dataset):
    """Clips by their numbers; `course` is how many come until the share that is not plain has grown to its most, and that."""

    def __init__(self, seed, count, course=(0, 1.0)):
        self.seed, self.count, self.course = seed, count, course

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        until, most = self.course
        wild = most * min(1.0, number / until) if until else most
        pixels, label, cells, joints = clips.draw(self.seed, number, wild=wild)
        return torch.from_numpy(pixels), label, torch.from_numpy(cells), torch.from_numpy(joints)


def _one_thread(_worker):
    torch.set_num_threads(1)


def _loader(seed, count, batch, workers, course=(0, 1.0)):
    clips.store()
    settings = {"worker_init_fn": _one_thread, "prefetch_factor": 6} if workers else {}
    return DataLoader(Drawn(seed, count, course), batch_size=batch, num_workers=workers, **settings)


class Batches:
    """Endless batches; the first ones are all new."""

    def __init__(self, seed, batch, workers, fresh, course):
        self.batch, self.fresh = batch, max(1, round(batch * fresh))
        self.loader = _loader(seed, 100_000_000, self.fresh, workers, course)
        self.chance = torch.Generator().manual_seed(seed)

    def __iter__(self):
        kept, next_place = None, 0
        waiting = []
        for drawn in self.loader:
            if kept is None:
                kept = [torch.empty((KEPT, *part.shape[1:]), dtype=part.dtype) for part in drawn]
            many = len(drawn[1])
            places = torch.arange(next_place, next_place + many) % KEPT
            full = min(next_place, KEPT)
            if full < 4 * self.batch or self.fresh == self.batch:
                waiting.append(drawn)
                if sum(len(parts[1]) for parts in waiting) >= self.batch:
                    yield [torch.cat(parts) for parts in zip(*waiting)]
                    waiting = []
            else:
                chosen = torch.randint(full, (self.batch - many,), generator=self.chance)
                again = self._changed(*(part[chosen] for part in kept))
                yield [torch.cat(parts) for parts in zip(drawn, again)]
            for part, new in zip(kept, drawn):
                part[places] = new
            next_place += many

    def _changed(self, pixels, labels, cells, joints):
        """Mirrored, with red, green and blue exchanged, and half of them as a negative."""
        pixels, cells, joints = pixels.flip(-1), cells.flip(-1), joints * torch.tensor([-1.0, 1.0])
        for number in range(len(pixels)):
            channels = torch.randperm(3, generator=self.chance)
            pixels[number] = pixels[number][channels]
            if torch.rand((), generator=self.chance) < 0.5:
                pixels[number] = 255 - pixels[number]
        return pixels, labels, cells, joints


def checked(seed, count):
    """Clips that no training draws: pixels and labels."""
    pixels, labels, _, _ = zip(*_loader(seed, count, 32, 2))
    return torch.cat(pixels), torch.cat(labels)
