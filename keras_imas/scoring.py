"""Hardness: how much student and teacher disagree about an image."""

from keras import ops

from keras_imas.arguments import (
    as_tensor,
    check_channels,
    check_class,
    check_fraction,
    check_logits,
    check_probabilities,
    valid_weights,
)
from keras_imas.backends.formulations import faster
from keras_imas.typing import ArrayLike, Tensor

# The ones that a sum of float32 adds up, one after the other.
_COUNTED = 2**24
# Of an image, as `score_predictions` returns them.
SCORES = (
    "hardness",
    "student_confidence",
    "teacher_confidence",
    "student_iou",
    "teacher_iou",
)


def pseudo_labels(
    logits: ArrayLike, *, from_logits: bool = True
) -> tuple[Tensor, Tensor]:
    """Predict the class of each pixel and the confidence in it.

    Args:
        logits: Tensor `(B, H, W, C)`, of any floating dtype.
        from_logits: Whether `logits` are logits rather than probabilities. Defaults
            to `True`.

    Returns:
        `(labels, confidence)`: int32 `(B, H, W)`, and float32 `(B, H, W)`, the
        largest softmax probability. Of equal classes the first counts.

    Example:
        >>> labels, confidence = pseudo_labels([[[[0.0, 0.0, -1e4]]]])
        >>> int(labels[0, 0, 0]), float(confidence[0, 0, 0])
        (0, 0.5)
    """
    logits = ops.cast(as_tensor(logits), "float32")
    labels = ops.cast(ops.argmax(logits, axis=-1), "int32")
    probabilities = ops.softmax(logits, axis=-1) if from_logits else logits
    return labels, ops.max(probabilities, axis=-1)


def confidence_ratio(
    confidence: ArrayLike,
    *,
    confidence_threshold: float | Tensor = 0.7,
    valid_mask: ArrayLike | None = None,
) -> Tensor:
    """Return the share of valid pixels whose confidence reaches the threshold.

    This is ρ in equation 4 of the paper.

    Args:
        confidence: Tensor `(B, H, W)` of probabilities.
        confidence_threshold: The threshold τ, or one of each pixel, `(B, H, W)`.
            Defaults to `0.7`.
        valid_mask: `(B, H, W)`, nonzero where a pixel is image and not padding.
            Defaults to `None`: all are.

    Returns:
        float32 tensor `(B,)` in [0, 1]; 0 for an image without valid pixels, NaN
        where the confidence of a valid pixel is NaN.

    Example:
        >>> ratio = confidence_ratio([[[0.9, 0.8, 0.6, 0.1]]])
        >>> float(ratio[0])
        0.5
    """
    confidence = ops.cast(as_tensor(confidence), "float32")
    mask = valid_weights(valid_mask, confidence)
    sure = ops.cast(confidence >= confidence_threshold, "float32")
    # Neither sure nor unsure, or a network that has failed would look hard.
    sure = ops.where(ops.isnan(confidence), confidence, sure)
    return ops.sum(ops.where(mask > 0.0, sure, 0.0), axis=(1, 2)) / ops.maximum(
        ops.sum(mask, axis=(1, 2)), 1.0
    )


def score_predictions(
    student: tuple[ArrayLike, ArrayLike],
    teacher: tuple[ArrayLike, ArrayLike],
    *,
    num_classes: int,
    confidence_threshold: float = 0.7,
    background_class: int | None = None,
    class_weighted: bool = True,
    valid_mask: ArrayLike | None = None,
) -> dict[str, Tensor]:
    """Score images by predictions that are already at hand.

    What `hardness` does after its softmax, and what its score is made of; see there.

    Args:
        student: `(labels, confidence)`, each `(B, H, W)`, as `pseudo_labels` returns.
        teacher: The same of the teacher.
        num_classes: Number of classes C.
        confidence_threshold: See `hardness`.
        background_class: See `hardness`.
        class_weighted: See `hardness`.
        valid_mask: See `hardness`.

    Returns:
        Dict of float32 tensors `(B,)` in [0, 1]: `"hardness"`; of each network the
        confidence ratio ρ, `"student_confidence"` and `"teacher_confidence"`, and the
        IoU weighted by its classes, `"student_iou"` and `"teacher_iou"`.

    Example:
        >>> sure = ([[[0, 1]]], [[[0.9, 0.9]]])
        >>> scores = score_predictions(sure, sure, num_classes=2)
        >>> float(scores["hardness"][0]), float(scores["teacher_iou"][0])
        (0.0, 1.0)
    """
    check_class("background_class", background_class, num_classes)
    student_labels, student_confidence = map(as_tensor, student)
    teacher_labels, teacher_confidence = map(as_tensor, teacher)
    mask = valid_weights(valid_mask, student_labels)
    pairs = _pair_counts(student_labels, teacher_labels, mask, num_classes)
    student_count = ops.sum(pairs, axis=2)
    teacher_count = ops.sum(pairs, axis=1)
    intersection = ops.diagonal(pairs, axis1=1, axis2=2)
    union = student_count + teacher_count - intersection
    iou = intersection / ops.maximum(union, 1.0)

    def weighted_iou(count):
        if not class_weighted:
            count = ops.cast(union > 0, "float32")
        elif background_class is not None:
            foreground = ops.arange(num_classes, dtype="int32") != background_class
            count = count * ops.cast(foreground, "float32")
        return ops.sum(count * iou, axis=-1) / ops.maximum(ops.sum(count, axis=-1), 1.0)

    def ratio(confidence):
        return confidence_ratio(
            confidence, confidence_threshold=confidence_threshold, valid_mask=mask
        )

    scores = {
        "student_confidence": ratio(student_confidence),
        "teacher_confidence": ratio(teacher_confidence),
        "student_iou": weighted_iou(student_count),
        "teacher_iou": weighted_iou(teacher_count),
    }
    hardness = 1.0 - 0.5 * (
        scores["teacher_confidence"] * scores["teacher_iou"]
        + scores["student_confidence"] * scores["student_iou"]
    )
    return {"hardness": ops.clip(hardness, 0.0, 1.0), **scores}


def hardness(
    student_logits: ArrayLike,
    teacher_logits: ArrayLike,
    *,
    confidence_threshold: float = 0.7,
    background_class: int | None = None,
    class_weighted: bool = True,
    valid_mask: ArrayLike | None = None,
    from_logits: bool = True,
) -> Tensor:
    """Score how hard each image is, by how much student and teacher disagree.

    Hardness γ is 1 minus the mean, over student and teacher as the reference r, of
    ρ_r · wIoU_r: the share of pixels of which r is sure, times the IoU between the
    two predictions, weighted by how many pixels r gives each class (equations 3 to 5
    of Zhao et al., CVPR 2023, whose program calls 1 − γ "hardness").

    Args:
        student_logits: `(B, H, W, C)`: an array, a list of `(H, W, C)` arrays, or a
            tensor of TensorFlow, JAX or PyTorch.
        teacher_logits: The same of the teacher, for the same images.
        confidence_threshold: The confidence τ from which a pixel counts as sure, in
            [0, 1]. Defaults to `0.7`.
        background_class: A class whose pixels carry no weight in the IoU. Defaults to
            `None`.
        class_weighted: Whether classes weigh by their pixels. Defaults to `True`;
            `False` takes the mean IoU over the classes in either prediction,
            background included.
        valid_mask: `(B, H, W)`, nonzero where a pixel is image and not padding.
            Defaults to `None`: all are.
        from_logits: Whether the inputs are logits rather than probabilities. Defaults
            to `True`.

    Returns:
        float32 tensor `(B,)` in [0, 1]; larger is harder. 1 for an image without
        valid pixels; NaN for one with a NaN among the logits of valid pixels.

    Raises:
        ValueError: If the shapes differ or are not `(B, H, W, C)`, there is one
            channel, or `confidence_threshold` or `background_class` is out of range;
            outside of compiled functions, if logits are probabilities or the other way
            round, as a sample of the pixels shows.

    Example:
        >>> import numpy as np
        >>> logits = 9.0 * np.eye(3)[np.array([[[0, 0, 1, 2]]])]
        >>> other = 9.0 * np.eye(3)[np.array([[[0, 0, 1, 1]]])]
        >>> float(hardness(logits, logits)[0])
        0.0
        >>> round(float(hardness(logits, other)[0]), 4)
        0.3125
    """
    student_logits, teacher_logits = (
        as_tensor(student_logits),
        as_tensor(teacher_logits),
    )
    shape = tuple(student_logits.shape)
    if len(shape) != 4 or shape != tuple(teacher_logits.shape):
        raise ValueError(
            "`student_logits` and `teacher_logits` must have one shape "
            "(batch, height, width, classes). Received: "
            f"{shape} and {tuple(teacher_logits.shape)}"
        )
    check_channels("student_logits", shape[-1])
    check_fraction("confidence_threshold", confidence_threshold)
    check_scale = check_logits if from_logits else check_probabilities
    check_scale("student_logits", student_logits)
    check_scale("teacher_logits", teacher_logits)
    scores = score_predictions(
        pseudo_labels(student_logits, from_logits=from_logits),
        pseudo_labels(teacher_logits, from_logits=from_logits),
        num_classes=shape[-1],
        confidence_threshold=confidence_threshold,
        background_class=background_class,
        class_weighted=class_weighted,
        valid_mask=valid_mask,
    )
    return scores["hardness"]


def _pair_counts(labels, other_labels, weights, num_classes):
    """Count pixels by image and the two classes: `(B, H, W)` thrice -> `(B, C, C)`.

    By segments rather than by comparison with every class, which would hold pixels
    times classes in memory; and by pairs, in one pass over the pixels. Rows by rows
    where an image has more pixels than float32 counts.
    """
    height, width = labels.shape[1:]
    if None not in (height, width) and height > 1 and height * width > _COUNTED:
        rows = max(_COUNTED // width, 1)
        return sum(
            _pair_counts(
                *(x[:, top : top + rows] for x in (labels, other_labels, weights)),
                num_classes,
            )
            for top in range(0, height, rows)
        )
    batch_size = ops.shape(labels)[0]
    first = num_classes * ops.arange(batch_size, dtype="int32")
    labels = ops.cast(labels, "int32") + first[:, None, None]
    segments = num_classes * labels + ops.cast(other_labels, "int32")
    segment_sum = faster("segment_sum") or ops.segment_sum
    counts = segment_sum(
        ops.reshape(weights, (-1,)),
        ops.reshape(segments, (-1,)),
        num_segments=batch_size * num_classes**2,
    )
    return ops.reshape(counts, (-1, num_classes, num_classes))
