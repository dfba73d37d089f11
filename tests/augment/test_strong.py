import colorsys

import numpy as np
import pytest
from color_image import color_image
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from keras_imas.augment.strong import MILD, OPERATIONS, StrongView


@pytest.fixture(scope="module")
def strong():
    return StrongView()


@pytest.fixture(scope="module")
def image():
    return color_image().astype("uint8")


def shift_hue(image, turn):
    def shift(pixel):
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
        return colorsys.hsv_to_rgb((hue + turn) % 1.0, saturation, value)

    return np.apply_along_axis(shift, -1, np.asarray(image) / 255.0) * 255


PILLOW = {
    "identity": lambda image, _: image,
    "auto_contrast": lambda image, _: ImageOps.autocontrast(image),
    "equalize": lambda image, _: ImageOps.equalize(image),
    "invert": lambda image, _: ImageOps.invert(image),
    "gaussian_blur": lambda image, s: image.filter(ImageFilter.GaussianBlur(s)),
    "contrast": lambda image, f: ImageEnhance.Contrast(image).enhance(f),
    "brightness": lambda image, f: ImageEnhance.Brightness(image).enhance(f),
    "color": lambda image, f: ImageEnhance.Color(image).enhance(f),
    "sharpness": lambda image, f: ImageEnhance.Sharpness(image).enhance(f),
    "posterize": lambda image, bits: ImageOps.posterize(image, int(bits)),
    "solarize": lambda image, threshold: ImageOps.solarize(image, int(threshold)),
    "hue": shift_hue,
}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_is_pillows(strong, image, operation, share):
    start, stop = OPERATIONS[operation]
    parameter = start + share * (stop - start)
    expected = np.asarray(PILLOW[operation](Image.fromarray(image), parameter))
    # Pillow rounds in between, and approximates a Gaussian by boxes: edges differ.
    tolerance = 8 if operation == "gaussian_blur" else 1.5
    error = np.abs(strong.apply(image, operation, parameter).numpy() - expected)
    assert error.max() <= tolerance + 1e-3
    assert error.mean() <= 0.6


def test_ranges_are_the_papers():
    assert len(OPERATIONS) == 12
    for operation in ("contrast", "brightness", "color", "sharpness"):
        assert OPERATIONS[operation] == (0.95, 0.1)
    assert OPERATIONS["gaussian_blur"] == (0.1, 2.0)
    assert OPERATIONS["posterize"] == (4, 8)
    assert OPERATIONS["solarize"] == (1, 256)
    assert OPERATIONS["hue"] == (-0.5, 0.5)


@pytest.mark.parametrize("value", [0, 17, 255])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_uniform_image_stays_finite(strong, operation, value):
    flat = np.full((9, 7, 3), value, "float32")
    start, stop = OPERATIONS[operation]
    view = strong.apply(flat, operation, (start + stop) / 2).numpy()
    assert view.shape == (9, 7, 3)
    assert np.isfinite(view).all()
    if operation in ("auto_contrast", "equalize", "gaussian_blur", "sharpness"):
        np.testing.assert_allclose(view, flat, atol=1e-3)


def test_draws_depend_on_the_seed_alone(strong, image):
    import tensorflow as tf

    first = strong(image, seed=(3, 4))
    tf.random.set_seed(99)
    np.testing.assert_array_equal(first, StrongView()(image, seed=(3, 4)))
    views = [strong(image, seed=(3, i)).numpy() for i in range(8)]
    assert len({view.tobytes() for view in views}) > 4


def test_operations_are_drawn_uniformly_with_replacement(image):
    """Operations are recognised by applying each alone."""
    import tensorflow as tf

    once = StrongView(num_operations=1)
    inverted = 255.0 - image
    seeds = tf.stack([tf.zeros(600, tf.int32), tf.range(600)], axis=1)
    views = tf.data.Dataset.from_tensor_slices(seeds).map(
        lambda seed: once(image, seed)
    )
    views = [view.numpy() for view in views]
    unchanged = np.mean([np.array_equal(view, image) for view in views])
    negative = np.mean([np.allclose(view, inverted) for view in views])
    # Of 600 draws with p = 1/12; the bounds are three standard deviations away.
    assert 0.05 < unchanged < 0.12
    assert 0.05 < negative < 0.12


def test_result_is_float_in_range_with_a_static_shape(strong, image):
    import tensorflow as tf

    views = tf.data.Dataset.range(30).map(lambda i: strong(image, tf.stack([i, i])))
    assert views.element_spec == tf.TensorSpec(image.shape, tf.float32)
    for view in views:
        assert view.numpy().min() >= 0 and view.numpy().max() <= 255


def test_float32_under_mixed_precision(image):
    import keras

    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = StrongView().apply(image, "hue", 0.2)
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(mixed, StrongView().apply(image, "hue", 0.2))


def test_no_operation_is_the_image(image):
    np.testing.assert_array_equal(StrongView(0)(image, seed=(0, 0)), image)


def test_negative_number_of_operations():
    with pytest.raises(ValueError, match="num_operations=-1"):
        StrongView(-1)


def test_a_milder_view_has_fewer_operations(image):
    assert {"invert", "solarize"} == OPERATIONS.keys() - MILD.keys()
    alone = StrongView(operations={"identity": (0.0, 0.0)})
    np.testing.assert_array_equal(alone(image, (0, 1)), image.astype("float32"))
    inverted = StrongView(1, operations={"invert": (0.0, 0.0)})
    np.testing.assert_array_equal(inverted(image, (0, 1)), 255.0 - image)


def test_ranges_may_be_whole_numbers(image):
    whole, real = (
        StrongView(operations={"posterize": (kind(4), kind(8))})(image, (0, 1))
        for kind in (int, float)
    )
    np.testing.assert_array_equal(whole, real)


@pytest.mark.parametrize("operations", [{}, {"twist": (0.0, 1.0)}])
def test_unknown_operations_are_refused(operations):
    with pytest.raises(ValueError, match="`operations` must be some of.*Received"):
        StrongView(operations=operations)
