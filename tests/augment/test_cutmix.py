import keras
import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

import keras_imas
from keras_imas import augment


def integers(tensor):
    assert keras.backend.standardize_dtype(tensor.dtype) == "int32"
    return ops.convert_to_numpy(tensor)


def partners(hardness):
    return integers(augment.cutmix_partners(hardness))


def boxes_from_draws(*args):
    return integers(augment.boxes_from_draws(*args))


def sample_boxes(*args, **options):
    return integers(augment.sample_boxes(*args, **options))


@pytest.mark.parametrize("case", range(6))
def test_partners_match_the_published_program(goldens, case):
    result = partners(goldens[f"case{case}_hardness"])
    np.testing.assert_array_equal(result, goldens[f"case{case}_cutmix_partner"])


# The goldens are sorted by hardness; here they come in another order.
@pytest.mark.parametrize("case", range(6))
def test_partners_follow_the_images(goldens, case):
    values = goldens[f"case{case}_hardness"]
    order = np.random.default_rng(case).permutation(len(values))
    inverse = np.argsort(order)
    expected = inverse[goldens[f"case{case}_cutmix_partner"][order]]
    np.testing.assert_array_equal(partners(values[order]), expected)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=6, unique=True))
def test_partners_match_the_reference(values):
    values = np.array(values) / 1e6
    expected = reference.cutmix_partners(values.astype("float32"))
    np.testing.assert_array_equal(partners(values.astype("float32")), expected)


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=6))
def test_partners_with_ties(values):
    values = np.array(values, "float32")
    result = partners(values)
    images = np.arange(len(values))
    np.testing.assert_array_equal(result[result], images)
    assert (result == images).sum() == len(values) % 2
    ranked = np.sort(values)
    assert sorted(zip(values, values[result], strict=True)) == sorted(
        zip(ranked, ranked[::-1], strict=True)
    )


def test_easiest_goes_with_hardest_and_the_odd_middle_with_itself():
    result = partners(np.array([0.9, 0.1, 0.5, 0.3, 0.7], "float32"))
    np.testing.assert_array_equal(result, [1, 0, 2, 4, 3])


def test_partners_accept_arrays_and_tensors_of_any_library(as_input):
    result = partners(as_input(np.array([0.2, 0.9, 0.4], "float32")))
    np.testing.assert_array_equal(result, [1, 0, 2])


@pytest.mark.parametrize("shape", [(), (2, 2), (4, 1)])
def test_partners_reject_the_wrong_rank(shape):
    with pytest.raises(ValueError, match=r"`hardness`.*Received"):
        augment.cutmix_partners(np.zeros(shape, "float32"))


# Sixty-fourths are exact in every floating-point type, and so is the rounding down.
@given(
    st.integers(0, 64),
    st.sampled_from([(1, 1), (7, 12), (65, 64), (769, 513)]),
    st.integers(0, 10**6),
)
def test_boxes_match_the_reference(sixty_fourths, size, seed):
    rng = np.random.default_rng(seed)
    centers = np.stack([rng.integers(0, n, 3) for n in size], axis=-1)
    fraction = sixty_fourths / 64
    expected = [reference.box(fraction, c, *size) for c in centers.tolist()]
    result = boxes_from_draws(fraction, centers.astype("int32"), *size)
    np.testing.assert_array_equal(result, expected)
    top, left, bottom, right = result.T
    assert np.all((0 <= top) & (top <= bottom) & (bottom <= size[0]))
    assert np.all((0 <= left) & (left <= right) & (right <= size[1]))


def test_a_box_for_each_of_several_fractions():
    fractions = np.array([0.0, 0.25, 1.0], "float32")
    centers = np.array([[4, 5], [2, 9], [9, 0]], "int32")
    expected = [
        reference.box(f, c, 10, 16)
        for f, c in zip(fractions.tolist(), centers.tolist(), strict=True)
    ]
    result = boxes_from_draws(fractions, centers, 10, 16)
    np.testing.assert_array_equal(result, expected)


def test_boxes_by_hand():
    # Sides floor(0.5 * 11) = 5 and floor(0.5 * 20) = 10, halves 2 and 5.
    result = boxes_from_draws(0.5, np.array([[5, 10], [0, 19]], "int32"), 11, 20)
    np.testing.assert_array_equal(result, [[3, 5, 7, 15], [0, 14, 2, 20]])


def test_boxes_accept_arrays_and_tensors_of_any_library(as_input):
    centers = np.array([[5, 10], [0, 19]], "int32")
    result = boxes_from_draws(
        as_input(np.array([0.5, 0.5], "float32")), centers, 11, 20
    )
    np.testing.assert_array_equal(result, [[3, 5, 7, 15], [0, 14, 2, 20]])
    result = boxes_from_draws(0.5, as_input(centers), 11, 20)
    np.testing.assert_array_equal(result, [[3, 5, 7, 15], [0, 14, 2, 20]])


@pytest.mark.parametrize("shape", [(2,), (2, 3), (2, 2, 2)])
def test_boxes_reject_centers_of_the_wrong_shape(shape):
    with pytest.raises(ValueError, match=r"`centers`.*Received"):
        augment.boxes_from_draws(0.5, np.zeros(shape, "int32"), 8, 8)


@pytest.mark.parametrize("size", [(64, 96), (33, 17), (1, 1)])
def test_sampled_boxes_lie_inside_the_image(size):
    height, width = size
    for seed in range(10):
        top, left, bottom, right = sample_boxes(50, height, width, seed=seed).T
        assert np.all((0 <= top) & (top <= bottom) & (bottom <= height))
        assert np.all((0 <= left) & (left <= right) & (right <= width))
        assert np.all(bottom - top <= 0.9 * height)
        assert np.all(right - left <= 0.9 * width)


def test_one_side_fraction_per_batch():
    sides = []
    for seed in range(20):
        top, left, bottom, right = sample_boxes(200, 640, 1280, seed=seed).T
        tall = (bottom - top)[(top > 0) & (bottom < 640)]
        wide = (right - left)[(left > 0) & (right < 1280)]
        assert len(set(tall.tolist())) <= 1
        assert len(set(wide.tolist())) <= 1
        if len(tall) and len(wide):
            # Both sides come from the same fraction, up to rounding to even numbers.
            assert abs(tall[0] / 640 - wide[0] / 1280) <= 3 / 640
        sides.append((bottom - top).max() / 640)
    assert min(sides) >= 0.09
    assert max(sides) <= 0.9
    assert max(sides) - min(sides) > 0.4


def test_centers_are_uniform_past_the_first_sixteenth():
    # A side of two pixels tells the center: it is [center - 1, center + 1).
    boxes = sample_boxes(4000, 32, 64, fraction_range=(0.0625, 0.0625), seed=1)
    top, left, bottom, right = boxes.T
    rows, columns = bottom - 1, left + 2
    np.testing.assert_array_equal(top, rows - 1)
    assert set(rows.tolist()) == set(range(2, 32))
    assert set(columns.tolist()) == set(range(4, 64))
    assert np.bincount(rows)[2:].min() > 4000 / 30 / 2
    assert np.bincount(rows)[2:].max() < 4000 / 30 * 2
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.1


def test_seeds():
    first = sample_boxes(4, 64, 64, seed=3)
    np.testing.assert_array_equal(first, sample_boxes(4, 64, 64, seed=3))
    assert np.any(first != sample_boxes(4, 64, 64, seed=4))
    generator = keras.random.SeedGenerator(3)
    drawn = sample_boxes(4, 64, 64, seed=generator)
    assert np.any(drawn != sample_boxes(4, 64, 64, seed=generator))
    again = sample_boxes(4, 64, 64, seed=keras.random.SeedGenerator(3))
    np.testing.assert_array_equal(drawn, again)


def test_the_draws_of_a_box_are_independent():
    # One seed for fraction, rows and columns alike would put centers on a diagonal.
    boxes = sample_boxes(500, 64, 64, fraction_range=(0.1, 0.1), seed=0)
    rows, columns = boxes[:, 2], boxes[:, 3]
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.2


@pytest.mark.parametrize("fraction_range", [(0.9, 0.1), (-0.1, 0.5), (0.1, 1.5)])
def test_sampling_rejects_a_bad_fraction_range(fraction_range):
    with pytest.raises(ValueError, match=r"`fraction_range`.*Received"):
        augment.sample_boxes(2, 8, 8, fraction_range=fraction_range)


BOXES = np.array([[0, 0, 3, 2], [2, 1, 5, 7], [4, 4, 4, 4], [0, 0, 5, 7]], "int32")
PARTNERS = np.array([3, 2, 1, 0], "int32")


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(4, 5, 7), (4, 5, 7, 3)])
def test_paste(shape, dtype):
    tensor = np.random.default_rng(0).integers(0, 200, shape)
    tensor = (tensor % 2 if dtype == "bool" else tensor).astype(dtype)
    result = augment.paste(tensor, BOXES, PARTNERS)
    assert keras.backend.standardize_dtype(result.dtype) == dtype
    result = ops.convert_to_numpy(result)
    np.testing.assert_array_equal(result, reference.paste(tensor, BOXES, PARTNERS))
    np.testing.assert_array_equal(result[2], tensor[2])
    np.testing.assert_array_equal(result[3], tensor[0])
    np.testing.assert_array_equal(result[0, 3:], tensor[0, 3:])
    np.testing.assert_array_equal(result[0, :, 2:], tensor[0, :, 2:])


@given(st.integers(0, 10**6), st.booleans())
def test_paste_matches_the_reference(seed, channels):
    rng = np.random.default_rng(seed)
    tensor = rng.normal(size=(3, 4, 6, 2) if channels else (3, 4, 6)).astype("float32")
    rows = np.sort(rng.integers(0, 5, (3, 2)), axis=-1)
    columns = np.sort(rng.integers(0, 7, (3, 2)), axis=-1)
    boxes = np.stack([rows[:, 0], columns[:, 0], rows[:, 1], columns[:, 1]], axis=-1)
    partners = rng.integers(0, 3, 3)
    result = augment.paste(tensor, boxes.astype("int32"), partners.astype("int32"))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(result), reference.paste(tensor, boxes, partners)
    )


def test_paste_does_not_blend():
    # An infinite pixel outside the box must not turn its neighbors into NaN.
    tensor = np.zeros((2, 2, 2), "float32")
    tensor[0, 0, 0] = np.inf
    boxes = np.array([[1, 1, 2, 2]] * 2, "int32")
    result = augment.paste(tensor, boxes, np.array([1, 0], "int32"))
    np.testing.assert_array_equal(ops.convert_to_numpy(result), tensor)


def test_paste_accepts_arrays_and_tensors_of_any_library(as_input):
    tensor = np.random.default_rng(0).normal(size=(4, 5, 7, 3)).astype("float32")
    result = augment.paste(as_input(tensor), as_input(BOXES), as_input(PARTNERS))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(result), reference.paste(tensor, BOXES, PARTNERS)
    )


@pytest.mark.parametrize("shape", [(4,), (4, 5), (4, 5, 7, 3, 1)])
def test_paste_rejects_the_wrong_rank(shape):
    with pytest.raises(ValueError, match=r"Received"):
        augment.paste(np.zeros(shape, "float32"), BOXES, PARTNERS)


def test_paste_rejects_boxes_and_partners_of_another_batch():
    tensor = np.zeros((3, 5, 7), "float32")
    with pytest.raises(ValueError, match=r"`boxes`.*Received"):
        augment.paste(tensor, BOXES, PARTNERS[:3])
    with pytest.raises(ValueError, match=r"`partners`.*Received"):
        augment.paste(tensor, BOXES[:3], PARTNERS)


class Mix(keras.Model):
    def call(self, inputs):
        images, hardness, centers = inputs
        boxes = augment.boxes_from_draws(0.5, centers, 5, 7)
        return augment.paste(images, boxes, augment.cutmix_partners(hardness))


def test_runs_inside_a_compiled_model():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(4, 5, 7, 3)).astype("float32")
    hardness = np.array([0.4, 0.1, 0.9, 0.2], "float32")
    centers = rng.integers(0, 5, (4, 2)).astype("int32")
    result = Mix().predict([images, hardness, centers], batch_size=4, verbose=0)
    expected = reference.paste(
        images,
        [reference.box(0.5, center, 5, 7) for center in centers.tolist()],
        reference.cutmix_partners(hardness),
    )
    np.testing.assert_array_equal(result, expected)


def test_symbolic_inputs():
    images = keras.Input((5, 7, 3), batch_size=4)
    hardness = keras.Input((), batch_size=4)
    centers = keras.Input((2,), batch_size=4, dtype="int32")
    assert Mix()([images, hardness, centers]).shape == (4, 5, 7, 3)


@pytest.mark.parametrize("group_size", [1, 2, 3, 6])
def test_partners_stay_in_their_group(group_size):
    values = np.array([0.6, 0.1, 0.5, 0.9, 0.3, 0.2], "float32")
    expected = [
        first + reference.cutmix_partners(values[first : first + group_size])
        for first in range(0, 6, group_size)
    ]
    result = integers(augment.cutmix_partners(values, group_size=group_size))
    np.testing.assert_array_equal(result, np.concatenate(expected))


def test_one_side_fraction_per_group():
    boxes = sample_boxes(8, 4096, 4096, group_size=4, fraction_range=(0.3, 0.31))
    height = boxes[:, 2] - boxes[:, 0]
    whole = (boxes[:, 0] > 0) & (boxes[:, 2] < 4096)
    for group in (slice(0, 4), slice(4, 8)):
        assert len(set(height[group][whole[group]].tolist())) <= 1


def test_group_size_must_divide_the_batch():
    with pytest.raises(ValueError, match=r"group.size.*Received"):
        augment.cutmix_partners(np.zeros(4, "float32"), group_size=3)
    with pytest.raises(ValueError, match=r"group.size.*Received"):
        augment.sample_boxes(4, 8, 8, group_size=3)


@pytest.mark.parametrize("group_size", [0, -1, 3])
def test_training_refuses_a_pairing_group_that_does_not_divide_the_batch(group_size):
    inputs = keras.Input((8, 8, 3))
    student = keras.Model(inputs, keras.layers.Conv2D(2, 1)(inputs))
    images = np.zeros((4, 8, 8, 3), "float32")
    data = {"labeled": images, "unlabeled": images, "unlabeled_strong": images}
    with pytest.raises(ValueError, match=r"pairing.group.size.*Received"):
        model = keras_imas.IMAS(student, pairing_group_size=group_size)
        model.compile(optimizer="sgd")
        model.fit(data, np.zeros((4, 8, 8), "int32"), batch_size=4, verbose=0)
