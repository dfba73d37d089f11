"""Scenarios of misuse: each is an error, with its text."""

import functools

import keras
import numpy as np
from behaviours import facts, tiny

import keras_imas

SCENARIOS = ("arguments", "students", "batches")


class Unclonable(keras.Model):
    """A network that only its program can make again."""

    def __init__(self, convolution):
        super().__init__()
        self.convolution = convolution

    def call(self, inputs):
        """Return the logits."""
        return self.convolution(inputs)


def arguments(directory):
    student = tiny.network()
    inputs, labels = tiny.batch()

    def train(**options):
        tiny.model(student, **options).fit(inputs, labels, batch_size=4, verbose=0)

    result = {}
    for name, value in (
        ("confidence_threshold", 1.5),
        ("confidence_threshold", "high"),
        ("ema_decay", -0.1),
        ("cutmix_probability", 2),
        ("cutmix_range", (0.9, 0.1)),
        ("cutmix_range", 0.5),
        ("ema_copy_steps", -1),
        ("supervised_only_steps", -1),
        ("auxiliary_weight", -1.0),
        ("max_skipped_steps", -1),
        ("unlabeled_weight", -1.0),
        ("pairing_group_size", 0),
        ("pairing_group_size", 2.5),
        ("pairing_group_size", 1),
        ("background_class", 9),
        ("background_class", -2),
        ("no_such", 1),
    ):
        result[f"{name}={value}"] = facts.error_of(
            functools.partial(train, **{name: value})
        )
    return result


def students(directory):
    convolution = keras.layers.Conv2D(tiny.CLASSES, 1)
    unclonable = Unclonable(convolution)
    unclonable(np.zeros((1, 16, 16, 3), "float32"))
    unbuilt = keras.Sequential([keras.layers.Conv2D(tiny.CLASSES, 1)])
    inputs = keras.Input((16, 16, 3))
    many = keras.Model(
        inputs, {name: keras.layers.Conv2D(3, 1)(inputs) for name in "abc"}
    )
    images, labels = tiny.batch(4)
    imas = keras_imas.IMAS
    return {
        "unbuilt": facts.error_of(lambda: imas(unbuilt)),
        "unclonable": facts.error_of(lambda: imas(unclonable)),
        "other teacher": facts.error_of(
            lambda: imas(tiny.network(), teacher=tiny.network(auxiliary=False))
        ),
        "many outputs": facts.error_of(
            lambda: tiny.model(many).fit(images, labels, verbose=0)
        ),
        "not compiled": facts.error_of(
            lambda: imas(tiny.network()).fit(images, labels, verbose=0)
        ),
        "no student": facts.error_of(lambda: imas(None)),
    }


def batches(directory):
    inputs, labels = tiny.batch(8)
    callbacks = keras_imas.callbacks
    half = inputs["unlabeled"][:, :8]
    table = f"{directory}/hardness.parquet"
    unknown = np.where(labels == 1, 7, labels)
    checkpoint = callbacks.Checkpoint(f"{directory}/of arrays", every=1)

    def without(*names):
        return {name: inputs[name] for name in inputs if name not in names}

    cases = {
        "no labeled": (without("labeled"), labels),
        "no strong view": (without("unlabeled_strong"), labels),
        "images alone": (inputs["labeled"], labels),
        "strong view of another size": ({**inputs, "unlabeled_strong": half}, labels),
        "unlabeled of another size": (
            {**without("unlabeled_valid"), "unlabeled": half, "unlabeled_strong": half},
            labels,
        ),
        "unknown class": (inputs, unknown),
        "no labels": (inputs, None),
        "too few labels": (inputs, labels[:5]),
    }
    result = {
        name: facts.fit(tiny.model(), *data, batch_size=4)
        for name, data in cases.items()
    }
    for name, options, fitting in (
        ("groups of 3", {"pairing_group_size": 3}, {"batch_size": 4}),
        ("a last batch of 1", {}, {"batch_size": 7}),
        ("batches of 1", {}, {"batch_size": 1}),
        ("tables without index", {}, {"callbacks": [callbacks.HardnessLog(table, 8)]}),
        ("two checkpoints", {}, {"callbacks": [checkpoint, checkpoint]}),
    ):
        data = without("unlabeled_index") if "without" in name else inputs
        result[name] = facts.fit(tiny.model(**options), data, labels, **fitting)
    result["checkpoint"] = facts.fit(
        tiny.model(), inputs, labels, callbacks=[checkpoint]
    )
    other = tiny.model(tiny.network(auxiliary=False))
    result["checkpoint of another"] = facts.fit(
        other, inputs, labels, callbacks=[checkpoint]
    )
    plain = tiny.network(auxiliary=False)
    plain.compile(loss="mse")
    again = callbacks.Checkpoint(f"{directory}/plain", every=1)
    result["checkpoint of a plain model"] = facts.fit(
        plain, inputs["labeled"], inputs["labeled"][:, ::2, ::2], callbacks=[again]
    )
    result["bad interval"] = facts.error_of(
        lambda: callbacks.Checkpoint(directory, every="soon")
    )
    result["evaluate a dict"] = facts.error_of(
        lambda: tiny.model().evaluate(inputs, labels, verbose=0)
    )
    return result
