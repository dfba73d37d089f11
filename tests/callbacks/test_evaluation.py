import json
import os

import keras
import numpy as np
import pytest
from tiny_training import CLASSES, IMAGES, LABELS, Pairs, evaluation, fit, imas

import keras_imas
from keras_imas.callbacks import Evaluation
from keras_imas.metrics import MeanIoU


class Recorder(keras.callbacks.Callback):
    """Keeps the epochs' logs, and both networks' weights."""

    def __init__(self):
        super().__init__()
        self.logs, self.teachers, self.students = [], [], []

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append(dict(logs))
        self.teachers.append(self.model.teacher.get_weights())
        self.students.append(self.model.student.get_weights())


def iou(model, network, weights):
    """The mean IoU of a network with other weights, by hand."""
    network = keras_imas.inference.segmenter(network)
    kept = network.get_weights()
    network.set_weights(weights)
    metric = MeanIoU(CLASSES, ignore_class=255)
    metric.update_state(LABELS, network.predict(IMAGES, verbose=0))
    network.set_weights(kept)
    return float(metric.result())


def test_evaluates_teacher_and_student_after_each_epoch(tmp_path):
    model, recorder = imas(ema_decay=0.9), Recorder()
    callback = evaluation()
    # Those that come after it see its results.
    stop = keras.callbacks.EarlyStopping("val_mean_iou", mode="max", patience=9)
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    history = fit(model, callback, recorder, stop, log)
    assert "val_student_mean_iou" in (tmp_path / "log.csv").read_text()
    assert stop.best == callback.best
    json.dumps({name: float(value) for name, value in recorder.logs[0].items()})
    names = {"val_loss", "val_mean_iou", "val_student_loss", "val_student_mean_iou"}
    assert all(names < set(logs) for logs in recorder.logs)
    assert names < set(history)
    for epoch, logs in enumerate(recorder.logs):
        for name, network, weights in (
            ("val_mean_iou", model.teacher, recorder.teachers[epoch]),
            ("val_student_mean_iou", model.student, recorder.students[epoch]),
        ):
            expected = iou(model, network, weights)
            assert logs[name] == pytest.approx(expected, abs=1e-4)
    values = history["val_mean_iou"]
    assert callback.best == max(values)
    assert callback.best_epoch == values.index(max(values))
    last = callback.confusion["teacher"]
    assert last.mean_iou == pytest.approx(values[-1], abs=1e-4)
    assert history["val_pixel_accuracy"][-1] == last.pixel_accuracy
    assert last.counts.sum() == (LABELS != 255).sum()


def test_evaluating_does_not_change_training():
    results = []
    for callbacks in ([], [evaluation()]):
        keras.utils.set_random_seed(0)
        model = imas()
        fit(model, *callbacks, epochs=2)
        results.append(model.get_weights())
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("every, epochs, expected", [(2, 3, [1, 2]), (9, 1, [0])])
def test_every_few_epochs_and_after_the_last(every, epochs, expected):
    recorder = Recorder()
    fit(imas(), evaluation(every=every), recorder, epochs=epochs)
    seen = [i for i, logs in enumerate(recorder.logs) if "val_mean_iou" in logs]
    assert seen == expected


def test_keeps_the_best_teacher(tmp_path):
    model, recorder = imas(ema_decay=0.5), Recorder()
    callback = evaluation(filepath=str(tmp_path / "best.keras"))
    history = fit(model, callback, recorder, epochs=4)
    assert os.listdir(tmp_path) == ["best.keras"]
    best = keras.saving.load_model(tmp_path / "best.keras")
    weights = recorder.teachers[callback.best_epoch]
    for a, b in zip(best.get_weights(), weights, strict=True):
        np.testing.assert_allclose(a, b)
    metric = MeanIoU(CLASSES, ignore_class=255)
    metric.update_state(LABELS, best.predict(IMAGES, verbose=0))
    assert float(metric.result()) == pytest.approx(
        max(history["val_mean_iou"]), abs=1e-4
    )


def test_selects_on_other_images_than_those_that_are_reported(tmp_path):
    class Inverted(Pairs):
        """Labels of which as many as possible are missed by a good teacher."""

        def __getitem__(self, index):
            images, labels = super().__getitem__(index)
            return images, np.where(labels == 255, 255, (labels + 1) % CLASSES)

    callback = evaluation(
        select_on=Inverted(), filepath=str(tmp_path / "best.keras"), flip=True
    )
    recorder = Recorder()
    history = fit(imas(ema_decay=0.5), callback, recorder, epochs=4)
    values = history["select_mean_iou"]
    assert values != history["val_mean_iou"]
    assert callback.best_epoch == values.index(max(values))
    best = keras.saving.load_model(tmp_path / "best.keras").get_weights()
    for a, b in zip(best, recorder.teachers[callback.best_epoch], strict=True):
        np.testing.assert_allclose(a, b)


def test_an_evaluation_over_one_class_says_so():
    labels = np.where(LABELS == 1, 1, 255)
    callback = Evaluation([(IMAGES, labels)], CLASSES)
    with pytest.warns(UserWarning, match="val_mean_iou: .* are class 1"):
        fit(imas(), callback, epochs=1)
