"""Thresholds of pseudo labels by class."""

from typing import Any

from keras import ops

from keras_imas.arguments import as_tensor, check_fraction, valid_weights
from keras_imas.backends.formulations import faster
from keras_imas.backends.replicas import replica_mean
from keras_imas.models.final_activation import main_output
from keras_imas.models.logits import segmenter
from keras_imas.scoring import confidence_ratio
from keras_imas.typing import Tensor

_DECAY = 0.99  # a step; a mean over the last hundred steps or so


class ClassThresholds:
    """The confidence from which pseudo labels of each class count.

    A teacher is seldom sure of rare classes, so a common threshold τ leaves few of
    their pixels. By class, a class of which it is less sure has a lower one: the mean
    confidence m of all pixels that it predicts as this class,

        τ_c = min(τ, m_c),

    a moving mean over the steps. No class has a higher threshold than τ.

    Args:
        model: `keras_imas.IMAS`, built so far as its student and options. It keeps the
            means, as a weight that is saved with it.

    Raises:
        ValueError: If τ is out of range, or the student doesn't tell its classes.

    Example:
        >>> import keras, keras_imas
        >>> layers = [keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 1)]
        >>> student = keras.Sequential(layers)
        >>> model = keras_imas.IMAS(student, class_thresholds=True)
        >>> labels, sure = ops.array([[[0, 0, 1]]]), ops.array([[[0.5, 0.7, 1.0]]])
        >>> found = model.thresholds(labels, sure)
        >>> thresholds = ops.convert_to_numpy(found["thresholds"])
        >>> thresholds.astype("float64").round(3).tolist()
        [0.6, 0.7]
        >>> round(float(found["counting"][0]), 3)  # 0.5 is less than 0.6
        0.667
    """

    def __init__(self, model: Any) -> None:
        check_fraction("confidence_threshold", model.confidence_threshold)
        self.confidence_threshold = model.confidence_threshold
        self.sums = None
        if model.class_thresholds:
            self.sums = model.add_weight(
                name="class_confidence",
                shape=(2, _class_count(model.student)),
                dtype="float32",
                initializer="zeros",
                trainable=False,
                autocast=False,  # of mixed precision: they stay float32
                aggregation="only_first_replica",
            )

    def __call__(
        self, labels: Tensor, confidence: Tensor, valid_mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the thresholds, after a batch has been added to the means.

        Args:
            labels: The teacher's classes, int32 `(B, H, W)`.
            confidence: The teacher's confidence, `(B, H, W)`.
            valid_mask: `(B, H, W)`, nonzero where a pixel is image and not padding.
                Defaults to `None`: all are.

        Returns:
            Dict of float32 tensors, empty where classes don't have their own:
            `"thresholds"`, `(C,)`, and `"counting"`, `(B,)`, the share of each image's
            valid pixels whose pseudo labels count.
        """
        if self.sums is None:
            return {}
        labels, confidence = as_tensor(labels), as_tensor(confidence)
        added = _by_class(labels, confidence, valid_mask, self.sums.shape[-1])
        sums = _DECAY * self.sums + (1.0 - _DECAY) * replica_mean(added)
        self.sums.assign(sums)
        known = sums[1] > 0.0
        means = sums[0] / ops.where(known, sums[1], 1.0)
        most = self.confidence_threshold
        thresholds = ops.where(known, ops.minimum(means, most), most)
        counting = confidence_ratio(
            confidence,
            confidence_threshold=ops.take(thresholds, labels),
            valid_mask=valid_mask,
        )
        return {"thresholds": thresholds, "counting": counting}


def _by_class(labels, confidence, valid_mask, num_classes):
    """Return the sum of the confidence and the number of pixels of each class.

    By image first, as float32 can't add ones up to all pixels of a large batch.
    """
    # A network that has failed would spoil the means for good.
    known = valid_weights(valid_mask, confidence) * ops.cast(
        ops.isfinite(confidence), "float32"
    )
    confidence = ops.where(known > 0.0, confidence, 0.0)
    batch_size = ops.shape(labels)[0]
    first = num_classes * ops.arange(batch_size, dtype="int32")
    labels = ops.cast(labels, "int32") + first[:, None, None]
    segment_sum = faster("segment_sum") or ops.segment_sum
    sums = [
        segment_sum(
            ops.reshape(values, (-1,)),
            ops.reshape(labels, (-1,)),
            num_segments=batch_size * num_classes,
        )
        for values in (confidence, known)
    ]
    return ops.sum(ops.reshape(ops.stack(sums), (2, -1, num_classes)), axis=1)


def _class_count(student):
    output = main_output(student)
    if output is not None:
        return output.shape[-1]
    try:  # a subclassed model
        return segmenter(student).output.shape[-1]
    except Exception as error:  # of whatever kind its `call` raises
        raise ValueError(
            "`class_thresholds` needs a student that tells its number of classes: a "
            "functional or sequential model, or one that can be called on "
            f"`keras.Input((None, None, 3))`. Received: a {type(student).__name__}"
        ) from error
