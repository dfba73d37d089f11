"""Consistency of the student with the teacher's pseudo labels."""

from typing import Any

from keras import ops

from keras_imas.arguments import (
    as_tensor,
    check_channels,
    check_fraction,
    check_rank,
    check_shape,
    valid_weights,
)
from keras_imas.typing import ArrayLike, Scheduled, Tensor


def consistency_loss(
    logits: ArrayLike,
    pseudo_labels: ArrayLike,
    confidence: ArrayLike,
    *,
    hardness: ArrayLike | None = None,
    confidence_threshold: float = 0.7,
    class_thresholds: ArrayLike | None = None,
    valid_mask: ArrayLike | None = None,
) -> Tensor:
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
        class_thresholds: One of each class instead, `(C,)`. Defaults to `None`.
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
            class_thresholds=class_thresholds,
            valid_mask=valid_mask,
        )
    )


def consistency_losses(
    logits: ArrayLike,
    pseudo_labels: ArrayLike,
    confidence: ArrayLike,
    *,
    hardness: ArrayLike | None = None,
    confidence_threshold: float = 0.7,
    class_thresholds: ArrayLike | None = None,
    valid_mask: ArrayLike | None = None,
) -> Tensor:
    """Return the consistency loss of each image.

    The mean over all valid pixels, sure or not, of the cross-entropy with the pseudo
    labels where the teacher is sure, times 1 − hardness.

    Args:
        logits: See `consistency_loss`.
        pseudo_labels: See `consistency_loss`.
        confidence: See `consistency_loss`.
        hardness: See `consistency_loss`.
        confidence_threshold: See `consistency_loss`.
        class_thresholds: See `consistency_loss`.
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
    check_channels("logits", logits.shape[-1])
    check_shape("pseudo_labels", pseudo_labels, logits.shape[:3])
    check_shape("confidence", confidence, logits.shape[:3])
    threshold = confidence_threshold
    if class_thresholds is not None:
        class_thresholds = as_tensor(class_thresholds)
        check_shape("class_thresholds", class_thresholds, logits.shape[3:])
        threshold = ops.take(class_thresholds, pseudo_labels)
    mask = valid_weights(valid_mask, confidence)
    sure = mask * ops.cast(confidence >= threshold, "float32")
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


def consistency_of_views(
    logits: dict[str, Tensor],
    targets: dict[str, dict[str, Tensor]],
    weights: dict[str, Tensor],
    **options: Any,
) -> tuple[Tensor, list[Tensor]]:
    """Return the consistency loss of images that have two views.

    Args:
        logits: Dict of the logits of the views `"first"` and `"second"`.
        targets: Dict of the arguments `pseudo_labels`, `confidence` and `valid_mask` of
            `consistency_losses` for each view.
        weights: Dict of the weight of each view, `(B,)`.
        **options: Further arguments of `consistency_losses`.

    Returns:
        `(loss, losses)`: the mean over images of the weighted sum of the two, a scalar;
        and a list of the two, `(B,)` each.

    Example:
        >>> logits, half = ops.zeros((1, 1, 2, 4)), ops.full((1,), 0.5)
        >>> labels, sure = ops.zeros((1, 1, 2), "int32"), ops.ones((1, 1, 2))
        >>> target = {"pseudo_labels": labels, "confidence": sure}
        >>> views = ("first", "second")
        >>> loss, _ = consistency_of_views(
        ...     *(dict.fromkeys(views, part) for part in (logits, target, half))
        ... )
        >>> round(float(loss), 4)
        1.3863
    """
    first, second = (
        consistency_losses(logits[view], **targets[view], **options)
        for view in ("first", "second")
    )
    weighted = weights["first"] * first + weights["second"] * second
    return ops.mean(weighted), [first, second]


def weight_at(step: Tensor, weight: Scheduled, *, start_step: int = 0) -> Tensor:
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
