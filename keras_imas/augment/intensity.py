"""Adaptive intensity: how much of the strong view an image gets."""

from keras import ops

from keras_imas.arguments import as_tensor, check_rank, check_shape
from keras_imas.typing import ArrayLike, Tensor


def blend(strong: ArrayLike, weak: ArrayLike, hardness: ArrayLike) -> Tensor:
    """Return `(1 - hardness) * strong + hardness * weak`, image by image.

    Easy images get the full strong view, hard ones the weak view (equation 6 of Zhao
    et al., CVPR 2023).

    Args:
        strong: The strong views, floating, `(B, H, W, channels)`.
        weak: The weak views of the same images, same shape.
        hardness: `(B,)` in [0, 1].

    Returns:
        Tensor of the shape and dtype of `strong`.

    Raises:
        ValueError: If the shapes don't belong together, or the views are integers.

    Example:
        >>> image = ops.ones((1, 2, 2, 3))
        >>> float(blend(100.0 * image, 0.0 * image, [0.25])[0, 0, 0, 0])
        75.0
    """
    strong, weak = as_tensor(strong), as_tensor(weak)
    hardness = as_tensor(hardness)
    check_rank("strong", strong, 4)
    if tuple(strong.shape) != tuple(weak.shape):
        raise ValueError(
            "`strong` and `weak` must be views of one shape. Received: "
            f"{tuple(strong.shape)} and {tuple(weak.shape)}"
        )
    if "float" not in ops.dtype(strong):
        raise ValueError(
            "`strong` must be floating, as a blend lies between whole numbers. "
            f"Received: {ops.dtype(strong)}"
        )
    check_shape("hardness", hardness, strong.shape[:1])
    weight = ops.cast(hardness, strong.dtype)[:, None, None, None]
    return (1.0 - weight) * strong + weight * weak
