"""Examples from arrays and from `tf.data` datasets."""

import sys

import numpy as np

from keras_imas.batch_checks import check_image_range
from keras_imas.data.array_reader import ArrayReader
from keras_imas.data.examples import Examples
from keras_imas.data.order import check_order, same_name
from keras_imas.data.requirements import require
from keras_imas.near_miss import near_miss
from keras_imas.typing import Source

_LABEL_KEYS = ("label_map", "segmentation_mask", "segmentation_label")
_IMAGE_KEYS = ("image", "image_left")
_FIRST_IMAGES = 4  # of a `tf.data.Dataset`, by which the range of all is told


def as_examples(source: Source) -> Examples:
    """Convert arrays or a `tf.data.Dataset` to `Examples`.

    Args:
        source: an `Examples` (returned as it is); an array of images `(N, H, W, 3)`;
            a pair of arrays `(images, label_maps)`, label maps `(N, H, W)` or
            `(N, H, W, 1)`; or a `tf.data.Dataset` of known, finite cardinality whose
            elements are `image`, `(image, label_map)` or dicts with "image" and
            "label_map" (also TFDS' "segmentation_mask" and "segmentation_label"), and
            "name" if there is one. It must yield the same order every time, not
            shuffled. Images are 0..255 RGB, of any dtype.

    Returns:
        `Examples`.

    Raises:
        ValueError: if the shapes, types, values or the cardinality don't fit, a key is
            misspelt, or the dataset shuffles by itself.

    Example:
        >>> import numpy as np
        >>> images = np.zeros((5, 8, 8, 3), "uint8")
        >>> examples = as_examples((images, np.zeros((5, 8, 8), "uint8")))
        >>> len(examples), examples.labeled
        (5, True)
    """
    if isinstance(source, Examples):
        return source
    tf = sys.modules.get("tensorflow")  # who has a dataset has imported it
    if tf is not None and isinstance(source, tf.data.Dataset):
        return _from_dataset(source)
    if not isinstance(source, tuple | list):
        return _from_arrays(source)
    if len(source) != 2:
        raise ValueError(
            "A tuple or list must be (images, label_maps), two arrays. "
            f"Received: {len(source)} elements"
        )
    return _from_arrays(*source)


def _from_arrays(images, label_maps=None):
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] != 3 or not len(images):
        raise ValueError(
            "images must have shape (N, height, width, 3), with N at least 1. "
            f"Received: shape={images.shape}{_cure(images.shape)}"
        )
    check_image_range(images)
    if images.dtype.kind in "biu":
        images = images.astype("uint8")  # which is lossless in this range
    arrays = {"image": images}
    if label_maps is not None:
        label_maps = np.asarray(label_maps)
        if label_maps.ndim == 4 and label_maps.shape[-1] == 1:
            label_maps = label_maps[..., 0]
        if label_maps.shape != images.shape[:3]:
            raise ValueError(
                "label maps must have shape (N, height, width), with those of the "
                f"images. Received: images {images.shape}, label maps "
                f"{label_maps.shape}"
            )
        _require_integer(label_maps.dtype)
        arrays["label_map"] = label_maps.astype("int32")
        beyond = label_maps[arrays["label_map"] != label_maps]
        if beyond.size:
            raise ValueError(f"label maps must hold class ids. Received: {beyond[0]}")
    reader = ArrayReader(arrays)
    return Examples(
        load=reader.load,
        fetch=reader.fetch,
        size=len(images),
        labeled=label_maps is not None,
        sizes=frozenset([images.shape[1:3]]),
    )


def _from_dataset(dataset):
    import tensorflow as tf

    size = int(dataset.cardinality())
    if size == tf.data.UNKNOWN_CARDINALITY:
        raise ValueError(
            "The number of elements of the dataset is unknown, and an epoch is one "
            "pass over it. State it: "
            "`dataset.apply(tf.data.experimental.assert_cardinality(n))`."
        )
    if size == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "The dataset is infinite, and an epoch is one pass over it. Remove "
            "`.repeat()`: the pipelines repeat by themselves."
        )
    if size == 0:
        raise ValueError("The dataset is empty.")

    def as_dict(element):
        if isinstance(element, dict):
            return element
        if not isinstance(element, tuple | list):
            return {"image": element}
        return dict(zip(("image", "label_map"), element, strict=False))

    spec = as_dict(dataset.element_spec)
    if isinstance(dataset.element_spec, tuple) and len(dataset.element_spec) > 2:
        raise ValueError(
            "Elements of the dataset must be `image` or `(image, label_map)`. "
            f"Received: {len(dataset.element_spec)} parts. Weights are not read: give "
            "pixels that should not count the label `ignore_class`"
        )
    image_key = next((key for key in _IMAGE_KEYS if key in spec), None)
    label_key = next((key for key in _LABEL_KEYS if key in spec), None)
    rank = image_key and spec[image_key].shape.rank
    _check_spelling(spec)
    if rank not in (3, None) or image_key is None:
        raise ValueError(
            "Elements of the dataset must be `image`, `(image, label_map)` or a dict "
            "with 'image' and 'label_map', one example an element (not batched), "
            f"images (height, width, 3). Received: {dataset.element_spec}"
        )
    if rank and spec[image_key].shape[-1] not in (3, None):
        shape = tuple(spec[image_key].shape)
        raise ValueError(
            f"images must have shape (height, width, 3). Received: shape={shape}"
            f"{_cure(shape)}"
        )
    if label_key is not None:
        _require_integer(spec[label_key].dtype.as_numpy_dtype)
    check_order(dataset)
    dtype = spec[image_key].dtype
    if dtype != tf.uint8:
        first = [as_dict(e)[image_key] for e in dataset.take(_FIRST_IMAGES)]
        check_image_range(np.concatenate([np.ravel(image) for image in first]))
    names = {}

    def load(index, element, wanted=("image", "label_map")):
        element = as_dict(element)
        example = {}
        name = element.get("name", tf.strings.format("#{}", index))
        if "name" in element:
            name = same_name(names, index, name)
        if "image" in wanted:
            image = element[image_key]
            if dtype != tf.uint8:
                image = _require_range(image, name)
                image = image if dtype.is_floating else tf.cast(image, tf.uint8)
            example["image"] = _require_channels(image, name)
        if "label_map" in wanted and label_key is not None:
            label_map = _as_ids(element[label_key], name)
            if label_map.shape.rank == 3:
                label_map = tf.squeeze(label_map, -1)
            example["label_map"] = label_map
        return {**example, "name": name}

    return Examples(
        dataset=dataset.enumerate(),
        load=load,
        size=size,
        labeled=label_key is not None,
    )


def _cure(shape):
    """Return what to do about another number of channels, for the end of a message."""
    if len(shape) not in (3, 4) or shape[-1] == 3:
        return ""
    if shape[-1] == 1:
        return ". Repeat the grey channel: `np.repeat(images, 3, axis=-1)`"
    return f". Choose 3 of the {shape[-1]} channels, such as `images[..., :3]`"


def _check_spelling(spec):
    """Refuse a key that is nearly one that is read, where none of its kind is there."""
    for known, ranks in ((_IMAGE_KEYS, (3,)), (_LABEL_KEYS, (2, 3)), (("name",), (0,))):
        if any(key in spec for key in known):
            continue
        for key, tensor in spec.items():
            shape = getattr(tensor, "shape", None)
            meant = near_miss(key, known)
            if meant is not None and shape is not None and shape.rank in (*ranks, None):
                raise ValueError(
                    f"The dataset has the key {key!r}; did you mean {meant!r}? Rename "
                    "it, or leave it out"
                )


def _require_range(image, name):
    import tensorflow as tf

    low, high = (
        tf.cast(reduce(image), tf.float32) for reduce in (tf.reduce_min, tf.reduce_max)
    )
    return require(
        tf.logical_and(low >= 0, high <= 255),  # false for NaN
        "`{}` must be 0..255 RGB; its values are from {} to {}",
        name,
        low,
        high,
        then=image,
    )


def _require_channels(image, name):
    import tensorflow as tf

    if image.shape.rank is None or image.shape[-1] is None:
        image = require(
            tf.reduce_all(tf.shape(image)[2:] == [3]),
            "`{}` must be (height, width, 3), RGB; its shape is {}",
            name,
            tf.shape(image),
            then=image,
        )
    return tf.ensure_shape(image, (None, None, 3))


def _as_ids(label_map, name):
    """Return a label map in int32; what doesn't fit is no id."""
    import tensorflow as tf

    ids = tf.cast(label_map, tf.int32)
    if label_map.dtype.size < 4 or label_map.dtype == tf.int32:
        return ids
    return require(
        tf.reduce_all(tf.cast(ids, label_map.dtype) == label_map),
        "the label map of `{}` must hold class ids; it contains {}",
        name,
        tf.reduce_max(label_map),
        then=ids,
    )


def _require_integer(dtype):
    if not (np.issubdtype(dtype, np.integer) or np.issubdtype(dtype, bool)):
        raise ValueError(
            "label maps must hold integers, one class id a pixel. Received: dtype="
            f'{np.dtype(dtype)}. Convert whole numbers by `.astype("int32")`, and '
            "one-hot labels by `.argmax(axis=-1)`"
        )
