"""A finite set of images, with or without label maps."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from keras_imas.augment.weak import part_of_nearest
from keras_imas.data import cache
from keras_imas.data.pixels import resized
from keras_imas.data.read_ahead import ahead
from keras_imas.data.requirements import (
    check_example,
    require,
    require_label_map,
    require_listed_colors,
)
from keras_imas.data.size_multiple import size_multiple
from keras_imas.data.untuned import untuned
from keras_imas.typing import Size, StrPath


@dataclasses.dataclass(frozen=True)
class Examples:
    """A finite set of images, with or without label maps, not yet read.

    Made by `from_folder` and `as_examples`; the pipelines take it. It is a list of
    cheap records, in a fixed order, and the function that reads one: the pipelines
    shuffle records and read afterwards.

    Attributes:
        load: function from a record (unpacked) and `wanted`, a tuple of "image" and
            "label_map", to a dict of tensors: of these "image" `(H, W, 3)` and
            "label_map" `(H, W)`, uint8 or int32, if labeled; "name", a string; and
            "problem", a string that is empty where all could be read, or none where
            all can be.
        size: number of examples.
        labeled: whether there are label maps.
        fetch: function like `load` from an index to a dict of arrays, for which
            TensorFlow isn't needed; None where it is.
        dataset: `tf.data.Dataset` of `(index, element)`, which are the records; None
            where a record is its index.
        names: names of the examples, in order, or None if unknown.
        files: paths of the images, in order, or None.
        mask_files: paths of the masks, in order, or None.
        image_size: `(height, width)` to resize to when read, or None.
        sizes: the different `(height, width)` of image files; empty if unknown.
        size_counts: dict of the number of image files of each size; empty if unknown.
        on_bad_image: "error" or "skip": what happens where a file can't be decoded.
        deep: whether each image has more than 8 bits; empty if unknown.
        image_range: values in files that became 0 and 255, or None.
        by_color: whether a negative id is a color that the table of classes lacks.
        mask_values: dict from a value or color (`"#00ff7f"`) in mask files to its class
            id, where these are not equal.
        bad: dict from name to the reason of what was skipped so far.
    """

    load: Callable
    size: int
    labeled: bool
    fetch: Any = None
    dataset: Any = None
    names: tuple[str, ...] | None = None
    files: tuple[str, ...] | None = None
    mask_files: tuple[str, ...] | None = None
    image_size: tuple[int, ...] | None = None
    sizes: frozenset[Size] = frozenset()
    size_counts: dict[Size, int] = dataclasses.field(default_factory=dict)
    on_bad_image: str = "error"
    deep: tuple[bool, ...] = ()
    image_range: tuple[float, float] | None = None
    by_color: bool = False
    mask_values: dict[int | str, int] = dataclasses.field(default_factory=dict)
    bad: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if self.on_bad_image not in ("error", "skip"):
            raise ValueError(
                '`on_bad_image` must be "error" or "skip". Received: '
                f"{self.on_bad_image!r}"
            )

    def __len__(self) -> int:
        return self.size

    @property
    def random_access(self) -> bool:
        """Whether a record is its index, so that a shuffle of all costs nothing."""
        return self.dataset is None

    @property
    def records(self) -> Any:
        """The `tf.data.Dataset` of records: indices, or `(index, element)`."""
        if self.dataset is not None:
            return self.dataset
        import tensorflow as tf

        return tf.data.Dataset.range(self.size)

    def size_multiple(self) -> int:
        """Return what to round image sizes up to, so that few are compiled.

        Returns:
            As `keras_imas.data.size_multiple.size_multiple`; 1 where the sizes are not
            known.
        """
        return size_multiple(() if self.image_size else self.sizes)

    def decoded_bytes(self) -> int | None:
        """Return how much memory images and masks of files take decoded, at most.

        Returns:
            Integer; 0 where they are no files, None where their sizes aren't known.
        """
        if self.files is None:
            return 0
        if not self.sizes:
            return None
        bytes_a_pixel = 4 if self.labeled else 3
        return len(self) * bytes_a_pixel * max(h * w for h, w in self.sizes)

    def read(
        self,
        *record: Any,
        num_classes: int | None = None,
        ignore_class: int | None = 255,
        labels: bool = True,
    ) -> dict[str, Any]:
        """Load one example, check it and resize it.

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
        records: Any,
        function: Callable,
        *,
        num_classes: int | None = None,
        ignore_class: int | None = 255,
        labels: bool = True,
        num_parallel_calls: int | None = None,
    ) -> Any:
        """Read the examples of many records, in order and in parallel.

        Args:
            records: `tf.data.Dataset` of `(record, extra)`, `record` a tuple.
            function: function of an example, as from `read`, and of `extra`.
            num_classes: as in `read`.
            ignore_class: as in `read`.
            labels: as in `read`.
            num_parallel_calls: examples read at once. Defaults to the number of cores,
                16 at most.

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
            return untuned(records.map(function, calls, deterministic=True))

        if self.on_bad_image == "error":
            return in_parallel(records, lambda *record: finished(*loaded(*record)))
        good = in_parallel(records, loaded).filter(
            lambda example, _: self._good(example)
        )
        return in_parallel(good, finished)

    def get(
        self,
        index: int,
        *,
        num_classes: int | None = None,
        ignore_class: int | None = 255,
        labels: bool = True,
    ) -> dict[str, Any] | None:
        """Read one example without TensorFlow, check it and resize it.

        Args:
            index: its position.
            num_classes: as in `read`.
            ignore_class: as in `read`.
            labels: as in `read`.

        Returns:
            Dict of "image" and "label_map" as arrays, and "name", a string; None where
            it can't be decoded and `on_bad_image` is "skip".

        Raises:
            ValueError: if it can't be decoded, or its label map doesn't fit.
        """
        both = labels and self.labeled
        wanted = ("image", "label_map") if both else ("image",)
        example = dict(self.fetch(index, wanted=wanted))
        problem = example.pop("problem", "")
        if problem and self.on_bad_image == "skip":
            self._skip(example["name"], problem)
            return None
        if problem:
            raise ValueError(problem)
        if "label_map" in example:
            check_example(example, num_classes, ignore_class, self.by_color)
        if self.image_size is not None:
            for key in example.keys() - {"name"}:
                example[key] = resized(example[key], self.image_size)
        return example

    def pick(self, indices: Iterable[int]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Read single examples, in one pass, in their order.

        Args:
            indices: positions among the examples.

        Yields:
            `(index, example)`, an example as from `get`; where `on_bad_image` is
            "skip", without those that can't be decoded.
        """
        if self.fetch is None:
            yield from self._pick_from_dataset(indices)
            return
        order = sorted({int(index) for index in indices})
        for index, example in zip(order, ahead(self.get, order), strict=True):
            if example is not None:
                yield index, example

    def _pick_from_dataset(self, indices):
        import tensorflow as tf

        wanted = np.zeros(len(self), bool)
        wanted[list(indices)] = True
        wanted = tf.constant(wanted)
        records = self.records.map(as_record).enumerate()
        records = records.filter(lambda index, _: wanted[index])
        records = records.map(lambda index, record: (record[0], index))
        picked = self.read_each(records, lambda example, index: (index, example))
        for index, example in picked.as_numpy_iterator():
            yield index, {**example, "name": example["name"].decode()}

    def cached(self, where: StrPath) -> "Examples":
        """Return these examples, which keep their images once they are decoded.

        Args:
            where: "memory", or a directory, which may hold images of other data sets.
                There, what was decoded from a file that has changed since is not used.

        Returns:
            `Examples`; these themselves where the images are in memory already or the
            examples are no files.
        """
        if self.files is None:
            return self
        load, fetch = cache.cached(self, where)
        return dataclasses.replace(self, load=load, fetch=fetch)

    def _loaded(self, record, labels):
        both = labels and self.labeled
        return self.load(*record, wanted=("image", "label_map") if both else ("image",))

    def _good(self, example):
        import tensorflow as tf

        if "problem" not in example:
            return True

        def skip(name, problem):
            self._skip(name.decode(), problem.decode())
            return False

        return tf.cond(
            example["problem"] == "",
            lambda: True,
            lambda: tf.numpy_function(
                skip, [example["name"], example["problem"]], tf.bool
            ),
        )

    def _skip(self, name, problem):
        self.bad[name] = problem
        if len(self.bad) == len(self):
            raise ValueError(f"None of {len(self)} images can be read: {problem}")

    def _checked(self, example, num_classes, ignore_class):
        import tensorflow as tf

        example = dict(example)
        problem = example.pop("problem", None)
        if problem is not None:
            example = require(problem == "", "{}", problem, then=example)
        if "label_map" in example:
            if self.by_color and example["label_map"].dtype.min < 0:
                example = require_listed_colors(example)
            example = require_label_map(example, num_classes, ignore_class)
        if self.image_size is not None:
            example["image"] = tf.image.resize(
                example["image"], self.image_size, antialias=True
            )
            if "label_map" in example:
                # Not by `tf.image.resize`, which takes the pixel before a middle.
                whole = self.image_size, (0, 0), self.image_size, tf.constant(False)
                label_map = part_of_nearest(example["label_map"], *whole)
                example["label_map"] = tf.ensure_shape(label_map, self.image_size)
        return example

    def shuffled(self, seed: Any, buffer_size: int) -> Any:
        """Return the records in a new order.

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


def as_record(*record):
    """Give an element of `Examples.records` the form that `read_each` takes.

    Args:
        *record: the element.

    Returns:
        `(record, ())`, no extra.
    """
    return record, ()
