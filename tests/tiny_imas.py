"""A tiny student, its batches and its steps."""

import keras
import numpy as np
import reference
from keras import ops

import keras_imas

HEIGHT, WIDTH, CLASSES = 6, 7, 3
TRAINING_LOGS = {
    "loss",
    "supervised_loss",
    "consistency_loss",
    "hardness",
    "pseudo_label_ratio",
    "teacher_decay",
}
UNIFORM = {
    "adaptive_intensity": False,
    "adaptive_cutmix": False,
    "hardness_weighting": False,
}
DRAWS = {
    "boxes": np.array(
        [[0, 1, 3, 6], [2, 0, 5, 4], [1, 3, 6, 7], [0, 0, 4, 4]], "int32"
    ),
    "coin": np.array([0.0], "float32"),
    "shuffle": np.array([0.9, 0.1, 0.5, 0.3], "float32"),
}
PADDING = np.ones((4, HEIGHT, WIDTH), "float32")
PADDING[0, 4:] = PADDING[1, :, :3] = PADDING[3] = 0


class InjectedDraws(keras_imas.IMAS):
    """Takes the draws of each step from `draws` instead of drawing them."""

    draws = None

    def sample_draws(self, batch_size, height, width):
        return {name: ops.convert_to_tensor(x) for name, x in self.draws.items()}


def images(count, seed=0, size=(HEIGHT, WIDTH)):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 255, (count, *size, 3)).astype("float32")


def label_maps(count, seed=0, size=(HEIGHT, WIDTH), ignore_class=255):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, (count, *size)).astype("int32")
    labels[:, 0, :2] = ignore_class
    return labels


def batch(labeled=2, unlabeled=4):
    return {
        "labeled": images(labeled, 0),
        "unlabeled": images(unlabeled, 1),
        "unlabeled_strong": images(unlabeled, 2),
    }


def conv_student(size=(HEIGHT, WIDTH), dropout=0.0):
    inputs = keras.Input((*size, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Conv2D(CLASSES, 1)(x))


def compiled(model, learning_rate=0.01, **options):
    """Compiles for plain SGD, whose steps are the gradients."""
    model.compile(keras.optimizers.SGD(learning_rate), **options)
    return model


def eager(model, learning_rate=0.01, **options):
    """Compiles to run eagerly: less to wait for where few steps are taken."""
    return compiled(model, learning_rate, run_eagerly=True, **options)


def step(model, inputs=None, labels=None):
    """Trains for one step and returns its logs."""
    inputs = batch() if inputs is None else inputs
    labels = label_maps(len(inputs["labeled"])) if labels is None else labels
    return model.train_on_batch(inputs, labels, return_dict=True)


def weights(model):
    return [np.array(value) for value in model.get_weights()]


def assert_all_close(left, right, **tolerance):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_allclose(a, b, **{"rtol": 1e-5, "atol": 1e-6, **tolerance})


def linear_student(strides=(1,), complementary_dropout=False):
    """A 1x1 convolution for each output, at a stride; its features are the image."""
    inputs = x = keras.Input((HEIGHT, WIDTH, 3))
    if complementary_dropout:
        x = keras_imas.models.ComplementaryDropout()(x)
    outputs = [keras.layers.Conv2D(CLASSES, 1, strides=stride)(x) for stride in strides]
    return keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0])


def resized(logits, height=HEIGHT, width=WIDTH):
    """Resizes bilinearly with aligned corners."""
    old_height, old_width = logits.shape[1:3]
    result = np.zeros((len(logits), height, width, logits.shape[-1]))
    for row in range(height):
        for column in range(width):
            y = row * (old_height - 1) / (height - 1)
            x = column * (old_width - 1) / (width - 1)
            for i, j in np.ndindex(old_height, old_width):
                weight = max(0, 1 - abs(y - i)) * max(0, 1 - abs(x - j))
                result[:, row, column] += weight * logits[:, i, j]
    return result


def mean_cross_entropy(logits, labels, ignore_class):
    pixels = [p for p in np.ndindex(labels.shape) if labels[p] != ignore_class]
    losses = [reference.cross_entropy(logits[p], labels[p]) for p in pixels]
    return sum(losses) / len(pixels)


@keras.saving.register_keras_serializable(package="test_imas")
class Subclassed(keras.Model):
    def __init__(self, filters=4, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.hidden = keras.layers.Conv2D(filters, 3, padding="same")
        self.norm = keras.layers.BatchNormalization(momentum=0.9)
        self.head = keras.layers.Conv2D(CLASSES, 1)

    def call(self, images, training=None):
        return self.head(self.norm(self.hidden(images), training=training))

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


def built(student):
    student(images(1))
    return student
