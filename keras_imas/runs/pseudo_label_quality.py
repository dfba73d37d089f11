"""How good pseudo labels are, and whether hardness tells where they are wrong."""

import keras
import numpy as np
from keras import ops

from keras_imas.inference.predictor import Predictor
from keras_imas.metrics.rank_correlation import rank_correlation
from keras_imas.scoring import hardness


class PseudoLabelQuality(keras.callbacks.Callback):
    """Compare pseudo labels and hardness of a training with true masks, now and then.

    Args:
        batches: See `pseudo_label_quality`.
        epochs: Set of epochs, from 1, after which they are compared.
        num_classes: Number of classes.
        ignore_class: Label of pixels that don't count.

    Attributes:
        found: List of dicts, "epoch" and what `pseudo_label_quality` returns.
    """

    def __init__(self, batches, epochs, num_classes, ignore_class):
        super().__init__()
        self.batches, self.epochs = batches, epochs
        self.num_classes, self.ignore_class = num_classes, ignore_class
        self.found = []

    def on_train_begin(self, logs=None):
        """Read images with the student and the teacher."""
        networks = self.model.student, self.model.teacher
        self.predictors = [Predictor(network, batch_size=4) for network in networks]

    def on_epoch_end(self, epoch, logs=None):
        """Compare, where it is one of the epochs."""
        if epoch + 1 in self.epochs:
            quality = pseudo_label_quality(
                *self.predictors,
                self.batches,
                self.num_classes,
                self.ignore_class,
                self.model.confidence_threshold,
                self.model.background_class,
            )
            self.found.append({"epoch": epoch + 1, **quality})


def pseudo_label_quality(
    student,
    teacher,
    batches,
    num_classes,
    ignore_class,
    threshold,
    background_class=None,
):
    """Compare a teacher's pseudo labels, and an image's hardness, with true masks.

    Args:
        student: `keras_imas.inference.Predictor`.
        teacher: The same; makes the pseudo labels.
        batches: Batches of `({"labeled": images}, label_maps)`.
        num_classes: Number of classes.
        ignore_class: Label of pixels that don't count.
        threshold: Confidence from which a pixel has a pseudo label, and counts as sure
            in the hardness; the common one, with thresholds by class too.
        background_class: Class with weight 0 in the hardness. Defaults to `None`.

    Returns:
        Dict of two lists by class, `None` where there is nothing to count: "recall",
        the share of its pixels that are pseudo labeled as such, and "precision", the
        share of its pseudo labels that are right; and "hardness_correlation",
        Spearman's of the images' hardness and the share of pixels that the teacher gets
        wrong, `None` where all images are equal.

    Example:
        >>> import keras
        >>> from keras_imas.inference import Predictor
        >>> layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(2, 1)]
        >>> network = Predictor(keras.Sequential(layers))
        >>> black, ones = np.zeros((4, 8, 8, 3)), np.ones((4, 8, 8), "int32")
        >>> batches = [({"labeled": black}, ones)]
        >>> pseudo_label_quality(network, network, batches, 2, 255, 0.7)
        {'recall': [None, 0.0], 'precision': [None, None], 'hardness_correlation': None}
    """
    right, found, true = np.zeros((3, num_classes), "int64")
    hard, wrong = [], []
    for inputs, label_maps in batches:
        images, label_maps = np.asarray(inputs["labeled"]), np.asarray(label_maps)
        ours, theirs = (np.stack(list(f(images))) for f in (student, teacher))
        valid = label_maps != ignore_class
        scores = hardness(
            ours,
            theirs,
            confidence_threshold=threshold,
            background_class=background_class,
            valid_mask=valid,
            from_logits=False,
        )
        classes, sure = theirs.argmax(-1), theirs.max(-1) >= threshold
        true += _count(label_maps[valid], num_classes)
        found += _count(classes[valid & sure], num_classes)
        agreed = valid & (classes == label_maps)
        right += _count(label_maps[agreed & sure], num_classes)
        shown = valid.any((1, 2))
        pixels = np.maximum(valid.sum((1, 2)), 1)
        hard += ops.convert_to_numpy(scores)[shown].tolist()
        wrong += (1 - agreed.sum((1, 2)) / pixels)[shown].tolist()
    correlation = rank_correlation(hard, wrong)
    return {
        "recall": _shares(right, true),
        "precision": _shares(right, found),
        "hardness_correlation": None if np.isnan(correlation) else correlation,
    }


def _count(labels, num_classes):
    return np.bincount(labels.ravel(), minlength=num_classes)[:num_classes]


def _shares(part, whole):
    return [
        round(float(a / b), 4) if b else None for a, b in zip(part, whole, strict=True)
    ]
