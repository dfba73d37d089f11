import csv

import keras
import numpy as np
import pytest

from keras_imas.evaluation import ConfusionMatrix, evaluate
from keras_imas.inference.predictor import Predictor
from keras_imas.metrics import MeanIoU

RNG = np.random.default_rng(0)


def test_counts_are_those_of_a_loop():
    labels, predicted = RNG.integers(0, 4, (2, 5, 7))
    labels[0] = 255
    confusion = ConfusionMatrix(4)
    for rows in (slice(0, 2), slice(2, None)):
        confusion.update(labels[rows], predicted[rows])
    expected = np.zeros((4, 4), int)
    for label, prediction in zip(labels.flat, predicted.flat, strict=True):
        if label != 255:
            expected[label, prediction] += 1
    np.testing.assert_array_equal(confusion.counts, expected)
    assert confusion.pixel_accuracy == (labels == predicted).sum() / 28
    metric = MeanIoU(4, ignore_class=255)
    metric.update_state(labels, np.eye(4)[predicted])
    assert confusion.mean_iou == pytest.approx(float(metric.result()), abs=1e-6)
    np.testing.assert_allclose(confusion.iou, metric.per_class(), atol=1e-6)


def test_without_pixels_nothing_is_known():
    confusion = ConfusionMatrix(3)
    confusion.update(np.full((2, 2), 255), np.zeros((2, 2), int))
    assert np.isnan(confusion.mean_iou) and np.isnan(confusion.pixel_accuracy)
    assert np.isnan(confusion.iou).all()


def test_a_label_that_is_no_class_is_named():
    with pytest.raises(ValueError, match=r"in \[0, 3\).*Received: 7"):
        ConfusionMatrix(3).update([[0, 7]], [[0, 0]])


@pytest.mark.parametrize(
    ("labels", "predicted", "message"),
    [
        ([[0, 1]], [[0, 3]], r"`predicted` must be in \[0, 3\).*Received: 3"),
        ([[0, 1]], [[0], [1]], r"must have one shape.*\(1, 2\) and \(2, 1\)"),
    ],
)
def test_a_prediction_that_cannot_be_is_named(labels, predicted, message):
    with pytest.raises(ValueError, match=message):
        ConfusionMatrix(3).update(labels, predicted)


def test_evaluate_refuses_what_does_not_fit():
    layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(3, 1)]
    predictor = Predictor(keras.Sequential(layers))
    batches = [(np.zeros((1, 4, 5, 3)), np.zeros((1, 4, 5), int))]
    with pytest.raises(ValueError, match="num_classes=2, and a network of 3 classes"):
        evaluate(predictor, batches, 2)
    with pytest.raises(ValueError, match="holds no images.*not an iterator"):
        evaluate(predictor, iter([]), 3)


def test_csv(tmp_path):
    confusion = ConfusionMatrix(2)
    confusion.update([[0, 0, 1]], [[0, 1, 1]])
    confusion.save_csv(tmp_path / "confusion.csv", ["sky", "tree, dead"])
    with open(tmp_path / "confusion.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1:] == [["sky", "1", "1"], ["tree, dead", "0", "1"]]


def test_evaluate_is_the_evaluation_of_keras():
    network = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(3, 1),
        ]
    )
    images = RNG.uniform(0, 255, (5, 6, 7, 3)).astype("float32")
    labels = RNG.integers(0, 3, (5, 6, 7))
    labels[:, 0] = 255
    pairs = [(images[:2], labels[:2]), (images[2:], labels[2:])]
    confusion, loss = evaluate(Predictor(network, batch_size=2), pairs, 3)
    network.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=255
        ),
        metrics=[MeanIoU(3, ignore_class=255)],
    )
    expected = network.evaluate(images, labels, verbose=0, return_dict=True)
    assert confusion.mean_iou == pytest.approx(expected["mean_iou"], abs=1e-5)
    assert loss == pytest.approx(expected["loss"], rel=1e-4)
