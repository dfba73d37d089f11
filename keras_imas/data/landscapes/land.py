"""Where things are: fields, trees, water, roads and houses, in any season."""

from dataclasses import dataclass

import numpy as np

from keras_imas.data.landscapes.textures import Cutter

FIELD, TREES, WATER, ROAD, HOUSE = range(5)
SAMPLES = 2  # a pixel, across and down

_MARGIN = 3.0  # pixels that trees keep from water
_MOST_PARCELS = 16  # in a strip, and strips


@dataclass
class Land:
    """A piece of land seen from above, `(H, W)` samples, lengths in pixels.

    Attributes:
        labels: Class of each sample.
        parcel: Number of the field.
        edge: Distance to the edge of the field.
        along: Coordinate along the field.
        across: Coordinate across it.
        shore: Distance from the water, negative within.
        road: Distance from the middle of the road, in halves of its width.
        crowns: `Crowns`.
        crown: Whether a sample is of a crown; other samples of trees are what
            is under them.
        roof: Position across the roof of a house, -1..1.
        house: Number of the house.
        tall: Whether it casts a shadow.
    """

    labels: np.ndarray
    parcel: np.ndarray
    edge: np.ndarray
    along: np.ndarray
    across: np.ndarray
    shore: np.ndarray
    road: np.ndarray
    crowns: object
    crown: np.ndarray
    roof: np.ndarray
    house: np.ndarray
    tall: np.ndarray


def plan_land(rng, size):
    """Draw where things are.

    Args:
        rng: `numpy.random.Generator`.
        size: Pixels of a side.

    Returns:
        `Land`.
    """
    side = size * SAMPLES
    cut = Cutter(rng, side)
    at = (np.arange(side, dtype="float32") + 0.5) / SAMPLES
    x, y = np.meshgrid(at, at)
    bend = cut.noise(60)
    shore = _shore(rng, x, y, size, cut)
    road, paths = _roads(rng, x, y, size)
    parcel, edge, along, across = _parcels(rng, x + 1.5 * bend, y - 1.5 * bend, size)
    labels = np.full((side, side), FIELD, "uint8")
    labels[shore < 0] = WATER
    roof, house, garden = _houses(rng, x, y, paths, shore, road)
    crowns = cut.crowns()
    trees, crown = _trees(rng, cut, crowns, shore, road, house, garden, edge)
    labels[trees] = TREES
    labels[road < 1] = ROAD
    labels[house >= 0] = HOUSE
    crown &= labels == TREES
    return Land(
        labels,
        parcel,
        edge,
        along,
        across,
        shore,
        road,
        crowns,
        crown,
        roof,
        house,
        crown | (house >= 0),
    )


def _turned(rng, x, y, size):
    """Return coordinates around the middle, turned by a random angle."""
    angle = rng.uniform(0, 2 * np.pi)
    x, y = x - np.float32(size / 2), y - np.float32(size / 2)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return x * cos + y * sin, y * cos - x * sin, angle


def _parcels(rng, x, y, size):
    """Divide the land into strips, and strips into fields."""
    u, v, _ = _turned(rng, x, y, size)
    reach = size * 0.75
    ends = -reach + np.cumsum(rng.uniform(24, 46, _MOST_PARCELS))
    ends = np.concatenate([[-2 * reach], ends]).astype("float32")
    cuts = -reach + np.cumsum(rng.uniform(28, 64, (len(ends), _MOST_PARCELS)), axis=1)
    cuts = np.insert(cuts, 0, -2 * reach, axis=1).astype("float32")
    strip = np.searchsorted(ends, v) - 1
    edge = np.minimum(v - ends[strip], ends[np.minimum(strip + 1, len(ends) - 1)] - v)
    parcel = strip * _MOST_PARCELS
    for k in np.unique(strip):
        there = strip == k
        place = u[there]
        part = np.searchsorted(cuts[k], place) - 1
        near = np.minimum(place - cuts[k][part], cuts[k][part + 1] - place)
        edge[there] = np.minimum(edge[there], near)
        parcel[there] += part
    return parcel, edge, u, v


def _shore(rng, x, y, size, cut):
    """Distance from a river or a lake, if there is one."""
    wobble = cut.noise(60)
    kind = rng.random()
    if kind < 0.12:
        return np.full(x.shape, 99, "float32")
    u, v, _ = _turned(rng, x, y, size)
    if kind < 0.6:
        width = rng.uniform(9, 17)
        height, pace, phase = rng.uniform((5, 0.03, 0), (11, 0.06, 6)).tolist()
        middle = rng.uniform(-0.28, 0.28) * size
        return (
            np.abs(v - middle - height * np.sin(u * pace + phase)) - width / 2 - wobble
        )
    right, down = rng.uniform(-0.35, 0.35, 2) * size
    wide, high = rng.uniform(15, 26), rng.uniform(11, 18)
    distance = np.hypot((u - right) / wide, (v - down) / high)
    return (distance - 1) * high - 2.5 * wobble


def _roads(rng, x, y, size):
    """One or two roads: distance in half widths, and the lines in their middle."""
    road, paths = None, []
    for width in (rng.uniform(5.5, 6.5), rng.uniform(4.5, 5))[
        : 1 + (rng.random() < 0.5)
    ]:
        u, v, angle = _turned(rng, x, y, size)
        curve = rng.uniform(-0.003, 0.003)
        middle = rng.uniform(-0.25, 0.25) * size
        distance = np.abs(v - middle - curve * u * u) / (width / 2)
        road = distance if road is None else np.minimum(road, distance)
        paths.append((angle, curve, middle, width))
    return road, paths


def _houses(rng, x, y, paths, shore, road):
    """A village along the first road: roofs, house numbers, and gardens."""
    side = len(x)
    size = side / SAMPLES
    roof = np.zeros(x.shape, "float32")
    house = np.full(x.shape, -1, "int8")
    garden = np.zeros(x.shape, bool)
    number = 0
    for angle, curve, middle, width in paths:
        cos, sin = np.cos(angle), np.sin(angle)
        begin = rng.uniform(-0.5, 0.05) * size
        end = begin + rng.uniform(35, 75)
        for bank in (-1, 1):
            u = begin + rng.uniform(0, 6)
            while u < end:
                deep, long = rng.uniform(6, 8.5), rng.uniform(7.5, 13)
                turn = np.arctan(2 * curve * u) + rng.normal(0, 0.06)
                apart = width / 2 + deep / 2 + rng.uniform(1.5, 5)
                v = middle + curve * u * u + bank * apart
                u_here, u = u, u + long + rng.uniform(3, 9)
                if rng.random() < 0.15:
                    continue
                cx = u_here * cos - v * sin + size / 2
                cy = u_here * sin + v * cos + size / 2
                top, left = (int(max(c - 13, 0) * SAMPLES) for c in (cy, cx))
                bottom, right = (int(max(c + 13, 0) * SAMPLES) for c in (cy, cx))
                window = slice(top, bottom), slice(left, right)
                if not x[window].size:
                    continue
                dx, dy = x[window] - cx, y[window] - cy
                c, s = np.cos(angle + turn), np.sin(angle + turn)
                a, b = dx * c + dy * s, dy * c - dx * s
                inside = (np.abs(a) < long / 2) & (np.abs(b) < deep / 2)
                if (
                    (shore[window][inside] < 3).any()
                    or (road[window][inside] < 1.3).any()
                    or (house[window][inside] >= 0).any()
                ):
                    continue
                roof[window][inside] = (2 * b / deep)[inside] * np.sign(c - s + 1e-6)
                house[window][inside] = number
                garden[window] |= (np.abs(a) < long / 2 + 4) & (
                    np.abs(b) < deep / 2 + 4
                )
                number = number + 1
    return roof, house, garden


def _trees(rng, cut, crowns, shore, road, house, garden, edge):
    """Woods, hedges and single trees: where they are, and where their crowns."""
    side = len(shore)
    at = np.arange(side, dtype="float32")
    row = np.clip(at[:, None] - crowns.dy, 0, side - 1).astype("int32")
    column = np.clip(at - crowns.dx, 0, side - 1).astype("int32")
    middle = row * side + column  # of the crown that a sample belongs to
    chance = np.where(garden, 0.2, 0.012)
    if rng.random() < 0.6:
        chance[edge < 1.2] = 0.35  # hedges
    free = (shore > _MARGIN) & (road > 2.1) & (house < 0)
    woods = cut.noise(70) + 0.25 * cut.noise(24) > rng.uniform(0.1, 0.7)
    wood = (free & woods & ~garden).take(middle)
    single = crowns.draws[0] < (free * chance).take(middle)
    crown = np.hypot(crowns.dx, crowns.dy) < crowns.radius * 1.15
    return wood | (single & crown), crown & (wood | single)
