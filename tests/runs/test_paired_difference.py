import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_imas.runs.paired_difference import paired_difference

SEEDS = st.integers(0, 2**16)


def counts(seed, images=8, classes=3):
    """Draw confusion matrices of images, in which each class occurs."""
    return np.random.default_rng(seed).integers(1, 50, (images, classes, classes))


def mean_iou(matrix):
    right = np.diag(matrix)
    return np.mean(right / (matrix.sum(0) + matrix.sum(1) - right))


@given(SEEDS, SEEDS)
def test_its_mean_is_that_of_all_images_and_changes_sign_with_the_order(one, other):
    a, b = counts(one), counts(other)
    found, turned = paired_difference(a, b), paired_difference(b, a)
    assert found.mean == pytest.approx(mean_iou(a.sum(0)) - mean_iou(b.sum(0)))
    assert (found.mean, found.low, found.high) == pytest.approx(
        (-turned.mean, -turned.high, -turned.low)
    )
    assert found.low <= found.high and found.verdict == -turned.verdict


@given(SEEDS)
def test_a_method_does_not_differ_from_itself(seed):
    found = paired_difference(counts(seed), counts(seed))
    assert (found.mean, found.low, found.high, found.verdict) == (0, 0, 0, 0)


def test_the_interval_is_as_wide_as_means_of_other_images_spread():
    """The difference of many sets of 60 images, against the interval of one."""
    rng = np.random.default_rng(0)

    def draw():
        right = rng.integers(0, 101, (2, 60))
        return np.array([[[r, 100 - r], [100 - r, r]] for r in right.ravel()]).reshape(
            2, 60, 2, 2
        )

    spread = [
        mean_iou(a.sum(0)) - mean_iou(b.sum(0)) for a, b in (draw() for _ in range(400))
    ]
    found = [paired_difference(*draw(), seed=seed) for seed in range(3)]
    widths = [each.high - each.low for each in found]
    assert np.mean(widths) == pytest.approx(2 * 1.96 * np.std(spread), rel=0.2)


def test_both_methods_are_averaged_over_the_classes_that_are_labeled():
    """A stray pixel of a class that nobody labeled is an error, and not a class."""
    right = np.array([[[500, 0, 0], [0, 499, 1], [0, 0, 0]]] * 6)
    worse = np.array([[[450, 50, 0], [50, 450, 0], [0, 0, 0]]] * 6)
    found = paired_difference(right, worse)
    assert found.verdict == 1
    assert found.mean == pytest.approx(0.999 - 9 / 11)
    turned = paired_difference(worse, right)
    assert turned.mean == pytest.approx(-found.mean)


def test_a_class_that_is_ignored_does_not_count():
    a, b = counts(0), counts(1)
    found = paired_difference(a, b, ignore_class=2)

    def without(matrix):
        right = np.diag(matrix)
        return (right / (matrix.sum(0) + matrix.sum(1) - right))[:2].mean()

    assert found.mean == pytest.approx(without(a.sum(0)) - without(b.sum(0)))


def test_images_without_labels_do_not_count():
    """Nothing is known of a sample that holds no others."""
    none, (a, b) = np.zeros((6, 3, 3), int), (counts(0, images=2), counts(1, images=2))
    found = paired_difference(np.concatenate([a, none]), np.concatenate([b, none]))
    assert found == paired_difference(a, b)
    with pytest.raises(ValueError, match="two or more with labels"):
        paired_difference(none, none)


@pytest.mark.parametrize("others", [counts(1, images=7), counts(1, images=1)])
def test_other_images_are_refused(others):
    with pytest.raises(ValueError, match="counts of the same images"):
        paired_difference(counts(0, images=max(len(others) - 6, 1)), others)
