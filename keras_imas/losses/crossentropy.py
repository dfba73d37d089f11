"""Cross-entropy over the pixels that count."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_imas.losses.label_map_loss import LabelMapLoss
from keras_imas.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_imas")
class Crossentropy(LabelMapLoss):
    """Cross-entropy over the labeled pixels of a batch.

    As `keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=...)`,
    but the pixels that count are counted over all replicas: those of an image weigh the
    same whichever replica it is on; and a pixel whose `sample_weight` is 0 does not
    count, as one without a label.

    Args:
        ignore_class: The label of pixels that don't count. `None`: all count. Defaults
            to `255`.
        class_weights: Factors of the loss of the pixels of each class, not negative, as
            many as there are classes. The loss is still divided by the number of
            labeled pixels, as by Keras' `class_weight`. Defaults to `None`: all are 1.
        name: Name of the loss. Defaults to `"crossentropy"`.

    Raises:
        ValueError: If `class_weights` holds something else; when called, if it has not
            a number for each class, or as `LabelMapLoss` does.

    Example:
        >>> import numpy as np
        >>> logits = np.zeros((1, 1, 2, 4), "float32")
        >>> round(float(Crossentropy()(np.array([[[1, 255]]]), logits)), 4)
        1.3863
        >>> loss = Crossentropy(class_weights=(1, 2, 1, 1))
        >>> round(float(loss(np.array([[[1, 255]]]), logits)), 4)
        2.7726
    """

    def __init__(
        self,
        ignore_class: int | None = 255,
        class_weights: Sequence[float] | None = None,
        name: str = "crossentropy",
        **kwargs: Any,
    ) -> None:
        super().__init__(ignore_class, name=name, **kwargs)
        self.class_weights = _class_weights(class_weights)

    def losses(
        self, labels: Tensor, logits: Tensor, valid: Tensor, weights: Tensor
    ) -> Tensor:
        """Return the loss of each pixel, so scaled that their mean is the loss.

        Args:
            labels: See `LabelMapLoss`.
            logits: See `LabelMapLoss`.
            valid: See `LabelMapLoss`.
            weights: See `LabelMapLoss`.

        Returns:
            float32 tensor `(B, H, W)`; 0 where no pixel is valid.
        """
        weights = _weigh_classes(weights, labels, logits, self.class_weights)
        return self.over_counted(_cross_entropy(labels, logits), valid, weights)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "class_weights": self.class_weights}


def _class_weights(values):
    """Return the weights of classes as a list of floats, or `None`."""
    if values is None:
        return None
    try:
        values = [float(value) for value in values]
    except (TypeError, ValueError):
        raise ValueError(
            "`class_weights` must be numbers, one for each class, such as (1.0, 2.5). "
            f"Received: class_weights={values!r}"
        ) from None
    if not values or not all(0.0 <= value < math.inf for value in values):
        raise ValueError(
            "`class_weights` must be finite and not negative. Received: "
            f"class_weights={values}"
        )
    return values


def _weigh_classes(weights, labels, logits, class_weights):
    """Return the weights of pixels times those of their classes."""
    if class_weights is None:
        return weights
    if logits.shape[-1] != len(class_weights):
        raise ValueError(
            "`class_weights` must have a number for each class. Received: "
            f"{len(class_weights)} numbers, and logits of {logits.shape[-1]} classes"
        )
    of_class = ops.convert_to_tensor(class_weights, dtype="float32")
    return weights * ops.take(of_class, labels, axis=0)


def _cross_entropy(labels, logits):
    return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
