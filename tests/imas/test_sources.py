"""Training from data of every kind."""

import keras
import numpy as np
import pytest
from tiny_imas import (
    CLASSES,
    HEIGHT,
    PADDING,
    TRAINING_LOGS,
    WIDTH,
    batch,
    compiled,
    conv_student,
    eager,
    images,
    label_maps,
    step,
    weights,
)

import keras_imas
from keras_imas.metrics import MeanIoU


def as_source(kind, inputs, labels):
    """Returns the positional arguments of `fit`."""
    if kind == "numpy":
        return inputs, labels
    if kind.startswith("tf.data"):
        tf = pytest.importorskip("tensorflow")
        dataset = tf.data.Dataset.from_tensor_slices((inputs, labels))
        return (dataset.batch(2, drop_remainder=kind == "tf.data, known batch"),)
    if kind == "DataLoader":
        data = pytest.importorskip("torch").utils.data
        examples = [
            ({name: value[i] for name, value in inputs.items()}, labels[i])
            for i in range(len(labels))
        ]
        return (data.DataLoader(examples, batch_size=2),)

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            chosen = slice(2 * index, 2 * index + 2)
            return {k: v[chosen] for k, v in inputs.items()}, labels[chosen]

    return (Batches(),)


@pytest.fixture(scope="module")
def fitted():
    """A model to train again and again, which saves compiling it."""
    model = keras_imas.IMAS(conv_student(), seed=0)
    return compiled(model, metrics=[MeanIoU(CLASSES, ignore_class=255)])


@pytest.mark.parametrize(
    "kind",
    ["numpy", "tf.data, known batch", "tf.data, any batch", "PyDataset", "DataLoader"],
)
def test_fit_takes_data_of_every_kind(kind, fitted):
    inputs, labels = batch(4, 4), label_maps(4)
    inputs["unlabeled_valid"] = PADDING
    before = weights(fitted.student)
    fitted.step.assign(0)
    history = fitted.fit(
        *as_source(kind, inputs, labels),
        batch_size=2 if kind == "numpy" else None,
        validation_data=(images(3, 5), label_maps(3)),
        epochs=2,
        verbose=0,
    ).history
    assert set(history) == TRAINING_LOGS | {"val_loss", "val_mean_iou"}
    assert np.isfinite(list(history.values())).all()
    assert history["teacher_decay"] == pytest.approx([0.25, (2 / 3 + 3 / 4) / 2])
    assert int(fitted.step) == 4
    after = weights(fitted.student)
    assert all((a != b).any() for a, b in zip(before, after, strict=True))


def test_the_step_that_finds_no_more_data_is_none():
    tf = pytest.importorskip("tensorflow")
    keras.utils.set_random_seed(0)
    model = compiled(keras_imas.IMAS(conv_student(), seed=0))
    dataset = tf.data.Dataset.from_tensor_slices((batch(4, 4), label_maps(4)))
    dataset = dataset.filter(lambda *_: True).batch(2)  # of unknown length
    model.fit(dataset, epochs=2, verbose=0)
    expected = 2 * len(list(dataset))
    assert int(keras.ops.convert_to_numpy(model.step)) == expected


def test_fit_on_labeled_images_alone(fitted):
    history = fitted.fit(
        {"labeled": images(4)},
        label_maps(4),
        batch_size=2,
        validation_data=(images(3, 5), label_maps(3)),
        verbose=0,
    ).history
    names = {"loss", "supervised_loss", "teacher_decay"}
    assert set(history) == names | {"val_loss", "val_mean_iou"}
    assert history["loss"] == history["supervised_loss"]


def test_compile_takes_any_loss():
    logs = {}
    for name, loss in (
        ("default", None),
        ("all", keras_imas.losses.OHEMCrossentropy(min_kept=0)),
        ("hard", keras_imas.losses.OHEMCrossentropy(0.3, min_kept=5)),
    ):
        keras.utils.set_random_seed(0)
        model = eager(keras_imas.IMAS(conv_student(), seed=0), loss=loss)
        logs[name] = step(model)
        assert set(logs[name]) == TRAINING_LOGS
    assert logs["all"] == pytest.approx(logs["default"], rel=1e-4)
    assert logs["hard"]["supervised_loss"] > 1.1 * logs["all"]["supervised_loss"]


@pytest.mark.parametrize(
    ("dtype", "ignore_class"), [("uint8", -1), ("uint8", 65535), ("int8", 255)]
)
def test_the_ignore_class_may_be_beyond_the_labels_of_a_file(dtype, ignore_class):
    model = keras_imas.IMAS(conv_student(), ignore_class=ignore_class, seed=0)
    eager(model, metrics=["accuracy"])
    labels = np.zeros((2, HEIGHT, WIDTH), dtype)
    assert np.isfinite(step(model, labels=labels)["loss"])
    results = [
        model.evaluate(images(2), y, verbose=0)
        for y in (labels, labels.astype("int32"))
    ]
    assert results[0] == results[1]
