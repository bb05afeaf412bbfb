"""A person's body: from joint angles to capsules on a picture, and from capsules to pixels.

Comes in: a `Pose`, a body and clothes drawn at random, a view. Goes out: capsules in pixels with colours, the farthest
first, frame by frame; and a canvas with them painted on it, smooth at the edges. Never chooses a motion or a ground.

Arrays over time come first: a joint's place is [times, 3], in heights of the person; x is ahead, y up, z to the left.
"""

import numpy as np

# What each pixel shows, for what the model is asked besides the motion's name; 0 is the ground.
REGIONS = ["head", "torso", "arms", "legs"]
HEAD, TORSO, ARMS, LEGS = range(len(REGIONS))
# Places that the model is asked for: the first of these alone, the others left and right.
JOINTS = ["head", "knee", "ankle", "elbow", "hand"]


def _tone(generator, dark):
    """A colour, dark or light, often nearly grey."""
    lightness = generator.uniform(0.02, 0.35) if dark else generator.uniform(0.5, 0.98)
    return np.clip(lightness + generator.normal(0, 0.09, 3) * (generator.random() < 0.7), 0, 1)


class Body:
    """Lengths, widths and clothes of one person."""

    def __init__(self, generator):
        uniform = generator.uniform
        wide = uniform(0.8, 1.35)
        self.torso, self.thigh, self.shin = uniform(0.27, 0.32), uniform(0.22, 0.26), uniform(0.22, 0.26)
        self.upper_arm, self.forearm = uniform(0.145, 0.175), uniform(0.16, 0.2)
        self.shoulders, self.hips = uniform(0.085, 0.115) * wide**0.5, uniform(0.04, 0.062) * wide**0.5
        self.head = uniform(0.052, 0.075)
        self.foot = uniform(0.05, 0.09)
        self.thick_torso = uniform(0.045, 0.065) * wide
        self.thick_arm, self.thick_leg = uniform(0.021, 0.032) * wide, uniform(0.03, 0.046) * wide
        self.skirt = uniform(0.15, 0.4) if generator.random() < 0.1 else 0.0
        self.stripes = (uniform(0.0, 0.3), uniform(4, 14)) if generator.random() < 0.3 else (0.0, 1.0)
        angle = uniform(0, 2 * np.pi)
        self.light = uniform(0, 0.28) * np.array([np.cos(angle), np.sin(angle)])

    def dress(self, generator, ground):
        """Clothes that mostly stand out from the ground behind them, its mean brightness from 0 to 1."""
        least = generator.uniform(0.12, 0.3) if generator.random() < 0.92 else 0.0
        for _ in range(12):
            self._choose_clothes(generator)
            if min(abs(np.mean(colour) - ground) for colour in (self.shirt, self.trousers)) >= least:
                break

    def _choose_clothes(self, generator):
        dark = generator.random() < 0.5
        self.shirt = _tone(generator, dark)
        # Trousers often of the other tone, or of the shirt's: overalls, a dress.
        self.trousers = self.shirt if generator.random() < 0.2 else _tone(generator, dark ^ (generator.random() < 0.4))
        self.skin = np.clip(generator.uniform(0.25, 0.9) * np.array([1.05, *generator.uniform([0.75, 0.6], [0.9, 0.8])]), 0, 1)
        self.hair = _tone(generator, generator.random() < 0.8)
        self.shoes = _tone(generator, generator.random() < 0.6)
        bare = generator.random(3)
        self.upper_sleeve = self.skin if bare[0] < 0.2 else self.shirt
        self.lower_sleeve = self.skin if bare[0] < 0.55 else self.shirt
        self.lower_leg = self.skin if bare[1] < 0.25 else self.trousers


def _direction(flexion, abduction, side):
    """A limb's direction from its angles; `side` is 1 for the left and -1 for the right."""
    flexion, abduction = np.radians(flexion), np.radians(abduction)
    out = np.cos(abduction)
    return np.stack([out * np.sin(flexion), -out * np.cos(flexion), side * np.sin(abduction)], -1)


def _about_the_vertical(points, degrees):
    angle = np.radians(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    return np.stack([x * cos + z * sin, y, z * cos - x * sin], -1)


def skeleton(body, pose):
    """Parts as (start, end, thickness at the start, at the end, colour, region, the end's joint or none), places in heights
    of the person."""
    count = len(pose.lean)
    lean, roll, turned = np.radians(pose.lean), np.radians(pose.roll), np.radians(pose.twist)
    up = np.stack([np.sin(lean) * np.cos(roll), np.cos(lean) * np.cos(roll), np.sin(roll)], -1)
    left = np.stack([np.sin(turned), -np.sin(roll) * np.cos(turned), np.cos(turned) * np.cos(roll)], -1)
    # Hips turn a little with the shoulders.
    hips_left = np.stack([0.2 * np.sin(turned), np.zeros(count), np.ones(count)], -1)
    hip = np.zeros((count, 3))
    neck = hip + body.torso * up
    parts, low = [], []
    for index, side in enumerate((1, -1)):
        leg, out = pose.leg_flexion[index], pose.leg_abduction[index]
        joint = hip + side * body.hips * hips_left
        knee = joint + body.thigh * _direction(leg, out, side)
        below = leg + pose.shin_flexion[index]
        ankle = knee + body.shin * _direction(below, out, side)
        toe = ankle + body.foot * _direction(below + 78, out, side)
        parts.append((joint, knee, body.thick_leg * 1.15, body.thick_leg * 0.85, body.trousers, LEGS, "knee"))
        parts.append((knee, ankle, body.thick_leg * 0.85, body.thick_leg * 0.6, body.lower_leg, LEGS, "ankle"))
        parts.append((ankle, toe, body.thick_leg * 0.65, body.thick_leg * 0.5, body.shoes, LEGS, None))
        shoulder = neck + side * body.shoulders * left - 0.02 * up
        arm, apart = pose.arm_flexion[index], pose.arm_abduction[index]
        turn = pose.twist
        elbow = shoulder + body.upper_arm * _about_the_vertical(_direction(arm, apart, side), turn)
        hand = elbow + body.forearm * _about_the_vertical(
            _direction(arm + pose.forearm_flexion[index], apart + pose.forearm_abduction[index], side), turn
        )
        wrist = elbow + 0.78 * (hand - elbow)
        parts.append((shoulder, elbow, body.thick_arm * 1.1, body.thick_arm * 0.9, body.upper_sleeve, ARMS, "elbow"))
        parts.append((elbow, wrist, body.thick_arm * 0.9, body.thick_arm * 0.7, body.lower_sleeve, ARMS, None))
        parts.append((wrist, hand, body.thick_arm * 0.75, body.thick_arm * 0.8, body.skin, ARMS, "hand"))
        flank = hip + side * body.hips * 0.6 * hips_left
        armpit = shoulder - side * 0.035 * left - 0.02 * up
        parts.append((flank, armpit, body.thick_torso, body.thick_torso, body.shirt, TORSO, None))
        low += [knee, ankle, toe, hand]
        if side == -1 and body.skirt:
            hem = hip + np.array([0, -body.skirt, 0]) + 0.5 * (knee - joint) * [1, 0, 1]
            parts.append((hip, hem, body.thick_torso * 1.2, body.thick_torso * 2, body.shirt, LEGS, None))
    parts.append((hip, neck - 0.04 * up, body.thick_torso * 1.05, body.thick_torso, body.shirt, TORSO, None))
    crown = neck + (0.045 + body.head) * up
    ahead = np.cross(up, left)
    parts.append((neck, crown, body.thick_arm * 1.1, body.thick_arm * 1.1, body.skin, HEAD, None))
    parts.append((crown - 0.012 * up, crown + 0.02 * up, body.head * 0.9, body.head, body.skin, HEAD, "head"))
    # Hair lies behind the face and above it.
    back = 0.02 * ahead
    hair = (crown - back + 0.01 * up, crown - back + 0.035 * up)
    parts.append((*hair, body.head * 0.92, body.head * 0.95, body.hair, HEAD, None))
    # What is lowest touches the ground.
    lowest = np.min(np.stack([point[:, 1] for point in [*low, hip - [0, 0.06, 0], crown - [0, 0.06, 0]]]), 0)
    raise_by = np.stack([np.zeros(count), pose.lift - lowest, np.zeros(count)], -1)
    way = np.stack([pose.forwards, np.zeros(count), pose.sideways], -1)
    moved = []
    for start, end, *rest in parts:
        ends = (_about_the_vertical(point + raise_by, pose.turn) + way for point in (start, end))
        moved.append((*ends, *rest))
    return moved


class View:
    """From where a person is seen, and where on the picture the person stands."""

    def __init__(self, azimuth, elevation, distance, height, place):
        self.azimuth, self.elevation, self.distance = azimuth, np.radians(elevation), distance
        # In pixels: the person's height; x and y of the ground beneath the person.
        self.height, self.place = height, place

    def project(self, points):
        """x and y in pixels, nearness, and the scale in pixels a height."""
        points = _about_the_vertical(points, self.azimuth)
        near = points[..., 2] * np.cos(self.elevation) + points[..., 1] * np.sin(self.elevation)
        above = points[..., 1] * np.cos(self.elevation) - points[..., 2] * np.sin(self.elevation)
        scale = self.height / np.clip(1 - near / self.distance, 0.4, 3)
        x = self.place[0] + points[..., 0] * scale
        y = self.place[1] - above * scale
        return x, y, near, scale


def _span(start, end, reach, size):
    """The pixels from which to which a part reaches at any time, within the picture."""
    first = int(np.floor((np.minimum(start, end) - reach).min()))
    last = int(np.ceil((np.maximum(start, end) + reach).max()))
    return max(first, 0), min(last + 1, size)


class Capsules:
    """Parts on the picture: every array is [parts, times, …], the farthest part first at every time."""

    def __init__(self, parts, view, nearer=0.0):
        projected = [(view.project(start), view.project(end)) for start, end, *_ in parts]
        stack = lambda which, what: np.stack([pair[which][what] for pair in projected])  # noqa: E731
        self.x, self.y, self.end_x, self.end_y = stack(0, 0), stack(0, 1), stack(1, 0), stack(1, 1)
        near = 0.5 * (stack(0, 2) + stack(1, 2)) + nearer
        scale = 0.5 * (stack(0, 3) + stack(1, 3))
        # The hips' places and every named joint's: [joints, times].
        ends = [[part for part, (*_, name) in enumerate(parts) if name == joint] for joint in JOINTS]
        named = sum(ends, [])
        hips = [self.x[:1] * 0.5 + self.x[7:8] * 0.5, self.y[:1] * 0.5 + self.y[7:8] * 0.5]
        self.joint_x = np.concatenate([hips[0], self.end_x[named]])
        self.joint_y = np.concatenate([hips[1], self.end_y[named]])
        thickness = np.array([[part[2], part[3]] for part in parts])
        self.radius, self.end_radius = scale * thickness[:, :1], scale * thickness[:, 1:]
        order = np.argsort(near, 0, kind="stable")
        count, times = order.shape
        for name in ("x", "y", "end_x", "end_y", "radius", "end_radius"):
            setattr(self, name, np.take_along_axis(getattr(self, name), order, 0).astype(np.float32))
        self.colour = np.array([part[4] for part in parts], np.float32)[order]
        self.region = np.array([part[5] for part in parts])[order]
        self.clothed = np.array([part[5] != HEAD for part in parts], np.float32)[order]

    def through(self, camera):
        """The same as a moving camera sees it: `camera` gives zoom [times] and shift [times] in x and y, about a middle."""
        zoom, shift_x, shift_y, middle = camera.zoom, camera.shift_x, camera.shift_y, camera.middle
        self.x, self.end_x = ((x - middle) * zoom + middle + shift_x for x in (self.x, self.end_x))
        self.y, self.end_y = ((y - middle) * zoom + middle + shift_y for y in (self.y, self.end_y))
        self.joint_x = (self.joint_x - middle) * zoom + middle + shift_x
        self.joint_y = (self.joint_y - middle) * zoom + middle + shift_y
        self.radius, self.end_radius = self.radius * zoom, self.end_radius * zoom
        return self

    def paint(self, canvas, regions, body, opacity=1.0):
        """On the canvas [3, times, rows, columns]; `regions` [4, times, rows, columns] or None takes what is seen of each."""
        _, times, rows, columns = canvas.shape
        for part in range(len(self.x)):
            x, y, end_x, end_y = self.x[part], self.y[part], self.end_x[part], self.end_y[part]
            radius, end_radius = np.maximum(self.radius[part], 0.35), np.maximum(self.end_radius[part], 0.35)
            reach = np.maximum(radius, end_radius) + 1
            left, right = _span(x, end_x, reach, columns)
            top, bottom = _span(y, end_y, reach, rows)
            if left >= right or top >= bottom:
                continue
            wide = lambda value: value.astype(np.float32)[:, None, None]  # noqa: E731
            from_x = np.arange(left, right, dtype=np.float32)[None, None, :] + 0.5 - wide(x)
            from_y = np.arange(top, bottom, dtype=np.float32)[None, :, None] + 0.5 - wide(y)
            along_x, along_y = wide(end_x - x), wide(end_y - y)
            along = from_x * along_x + from_y * along_y
            along /= along_x * along_x + along_y * along_y + 1e-4
            np.clip(along, 0, 1, out=along)
            away_x, away_y = from_x - along * along_x, from_y - along * along_y
            distance = np.sqrt(away_x * away_x + away_y * away_y)
            thick = wide(radius) + along * wide(end_radius - radius)
            cover = np.clip(thick - distance + 0.5, 0, 1)
            if not cover.any():
                continue
            shade = 1 + (away_x * body.light[0] + away_y * body.light[1]) / (thick + 0.5)
            strength, pace = body.stripes
            if strength:
                shade += strength * wide(self.clothed[part]) * np.sign(np.sin(pace * along + 0.5))
            cover *= opacity
            area = canvas[:, :, top:bottom, left:right]
            colour = self.colour[part].T[:, :, None, None]
            area += cover * (colour * shade - area)
            if regions is not None:
                seen = regions[:, :, top:bottom, left:right]
                seen *= 1 - cover
                region = self.region[part]
                for time in range(times):
                    seen[region[time], time] += cover[time]
