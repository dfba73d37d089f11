import csv

import keras
import numpy as np
import pytest
import reference
from tiers import core_and_full

from keras_imas.evaluation import ConfusionMatrix, by_class, evaluate, remarks
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
        ([[0, 1]], [[0, -1]], r"`predicted` must be in \[0, 3\).*Received: -1"),
        ([[0, 1]], [[0], [1]], r"`label_map` must have the shape \(2, 1\)"),
        ([[0.0, 1.0]], [[0, 1]], "`label_map` must be label maps.*dtype float"),
        ([[[0, 1], [1, 0]]], [[0, 1]], "`label_map` must be.*one-hot"),
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


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_labels_of_files_count_as_others(dtype):
    images = RNG.uniform(0, 9, (2, 6, 7, 3)).astype("float32")
    labels = RNG.integers(0, 3, (2, 6, 7))
    labels[:, 0] = 255
    predictor = Predictor(conv_network())
    (confusion, loss), (expected, expected_loss) = (
        evaluate(predictor, [(images, y)], 3) for y in (labels.astype(dtype), labels)
    )
    np.testing.assert_array_equal(confusion.counts, expected.counts)
    assert loss == expected_loss
    updated = ConfusionMatrix(3)
    updated.update(labels.astype(dtype), np.zeros((2, 6, 7), "uint8"))
    assert updated.counts[:, 0].tolist() == expected.counts.sum(axis=1).tolist()


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


@pytest.mark.parametrize("ignore_class", [0, 2, 255, None])
def test_an_ignored_class_has_no_iou(ignore_class):
    labels, predicted = RNG.integers(0, 3, (2, 5, 7))
    confusion = ConfusionMatrix(3, ignore_class)
    confusion.update(labels, predicted)
    expected = reference.class_ious(labels, predicted, 3, ignore_class)
    np.testing.assert_allclose(confusion.iou, expected)
    assert confusion.mean_iou == pytest.approx(np.nanmean(expected))


def test_a_class_that_is_only_predicted_is_told_apart():
    confusion = ConfusionMatrix(4)
    # Class 1 is never found, 2 is in no label map, 3 nowhere.
    confusion.update([[0, 0, 1, 255]], [[0, 0, 2, 2]])
    np.testing.assert_array_equal(confusion.iou, [1, 0, 0, np.nan])
    assert confusion.labeled.tolist() == [True, True, False, False]
    assert confusion.mean_iou == pytest.approx(1 / 3)
    assert confusion.mean_iou_labeled == 0.5
    [sentence] = remarks(confusion, ["sky", "road", "car", "bus"])
    assert "in no label map: car." in sentence and "0.500" in sentence


def test_an_iou_of_one_class_and_of_none_says_so():
    confusion = ConfusionMatrix(2)
    names = ["background", "cell"]
    assert remarks(confusion, names) == ["No pixel has a label, so no IoU is known."]
    confusion.update([[1, 1, 255]], [[1, 1, 0]])
    [sentence] = remarks(confusion, names)
    assert sentence.startswith("All labeled pixels are cell")
    confusion.update([[0]], [[0]])
    assert remarks(confusion, names) == []


def test_classes_of_one_name_are_all_kept():
    kept = by_class(["N/A", "road", "N/A"], [1, 2, 3])
    assert kept == {"N/A (0)": 1, "road": 2, "N/A (2)": 3}
    assert by_class(["a", "b"], [1, 2]) == {"a": 1, "b": 2}


def conv_network(num_classes=3):
    layers = [keras.Input((None, None, 3)), keras.layers.Rescaling(1 / 255)]
    return keras.Sequential([*layers, keras.layers.Conv2D(num_classes, 1)])


def test_a_channel_axis_of_labels_changes_nothing():
    predictor = Predictor(conv_network())
    images = RNG.uniform(0, 255, (2, 4, 5, 3)).astype("float32")
    labels = RNG.integers(0, 3, (2, 4, 5))
    labels[0] = 255
    expected, loss = evaluate(predictor, [(images, labels)], 3)
    confusion, same = evaluate(predictor, [(images, labels[..., None])], 3)
    np.testing.assert_array_equal(confusion.counts, expected.counts)
    assert same == loss > 0


def test_a_loss_over_no_pixels_is_not_known():
    images = np.zeros((1, 4, 5, 3), "float32")
    labels = np.full((1, 4, 5), 255)
    confusion, loss = evaluate(Predictor(conv_network()), [(images, labels)], 3)
    assert np.isnan(loss) and np.isnan(confusion.mean_iou)


def test_no_class_may_be_ignored():
    images = np.zeros((1, 4, 5, 3), "float32")
    labels = RNG.integers(0, 3, (1, 4, 5))
    predictor = Predictor(conv_network())
    options = {"ignore_class": None}
    confusion, loss = evaluate(predictor, [(images, labels)], 3, **options)
    expected, same = evaluate(predictor, [(images, labels)], 3)
    assert confusion.counts.sum() == 20 and loss == same
    np.testing.assert_array_equal(confusion.counts, expected.counts)


def test_weights_and_nan_are_refused():
    images = np.zeros((1, 4, 5, 3), "float32")
    labels = np.zeros((1, 4, 5), int)
    network = conv_network()
    predictor = Predictor(network)
    with pytest.raises(ValueError, match="`data` must hold.*weights.*`ignore_class`"):
        evaluate(predictor, [(images, labels, np.ones(1))], 3)
    network.set_weights([np.full_like(w, np.nan) for w in network.get_weights()])
    with pytest.raises(ValueError, match="NaN for image 0 of the data"):
        evaluate(Predictor(network), [(images, labels)], 3)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="`num_classes` must have a channel for each"):
        ConfusionMatrix(1)


@pytest.mark.parametrize(
    "options",
    core_and_full(
        [{"window": 6, "flip": True}],
        [
            {"window": 6, "flip": True},
            {"size_multiple": 8, "batch_size": 3},
            {"window": (6, 9), "scales": (0.75, 1.0)},
        ],
    ),
)
def test_counting_on_the_device_is_counting_what_was_predicted(options):
    rng = np.random.default_rng(0)
    sizes = [(7, 13), (6, 6), (11, 5)]
    images = [rng.uniform(0, 255, (*size, 3)).astype("float32") for size in sizes]
    labels = [rng.integers(0, 4, size) for size in sizes]  # 3 is ignored
    predictor = Predictor(conv_network(), **options)
    batches = [(x[None], y[None]) for x, y in zip(images, labels, strict=True)]
    confusion, loss = evaluate(predictor, batches, 3, ignore_class=3)
    expected, losses = ConfusionMatrix(3, ignore_class=3), []
    for label_map, probabilities in zip(labels, predictor(images), strict=True):
        expected.update(label_map, probabilities.argmax(axis=-1))
        valid = label_map != 3
        losses.append(-np.log(probabilities[valid, label_map[valid]]))
    np.testing.assert_array_equal(confusion.counts, expected.counts)
    np.testing.assert_allclose(loss, np.concatenate(losses).mean(), rtol=1e-5)
