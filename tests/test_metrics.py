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
    st.sampled_from([1, 3, 19]),
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
