"""Unlabeled images that never count: said before the first step, or once."""

import warnings

import keras
import numpy as np
import pytest

import keras_imas
from keras_imas.training.unlabeled_use import unlabeled_problem

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")
BATCH = {"labeled": IMAGES, "unlabeled": IMAGES, "unlabeled_strong": 255 - IMAGES}
LABELS = np.indices((2, 8, 8))[1].astype("int32") % 2


def ramp(steps):
    return keras.optimizers.schedules.PolynomialDecay(0.0, steps, 3.0)


@pytest.mark.parametrize(
    "steps, warm_up, weight, said",
    [
        (4, 4, 3.0, "the warm-up"),
        (4, 3, 3.0, ""),
        (None, 500, 3.0, ""),
        (None, 0, 0.0, "`unlabeled_weight=0.0`"),
        (100, 0, ramp(50), ""),
        (100, 0, ramp(100), ""),
        (100, 0, ramp(1000), "ramp-up"),
        (100, 60, ramp(50), "ramp-up"),
        (1, 0, ramp(1000), "is 0 for all"),
    ],
)
def test_what_can_be_known_from_the_numbers(steps, warm_up, weight, said):
    message = unlabeled_problem(steps, warm_up=warm_up, weight=weight)
    assert said in message and bool(said) == bool(message)


def said(batch=BATCH, epochs=2, **options):
    network = [
        keras.Input((8, 8, 3)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(2, 1),
    ]
    model = keras_imas.IMAS(keras.Sequential(network), seed=0, **options)
    model.compile(keras.optimizers.SGD(1e-3))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(batch, LABELS, epochs=epochs, verbose=0)
    text = [str(warning.message) for warning in caught]
    return [line for line in text if "unlabeled image" in line or "ramp-up" in line]


def test_fit_says_it_once():
    (line,) = said(supervised_only_steps=2)
    assert "warm-up" in line
    for by_class in (False, True):
        options = {"confidence_threshold": 1.0, "class_thresholds": by_class}
        (line,) = said(**options, epochs=3)
        assert "In epoch 1 the teacher was not confident about any pixel" in line
    assert said(confidence_threshold=0.0, supervised_only_steps=1) == []
    assert said({"labeled": IMAGES}, supervised_only_steps=2) == []
