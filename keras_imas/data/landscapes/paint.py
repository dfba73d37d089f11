"""From land to a photograph of it on one day."""

import numpy as np

from keras_imas.data.landscapes.land import ROAD, SAMPLES, TREES, WATER
from keras_imas.data.landscapes.seasons import CROPS, LEAVES
from keras_imas.data.landscapes.textures import Cutter

_SUN = np.array([0.62, -0.78], "float32")  # right and up, from where it shines
_ROOFS = np.array(
    [(62, 30, 22), (54, 27, 21), (68, 40, 28), (44, 42, 42), (50, 34, 27)], "float32"
)


def paint(rng, land, look):
    """Paint land as it looks on one day.

    Args:
        rng: `numpy.random.Generator`.
        land: `keras_imas.data.landscapes.land.Land`.
        look: `keras_imas.data.landscapes.seasons.Look`.

    Returns:
        float32 image `(H, W, 3)` in 0..1.
    """
    side = len(land.labels)
    cut = Cutter(rng, side)
    patches, grain = cut.noise(16), cut.noise(2)
    color = _fields(rng, land, look, patches, grain)
    _trees(land, look, color, grain)
    _water(land, look, color, cut.noise(5))
    _roads(land, look, color, grain)
    _roofs(rng, land, color, grain)
    light = _light(land, look)
    color = color * light
    if look.mist > 0.01:
        share = np.clip(look.mist * (0.8 + 0.5 * cut.noise(70)), 0, 0.6)
        color = _mix(color, np.float32([0.78, 0.80, 0.83]), share)
    return _develop(rng, color, look)


def _mix(color, other, share):
    """Mix colors by share of the other, `(H, W)`."""
    return color + (np.asarray(other, "float32") - color) * share[..., None]


def _fields(rng, land, look, patches, grain):
    """Color of the ground as if it were all fields."""
    count = int(land.parcel.max()) + 1
    kinds = rng.choice(len(CROPS), count, p=[0.28, 0.32, 0.18, 0.08, 0.14])
    tint = look.crops[kinds] * rng.normal(1, 0.07, (count, 1))
    tint = tint + rng.normal(0, 0.012, (count, 3))
    color = tint.astype("float32")[land.parcel]
    lengthwise = rng.random(count) < 0.5
    pitch = rng.uniform(2.2, 4.0, count).astype("float32")
    strength = look.rows * np.where(kinds == CROPS.index("meadow"), 0.25, 1.0)
    way = np.where(lengthwise[land.parcel], land.across, land.along)
    rows = np.sin(way * (np.float32(2 * np.pi) / pitch)[land.parcel])
    rows *= strength.astype("float32")[land.parcel]
    shade = 1 + rows + 0.05 * patches + 0.05 * grain
    shade *= 1 - 0.22 * np.exp(-(land.edge**2))
    bank = np.exp(-np.square(np.maximum(land.shore - 0.5, 0) / 1.6))
    color *= shade[..., None]
    return _mix(color, np.float32([0.52, 0.47, 0.34]), 0.75 * bank)


def _trees(land, look, color, grain):
    """Paint woods: what is under the trees, then the crowns."""
    there = land.labels == TREES
    crowns = land.crowns
    kind = np.minimum((crowns.draws[1][there] * 4.6).astype(int), len(LEAVES) - 1)
    leaf = look.leaves[kind] * (0.82 + 0.36 * crowns.draws[2][there])[:, None]
    dx, dy, radius = crowns.dx[there], crowns.dy[there], crowns.radius[there]
    toward = (dx * _SUN[0] + dy * _SUN[1]) / radius
    round_off = (dx * dx + dy * dy) / (radius * radius)
    shade = 1.0 + 0.34 * toward - 0.22 * round_off + 0.10 * grain[there]
    crown = land.crown[there][:, None]
    color[there] = np.where(crown, leaf * shade[:, None], look.floor)


def _water(land, look, color, ripples):
    """Paint water, darker where it is deep."""
    there = land.labels == WATER
    depth = np.clip(-land.shore[there] / 6, 0, 1)
    color[there] = look.water * (1.18 - 0.3 * depth + 0.05 * ripples[there])[:, None]


def _roads(land, look, color, grain):
    """Paint roads: asphalt, and a line in the middle."""
    there = land.labels == ROAD
    off = land.road[there]
    tone = look.asphalt * (1 + 0.04 * grain[there] - 0.06 * off)[:, None]
    line = (off < 0.16) & (np.sin(land.along[there] * 1.1) > 0)
    color[there] = _mix(tone, (0.85, 0.84, 0.8), 0.7 * line)


def _roofs(rng, land, color, grain):
    """Paint gabled roofs, one side in the sun."""
    there = land.house >= 0
    if not there.any():
        return
    count = int(land.house.max()) + 1
    tint = _ROOFS[rng.integers(0, len(_ROOFS), count)] / 100
    tint *= rng.normal(1, 0.1, (count, 1)).astype("float32")
    across = land.roof[there]
    shade = np.where(across > 0, 1.12, 0.72) - 0.1 * np.abs(across)
    shade = np.where(np.abs(across) < 0.1, 1.2, shade + 0.04 * grain[there])
    color[there] = tint[land.house[there]] * shade[:, None]


def _light(land, look):
    """Light of each sample: sun and sky, or sky alone in shadows."""
    tall = land.tall
    shaded = np.zeros(tall.shape, bool)
    steps = int(round(look.shadow * SAMPLES))
    for step in range(1, steps + 1):
        right, down = np.round(-_SUN * step).astype(int)
        shaded |= _shifted(tall, right, down)
    shaded &= ~tall
    soft = shaded.astype("float32")
    soft[1:-1, 1:-1] = (
        2 * soft[1:-1, 1:-1]
        + soft[:-2, 1:-1]
        + soft[2:, 1:-1]
        + soft[1:-1, :-2]
        + soft[1:-1, 2:]
    ) / 6
    sun = look.sun * (1 - 0.45 * soft[..., None])
    cold = look.sky / look.sky.mean()
    return sun * (1 + soft[..., None] * (cold - 1) * np.float32(0.8))


def _shifted(mask, right, down):
    """Return a mask moved by whole samples."""
    moved = np.zeros_like(mask)
    height, width = mask.shape
    target = (
        slice(max(down, 0), height + min(down, 0)),
        slice(max(right, 0), width + min(right, 0)),
    )
    source = (
        slice(max(-down, 0), height - max(down, 0)),
        slice(max(-right, 0), width - max(right, 0)),
    )
    moved[target] = mask[source]
    return moved


def _develop(rng, color, look):
    """Average the samples of each pixel, and add what a camera does."""
    side = len(color) // SAMPLES
    image = color.reshape(side, SAMPLES, side, SAMPLES, 3).mean((1, 3))
    middle = (np.arange(side, dtype="float32") + 0.5) / side - 0.5
    vignette = 1 - 0.25 * (middle[:, None] ** 2 + middle**2)
    image = image * (look.exposure * vignette[..., None])
    image += look.noise * rng.standard_normal(image.shape, "float32")
    return np.clip(image, 0, 1)
