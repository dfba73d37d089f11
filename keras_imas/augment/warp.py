"""A smooth warp: strong views whose pixels move, and their pseudo labels with them.

Four points, at the centers of an image's quadrants, are displaced at random by
`warp` sides, the standard deviation, and by `(1 - hardness)` of that where hardness
sets the intensity.
"""

import math

import keras
from keras import ops

from keras_imas.arguments import as_tensor, check_rank, check_shape
from keras_imas.typing import ArrayLike, Tensor

_POINTS = ((-0.25, -0.25), (-0.25, 0.25), (0.25, -0.25), (0.25, 0.25))


def sample_displacements(
    batch_size: int, *, seed: int | keras.random.SeedGenerator | None = None
) -> Tensor:
    """Draw how far the four control points of each image move, before scaling.

    Args:
        batch_size: Number of images B.
        seed: An integer or a `keras.random.SeedGenerator`. Defaults to `None`: random.

    Returns:
        float32 tensor `(B, 4, 2)`, standard normal: of the points at the centers of the
        quadrants (upper left, upper right, lower left, lower right) down and right.

    Example:
        >>> tuple(sample_displacements(3, seed=0).shape)
        (3, 4, 2)
    """
    return keras.random.normal((batch_size, 4, 2), seed=seed)


def source_positions(
    displacements: ArrayLike, height: int | Tensor, width: int | Tensor
) -> tuple[Tensor, Tensor]:
    """Return from where each pixel of a warped image is taken.

    A thin-plate spline through four points, by which Grubišić et al. (MVA 2021) warp
    images for consistency training. The points form a square, so the spline has a
    closed form: a shift, a linear part for each axis, and a saddle.

    Args:
        displacements: `(B, 4, 2)`, in parts of height and width; see
            `sample_displacements`.
        height: Height H of the images in pixels.
        width: Width W of the images in pixels.

    Returns:
        `(rows, columns)`: float32 tensors `(B, H, W)`.

    Raises:
        ValueError: If `displacements` is not `(B, 4, 2)`.

    Example:
        >>> rows, columns = source_positions(ops.full((1, 4, 2), 0.5), 4, 8)
        >>> float(rows[0, 1, 2]), float(columns[0, 1, 2])
        (3.0, 6.0)
    """
    displacements = ops.cast(as_tensor(displacements), "float32")
    check_shape("displacements", displacements, (displacements.shape[0], 4, 2))
    y, x = _centered(height)[:, None], _centered(width)[None, :]
    basis = (y, x, _saddle(y, x))
    upper_left, upper_right, lower_left, lower_right = (
        displacements[:, point, :] for point in range(4)
    )
    upper, lower = upper_left + upper_right, lower_left + lower_right
    left, right = upper_left + lower_left, upper_right + lower_right
    saddle = upper_left + lower_right - upper_right - lower_left
    coefficients = ((upper + lower) / 4.0, lower - upper, right - left, saddle / 4.0)

    def moved(axis, start, size):
        shift, *rest = (c[:, axis, None, None] for c in coefficients)
        field = shift + sum(c * b for c, b in zip(rest, basis, strict=True))
        return (start + field + 0.5) * ops.cast(size, "float32") - 0.5

    return moved(0, y, height), moved(1, x, width)


def warp(
    images: ArrayLike, maps: dict[str, Tensor], displacements: ArrayLike
) -> tuple[Tensor, dict[str, Tensor]]:
    """Warp images, and what belongs to their pixels.

    Args:
        images: Floating `(B, H, W, channels)`; interpolated linearly, and beyond their
            edge the same as at it.
        maps: Dict of tensors `(B, H, W)` of any dtype: pseudo labels, confidences,
            validity masks. Of the nearest pixel; beyond the edge 0.
        displacements: See `source_positions`.

    Returns:
        `(images, maps)`, of the same shapes and dtypes.

    Raises:
        ValueError: If the shapes don't belong together.

    Example:
        >>> image = ops.reshape(ops.arange(8, dtype="float32"), (1, 2, 4, 1))
        >>> shift = ops.reshape(ops.array([0.0, 0.25] * 4), (1, 4, 2))
        >>> views, maps = warp(image, {"valid": ops.ones((1, 2, 4))}, shift)
        >>> ops.convert_to_numpy(views)[0, 0, :, 0].tolist()
        [1.0, 2.0, 3.0, 3.0]
        >>> ops.convert_to_numpy(maps["valid"])[0, 0].tolist()
        [1.0, 1.0, 1.0, 0.0]
    """
    images = as_tensor(images)
    check_rank("images", images, 4)
    for name, values in maps.items():
        check_shape(name, values, images.shape[:3])
    _, height, width, _ = ops.shape(images)
    rows, columns = source_positions(displacements, height, width)
    nearest = [ops.cast(ops.floor(p + 0.5), "int32") for p in (rows, columns)]
    inside = ops.logical_and(
        ops.logical_and(nearest[0] >= 0, nearest[0] < height),
        ops.logical_and(nearest[1] >= 0, nearest[1] < width),
    )
    moved = {
        name: ops.where(inside, _pixels(x, *nearest), ops.zeros_like(x))
        for name, x in maps.items()
    }
    # A neighbor beyond the edge is the edge, whatever its weight.
    first = [ops.floor(p) for p in (rows, columns)]
    below, right = (
        ops.cast(p - f, images.dtype)[..., None]
        for p, f in zip((rows, columns), first, strict=True)
    )
    row, column = (ops.cast(f, "int32") for f in first)
    upper, lower = (
        (1.0 - right) * _pixels(images, y, column)
        + right * _pixels(images, y, column + 1)
        for y in (row, row + 1)
    )
    return (1.0 - below) * upper + below * lower, moved


def _centered(size):
    """Return the centers of a side's pixels, as parts of it from its middle."""
    pixels = ops.cast(ops.arange(size), "float32")
    return (pixels + 0.5) / ops.cast(size, "float32") - 0.5


def _saddle(y, x):
    """Return the spline that is 1, -1, -1, 1 at the control points, `(H, W)`."""
    total = 0.0
    for py, px in _POINTS:
        square = ops.square(y - py) + ops.square(x - px)
        kernel = square * ops.log(ops.maximum(square, 1e-12))  # r² log r², 0 at r = 0
        total += math.copysign(1.0, py * px) * kernel
    return total / (0.5 * math.log(2.0))


def _pixels(images, rows, columns):
    """Take pixels of `(B, H, W)` or `(B, H, W, channels)` by their clipped places."""
    batch_size, height, width = ops.shape(images)[:3]
    rows = ops.clip(rows, 0, height - 1)
    columns = ops.clip(columns, 0, width - 1)
    image = ops.arange(batch_size, dtype="int32")[:, None, None]
    places = (image * height + rows) * width + columns
    flat = ops.reshape(images, (-1, *images.shape[3:]))
    return ops.take(flat, places, axis=0)
