"""Mean intersection over union, from logits."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_imas.arguments import as_tensor, check_channels
from keras_imas.label_maps import as_label_maps, check_integers, pixel_weights
from keras_imas.typing import ArrayLike

_COUNTED = 2**24  # the pixels that float32 counts one by one


def iou_per_class(counts: ArrayLike, ignore_class: int | None = None) -> np.ndarray:
    """Return the intersection over union of each class.

    Args:
        counts: `(C, C)` pixels by class (rows) and prediction (columns).
        ignore_class: Label of pixels that don't count; may be one of the classes.
            Defaults to `None`.

    Returns:
        float64 array `(C,)`; NaN for a class in neither labels nor predictions, and for
        `ignore_class`.

    Example:
        >>> iou_per_class([[1, 1, 0], [0, 1, 0], [0, 0, 0]]).tolist()
        [0.5, 0.5, nan]
    """
    counts = np.asarray(counts)
    intersection = np.diag(counts)
    union = counts.sum(axis=0) + counts.sum(axis=1) - intersection
    iou = np.full(len(counts), np.nan)
    known = (union > 0) & (np.arange(len(counts)) != ignore_class)
    return np.divide(intersection, union, out=iou, where=known)


@keras.saving.register_keras_serializable(package="keras_imas")
class MeanIoU(keras.metrics.MeanIoU):
    """Add to Keras' `MeanIoU` logits as predictions, and the IoU class by class.

    By default it counts in integers, on JAX in floats: pass `dtype="float32"` for
    weights that are fractions. Predictions may be class ids, as there, or logits; a
    channel axis of label maps is dropped; weights of images are not spread along the
    width; and an `ignore_class` that is one of the classes is left out of the mean. The
    mean is over the classes that occur in the label maps or in the predictions.

    Args:
        num_classes: Number of classes C, 2 or more.
        name: Name of the metric. Defaults to `"mean_iou"`.
        dtype: See `keras.metrics.MeanIoU`. Defaults to `None`: `"int64"`, on JAX
            `"float32"`.
        ignore_class: The label of pixels that don't count. Defaults to `None`.

    Raises:
        ValueError: If `num_classes` is 1; when updated, if the logits have another
            number of classes, labels are no integers or one-hot, or shapes don't
            belong together.

    Example:
        >>> metric = MeanIoU(num_classes=3, ignore_class=255)
        >>> logits = np.eye(3)[np.array([[[0, 0, 1, 1]]])]
        >>> _ = metric.update_state(np.array([[[0, 0, 1, 255]]]), logits)
        >>> round(float(metric.result()), 4)
        1.0
        >>> metric.per_class()
        array([ 1.,  1., nan], dtype=float32)
    """

    def __init__(
        self,
        num_classes: int,
        name: str = "mean_iou",
        dtype: Any = None,
        ignore_class: int | None = None,
    ) -> None:
        check_channels("num_classes", num_classes)
        # Keras' integers have 32 bits on PyTorch and JAX, and overflow at 2 billion
        # pixels of a class, as some hundred photographs have. JAX has no larger ones.
        counts = "float32" if keras.backend.backend() == "jax" else "int64"
        super().__init__(
            num_classes,
            name=name,
            dtype=dtype or counts,
            ignore_class=ignore_class,
        )
        # What Keras takes the mean over.
        self.target_class_ids = [k for k in range(num_classes) if k != ignore_class]

    def update_state(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> None:
        """Add a batch.

        Args:
            y_true: Label maps, integers `(B, H, W)` or `(B, H, W, 1)`; of any rank.
            y_pred: Logits `(B, H, W, C)`, or class ids of the shape of `y_true`.
            sample_weight: `(B,)` or `(B, H, W)`. Defaults to `None`: all weigh 1.
        """
        y_true, y_pred = as_tensor(y_true), as_tensor(y_pred)
        if self._are_logits(y_true, y_pred):
            if y_pred.shape[-1] != self.num_classes:
                raise ValueError(
                    "`num_classes` must be the number of the network's classes. "
                    f"Received: num_classes={self.num_classes} of {self.name!r}, and "
                    f"logits of {y_pred.shape[-1]} classes"
                )
            y_true = as_label_maps(y_true, y_pred.shape[:-1])
            y_pred = ops.argmax(y_pred, axis=-1)
        check_integers("y_true", y_true)
        if sample_weight is not None:
            sample_weight = pixel_weights(sample_weight, y_true)
        flat = [
            x if x is None else ops.reshape(x, (-1,))
            for x in (y_true, y_pred, sample_weight)
        ]
        size = flat[0].shape[0] or 1
        for start in range(0, size, _COUNTED):
            stop = start + _COUNTED if size > _COUNTED else None
            super().update_state(*(x if x is None else x[start:stop] for x in flat))

    def _are_logits(self, y_true, y_pred):
        rank = len(y_true.shape)
        if len(y_pred.shape) != rank:
            return True
        if rank > 1 and y_true.shape[-1] == 1:
            return y_pred.shape[-1] != 1
        # Labels as probabilities are refused in words on labels.
        dtype = keras.backend.standardize_dtype(y_pred.dtype)
        return rank > 3 and "float" in dtype and y_pred.shape[-1] == self.num_classes

    def per_class(self) -> np.ndarray:
        """Return the IoU of each class.

        Returns:
            float32 array `(C,)`; NaN for a class in neither labels nor predictions, and
            for `ignore_class`.
        """
        counts = keras.ops.convert_to_numpy(self.total_cm).astype("float64")
        return iou_per_class(counts, self.ignore_class).astype("float32")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {
            "num_classes": self.num_classes,
            "ignore_class": self.ignore_class,
            "name": self.name,
            "dtype": self._dtype_policy.name,
        }
