"""Walls, fences and hedges between the street and the lots beside it."""

import numpy as np

from keras_imas.data.scenes.camera import NEAR
from keras_imas.data.scenes.chance import choose
from keras_imas.data.scenes.classes import FENCE, VEGETATION, WALL
from keras_imas.data.scenes.item import Item
from keras_imas.data.scenes.plants import leaves


def boundary(rng, street, side):
    """A wall, fence or hedge along the side of the street, in pieces of 4 m."""
    x, height = side.sign * side.edge, rng.uniform(0.8, 2.2)
    tall = side.boundary == "wall" and street.theme == "arterial"
    height = rng.uniform(2.2, 4.5) if tall else height
    palette = {
        "wall": [(150, 145, 136), (142, 92, 72), (186, 178, 160), (108, 106, 102)],
        "fence": [(70, 78, 72), (122, 92, 62), (168, 170, 172), (205, 202, 194)],
        "hedge": [(58, 82, 40), (70, 92, 44), (48, 70, 44)],
    }[side.boundary]
    tint = np.array(palette[rng.integers(len(palette))]) + rng.normal(0, 9, 3)
    style = choose(rng, {"bars": 3, "mesh": 2, "boards": 2, "rails": 1})
    items, start = [], rng.uniform(-4, 0)
    while start < min(street.end, 110):
        low, high, start = max(start, NEAR), start + 4, start + 4
        if not (street.free(low) and street.free(high)) or high <= NEAR:
            continue
        if street.theme == "residential" and rng.random() < 0.07:
            continue  # a gate
        seed = int(rng.integers(2**31))

        def paint(canvas, low=low, high=high, seed=seed):
            local = np.random.default_rng(seed)
            if side.boundary == "hedge":
                _hedge(canvas, local, x, side.sign, height, low, high, tint)
            elif side.boundary == "wall":
                _wall(canvas, local, x, side.sign, height, low, high, tint)
            else:
                _fence(canvas, x, side.sign, height, low, high, tint, style)

        reach = (min(x, x + 0.3 * side.sign), max(x, x + 0.3 * side.sign))
        items.append(Item(high, paint, (*reach, low, high), height))
    return items


def _panel(x, bottom, top, start, end):
    """An upright rectangle along the street."""
    return [(x, bottom, start), (x, bottom, end), (x, top, end), (x, top, start)]


def _wall(canvas, rng, x, side, height, start, end, tint):
    normal = (-side, 0, 0)
    face = [_panel(x, 0, height, start, end)]
    end_face = [(x, 0, start), (x + side * 0.3, 0, start)]
    end_face += [(x + side * 0.3, height, start), (x, height, start)]
    canvas.polygon(end_face, tint, WALL, (0, 0, -1))
    canvas.quads(face, tint + rng.normal(0, 3), WALL, normal)
    rows = np.arange(0.35, height, 0.45)
    joints = [_panel(x, y, y + 0.05, start, end) for y in rows]
    joints += [_panel(x, 0, height, z, z + 0.07) for z in (start, (start + end) / 2)]
    canvas.quads(np.array(joints), tint * 0.82, None, normal)
    canvas.quads([_panel(x, height - 0.12, height, start, end)], tint * 1.12, None)
    if rng.random() < 0.15:  # graffiti
        low, color = rng.uniform(0.2, 0.5) * height, rng.uniform(20, 235, 3)
        scrawl = _panel(x, low, low + 0.35 * height, start + 0.6, end - 0.8)
        canvas.quads([scrawl], color, None, normal)


def _fence(canvas, x, side, height, start, end, tint, style):
    canvas.polygon(_panel(x, 0, height, start, end), None, FENCE)
    normal = (-side, 0.2, -0.5)
    posts = [_panel(x, 0, height * 1.04, z, z + 0.12) for z in (start, end)]
    rails = [_panel(x, height - 0.1, height, start, end)]
    step, width = {"bars": (0.3, 0.07), "mesh": (0.18, 0.03)}.get(style, (0.4, 0.32))
    if style == "rails":
        rails += [_panel(x, y, y + 0.14, start, end) for y in (0.3, height * 0.6)]
    else:
        rails += [_panel(x, 0.15, 0.22, start, end)]
        bars = np.arange(start, end, max(step, start / 100))
        posts += [_panel(x, 0.1, height, z, z + width) for z in bars]
    if style == "mesh":
        wires = np.arange(0.3, height, 0.3)
        rails += [_panel(x, y, y + 0.03, start, end) for y in wires]
    canvas.quads(np.array(posts), tint * 0.9, FENCE, normal)
    canvas.quads(np.array(rails), tint, FENCE, normal)


def _hedge(canvas, rng, x, side, height, start, end, tint):
    canvas.polygon(_panel(x, 0, height * 0.9, start, end), tint * 0.7, VEGETATION)
    count = int(np.clip(500 / start, 10, 70))
    spots = rng.uniform((0, 0.15, start), (0.4, height, end), (count, 3))
    spots[:, 0] = x + side * spots[:, 0]
    leaves(canvas, rng, spots, rng.uniform(0.1, 0.24, count), tint)
