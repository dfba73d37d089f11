"""What callers may pass: arrays of any kind, and the rules for numbers."""

import numbers

import keras
import numpy as np
from keras import ops


def as_tensor(value, dtype=None):
    """Convert an array, a list of arrays or any backend's tensor to a tensor.

    Args:
        value: A tensor of TensorFlow, JAX or PyTorch, a NumPy array, a (nested) list
            of numbers, or a list of equally shaped arrays.
        dtype: The dtype to convert to. Defaults to `None`: the value's own.

    Returns:
        A tensor of the active backend.

    Example:
        >>> as_tensor([np.zeros((2, 2)), np.ones((2, 2))]).shape[0]
        2
    """
    if not (ops.is_tensor(value) or isinstance(value, keras.KerasTensor)):
        # A tensor of another backend converts through NumPy, off its graph and device.
        if isinstance(value, list | tuple):
            value = np.stack([_as_array(item) for item in value])
        else:
            value = _as_array(value)
        if value.dtype == "float64":
            value = value.astype("float32")
    return ops.convert_to_tensor(value, dtype=dtype)


def valid_weights(valid_mask, like):
    """Return a validity mask as float32 weights; ones where there is none.

    Args:
        valid_mask: `(B, H, W)`, nonzero where valid, or `None`.
        like: Tensor `(B, H, W)` that the mask belongs to.

    Returns:
        float32 tensor `(B, H, W)` of zeros and ones.

    Raises:
        ValueError: If the two shapes differ.

    Example:
        >>> weights = valid_weights(np.array([[[True, False]]]), np.zeros((1, 1, 2)))
        >>> float(weights[0, 0, 1])
        0.0
    """
    if valid_mask is None:
        return ops.ones(ops.shape(like), dtype="float32")
    valid_mask = as_tensor(valid_mask)
    check_shape("valid_mask", valid_mask, like.shape)
    return ops.cast(ops.not_equal(valid_mask, 0), "float32")


def check_shape(name, value, expected):
    """Refuse a tensor of another shape than expected.

    Args:
        name: The argument's name.
        value: The tensor.
        expected: The shape; `None` for an unknown size.

    Raises:
        ValueError: If the shapes differ where both are known.

    Example:
        >>> check_shape("confidence", np.zeros((1, 2)), (None, 2))
    """
    shape, expected = tuple(value.shape), tuple(expected)
    if not shapes_agree(shape, expected):
        raise ValueError(f"`{name}` must have the shape {expected}. Received: {shape}")


def shapes_agree(shape, expected):
    """Tell whether two shapes are the same where both are known.

    Args:
        shape: A shape; `None` for an unknown size.
        expected: Another one.

    Returns:
        A bool.

    Example:
        >>> shapes_agree((4, None), (4, 8)), shapes_agree((4,), (4, 8))
        (True, False)
    """
    return len(shape) == len(expected) and all(
        a == b or a is None or b is None for a, b in zip(shape, expected, strict=True)
    )


def check_rank(name, value, rank):
    """Refuse a tensor with another number of dimensions than expected.

    Args:
        name: The argument's name.
        value: The tensor.
        rank: The number of dimensions.

    Raises:
        ValueError: If they differ.

    Example:
        >>> check_rank("hardness", np.zeros((4,)), 1)
    """
    if len(value.shape) != rank:
        raise ValueError(
            f"`{name}` must have {rank} dimensions. Received: a tensor of shape "
            f"{tuple(value.shape)}"
        )


def check_range(name, value):
    """Refuse what is not a range within [0, 1].

    Args:
        name: The argument's name.
        value: Two numbers, low and high.

    Raises:
        ValueError: If they are not two increasing numbers in [0, 1].

    Example:
        >>> check_range("cutmix_range", (0.1, 0.9))
    """
    if not (len(value) == 2 and 0 <= value[0] <= value[1] <= 1):
        raise ValueError(
            f"`{name}` must be two increasing numbers in [0, 1]. Received: "
            f"{name}={value!r}"
        )


def is_of_keras(value):
    """Tell whether Keras defines a function or class, or an object's class.

    Args:
        value: Anything.

    Returns:
        Boolean.

    Example:
        >>> is_of_keras(keras.losses.Dice()), is_of_keras(len)
        (True, False)
    """
    module = getattr(value, "__module__", "") or ""
    return module.split(".")[0] == "keras"


def check_not_negative(**values):
    """Refuse negative numbers.

    Args:
        **values: The numbers by the arguments' names.

    Raises:
        ValueError: If one is negative.

    Example:
        >>> check_not_negative(ema_copy_steps=0)
    """
    for name, value in values.items():
        if value < 0:
            raise ValueError(
                f"`{name}` must not be negative. Received: {name}={value!r}"
            )


def check_positive(**values):
    """Refuse what is not a positive integer.

    Args:
        **values: The numbers by the arguments' names.

    Raises:
        ValueError: If one is not.

    Example:
        >>> check_positive(every=1)
    """
    for name, value in values.items():
        whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        if not whole or value < 1:
            raise ValueError(
                f"`{name}` must be a positive integer. Received: {name}={value!r}"
            )


def check_fraction(name, value):
    """Refuse a number outside [0, 1].

    Args:
        name: The argument's name.
        value: The number.

    Raises:
        ValueError: If it is not a number in [0, 1].

    Example:
        >>> check_fraction("confidence_threshold", 0.7)
    """
    try:
        inside = 0.0 <= value <= 1.0
    except TypeError:
        inside = False
    if not inside:
        raise ValueError(f"`{name}` must be in [0, 1]. Received: {name}={value!r}")


def check_choice(name, value, choices):
    """Raise where an argument is none of its choices.

    Args:
        name: Name of the argument.
        value: Its value.
        choices: The values that it may have.

    Raises:
        ValueError: If it is another.

    Example:
        >>> check_choice("cutmix_view", "weak", ("weak", "strong"))
    """
    if value not in choices:
        allowed = " or ".join(
            f'"{choice}"' if isinstance(choice, str) else str(choice)
            for choice in choices
        )
        raise ValueError(f"`{name}` must be {allowed}. Received: {name}={value!r}")


def check_class(name, value, num_classes):
    """Refuse a class id that is not one of the classes; `None` passes.

    Args:
        name: The argument's name.
        value: The class id or `None`.
        num_classes: Number of classes.

    Raises:
        ValueError: If it is not in [0, num_classes).

    Example:
        >>> check_class("background_class", 0, 19)
    """
    if value is not None and not 0 <= value < num_classes:
        raise ValueError(
            f"`{name}` must be in [0, {num_classes}), the classes of the logits, or "
            f"None. Received: {name}={value!r}"
        )


def check_channels(name, num_classes):
    """Refuse one output channel, over which a softmax is always 1.

    Args:
        name: What has the channels, such as an argument's name.
        num_classes: Number of channels; `None` where it is unknown.

    Raises:
        ValueError: If there are fewer than 2.

    Example:
        >>> check_channels("student_logits", 2)
    """
    if num_classes is not None and num_classes < 2:
        raise ValueError(
            f"`{name}` must have a channel for each class, 2 or more: over one, "
            "softmax is always 1. For one kind of object take 2, background and "
            "object, with label maps of 0 and 1 and no sigmoid; the one logit x of a "
            "trained network becomes two by "
            "`keras.layers.Concatenate()([keras.ops.zeros_like(x), x])`. Received: "
            f"{num_classes} channel"
        )


def check_logits(name, logits):
    """Refuse logits that are probabilities, as a sample of the pixels shows.

    Inside of a compiled function, and of fewer than 16 pixels, nothing is known, and
    all passes; so do one-hot values.

    Args:
        name: The argument's name.
        logits: Tensor `(B, H, W, C)`.

    Raises:
        ValueError: If the values of each pixel are in [0, 1] and add up to 1.

    Example:
        >>> check_logits("student_logits", np.zeros((1, 8, 8, 3)))
    """
    sample = _sample(logits)
    if sample is None or not _in_unit_interval(sample):
        return
    sums = sample.sum(axis=-1)  # half precision has three digits
    if np.abs(sums - 1.0).max() < 1e-2 and (sample % 1.0 > 0.0).any():
        raise ValueError(
            f"`{name}` must be logits, before softmax. Received: probabilities, in "
            "[0, 1] and with a sum of 1 at each pixel. Pass `from_logits=False`, or "
            "take the softmax off the network"
        )


def check_probabilities(name, probabilities):
    """Refuse probabilities outside [0, 1], as a sample of the pixels shows.

    Inside of a compiled function, and of fewer than 16 pixels, nothing is known, and
    all passes.

    Args:
        name: The argument's name.
        probabilities: Tensor `(B, H, W, C)`.

    Raises:
        ValueError: If a value is not in [0, 1]; NaN passes.

    Example:
        >>> check_probabilities("student_logits", np.full((1, 8, 8, 2), 0.5))
    """
    sample = _sample(probabilities)
    if sample is not None and not _in_unit_interval(sample):
        raise ValueError(
            f"`{name}` must be probabilities, in [0, 1], with from_logits=False. "
            f"Received: values from {sample.min():.3g} to {sample.max():.3g}. Pass "
            "`from_logits=True` for logits"
        )


def _sample(tensor, side=8):
    """Return finite values of some pixels of a tensor, `(N, C)`, or `None`."""
    if isinstance(tensor, keras.KerasTensor) or None in tuple(tensor.shape):
        return None
    rows, columns = (max(size // side, 1) for size in tensor.shape[1:3])
    try:
        some = ops.convert_to_numpy(tensor[:, ::rows, ::columns])
    except (TypeError, AttributeError, NotImplementedError, RuntimeError):
        return None  # what a compiled function works on has no values yet
    some = some.reshape(-1, some.shape[-1]).astype("float32")
    some = some[np.isfinite(some).all(axis=-1)]
    return some if len(some) >= 16 else None


def _in_unit_interval(values):
    return -1e-3 <= values.min() and values.max() <= 1.0 + 1e-3


def check_group_size(name, value, batch_size):
    """Refuse a group size that does not divide a known batch size; `None` passes.

    Args:
        name: The argument's name.
        value: Number of images in a group, or `None` for the whole batch.
        batch_size: Number of images in the batch; anything but an integer is unknown.

    Raises:
        ValueError: If it is not positive or does not divide the batch.

    Example:
        >>> check_group_size("group_size", 4, 16)
    """
    if value is None:
        return
    if value < 1 or (isinstance(batch_size, int) and batch_size % value):
        raise ValueError(
            f"`{name}` must be positive and divide the number of images in a batch. "
            f"Received: {name}={value!r}, a batch of {batch_size}"
        )


def _as_array(value):
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value)
