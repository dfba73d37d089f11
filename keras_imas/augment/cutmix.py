"""Adaptive CutMix: easy and hard images exchange rectangles.

Drawing (`sample_boxes`) is apart from applying (`boxes_from_draws`, `paste`), so that a
draw can be repeated, on another backend too.
"""

import keras
from keras import ops

from keras_imas.arguments import (
    as_tensor,
    check_group_size,
    check_range,
    check_rank,
    check_shape,
)
from keras_imas.augment.area_boxes import sample_area_boxes
from keras_imas.typing import ArrayLike, Tensor


def cutmix_partners(hardness: ArrayLike, *, group_size: int | None = None) -> Tensor:
    """Pair the easiest image with the hardest, the next easiest with the next hardest.

    Section 3.3 of Zhao et al., CVPR 2023. An odd middle is its own partner. Given
    uniform random numbers for `hardness`, the pairs are random ones.

    Args:
        hardness: `(B,)`.
        group_size: Number of consecutive images that are paired among themselves; it
            divides B. Defaults to `None`: the whole batch.

    Returns:
        int32 tensor `(B,)`: the index of the image that is pasted into image i.

    Raises:
        ValueError: If `group_size` does not divide the batch.

    Example:
        >>> [int(i) for i in cutmix_partners([0.1, 0.9, 0.3, 0.5])]
        [1, 0, 3, 2]
    """
    hardness = as_tensor(hardness)
    check_rank("hardness", hardness, 1)
    check_group_size("group_size", group_size, hardness.shape[0])
    grouped = ops.reshape(hardness, (-1, group_size) if group_size else (1, -1))
    order = ops.argsort(grouped, axis=-1)
    rank = ops.argsort(order, axis=-1)
    partners = ops.take_along_axis(ops.flip(order, axis=-1), rank, axis=-1)
    first = (group_size or 0) * ops.arange(ops.shape(grouped)[0], dtype="int32")
    return ops.reshape(ops.cast(partners, "int32") + first[:, None], (-1,))


def group_count(batch_size: int | Tensor, group_size: int | None) -> int | Tensor:
    """Return the number of pairing groups in a batch.

    Args:
        batch_size: Number of images, an integer or a scalar tensor.
        group_size: Number of images in a group, or `None` for the whole batch.

    Returns:
        An integer or a scalar tensor.

    Example:
        >>> group_count(16, 4)
        4
    """
    return 1 if group_size is None else batch_size // group_size


def for_each_image(
    values: Tensor, batch_size: int | Tensor, group_size: int | None
) -> Tensor:
    """Give each image the value of its group.

    Args:
        values: Tensor `(groups,)`.
        batch_size: Number of images B, an integer or a scalar tensor.
        group_size: Number of images in a group, or `None` for the whole batch.

    Returns:
        Tensor `(B,)`.

    Example:
        >>> ops.convert_to_numpy(for_each_image(ops.array([5, 7]), 4, 2)).tolist()
        [5, 5, 7, 7]
    """
    images = ops.arange(batch_size, dtype="int32")
    return ops.take(values, images // group_size if group_size else 0 * images, axis=0)


def sample_boxes(
    batch_size: int,
    height: int,
    width: int,
    *,
    fraction_range: tuple[float, float] = (0.1, 0.9),
    group_size: int | None = None,
    seed: int | keras.random.SeedGenerator | None = None,
) -> Tensor:
    """Draw one box an image; all boxes of a group have one side fraction.

    Args:
        batch_size: Number of images B.
        height: Height of the images in pixels.
        width: Width of the images in pixels.
        fraction_range: Range of the uniform side fraction, within [0, 1]. Defaults to
            `(0.1, 0.9)`.
        group_size: See `cutmix_partners`. Defaults to `None`: the whole batch.
        seed: An integer or a `keras.random.SeedGenerator`. Defaults to `None`: random.

    Returns:
        int32 tensor `(B, 4)`: top, left, bottom, right, the last two exclusive.

    Raises:
        ValueError: If `group_size` does not divide the batch, or `fraction_range` is
            not within [0, 1].

    Example:
        >>> sample_boxes(4, 32, 64, seed=1).shape[1]
        4
    """
    check_group_size("group_size", group_size, batch_size)
    check_range("fraction_range", fraction_range)
    if isinstance(seed, int):
        seed = keras.random.SeedGenerator(seed)
    low, high = fraction_range
    fraction = for_each_image(
        keras.random.uniform(
            (group_count(batch_size, group_size),), low, high, seed=seed
        ),
        batch_size,
        group_size,
    )
    # A uniform integer on [size // 16, size); the minimum guards float rounding.
    size = ops.array([height, width], dtype="int32")
    first = size // 16
    draw = keras.random.uniform((batch_size, 2), seed=seed)
    span = ops.cast(size - first, draw.dtype)
    centers = first + ops.cast(ops.floor(draw * span), "int32")
    return boxes_from_draws(fraction, ops.minimum(centers, size - 1), height, width)


def sample_draws(
    batch_size: int,
    height: int,
    width: int,
    *,
    fraction_range: tuple[float, float] = (0.1, 0.9),
    area_range: tuple[float, float] | None = None,
    aspect_range: tuple[float, float] = (0.3, 1 / 0.3),
    group_size: int | None = None,
    seed: int | keras.random.SeedGenerator | None = None,
) -> dict[str, Tensor]:
    """Make every random draw of a batch's CutMix.

    Args:
        batch_size: Number of images B.
        height: Height of the images in pixels.
        width: Width of the images in pixels.
        fraction_range: See `sample_boxes`. Defaults to `(0.1, 0.9)`.
        area_range: See `keras_imas.augment.area_boxes.sample_area_boxes`, which then
            draws, a box and a coin for each image. Defaults to `None`: `sample_boxes`
            does.
        aspect_range: See there. Defaults to `(0.3, 1 / 0.3)`.
        group_size: See `cutmix_partners`. Defaults to `None`: the whole batch.
        seed: See `sample_boxes`. Defaults to `None`: random.

    Returns:
        Dict of tensors: `"boxes"`, int32 `(B, 4)`; `"coin"`, uniform on [0, 1), one
        for each group or, with `area_range`, each image; `"shuffle"`, uniform on
        [0, 1), `(B,)`, whose order makes the random partners of uniform CutMix.

    Example:
        >>> sorted(sample_draws(4, 32, 64, seed=1))
        ['boxes', 'coin', 'shuffle']
    """
    if isinstance(seed, int):
        seed = keras.random.SeedGenerator(seed)
    size = (batch_size, height, width)
    if area_range is None:
        boxes = sample_boxes(
            *size, fraction_range=fraction_range, group_size=group_size, seed=seed
        )
        coins = group_count(batch_size, group_size)
    else:
        boxes = sample_area_boxes(
            *size, area_range=area_range, aspect_range=aspect_range, seed=seed
        )
        coins = batch_size
    return {
        "boxes": boxes,
        "coin": keras.random.uniform((coins,), seed=seed),
        "shuffle": keras.random.uniform((batch_size,), seed=seed),
    }


def cutmix_plan(
    hardness: Tensor,
    draws: dict[str, Tensor],
    *,
    adaptive: bool = True,
    probability: float | None = None,
    group_size: int | None = None,
    each_image: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Decide which images are cut-mixed, where, and with which partners.

    Where the coin says no the box is empty: the batch keeps its shape, as XLA
    requires, and the loss is masked by `mixed`.

    Args:
        hardness: `(B,)` in [0, 1].
        draws: What `sample_draws` returned.
        adaptive: Whether hardness chooses the partners. Defaults to `True`; `False`
            takes the random ones of the draws.
        probability: Probability that a group is cut-mixed. Defaults to `None`:
            mean(1 − hardness) where `adaptive`, else 1.
        group_size: See `cutmix_partners`. Defaults to `None`: the whole batch.
        each_image: Whether each image has a coin of its own, and the probability
            1 − hardness. Defaults to `False`: each group has.

    Returns:
        `(mixed, boxes, partners)`: float32 `(B,)` of 0 and 1; int32 `(B, 4)`; int32
        `(B,)`.

    Example:
        >>> draws = {"boxes": ops.ones((2, 4), "int32"), "coin": ops.array([0.5])}
        >>> mixed, _, partners = cutmix_plan(ops.array([0.9, 0.3]), draws)
        >>> float(mixed[0]), int(partners[0])
        (0.0, 1)
    """
    coins_for = 1 if each_image else group_size
    if probability is None and adaptive:
        grouped = ops.reshape(hardness, (-1, coins_for) if coins_for else (1, -1))
        probability = ops.mean(1.0 - grouped, axis=-1)
    elif probability is None:
        probability = 1.0
    coin = ops.cast(ops.cast(draws["coin"], "float32") < probability, "float32")
    mixed = for_each_image(coin, ops.shape(hardness)[0], coins_for)
    boxes = draws["boxes"] * ops.cast(mixed, "int32")[:, None]
    order = hardness if adaptive else draws["shuffle"]
    return mixed, boxes, cutmix_partners(order, group_size=group_size)


def boxes_from_draws(
    fraction: ArrayLike, centers: ArrayLike, height: int, width: int
) -> Tensor:
    """Place boxes around their centers and clip them to the image.

    Args:
        fraction: Side fraction of all boxes, a scalar, or of each, `(B,)`.
        centers: Rows and columns of the centers, int32 `(B, 2)`.
        height: Height of the images in pixels.
        width: Width of the images in pixels.

    Returns:
        int32 tensor `(B, 4)`: top, left, bottom, right, the last two exclusive.

    Raises:
        ValueError: If `centers` is not `(B, 2)`.

    Example:
        >>> box = boxes_from_draws(0.5, [[2, 9]], 8, 10)[0]
        >>> [int(side) for side in box]
        [0, 7, 4, 10]
    """
    centers = ops.cast(as_tensor(centers), "int32")
    if len(centers.shape) != 2 or centers.shape[1] != 2:
        raise ValueError(
            "`centers` must have the shape (batch, 2). Received: "
            f"{tuple(centers.shape)}"
        )
    size = ops.array([height, width], dtype="int32")
    fraction = ops.reshape(ops.cast(fraction, "float32"), (-1, 1))
    half = ops.cast(ops.floor(fraction * ops.cast(size, "float32")), "int32") // 2
    start = ops.maximum(centers - half, 0)
    stop = ops.minimum(centers + half, size)
    return ops.concatenate([start, stop], axis=-1)


def paste(images: ArrayLike, boxes: ArrayLike, partners: ArrayLike) -> Tensor:
    """Paste each image's partner into its box.

    Args:
        images: Tensor `(B, H, W)` or `(B, H, W, channels)` of any dtype: images, label
            maps, confidences, validity masks.
        boxes: int32 `(B, 4)`, as `sample_boxes` returns.
        partners: int32 `(B,)`, as `cutmix_partners` returns.

    Returns:
        Tensor like `images`.

    Raises:
        ValueError: If the shapes don't belong together.

    Example:
        >>> import numpy as np
        >>> images = np.array([[[1, 1, 1]], [[2, 2, 2]]])
        >>> pasted = paste(images, [[0, 1, 1, 3], [0, 0, 1, 1]], [1, 0])
        >>> keras.ops.convert_to_numpy(pasted)[:, 0].tolist()
        [[1, 2, 2], [1, 2, 2]]
    """
    images = as_tensor(images)
    boxes = ops.cast(as_tensor(boxes), "int32")
    partners = ops.cast(as_tensor(partners), "int32")
    if len(images.shape) not in (3, 4):
        raise ValueError(
            "`images` must have the shape (batch, height, width) or (batch, height, "
            f"width, channels). Received: {tuple(images.shape)}"
        )
    check_shape("partners", partners, (images.shape[0],))
    check_shape("boxes", boxes, (images.shape[0], 4))
    rows = ops.arange(ops.shape(images)[1], dtype="int32")
    columns = ops.arange(ops.shape(images)[2], dtype="int32")
    top, left, bottom, right = (boxes[:, i, None] for i in range(4))
    in_rows = ops.logical_and(rows >= top, rows < bottom)
    in_columns = ops.logical_and(columns >= left, columns < right)
    inside = ops.logical_and(in_rows[:, :, None], in_columns[:, None, :])
    if len(images.shape) == 4:
        inside = inside[..., None]
    return ops.where(inside, ops.take(images, partners, axis=0), images)
