"""Means by image, kept on the device."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_imas.backends.formulations import faster
from keras_imas.typing import ArrayLike, Tensor


@keras.saving.register_keras_serializable(package="keras_imas")
class ImageMeans(keras.metrics.Metric):
    """Mean of some values of each image of a data set, kept on the device.

    A step adds its values to a table of all images and reads nothing back. It has no
    part in the logs, and Keras' `reset_state` leaves it as it is, as an evaluation in
    between would otherwise lose what an epoch has gathered: see `clear`.

    Args:
        value_names: Names of the values.
        name: Name of the metric. Defaults to `"image_means"`.

    Attributes:
        tracks: Whether values are wanted: from `track` on, until it is set to `False`.

    Example:
        >>> means = ImageMeans(["hardness"])
        >>> means.track(3)
        >>> means.update_state([2, 0, 2], {"hardness": [0.5, 0.25, 1.0]})
        >>> means.means()["hardness"].tolist(), means.counts().tolist()
        ([0.25, nan, 0.75], [1, 0, 2])
    """

    def __init__(
        self, value_names: Sequence[str], name: str = "image_means", dtype: Any = None
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.value_names = tuple(value_names)
        self.totals = None
        self.tracks = False

    def track(self, images: int) -> None:
        """Make the table, empty, and want values.

        Args:
            images: Number of images.

        Raises:
            ValueError: If it is another one than before.
        """
        shape = (images, len(self.value_names) + 1)  # the last counts
        if self.totals is None:
            self.totals = self.add_variable(shape, "zeros", name="totals")
        elif tuple(self.totals.shape) != shape:
            raise ValueError(
                f"The hardness of {self.totals.shape[0]} images was kept before, and "
                f"now of {images}. Make a new model for another set of images"
            )
        self.clear()
        self.tracks = True

    def update_state(self, index: ArrayLike, values: dict[str, ArrayLike]) -> None:
        """Add the values of a batch.

        Args:
            index: Positions of its images in the data set, integers `(B,)`.
            values: Dict from name to float tensor `(B,)`.
        """
        columns = [
            ops.cast(ops.convert_to_tensor(values[name]), self.dtype)
            for name in self.value_names
        ]
        rows = ops.stack([*columns, ops.ones_like(columns[0])], axis=-1)
        index = ops.cast(ops.convert_to_tensor(index), "int32")
        images, columns = self.totals.shape
        known = ops.logical_and(index >= 0, index < images)[:, None]
        rows = ops.where(known, rows, 0.0)
        cells = columns * index[:, None] + ops.arange(columns, dtype="int32")
        cells = ops.where(known, cells, 0)
        segment_sum = faster("segment_sum") or ops.segment_sum
        added = segment_sum(
            ops.reshape(rows, (-1,)),
            ops.reshape(cells, (-1,)),
            num_segments=images * columns,
        )
        self.totals.assign(self.totals + ops.reshape(added, (images, columns)))

    def counts(self) -> np.ndarray:
        """Return how often each image was seen, int64 `(N,)`."""
        return ops.convert_to_numpy(self.totals)[:, -1].astype("int64")

    def means(self) -> dict[str, np.ndarray]:
        """Return the means since the last `clear`.

        Returns:
            Dict from name to float32 array `(N,)`; NaN where an image was not seen.
        """
        totals = ops.convert_to_numpy(self.totals)
        with np.errstate(invalid="ignore"):
            means = totals[:, :-1] / totals[:, -1:]
        return dict(zip(self.value_names, means.T, strict=True))

    def clear(self) -> None:
        """Forget all values."""
        self.totals.assign(ops.zeros(self.totals.shape))

    def reset_state(self) -> None:
        """Do nothing."""

    def result(self) -> Tensor:
        """Return an empty dict: the logs hold nothing of it."""
        return {}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {
            "value_names": self.value_names,
            "name": self.name,
            "dtype": self._dtype_policy.name,
        }
