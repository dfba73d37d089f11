"""Masks of features: what complementary dropout leaves to each of two views."""

import keras
from keras import ops

from keras_imas.typing import Tensor


def sample_mask(
    batch_size: int,
    channels: int,
    *,
    seed: int | keras.random.SeedGenerator | None = None,
) -> Tensor:
    """Draw which channels the first of two views keeps.

    m = 0 or 2 for each channel, with probability ½; m = 1 in half of the images, drawn
    at random, whose features stay as they are (section 3.3 of Yang et al., UniMatch V2,
    2024).

    Args:
        batch_size: Number of images B.
        channels: Number of channels C.
        seed: An integer or a `keras.random.SeedGenerator`. Defaults to `None`: random.

    Returns:
        float32 tensor `(B, C)`. The second view's is `2 - m`.

    Example:
        >>> mask = ops.convert_to_numpy(sample_mask(4, 3, seed=0))
        >>> int((mask == 1.0).all(axis=1).sum())
        2
    """
    if isinstance(seed, int):
        seed = keras.random.SeedGenerator(seed)
    coins = keras.random.uniform((batch_size, channels), seed=seed)
    mask = 2.0 * ops.cast(coins < 0.5, "float32")
    rank = ops.argsort(ops.argsort(keras.random.uniform((batch_size,), seed=seed)))
    untouched = ops.cast(rank < batch_size // 2, "float32")[:, None]
    return untouched + (1.0 - untouched) * mask


def complementary_mask(
    mask: Tensor | None, labeled: Tensor, hardness: Tensor | None = None
) -> Tensor | None:
    """Return the mask of a pass over labeled images and the two views.

    Args:
        mask: What `sample_mask` returned for the unlabeled images, `(B_u, C)`; `None`
            for no mask.
        labeled: The labeled images `(B_l, H, W, 3)`, which lose nothing.
        hardness: `(B_u,)` in [0, 1]; the harder an image, the less is dropped:
            `(1 - hardness) · m + hardness`. Defaults to `None`: all lose alike.

    Returns:
        float32 tensor `(B_l + 2 · B_u, C)`: 1, m and 2 − m; `None` without a mask.

    Example:
        >>> mask = complementary_mask(ops.array([[2.0, 0.0]]), ops.zeros((1, 4, 4, 3)))
        >>> ops.convert_to_numpy(mask).tolist()
        [[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]]
    """
    if mask is None:
        return None
    if hardness is not None:
        weight = ops.cast(hardness, "float32")[:, None]
        mask = (1.0 - weight) * mask + weight
    ones = ops.ones((ops.shape(labeled)[0], ops.shape(mask)[1]))
    return ops.concatenate([ones, mask, 2.0 - mask], axis=0)
