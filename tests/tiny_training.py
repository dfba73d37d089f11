"""Tiny images, a tiny model, and training it."""

import keras
import numpy as np

import keras_imas
from keras_imas.callbacks import (
    Evaluation,
)

CLASSES = 3
RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(0, 255, (5, 6, 7, 3)).astype("float32")
LABELS = RNG.integers(0, CLASSES, (5, 6, 7)).astype("int32")
LABELS[:, 0] = 255
BATCH = {
    "labeled": IMAGES[:4],
    "unlabeled": IMAGES[:4, ::-1],
    "unlabeled_strong": 255 - IMAGES[:4, ::-1],
}


class Pairs(keras.utils.PyDataset):
    """Images and label maps, two a batch; the last has one."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        chosen = slice(2 * index, 2 * index + 2)
        return IMAGES[chosen], LABELS[chosen]


def imas(**options):
    layers = [
        keras.Input((6, 7, 3)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(CLASSES, 1, strides=2),
    ]
    model = keras_imas.IMAS(keras.Sequential(layers), seed=0, **options)
    model.compile(keras.optimizers.SGD(0.5), run_eagerly=True)
    return model


def fit(model, *callbacks, inputs=BATCH, batch_size=2, epochs=3, **options):
    return model.fit(
        inputs,
        LABELS[:4],
        batch_size=batch_size,
        epochs=epochs,
        callbacks=list(callbacks),
        shuffle=False,
        verbose=0,
        **options,
    ).history


def evaluation(**options):
    return Evaluation(Pairs(), CLASSES, **options)


INDEX = np.array([5, 0, 3, 2], "int32")
# The darker an image, the less is seen in it, and the less sure are the networks.
UNLABELED = IMAGES[:4] * np.linspace(0, 1, 4, dtype="float32")[:, None, None, None]
NAMES = list("abcdef")


def fit_indexed(model, *callbacks, index=INDEX, epochs=2, **options):
    inputs = {**BATCH, "unlabeled": UNLABELED, "unlabeled_index": index}
    return fit(model, *callbacks, inputs=inputs, batch_size=4, epochs=epochs, **options)
