"""The base of losses over label maps, some pixels of which don't count."""

from typing import Any

import keras
from keras import ops

from keras_imas.arguments import as_tensor, check_channels
from keras_imas.backends.replicas import replica_mean
from keras_imas.label_maps import as_label_maps, pixel_weights
from keras_imas.typing import ArrayLike, Tensor

MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")


class LabelMapLoss(keras.losses.Loss):
    """A loss that compares logits with label maps, by the pixels that count.

    Subclasses implement `losses`. Labels may have an axis of one channel. Weights of
    images `(B,)` or of pixels `(B, H, W)` are factors of the pixels' loss; a pixel of
    weight 0 does not count, as one without a label. The loss is divided by the number
    of pixels that count, over all replicas.

    Args:
        ignore_class: The label of pixels that don't count. `None`: all count. Defaults
            to `255`.
        **kwargs: See `keras.losses.Loss`.
    """

    def __init__(self, ignore_class: int | None = 255, **kwargs: Any) -> None:
        # In half precision ids above 256 or 2048 would be others.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.ignore_class = ignore_class

    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> Tensor:
        """Return the loss.

        Args:
            y_true: Label maps, integers `(B, H, W)` or `(B, H, W, 1)`.
            y_pred: Logits `(B, H, W, C)`.
            sample_weight: `(B,)` or `(B, H, W)`. Defaults to `None`: all weigh 1.

        Returns:
            float32 scalar tensor; 0 where no pixel counts.

        Raises:
            ValueError: If labels are no integers or one-hot, shapes don't belong
                together, or the logits have one channel.
        """
        y_pred = as_tensor(y_pred)
        check_channels("y_pred", y_pred.shape[-1])
        labels = as_label_maps(y_true, y_pred.shape[:-1])
        weights = pixel_weights(sample_weight, labels)
        return super().__call__((labels, weights), y_pred)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the losses that `reduction` makes one number of.

        Args:
            y_true: Label maps and the weights of their pixels, each `(B, H, W)`.
            y_pred: Logits `(B, H, W, C)`.

        Returns:
            float32 tensor.
        """
        labels, weights = y_true
        labels = ops.cast(labels, "int32")
        valid = ops.not_equal(weights, 0.0)
        if self.ignore_class is not None:
            valid = ops.logical_and(valid, ops.not_equal(labels, self.ignore_class))
        weights = ops.where(valid, weights, 0.0)
        return self.losses(ops.where(valid, labels, 0), y_pred, valid, weights)

    def losses(
        self, labels: Tensor, logits: Tensor, valid: Tensor, weights: Tensor
    ) -> Tensor:
        """Return the losses that `reduction` makes one number of.

        Args:
            labels: int32 `(B, H, W)`; 0 where a pixel does not count.
            logits: float32 `(B, H, W, C)`.
            valid: bool `(B, H, W)`: which pixels count.
            weights: float32 `(B, H, W)`; 0 where a pixel does not count.

        Returns:
            float32 tensor, no scalar: Keras does not divide one by the number of
            replicas.
        """
        raise NotImplementedError

    def counted(self, valid: Tensor, weights: Tensor) -> Tensor:
        """Return what pixels add to the number that the loss is divided by.

        Args:
            valid: See `losses`.
            weights: See `losses`.

        Returns:
            float32 `(B, H, W)`: 1 for a pixel that counts, or its weight where
            `reduction="mean_with_sample_weight"` asks for the mean by weights.
        """
        if self.reduction == "mean_with_sample_weight":
            return weights
        return ops.cast(valid, "float32")

    def over_counted(self, values: Tensor, valid: Tensor, weights: Tensor) -> Tensor:
        """Scale losses so that their mean is that of those that count.

        Args:
            values: float32 `(B, H, W)`, of pixels; or of any shape, of regions.
            valid: See `losses`; which values count.
            weights: See `losses`; 0 where a value does not count.

        Returns:
            float32 tensor of that shape.
        """
        values = values * weights
        if self.reduction not in MEANS:
            return values
        # By sums, as a replica may have fewer images of the last batch, or none.
        count = ops.sum(self.counted(valid, weights))
        size = ops.cast(ops.size(values), "float32")
        count, size = ops.unstack(replica_mean(ops.stack([count, size])))
        return values * size / ops.where(count > 0.0, count, 1.0)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "ignore_class": self.ignore_class}
