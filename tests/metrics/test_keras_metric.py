import keras
import numpy as np
import pytest
from keras import ops

import keras_imas
from keras_imas.losses.keras_loss import loss_over_label_maps
from keras_imas.metrics import MeanIoU
from keras_imas.metrics.keras_metric import KerasMetric, metrics_over_label_maps

METRICS = {
    "accuracy": lambda: "accuracy",
    "sparse accuracy": keras.metrics.SparseCategoricalAccuracy,
    "sparse top 2": lambda: keras.metrics.SparseTopKCategoricalAccuracy(2),
    "sparse cross-entropy": lambda: keras.metrics.SparseCategoricalCrossentropy(
        from_logits=True
    ),
    "one-hot accuracy": lambda: "categorical_accuracy",
    "top 2": lambda: keras.metrics.TopKCategoricalAccuracy(2),
    "cross-entropy": lambda: keras.metrics.CategoricalCrossentropy(from_logits=True),
    "F1": lambda: keras.metrics.F1Score(average="macro"),
    "F2": lambda: keras.metrics.FBetaScore(average="weighted", beta=2.0),
    "Keras' IoU": lambda: keras.metrics.MeanIoU(4, sparse_y_pred=False),
    "our IoU": lambda: MeanIoU(4),
}
every_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 4, (4, 5, 6))
LOGITS = RNG.normal(size=(4, 5, 6, 4)) + 2 * np.eye(4)[LABELS]
LOGITS = LOGITS.astype("float32")
SOME = np.where(RNG.random(LABELS.shape) < 0.3, 255, LABELS)


def result(metric, *arguments):
    [metric] = metrics_over_label_maps([metric])
    metric.update_state(*arguments)
    return float(ops.convert_to_numpy(metric.result()))


@every_metric
@pytest.mark.parametrize("channel", [False, True])
def test_ignored_pixels_have_no_weight(metric, channel):
    counts = SOME != 255
    expected = result(metric(), SOME[counts][None, None], LOGITS[counts][None, None])
    labels = SOME[..., None] if channel else SOME
    assert result(metric(), labels, LOGITS) == pytest.approx(expected, rel=1e-5)
    assert expected != pytest.approx(result(metric(), LABELS, LOGITS), rel=1e-4)


@every_metric
def test_weights_of_images_are_not_spread_along_the_width(metric):
    weights = np.array([1, 0, 0, 1], "float32")
    expected = result(metric(), SOME[[0, 3]], LOGITS[[0, 3]])
    value = result(metric(), SOME, LOGITS, weights)
    assert value == pytest.approx(expected, rel=1e-5)
    square = SOME[:, :4, :4], LOGITS[:, :4, :4]
    expected = result(metric(), *(part[[0, 3]] for part in square))
    value = result(metric(), *square, weights)
    assert value == pytest.approx(expected, rel=1e-5)


def test_by_hand():
    labels = np.array([[[0, 1, 255, 255]]])
    logits = np.eye(2)[np.array([[[0, 0, 1, 0]]])]
    assert result("accuracy", labels, logits) == 0.5
    # Class 0: one of one found, by one false one too; class 1: none of one.
    f1 = keras.metrics.F1Score(average="macro")
    assert result(f1, labels, logits) == pytest.approx((2 / 3 + 0) / 2, rel=1e-5)


@pytest.mark.parametrize("name", ["accuracy", "acc"])
@pytest.mark.parametrize("argument", ["metrics", "weighted_metrics"])
def test_in_fit_and_evaluate(name, argument):
    network = keras.Sequential([keras.Input((5, 6, 4)), keras.layers.Identity()])
    metrics = metrics_over_label_maps([name, keras.metrics.F1Score(average="macro")])
    network.compile("sgd", loss_over_label_maps(None), **{argument: metrics})
    expected = (LOGITS.argmax(axis=-1) == SOME)[SOME != 255].mean()
    logs = network.evaluate(LOGITS, SOME, batch_size=2, verbose=0, return_dict=True)
    assert logs[name] == pytest.approx(expected, rel=1e-5)
    f1 = result(keras.metrics.F1Score(average="macro"), SOME, LOGITS)
    assert logs["f1_score"] == pytest.approx(f1, rel=1e-5)
    history = network.fit(
        LOGITS, SOME[..., None], validation_data=(LOGITS, SOME), verbose=0
    )
    assert history.history[f"val_{name}"] == [pytest.approx(expected, rel=1e-5)]


def test_structures_and_own_metrics():
    def own(y_true, y_pred):
        return ops.mean(y_pred)

    iou = MeanIoU(3, ignore_class=255)
    assert metrics_over_label_maps(None) is None
    first, second = metrics_over_label_maps([own, iou])
    assert first is own and second is iou
    found = metrics_over_label_maps({"main": ["acc", iou]})
    assert isinstance(found["main"][0], KerasMetric) and found["main"][1] is iou
    again = metrics_over_label_maps(found)
    assert again["main"][0] is found["main"][0]


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (keras.metrics.MeanIoU(3), "logits and label maps.*keras_imas.metrics.MeanIoU"),
        (keras.metrics.OneHotMeanIoU(3), "must compare.*keras_imas.metrics.MeanIoU"),
        (keras.metrics.AUC(), "must compare.*MeanIoU.*Received: AUC"),
        ("mse", "must compare.*Received: MeanSquaredError"),
        (
            keras.metrics.SparseCategoricalCrossentropy(),
            "must take.*logits=True",
        ),
        (MeanIoU(3, ignore_class=7), "`ignore_class` of a metric must be.*7.*255"),
    ],
)
def test_what_would_mean_nothing_is_refused(metric, message):
    with pytest.raises(ValueError, match=message):
        metrics_over_label_maps([metric])


@pytest.mark.parametrize(
    "metric",
    [
        keras.metrics.MeanIoU(3, ignore_class=0, sparse_y_pred=False),
        keras.metrics.F1Score(average="macro"),
    ],
)
def test_means_over_classes_would_count_the_ignored_one(metric):
    with pytest.raises(ValueError, match="leave out ignore_class=0.*keras_imas"):
        [metric] = metrics_over_label_maps([metric], ignore_class=0)
        metric.update_state(LABELS, LOGITS)


@every_metric
def test_survives_serialization_and_resets(metric):
    [metric] = metrics_over_label_maps([metric()])
    restored = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert restored.get_config() == metric.get_config()
    metric.update_state(SOME, LOGITS)
    restored.update_state(LABELS, LOGITS)
    restored.reset_state()
    restored.update_state(SOME, LOGITS)
    assert float(restored.result()) == float(metric.result())
    assert len(metric.variables) == len(metric.metric.variables) > 0


def compiled(*metrics):
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 1)]
    model = keras_imas.IMAS(keras.Sequential(layers), seed=0)
    model.compile(keras.optimizers.SGD(1e-9), metrics=list(metrics))
    return model


@pytest.mark.parametrize(
    "validated", [True, pytest.param(False, marks=pytest.mark.full)]
)
def test_a_metric_that_makes_its_variables_late_goes_through_fit(validated):
    model = compiled(keras.metrics.F1Score("macro"))
    images = RNG.uniform(0, 255, (4, 8, 8, 3)).astype("float32")
    labels = RNG.integers(0, 4, (4, 8, 8)).astype("int32")
    validation = {"validation_data": (images, labels)} if validated else {}
    history = model.fit({"labeled": images}, labels, verbose=0, **validation).history
    found = model.evaluate(images, labels, verbose=0, return_dict=True)["f1_score"]
    predicted = np.argmax(model.predict(images, verbose=0), -1)
    expected = np.mean(
        [
            2 * ((labels == k) & (predicted == k)).sum()
            / max((labels == k).sum() + (predicted == k).sum(), 1)
            for k in range(4)
        ]
    )  # fmt: skip
    assert found == pytest.approx(expected, abs=1e-5)
    if validated:
        assert history["val_f1_score"] == [pytest.approx(expected, abs=1e-5)]


def test_callbacks_know_that_more_accuracy_is_better():
    model = compiled("accuracy")
    images, labels = np.zeros((2, 8, 8, 3), "float32"), np.zeros((2, 8, 8), "int32")
    stop = keras.callbacks.EarlyStopping(monitor="val_accuracy", patience=1)
    validation = {"validation_data": (images, labels)}
    x = {"labeled": images}
    model.fit(x, labels, epochs=3, callbacks=[stop], verbose=0, **validation)
    assert stop.monitor_op is ops.greater or stop.monitor_op is np.greater


def test_names_of_the_logs_of_training_are_refused():
    for metric in (
        keras.metrics.SparseCategoricalAccuracy(name="hardness"),
        keras.metrics.Mean(name="teacher_decay"),
    ):
        with pytest.raises(ValueError, match=f"the name of the.*{metric.name}"):
            compiled(metric)
