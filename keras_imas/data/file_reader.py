"""Reads the images and masks of a list of files."""

import dataclasses
import functools
import os
from collections.abc import Sequence

import numpy as np

from keras_imas.data import pixels
from keras_imas.data.files import MAX_PIXELS

_READ = ("image", "label_map")


@dataclasses.dataclass(frozen=True, eq=False)
class FileReader:
    """Decodes images and masks by their place in a list.

    Attributes:
        names: name of each example.
        paths: dict of a list of paths for "image" and, where there are masks,
            "label_map".
        plain: dict of a list of booleans for both, see `pixels.load`.
        classes: `ClassTable` whose colors stand for classes, or None.
        image_range: as in `pixels.read_image`.
        label_table: class ids, one for each value in the masks, or None.
        one_object: whether masks hold 0 and one other value, 1 or 255.
        max_pixels: pixels that a file may have.
    """

    names: tuple
    paths: dict
    plain: dict
    classes: object = None
    image_range: tuple | None = None
    label_table: Sequence[int] | None = None
    one_object: bool = False
    max_pixels: int = MAX_PIXELS

    def fetch(self, index, wanted=_READ):
        """Read an example by Pillow.

        Args:
            index: its place.
            wanted: "image" and "label_map", or one of them.

        Returns:
            Dict of arrays: "image" `(H, W, 3)` uint8, "label_map" `(H, W)` int32;
            "name"; and "problem", a string that is empty where all could be read.
        """
        example, problems = {"name": self.names[index]}, []
        for key in (key for key in wanted if key in self.paths):
            path = self.paths[key][index]
            try:
                if key == "image":
                    example[key] = pixels.read_image(
                        path, self.image_range, self.max_pixels
                    )
                else:
                    example[key] = pixels.read_mask(path, self.classes, self.max_pixels)
            except Exception as error:  # of whatever kind the decoder's library raises
                problems.append(f"{path} cannot be read: {error}")
        if "label_map" in example:
            label_map = example["label_map"]
            if self.one_object and (label_map == 1).any() and (label_map == 255).any():
                problems.append(f"{self.paths['label_map'][index]} {_TWO_VALUES}")
            example["label_map"] = self._class_ids(label_map)
        return {**example, "problem": "".join(problems)}

    def _class_ids(self, label_map):
        if self.label_table is None:
            return label_map
        table = np.asarray(self.label_table, "int32")
        known = (label_map >= 0) & (label_map < len(table))
        return np.where(known, table[np.where(known, label_map, 0)], label_map)

    def load(self, index, wanted=_READ):
        """Read an example in a `tf.data` pipeline, see `Examples.load`.

        Args:
            index: integer tensor, its place.
            wanted: as in `fetch`.

        Returns:
            Dict of tensors.
        """
        import tensorflow as tf

        columns = self._columns
        paths = {key: columns[key][index] for key in wanted if key in columns}
        example, problem = {}, tf.constant("")
        if paths:
            all_plain = np.all([self.plain[key] for key in paths], axis=0)
            example, problem = pixels.load(
                paths,
                tf.constant(all_plain)[index],
                self.classes,
                image_range=self.image_range,
                small_ids=all(self.plain["label_map"]),
                max_pixels=self.max_pixels,
            )
        if "label_map" in example:
            if self.one_object:
                problem = _require_one_object(paths, example["label_map"], problem)
            if self.label_table is not None:
                example["label_map"] = _look_up(self.label_table, example["label_map"])
        return {**example, "name": columns["name"][index], "problem": problem}

    @functools.cached_property
    def _columns(self):
        """Names and paths as tensors, made once, outside of the function traced."""
        import tensorflow as tf

        with tf.init_scope():
            return {
                key: tf.constant([os.fspath(value) for value in values], tf.string)
                for key, values in {"name": self.names, **self.paths}.items()
            }


_TWO_VALUES = (
    "holds both 1 and 255, but a binary mask holds only one of them, for the object. "
    "If 255 marks pixels without a label, leave binary_masks out"
)


def _require_one_object(paths, label_map, problem):
    """Return a problem where both values of the object are in one mask."""
    import tensorflow as tf

    one, other = (tf.reduce_any(label_map == value) for value in (1, 255))
    message = tf.strings.join([paths["label_map"], f" {_TWO_VALUES}"])
    return tf.where(tf.logical_and(one, other), message, problem)


def _look_up(label_table, label_map):
    """Turn the values of a mask into class ids; what is beyond the table stays."""
    import tensorflow as tf

    label_map = tf.cast(label_map, tf.int32)
    known = tf.logical_and(label_map >= 0, label_map < len(label_table))
    ids = tf.gather(tf.constant(label_table, tf.int32), tf.where(known, label_map, 0))
    return tf.where(known, ids, label_map)
