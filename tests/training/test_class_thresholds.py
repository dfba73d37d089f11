"""A class of which the teacher is less sure has a lower threshold."""

import keras
import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

import keras_imas
from keras_imas.losses import consistency_loss

CLASSES, TAU = 3, 0.8
RNG = np.random.default_rng(0)


def model(**options):
    layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(CLASSES, 1)]
    student = keras.Sequential(layers)
    options = {"confidence_threshold": TAU, "class_thresholds": True, **options}
    return keras_imas.IMAS(student, seed=0, **options)


def drawn(seed, shape=(2, 3, 4)):
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(1 / CLASSES, 1, shape).astype("float32")
    return rng.integers(0, CLASSES, shape), confidence, rng.integers(0, 2, shape)


def found_by(thresholds, *batch):
    return ops.convert_to_numpy(thresholds(*batch)["thresholds"])


@pytest.fixture(scope="module")
def thresholds():
    return model().thresholds


@given(seed=st.integers(0, 10**6))
def test_it_is_the_class_s_mean_confidence_and_at_most_tau(thresholds, seed):
    labels, confidence, valid = drawn(seed)
    thresholds.sums.assign(np.zeros((2, CLASSES), "float32"))
    found = found_by(thresholds, labels, confidence, valid)
    expected = reference.class_thresholds(labels, confidence, valid, CLASSES, TAU)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_steps_before_count_less_and_less():
    thresholds, sums, counts = model().thresholds, np.zeros(CLASSES), np.zeros(CLASSES)
    for seed in range(5):
        labels, confidence, valid = drawn(seed)
        found = found_by(thresholds, labels, confidence, valid)
        for number in range(CLASSES):
            chosen = valid * (labels == number)
            sums[number] = 0.99 * sums[number] + (chosen * confidence).sum()
            counts[number] = 0.99 * counts[number] + chosen.sum()
        np.testing.assert_allclose(found, np.minimum(sums / counts, TAU), rtol=1e-5)


@given(seed=st.integers(0, 10**6))
def test_the_share_of_the_pixels_that_count(thresholds, seed):
    labels, confidence, valid = drawn(seed)
    thresholds.sums.assign(np.zeros((2, CLASSES), "float32"))
    found = thresholds(labels, confidence, valid)
    found = {name: ops.convert_to_numpy(value) for name, value in found.items()}
    sure = valid * (confidence >= found["thresholds"][labels])
    expected = sure.sum((1, 2)) / np.maximum(valid.sum((1, 2)), 1)
    np.testing.assert_allclose(found["counting"], expected, rtol=1e-5)


def test_a_class_that_was_never_predicted_and_nan_change_nothing():
    thresholds = model().thresholds
    confidence = np.array([[[0.5, 0.7, np.nan]]], "float32")
    found = found_by(thresholds, np.array([[[0, 0, 1]]]), confidence)
    np.testing.assert_allclose(found, [0.6, TAU, TAU], rtol=1e-6)


@pytest.mark.full
def test_a_batch_may_have_more_pixels_than_float32_counts():
    shape = (40, 724, 724)
    labels, confidence = np.zeros(shape, "int32"), np.full(shape, 0.6, "float32")
    found = found_by(model().thresholds, labels, confidence)
    assert found[0] == pytest.approx(0.6, rel=0.01)


@given(st.integers(0, 10**6))
def test_pseudo_labels_count_by_the_threshold_of_their_class(seed):
    labels, confidence, valid = drawn(seed)
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (*labels.shape, CLASSES)).astype("float32")
    of_class = rng.uniform(1 / CLASSES, 1, CLASSES).astype("float32")
    options = {"hardness": rng.uniform(size=2).astype("float32"), "valid_mask": valid}
    loss = consistency_loss(
        logits, labels, confidence, class_thresholds=of_class, **options
    )
    expected = reference.consistency_loss(
        logits, labels, confidence, confidence_threshold=of_class[labels], **options
    )
    assert float(loss) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_a_threshold_for_each_class_is_needed():
    labels, confidence, _ = drawn(0)
    logits = np.zeros((*labels.shape, CLASSES), "float32")
    with pytest.raises(ValueError, match="`class_thresholds`"):
        consistency_loss(logits, labels, confidence, class_thresholds=np.ones(2))


def subclassed(fixed_size):
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.layer = keras.layers.Conv2D(CLASSES, 1)

        def call(self, images):
            if fixed_size:
                images = ops.reshape(images, (-1, images.shape[1] * 4, 3))[:, :, None]
            return self.layer(images)

    student = Subclassed()
    student(np.zeros((1, 4, 4, 3), "float32"))
    return student


def test_the_classes_of_a_subclassed_student():
    students = [subclassed(fixed_size=False) for _ in range(2)]
    model = keras_imas.IMAS(*students, class_thresholds=True)
    assert model.thresholds.sums.shape == (2, CLASSES)
    students = [subclassed(fixed_size=True) for _ in range(2)]
    with pytest.raises(ValueError, match="needs a student that tells.*Subclassed"):
        keras_imas.IMAS(*students, class_thresholds=True)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_they_are_learned_in_fit_saved_and_loaded(precision, tmp_path):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        trained = model(confidence_threshold=0.4)
    finally:
        keras.config.set_dtype_policy(before)
    trained.compile(keras_imas.optimizers.SGD(1e-6))
    images = RNG.uniform(0, 255, (4, 8, 8, 3)).astype("float32")
    batch = dict.fromkeys(("labeled", "unlabeled", "unlabeled_strong"), images)
    trained.fit(batch, np.zeros((4, 8, 8), int), epochs=2, batch_size=2, verbose=0)
    sums = ops.convert_to_numpy(trained.thresholds.sums)
    assert sums[1].sum() > 0 and sums.dtype == "float32"
    trained.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(ops.convert_to_numpy(loaded.thresholds.sums), sums)
