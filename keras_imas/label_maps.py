"""Label maps and the weights of their pixels, as losses and metrics read them."""

import keras
from keras import ops

from keras_imas.arguments import as_tensor, shapes_agree


def as_label_maps(labels, shape, *, name="y_true"):
    """Return label maps as integers, without an axis of one channel.

    Args:
        labels: Class ids, integers `(B, H, W)` or `(B, H, W, 1)`.
        shape: The shape of what they belong to, `(B, H, W)`; `None` for an unknown
            size.
        name: The argument's name. Defaults to `"y_true"`.

    Returns:
        int32 tensor `(B, H, W)`.

    Raises:
        ValueError: If they are no integers, one-hot, of unknown rank or of another
            shape.

    Example:
        >>> labels = as_label_maps([[[[0], [255]]]], (1, 1, 2))
        >>> tuple(labels.shape)
        (1, 1, 2)
    """
    labels = as_tensor(labels)
    check_integers(name, labels)
    if has_channel_axis(name, labels, shape):
        labels = ops.squeeze(labels, axis=-1)
    return ops.cast(labels, "int32")


def check_integers(name, labels):
    """Refuse labels that are not whole numbers by their dtype.

    Args:
        name: The argument's name.
        labels: A tensor or array.

    Raises:
        ValueError: If its dtype is neither an integer nor bool.

    Example:
        >>> import numpy as np
        >>> check_integers("y_true", np.zeros((1, 2, 2), "uint8"))
    """
    dtype = keras.backend.standardize_dtype(labels.dtype)
    if "int" not in dtype and dtype != "bool":
        raise ValueError(
            f"`{name}` must be label maps: the class id of each pixel, as integers. "
            f'Received: dtype {dtype}. Convert ids by `.astype("int32")`, and one-hot '
            "labels or probabilities by `.argmax(axis=-1)`"
        )


def has_channel_axis(name, labels, shape):
    """Tell whether label maps have an axis of one channel; refuse other shapes.

    Args:
        name: The argument's name.
        labels: A tensor or array.
        shape: The shape of what they belong to, without channels; `None` for an
            unknown size.

    Returns:
        Whether the last axis is to be dropped.

    Raises:
        ValueError: If the shape is neither `shape` nor `(*shape, 1)`.

    Example:
        >>> import numpy as np
        >>> has_channel_axis("y_true", np.zeros((1, 2, 2, 1), int), (1, 2, 2))
        True
    """
    try:
        own = tuple(labels.shape)
    except ValueError:  # as TensorFlow says it
        raise ValueError(
            f"`{name}` must have a known number of dimensions: label maps (B, H, W). "
            "Give them a shape where they are made, such as by `tf.ensure_shape`"
        ) from None
    shape = tuple(shape)
    channels = own[-1] if len(own) == len(shape) + 1 else None
    if channels is not None and channels > 1:
        raise ValueError(
            f"`{name}` must be label maps: one class id a pixel, with the shape "
            f"{shape}. Received: one-hot labels or colors, with the shape {own}. "
            "Convert one-hot labels by `.argmax(axis=-1)`"
        )
    if channels == 1:
        own = own[:-1]
    if not shapes_agree(own, shape):
        raise ValueError(
            f"`{name}` must have the shape {shape}. Received: {tuple(labels.shape)}"
        )
    return channels == 1


def pixel_weights(sample_weight, labels):
    """Return `sample_weight` as the weight of each pixel.

    Args:
        sample_weight: Weights of images, `(B,)`, or of pixels, `(B, H, W)`; either may
            have axes of size 1 behind. `None`: all weigh 1.
        labels: Label maps `(B, H, W)` that they belong to.

    Returns:
        float32 tensor `(B, H, W)`.

    Raises:
        ValueError: If the shapes don't belong together.

    Example:
        >>> weights = pixel_weights([1.0, 0.0], ops.zeros((2, 1, 2)))
        >>> ops.convert_to_numpy(weights).tolist()
        [[[1.0, 1.0]], [[0.0, 0.0]]]
    """
    ones = ops.ones_like(labels, dtype="float32")
    if sample_weight is None:
        return ones
    weights = ops.cast(as_tensor(sample_weight), "float32")
    given, shape = tuple(weights.shape), tuple(labels.shape)
    if len(given) == len(shape) + 1 and given[-1] == 1:
        weights = ops.squeeze(weights, axis=-1)
    if shapes_agree(weights.shape, shape):
        return ones * weights
    # Of images: never along the width, even where it is as large as the batch.
    of_images = all(size == 1 for size in given[1:])
    if not of_images or not shapes_agree(given[:1], shape[: len(given[:1])]):
        raise ValueError(
            "`sample_weight` must weigh images, with the shape (B,), or pixels, with "
            f"that of the label maps, {shape}. Received: the shape {given}"
        )
    return ones * ops.reshape(weights, (-1, *[1] * (len(shape) - 1)))
