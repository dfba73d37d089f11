"""What a type checker sees of the package: mypy reads it, and nothing runs it."""

from collections.abc import Callable
from typing import Any, assert_type

import keras
import numpy as np

import keras_imas


def train(student: keras.Model) -> None:
    labeled = keras_imas.data.from_folder("photos", "masks", image_size=(64, 64))
    assert_type(labeled, keras_imas.data.Examples)
    assert_type(labeled.get(0), dict[str, Any] | None)
    drawn = keras_imas.data.splits.draw(["a", "b"], 0.5)
    assert_type(drawn, list[str])
    assert_type(
        keras_imas.data.scenes.load(3),
        tuple[np.ndarray, np.ndarray],
    )
    assert_type(keras_imas.data.read_class_table("a.csv").grey, bool)
    batches = keras_imas.data.semi_supervised(labeled, labeled, crop_size=(33, 65))
    schedule = keras_imas.optimizers.PolynomialDecay(0.1, decay_steps=100)
    model = keras_imas.IMAS(student, unlabeled_weight=3.0, cutmix_area=(0.02, 0.4))
    model.compile(
        keras_imas.optimizers.SGD(schedule, multipliers={"decoder": 10.0}),
        keras_imas.losses.OHEMCrossentropy(min_kept=100, class_weights=[1, 2.0]),
        metrics=[keras_imas.metrics.MeanIoU(num_classes=2, ignore_class=255)],
    )
    watched = keras_imas.callbacks.Evaluation(batches, 2, filepath="best.keras")
    keras_imas.callbacks.TensorBoard("logs", evaluation=watched)
    keras_imas.callbacks.HardnessLog("hardness.parquet", labeled)
    keras_imas.callbacks.Checkpoint("checkpoints", every=100)
    loss = keras_imas.losses.loss_over_label_maps("sparse_categorical_crossentropy")
    assert_type(loss, Callable[..., Any])


def build() -> None:
    keras_imas.models.deeplab_v3_plus(3, weights=None, input_shape=(None, 64, 3))
    keras_imas.models.dpt(3, channels=(48, 96, 192, 384))
    keras_imas.models.dilated_backbone("resnet50", multi_grid=(1, 2, 4))
    keras_imas.augment.blend(np.zeros(3), np.zeros(3), np.zeros(3))
    keras_imas.teacher.ema_decay(3, copy_until=2)
    keras_imas.hardness([[1.0]], [[1.0]], background_class=0)


def predict(network: keras.Model) -> None:
    predictor = keras_imas.inference.Predictor(network, window=(64, 96), scales=[1.5])
    for probabilities in predictor([np.zeros((5, 5, 3))]):
        assert_type(probabilities, np.ndarray)
    assert_type(keras_imas.inference.window_starts(100, 50), list[int])
    confusion, loss = keras_imas.evaluation.evaluate(predictor, [], 3)
    assert_type(confusion.mean_iou, float)
    assert_type(loss, float)
    run = keras_imas.load("runs/folder-imas-1", flip=True)
    assert_type(run.class_table.names, tuple[str, ...])
    run.predict("photo.jpg").save("mask.png")
