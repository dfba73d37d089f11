"""Reads examples from arrays."""

import dataclasses
import functools

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class ArrayReader:
    """Gives images and label maps out of arrays, by their place.

    Attributes:
        arrays: dict of "image" `(N, H, W, 3)` and, if there are any, "label_map"
            `(N, H, W)`.
    """

    arrays: dict[str, np.ndarray]

    def fetch(self, index, wanted=("image", "label_map")):
        """Return an example as arrays, see `Examples.fetch`.

        Args:
            index: its place.
            wanted: "image" and "label_map", or one of them.

        Returns:
            Dict.
        """
        example = {key: self.arrays[key][index] for key in wanted if key in self.arrays}
        return {**example, "name": f"#{index}"}

    def load(self, index, wanted=("image", "label_map")):
        """Return an example in a `tf.data` pipeline, see `Examples.load`.

        Args:
            index: integer tensor, its place.
            wanted: as in `fetch`.

        Returns:
            Dict of tensors.
        """
        import tensorflow as tf

        tensors = self._tensors
        example = {key: tensors[key][index] for key in wanted if key in tensors}
        return {**example, "name": tf.strings.format("#{}", index)}

    @functools.cached_property
    def _tensors(self):
        import tensorflow as tf

        with tf.init_scope():  # no constants of the function that is traced
            return {key: tf.convert_to_tensor(a) for key, a in self.arrays.items()}
