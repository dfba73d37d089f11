"""Cross-entropy over the hardest pixels: online hard example mining."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_imas.arguments import (
    check_fraction,
    check_group_size,
)
from keras_imas.backends.replicas import replica_mean
from keras_imas.losses.crossentropy import (
    _class_weights,
    _cross_entropy,
    _weigh_classes,
)
from keras_imas.losses.label_map_loss import LabelMapLoss
from keras_imas.typing import ArrayLike, Tensor


@keras.saving.register_keras_serializable(package="keras_imas")
class OHEMCrossentropy(LabelMapLoss):
    """Cross-entropy over the hard pixels of a batch (online hard example mining).

    Keeps the valid pixels whose probability of the true class is at most `threshold`,
    or at most that of the `min_kept`-th least probable pixel, whichever is larger, and
    takes the mean over them: the supervised loss of the paper's Cityscapes runs.

    Args:
        threshold: Probability of the true class up to which a pixel is hard, in
            [0, 1]. Defaults to `0.7`.
        min_kept: Number of pixels of the batch to keep at least. Fewer valid pixels
            than that are all kept; 0 means no mining: all are kept. The paper's
            100,000 are per GPU. Defaults to `100_000`.
        ignore_class: The label of pixels that don't count. `None`: all count. Defaults
            to `255`.
        group_size: Number of consecutive images to mine among, as if each group were
            the batch of a GPU (the paper's: 4, or 2); `min_kept` is for each group, and
            the loss is the mean of theirs. It must divide the batch. Defaults to
            `None`: the whole batch, or on several replicas of a `tf.distribute`
            strategy each one's part of it.
        class_weights: See `Crossentropy`. Which pixels are hard does not depend on
            them. Defaults to `None`: all are 1.
        name: Name of the loss. Defaults to `"ohem_crossentropy"`.

    Raises:
        ValueError: If `threshold` is outside [0, 1], `min_kept` negative, `group_size`
            not positive, or `class_weights` as in `Crossentropy`.

    Example:
        >>> import numpy as np
        >>> logits = np.array([[[[4.0, 0.0], [1.0, 0.0]]]], "float32")
        >>> labels = np.array([[[0, 1]]])
        >>> round(float(OHEMCrossentropy(0.7, min_kept=1)(labels, logits)), 4)
        1.3133
    """

    def __init__(
        self,
        threshold: float = 0.7,
        min_kept: int = 100_000,
        ignore_class: int | None = 255,
        group_size: int | None = None,
        class_weights: Sequence[float] | None = None,
        name: str = "ohem_crossentropy",
        **kwargs: Any,
    ) -> None:
        super().__init__(ignore_class, name=name, **kwargs)
        check_fraction("threshold", threshold)
        if min_kept < 0:
            raise ValueError(
                f"`min_kept` must not be negative. Received: min_kept={min_kept}"
            )
        check_group_size("group_size", group_size, None)
        self.threshold = threshold
        self.min_kept = min_kept
        self.group_size = group_size
        self.class_weights = _class_weights(class_weights)

    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> Tensor:
        """Return the loss.

        Args:
            y_true: See `LabelMapLoss`.
            y_pred: See `LabelMapLoss`.
            sample_weight: See `LabelMapLoss`; not with `group_size`.

        Returns:
            float32 scalar tensor; 0 where no pixel counts.

        Raises:
            ValueError: See `LabelMapLoss`; or if there are weights and groups.
        """
        if sample_weight is not None and self.group_size:
            raise ValueError(
                "`sample_weight` does not go with `group_size`: the loss is the mean "
                "over groups, whatever they weigh. Give pixels that should not count "
                "the label `ignore_class`, or leave `group_size` out. Received: "
                f"group_size={self.group_size}"
            )
        return super().__call__(y_true, y_pred, sample_weight)

    def losses(
        self, labels: Tensor, logits: Tensor, valid: Tensor, weights: Tensor
    ) -> Tensor:
        """Return the loss of each group, whose mean is the loss.

        Args:
            labels: See `LabelMapLoss`.
            logits: See `LabelMapLoss`.
            valid: See `LabelMapLoss`.
            weights: See `LabelMapLoss`; which pixels are hard does not depend on them.

        Returns:
            float32 tensor `(groups,)`; 0 where no pixel of a group is valid. No scalar:
            Keras does not divide one by the number of replicas.
        """
        cross_entropy = _cross_entropy(labels, logits)
        weights = _weigh_classes(weights, labels, logits, self.class_weights)
        # A row a group: pixels are mined among those of their row.
        groups = -1 if self.group_size else 1
        pixels = self.group_size or -1
        if self.group_size:
            check_group_size("group_size", self.group_size, valid.shape[0])
            pixels *= ops.shape(valid)[1] * ops.shape(valid)[2]
        counted = self.counted(valid, weights)
        cross_entropy, valid, weights, counted = (
            ops.reshape(value, (groups, pixels))
            for value in (cross_entropy, valid, weights, counted)
        )
        kept = ops.cast(valid, "float32")
        if self.min_kept:
            # An ignored pixel counts as probability 1, so it comes last in the rank.
            probability = ops.stop_gradient(
                ops.where(valid, ops.exp(-cross_entropy), 1.0)
            )
            # Sorted, not `top_k`: with a batch of unknown size its k is unknown too.
            last = ops.minimum(self.min_kept, ops.shape(probability)[1]) - 1
            at_rank = ops.take(ops.sort(probability, axis=1), last, axis=1)
            bound = ops.maximum(at_rank, self.threshold)[:, None]
            kept *= ops.cast(probability <= bound, "float32")
        count = ops.sum(kept * counted, axis=1)
        if not self.group_size:
            count = replica_mean(count)
        count = ops.where(count > 0.0, count, 1.0)
        return ops.sum(kept * weights * cross_entropy, axis=1) / count

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "min_kept": self.min_kept,
            "group_size": self.group_size,
            "class_weights": self.class_weights,
        }
