import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_imas.augment.rand_augment import RandAugment

OPERATIONS = (
    "AutoContrast",
    "Equalization",
    "Solarization",
    "RandomColorDegeneration",
    "RandomContrast",
    "RandomBrightness",
)


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(0)
    return rng.uniform(20, 150, (24, 32, 3)).astype("float32")


@pytest.fixture(scope="module")
def once():
    return RandAugment(num_operations=1, rate=1.0)


def views(view, image, count):
    seeds = tf.stack([tf.zeros(count, tf.int32), tf.range(count)], axis=1)
    dataset = tf.data.Dataset.from_tensor_slices(seeds)
    dataset = dataset.map(lambda seed: view(image, seed), num_parallel_calls=4)
    assert dataset.element_spec == tf.TensorSpec(image.shape, tf.float32)
    return np.stack(list(dataset.as_numpy_iterator()))


def test_draws_depend_on_the_seed_alone(image):
    """Neither on threads nor on the global seed, nor on what was drawn before."""
    first = views(RandAugment(), image, 40)
    tf.random.set_seed(99)
    again = RandAugment()
    again(image, (5, 5))
    np.testing.assert_array_equal(first, views(again, image, 40))
    assert len({view.tobytes() for view in first}) > 30
    for number in (0, 7):
        alone = again(image, (0, number))
        np.testing.assert_allclose(first[number], alone, atol=1e-3)


def test_the_views_are_those_of_keras_cv(image):
    """Many views have the same mean and spread of values as KerasCV's own draws."""
    import keras_cv

    theirs = keras_cv.layers.RandAugment(value_range=(0, 255), geometric=False, seed=1)
    dataset = tf.data.Dataset.range(500).map(lambda _: theirs(image))
    theirs = np.stack(list(dataset.as_numpy_iterator()))
    ours = views(RandAugment(), image, 500)
    for statistic in (np.mean, np.std):
        values = [np.sort(statistic(batch, axis=(1, 2, 3))) for batch in (ours, theirs)]
        # Of 500 draws the curves of two samples differ by about 1.5 / sqrt(500 / 2).
        grid = np.linspace(0, 255, 256)
        curves = [np.searchsorted(v, grid) / len(v) for v in values]
        assert np.abs(curves[0] - curves[1]).max() < 0.1


def test_only_colors_change(once):
    """Each pixel's value is a function of the pixel: of two equal ones, both change."""
    image = np.zeros((8, 8, 3), "float32")
    image[2:4, 2:4], image[5, 1] = (200, 30, 90), (200, 30, 90)
    image[0, 7] = 250
    for view in views(once, image, 60):
        np.testing.assert_array_equal(view[2, 3], view[5, 1])
        np.testing.assert_array_equal(view[6, 6], view[0, 0])


def test_all_operations_are_drawn(once, image):
    assert [type(layer).__name__ for layer in once._layers] == list(OPERATIONS)
    draws = views(once, image, 300)
    equalized = [np.array_equal(view, np.floor(view)) for view in draws]
    stretched = [
        view.min() == 0 and view.max() == 255 and not equal
        for view, equal in zip(draws, equalized, strict=True)
    ]
    # Of 300 draws with p = 1/6; the bounds are three standard deviations away.
    assert 0.1 < np.mean(equalized) < 0.24
    assert 0.1 < np.mean(stretched) < 0.24


def test_rate_and_number_of_operations(image):
    np.testing.assert_array_equal(RandAugment(0)(image, (0, 0)), image)
    np.testing.assert_array_equal(RandAugment(rate=0.0)(image, (0, 0)), image)
    half = views(RandAugment(1, rate=0.5), image, 200)
    unchanged = np.mean([np.array_equal(view, image) for view in half])
    assert 0.39 < unchanged < 0.61


def test_under_mixed_precision(image):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = views(RandAugment(), image, 20)
    finally:
        keras.config.set_dtype_policy(policy)
    np.testing.assert_array_equal(mixed, views(RandAugment(), image, 20))
    assert mixed.min() >= 0 and mixed.max() <= 255


@pytest.mark.parametrize(
    "options", [{"num_operations": -1}, {"magnitude": 2}, {"rate": -0.1}]
)
def test_numbers_out_of_range(options):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
        RandAugment(**options)
