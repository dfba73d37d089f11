import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_imas.augment.area_boxes import area_boxes_from_draws, sample_area_boxes


def boxes(draws, height, width, **ranges):
    drawn = area_boxes_from_draws(np.asarray(draws, "float32"), height, width, **ranges)
    return ops.convert_to_numpy(drawn)


def rejected_boxes(count, height, width, area=(0.02, 0.4), aspect=(0.3, 1 / 0.3)):
    """Boxes as they are published: aspect and corner anew until the box lies inside."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        pixels = rng.uniform(*area) * height * width
        while True:
            ratio = rng.uniform(*aspect)
            sides = int(np.sqrt(pixels * ratio)), int(np.sqrt(pixels / ratio))
            top, left = rng.integers(height), rng.integers(width)
            if top + sides[0] <= height and left + sides[1] <= width:
                break
        found.append([top, left, top + sides[0], left + sides[1]])
    return np.array(found)


@pytest.mark.parametrize("size", [(128, 128), (64, 160)])
def test_they_are_distributed_as_boxes_drawn_until_they_fit(size):
    count = 20_000
    draws = np.random.default_rng(1).uniform(size=(count, 4))
    ours, theirs = boxes(draws, *size), rejected_boxes(count, *size)
    for quantity in (
        lambda b: b[:, 0],
        lambda b: b[:, 3],
        lambda b: b[:, 2] - b[:, 0],
        lambda b: b[:, 3] - b[:, 1],
        lambda b: (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]),
    ):
        values = [quantity(b) for b in (ours, theirs)]
        levels = np.quantile(values[1], np.linspace(0.05, 0.95, 10))
        shares = [np.mean(v[:, None] <= levels, axis=0) for v in values]
        np.testing.assert_allclose(*shares, atol=0.015)


@given(
    st.lists(st.floats(0, 0.999), min_size=4, max_size=4),
    st.integers(1, 60),
    st.integers(1, 60),
)
def test_they_lie_in_the_image_and_have_their_area(draws, height, width):
    [[top, left, bottom, right]] = boxes([draws], height, width)
    assert 0 <= top <= bottom <= height and 0 <= left <= right <= width
    area = (0.02 + draws[0] * 0.38) * height * width
    assert (bottom - top) * (right - left) <= area + 1e-3
    assert (bottom - top + 1) * (right - left + 1) > area - 1e-3 or (
        bottom - top == height or right - left == width
    )


def test_one_aspect():
    """By hand: a quarter of 100², twice as high as wide, at the last place."""
    draws = [[0.3, 0.9, 0.999, 0.0]]
    [box] = boxes(draws, 100, 100, area_range=(0.25, 0.25), aspect_range=(2.0, 2.0))
    assert box.tolist() == [30, 0, 100, 35]


def test_what_fits_nowhere_is_cut():
    draws = [[0.5, 0.5, 0.5, 0.5]]
    [box] = boxes(draws, 10, 10, area_range=(0.9, 0.9), aspect_range=(3.0, 3.0))
    assert box[0] == 0 and box[2] == 10


def test_images_differ_and_a_seed_repeats_them():
    first, again = (
        ops.convert_to_numpy(sample_area_boxes(8, 50, 60, seed=3)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)
    assert len({tuple(box) for box in first}) == 8


def test_bad_ranges_are_refused():
    for ranges, reason in (
        ({"area_range": (0.5, 0.2)}, "`area_range` must be two increasing numbers"),
        ({"aspect_range": (0.0, 2.0)}, "`aspect_range` must be two increasing posi"),
        ({"aspect_range": (2.0, 1.0)}, "`aspect_range` must be two increasing posi"),
    ):
        with pytest.raises(ValueError, match=reason):
            boxes([[0, 0, 0, 0]], 8, 8, **ranges)
