"""Cars, trucks, buses and trams."""

import math

import numpy as np

from keras_imas.data.scenes.bodies import extrude, moving
from keras_imas.data.scenes.camera import NEAR
from keras_imas.data.scenes.chance import choose
from keras_imas.data.scenes.classes import BUS, CAR, IGNORE_CLASS, TRAIN, TRUCK
from keras_imas.data.scenes.shapes import DISC, numbers, rectangle

_PAINTS = numbers(
    "38 40 44, 38 40 44, 62 64 68, 62 64 68, 128 130 134, 128 130 134, 178 180 184,"
    "178 180 184, 226 226 224, 226 226 224, 150 28 30, 34 58 110, 60 84 120, 72 92 72,"
    "170 150 110, 196 120 40, 88 50 44"
)

_LIVERIES = numbers(
    "205 170 50, 170 38 40, 222 222 218, 40 90 150, 60 120 80, 200 110 50, 180 182 186"
)

_GLASS, _DISPLAY = (44, 52, 60), (235, 190, 40)

# (back, height) pairs from the lower back to the lower front; strip 2 or 1 is the rear
# window and the strip after the roof the windscreen.
_CARS = {
    "sedan": "-2.25 0.3, -2.25 0.92, -1.6 1, -0.9 1.43, 0.35 1.45, 1.15 0.98,"
    "2.15 0.82, 2.25 0.3",
    "hatch": "-1.95 0.3, -2 0.85, -1.95 0.95, -1.5 1.46, 0.4 1.5, 1.2 1,"
    "1.9 0.82, 1.95 0.3",
    "suv": "-2.2 0.38, -2.25 0.95, -2.2 1.08, -1.85 1.66, 0.35 1.7, 1.1 1.12,"
    "2.15 1, 2.2 0.38",
    "van": "-2.4 0.32, -2.42 0.95, -2.4 1.1, -2.3 1.92, 1.2 1.95, 1.85 1.15,"
    "2.4 0.95, 2.45 0.32",
}


def car(rng, place, weather):
    """A car."""
    kind = choose(rng, {"sedan": 4, "hatch": 4, "suv": 3, "van": 1})
    profile = numbers(_CARS[kind]) * rng.uniform((0.93, 0.96), (1.1, 1.06))
    color = _PAINTS[rng.integers(len(_PAINTS))] + rng.normal(0, 8, 3)
    color = rng.uniform(30, 220, 3) if rng.random() < 0.06 else color
    dark, (reach, low) = (34, 34, 36), profile[-1]
    (b2, y2), (b3, y3), (f4, _), (f5, y5) = profile[2:6]
    ends = [(k, 0.06, 0.08, 0.94, 0.9, _GLASS, 0) for k in (2, 4)]
    ends += [(0, 0.36, 0.45, 0.64, 0.63, (215, 215, 210), 0)]
    ends += [(0, 0, 0, 1, 0.2, dark, 0), (6, 0, 0.78, 1, 1, dark, 0)]
    ends += [(6, 0.3, 0.25, 0.7, 0.5, dark, 0), *_lights(weather, 0, 6, 0.62, 0.92)]
    sill, roof, pillar = max(y2, y5) + 0.02, y3 - 0.07, (b3 + f4) / 2
    rear = rectangle(b2 + 0.25, sill, pillar - 0.05, roof)
    front = rectangle(pillar + 0.05, sill, f5 - 0.25, roof)
    rear[3, 0], front[2, 0] = b3 + 0.1, f4 - 0.05
    rocker = rectangle(-reach, low, reach, low + 0.1)
    flanks = [(rear, _GLASS, 0), (front, _GLASS, 0), (rocker, color * 0.5, 0)]
    flanks += _wheels((-0.63 * reach, 0.66 * reach), 0.33)
    body = profile, rng.uniform(1.7, 1.95), CAR, color, ends, flanks, 0.28
    return _vehicle(place, [body])


def truck(rng, place, weather):
    """A truck."""
    box, height, cab = rng.uniform((4.2, 2.8, 2.3), (9.5, 3.9, 3.0))
    rear, dark = -box / 2 - 1, (45, 45, 48)
    nose, front = rear + box, rear + box + 2.1
    color = _PAINTS[rng.integers(len(_PAINTS))] * 0.7 + rng.uniform(30, 70, 3)
    cargo = _LIVERIES[rng.integers(len(_LIVERIES))] + rng.normal(0, 12, 3)
    lights = _lights(weather, 0, 3, 0.1, 0.35, 0.15)
    load = rectangle(rear, 0.9, nose, height)[[0, 3, 2, 1]]
    chassis = rectangle(rear, 0.5, nose, 0.9)[[0, 3, 2, 1]]
    doors = [(0, 0.49, 0, 0.51, 1, cargo * 0.6, 0), (0, 0, 0, 1, 0.04, cargo * 0.5, 0)]
    logo = rectangle(rear + 0.5, height * 0.5, nose - 0.5, height * 0.7)
    logo = [(logo, rng.uniform(20, 230, 3), 0)] if rng.random() < 0.6 else []
    outline = [(nose, 0.45), (nose, cab), (front - 0.3, cab), (front, 1.5)]
    outline += [(front, 0.45)]
    screen = [(2, 0.06, 0.1, 0.94, 0.95, _GLASS, 0), *lights[1::2]]
    window = [(rectangle(nose + 0.6, 1.5, front - 0.4, cab - 0.2), _GLASS, 0)]
    parts = [
        (chassis, 2.3, TRUCK, dark, lights[::2], _wheels((rear + 0.9, rear + 2), 0.48)),
        (load, 2.5, TRUCK, cargo, doors, logo),
        (outline, 2.3, TRUCK, color, screen, window + _wheels([front - 1.1], 0.48)),
    ]
    return _vehicle(place, [parts[2], *parts[:2]] if math.cos(place[2]) > 0 else parts)


def bus(rng, place, weather):
    """A bus."""
    return _coach(rng, place, weather, BUS, rng.uniform(9, 13), 3.05, 0.0)


def tram(rng, place, weather):
    """A tram."""
    return _coach(rng, place, weather, TRAIN, rng.uniform(20, 32), 3.5, 0.7)


def _coach(rng, place, weather, label, long, height, slant):
    """A bus or, with slanted ends and no wheels in sight, a tram."""
    color = _LIVERIES[rng.integers(len(_LIVERIES))] + rng.normal(0, 12, 3)
    reach, low, belt = long / 2, 0.35 if label == BUS else 0.2, rng.uniform(1.1, 1.4)
    profile = [(-reach, low), (-reach, belt), (slant - reach, height)]
    profile += [(reach - slant, height), (reach, belt), (reach + 0.02, low)]
    lit = weather.lamps * 0.22
    glass = np.array((225, 210, 175) if lit else _GLASS)
    tint = color * 0.55 if rng.random() < 0.5 else np.full(3, 228.0)
    flanks = [(rectangle(-reach, low + 0.3, reach, low + 0.6), tint, 0)]
    for start in np.arange(slant + 0.4 - reach, reach - slant - 1.2, 1.55):
        sill = low + 0.2 if rng.random() < 0.25 else belt  # a door, or a window
        flanks.append((rectangle(start, sill, start + 1.4, height - 0.5), glass, lit))
    ends = [
        (1, 0.08, 0.02, 0.92, 0.75, glass, lit),
        (1, 0.2, 0.8, 0.8, 0.95, _DISPLAY, 0.3),
        (3, 0.08, 0.22, 0.92, 0.95, glass, lit),
        (3, 0.2, 0.06, 0.8, 0.18, _DISPLAY, 0.3),
        *_lights(weather, 0, 4, 0.15, 0.35, 0.14),
    ]
    if label == BUS:
        flanks += _wheels((-reach * 0.55, reach * 0.58), 0.48)
    return _vehicle(place, [(profile, 2.5, label, color, ends, flanks, 0.03)])


def _vehicle(place, bodies):
    """A vehicle of one or more bodies, far to near, as `extrude` takes them."""

    def paint(canvas):
        for body in bodies:
            extrude(canvas, place, *body)

    along, up = np.concatenate([body[0] for body in bodies]).T
    return moving(place, along.min(), along.max(), bodies[0][1], up.max() * 0.8, paint)


def _wheels(spots, radius):
    """Flank details for wheels; a negative glow labels them, as they stand out."""
    details = []
    for along in spots:
        disc = DISC * radius + (along, radius)
        details.append((disc, (22, 22, 24), -1))
        details.append((DISC * radius * 0.55 + (along, radius), (120, 122, 125), 0))
    return details


def _lights(weather, first, last, low, high, share=0.2):
    """End details for the tail lights on strip `first` and headlights on `last`."""
    on = weather.lamps
    back, front = (200, 24, 26) if on else (150, 25, 28), (250, 246, 225)
    details = []
    for left, right in ((0.03, 0.03 + share), (0.97 - share, 0.97)):
        details.append((first, left, low, right, high, back, 0.45 * on))
        # The front is listed from the top down.
        details.append((last, left, 1 - high, right, 1 - low, front, 1.0 * on))
    return details


def paint_bonnet(rng, canvas):
    """The bonnet of the camera's own car, at the bottom edge."""
    height, width = canvas.camera.height, canvas.camera.width
    rise, turn = rng.uniform(0.03, 0.1) * height, np.linspace(0, math.pi, 24)
    color = np.array([40, 42, 46]) * rng.uniform(0.6, 2.2)
    for share in (1.0, 0.7, 0.35):
        column = width * (0.5 + 0.56 * np.cos(turn))
        row = height + 2 - share * rise * (0.4 + 0.75 * np.sin(turn) ** 0.6)
        row[[0, -1]] = height + 2
        outline = np.stack([column, row], -1).ravel().tolist()
        tint = (color * (1.5 - 0.5 * share)).astype(int).tolist()
        canvas.shape(outline, NEAR, (*tint, 0), IGNORE_CLASS)
