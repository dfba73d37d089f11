import numpy as np
import pytest
from color_image import color_image
from keras import ops

from keras_imas.augment.color_jitter import ColorJitter
from keras_imas.augment.strong import MILD, OPERATIONS, StrongView
from keras_imas.data.device.strong_view import NAMES, apply, strong_views


@pytest.fixture(scope="module")
def image():
    return color_image().astype("float32")


def parameters(operation):
    start, stop = OPERATIONS[operation]
    return [start + share * (stop - start) for share in (0.0, 0.3, 0.7, 0.999)]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_is_that_of_tensorflow(image, operation):
    for parameter in parameters(operation):
        expected = StrongView().apply(image, operation, parameter).numpy()
        found = apply(ops.convert_to_tensor(image), operation, parameter)
        error = np.abs(ops.convert_to_numpy(found) - np.clip(expected, 0, 255))
        assert error.max() < 0.05, parameter


@pytest.mark.parametrize("value", [0, 17, 255])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_uniform_image_stays_finite(operation, value):
    flat = ops.convert_to_tensor(np.full((9, 7, 3), value, "float32"))
    view = ops.convert_to_numpy(apply(flat, operation, parameters(operation)[1]))
    assert view.shape == (9, 7, 3) and np.isfinite(view).all()
    if operation in ("auto_contrast", "equalize", "gaussian_blur", "sharpness"):
        np.testing.assert_allclose(view, value, atol=1e-3)


def test_a_blur_of_no_width_is_the_image(image):
    drawn = np.full((1, 1), NAMES.index("gaussian_blur"), "int32"), np.zeros((1, 1))
    views = [
        StrongView().apply(image, "gaussian_blur", 0.0).numpy(),
        ops.convert_to_numpy(apply(ops.convert_to_tensor(image), "gaussian_blur", 0.0)),
        ops.convert_to_numpy(strong_views(image[None], *drawn))[0],
    ]
    for view in views:
        np.testing.assert_array_equal(view, image)


def test_a_batch_takes_each_images_own_operations(image):
    images = np.stack([image] * len(NAMES))
    operations = np.stack([np.arange(12), np.arange(12)[::-1]], axis=1)
    values = np.array([[parameters(NAMES[i])[1] for i in row] for row in operations])
    views = ops.convert_to_numpy(
        strong_views(images, operations.astype("int32"), values.astype("float32"))
    )
    for view, chosen, drawn in zip(views, operations, values, strict=True):
        expected = image
        for operation, value in zip(chosen, drawn, strict=True):
            expected = StrongView().apply(expected, NAMES[operation], value).numpy()
            expected = np.clip(expected, 0, 255)
        # A grey level that is rounded the other way moves by posterize's step.
        assert np.quantile(np.abs(view - expected), 0.99) < 2


@pytest.mark.parametrize("strong", [StrongView(3), StrongView(operations=MILD)])
def test_draws_are_within_the_ranges(strong):
    generator = np.random.default_rng(0)
    drawn = [strong.draw(generator) for _ in range(400)]
    assert {len(operations) for operations in drawn} == {strong.num_operations}
    seen = {name for operations in drawn for name, _ in operations}
    assert seen == strong.operations.keys()
    for name, value in (pair for operations in drawn for pair in operations):
        low, high = sorted(strong.operations[name])
        assert low <= value <= high


def test_jitter_is_drawn_as_often_as_it_says(image):
    jitter, generator = ColorJitter(), np.random.default_rng(0)
    drawn = np.array([[n for n, _ in jitter.draw(generator)] for _ in range(600)])
    assert 0.74 < np.mean(drawn[:, 0] == "brightness") < 0.86
    assert 0.14 < np.mean(drawn[:, 4] == "color") < 0.26
    assert 0.43 < np.mean(drawn[:, 5] == "gaussian_blur") < 0.57
