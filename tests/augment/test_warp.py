"""The smooth warp against a spline that is solved for, pixel by pixel."""

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_imas.augment.warp import sample_displacements, source_positions, warp

RNG = np.random.default_rng(0)


def numpy_warp(view, displacements):
    maps = {name: x for name, x in view.items() if name != "images"}
    images, maps = warp(view["images"], maps, displacements)
    found = {"images": images, **maps}
    return {name: ops.convert_to_numpy(x) for name, x in found.items()}


def view(height, width):
    shape = (2, height, width)
    return {
        "images": RNG.uniform(0, 255, (*shape, 3)).astype("float32"),
        "labels": RNG.integers(0, 5, shape).astype("int32"),
        "confidence": RNG.random(shape).astype("float32"),
    }


@given(seed=st.integers(0, 2**16), size=st.floats(0.0, 0.5))
def test_positions_are_those_of_the_spline(seed, size):
    displacements = size * np.random.default_rng(seed).normal(size=(2, 4, 2))
    found = source_positions(displacements.astype("float32"), 7, 12)
    expected = reference.thin_plate_spline(displacements, 7, 12)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(ours), theirs, atol=1e-4)


@pytest.mark.parametrize("size", [(9, 13), (1, 4)])
def test_matches_numpy(size):
    given = view(*size)
    displacements = RNG.normal(0, 0.1, (2, 4, 2)).astype("float32")
    expected = reference.warp(given, displacements)
    for name, found in numpy_warp(given, displacements).items():
        assert found.dtype == given[name].dtype
        np.testing.assert_allclose(found, expected[name], atol=0.05, err_msg=name)


def test_nothing_moves_without_displacements():
    given = view(8, 11)
    for name, found in numpy_warp(given, np.zeros((2, 4, 2), "float32")).items():
        np.testing.assert_allclose(found, given[name], atol=1e-3)


def test_labels_stay_with_their_pixels():
    """Of a picture that shows its labels, the warped one does too, but for edges."""
    labels = np.zeros((1, 40, 40), "int32")
    labels[:, 8:30, 12:34] = 1
    given = {"images": 200.0 * labels[..., None].astype("float32"), "labels": labels}
    found = numpy_warp(given, 0.1 * RNG.normal(size=(1, 4, 2)).astype("float32"))
    assert (found["labels"] != labels).mean() > 0.05
    shown = found["images"][..., 0] > 100
    assert (shown == found["labels"]).mean() > 0.99


def test_draws_depend_on_the_seed_alone():
    one, other = (
        ops.convert_to_numpy(sample_displacements(500, seed=s)) for s in (1, 1)
    )
    np.testing.assert_array_equal(one, other)
    assert abs(one.mean()) < 0.1 and abs(one.std() - 1) < 0.1
    assert (ops.convert_to_numpy(sample_displacements(500, seed=2)) != one).all()


def test_refuses_maps_of_another_size():
    with pytest.raises(ValueError, match="`labels` must have the shape"):
        warp(np.zeros((1, 4, 4, 3)), {"labels": np.zeros((1, 4, 5))}, np.zeros((4, 2)))
