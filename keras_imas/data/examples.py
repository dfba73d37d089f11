"""A finite set of images, with or without label maps."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_imas.data import cache
from keras_imas.data.size_multiple import size_multiple

_LABEL_KEYS = ("label_map", "segmentation_mask", "segmentation_label")
_IMAGE_KEYS = ("image", "image_left")


@dataclasses.dataclass(frozen=True)
class Examples:
    """A finite set of images, with or without label maps, not yet read.

    Made by `from_folder` and `as_examples`; the pipelines take it. It is a list of
    cheap records, in a fixed order, and the function that reads one: the pipelines
    shuffle records and read afterwards.

    Attributes:
        records: `tf.data.Dataset` of indices, or of `(index, element)`.
        load: function from a record (unpacked) and `wanted`, a tuple of "image" and
            "label_map", to a dict of tensors: of these "image" `(H, W, 3)` and
            "label_map" `(H, W)`, uint8 or int32, if labeled; "name", a string; and
            "problem", a string that is empty where all could be read, or none where
            all can be.
        size: number of examples.
        labeled: whether there are label maps.
        names: names of the examples, in order, or None if unknown.
        files: paths of the images, in order, or None.
        image_size: `(height, width)` to resize to when read, or None.
        sizes: the different `(height, width)` of image files; empty if unknown.
        random_access: whether a record is its index, so that a shuffle of all of
            them costs nothing.
        on_bad_image: "error" or "skip": what happens where a file can't be decoded.
        bad: dict from name to the reason of what was skipped so far.
    """

    records: Any
    load: Callable
    size: int
    labeled: bool
    names: tuple | None = None
    files: tuple | None = None
    image_size: tuple | None = None
    sizes: frozenset = frozenset()
    random_access: bool = True
    on_bad_image: str = "error"
    bad: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if self.on_bad_image not in ("error", "skip"):
            raise ValueError(
                '`on_bad_image` must be "error" or "skip". Received: '
                f"{self.on_bad_image!r}"
            )

    def __len__(self):
        return self.size

    def size_multiple(self):
        """Return what to round image sizes up to, so that few are compiled.

        Returns:
            As `keras_imas.data.size_multiple.size_multiple`; 1 where the sizes are not
            known.
        """
        return size_multiple(() if self.image_size else self.sizes)

    def read(self, *record, num_classes=None, ignore_class=255, labels=True):
        """Loads one example, checks it and resizes it.

        Args:
            *record: an element of `records`.
            num_classes: number of classes, or None for no check of the ids.
            ignore_class: the id that is allowed besides. Defaults to 255.
            labels: whether the label map is wanted. Defaults to True.

        Returns:
            A dict as from `load`, without "problem". What can't be decoded and a label
            map that doesn't fit raise `tf.errors.InvalidArgumentError` with the
            example's name when it is read.
        """
        return self._checked(self._loaded(record, labels), num_classes, ignore_class)

    def read_each(
        self,
        records,
        function,
        *,
        num_classes=None,
        ignore_class=255,
        labels=True,
        num_parallel_calls=None,
    ):
        """Reads the examples of many records, in order and in parallel.

        Args:
            records: `tf.data.Dataset` of `(record, extra)`, `record` a tuple.
            function: function of an example, as from `read`, and of `extra`.
            num_classes: as in `read`.
            ignore_class: as in `read`.
            labels: as in `read`.
            num_parallel_calls: examples read at once. Defaults to what tf.data finds
                best.

        Returns:
            `tf.data.Dataset` of what the function returns; where `on_bad_image` is
            "skip", without the examples that can't be decoded.
        """
        import tensorflow as tf

        def loaded(record, extra):
            return self._loaded(record, labels), extra

        def finished(example, extra):
            return function(self._checked(example, num_classes, ignore_class), extra)

        def in_parallel(records, function):
            calls = num_parallel_calls or tf.data.AUTOTUNE
            return records.map(function, calls, deterministic=True)

        if self.on_bad_image == "error":
            return in_parallel(records, lambda *record: finished(*loaded(*record)))
        good = in_parallel(records, loaded).filter(
            lambda example, _: self._good(example)
        )
        return in_parallel(good, finished)

    def pick(self, indices):
        """Reads single examples, in one pass, in their order.

        Args:
            indices: positions among the examples.

        Returns:
            Iterator of `(index, example)`, an example as from `read` in NumPy arrays;
            where `on_bad_image` is "skip", without those that can't be decoded.
        """
        import tensorflow as tf

        wanted = np.zeros(len(self), bool)
        wanted[list(indices)] = True
        wanted = tf.constant(wanted)
        records = self.records.map(as_record).enumerate()
        records = records.filter(lambda index, _: wanted[index])
        records = records.map(lambda index, record: (record[0], index))
        picked = self.read_each(records, lambda example, index: (index, example))
        return picked.as_numpy_iterator()

    def cached(self, where):
        """Returns these examples, which keep their images once they are decoded.

        Args:
            where: "memory", or a directory, which may hold images of other data sets.
                There, what was decoded from a file that has changed since is not used.

        Returns:
            `Examples`; these themselves where the images are in memory already or the
            examples are no files.
        """
        if self.files is None:
            return self
        return dataclasses.replace(self, load=cache.cached(self, where))

    def _loaded(self, record, labels):
        both = labels and self.labeled
        return self.load(*record, wanted=("image", "label_map") if both else ("image",))

    def _good(self, example):
        import tensorflow as tf

        if "problem" not in example:
            return True

        def skip(name, problem):
            self.bad[name.decode()] = problem.decode()
            if len(self.bad) == len(self):
                raise ValueError(f"None of {len(self)} images can be read: {problem}")
            return False

        return tf.cond(
            example["problem"] == "",
            lambda: True,
            lambda: tf.numpy_function(
                skip, [example["name"], example["problem"]], tf.bool
            ),
        )

    def _checked(self, example, num_classes, ignore_class):
        import tensorflow as tf

        example = dict(example)
        problem = example.pop("problem", None)
        if problem is not None:
            example = require(problem == "", "{}", problem, then=example)
        if "label_map" in example:
            if self.files is not None and example["label_map"].dtype.min < 0:
                example = _require_listed_colors(example)
            example = _require_label_map(example, num_classes, ignore_class)
        if self.image_size is not None:
            example["image"] = tf.image.resize(
                example["image"], self.image_size, antialias=True
            )
            if "label_map" in example:
                example["label_map"] = tf.image.resize(
                    example["label_map"][..., None], self.image_size, "nearest"
                )[..., 0]
        return example

    def shuffled(self, seed, buffer_size):
        """Returns the records in a new order.

        Args:
            seed: `(2,)` integer tensor; the order is a function of it.
            buffer_size: elements held in memory to choose from, where a record is
                more than its index. Otherwise all records are shuffled.

        Returns:
            `tf.data.Dataset` of the records.
        """
        import tensorflow as tf

        if self.random_access:
            order = tf.range(self.size, dtype=tf.int64)
            order = tf.random.experimental.stateless_shuffle(order, seed)
            return tf.data.Dataset.from_tensor_slices(order)
        # `Dataset.shuffle` mixes the global seed in, and fails for a tensor `seed`
        # where that is 0. In the function that makes a pass, this fixes it.
        tf.compat.v1.get_default_graph().seed = 1
        seed = tf.random.stateless_uniform([], seed, None, None, tf.int64)
        return self.records.shuffle(
            buffer_size, seed=seed, reshuffle_each_iteration=False
        )


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


def as_record(*record):
    """Gives an element of `Examples.records` the form that `read_each` takes.

    Args:
        *record: the element.

    Returns:
        `(record, ())`, no extra.
    """
    return record, ()


def require(condition, template, *values, then):
    """Raises `tf.errors.InvalidArgumentError` when a pipeline runs.

    Args:
        condition: boolean scalar tensor.
        template: message, with "{}" for each of the values.
        *values: tensors.
        then: structure of tensors, for use where the condition holds.

    Returns:
        `then`, computed after the condition.
    """
    import tensorflow as tf

    # `tf.strings.format` alone would put strings in escaped quotes.
    head, *rest = template.split("{}")
    message = [head]
    for value, text in zip(values, rest, strict=True):
        is_text = value.dtype == tf.string
        message += [value if is_text else tf.strings.format("{}", value), text]
    check = tf.debugging.Assert(condition, [tf.strings.join(message)])
    with tf.control_dependencies([] if check is None else [check]):
        return tf.nest.map_structure(tf.identity, then)


def _require_label_map(example, num_classes, ignore_class):
    """Raises, when the pipeline runs, what is wrong with a label map."""
    import tensorflow as tf

    name, label_map = example["name"], example["label_map"]
    size, label_size = tf.shape(example["image"])[:2], tf.shape(label_map)
    example = require(
        tf.reduce_all(size == label_size),
        "the label map of `{}` is {}, its image {} (height, width); they must have "
        "one size",
        name,
        label_size,
        size,
        then=example,
    )
    holds = range(label_map.dtype.min, label_map.dtype.max + 1)
    if num_classes is None or num_classes not in holds:
        return example
    bad = label_map >= num_classes
    if holds[0] < 0:
        bad = tf.logical_or(bad, label_map < 0)
    if ignore_class in holds:
        bad = tf.logical_and(bad, label_map != ignore_class)
    any_bad = tf.reduce_any(bad)
    return require(
        tf.logical_not(any_bad),
        "the label map of `{}` contains {}; allowed are 0 to "
        f"{num_classes - 1} (num_classes={num_classes}) and "
        f"ignore_class={ignore_class}",
        name,
        # Only where it is needed, as it takes as long as decoding.
        tf.cond(
            any_bad,
            lambda: tf.reduce_max(tf.cast(tf.boolean_mask(label_map, bad), tf.int32)),
            lambda: 0,
        ),
        then=example,
    )


def _require_listed_colors(example):
    """Raises, when the pipeline runs, for a color that the table does not list."""
    import tensorflow as tf

    lowest = tf.reduce_min(example["label_map"])
    code = -1 - lowest
    return require(
        lowest >= 0,
        "the mask of `{}` has the color ({}, {}, {}), which the table of classes does "
        "not list",
        example["name"],
        code // 65536,
        code // 256 % 256,
        code % 256,
        then=example,
    )


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
