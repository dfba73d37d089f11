"""CutMix boxes by area and aspect, drawn for each image by itself."""

import keras
import numpy as np
from keras import ops

from keras_imas.arguments import as_tensor, check_range
from keras_imas.typing import ArrayLike, Tensor

_ASPECTS = 256  # of which one is drawn


def sample_area_boxes(
    batch_size: int,
    height: int,
    width: int,
    *,
    area_range: tuple[float, float] = (0.02, 0.4),
    aspect_range: tuple[float, float] = (0.3, 1 / 0.3),
    seed: int | keras.random.SeedGenerator | None = None,
) -> Tensor:
    """Draw a box an image, each with an area, an aspect and a place of its own.

    Args:
        batch_size: Number of images B.
        height: Height of the images in pixels.
        width: Width of the images in pixels.
        area_range: See `area_boxes_from_draws`. Defaults to `(0.02, 0.4)`.
        aspect_range: See `area_boxes_from_draws`. Defaults to `(0.3, 1 / 0.3)`.
        seed: An integer or a `keras.random.SeedGenerator`. Defaults to `None`: random.

    Returns:
        int32 tensor `(B, 4)`: top, left, bottom, right, the last two exclusive.

    Raises:
        ValueError: See `area_boxes_from_draws`.

    Example:
        >>> sample_area_boxes(4, 32, 64, seed=1).shape[1]
        4
    """
    draws = keras.random.uniform((batch_size, 4), seed=seed)
    return area_boxes_from_draws(
        draws, height, width, area_range=area_range, aspect_range=aspect_range
    )


def area_boxes_from_draws(
    draws: ArrayLike,
    height: int,
    width: int,
    *,
    area_range: tuple[float, float] = (0.02, 0.4),
    aspect_range: tuple[float, float] = (0.3, 1 / 0.3),
) -> Tensor:
    """Turn uniform draws into boxes, as Yang et al. (UniMatch V2, 2024) draw them.

    The area a is uniform, in parts of the image; the aspect r, height over width,
    uniform too, and the corner uniform in the image; r and corner are drawn until the
    box `⌊√(a·H·W·r)⌋` × `⌊√(a·H·W/r)⌋` lies in the image. Here without a loop, of the
    same distribution: r with probability ∝ (H − h + 1) · (W − w + 1), the number of
    places that its box has; then one of these.

    Args:
        draws: `(B, 4)`, uniform on [0, 1): of the area, the aspect, row and column.
        height: Height of the images in pixels.
        width: Width of the images in pixels.
        area_range: Range of a, within [0, 1]. Defaults to `(0.02, 0.4)`.
        aspect_range: Range of r, positive. Defaults to `(0.3, 1 / 0.3)`.

    Returns:
        int32 tensor `(B, 4)`: top, left, bottom, right, the last two exclusive. A box
        that has no place, whatever its aspect, is cut to the image.

    Raises:
        ValueError: If a range is none.

    Example:
        >>> top, left, bottom, right = area_boxes_from_draws(
        ...     [[0.5, 0.5, 0.0, 0.0]], 100, 100, area_range=(0.25, 0.25)
        ... )[0]
        >>> int(top), int(left), 0.2 < int(bottom) * int(right) / 100**2 <= 0.25
        (0, 0, True)
    """
    check_range("area_range", area_range)
    check_aspect("aspect_range", aspect_range)
    low, high = aspect_range
    draws = ops.cast(as_tensor(draws), "float32")
    size = ops.cast(ops.array([height, width], dtype="int32"), "float32")
    first, last = area_range
    area = (first + draws[:, :1] * (last - first)) * ops.prod(size)
    middles = (np.arange(_ASPECTS) + 0.5) / _ASPECTS
    aspects = ops.convert_to_tensor((low + middles * (high - low)).astype("float32"))
    heights = ops.floor(ops.sqrt(area * aspects))
    widths = ops.floor(ops.sqrt(area / aspects))
    places = ops.maximum(size[0] - heights + 1.0, 0.0)
    places = places * ops.maximum(size[1] - widths + 1.0, 0.0)
    below = ops.cumsum(places, axis=1)
    passed = ops.cast(below <= draws[:, 1:2] * below[:, -1:], "int32")
    chosen = ops.minimum(ops.sum(passed, axis=1, keepdims=True), _ASPECTS - 1)
    sides = ops.concatenate(
        [ops.take_along_axis(side, chosen, axis=1) for side in (heights, widths)], 1
    )
    sides = ops.minimum(sides, size)
    start = ops.floor(draws[:, 2:] * (size - sides + 1.0))
    # The minimum guards the rounding of floats.
    start = ops.minimum(start, size - sides)
    return ops.cast(ops.concatenate([start, start + sides], axis=1), "int32")


def check_aspect(name: str, value: tuple[float, float]) -> None:
    """Refuse what is no range of aspects.

    Args:
        name: The argument's name.
        value: Two numbers, low and high.

    Raises:
        ValueError: If they are not two increasing positive numbers.

    Example:
        >>> check_aspect("cutmix_aspect", (0.3, 1 / 0.3))
    """
    if not (len(value) == 2 and 0 < value[0] <= value[1] < float("inf")):
        raise ValueError(
            f"`{name}` must be two increasing positive numbers. Received: "
            f"{name}={tuple(value)}"
        )
