"""Examples from arrays and from `tf.data` datasets."""

import numpy as np

from keras_imas.data.examples import Examples

_LABEL_KEYS = ("label_map", "segmentation_mask", "segmentation_label")
_IMAGE_KEYS = ("image", "image_left")


def as_examples(source):
    """Converts arrays or a `tf.data.Dataset` to `Examples`.

    Args:
        source: an `Examples` (returned as it is); an array of images `(N, H, W, 3)`;
            a pair of arrays `(images, label_maps)`, label maps `(N, H, W)` or
            `(N, H, W, 1)`; or a `tf.data.Dataset` of known, finite cardinality whose
            elements are `image`, `(image, label_map)` or dicts with "image" and
            "label_map" (also TFDS' "segmentation_mask" and "segmentation_label"), and
            "name" if there is one. It must yield the same order every time. Images
            are 0..255 RGB.

    Returns:
        `Examples`.

    Raises:
        ValueError: if the shapes, types or the cardinality don't fit.

    Example:
        >>> import numpy as np
        >>> images = np.zeros((5, 8, 8, 3), "uint8")
        >>> examples = as_examples((images, np.zeros((5, 8, 8), "uint8")))
        >>> len(examples), examples.labeled
        (5, True)
    """
    if isinstance(source, Examples):
        return source
    import tensorflow as tf

    if isinstance(source, tf.data.Dataset):
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
    import tensorflow as tf

    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] != 3 or not len(images):
        raise ValueError(
            "images must have shape (N, height, width, 3), with N at least 1. "
            f"Received: shape={images.shape}"
        )
    tensors = {"image": tf.convert_to_tensor(images)}
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
        tensors["label_map"] = tf.convert_to_tensor(label_maps)

    def load(index, wanted=("image", "label_map")):
        example = {key: tensors[key][index] for key in wanted if key in tensors}
        if "label_map" in example:
            example["label_map"] = tf.cast(example["label_map"], tf.int32)
        return {**example, "name": tf.strings.format("#{}", index)}

    return Examples(
        records=tf.data.Dataset.range(len(images)),
        load=load,
        size=len(images),
        labeled=label_maps is not None,
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
    image_key = next((key for key in _IMAGE_KEYS if key in spec), None)
    label_key = next((key for key in _LABEL_KEYS if key in spec), None)
    rank = image_key and spec[image_key].shape.rank
    if rank not in (3, None) or image_key is None:
        raise ValueError(
            "Elements of the dataset must be `image`, `(image, label_map)` or a dict "
            "with 'image' and 'label_map', one example an element (not batched), "
            f"images (height, width, 3). Received: {dataset.element_spec}"
        )
    if label_key is not None:
        _require_integer(spec[label_key].dtype.as_numpy_dtype)

    def load(index, element, wanted=("image", "label_map")):
        element = as_dict(element)
        example = {}
        if "image" in wanted:
            example["image"] = tf.ensure_shape(element[image_key], (None, None, 3))
        if "label_map" in wanted and label_key is not None:
            label_map = tf.cast(element[label_key], tf.int32)
            if label_map.shape.rank == 3:
                label_map = tf.squeeze(label_map, -1)
            example["label_map"] = label_map
        name = element.get("name", tf.strings.format("#{}", index))
        return {**example, "name": name}

    return Examples(
        records=dataset.enumerate(),
        load=load,
        size=size,
        labeled=label_key is not None,
        random_access=False,
    )


def _require_integer(dtype):
    if not np.issubdtype(dtype, np.integer):
        raise ValueError(
            "label maps must hold integers, one class id a pixel. "
            f"Received: dtype={np.dtype(dtype)}"
        )
