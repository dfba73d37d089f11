"""Bicycles and motorcycles."""

import math

import numpy as np

from keras_imas.data.scenes.bodies import moving
from keras_imas.data.scenes.classes import BICYCLE, MOTORCYCLE
from keras_imas.data.scenes.people import rider
from keras_imas.data.scenes.shapes import DISC, locate, numbers

_BICYCLE_FRAME = numbers(
    "-0.53 0.34 -0.1 0.32 0.03, -0.53 0.34 -0.18 0.85 0.03, -0.1 0.32 -0.2 0.92 0.03,"
    "-0.1 0.32 0.36 0.82 0.03, -0.17 0.8 0.36 0.84 0.03, 0.53 0.34 0.34 1 0.03,"
    "-0.3 0.95 -0.1 0.95 0.05"
)

_MOTORCYCLE_FRAME = numbers(
    "0.65 0.3 0.42 1 0.05, -0.2 0.4 0.3 0.4 0.16, -0.1 0.5 0.45 0.75 0.2,"
    "-0.75 0.7 0.1 0.72 0.12"
)


def cyclist(rng, place, weather):
    """A bicycle and its rider."""
    return cycle(rng, place, weather, motor=False, ridden=True)


def motorcyclist(rng, place, weather):
    """A motorcycle and its rider."""
    return cycle(rng, place, weather, motor=True, ridden=True)


def cycle(rng, place, weather, motor, ridden):
    """A bicycle or motorcycle, with or without its rider."""
    frame = rng.uniform(20, 200, 3) if rng.random() < 0.6 else np.full(3, 40.0)
    label = MOTORCYCLE if motor else BICYCLE
    base, radius, tire = (0.68, 0.31, 0.08) if motor else (0.53, 0.34, 0.025)
    rods, black = _MOTORCYCLE_FRAME if motor else _BICYCLE_FRAME, (32, 32, 34)
    bar, toward = 1.03, math.cos(place[2]) < -0.5
    paint_rider = rider(rng, place, motor, bar)

    def paint(canvas):
        def limb(start, end, thick, color, glow=0.0):
            start, end = locate(place, *np.transpose([start, end]))
            canvas.limb(start, end, thick, color, label, glow)

        for along in (-base, base) if toward else (base, -base):
            rim = DISC * radius + (along, radius)
            rim = locate(place, rim[:, 0], 0.0, rim[:, 1])
            canvas.polygon(rim, black if motor else None, label)
            for a, b in zip(rim, np.roll(rim, -1, 0), strict=True):
                canvas.limb(a, b, tire, black, label)
        for k, (a0, y0, a1, y1, thick) in enumerate(rods):
            color = black if k in (3, 6) else frame
            limb((a0, 0, y0), (a1, 0, y1), thick, color)
        limb((0.36, -0.28, bar), (0.36, 0.28, bar), 0.03, black)
        spot = (base - 0.2, 0.0, 0.85) if toward else (-base - 0.1, 0.0, 0.72)
        color = (250, 245, 225) if toward else (205, 26, 28)
        limb(spot, spot, 2 * tire**0.6 / 5, color, 0.7 * weather.lamps * ridden)
        if ridden:
            paint_rider(canvas)

    return moving(place, -base, base, 0.4, 1.4 if ridden else 0.7, paint)
