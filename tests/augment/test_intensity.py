import keras
import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_imas import augment


def views(seed=0, shape=(3, 4, 5, 3)):
    rng = np.random.default_rng(seed)
    strong, weak = rng.uniform(0, 255, (2, *shape)).astype("float32")
    return strong, weak, rng.random(shape[0]).astype("float32")


@given(st.integers(0, 10**6))
def test_matches_the_reference(seed):
    strong, weak, hardness = views(seed)
    result = ops.convert_to_numpy(augment.blend(strong, weak, hardness))
    expected = reference.blend(strong, weak, hardness)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-3)
    assert np.all(result >= np.minimum(strong, weak) - 1e-3)
    assert np.all(result <= np.maximum(strong, weak) + 1e-3)


def test_easy_images_get_the_strong_view_and_hard_ones_the_weak():
    strong, weak, _ = views()
    hardness = np.array([0.0, 1.0, 0.5], "float32")
    result = ops.convert_to_numpy(augment.blend(strong, weak, hardness))
    np.testing.assert_array_equal(result[0], strong[0])
    np.testing.assert_array_equal(result[1], weak[1])
    np.testing.assert_allclose(result[2], (strong[2] + weak[2]) / 2, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_keeps_the_dtype_of_the_images(dtype):
    strong, weak, hardness = views()
    result = augment.blend(ops.cast(strong, dtype), ops.cast(weak, dtype), hardness)
    assert keras.backend.standardize_dtype(result.dtype) == dtype
    expected = reference.blend(strong, weak, hardness)
    result = ops.convert_to_numpy(ops.cast(result, "float32"))
    tolerance = {"float32": 1e-3, "float16": 0.5, "bfloat16": 4}[dtype]
    np.testing.assert_allclose(result, expected, atol=tolerance)


def test_accepts_arrays_and_tensors_of_any_library(as_input):
    strong, weak, hardness = views()
    result = augment.blend(as_input(strong), as_input(weak), as_input(hardness))
    expected = reference.blend(strong, weak, hardness)
    np.testing.assert_allclose(ops.convert_to_numpy(result), expected, rtol=1e-5)


class Blend(keras.Model):
    def call(self, inputs):
        return augment.blend(*inputs)


def test_runs_inside_a_compiled_model():
    strong, weak, hardness = views()
    result = Blend().predict([strong, weak, hardness], batch_size=2, verbose=0)
    expected = reference.blend(strong, weak, hardness)
    np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_symbolic_inputs():
    result = Blend()([keras.Input((4, 5, 3)), keras.Input((4, 5, 3)), keras.Input(())])
    assert result.shape == (None, 4, 5, 3)


def test_rejects_views_of_different_shapes():
    strong, weak, hardness = views()
    with pytest.raises(ValueError, match=r"`strong`.*`weak`"):
        augment.blend(strong, weak[:, :3], hardness)


@pytest.mark.parametrize("shape", [(), (2,), (3, 1), (3, 4)])
def test_rejects_hardness_of_another_shape(shape):
    strong, weak, _ = views()
    with pytest.raises(ValueError, match=r"`hardness`.*Received"):
        augment.blend(strong, weak, np.zeros(shape, "float32"))


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_rejects_whole_numbers(dtype):
    strong, weak, hardness = views()
    with pytest.raises(ValueError, match=f"`strong` must be floating.*{dtype}"):
        augment.blend(strong.astype(dtype), weak.astype(dtype), hardness)
