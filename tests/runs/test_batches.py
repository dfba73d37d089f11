import numpy as np
import pytest
from keras import ops

from keras_imas.runs.batches import training_batches
from keras_imas.runs.parts import Parts
from keras_imas.runs.recipe import Recipe

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (6, 20, 24, 3), dtype="uint8")


def first_batch(**options):
    recipe = Recipe(crop_size=16, strong_view="jitter", **options)
    parts = Parts.of(
        labeled=(IMAGES[:2], IMAGES[:2, ..., 0] % 3),
        unlabeled=IMAGES[2:],
        validation=None,
        select_on=None,
        class_names=("one", "two", "three"),
    )
    inputs, label_map = next(iter(training_batches(recipe, parts, 1)))
    return {
        name: ops.convert_to_numpy(array)
        for name, array in {**inputs, "label_map": label_map}.items()
    }


@pytest.mark.parametrize("view", ["photometric", "strong"])
def test_labeled_views_change_the_labeled_images_alone(view):
    weak, other = first_batch(), first_batch(labeled_view=view)
    changed = {key for key in weak if not np.array_equal(weak[key], other[key])}
    assert changed == {"labeled"}


def test_photometric_views_keep_which_channel_is_the_largest():
    weak, other = first_batch(), first_batch(labeled_view="photometric")
    strong = first_batch(labeled_view="strong")
    ranks = [np.argmax(batch["labeled"], axis=-1) for batch in (weak, other, strong)]
    assert np.mean(ranks[0] == ranks[1]) > 0.8 > np.mean(ranks[0] == ranks[2])


@pytest.mark.parametrize("view", ["photometric", "strong"])
def test_supervised_training_sees_the_same_labeled_views(view):
    semi = first_batch(labeled_view=view)
    alone = first_batch(labeled_view=view, method="supervised")
    for name in alone:
        np.testing.assert_array_equal(alone[name], semi[name])
