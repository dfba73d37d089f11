"""Drawn landscapes from above, from June to October.

A stand-in for photographs of one kind under many conditions: the season changes how
things look, not where they are. `draw` reads in the order of events:

    plan the land -> plan the look of the day -> paint and photograph it

A season is a number in [0, 1]: 0 is June, 0.5 August, 1 October.
"""

import numpy as np

from keras_imas.data.landscapes.land import SAMPLES, plan_land
from keras_imas.data.landscapes.paint import paint
from keras_imas.data.landscapes.seasons import plan_look
from keras_imas.data.landscapes.textures import TILE

__all__ = ["CLASSES", "COLORS", "MONTHS", "draw", "load", "seed_of"]

CLASSES = ("field", "trees", "water", "road", "house")
COLORS = ((222, 203, 122), (56, 118, 66), (58, 125, 196), (92, 92, 100), (206, 72, 62))
# Seasons of three months, to compare networks by.
MONTHS = {"June": (0.0, 0.05), "August": (0.45, 0.55), "October": (0.9, 1.0)}


def draw(
    seed: int | tuple[int, ...],
    season: float | tuple[float, float] = 0.0,
    size: int = 96,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one landscape.

    Args:
        seed: Integer of at least 0, or a tuple of them. It says where things are.
        season: Number in [0, 1], or a range `(low, high)` to draw it from. Defaults to
            `0.0`: June.
        size: Pixels of a side, from 16 to 256. A larger picture shows more land.
            Defaults to `96`.

    Returns:
        A tuple `(image, label_map)`: a uint8 RGB image of shape `(size, size, 3)` and a
        uint8 label map of shape `(size, size)` that holds a class in [0, 4].

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> june, label_map = draw(7, season=0.0, size=32)
        >>> october, same = draw(7, season=1.0, size=32)
        >>> bool((label_map == same).all()), bool((june == october).all())
        (True, False)
    """
    low, high = season if isinstance(season, (tuple, list)) else (season, season)
    if not 0 <= low <= high <= 1:
        raise ValueError(
            "`season` must be in [0, 1], or (low, high) with 0 <= low <= high <= 1. "
            f"Received: season={season!r}"
        )
    if not 16 <= size <= TILE // SAMPLES:
        raise ValueError(
            f"`size` must be from 16 to {TILE // SAMPLES}. Received: size={size!r}"
        )
    entropy = np.random.SeedSequence(seed)
    place, day = map(np.random.default_rng, entropy.spawn(2))
    land = plan_land(place, int(size))
    look = plan_look(day, low + (high - low) * day.random())
    image = (paint(day, land, look) * 255 + 0.5).astype("uint8")
    return image, land.labels[::SAMPLES, ::SAMPLES].copy()


def load(
    count: int,
    *,
    seed: int = 0,
    season: float | tuple[float, float] = (0.0, 1.0),
    size: int = 96,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a data set of landscapes.

    Landscape `i` depends on `(seed, i)`, the season and the size alone, so a larger
    data set begins with the landscapes of a smaller one, and two seeds share none.

    Args:
        count: Number of landscapes, at least 1.
        seed: Integer of at least 0. Defaults to `0`.
        season: Number in [0, 1], or a range `(low, high)` to draw those of the
            landscapes from. Defaults to `(0.0, 1.0)`: June to October.
        size: Pixels of a side, from 16 to 256. Defaults to `96`.

    Returns:
        A tuple `(images, label_maps)` of uint8 arrays: RGB images of shape
        `(count, size, size, 3)`, and label maps of shape `(count, size, size)` that
        hold a class in [0, 4].

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> images, label_maps = load(2, seed=1, size=32)
        >>> images.shape, label_maps.shape
        ((2, 32, 32, 3), (2, 32, 32))
    """
    if count < 1:
        raise ValueError(f"`count` must be at least 1. Received: count={count!r}")
    pairs = [draw((seed, index), season, size) for index in range(count)]
    images, label_maps = zip(*pairs, strict=True)
    return np.stack(images), np.stack(label_maps)


def seed_of(part: str, seed: int) -> int:
    """Return the seed of a part of an experiment; no two parts share a place.

    Args:
        part: `"labeled"`, `"unlabeled"` or `"test"`.
        seed: Seed of the experiment, an integer of at least 0.

    Returns:
        Integer.

    Example:
        >>> seed_of("test", 100)
        1002
    """
    return 10 * seed + ("labeled", "unlabeled", "test").index(part)
