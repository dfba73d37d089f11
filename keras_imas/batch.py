"""What a training batch holds, and its checks."""

from keras import ops

from keras_imas.arguments import check_group_size
from keras_imas.batch_checks import STRONG, check_keys

_INPUTS = (
    'The inputs of `fit` must be a dict with "labeled" images and, for semi-supervised '
    'steps, "unlabeled" and "unlabeled_strong" ones.'
)
INDEXED = ("labeled", "unlabeled")
"""The images whose positions in the data set a batch may tell, as `NAME_index`."""


def views(inputs, dtype="float32", *, strong_views=1):
    """Return the images of a batch, checked.

    Args:
        inputs: Dict of a batch's images, see `keras_imas.IMAS`.
        dtype: Dtype to cast images to. Defaults to `"float32"`.
        strong_views: Number of strong views that it must have. Defaults to `1`.

    Returns:
        `(labeled, weak, strong, valid)`: images `(B_l, H, W, 3)` and `(B_u, H, W, 3)`,
        a list of `strong_views` as the weak ones, and the validity of pixels
        `(B_u, H, W)`. Of a supervised batch the last three are `None`.

    Raises:
        ValueError: If images are missing, or their shapes don't belong together.

    Example:
        >>> import numpy as np
        >>> labeled, weak, _, _ = views({"labeled": np.zeros((2, 8, 8, 3))})
        >>> tuple(labeled.shape), weak
        ((2, 8, 8, 3), None)
    """
    check_keys(inputs)
    labeled = _images(inputs, "labeled", dtype)
    if "unlabeled" not in inputs:
        return labeled, None, None, None
    weak = _images(inputs, "unlabeled", dtype)
    if (STRONG[1] in inputs) != (strong_views == 2):
        raise ValueError(
            '"unlabeled_strong_2" is the second strong view of `strong_views=2`, an '
            "argument of both `IMAS` and `keras_imas.data.semi_supervised`. Received: "
            f"strong_views={strong_views} and a batch of {sorted(inputs)}"
        )
    strong = []
    for name in STRONG[:strong_views]:
        strong.append(_images(inputs, name, dtype))
        if weak.shape != strong[-1].shape:
            raise ValueError(
                f'"unlabeled" and "{name}" must be two views of the same crops. '
                f"Received shapes: {tuple(weak.shape)} and {tuple(strong[-1].shape)}"
            )
    if labeled.shape[1:] != weak.shape[1:]:
        raise ValueError(
            '"labeled" and "unlabeled" crops must have one size: they pass through the '
            "student as one batch. Received shapes: "
            f"{tuple(labeled.shape)} and {tuple(weak.shape)}"
        )
    valid = inputs.get("unlabeled_valid")
    if valid is None:
        valid = ops.ones(ops.shape(weak)[:3])
    return labeled, weak, strong, valid


def check_pairs(batch_size, group_size, adaptive):
    """Refuse unlabeled batches that adaptive CutMix can't pair.

    Args:
        batch_size: Number of unlabeled images in a batch, or `None`: unknown.
        group_size: Number of images in a pairing group, or `None`: the whole batch.
        adaptive: Whether CutMix is adaptive.

    Raises:
        ValueError: If a group would be a single image, or does not divide the batch.

    Example:
        >>> check_pairs(8, group_size=4, adaptive=True)
    """
    check_group_size("pairing_group_size", group_size, batch_size)
    if adaptive and 1 in (batch_size, group_size):
        raise ValueError(
            "Adaptive CutMix pairs images of different hardness and needs 2 or more "
            "unlabeled images in each pairing group. Received: an unlabeled batch of "
            f"{batch_size}, pairing_group_size={group_size}. Take a larger unlabeled "
            "batch or group, or set `adaptive_cutmix=False`"
        )


def positions(inputs):
    """Return the positions in the data set of a batch's images, as far as it tells.

    Args:
        inputs: Dict of a batch.

    Returns:
        Dict from `"labeled"` and `"unlabeled"` to integer tensors `(B,)`.

    Example:
        >>> positions({"labeled_index": [3, 1]})
        {'labeled': [3, 1]}
    """
    return {
        name: inputs[f"{name}_index"] for name in INDEXED if f"{name}_index" in inputs
    }


def unlabeled_positions(inputs):
    """Return the positions of a batch's unlabeled images.

    Args:
        inputs: Dict of a batch.

    Returns:
        Integer tensor `(B_u,)`.

    Raises:
        ValueError: If the batch doesn't tell.

    Example:
        >>> unlabeled_positions({"unlabeled_index": [3, 1]})
        [3, 1]
    """
    if "unlabeled_index" not in inputs:
        raise ValueError(
            "`HardnessLog` needs to know which images a batch has: "
            '"unlabeled_index" beside "unlabeled", integers (B_u,), as the batches of '
            f"`keras_imas.data` have it. Received: {sorted(inputs)}"
        )
    return inputs["unlabeled_index"]


def not_a_batch(received):
    """Return the error for inputs that are no dict of images.

    Args:
        received: What was received, in words.

    Returns:
        `ValueError`.

    Example:
        >>> str(not_a_batch("list"))[-14:]
        'Received: list'
    """
    return ValueError(f"{_INPUTS} Received: {received}")


def _images(inputs, name, dtype):
    if name not in inputs:
        raise not_a_batch(sorted(inputs))
    return ops.cast(inputs[name], dtype)
