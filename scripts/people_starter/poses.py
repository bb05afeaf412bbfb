"""How a person holds every joint over time, and the curves that motions are made of.

Comes in: the times of a clip's frames in seconds, a pace, a random generator. Goes out: a `Pose`, and a `Performance` that
draws one person's way of doing something. Knows no motion by its name, and nothing of pixels, places or colours.

Angles are in degrees, in the frame of a body that stands upright and looks along x: y is up, z is to its left.
`flexion` swings a limb forwards from straight down, `abduction` swings it outwards. A forearm's and a shin's angles are
added to those of the upper limb. Pairs are (left, right). Lengths are in heights of the person.
"""

import numpy as np

class Pose:
    """Joint angles of a person over time; a standing person until told otherwise."""

    def __init__(self, times):
        count = len(times)
        pair = lambda value: np.full((2, count), float(value))  # noqa: E731
        self.arm_flexion, self.arm_abduction = pair(2), pair(7)
        self.forearm_flexion, self.forearm_abduction = pair(8), pair(0)
        self.leg_flexion, self.leg_abduction = pair(0), pair(3)
        self.shin_flexion = pair(-3)
        # The torso's inclination to the front and to the left, its shoulders' turn against the hips, the body's turn.
        self.lean, self.roll, self.twist, self.turn = (np.zeros(count) for _ in range(4))
        # Above the lowest point's contact with the ground; and the way made forwards and to the left.
        self.lift, self.forwards, self.sideways = (np.zeros(count) for _ in range(3))

    def joints(self):
        return [
            self.arm_flexion, self.arm_abduction, self.forearm_flexion, self.forearm_abduction, self.leg_flexion,
            self.leg_abduction, self.shin_flexion,
        ]  # fmt: skip


class Performance:
    """One person's way of doing a motion: times, random choices, and curves of time that motions are made of."""

    def __init__(self, times, pace, generator):
        self.times, self.pace, self.generator = times, pace, generator
        self.pose = Pose(times)
        self.start = generator.random()

    def between(self, least, most):
        return self.generator.uniform(least, most)

    def chance(self, share):
        return self.generator.random() < share

    def side(self):
        return int(self.generator.integers(2))

    def phase(self, cycles_a_second):
        """Cycles since the start; a random start."""
        self.frequency = cycles_a_second * self.pace * self.between(0.88, 1.14)
        return self.start + self.frequency * (self.times - self.times[0])

    def step(self, seconds, latest=0.6):
        """From 0 to 1 once, smoothly, somewhere in the clip."""
        length = self.times[-1] - self.times[0]
        lasts = min(seconds / self.pace, 0.85 * length)
        begins = self.times[0] + self.between(0, max(latest * length, 0.05) * max(0.1, 1 - lasts / length))
        share = np.clip((self.times - begins) / lasts, 0, 1)
        return share * share * (3 - 2 * share)

    def both(self, name, value):
        getattr(self.pose, name)[:] = value

    def each(self, name, left, right):
        pair = getattr(self.pose, name)
        pair[0], pair[1] = left, right

    def one(self, name, side, value):
        getattr(self.pose, name)[side] = value


def sine(phase):
    return np.sin(2 * np.pi * phase)


def cosine(phase):
    return np.cos(2 * np.pi * phase)


def there_and_back(phase):
    """From 0 to 1 and back to 0 in a cycle."""
    return 0.5 - 0.5 * cosine(phase)


def flight(phase):
    """Above the ground for a part of the cycle: 0 to 1 to 0 along a parabola, else 0."""
    share = (phase % 1.0) / 0.65
    return np.where(share < 1, 4 * share * (1 - share), 0.0)


def crouch(phase):
    """The knees' give between flights."""
    share = ((phase % 1.0) - 0.65) / 0.35
    return np.where(share > 0, np.sin(np.pi * np.clip(share, 0, 1)), 0.0)
