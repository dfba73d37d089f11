"""Losses: consistency with pseudo labels, cross-entropy, hard example mining."""

import math

import keras
from keras import ops

from keras_imas.arguments import (
    as_tensor,
    check_fraction,
    check_group_size,
    check_rank,
    check_shape,
    valid_weights,
)
from keras_imas.backends.replicas import replica_mean


def consistency_loss(
    logits,
    pseudo_labels,
    confidence,
    *,
    hardness=None,
    confidence_threshold=0.7,
    valid_mask=None,
):
    """Return the mean over images of `consistency_losses`.

    Equations 8 and 9 of Zhao et al., CVPR 2023, for one view.

    Args:
        logits: The student's logits of the view, `(B, H, W, C)`.
        pseudo_labels: The teacher's classes, integers `(B, H, W)`.
        confidence: The teacher's confidence, `(B, H, W)`.
        hardness: `(B,)` in [0, 1]; weighs an image by 1 − hardness. Defaults to
            `None`: all weigh 1.
        confidence_threshold: Confidence τ from which a pixel counts. Defaults to
            `0.7`.
        valid_mask: `(B, H, W)`, nonzero where a pixel is image and not padding.
            Defaults to `None`: all are.

    Returns:
        float32 scalar tensor.

    Raises:
        ValueError: If the shapes don't belong together, or the threshold is outside
            [0, 1].

    Example:
        >>> import numpy as np
        >>> labels, sure = np.array([[[0, 1]]]), np.array([[[0.9, 0.2]]])
        >>> loss = consistency_loss(np.zeros((1, 1, 2, 4)), labels, sure)
        >>> round(float(loss), 4)  # log(4) for one of two pixels
        0.6931
    """
    return ops.mean(
        consistency_losses(
            logits,
            pseudo_labels,
            confidence,
            hardness=hardness,
            confidence_threshold=confidence_threshold,
            valid_mask=valid_mask,
        )
    )


def consistency_losses(
    logits,
    pseudo_labels,
    confidence,
    *,
    hardness=None,
    confidence_threshold=0.7,
    valid_mask=None,
):
    """Return the consistency loss of each image.

    The mean over all valid pixels, sure or not, of the cross-entropy with the pseudo
    labels where the teacher is sure, times 1 − hardness.

    Args:
        logits: See `consistency_loss`.
        pseudo_labels: See `consistency_loss`.
        confidence: See `consistency_loss`.
        hardness: See `consistency_loss`.
        confidence_threshold: See `consistency_loss`.
        valid_mask: See `consistency_loss`.

    Returns:
        float32 tensor `(B,)`; 0 for an image without valid pixels.

    Raises:
        ValueError: See `consistency_loss`.

    Example:
        >>> import numpy as np
        >>> labels, sure = np.array([[[0, 1]]]), np.array([[[0.9, 0.9]]])
        >>> losses = consistency_losses(
        ...     np.zeros((1, 1, 2, 4)), labels, sure, hardness=np.array([0.5])
        ... )
        >>> round(float(losses[0]), 4)
        0.6931
    """
    check_fraction("confidence_threshold", confidence_threshold)
    logits = ops.cast(as_tensor(logits), "float32")
    pseudo_labels = ops.cast(as_tensor(pseudo_labels), "int32")
    confidence = as_tensor(confidence)
    check_rank("logits", logits, 4)
    check_shape("pseudo_labels", pseudo_labels, logits.shape[:3])
    check_shape("confidence", confidence, logits.shape[:3])
    mask = valid_weights(valid_mask, confidence)
    sure = mask * ops.cast(confidence >= confidence_threshold, "float32")
    cross_entropy = ops.sparse_categorical_crossentropy(
        pseudo_labels, logits, from_logits=True
    )
    losses = ops.sum(sure * cross_entropy, axis=(1, 2)) / ops.maximum(
        ops.sum(mask, axis=(1, 2)), 1.0
    )
    if hardness is not None:
        hardness = ops.cast(as_tensor(hardness), "float32")
        check_shape("hardness", hardness, losses.shape)
        losses = (1.0 - hardness) * losses
    return losses


@keras.saving.register_keras_serializable(package="keras_imas")
class Crossentropy(keras.losses.Loss):
    """Cross-entropy over the labeled pixels of a batch.

    As `keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=...)`,
    but the pixels that count are counted over all replicas: those of an image weigh the
    same whichever replica it is on.

    Args:
        ignore_class: The label of pixels that don't count. Defaults to `255`.
        class_weights: Factors of the loss of the pixels of each class, not negative, as
            many as there are classes. The loss is still divided by the number of
            labeled pixels, as by Keras' `class_weight`. Defaults to `None`: all are 1.
        name: Name of the loss. Defaults to `"crossentropy"`.

    Raises:
        ValueError: If `class_weights` holds something else; when called, if it has not
            a number for each class.

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
        self, ignore_class=255, class_weights=None, name="crossentropy", **kwargs
    ):
        super().__init__(name=name, **kwargs)
        self.ignore_class = ignore_class
        self.class_weights = _class_weights(class_weights)

    def call(self, y_true, y_pred):
        """Return the loss of each pixel, so scaled that their mean is the loss.

        Args:
            y_true: Label maps `(B, H, W)`.
            y_pred: Logits `(B, H, W, C)`.

        Returns:
            float32 tensor `(B, H, W)`; 0 where no pixel is valid.
        """
        cross_entropy, valid = _cross_entropy(y_true, y_pred, self.ignore_class)
        share = replica_mean(ops.mean(ops.cast(valid, "float32")))
        weights = _pixel_weights(y_true, y_pred, valid, self.class_weights)
        return cross_entropy * weights / ops.where(share > 0.0, share, 1.0)

    def get_config(self):
        """Return the arguments of the constructor."""
        return {
            **super().get_config(),
            "ignore_class": self.ignore_class,
            "class_weights": self.class_weights,
        }


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


def _pixel_weights(y_true, y_pred, valid, class_weights):
    """Return the weight of each pixel: that of its class, 0 without a label."""
    weights = ops.cast(valid, "float32")
    if class_weights is None:
        return weights
    if y_pred.shape[-1] != len(class_weights):
        raise ValueError(
            "`class_weights` must have a number for each class. Received: "
            f"{len(class_weights)} numbers, and logits of {y_pred.shape[-1]} classes"
        )
    labels = ops.where(valid, ops.cast(y_true, "int32"), 0)
    of_class = ops.convert_to_tensor(class_weights, dtype="float32")
    return weights * ops.take(of_class, labels, axis=0)


def _cross_entropy(y_true, y_pred, ignore_class):
    """Return the cross-entropy of each pixel, and which have a label."""
    labels = ops.cast(y_true, "int32")
    valid = ops.not_equal(labels, ignore_class)
    cross_entropy = ops.sparse_categorical_crossentropy(
        ops.where(valid, labels, 0), ops.cast(y_pred, "float32"), from_logits=True
    )
    return cross_entropy, valid


@keras.saving.register_keras_serializable(package="keras_imas")
class OHEMCrossentropy(keras.losses.Loss):
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
        ignore_class: The label of pixels that don't count. Defaults to `255`.
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
        threshold=0.7,
        min_kept=100_000,
        ignore_class=255,
        group_size=None,
        class_weights=None,
        name="ohem_crossentropy",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        check_fraction("threshold", threshold)
        if min_kept < 0:
            raise ValueError(
                f"`min_kept` must not be negative. Received: min_kept={min_kept}"
            )
        check_group_size("group_size", group_size, None)
        self.threshold = threshold
        self.min_kept = min_kept
        self.ignore_class = ignore_class
        self.group_size = group_size
        self.class_weights = _class_weights(class_weights)

    def call(self, y_true, y_pred):
        """Return the loss of each group, whose mean is the loss.

        Args:
            y_true: Label maps `(B, H, W)`.
            y_pred: Logits `(B, H, W, C)`.

        Returns:
            float32 tensor `(groups,)`; 0 where no pixel of a group is valid. No scalar:
            Keras does not divide one by the number of replicas.
        """
        cross_entropy, valid = _cross_entropy(y_true, y_pred, self.ignore_class)
        weights = _pixel_weights(y_true, y_pred, valid, self.class_weights)
        # A row a group: pixels are mined among those of their row.
        groups = -1 if self.group_size else 1
        pixels = self.group_size or -1
        if self.group_size:
            check_group_size("group_size", self.group_size, valid.shape[0])
            pixels *= ops.shape(valid)[1] * ops.shape(valid)[2]
        cross_entropy = ops.reshape(cross_entropy, (groups, pixels))
        valid = ops.reshape(valid, (groups, pixels))
        weights = ops.reshape(weights, (groups, pixels))
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
        count = ops.sum(kept, axis=1)
        if not self.group_size:
            count = replica_mean(count)
        count = ops.where(count > 0.0, count, 1.0)
        return ops.sum(kept * weights * cross_entropy, axis=1) / count

    def get_config(self):
        """Return the arguments of the constructor."""
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "min_kept": self.min_kept,
            "ignore_class": self.ignore_class,
            "group_size": self.group_size,
            "class_weights": self.class_weights,
        }


def weight_at(step, weight, *, start_step=0):
    """Return the weight λ of the consistency loss at a step.

    Args:
        step: Training step, from 0; an integer tensor or variable.
        weight: A number, or a `keras.optimizers.schedules.LearningRateSchedule` of the
            steps since `start_step`.
        start_step: The first semi-supervised step; before it λ is 0. Defaults to `0`.

    Returns:
        float32 scalar tensor.

    Example:
        >>> [float(weight_at(ops.array(s), 3.0, start_step=2)) for s in (1, 2)]
        [0.0, 3.0]
    """
    if callable(weight):
        weight = weight(ops.maximum(step - start_step, 0))
    return ops.cast(step >= start_step, "float32") * ops.cast(weight, "float32")
