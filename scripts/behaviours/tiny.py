"""Tiny images, networks and models."""

import keras
import numpy as np

import keras_imas

SIZE, CLASSES, BATCH_SIZE = 16, 3, 4
COLORS = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200]], "float32")


def images(count=12, seed=0, size=SIZE):
    """Return noisy images of blocks of three colors, and their label maps."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, (count, 4, 4))
    labels = labels.repeat(size // 4, 1).repeat(size // 4, 2)
    noise = rng.normal(0, 40, (*labels.shape, 3))
    pictures = np.clip(COLORS[labels] + noise, 0, 255).astype("float32")
    labels = labels.astype("int32")
    labels[::3, : size // 3] = 255
    return pictures, labels


def batch(count=12, valid=True, index=True):
    """Return the inputs and label maps of `count` images of each kind."""
    labeled, labels = images(count)
    weak, _ = images(count, seed=1)
    inputs = {
        "labeled": labeled,
        "unlabeled": weak,
        "unlabeled_strong": np.clip(1.4 * weak - 40, 0, 255),
    }
    if valid:
        inputs["unlabeled_valid"] = np.ones(labels.shape, "float32")
        for place, mask in enumerate(inputs["unlabeled_valid"]):
            mask[:, SIZE - place % 5 :] = 0
    if index:
        inputs["labeled_index"] = np.arange(count, dtype="int32")
        inputs["unlabeled_index"] = np.arange(count, dtype="int32")[::-1].copy()
    return inputs, labels


def batches(count=16, **options):
    """Return the `tf.data` batches that the package makes."""
    labeled, unlabeled = images(6), images(count, seed=1)[0]
    options = {"num_classes": CLASSES, "seed": 3, "num_parallel_calls": 1, **options}
    return keras_imas.data.semi_supervised(
        labeled, unlabeled, crop_size=SIZE, **options
    )


def network(auxiliary=True, synchronized=False):
    """Return a network at half the images' resolution, with draws of its own."""
    layers = keras.layers
    options = {"synchronized": True} if synchronized else {}
    inputs = keras.Input((None, None, 3))
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    x = layers.Conv2D(6, 3, strides=2, padding="same")(x)
    x = layers.BatchNormalization(momentum=0.9, **options)(x)
    x = features = layers.ReLU()(x)
    x = layers.Dropout(0.1, seed=1)(x)
    outputs = layers.Conv2D(CLASSES, 3, padding="same")(x)
    if auxiliary:
        outputs = [outputs, layers.Conv2D(CLASSES, 1, name="auxiliary")(features)]
    return keras.Model(inputs, outputs)


def optimizer(**options):
    """Return the optimizer of the paper."""
    options = {"learning_rate": 0.05, "momentum": 0.9, "l2": 1e-4, **options}
    return keras_imas.optimizers.SGD(**options)


def metric():
    """Return the mean IoU."""
    return keras_imas.metrics.MeanIoU(CLASSES, ignore_class=255)


def model(student=None, compiled=None, **options):
    """Return a compiled `IMAS`."""
    options = {"confidence_threshold": 0.4, "seed": 7, **options}
    imas = keras_imas.IMAS(student or network(), **options)
    compiled = {"optimizer": optimizer(), "metrics": [metric()], **(compiled or {})}
    imas.compile(**compiled)
    return imas
