import numpy as np
import pytest
from keras import ops
from tiers import core_and_full

from keras_imas.augment import weak
from keras_imas.data.device.weak_view import WeakView

PADDING = (10.0, 20.0, 30.0)


def both(image, label_map, seed, **options):
    """The crop by TensorFlow and by the device, of the same draws."""
    import tensorflow as tf

    options = dict(
        dict(
            crop_size=(20, 24),
            scale_range=(0.5, 2.0),
            flip=True,
            padding_color=PADDING,
            ignore_class=255,
        )
        | options
    )
    expected = weak.weak_view(image, label_map, seed=seed, **options)
    draws = tf.random.stateless_uniform([4], seed).numpy()
    view = WeakView(**options)
    into = {
        name: np.full(shape, 255, dtype)
        for name, (shape, dtype) in view.shapes([image.shape[:2]]).items()
    }
    place = view.cut(image, draws, into)
    labels = np.zeros(options["crop_size"], "int32")
    view.cut_label_map(label_map, place, labels)
    batch = {name: ops.convert_to_tensor(array[None]) for name, array in into.items()}
    crop, valid = (ops.convert_to_numpy(x)[0] for x in view.scale(**batch))
    return [np.asarray(x) for x in expected], (crop, labels, valid)


def pixels(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), "uint8")


@pytest.mark.parametrize(
    "size", core_and_full([(37, 21)], [(24, 32), (37, 21), (90, 120), (9, 200)])
)
@pytest.mark.parametrize("scale_range", [(0.5, 2.0), (0.3, 0.6), (1.0, 1.0)])
def test_same_draws_give_tensorflows_crop(size, scale_range):
    image = pixels(*size)
    label_map = image[..., 0].astype("int32")
    for seed in range(12):
        expected, found = both(image, label_map, (3, seed), scale_range=scale_range)
        np.testing.assert_array_equal(found[1], expected[1])
        np.testing.assert_array_equal(found[2], expected[2])
        np.testing.assert_allclose(found[0], expected[0], atol=0.05)


def test_a_flat_image_stays_flat_and_padding_has_its_color():
    image = np.full((30, 40, 3), 77, "uint8")
    for seed in range(6):
        _, (crop, labels, valid) = both(image, image[..., 0], (0, seed))
        np.testing.assert_allclose(crop[valid == 1], 77, atol=1e-3)
        np.testing.assert_allclose(
            crop[valid == 0], np.tile(PADDING, ((valid == 0).sum(), 1)), atol=1e-3
        )
        np.testing.assert_array_equal(labels, np.where(valid == 1, 77, 255))


def test_windows_of_large_images_are_not_much_larger_than_the_crop():
    view = WeakView((100, 100), (0.5, 2.0), True, PADDING, 255)
    shapes = view.shapes([(3000, 4000), (80, 90)])
    height, width, channels = shapes["window"][0]
    assert height == width < 215 and channels == 3
