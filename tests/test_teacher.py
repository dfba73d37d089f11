import keras
import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_imas import teacher


def ema_decay(*args, **options):
    result = teacher.ema_decay(*args, **options)
    result = ops.convert_to_tensor(result)
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    assert result.shape == ()
    return float(ops.convert_to_numpy(result))


def test_decay_matches_the_published_program(goldens):
    for steps, supervised_only, epoch, step, expected in goldens["ema_rows"]:
        decay = ema_decay(
            int(epoch * steps + step),
            start_step=int(supervised_only * steps),
            copy_until=int((supervised_only + 1) * steps),
        )
        assert decay == pytest.approx(expected, abs=1e-6)


def test_reference_matches_the_published_program(goldens):
    for steps, supervised_only, epoch, step, expected in goldens["ema_rows"]:
        decay = reference.ema_decay(
            int(epoch * steps + step),
            start_step=int(supervised_only * steps),
            copy_until=int((supervised_only + 1) * steps),
        )
        assert decay == pytest.approx(expected, abs=1e-9)


@given(
    st.integers(0, 2_000),
    st.sampled_from([0.0, 0.5, 0.996, 1.0]),
    st.integers(0, 500),
    st.integers(0, 1_000),
)
def test_decay_matches_the_reference(step, max_decay, start_step, copy_until):
    options = {
        "max_decay": max_decay,
        "start_step": start_step,
        "copy_until": copy_until,
    }
    expected = reference.ema_decay(step, **options)
    assert ema_decay(step, **options) == pytest.approx(expected, abs=1e-6)


def test_decay_by_hand():
    assert ema_decay(0) == 0.0
    assert ema_decay(1) == pytest.approx(0.5)
    assert ema_decay(3) == pytest.approx(0.75)
    assert ema_decay(10**6) == pytest.approx(0.996)
    assert ema_decay(10, start_step=10) == 0.0
    assert ema_decay(9, start_step=10, copy_until=5) == 0.0
    assert ema_decay(19, start_step=10, copy_until=20) == 0.0
    assert ema_decay(20, start_step=10, copy_until=20) == pytest.approx(10 / 11)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32"])
def test_step_may_be_an_array_a_tensor_or_a_variable(dtype):
    expected = reference.ema_decay(7, start_step=2)
    steps = [
        np.array(7, dtype),
        np.dtype(dtype).type(7),
        ops.convert_to_tensor(7, dtype="int32"),
        keras.Variable(7, dtype="int32", trainable=False),
        keras.optimizers.SGD().iterations + 7,
    ]
    for step in steps:
        assert ema_decay(step, start_step=2) == pytest.approx(expected, abs=1e-6)
        assert ema_decay(step, start_step=8) == 0.0


def test_step_of_any_library(as_input):
    if as_input is list:
        pytest.skip("a step is no list")
    assert ema_decay(as_input(np.array(3, "int32"))) == pytest.approx(0.75)


@pytest.mark.parametrize("max_decay", [-0.1, 1.5])
def test_decay_rejects_a_cap_outside_the_unit_interval(max_decay):
    with pytest.raises(ValueError, match=r"`max_decay`.*Received"):
        teacher.ema_decay(0, max_decay=max_decay)


@pytest.mark.parametrize("name", ["start_step", "copy_until"])
def test_decay_rejects_negative_steps(name):
    with pytest.raises(ValueError, match=rf"`{name}`.*Received"):
        teacher.ema_decay(0, **{name: -1})


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 0.996, 1.0]))
def test_update_matches_the_reference(seed, decay):
    old, new = np.random.default_rng(seed).normal(size=(2, 3, 4)).astype("float32")
    result = ops.convert_to_numpy(teacher.ema_update(old, new, decay))
    expected = reference.ema_update(old, new, decay)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)
    if decay == 0:
        np.testing.assert_array_equal(result, new)
    if decay == 1:
        np.testing.assert_array_equal(result, old)


def test_update_is_pure():
    old, new = (keras.Variable(np.full((2, 2), x, "float32")) for x in (1.0, 3.0))
    result = teacher.ema_update(old, new, 0.75)
    np.testing.assert_allclose(ops.convert_to_numpy(result), 1.5)
    np.testing.assert_array_equal(ops.convert_to_numpy(old), 1.0)
    np.testing.assert_array_equal(ops.convert_to_numpy(new), 3.0)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_update_keeps_the_dtype(dtype):
    old, new = (ops.cast(np.full((2,), x, "float32"), dtype) for x in (1.0, 3.0))
    result = teacher.ema_update(old, new, teacher.ema_decay(3))
    assert keras.backend.standardize_dtype(result.dtype) == dtype
    result = ops.convert_to_numpy(ops.cast(result, "float32"))
    np.testing.assert_allclose(result, 1.5, rtol=1e-2)


def test_update_accepts_arrays_and_tensors_of_any_library(as_input):
    if as_input is list:
        pytest.skip("a weight is no list of arrays")
    old, new = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    result = teacher.ema_update(as_input(old), as_input(new), 0.9)
    expected = reference.ema_update(old, new, 0.9)
    np.testing.assert_allclose(ops.convert_to_numpy(result), expected, atol=1e-6)


def test_first_updates_average_the_students():
    # With d = 1 - 1/(i + 1) the teacher is the mean of all students so far.
    students = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    value = np.full((3,), 100.0, "float32")
    for step, student in enumerate(students):
        value = teacher.ema_update(value, student, teacher.ema_decay(step))
        expected = students[: step + 1].mean(axis=0)
        np.testing.assert_allclose(ops.convert_to_numpy(value), expected, atol=1e-5)
