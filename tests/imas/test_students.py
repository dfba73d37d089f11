"""Students of every kind."""

import keras
import numpy as np
import pytest
from keras import ops
from tiny_imas import (
    CLASSES,
    HEIGHT,
    TRAINING_LOGS,
    WIDTH,
    Subclassed,
    assert_all_close,
    batch,
    built,
    conv_student,
    eager,
    images,
    label_maps,
    mean_cross_entropy,
    resized,
    step,
    weights,
)

import keras_imas


class WithoutConfig(keras.Model):
    def __init__(self, filters):
        super().__init__()
        self.head = keras.layers.Conv2D(filters, 1)

    def call(self, images):
        return self.head(images)


def test_subclassed_student():
    model = keras_imas.IMAS(built(Subclassed(filters=5)))
    assert model.teacher.filters == 5
    assert_all_close(weights(model.teacher), weights(model.student))
    assert set(step(eager(model, 1e-6))) == TRAINING_LOGS
    assert model.predict(images(3), verbose=0).shape == (3, HEIGHT, WIDTH, CLASSES)


def test_student_that_cannot_be_cloned_needs_a_teacher():
    with pytest.raises(ValueError, match="can't clone.*WithoutConfig.*`teacher=`"):
        keras_imas.IMAS(built(WithoutConfig(CLASSES)))
    student, teacher = (built(WithoutConfig(CLASSES)) for _ in range(2))
    model = keras_imas.IMAS(student, teacher)
    assert model.teacher is teacher
    assert_all_close(weights(teacher), weights(student))
    assert set(step(eager(model, 1e-6))) == TRAINING_LOGS


def test_sequential_student():
    layers = [keras.Input((HEIGHT, WIDTH, 3)), keras.layers.Conv2D(CLASSES, 1)]
    model = eager(keras_imas.IMAS(keras.Sequential(layers)), 1e-6)
    assert set(step(model)) == TRAINING_LOGS


@keras.saving.register_keras_serializable(package="test_imas")
class ManyOutputs(Subclassed):
    """Returns `(logits, auxiliary logits)` as a tuple, a list or a dict."""

    def __init__(self, kind="tuple", **kwargs):
        super().__init__(**kwargs)
        self.kind = kind
        self.auxiliary = keras.layers.Conv2D(CLASSES, 1, strides=2)

    def call(self, images, training=None):
        x = self.norm(self.hidden(images), training=training)
        outputs = self.head(x), self.auxiliary(x)
        if self.kind == "dict":
            return dict(zip(("main", "auxiliary"), outputs, strict=True))
        return list(outputs) if self.kind == "list" else outputs

    def get_config(self):
        return {**super().get_config(), "kind": self.kind}


def with_outputs(kind):
    """A student with two outputs; the second has a quarter of the pixels."""
    if kind.startswith("subclassed"):
        return built(ManyOutputs(kind.split()[-1]))
    inputs = keras.Input((HEIGHT, WIDTH, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    main = keras.layers.Conv2D(CLASSES, 1)(x)
    auxiliary = keras.layers.Conv2D(CLASSES, 1, strides=2)(x)
    if kind.endswith("dict"):
        return keras.Model(inputs, {"main": main, "auxiliary": auxiliary})
    return keras.Model(inputs, [main, auxiliary])


@pytest.mark.parametrize(
    "kind",
    [
        "functional list",
        "functional dict",
        "subclassed tuple",
        "subclassed list",
        "subclassed dict",
    ],
)
def test_first_of_several_outputs_is_the_main_one(kind):
    model = keras_imas.IMAS(with_outputs(kind), auxiliary_weight=0.25, seed=0)
    outputs = model.student(batch()["labeled"], training=False)
    if isinstance(outputs, dict):
        outputs = [outputs["main"], outputs["auxiliary"]]
    main, auxiliary = (ops.convert_to_numpy(x) for x in outputs)
    assert main.shape[1:3] == (HEIGHT, WIDTH) != auxiliary.shape[1:3]
    np.testing.assert_allclose(
        model.predict(batch()["labeled"], verbose=0), main, rtol=1e-4, atol=1e-3
    )
    if kind.startswith("functional"):  # no batch normalization: the same in training
        labels = label_maps(2)
        expected = mean_cross_entropy(main, labels, 255)
        expected += 0.25 * mean_cross_entropy(resized(auxiliary), labels, 255)
        logs = step(eager(model, 1e-6), labels=labels)
        assert logs["supervised_loss"] == pytest.approx(expected, rel=1e-4)


def test_a_dict_of_unclear_outputs():
    with pytest.raises(ValueError, match=r'"auxiliary".*\[\'one\', \'two\'\]'):
        keras_imas.inference.list_outputs({"one": 1, "two": 2})


def test_dropout_differs_between_steps():
    model = keras_imas.IMAS(conv_student(dropout=0.5), ema_decay=0.0)
    eager(model, 0.0, loss=keras.losses.SparseCategoricalCrossentropy(True))
    labels = np.zeros((2, HEIGHT, WIDTH), "int32")
    losses = [step(model, labels=labels)["supervised_loss"] for _ in range(2)]
    assert losses[0] != losses[1]


def test_teachers_that_teach_nothing_are_refused():
    layers = [keras.Input((HEIGHT, WIDTH, 3)), keras.layers.Conv2D(CLASSES, 1)]
    student = keras.Sequential(layers)
    of_the_same_layers = keras.Model(student.inputs, student.outputs)
    for teacher in (student, of_the_same_layers):
        with pytest.raises(ValueError, match="`teacher` must be a second model"):
            keras_imas.IMAS(student, teacher)
    head = keras.layers.Conv2D(CLASSES, 1, activation="softmax")
    with pytest.raises(ValueError, match="`teacher` must return logits.*softmax"):
        keras_imas.IMAS(student, keras.Sequential([layers[0], head]))
    with pytest.raises(ValueError, match="must be made the same way.*0 weights"):
        keras_imas.IMAS(student, WithoutConfig(CLASSES))
