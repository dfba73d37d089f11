"""Sources that shuffle by themselves."""

import numpy as np
import pytest

from keras_imas.data import as_examples, semi_supervised

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype="uint8")
NAMES = [f"photo{i}" for i in range(6)]


def source(named=True):
    import tensorflow as tf

    rows = {"image": IMAGES, **({"name": NAMES} if named else {})}
    return tf.data.Dataset.from_tensor_slices(rows)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    "shuffle",
    [
        lambda d: d.shuffle(6),
        lambda d: d.shuffle(6, seed=5),
        lambda d: d.shuffle(6).map(lambda row: row).prefetch(1).cache(),
        lambda d: d.take(3).concatenate(d.skip(3).shuffle(6)),
        lambda d: type(d).zip(d, d.shuffle(6)).map(lambda row, _: row),
    ],
)
def test_a_shuffle_within_is_found(shuffle, named):
    with pytest.raises(ValueError, match="shuffles by itself.* by `seed`.*remove"):
        as_examples(shuffle(source(named)))


def test_an_order_that_each_process_draws_is_found():
    import tensorflow as tf

    tf.random.set_seed(None)
    once = source().shuffle(6, reshuffle_each_iteration=False)
    with pytest.raises(ValueError, match="shuffles by itself"):
        as_examples(once)


def test_a_fixed_order_is_right():
    fixed = source().shuffle(6, seed=3, reshuffle_each_iteration=False)
    batches = semi_supervised(
        (IMAGES, np.arange(6 * 64).reshape(6, 8, 8) % 3),
        fixed,
        crop_size=8,
        unlabeled_batch_size=3,
    )
    for _ in range(3):
        assert len(list(batches)) == 2


def test_names_that_change_places_are_found():
    import tensorflow as tf

    rng = np.random.default_rng(0)

    def rows():
        for index in rng.permutation(6):
            yield {"image": IMAGES[index], "name": NAMES[index]}

    signature = {
        "image": tf.TensorSpec((8, 8, 3), tf.uint8),
        "name": tf.TensorSpec((), tf.string),
    }
    dataset = tf.data.Dataset.from_generator(rows, output_signature=signature)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(6))
    examples = as_examples(dataset)
    assert len(list(examples.records.map(examples.read))) == 6
    with pytest.raises(tf.errors.InvalidArgumentError, match="before, and now .photo"):
        list(examples.records.map(examples.read))
