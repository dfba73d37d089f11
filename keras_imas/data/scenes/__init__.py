"""Procedural street scenes in the 19 classes of Cityscapes.

A stand-in for Cityscapes that needs no download: a pinhole camera drives through
randomly planned streets, and every object is drawn from 3-D geometry, far to near, into
the image and the label map at once. `draw` reads in the order of events:

    plan the street -> paint the ground -> paint the objects -> light and weather

Lengths are in meters. The camera stands at x = 0, z = 0: x points right, y up, z ahead.
"""

import math

import numpy as np

from keras_imas.data.cityscapes import CLASSES, COLORS
from keras_imas.data.scenes.camera import SUPERSAMPLING, plan_camera
from keras_imas.data.scenes.classes import IGNORE_CLASS
from keras_imas.data.scenes.ground import paint_ground
from keras_imas.data.scenes.light import develop
from keras_imas.data.scenes.population import populate
from keras_imas.data.scenes.street import plan_street
from keras_imas.data.scenes.vehicles import paint_bonnet
from keras_imas.data.scenes.weather import plan_weather

__all__ = ["CLASSES", "COLORS", "IGNORE_CLASS", "draw", "load"]


def draw(
    seed: int | tuple[int, int], height: int = 128, width: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one street scene.

    Args:
        seed: Integer in [0, 2**32), or a pair `(seed, index)` of such integers: the
            scene at `index` of the data set `load(..., seed=seed)`.
        height: Height of the scene in pixels, at least 16. Defaults to `128`.
        width: Width of the scene in pixels, at least 16. Defaults to `256`.

    Returns:
        A tuple `(image, label_map)`: a uint8 RGB image of shape `(height, width, 3)`
        and a uint8 label map of shape `(height, width)` that holds a class in [0, 18]
        or 255, to be ignored.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> from keras_imas.data import scenes
        >>> image, label_map = scenes.draw(7, height=32, width=64)
        >>> scenes.CLASSES[label_map[-1, 32]]
        'road'
    """
    entropy = tuple(seed) if isinstance(seed, (tuple, list)) else (seed,)
    if len(entropy) > 2:
        raise ValueError(
            f"`seed` must be an integer or a pair of integers. Received: seed={seed!r}"
        )
    for word in entropy:
        _check_integer("seed", word, 0, "an integer in [0, 2**32)", 2**32 - 1)
    _check_integer("height", height, 16, "an integer of at least 16")
    _check_integer("width", width, 16, "an integer of at least 16")

    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
    street = plan_street(rng)
    weather = plan_weather(rng)
    camera = plan_camera(rng, height * SUPERSAMPLING, width * SUPERSAMPLING)
    items = populate(rng, street, weather)
    canvas = paint_ground(rng, camera, street, weather, items)
    for item in sorted(items, key=lambda item: -item.depth):
        if camera.sees(item.footprint):
            item.paint(canvas)
    if rng.random() < 0.3:
        paint_bonnet(rng, canvas)
    return develop(rng, canvas, weather, items)


def load(
    count: int, *, seed: int = 0, height: int = 128, width: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a data set of street scenes.

    Scene `i` depends on `(seed, i)` and the size alone, so a larger data set begins
    with the scenes of a smaller one, and two seeds share no scene.

    Args:
        count: Number of scenes, a positive integer.
        seed: Integer in [0, 2**32). Defaults to `0`.
        height: Height of the scenes in pixels, at least 16. Defaults to `128`.
        width: Width of the scenes in pixels, at least 16. Defaults to `256`.

    Returns:
        A tuple `(images, label_maps)` of uint8 arrays: RGB images of shape
        `(count, height, width, 3)`, and label maps of shape `(count, height, width)`
        that hold a class in [0, 18] or 255, to be ignored.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> from keras_imas.data import scenes
        >>> images, label_maps = scenes.load(2, seed=1, height=32, width=64)
        >>> images.shape, label_maps.shape
        ((2, 32, 64, 3), (2, 32, 64))
    """
    _check_integer("count", count, 1, "a positive integer")
    _check_integer("seed", seed, 0, "an integer in [0, 2**32)", 2**32 - 1)
    pairs = [draw((seed, index), height, width) for index in range(count)]
    images, label_maps = zip(*pairs, strict=True)
    return np.stack(images), np.stack(label_maps)


def _check_integer(name, value, low, rule, high=math.inf):
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_integer or not low <= value <= high:
        raise ValueError(f"`{name}` must be {rule}. Received: {name}={value!r}")
