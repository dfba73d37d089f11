import keras
import numpy as np
import pytest
import reference
from hypothesis import assume, given
from hypothesis import strategies as st
from keras import ops

import keras_imas


def hardness(*args, **options):
    result = keras_imas.hardness(*args, **options)
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    return ops.convert_to_numpy(result)


@st.composite
def segmentations(draw):
    """Returns student and teacher logits, a mask or None, and matching options.

    Logits are small integers times a scale, so that classes tie exactly; a few shapes
    only, because JAX compiles anew for each.
    """
    batch, size, num_classes = draw(
        st.sampled_from([(1, (1, 1), 2), (2, (3, 4), 2), (3, (6, 5), 4)])
    )
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    scale = draw(st.sampled_from([0.5, 1.0, 2500.0]))
    dtype = draw(st.sampled_from(["float32", "float16"]))
    shape = (batch, *size, num_classes)
    student = rng.integers(-4, 5, shape) * scale
    teacher = rng.integers(-4, 5, shape) * scale
    agree = rng.random(shape[:3]) < draw(st.sampled_from([0.0, 0.7, 1.0]))
    student = np.where(agree[..., None], teacher, student)
    if draw(st.booleans()):  # one image is background everywhere
        student[0, ..., 0] = teacher[0, ..., 0] = 5 * scale
    valid = None
    if draw(st.booleans()):
        valid = rng.random(shape[:3]) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    options = {
        "confidence_threshold": draw(st.sampled_from([0.0, 0.3, 0.7, 0.95])),
        "background_class": draw(st.one_of(st.none(), st.integers(0, num_classes - 1))),
        "class_weighted": draw(st.booleans()),
    }
    return student.astype(dtype), teacher.astype(dtype), valid, options


def two_logits(seed=0, shape=(3, 6, 5, 4)):
    rng = np.random.default_rng(seed)
    teacher = rng.normal(scale=3, size=shape).astype("float32")
    return teacher + rng.normal(size=shape).astype("float32"), teacher


@pytest.mark.parametrize("case", range(6))
def test_matches_the_published_program(goldens, case):
    about = goldens["cases"][case]
    result = hardness(
        goldens[f"case{case}_student_logits"],
        goldens[f"case{case}_teacher_logits"],
        confidence_threshold=about["threshold"],
        class_weighted=about["class_weighted"],
        background_class=0 if about["ignore_class_0"] else None,
    )
    np.testing.assert_allclose(result, goldens[f"case{case}_hardness"], atol=1e-5)


@pytest.mark.parametrize("case", range(6))
def test_reference_matches_the_published_program(goldens, case):
    about = goldens["cases"][case]
    result = reference.hardness(
        goldens[f"case{case}_student_logits"],
        goldens[f"case{case}_teacher_logits"],
        confidence_threshold=about["threshold"],
        class_weighted=about["class_weighted"],
        background_class=0 if about["ignore_class_0"] else None,
    )
    np.testing.assert_allclose(result, goldens[f"case{case}_hardness"], atol=1e-6)


@given(segmentations())
def test_matches_the_reference(drawn):
    student, teacher, valid, options = drawn
    # A confidence on the threshold may fall to either side by rounding.
    scores = np.stack([reference.confidences(x) for x in (student, teacher)])
    assume(np.abs(scores - options["confidence_threshold"]).min() > 1e-5)
    expected = reference.hardness(student, teacher, valid, **options)
    result = hardness(student, teacher, valid_mask=valid, **options)
    assert result.shape == (len(student),)
    assert np.all((result >= 0) & (result <= 1))
    np.testing.assert_allclose(result, expected, atol=1e-5)
    swapped = hardness(teacher, student, valid_mask=valid, **options)
    np.testing.assert_allclose(result, swapped, atol=1e-6)


def test_defaults():
    student, teacher = two_logits()
    np.testing.assert_allclose(
        hardness(student, teacher),
        reference.hardness(student, teacher, confidence_threshold=0.7),
        atol=1e-5,
    )


def test_probabilities_instead_of_logits():
    student, teacher = two_logits()
    result = hardness(
        reference.softmax(student), reference.softmax(teacher), from_logits=False
    )
    np.testing.assert_allclose(result, hardness(student, teacher), atol=1e-5)


@pytest.mark.parametrize("class_weighted", [True, False])
def test_identical_confident_predictions_are_easy(class_weighted):
    labels = np.random.default_rng(0).integers(0, 4, (3, 6, 5))
    logits = 20 * np.eye(4, dtype="float32")[labels]
    result = hardness(logits, logits, class_weighted=class_weighted)
    np.testing.assert_allclose(result, np.zeros(3), atol=1e-6)


def test_disagreement_everywhere_is_hard():
    labels = np.random.default_rng(0).integers(0, 4, (3, 6, 5))
    student = 20 * np.eye(4, dtype="float32")[labels]
    teacher = 20 * np.eye(4, dtype="float32")[(labels + 1) % 4]
    np.testing.assert_array_equal(hardness(student, teacher), np.ones(3))


def test_no_confident_pixel_is_hard():
    logits = np.eye(4, dtype="float32")[np.zeros((3, 6, 5), int)]
    np.testing.assert_array_equal(hardness(logits, logits), np.ones(3))


def test_confidence_on_the_threshold_counts():
    # Two equal logits: both probabilities are exactly one half.
    logits = np.zeros((2, 3, 4, 2), "float32")
    result = hardness(logits, logits, confidence_threshold=0.5)
    np.testing.assert_array_equal(result, [0.0, 0.0])


def test_all_background():
    logits = 20 * np.eye(4, dtype="float32")[np.ones((3, 6, 5), int)]
    result = hardness(logits, logits, background_class=1)
    np.testing.assert_array_equal(result, np.ones(3))
    result = hardness(logits, logits, background_class=0)
    np.testing.assert_allclose(result, np.zeros(3), atol=1e-6)
    result = hardness(logits, logits, background_class=1, class_weighted=False)
    np.testing.assert_allclose(result, np.zeros(3), atol=1e-6)


@pytest.mark.parametrize("class_weighted", [True, False])
def test_image_without_valid_pixels_is_hard(class_weighted):
    logits = 20 * np.eye(4, dtype="float32")[np.ones((3, 6, 5), int)]
    valid = np.ones((3, 6, 5), bool)
    valid[0] = False
    result = hardness(logits, logits, valid_mask=valid, class_weighted=class_weighted)
    np.testing.assert_allclose(result, [1.0, 0.0, 0.0], atol=1e-6)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "float32", "float16"])
def test_padding_does_not_count(dtype):
    student, teacher = two_logits()
    valid = np.zeros((3, 6, 5), dtype)
    valid[:, :4, :3] = 1
    result = hardness(student, teacher, valid_mask=valid)
    cropped = hardness(student[:, :4, :3], teacher[:, :4, :3])
    np.testing.assert_allclose(result, cropped, atol=1e-6)


def test_padding_may_hold_anything():
    student, teacher = two_logits()
    valid = np.ones((3, 6, 5), bool)
    valid[:, 4:] = False
    expected = hardness(student, teacher, valid_mask=valid)
    student[:, 4:] = 1e4
    teacher[:, 4:] = -1e4
    result = hardness(student, teacher, valid_mask=valid)
    np.testing.assert_array_equal(result, expected)


def test_images_are_scored_by_themselves():
    student, teacher = two_logits()
    order = np.array([2, 0, 1])
    result = hardness(student, teacher)
    permuted = hardness(student[order], teacher[order])
    np.testing.assert_allclose(permuted, result[order], atol=1e-7)
    assert len(set(result.tolist())) == 3


def test_large_image_counts_exactly():
    # Half-precision sums stop counting at 2,048.
    logits = np.zeros((1, 300, 400, 2), "float16")
    logits[..., 0] = 20
    logits[:, :150, :, 1] = 40
    assert hardness(logits, logits) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.full
def test_larger_images_count_exactly_than_float32_counts():
    one = np.zeros((1, 5200, 5200), "int8")
    one[:, :, 2600:] = 1
    other, sure = np.zeros_like(one), np.ones(one.shape, "float16")
    scores = keras_imas.scoring.score_predictions(
        (one, sure), (other, sure), num_classes=2
    )
    # Of class 0 half is shared, of class 1 nothing.
    assert float(scores["student_iou"][0]) == pytest.approx(0.25, abs=1e-6)
    assert float(scores["teacher_iou"][0]) == pytest.approx(0.5, abs=1e-6)


def test_accepts_arrays_and_tensors_of_any_library(as_input):
    student, teacher = two_logits()
    valid = np.ones((3, 6, 5), bool)
    valid[:, 4:] = False
    result = hardness(as_input(student), as_input(teacher), valid_mask=as_input(valid))
    expected = reference.hardness(student, teacher, valid)
    np.testing.assert_allclose(result, expected, atol=1e-5)


class Score(keras.Model):
    def call(self, inputs):
        student, teacher, valid = inputs
        return keras_imas.hardness(student, teacher, valid_mask=valid)


def test_runs_inside_a_compiled_model():
    student, teacher = two_logits()
    valid = np.random.default_rng(0).random((3, 6, 5)) < 0.8
    result = Score().predict([student, teacher, valid], batch_size=2, verbose=0)
    expected = reference.hardness(student, teacher, valid)
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_symbolic_inputs():
    logits = keras.Input((8, 8, 3))
    result = Score()([logits, logits, keras.Input((8, 8), dtype="bool")])
    assert result.shape == (None,)
    assert result.dtype == "float32"


@pytest.mark.parametrize("threshold", [-0.1, 1.5])
def test_rejects_a_threshold_outside_the_unit_interval(threshold):
    logits = np.zeros((1, 2, 2, 3), "float32")
    with pytest.raises(ValueError, match=r"`confidence_threshold`.*Received"):
        keras_imas.hardness(logits, logits, confidence_threshold=threshold)


@pytest.mark.parametrize("background_class", [-1, 3, 255])
def test_rejects_a_background_class_that_is_not_there(background_class):
    logits = np.zeros((1, 2, 2, 3), "float32")
    with pytest.raises(ValueError, match=r"`background_class`.*Received"):
        keras_imas.hardness(logits, logits, background_class=background_class)


@pytest.mark.parametrize(
    "shape", [(1, 2, 2, 4), (2, 2, 2, 3), (1, 2, 3, 3), (1, 2, 2, 1)]
)
def test_rejects_logits_of_different_shapes(shape):
    logits = np.zeros((1, 2, 2, 3), "float32")
    with pytest.raises(ValueError, match=r"`student_logits`.*`teacher_logits`"):
        keras_imas.hardness(logits, np.zeros(shape, "float32"))


@pytest.mark.parametrize("shape", [(2, 3), (2, 2, 3), (1, 1, 2, 2, 3)])
def test_rejects_logits_of_the_wrong_rank(shape):
    logits = np.zeros(shape, "float32")
    with pytest.raises(ValueError, match=r"`student_logits`.*Received"):
        keras_imas.hardness(logits, logits)


@pytest.mark.parametrize("shape", [(1, 2, 3), (2, 2), (1, 2, 2, 1), (2, 2, 2)])
def test_rejects_a_mask_of_another_shape(shape):
    logits = np.zeros((1, 2, 2, 3), "float32")
    with pytest.raises(ValueError, match=r"`valid_mask`.*Received"):
        keras_imas.hardness(logits, logits, valid_mask=np.ones(shape, bool))


@pytest.mark.parametrize("which", ["student", "teacher"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_is_not_hard_but_nan(which, bad):
    student, teacher = two_logits()
    {"student": student, "teacher": teacher}[which][1, 2, 3, 0] = bad
    result = hardness(student, teacher)
    assert np.isnan(result).tolist() == [False, True, False]
    valid = np.ones((3, 6, 5), bool)
    valid[1, 2, 3] = False
    expected = reference.hardness(*two_logits(), valid)
    result = hardness(student, teacher, valid_mask=valid)
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_rejects_one_channel():
    logits = np.zeros((1, 2, 2, 1), "float32")
    with pytest.raises(ValueError, match="`student_logits` must have a channel.*zeros"):
        keras_imas.hardness(logits, logits)


@pytest.mark.parametrize("which", ["student_logits", "teacher_logits"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_rejects_probabilities_for_logits_and_the_other_way_round(which, dtype):
    student, teacher = two_logits()
    logits = {"student_logits": student, "teacher_logits": teacher}
    one = {**logits, which: reference.softmax(logits[which]).astype(dtype)}
    with pytest.raises(ValueError, match=rf"`{which}` must be logits.*logits=False"):
        keras_imas.hardness(**one)
    both = {name: reference.softmax(values) for name, values in logits.items()}
    both[which] = logits[which].astype(dtype)
    with pytest.raises(ValueError, match=rf"`{which}` must be prob.*from_logits=True"):
        keras_imas.hardness(**both, from_logits=False)
