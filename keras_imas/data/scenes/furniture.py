"""Street furniture: poles, signs, traffic lights and clutter."""

import numpy as np

from keras_imas.data.scenes.bodies import extrude
from keras_imas.data.scenes.classes import (
    IGNORE_CLASS,
    POLE,
    TRAFFIC_LIGHT,
    TRAFFIC_SIGN,
)
from keras_imas.data.scenes.item import Item
from keras_imas.data.scenes.shapes import DISC, numbers, rectangle, upright

_WHITE, _RED, _BLUE, _GOLD = np.array(
    [(235, 235, 230), (190, 30, 36), (30, 80, 165), (235, 190, 40)]
)
_SIGNS = [  # outline around the origin, rim, face
    (DISC, _RED, _WHITE),
    (DISC, _WHITE, _BLUE),
    (DISC[::2], _WHITE, _RED),
    (numbers("-1 -0.8, 1 -0.8, 0 1"), _RED, _WHITE),
    (numbers("-1 0.8, 1 0.8, 0 -1"), _RED, _WHITE),
    (numbers("-1 0, 0 -1, 1 0, 0 1"), _WHITE, _GOLD),
    (rectangle(-1, -1, 1, 1), _WHITE, _BLUE),
    (rectangle(-2, -0.6, 2, 0.6), _WHITE, _GOLD),
    (rectangle(-2, -0.6, 2, 0.6), _WHITE, (40, 110, 70)),
]


def pole(rng, side, x, z, weather):
    """A street lamp, or a plain pole."""
    height, lamp = rng.uniform(4.5, 9), rng.random() < 0.7
    gray = np.full(3, rng.uniform(55, 165)) + rng.normal(0, 6, 3)
    reach = -side * rng.uniform(0.6, 2.2)
    thick = rng.uniform(0.05, 0.11)

    def paint(canvas):
        canvas.limb((x, 0, z), (x, height, z), thick, gray, POLE)
        canvas.limb((x, 0, z), (x, 0.9, z), thick * 1.5, gray, POLE)
        if lamp:
            tip = (x + reach, height + 0.3, z)
            canvas.limb((x, height, z), tip, thick * 0.7, gray, POLE)
            end = (x + reach * 1.25, height + 0.3, z)
            on = canvas.weather.lamps >= 0.8
            color = (255, 225, 165) if on else gray
            canvas.limb(tip, end, 0.1, color, POLE, 1.0 if on else 0.0)

    lit = (x + reach, z) if lamp and weather.lamps >= 0.8 else None
    return Item(z, paint, (x - 0.06, x + 0.06, z - 0.06, z + 0.06), height, lit)


def bollard(x, z, gray):
    """A post on the kerb."""

    def paint(canvas):
        canvas.limb((x, 0, z), (x, 0.9, z), 0.06, gray, POLE)

    return Item(z, paint, (x, x, z, z))


def sign(rng, x, z):
    """Traffic signs on a pole; some are seen from behind."""
    height, size = rng.uniform(2.1, 3.2), rng.uniform(0.28, 0.48)
    picks = rng.integers(len(_SIGNS), size=1 + int(rng.random() < 0.35))
    behind, symbol = rng.random() < 0.2, rng.random() < 0.7

    def paint(canvas):
        canvas.limb((x, 0, z), (x, height, z), 0.04, (135, 136, 138), POLE)
        y = height
        for pick in picks:
            outline, rim, face = _SIGNS[pick]
            rim, face = ((128,) * 3, (140,) * 3) if behind else (rim, face)
            canvas.polygon(upright(outline * size + (x, y), z), rim, TRAFFIC_SIGN)
            canvas.polygon(upright(outline * size * 0.78 + (x, y), z), face, None)
            if symbol and not behind:
                ink = np.subtract(255, face) // 3
                inner = outline * size * (0.2, 0.45) + (x, y)
                canvas.polygon(upright(inner, z), ink, None)
            y -= 2.0 * size

    return Item(z, paint, (x, x, z, z))


def gantry(rng, x, z, span):
    """Boards over the road, with directions."""
    color, steel = rng.uniform((20, 70, 60), (50, 110, 160)), (140, 142, 145)

    def paint(canvas):
        for post in (x, x + span):
            canvas.limb((post, 0, z), (post, 6.6, z), 0.16, steel, POLE)
        canvas.limb((x, 6.2, z), (x + span, 6.2, z), 0.14, steel, POLE)
        for low in np.arange(0.08, 0.8, 0.34) * span + x:
            board = rectangle(low, 5.4, low + 0.3 * span, 7.4)
            canvas.polygon(upright(board, z - 0.2), color, TRAFFIC_SIGN)
            for y in (5.9, 6.6):
                text = rectangle(low + 0.05 * span, y, low + 0.22 * span, y + 0.25)
                canvas.polygon(upright(text, z - 0.2), _WHITE, None)

    return Item(z, paint)


def traffic_light(rng, x, z, side):
    """Traffic lights on a pole, and above the road on an arm."""
    arm = rng.uniform(2.5, 5) if rng.random() < 0.35 else 0.0
    case, gray = rng.choice([28, 45, 130]) + rng.normal(0, 4, 3), rng.uniform(60, 150)
    state, behind = int(rng.integers(3)), rng.random() < 0.2
    heads = [(x - side * 0.2, 2.7)] + ([(x - side * arm, 5.6)] if arm else [])

    def paint(canvas):
        canvas.limb((x, 0, z), (x, 6.0 if arm else 3.4, z), 0.08, (gray,) * 3, POLE)
        if arm:
            canvas.limb((x, 6, z), (x - side * arm, 6, z), 0.06, (gray,) * 3, POLE)
        for head in heads:
            box = rectangle(-0.2, -0.52, 0.2, 0.52) + head
            canvas.polygon(upright(box, z), case, TRAFFIC_LIGHT)
            for k in range(0 if behind else 3):
                lamp = np.array(((235, 45, 35), (245, 170, 40), (60, 225, 140))[k])
                disc = upright(0.13 * DISC + head + (0, 0.33 - 0.33 * k), z)
                color = lamp if k == state else lamp // 6 + 18
                canvas.polygon(disc, color, None, glow=0.9 * (k == state))

    return Item(z, paint)


def clutter(rng, x, z):
    """A bin, bench or box on the sidewalk, which Cityscapes does not score."""
    width, height, deep = rng.uniform((0.35, 0.5, 0.35), (0.9, 1.1, 0.7))
    color = rng.uniform(40, 130, 3)
    profile = rectangle(-deep / 2, 0, deep / 2, height)[[0, 3, 2, 1]]

    def paint(canvas):
        extrude(canvas, (x, z, 0.0), profile, width, IGNORE_CLASS, color)

    return Item(z, paint, (x - width / 2, x + width / 2, z - deep / 2, z + deep / 2))
