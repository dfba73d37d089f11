"""The difference of two methods on the same images, with an interval."""

import dataclasses

import numpy as np

from keras_imas.metrics import iou_per_class

_SAMPLES = 2000


@dataclasses.dataclass(frozen=True)
class PairedDifference:
    """By how much the mean IoU of one method is above that of another.

    Attributes:
        mean: The difference on all images.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    mean: float
    low: float
    high: float

    @property
    def verdict(self):
        """+1: above 0, -1: below, 0: the interval holds 0, or there is none."""
        return int(self.low > 0) - int(self.high < 0)


def paired_difference(counts, others, *, ignore_class=None, seed=0):
    """Compare the mean IoU of two methods by a paired bootstrap over images.

    The mean is that of the classes that the images have labels of, the same for both
    methods. Images without labels don't count. The interval is that of other images of
    the same kind. It does not hold what another run of either method would change.

    Args:
        counts: Integers `(N, C, C)`: pixels of each image by class and prediction.
        others: The same of the method to compare with.
        ignore_class: Class that does not count. Defaults to `None`.
        seed: Seed of the bootstrap. Defaults to `0`.

    Returns:
        `PairedDifference`, of the 2.5 and 97.5 percentiles of 2,000 samples.

    Raises:
        ValueError: If the shapes differ, or fewer than two images have labels.

    Example:
        >>> right = np.array([[[9, 0], [0, 9]]] * 20)
        >>> wrong = np.array([[[9, 0], [9, 0]], [[9, 0], [0, 9]]] * 10)
        >>> found = paired_difference(right, wrong)
        >>> round(found.mean, 2), found.verdict
        (0.42, 1)
    """
    counts, others = np.asarray(counts), np.asarray(others)
    labeled = have_labels(counts)
    if counts.shape != others.shape or labeled.sum() < 2:
        raise ValueError(
            "Both methods must have counts of the same images, and of two or more with "
            f"labels. Received: {counts.shape} and {others.shape}"
        )
    counts, others = counts[labeled], others[labeled]
    images = len(counts)
    draws = np.random.default_rng(seed).multinomial(
        images, np.full(images, 1 / images), _SAMPLES
    )

    def differences(weights):
        return [
            _mean_iou(np.tensordot(weight, counts, 1), ignore_class)
            - _mean_iou(np.tensordot(weight, others, 1), ignore_class)
            for weight in weights
        ]

    (mean,) = differences(np.ones((1, images), "int64"))
    low, high = np.nanpercentile(differences(draws), [2.5, 97.5])
    return PairedDifference(float(mean), float(low), float(high))


def have_labels(counts):
    """Tell which images have a label.

    Args:
        counts: See `paired_difference`.

    Returns:
        Booleans `(N,)`.

    Example:
        >>> have_labels([[[9, 0], [0, 9]], [[0, 0], [0, 0]]]).tolist()
        [True, False]
    """
    return np.any(counts, axis=(1, 2))


def _mean_iou(counts, ignore_class):
    labeled = counts.sum(axis=1) > 0
    return np.nanmean(iou_per_class(counts, ignore_class)[labeled])
