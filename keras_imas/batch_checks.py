"""What a batch may hold: its keys, the range of its images, its class ids."""

import warnings

import keras
import numpy as np
from keras import ops

from keras_imas.near_miss import did_you_mean

STRONG = ("unlabeled_strong", "unlabeled_strong_2")
"""The strong views of a batch, of which it has one or both."""
KEYS = (
    "labeled",
    "unlabeled",
    *STRONG,
    "unlabeled_valid",
    "unlabeled_label_map",
    "labeled_index",
    "unlabeled_index",
)
_ROUNDING = 0.01  # grey levels: what resizing in float32 may add to 255
# What each key is of no use without.
_NEEDED = {
    "unlabeled": ("unlabeled_strong",),
    "unlabeled_strong": ("unlabeled",),
    "unlabeled_strong_2": ("unlabeled", "unlabeled_strong"),
    "unlabeled_valid": ("unlabeled", "unlabeled_strong"),
    "unlabeled_label_map": ("unlabeled", "unlabeled_strong"),
    "unlabeled_index": ("unlabeled", "unlabeled_strong"),
}


def check_keys(inputs):
    """Refuse a batch with an unknown key, or without a key that it needs.

    Args:
        inputs: The dict of a training batch, whatever its values.

    Raises:
        ValueError: If a key is unknown or missing.

    Example:
        >>> check_keys({"labeled": [], "unlabeled": [], "unlabeled_strong": []})
        >>> check_keys({"labeled": [], "unlabelled": []})
        Traceback (most recent call last):
            ...
        ValueError: A batch has the unknown key 'unlabelled'; did you mean 'unlabeled'?
        It may hold: 'labeled', 'unlabeled', 'unlabeled_strong', 'unlabeled_strong_2',
        'unlabeled_valid', 'unlabeled_label_map', 'labeled_index', 'unlabeled_index'
    """
    for key in inputs:
        if key not in KEYS:
            hint = did_you_mean(str(key), KEYS) or "."
            raise ValueError(
                f"A batch has the unknown key {key!r}{hint} It may hold: "
                f"{', '.join(map(repr, KEYS))}"
            )
    needed = {"labeled": "every batch"}
    for key in inputs:
        needed |= {other: f"a batch with {key!r}" for other in _NEEDED.get(key, ())}
    for key, what in needed.items():
        if key not in inputs:
            raise ValueError(
                f"The key {key!r} is missing, and {what} needs it. Received: "
                f"{', '.join(map(repr, inputs)) or 'no key'}"
            )


def check_fit_options(inputs, options):
    """Refuse options of `fit` that mean something else for labeled and unlabeled data.

    Args:
        inputs: The first argument of `fit`.
        options: Dict of further arguments.

    Raises:
        ValueError: If there are class weights, or images are to be split off a dict.

    Example:
        >>> check_fit_options({}, {"class_weight": {0: 1.0, 1: 5.0}})
        Traceback (most recent call last):
            ...
        ValueError: `class_weight` weights whole images here. Weight the classes of
        pixels in the loss:
        `compile(loss=keras_imas.losses.Crossentropy(class_weights=[1.0, 5.0]))`
    """
    weights = options.get("class_weight")
    if weights:
        listed = [weights[key] for key in sorted(weights)]
        raise ValueError(
            "`class_weight` weights whole images here. Weight the classes of pixels in "
            "the loss: `compile(loss=keras_imas.losses.Crossentropy(class_weights="
            f"{listed}))`"
        )
    if options.get("validation_split") and isinstance(inputs, dict):
        raise ValueError(
            "`validation_split` would split off batches of labeled and unlabeled "
            "images, and evaluation takes images and label maps. Pass "
            "`validation_data=(images, label_maps)`"
        )


def check_arrays(inputs, labels):
    """Refuse arrays of different lengths, and warn of images that are not 0..255.

    Args:
        inputs: Dict of arrays, as `fit` takes it.
        labels: Label maps `(N, H, W)`.

    Raises:
        ValueError: If the lengths differ.

    Example:
        >>> check_arrays({"labeled": np.zeros((2, 8, 8, 3))}, np.zeros((2, 8, 8)))
    """
    lengths = {name: len(value) for name, value in inputs.items()}
    if set(lengths.values()) != {len(labels)}:
        raise ValueError(
            "Arrays must be of one length, as `fit` takes as many labeled as unlabeled "
            f"images from them. Received: {lengths} and {len(labels)} label maps. "
            "`keras_imas.data.semi_supervised((images, label_maps), unlabeled, ...)` "
            "takes different numbers, and makes the views"
        )
    for name in ("labeled", "unlabeled"):
        warn_of_image_range(inputs.get(name, ()), name, stacklevel=5)


def warn_of_image_range(images, name="images", stacklevel=3):
    """Warn of images that are not 0..255 RGB, which some networks are made for.

    Args:
        images: See `check_image_range`.
        name: What to call them. Defaults to `"images"`.
        stacklevel: See `warnings.warn`. Defaults to `3`: the caller of the caller.

    Example:
        >>> warn_of_image_range(np.full((1, 2, 2, 3), 128.0))
    """
    try:
        check_image_range(images, name)
    except ValueError as error:
        message = f"{error}, unless the network was made for such images"
        warnings.warn(message, stacklevel=stacklevel)


def check_image_range(images, name="images"):
    """Refuse images that are not 0..255 RGB, by their values.

    Black images are right, whatever their dtype. Meant for all images of a data set,
    or for the first batch: a nearly black image alone may have no value above 1.

    Args:
        images: Array `(..., H, W, 3)`.
        name: What to call them. Defaults to `"images"`.

    Raises:
        ValueError: If a value is below 0 or above 255 by more than resizing rounds, or
            not finite, or if the highest is above 0 and at most 1.

    Example:
        >>> check_image_range(np.full((1, 2, 2, 3), 128.0))
        >>> check_image_range(np.full((1, 2, 2, 3), 0.5))
        Traceback (most recent call last):
            ...
        ValueError: `images` must be 0..255 RGB. Received: float64 with values from 0.5
        to 0.5. Multiply them by 255
    """
    images = np.asarray(images)
    if not images.size:
        return
    low, high = images.min(), images.max()
    if images.dtype == bool:
        low, high = int(low), int(high)
    cure = _cure(images.dtype, low, high)
    if cure:
        raise ValueError(
            f"`{name}` must be 0..255 RGB. Received: {images.dtype} with values from "
            f"{low:.6g} to {high:.6g}. {cure}"
        )


def _cure(dtype, low, high):
    """Return what to do about values that are no colors, or `None`."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return "Find out where NaN or infinite values come from"
    if low < -_ROUNDING:
        if dtype == np.int8:
            return 'Convert them by `.astype("uint8")`, if 128..255 became negative'
        return (
            "Undo what normalized them, such as by `images * std + mean`: the network "
            "scales its own input"
        )
    if high > 255 + _ROUNDING:
        bits = int(high).bit_length()
        whole = f"255 / {2**bits - 1}"
        return (
            f"Multiply them by 255 / the highest value that is possible, such as "
            f"{whole} for {bits} bits"
        )
    if 0 < high <= 1:
        return "Multiply them by 255"
    return None


def check_num_classes(num_classes, ignore_class=255):
    """Refuse a number of classes that leaves nothing to tell apart.

    Args:
        num_classes: Number of classes, or `None`, which passes.
        ignore_class: Id of pixels without label. Defaults to `255`.

    Raises:
        ValueError: If there is one class or none, or if 255 is both a class and
            `ignore_class`.

    Example:
        >>> check_num_classes(19)
        >>> check_num_classes(1)
        Traceback (most recent call last):
            ...
        ValueError: `num_classes` must be 2 or more: a single class can't be told apart
        from anything. The background is a class too: with one kind of object, ids are
        0 and 1 and num_classes=2. Received: num_classes=1
    """
    if num_classes is None:
        return
    if num_classes < 2:
        raise ValueError(
            "`num_classes` must be 2 or more: a single class can't be told apart from "
            "anything. The background is a class too: with one kind of object, ids are "
            f"0 and 1 and num_classes=2. Received: num_classes={num_classes}"
        )
    if ignore_class == 255 < num_classes:
        raise ValueError(
            f"ignore_class=255 is one of the classes 0 to {num_classes - 1} "
            f"(num_classes={num_classes}), so that class 255 would never be learned. "
            "Pass an `ignore_class` that no class has, such as -1 or 65535"
        )


def check_two_classes(label_maps, ignore_class=255):
    """Refuse label maps with one class and ignored pixels alone.

    Args:
        label_maps: Integer array of any shape, of all labeled images.
        ignore_class: Id of pixels without label. Defaults to `255`.

    Raises:
        ValueError: If there is nothing to tell apart.

    Example:
        >>> check_two_classes(np.array([0, 1, 255]))
        >>> check_two_classes(np.array([0, 0, 255]))
        Traceback (most recent call last):
            ...
        ValueError: The label maps hold class 0 and 255 alone, and 255 is ignore_class:
        pixels without label, so that there is nothing to tell apart. If 255 is an
        object, give it the id 1: `np.where(label_maps == 255, 1, label_maps)`
    """
    labels = np.asarray(label_maps)
    ignored = labels == ignore_class
    if not ignored.any() or ignored.all():
        return
    first = labels.flat[np.argmin(ignored)]
    if ((labels == first) | ignored).all():
        raise ValueError(
            f"The label maps hold class {first} and {ignore_class} alone, and "
            f"{ignore_class} is ignore_class: pixels without label, so that there is "
            f"nothing to tell apart. If {ignore_class} is an object, give it the id 1: "
            f"`np.where(label_maps == {ignore_class}, 1, label_maps)`"
        )


def find_wrong_id(label_map, num_classes, ignore_class=255):
    """Return a label that is neither a class nor ignored, inside of a step.

    It is two comparisons and two reductions: nothing beside a loss.

    Args:
        label_map: Tensor of any shape; fractions are wrong too.
        num_classes: Number of classes C.
        ignore_class: Id of pixels without label, or `None`. Defaults to `255`.

    Returns:
        `(found, label)`: a boolean scalar, and a float32 scalar, one of the wrong
        labels; it means nothing where none is found.

    Example:
        >>> found, label = find_wrong_id(ops.convert_to_tensor([[0, 9, 255]]), 4)
        >>> bool(found), float(label)
        (True, 9.0)
    """
    labels = ops.cast(label_map, "float32")
    wrong = ops.logical_not(_known(labels, num_classes, ignore_class))
    highest = ops.max(ops.where(wrong, labels, -np.inf))
    return ops.any(wrong), highest


def known_labels(labels, num_classes, ignore_class=255):
    """Return labels with what is no class ignored, so that a loss can take them.

    Args:
        labels: Tensor of any shape.
        num_classes: Number of classes C.
        ignore_class: Id of pixels without label, or `None`: class 0 takes its place.
            Defaults to `255`.

    Returns:
        Tensor like `labels`; int32 for integers.

    Example:
        >>> labels = known_labels(ops.convert_to_tensor([[0, 9, 255]]), 4)
        >>> ops.convert_to_numpy(labels).tolist()
        [[0, 255, 255]]
    """
    wrong = ops.logical_not(_known(labels, num_classes, ignore_class))
    other = 0 if ignore_class is None else ignore_class
    if "int" in keras.backend.standardize_dtype(labels.dtype):
        # Such as uint8, which has neither -1 nor 65535.
        labels = ops.cast(labels, "int32")
    # Not `full_like`, for which PyTorch would read the number back.
    return ops.where(wrong, ops.cast(other, labels.dtype), labels)


def _known(labels, num_classes, ignore_class):
    # float32 holds whole numbers up to 2**24, and rounds none to an id of a class.
    labels = ops.cast(labels, "float32")
    # So that NaN is wrong.
    known = ops.logical_and(labels >= 0, labels < num_classes)
    known = ops.logical_and(known, labels == ops.floor(labels))
    if ignore_class is not None:
        known = ops.logical_or(known, labels == ignore_class)
    return known


def wrong_id_message(label, num_classes, ignore_class=255, where="The label map"):
    """Return what is wrong with a label, and what to do.

    Args:
        label: The label, a number.
        num_classes: Number of classes C.
        ignore_class: Id of pixels without label. Defaults to `255`.
        where: What holds it, for the beginning. Defaults to `"The label map"`.

    Returns:
        String.

    Example:
        >>> wrong_id_message(9.0, 4)
        'The label map contains 9; allowed are 0 to 3 (num_classes=4) and
        ignore_class=255. Map it to a class, or to ignore_class'
    """
    return (
        f"{where} contains {label:g}; allowed are 0 to {num_classes - 1} "
        f"(num_classes={num_classes}) and ignore_class={ignore_class}. Map it to a "
        "class, or to ignore_class"
    )


def check_label_map(label_map, num_classes, ignore_class=255, where="The label map"):
    """Refuse labels that are neither a class nor ignored, outside of a step.

    Args:
        label_map: Array or tensor of any shape.
        num_classes: Number of classes C.
        ignore_class: Id of pixels without label. Defaults to `255`.
        where: What holds it, for the message. Defaults to `"The label map"`.

    Raises:
        ValueError: If a label is wrong.

    Example:
        >>> check_label_map(np.array([[0, 3, 255]]), 4)
    """
    labels = ops.convert_to_numpy(label_map)
    right = (labels >= 0) & (labels < num_classes) & (labels == np.floor(labels))
    right |= labels == ignore_class
    if not right.all():
        label = labels[~right].flat[0]
        raise ValueError(wrong_id_message(label, num_classes, ignore_class, where))
