"""What a person does: joint angles over time for each motion that the people starter learns.

Comes in: a motion's name, the times of a clip's frames in seconds, a pace, a random generator. Goes out: a `Pose`. Angles and
lengths are those of poses.py. Never draws, and knows nothing of sizes in pixels, of places or of colours.
"""

import numpy as np

from poses import Performance, cosine, crouch, flight, sine, there_and_back

# About how long a leg is; a step's length follows from it.
LEG = 0.47


def _legs_in_turn(p, phase, reach, offset, straight, bend):
    swing, ahead = sine(phase), cosine(phase)
    p.each("leg_flexion", offset + reach * swing, offset - reach * swing)
    p.each("shin_flexion", -straight - bend * np.maximum(0, ahead), -straight - bend * np.maximum(0, -ahead))


def _arms_in_turn(p, phase, reach, elbow):
    swing = sine(phase)
    p.each("arm_flexion", -reach * swing, reach * swing)
    p.both("forearm_flexion", elbow + 0.25 * reach * there_and_back(2 * phase))


def _way(p, speed):
    return speed * (p.times - p.times.mean())


def stand(p):
    sway = sine(p.phase(0.4))
    p.pose.roll += p.between(0, 2) * sway
    if p.chance(0.4):
        p.both("forearm_flexion", p.between(5, 100))
    if p.chance(0.2):
        p.each("leg_abduction", p.between(3, 14), p.between(3, 14))


def walk(p, backwards=False):
    phase, reach = p.phase(0.95), p.between(19, 32)
    _legs_in_turn(p, -phase if backwards else phase, reach, p.between(0, 4), p.between(3, 9), p.between(30, 55))
    _arms_in_turn(p, -phase if backwards else phase, p.between(6, 34), p.between(4, 28))
    p.pose.lift += 0.01 * np.abs(cosine(phase))
    p.pose.lean += p.between(-2, 8)
    speed = 4 * LEG * np.sin(np.radians(reach)) * p.frequency * p.between(0.85, 1.1)
    p.pose.forwards += _way(p, -speed if backwards else speed)


def walk_backwards(p):
    walk(p, backwards=True)


def run(p, travelling=True):
    phase, reach = p.phase(1.4), p.between(30, 50) if travelling else p.between(18, 34)
    _legs_in_turn(p, phase, reach, p.between(4, 14), p.between(14, 28), p.between(55, 95))
    _arms_in_turn(p, phase, p.between(22, 50), p.between(60, 100))
    p.pose.lean += p.between(4, 16) if travelling else p.between(0, 5)
    p.pose.lift += p.between(0.03, 0.07) * np.abs(cosine(phase + 0.1))
    if travelling:
        p.pose.forwards += _way(p, 4 * LEG * np.sin(np.radians(reach)) * p.frequency * p.between(0.9, 1.2))


def run_in_place(p):
    run(p, travelling=False)


def march(p):
    phase, raised = p.phase(0.95), p.between(45, 95)
    up, other = np.maximum(0, sine(phase)), np.maximum(0, -sine(phase))
    p.each("leg_flexion", raised * up, raised * other)
    p.each("shin_flexion", -3 - 1.1 * raised * up, -3 - 1.1 * raised * other)
    _arms_in_turn(p, phase, p.between(10, 45), p.between(3, 60))


def skip_on_one_leg(p):
    phase, side = p.phase(1.9), p.side()
    give, air = crouch(phase), flight(phase)
    p.one("leg_flexion", 1 - side, 4 + 16 * give)
    p.one("shin_flexion", 1 - side, -8 - 30 * give)
    p.one("leg_flexion", side, p.between(5, 55) + 14 * air)
    p.one("shin_flexion", side, -p.between(60, 105))
    p.both("arm_flexion", p.between(-10, 35) + p.between(8, 30) * sine(phase + p.between(0, 1)))
    p.both("forearm_flexion", p.between(8, 85))
    p.pose.lean += p.between(2, 12)
    p.pose.lift += p.between(0.06, 0.13) * air
    p.pose.forwards += _way(p, p.between(0.55, 0.95) * p.frequency / 1.9)


def _hop(p, cycles, height):
    phase = p.phase(cycles)
    give, air = crouch(phase), flight(phase)
    bend = p.between(14, 34)
    p.both("leg_flexion", 3 + bend * give)
    p.both("shin_flexion", -6 - 2 * bend * give)
    p.pose.lift += height * air
    p.pose.lean += p.between(0, 6) + 0.4 * bend * give
    return phase, give, air


def hop_forward(p):
    phase, give, air = _hop(p, 1.55, p.between(0.09, 0.2))
    p.pose.leg_flexion += p.between(0, 22) * sine(phase)
    p.both("arm_flexion", p.between(-15, 25) + p.between(4, 45) * sine(phase + p.between(-0.1, 0.2)))
    p.both("forearm_flexion", p.between(5, 70))
    p.pose.forwards += _way(p, p.between(0.55, 0.95) * p.frequency / 1.55)


def hop_in_place(p):
    phase, give, air = _hop(p, 1.6, p.between(0.06, 0.2))
    p.both("arm_abduction", p.between(6, 14) + p.between(0, 16) * air)
    p.both("forearm_flexion", p.between(5, 70))


def gallop_sideways(p):
    phase, way = p.phase(1.75), 1 if p.chance(0.5) else -1
    opened, reach = there_and_back(phase), p.between(18, 32)
    # The leg in front opens first, the other follows.
    p.one("leg_abduction", 0 if way > 0 else 1, 2 + reach * opened)
    p.one("leg_abduction", 1 if way > 0 else 0, 2 + reach * there_and_back(phase - 0.12))
    p.both("shin_flexion", -5 - p.between(0, 18) * (1 - opened))
    p.both("arm_abduction", p.between(6, 40) + p.between(0, 35) * there_and_back(phase + p.between(0, 0.3)))
    p.both("forearm_flexion", p.between(5, 60))
    p.pose.lift += p.between(0.03, 0.09) * there_and_back(phase + 0.4)
    p.pose.sideways += way * _way(p, p.between(0.7, 1.2) * p.frequency / 1.75)


def jumping_jack(p):
    phase = p.phase(0.95)
    opened = there_and_back(phase)
    p.both("arm_abduction", 8 + p.between(125, 168) * opened)
    p.both("forearm_flexion", p.between(0, 15))
    p.both("leg_abduction", 3 + p.between(14, 30) * opened)
    p.pose.lift += p.between(0.03, 0.09) * flight(2 * phase)
    p.both("shin_flexion", -4 - p.between(4, 22) * crouch(2 * phase))


def star_jump(p):
    phase = p.phase(0.75)
    air, give = flight(phase), crouch(phase)
    p.both("arm_abduction", 8 + p.between(100, 150) * air)
    p.both("leg_abduction", 4 + p.between(28, 45) * air)
    p.both("leg_flexion", p.between(55, 85) * give)
    p.both("shin_flexion", -5 - p.between(80, 110) * give)
    p.pose.lean += 35 * give
    p.pose.lift += p.between(0.2, 0.32) * air


def _waving(p, side, phase):
    if p.waves_forearm:
        p.one("arm_abduction", side, p.raised - 40)
        p.one("forearm_abduction", side, p.reached - 10 + 1.2 * p.swings * sine(phase))
    else:
        p.one("arm_abduction", side, p.raised + p.swings * sine(phase))
        p.one("forearm_abduction", side, p.reached * 0.3)
    p.one("arm_flexion", side, p.ahead)
    p.one("forearm_flexion", side, 0)


def _way_of_waving(p):
    p.waves_forearm = p.chance(0.35)
    p.raised, p.swings = p.between(105, 145), p.between(18, 45)
    p.reached, p.ahead = p.between(20, 60), p.between(-5, 25)


def wave_one_arm(p):
    _way_of_waving(p)
    _waving(p, p.side(), p.phase(1.2))


def wave_both_arms(p):
    _way_of_waving(p)
    phase = p.phase(1.1)
    apart = 0.5 if p.chance(0.2) else 0.0
    _waving(p, 0, phase)
    _waving(p, 1, phase + apart)


def bend_down(p):
    down = there_and_back(p.phase(0.42)) ** p.between(0.7, 1.2)
    p.pose.lean += p.between(60, 112) * down
    give = p.between(0, 30)
    p.both("leg_flexion", (give - 6) * down)
    p.both("shin_flexion", -3 - 1.3 * give * down)
    p.each("arm_flexion", 2 + p.between(0, 35) * down, 2 + p.between(0, 35) * down)


def squat(p):
    down, deep = there_and_back(p.phase(0.6)), p.between(60, 112)
    p.pose.lean += p.between(15, 42) * down
    p.both("leg_flexion", deep * down)
    p.both("shin_flexion", -3 - deep * p.between(1.15, 1.45) * down)
    p.both("leg_abduction", p.between(3, 20))
    p.both("arm_flexion", p.between(0, 95) * down)


def _sitting(p, down):
    p.pose.lean += p.between(0, 10) * down + p.between(18, 42) * np.sin(np.pi * down)
    p.both("leg_flexion", p.between(76, 94) * down)
    p.both("shin_flexion", -3 - p.between(78, 96) * down)
    p.both("arm_flexion", p.between(5, 45) * down)
    p.both("forearm_flexion", 8 + p.between(0, 60) * down)


def sit_down(p):
    _sitting(p, p.step(1.0))


def stand_up(p):
    _sitting(p, 1 - p.step(1.0))


def turn_round(p):
    way = 1 if p.chance(0.5) else -1
    phase = p.phase(1.0)
    if p.chance(0.5):
        p.pose.turn += way * p.between(150, 360) * p.step(1.6, 0.5)
    else:
        p.pose.turn += way * p.between(110, 220) * (p.times - p.times[0]) * p.pace
    _legs_in_turn(p, phase, p.between(3, 10), 2, 6, p.between(8, 30))


def kick(p):
    phase, side = p.phase(0.8), p.side()
    up = np.maximum(0, sine(phase)) ** p.between(1, 2)
    p.one("leg_flexion", side, p.between(50, 100) * up - 18 * np.maximum(0, sine(phase + 0.25)) * (up == 0))
    p.one("shin_flexion", side, -5 - p.between(40, 80) * np.maximum(0, sine(phase + 0.2)) * (1 - up))
    p.pose.lean -= p.between(0, 16) * up
    p.each("arm_flexion", *(np.array([-1, 1]) * (1 if side else -1))[:, None] * p.between(5, 35) * up)
    p.both("arm_abduction", p.between(8, 35))


def punch(p):
    phase = p.phase(1.1)
    guard, elbow = p.between(15, 50), p.between(95, 130)
    both = p.chance(0.6)
    for side in (0, 1):
        out = np.maximum(0, sine(phase + 0.5 * side)) if both or side else np.zeros_like(phase)
        p.one("arm_flexion", side, guard + (88 - guard) * out)
        p.one("forearm_flexion", side, elbow * (1 - out))
    p.pose.twist += p.between(5, 25) * sine(phase)
    p.each("leg_flexion", p.between(5, 24), -p.between(5, 24))
    p.both("shin_flexion", -p.between(3, 18))


def clap(p):
    phase, reach = p.phase(1.5), p.between(15, 42)
    opened = there_and_back(phase)
    p.both("arm_flexion", p.between(35, 85) if p.chance(0.75) else p.between(140, 165))
    p.both("arm_abduction", reach * opened - 12)
    p.both("forearm_flexion", p.between(5, 70))
    p.both("forearm_abduction", -p.between(10, 25) + reach * 0.5 * opened)


def circle_arms(p):
    turned = 360 * p.phase(0.8) * (1 if p.chance(0.5) else -1)
    apart = 180 if p.chance(0.3) else 0
    p.both("forearm_flexion", 0)
    if p.chance(0.5):
        p.each("arm_flexion", turned, turned + apart)
        p.both("arm_abduction", p.between(5, 25))
    else:
        p.both("arm_abduction", turned)


def throw(p):
    phase, side = p.phase(0.65), p.side()
    within = phase % 1.0
    drawn = np.clip(within / 0.5, 0, 1)
    loosed = np.clip((within - 0.5) / 0.2, 0, 1)
    back = np.clip((within - 0.8) / 0.2, 0, 1)
    overhead = p.between(185, 235)
    p.one("arm_flexion", side, (2 + (overhead - 2) * drawn) * (1 - loosed) + 35 * loosed * (1 - back))
    p.one("forearm_flexion", side, 80 * drawn * (1 - loosed) + 10)
    p.one("arm_flexion", 1 - side, p.between(10, 60) * drawn * (1 - loosed))
    p.pose.lean += -12 * drawn * (1 - loosed) + p.between(8, 30) * loosed * (1 - back)
    p.pose.twist += (1 if side else -1) * (-30 * drawn * (1 - loosed) + 25 * loosed * (1 - back))
    p.one("leg_flexion", 1 - side, 12 + p.between(5, 30) * drawn * (1 - loosed))
    p.one("leg_flexion", side, -10)


def swing_with_both_hands(p):
    """As with a golf club or a bat: both hands go together from one side over to the other."""
    phase = p.phase(0.65)
    across = np.clip(1.4 * sine(phase), -1, 1) * (1 if p.chance(0.5) else -1)
    reach, ahead = p.between(55, 115), p.between(20, 65)
    p.both("arm_flexion", ahead)
    p.each("arm_abduction", reach * across - 8, -reach * across - 8)
    p.both("forearm_flexion", p.between(0, 20))
    p.pose.twist += p.between(20, 50) * across
    p.pose.lean += p.between(5, 32)
    p.both("leg_abduction", p.between(6, 16))


def push_up(p):
    bent = p.between(8, 15) + p.between(40, 55) * there_and_back(p.phase(0.65))
    reach = 0.31 * np.cos(np.radians(bent))
    raised = np.degrees(np.arcsin(np.clip(reach / 0.8, -1, 1)))
    p.pose.lean += 90 - raised
    p.both("leg_flexion", raised - 90)
    p.both("shin_flexion", 0)
    p.both("arm_flexion", -bent)
    p.both("forearm_flexion", 2 * bent)


def crawl(p):
    phase, reach = p.phase(0.85), p.between(14, 32)
    swing = reach * sine(phase)
    p.pose.lean += p.between(70, 85)
    p.each("arm_flexion", 10 - swing, 10 + swing)
    p.both("forearm_flexion", 5)
    p.each("leg_flexion", swing, -swing)
    p.pose.shin_flexion[:] = -88 - p.pose.leg_flexion
    p.pose.forwards += _way(p, p.between(0.25, 0.5) * p.pace)


def climb(p):
    phase = p.phase(0.75)
    for side in (0, 1):
        up = there_and_back(phase + 0.5 * side)
        p.one("arm_flexion", side, 95 + p.between(60, 80) * up)
        p.one("forearm_flexion", side, 60 * (1 - up) + 5)
        knee = there_and_back(phase + 0.5 * side + 0.5)
        p.one("leg_flexion", side, 8 + p.between(55, 85) * knee)
        p.one("shin_flexion", side, -8 - p.between(60, 95) * knee)
    p.pose.lift += 0.12 + p.between(0, 0.3) * p.pace * (p.times - p.times.mean())


def dance(p):
    phase = p.phase(0.8)
    p.pose.sideways += p.between(0.06, 0.2) * sine(phase)
    p.pose.turn += p.between(10, 50) * sine(phase + p.between(0, 1))
    p.pose.roll += p.between(5, 15) * sine(phase + p.between(0, 1))
    for side in (0, 1):
        p.one("arm_abduction", side, p.between(20, 100) + p.between(15, 50) * sine(phase + p.between(0, 1)))
        p.one("forearm_abduction", side, p.between(0, 80))
        p.one("leg_abduction", side, 4 + p.between(6, 22) * np.maximum(0, sine(phase + 0.5 * side)))
        p.one("shin_flexion", side, -5 - p.between(5, 35) * np.maximum(0, cosine(phase + 0.5 * side)))


def lunge(p):
    down, side = there_and_back(p.phase(0.55)), p.side()
    p.one("leg_flexion", side, 8 + p.between(55, 80) * down)
    p.one("shin_flexion", side, -5 - p.between(65, 85) * down)
    p.one("leg_flexion", 1 - side, -4 - p.between(15, 30) * down)
    p.one("shin_flexion", 1 - side, -5 - p.between(45, 65) * down)
    if p.chance(0.5):
        p.both("forearm_abduction", -p.between(60, 90))
        p.both("arm_abduction", p.between(35, 50))


def point(p):
    up, side = p.step(0.6), p.side()
    if p.chance(0.3):
        up = 1 - up
    p.one("arm_flexion", side, p.between(70, 100) * up)
    p.one("arm_abduction", side, 7 + p.between(-10, 70) * up)
    p.one("forearm_flexion", side, 8 * (1 - up))


def hand_to_face(p):
    up, side = p.step(0.7), p.side()
    if p.chance(0.4):
        up = there_and_back(p.phase(0.5))
    p.one("arm_flexion", side, p.between(25, 65) * up)
    p.one("forearm_flexion", side, 8 + p.between(95, 125) * up)
    p.one("arm_abduction", side, 7 + p.between(-5, 35) * up)


def fall_down(p):
    down = p.step(1.0) ** p.between(1, 2)
    way = 1 if p.chance(0.5) else -1
    p.pose.lean += way * p.between(80, 92) * down
    p.both("leg_flexion", -way * p.between(78, 92) * down + way * 45 * np.sin(np.pi * down))
    p.both("shin_flexion", -3 - p.between(30, 85) * np.sin(np.pi * down))
    p.both("arm_flexion", way * p.between(20, 120) * down)
    p.both("arm_abduction", 7 + p.between(0, 50) * down)


def bend_sideways(p):
    phase, reach = p.phase(0.55), p.between(18, 40)
    lean = sine(phase)
    p.pose.roll += reach * lean
    p.both("leg_abduction", p.between(4, 16))
    if p.chance(0.5):
        p.each("arm_abduction", 10 + 150 * np.maximum(0, -lean), 10 + 150 * np.maximum(0, lean))
    elif p.chance(0.5):
        p.both("arm_abduction", p.between(30, 50))
        p.both("forearm_abduction", -p.between(70, 95))


def twist(p):
    p.pose.twist += p.between(35, 75) * sine(p.phase(0.65))
    p.both("arm_abduction", p.between(50, 95))
    p.both("forearm_flexion", p.between(0, 20))
    p.both("leg_abduction", p.between(4, 14))


def raise_arms(p):
    up = p.step(0.9) if p.chance(0.5) else there_and_back(p.phase(0.45))
    name = "arm_flexion" if p.chance(0.5) else "arm_abduction"
    p.both(name, 7 + p.between(130, 170) * up)
    p.both("forearm_flexion", 8 * (1 - up))


def shoot_ball(p):
    phase = p.phase(0.7)
    up, give = np.clip(1.5 * there_and_back(phase), 0, 1), there_and_back(phase + 0.35)
    p.both("arm_flexion", 25 + p.between(105, 140) * up)
    p.both("forearm_flexion", 110 - 95 * up)
    p.both("leg_flexion", p.between(15, 40) * give)
    p.both("shin_flexion", -5 - p.between(30, 70) * give)
    p.pose.lift += p.between(0.04, 0.16) * np.maximum(0, sine(phase - 0.3))


def lift(p):
    """Something heavy, from the ground to above the head."""
    phase = p.phase(0.42)
    up = there_and_back(phase)
    low = np.clip(1 - 2 * up, 0, 1)
    p.pose.lean += p.between(35, 70) * low
    p.both("leg_flexion", p.between(45, 95) * low)
    p.both("shin_flexion", -4 - p.between(60, 110) * low)
    p.both("arm_flexion", 20 + p.between(125, 155) * np.clip(2 * up - 1, 0, 1))
    p.both("forearm_flexion", 5 + 110 * np.clip(1 - np.abs(2.4 * up - 1.2) / 0.8, 0, 1))


def gesture(p):
    for side in (0, 1):
        p.one("arm_flexion", side, p.between(5, 35) + p.between(0, 15) * sine(p.phase(0.8) + p.between(0, 1)))
        p.one("forearm_flexion", side, p.between(50, 95) + p.between(10, 32) * sine(p.phase(1.0) + p.between(0, 1)))
        p.one("forearm_abduction", side, p.between(-20, 25) * sine(p.phase(0.7) + p.between(0, 1)))


MOTIONS = {
    "BendDown": bend_down, "BendSideways": bend_sideways, "CircleArms": circle_arms, "Clap": clap, "Climb": climb,
    "Crawl": crawl, "Dance": dance, "FallDown": fall_down, "GallopSideways": gallop_sideways, "Gesture": gesture,
    "HandToFace": hand_to_face, "HopForward": hop_forward, "HopInPlace": hop_in_place, "JumpingJack": jumping_jack,
    "Kick": kick, "Lift": lift, "Lunge": lunge, "March": march, "Point": point, "Punch": punch, "PushUp": push_up,
    "RaiseArms": raise_arms, "Run": run, "RunInPlace": run_in_place, "ShootBall": shoot_ball, "SitDown": sit_down,
    "SkipOnOneLeg": skip_on_one_leg, "Squat": squat, "Stand": stand, "StandUp": stand_up, "StarJump": star_jump,
    "SwingWithBothHands": swing_with_both_hands, "Throw": throw, "TurnRound": turn_round, "Twist": twist,
    "Walk": walk, "WalkBackwards": walk_backwards, "WaveBothArms": wave_both_arms, "WaveOneArm": wave_one_arm,
}  # fmt: skip
NAMES = sorted(MOTIONS)


def perform(name, times, pace, generator):
    """The pose over time of a person who does this motion, with the person's own habits."""
    performance = Performance(times, pace, generator)
    MOTIONS[name](performance)
    pose = performance.pose
    for joint in pose.joints():
        joint += generator.normal(0, 2.5, (2, 1))
        slow = generator.uniform(0.2, 1.2, (2, 1)) * times + generator.random((2, 1))
        joint += generator.normal(0, 1.5, (2, 1)) * sine(slow)
    pose.lean += generator.normal(0, 2.0)
    pose.roll += generator.normal(0, 1.5)
    return pose
