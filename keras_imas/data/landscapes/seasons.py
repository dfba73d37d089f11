"""What the season does to colors: of crops, of leaves and of light.

A season is a number in [0, 1]: 0 is June, 0.5 August, 1 October.
"""

from dataclasses import dataclass

import numpy as np

# Colors in June, August and October, RGB in percent.
_CROPS = {
    "wheat": [(58, 66, 30), (88, 75, 42), (62, 50, 37)],
    "meadow": [(42, 60, 26), (48, 60, 29), (53, 56, 31)],
    "maize": [(34, 53, 22), (38, 54, 22), (62, 54, 30)],
    "rape": [(74, 72, 26), (60, 58, 32), (46, 46, 30)],
    "bare": [(52, 41, 31), (48, 46, 29), (46, 38, 30)],
}
_LEAVES = {
    "beech": [(20, 38, 14), (36, 42, 15), (62, 42, 15)],
    "birch": [(30, 46, 18), (48, 50, 18), (78, 63, 20)],
    "oak": [(24, 41, 15), (37, 39, 15), (58, 34, 16)],
    "spruce": [(12, 27, 17), (12, 26, 16), (12, 25, 16)],
}
_WATER = [(15, 32, 38), (17, 32, 37), (19, 29, 34)]
_ASPHALT = [(55, 54, 52), (53, 52, 50), (46, 46, 46)]
_FLOOR = [(12, 20, 9), (20, 21, 9), (37, 27, 13)]

CROPS = tuple(_CROPS)
LEAVES = tuple(_LEAVES)


def _at(season, colors):
    """Interpolate colors of the year."""
    colors = np.asarray(colors, "float32").T / 100
    return np.float32([np.interp(season, (0, 0.5, 1), channel) for channel in colors])


@dataclass
class Look:
    """How land looks on one day.

    Attributes:
        crops: Colors of the crops, `(5, 3)`.
        leaves: Colors of the kinds of trees, `(4, 3)`.
        rows: How visible rows of crops are.
        water: Color of water.
        asphalt: Color of roads.
        floor: Color of the ground below trees.
        sun: Light of the sun, RGB.
        sky: Light of the sky, which is in shadows too, RGB.
        shadow: Length of shadows in pixels.
        mist: How much mist there is, 0..1.
        exposure: Of the camera.
        noise: Of the camera.
    """

    crops: np.ndarray
    leaves: np.ndarray
    rows: float
    water: np.ndarray
    asphalt: np.ndarray
    floor: np.ndarray
    sun: np.ndarray
    sky: np.ndarray
    shadow: float
    mist: float
    exposure: float
    noise: float


def plan_look(rng, season):
    """Draw how land looks on a day of that season.

    Args:
        rng: `numpy.random.Generator`.
        season: Number in [0, 1].

    Returns:
        `Look`.
    """
    day = float(np.clip(season + rng.normal(0, 0.03), 0, 1))
    gold = day * np.array([0.04, -0.04, -0.14])
    return Look(
        crops=np.stack([_at(day, colors) for colors in _CROPS.values()]),
        leaves=np.stack([_at(day, colors) for colors in _LEAVES.values()]),
        rows=0.07 * rng.uniform(0.6, 1.4),
        water=_at(day, _WATER),
        asphalt=_at(day, _ASPHALT),
        floor=_at(day, _FLOOR),
        sun=np.float32((gold + (1.0, 0.97, 0.9)) * rng.normal(1, 0.02, 3)),
        sky=np.float32(rng.normal(1, 0.02, 3) * (0.42, 0.47, 0.55)),
        shadow=1.5 + 3.0 * day,
        mist=day * rng.uniform(0, 0.35),
        exposure=rng.uniform(0.92, 1.08),
        noise=0.012,
    )
