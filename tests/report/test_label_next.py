import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_imas.report.label_next import label_next, thumbnail_features

RNG = np.random.default_rng(0)


def test_near_duplicates_do_not_fill_the_ranking():
    scenes = RNG.uniform(size=(3, 12))
    features = np.repeat(scenes, 5, axis=0) + RNG.normal(0, 1e-3, (15, 12))
    hardness = np.repeat([0.9, 0.8, 0.4], 5) + np.tile(np.linspace(0, 0.05, 5), 3)
    order, novelty = label_next(hardness, features, count=15)
    assert order[0] == 4  # the hardest of all
    assert set(order[:3] // 5) == {0, 1, 2}
    assert novelty[3:].max() < 0.05 < novelty[:3].min()
    assert sorted(order) == list(range(15))


def test_what_is_labeled_is_not_wanted_again():
    features = np.eye(4)
    order, novelty = label_next([0.9, 0.5, 0.4, 0.3], features, features[:1])
    assert order.tolist() == [1, 2, 3, 0] and novelty[-1] == 0


@pytest.mark.parametrize(
    ("positions", "best_first", "novelties"),
    [
        ([0, 1, 10], [0, 2, 1], [1, 1, 1 / 9]),
        ([0, 1, 2, 100], [0, 3, 2, 1], [1, 1, 2 / 50, 1 / 50]),
    ],
)
def test_novelty_1_is_the_median_distance_of_two_images(
    positions, best_first, novelties
):
    """Of all pairs: 9 of the first images, 50 of the others."""
    features = np.reshape(positions, (-1, 1))
    order, novelty = label_next([0.9] * len(features), features)
    assert order.tolist() == best_first
    np.testing.assert_allclose(novelty, novelties)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.integers(1, 15))
def test_of_images_that_are_alike_no_more_than_asked_for(hardness, count):
    order, novelty = label_next(hardness, np.zeros((len(hardness), 2)), count=count)
    assert len(order) == len(set(order.tolist())) == min(count, len(hardness))
    assert order[0] == np.argmax(hardness)
    assert ((0 <= novelty) & (novelty <= 1)).all()


def test_of_no_images_none_is_chosen():
    for labeled in (None, np.eye(4)):
        order, novelty = label_next([], [], labeled)
        assert order.tolist() == novelty.tolist() == []
        assert order.dtype.kind == "i"


def test_features_must_be_as_many():
    with pytest.raises(ValueError, match="Received: 2 and 3"):
        label_next([1, 1, 1], np.zeros((2, 4)))


def test_thumbnails_of_any_size_compare():
    image = RNG.integers(0, 256, (32, 64, 3))
    features = thumbnail_features(image)
    half = image.reshape(16, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(features - thumbnail_features(half)).max() < 0.02
    assert np.abs(features - thumbnail_features(255 - image)).max() > 0.1
