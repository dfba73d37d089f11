"""Mean intersection over union, from logits."""

import keras
import numpy as np


def iou_per_class(counts):
    """Return the intersection over union of each class.

    Args:
        counts: `(C, C)` pixels by class (rows) and prediction (columns).

    Returns:
        float64 array `(C,)`; NaN for a class in neither labels nor predictions.

    Example:
        >>> iou_per_class(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]])).tolist()
        [0.5, 0.5, nan]
    """
    intersection = np.diag(counts)
    union = counts.sum(axis=0) + counts.sum(axis=1) - intersection
    iou = np.full(len(counts), np.nan)
    return np.divide(intersection, union, out=iou, where=union > 0)


@keras.saving.register_keras_serializable(package="keras_imas")
class MeanIoU(keras.metrics.MeanIoU):
    """Keras' `MeanIoU` fed with logits, and its IoU class by class.

    The mean is over the classes that occur in the label maps or in the predictions.

    Args:
        num_classes: Number of classes C.
        ignore_class: The label of pixels that don't count. Defaults to `None`.
        name: Name of the metric. Defaults to `"mean_iou"`.

    Example:
        >>> metric = MeanIoU(num_classes=3, ignore_class=255)
        >>> logits = np.eye(3)[np.array([[[0, 0, 1, 1]]])]
        >>> _ = metric.update_state(np.array([[[0, 0, 1, 255]]]), logits)
        >>> round(float(metric.result()), 4)
        1.0
        >>> metric.per_class()
        array([ 1.,  1., nan], dtype=float32)
    """

    def __init__(self, num_classes, ignore_class=None, name="mean_iou", dtype=None):
        super().__init__(
            num_classes,
            name=name,
            dtype=dtype,
            ignore_class=ignore_class,
            sparse_y_pred=False,
        )

    def per_class(self):
        """Return the IoU of each class.

        Returns:
            float32 array `(C,)`; NaN for a class in neither labels nor predictions.
        """
        counts = keras.ops.convert_to_numpy(self.total_cm).astype("float64")
        return iou_per_class(counts).astype("float32")

    def get_config(self):
        """Return the arguments of the constructor."""
        return {
            "num_classes": self.num_classes,
            "ignore_class": self.ignore_class,
            "name": self.name,
            "dtype": self._dtype_policy.name,
        }
