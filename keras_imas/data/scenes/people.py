"""Pedestrians and riders."""

import math

import numpy as np

from keras_imas.data.scenes.classes import PERSON, RIDER
from keras_imas.data.scenes.item import Item
from keras_imas.data.scenes.shapes import locate, numbers, upright

_SKINS = [(226, 184, 156), (196, 146, 112), (140, 98, 72), (92, 64, 50)]

_CANOPY = numbers("-0.4 0, 0.7 0, 0.5 0.28, 0.15 0.38, -0.2 0.28")


def person(rng, x, z, weather):
    """A pedestrian, standing or walking."""
    skin, hair, top, trousers = _clothes(rng)
    scale = rng.uniform(0.93, 1.1) * (0.65 if rng.random() < 0.08 else 1.0)
    stride, sway, broad = rng.uniform((-0.28, 0.14, 0.14), (0.28, 0.26, 0.19))
    skirt, bag, umbrella = rng.random(3) < (0.15, 0.25, 0.4 * (weather.kind == "rain"))
    canopy, bag_color = rng.uniform(25, 220, 3), rng.uniform(30, 160, 3)

    def paint(canvas):
        def limb(x0, y0, x1, y1, radius, color):
            start = (x + x0 * scale, y0 * scale, z)
            end = (x + x1 * scale, y1 * scale, z)
            canvas.limb(start, end, radius * scale, color, PERSON)

        for sign in (-1, 1):
            foot = sign * (0.07 + stride)
            limb(sign * 0.07, 0.85, foot, 0.1, 0.075, trousers)
            limb(foot, 0.05, foot + 0.06, 0.05, 0.055, (36, 32, 32))
        if skirt:
            limb(0, 0.95, 0, 0.6, 0.19, top)
        for sign in (-1, 1):
            elbow, hand = sign * (0.2 + sway / 3), sign * (0.1 + sway)
            limb(sign * broad, 1.38, elbow, 1.1, 0.055, top * 0.85)
            limb(elbow, 1.1, hand, 0.85, 0.045, top * 0.85)
        limb(0, 0.92, 0, 1.36, broad, top)
        if bag:
            limb(0.22, 0.75, 0.24, 0.95, 0.13, bag_color)
        limb(0, 1.45, 0, 1.52, 0.06, skin)
        limb(0, 1.6, 0, 1.64, 0.105, skin)
        limb(0, 1.68, 0, 1.7, 0.1, hair)
        if umbrella:
            limb(0.2, 1.0, 0.15, 2.0, 0.015, (40, 40, 40))
            canvas.polygon(upright(_CANOPY + (x, 1.85), z), canopy, PERSON)

    return Item(z, paint, (x - 0.25, x + 0.25, z - 0.2, z + 0.2), 1.6 * scale)


def rider(rng, place, motor, bar):
    """Return a function that paints the rider of a cycle."""
    skin, hair, top, trousers = _clothes(rng)
    helmet = rng.uniform(30, 230, 3) if motor or rng.random() < 0.4 else hair
    seat, pedal = 0.82 if motor else 0.98, rng.uniform(-0.12, 0.12)

    def paint(canvas):
        def limb(start, end, thick, color):
            start, end = locate(place, *np.transpose([start, end]))
            canvas.limb(start, end, thick, color, RIDER)

        for sign in (1, -1) if math.sin(place[2]) > 0 else (-1, 1):
            turn = pedal * sign
            knee = (0.15 + turn, 0.14 * sign, seat - 0.28 + 0.5 * turn)
            shoulder, hand = (0.12, 0.2 * sign, seat + 0.5), (0.34, 0.26 * sign, bar)
            limb((-0.2, 0.1 * sign, seat), knee, 0.085, trousers)
            limb(knee, (turn - 0.02, 0.13 * sign, 0.28 + 0.9 * turn), 0.065, trousers)
            limb(shoulder, hand, 0.055, top * 0.85)
        limb((-0.2, 0, seat + 0.08), (0.08, 0, seat + 0.46), 0.17, top)
        limb((0.16, 0, seat + 0.7), (0.17, 0, seat + 0.75), 0.11, skin)
        crown = (0.14, 0, seat + 0.8)
        limb(crown, crown, 0.12 if motor else 0.1, helmet)

    return paint


def _clothes(rng):
    """Colors of skin, hair, top and trousers."""
    skin = np.array(_SKINS[rng.choice(4, p=[0.5, 0.25, 0.15, 0.1])])
    hair = np.array([38, 32, 30]) + rng.uniform(0, 90) * np.array([1, 0.75, 0.45])
    colorful, dark = rng.uniform(25, 230, 3), np.full(3, rng.uniform(25, 120))
    trousers = np.array([52, 58, 78]) * rng.uniform(0.5, 1.9) + rng.normal(0, 8, 3)
    return skin, hair, colorful if rng.random() < 0.5 else dark, trousers
