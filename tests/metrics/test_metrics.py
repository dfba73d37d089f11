import keras
import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_imas import metrics


def result(metric):
    return float(ops.convert_to_numpy(metric.result()))


def logits_of(predictions, num_classes, dtype="float32"):
    return (5 * np.eye(num_classes)[predictions] - 2).astype(dtype)


@given(
    st.integers(0, 10**6),
    st.sampled_from([2, 3, 19]),
    st.sampled_from([None, 255]),
    st.sampled_from(["float32", "float16"]),
)
def test_matches_the_reference(seed, num_classes, ignore_class, dtype):
    rng = np.random.default_rng(seed)
    some = rng.integers(1, num_classes + 1)
    labels = rng.integers(0, some, (2, 3, 4))
    predictions = rng.integers(0, num_classes, (2, 3, 4))
    if ignore_class is not None:
        labels[rng.random(labels.shape) < 0.4] = ignore_class
        labels[0, 0, 0] = 0
    metric = metrics.MeanIoU(num_classes, ignore_class=ignore_class)
    metric.update_state(labels, logits_of(predictions, num_classes, dtype))
    arguments = (labels, predictions, num_classes, ignore_class)
    assert result(metric) == pytest.approx(reference.mean_iou(*arguments), abs=1e-5)
    per_class = metric.per_class()
    assert isinstance(per_class, np.ndarray)
    assert np.issubdtype(per_class.dtype, np.floating)
    np.testing.assert_allclose(per_class, reference.class_ious(*arguments), atol=1e-5)


def test_accumulates_over_batches_and_resets():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 3, (2, 4, 3, 4))
    labels[labels == 2] = 255
    metric = metrics.MeanIoU(3, ignore_class=255)
    for i in range(4):
        metric.update_state(labels[i : i + 1], logits_of(predictions[i : i + 1], 3))
    expected = reference.mean_iou(labels, predictions, 3, 255)
    assert result(metric) == pytest.approx(expected, abs=1e-5)
    metric.reset_state()
    assert np.all(np.isnan(metric.per_class()))
    metric.update_state(labels[:1], logits_of(predictions[:1], 3))
    expected = reference.mean_iou(labels[:1], predictions[:1], 3, 255)
    assert result(metric) == pytest.approx(expected, abs=1e-5)


def test_by_hand():
    metric = metrics.MeanIoU(4, ignore_class=255)
    labels = np.array([[[0, 0, 1, 255]]])
    metric.update_state(labels, logits_of(np.array([[[0, 1, 1, 2]]]), 4))
    np.testing.assert_allclose(metric.per_class(), [0.5, 0.5, np.nan, np.nan])
    assert result(metric) == pytest.approx(0.5)


def test_class_only_predicted_counts_as_missed():
    metric = metrics.MeanIoU(3)
    labels = np.array([[[0, 0]]])
    metric.update_state(labels, logits_of(np.array([[[0, 2]]]), 3))
    np.testing.assert_allclose(metric.per_class(), [0.5, np.nan, 0.0])
    assert result(metric) == pytest.approx(0.25)


@pytest.mark.full
@pytest.mark.jax_only
def test_all_pixels_of_a_large_batch_count():
    """On JAX in float32, to which one added to 2**24 is no more."""
    labels, predicted = np.zeros((2, 1, 4097, 4096), "uint8")
    metric = metrics.MeanIoU(2)
    metric.update_state(labels, predicted)
    counts = ops.convert_to_numpy(metric.total_cm)
    np.testing.assert_array_equal(counts, [[labels.size, 0], [0, 0]])


def test_counts_beyond_32_bits_do_not_overflow():
    metric = metrics.MeanIoU(2)
    labels = np.zeros((1, 32, 32), "int32")
    metric.total_cm.assign([[2**31 - 256, 0], [0, 0]])
    metric.update_state(labels, labels)
    np.testing.assert_allclose(metric.total_cm, [[2**31 + 768, 0], [0, 0]], rtol=1e-6)
    np.testing.assert_allclose(metric.per_class(), [1.0, np.nan])


def test_large_counts_do_not_saturate():
    # One pixel more is lost in half precision from 2,048 on.
    metric = metrics.MeanIoU(2)
    labels = np.zeros((1, 100, 300), "int32")
    predictions = np.zeros((1, 100, 300), "int32")
    predictions[:, :3] = 1
    metric.update_state(labels, logits_of(predictions, 2, "float16"))
    np.testing.assert_allclose(metric.per_class(), [0.97, 0.0], atol=1e-6)


def test_accepts_arrays_and_tensors_of_any_library(as_input):
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 3, (2, 2, 3, 4)).astype("int32")
    metric = metrics.MeanIoU(3)
    metric.update_state(as_input(labels), as_input(logits_of(predictions, 3)))
    expected = reference.mean_iou(labels, predictions, 3)
    assert result(metric) == pytest.approx(expected, abs=1e-5)


def test_in_evaluate():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 3, (2, 5, 3, 4))
    labels[:, 0] = 255
    inputs = keras.Input((3, 4, 3))
    model = keras.Model(inputs, keras.layers.Identity()(inputs))
    metric = metrics.MeanIoU(num_classes=3, ignore_class=255)
    assert metric.name == "mean_iou"
    loss = keras.losses.SparseCategoricalCrossentropy(True, ignore_class=255)
    model.compile(loss=loss, metrics=[metric])
    values = model.evaluate(
        logits_of(predictions, 3), labels, batch_size=2, verbose=0, return_dict=True
    )
    expected = reference.mean_iou(labels, predictions, 3, 255)
    assert values["mean_iou"] == pytest.approx(expected, abs=1e-5)


def test_survives_serialization():
    metric = metrics.MeanIoU(3, ignore_class=2, name="miou")
    restored = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert isinstance(restored, metrics.MeanIoU)
    assert restored.get_config() == metric.get_config()
    labels = np.array([[[0, 1, 2]]])
    restored.update_state(labels, logits_of(np.array([[[0, 1, 1]]]), 3))
    np.testing.assert_allclose(restored.per_class(), [1.0, 1.0, np.nan])


def test_by_default_it_is_that_of_keras():
    for labels, predictions, weights in (
        ([0, 0, 1, 1], [0, 1, 0, 1], None),
        ([0, 0, 1, 1], [0, 1, 0, 1], [0.3, 0.3, 0.3, 0.1]),
        ([[[0], [2]]], [[[0], [1]]], None),
    ):
        dtype = weights and "float32"
        ours = metrics.MeanIoU(3, dtype=dtype)
        theirs = keras.metrics.MeanIoU(3, dtype=dtype)
        for metric in (ours, theirs):
            metric.update_state(labels, predictions, sample_weight=weights)
        assert result(ours) == result(theirs) > 0
    ours = metrics.MeanIoU(3, "miou", "float32")
    assert (ours.name, ours.dtype) == ("miou", "float32")


@pytest.mark.parametrize("ignore_class", [0, 1, 2])
def test_an_ignored_class_is_left_out_of_the_mean(ignore_class):
    rng = np.random.default_rng(ignore_class)
    labels, predictions = rng.integers(0, 3, (2, 2, 4, 5))
    metric = metrics.MeanIoU(3, ignore_class=ignore_class)
    metric.update_state(labels, logits_of(predictions, 3))
    arguments = (labels, predictions, 3, ignore_class)
    assert result(metric) == pytest.approx(reference.mean_iou(*arguments), abs=1e-5)
    np.testing.assert_allclose(
        metric.per_class(), reference.class_ious(*arguments), atol=1e-6
    )
    assert np.isnan(metric.per_class()[ignore_class])


@pytest.mark.parametrize("of", ["logits", "ids"])
def test_a_channel_axis_of_labels_changes_nothing(of):
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 3, (2, 2, 4, 5))
    predicted = logits_of(predictions, 3) if of == "logits" else predictions
    metric = metrics.MeanIoU(3)
    if of == "logits":
        metric.update_state(labels[..., None], predicted)
    else:
        metric.update_state(labels[..., None], predicted[..., None])
    expected = reference.mean_iou(labels, predictions, 3)
    assert result(metric) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 2, 4)])
def test_weights_of_images_are_not_spread_along_the_width(shape):
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 3, (2, *shape))
    metric = metrics.MeanIoU(3)
    weights = np.array([0, 1], "float32")
    metric.update_state(labels, logits_of(predictions, 3), sample_weight=weights)
    expected = reference.mean_iou(labels[1], predictions[1], 3)
    assert result(metric) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        (np.zeros((1, 2, 2), int), 4, "num_classes=3 of 'mean_iou'.*4 classes"),
        (np.zeros((1, 2, 2), int), 2, "num_classes=3 of 'mean_iou'.*2 classes"),
        (np.zeros((1, 2, 2), "float32"), 3, "`y_true` must be.*dtype float32"),
        (np.eye(3, dtype=int)[np.zeros((1, 2, 2), int)], 3, "`y_true`.*one-hot"),
        (np.eye(3)[np.zeros((1, 2, 2), int)], 3, "`y_true` must be.*dtype float32"),
        (np.zeros((1, 2, 3), int), 3, "`y_true` must have the shape"),
    ],
)
def test_what_would_count_wrong_is_refused(labels, classes, message):
    metric = metrics.MeanIoU(3)
    with pytest.raises(ValueError, match=message):
        metric.update_state(labels, np.zeros((1, 2, 2, classes), "float32"))


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="`num_classes` must have a channel for each"):
        metrics.MeanIoU(1)
