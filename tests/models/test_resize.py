import keras
import numpy as np
import pytest
from keras import ops

from keras_imas.models.resize import ResizeLike, resize_bilinear

SIZES = [
    ((4, 5), (9, 13)),
    ((3, 3), (17, 17)),
    ((1, 1), (5, 4)),
    ((1, 3), (4, 8)),
    ((9, 12), (4, 5)),
    ((5, 7), (5, 7)),
    ((6, 4), (1, 1)),
    ((2, 2), (3, 2)),
]


def values(size, batch=2, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(batch, *size, channels)).astype("float32")


def interpolated(images, size):
    """What PyTorch makes of them, and the gradient of a weighted sum of that."""
    torch = pytest.importorskip("torch")
    x = torch.tensor(np.moveaxis(images, -1, 1), requires_grad=True)
    result = torch.nn.functional.interpolate(
        x, size, mode="bilinear", align_corners=True
    )
    weight = torch.tensor(np.moveaxis(values(size, seed=1), -1, 1))
    (result * weight).sum().backward()
    back = [np.moveaxis(y.detach().numpy(), 1, -1) for y in (result, x.grad)]
    return back


def gradient(function, x):
    """The gradient of a scalar function by the active backend."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        x = tf.Variable(x)
        with tf.GradientTape() as tape:
            y = function(x)
        return tape.gradient(y, x).numpy()
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(function)(x))
    x = ops.convert_to_tensor(x).requires_grad_()
    function(x).backward()
    return x.grad.numpy()


@pytest.mark.parametrize("old, new", SIZES)
def test_matches_pytorch_with_aligned_corners(old, new):
    images = values(old)
    expected, expected_gradient = interpolated(images, new)
    result = resize_bilinear(ops.convert_to_tensor(images), *new)
    np.testing.assert_allclose(ops.convert_to_numpy(result), expected, atol=1e-5)

    weight = ops.convert_to_tensor(values(new, seed=1))

    def weighted_sum(x):
        return ops.sum(ops.multiply(resize_bilinear(x, *new), weight))

    result = gradient(weighted_sum, images)
    np.testing.assert_allclose(result, expected_gradient, atol=1e-4)


def test_corners_and_straight_lines_stay():
    rows, columns = np.mgrid[0:3, 0:5].astype("float32")
    ramp = ops.convert_to_tensor((rows + 10 * columns)[None, ..., None])
    result = ops.convert_to_numpy(resize_bilinear(ramp, 9, 33))[0, ..., 0]
    rows, columns = np.mgrid[0:2:9j, 0:4:33j]
    np.testing.assert_allclose(result, rows + 10 * columns, atol=1e-4)


def test_large_sizes_keep_constants():
    ones = ops.ones((1, 49, 97, 1))
    result = ops.convert_to_numpy(resize_bilinear(ones, 769, 1537))
    np.testing.assert_allclose(result, 1.0, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_keeps_the_dtype(dtype):
    images = ops.cast(ops.convert_to_tensor(values((3, 4))), dtype)
    result = resize_bilinear(images, 5, 6)
    assert keras.backend.standardize_dtype(result.dtype) == dtype
    expected = resize_bilinear(ops.cast(images, "float32"), 5, 6)
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.cast(result, "float32")),
        ops.convert_to_numpy(expected),
        atol=0.05,
    )


def like(size):
    return np.zeros((2, *size, 1), "float32")


def test_one_functional_model_for_any_size():
    images = keras.Input((None, None, 3))
    guide = keras.Input((None, None, 1))
    resized = ResizeLike()([images, guide])
    assert resized.shape == (None, None, None, 3)
    model = keras.Model([images, guide], resized)
    for old, new in SIZES[:2]:
        result = model.predict([values(old), like(new)], verbose=0)
        expected = resize_bilinear(ops.convert_to_tensor(values(old)), *new)
        np.testing.assert_allclose(result, ops.convert_to_numpy(expected), atol=1e-5)


def test_any_batch_size_with_a_known_size():
    images, guide = keras.Input((4, 5, 3)), keras.Input((9, 13, 1))
    model = keras.Model([images, guide], ResizeLike()([images, guide]))
    assert model.output_shape == (None, 9, 13, 3)
    result = model.predict([values((4, 5), 7), np.zeros((7, 9, 13, 1))], verbose=0)
    assert result.shape == (7, 9, 13, 3)


def test_trains_through_the_layer():
    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same")(images)
    model = keras.Model(images, ResizeLike()([x, images]))
    model.compile(keras.optimizers.SGD(0.05), "mse")
    before = model.get_weights()
    for size in ((7, 8), (9, 5)):
        loss = model.train_on_batch(values(size), values(size, channels=4, seed=1))
        assert np.isfinite(loss)
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


def test_saves_and_loads(tmp_path):
    images = keras.Input((None, None, 3))
    x = keras.layers.AveragePooling2D(2)(images)
    model = keras.Model(images, ResizeLike(name="resize")([x, images]))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        loaded.predict(values((6, 9)), verbose=0),
        model.predict(values((6, 9)), verbose=0),
        atol=1e-6,
    )
