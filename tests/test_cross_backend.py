"""The same weights, batches and draws give the same numbers on every backend."""

import importlib.util
import itertools
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow_only  # each backend has a process of its own

ROOT = pathlib.Path(__file__).resolve().parents[1]
INSTALLED = [
    name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)
]
STEPS, HEIGHT, WIDTH, CLASSES = 3, 17, 19, 4
# Shapes of the student's weights below, in Keras' order.
NORM = [(8,)] * 4
WEIGHTS = [(3, 3, 3, 8), *NORM, (3, 3, 8, 1), *NORM, *[(1, 1, 8, 4), (4,)] * 2]

TRAIN = """
import sys
import keras
import keras_imas
import numpy as np
from keras import ops

inputs = keras.Input((17, 19, 3))
x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
x = keras.layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
x = keras.layers.BatchNormalization(momentum=0.9)(x)
x = keras.layers.ReLU()(x)
x = keras.layers.DepthwiseConv2D(3, padding="same", dilation_rate=2, use_bias=False)(x)
x = keras.layers.BatchNormalization(momentum=0.9)(x)
x = keras.layers.ReLU()(x)
outputs = [keras.layers.Conv2D(4, 1)(x), keras.layers.Conv2D(4, 1)(x)]
student = keras.Model(inputs, outputs)

class InjectedDraws(keras_imas.IMAS):
    def sample_draws(self, batch_size, height, width):
        names = ("boxes", "coin", "shuffle")
        return {name: ops.convert_to_tensor(data[name]) for name in names}

data = dict(np.load("data.npz"))
schedule = keras.optimizers.schedules.PolynomialDecay
model = InjectedDraws(
    student,
    confidence_threshold=0.3,
    unlabeled_weight=schedule(0.5, 2, end_learning_rate=1.0),
    pairing_group_size=2,
)
for name in ("student", "teacher"):
    network = getattr(model, name)
    network.set_weights([data[f"{name}_{i}"] for i in range(len(network.weights))])
model.step.assign(3)
rate = schedule(0.01, 8, power=0.9)
model.compile(keras_imas.optimizers.SGD(rate, momentum=0.9, l2=1e-3))
results = {}
keys = ("labeled", "unlabeled", "unlabeled_strong", "unlabeled_valid")
for step, labels in enumerate(data["labels"]):
    inputs = {key: data[key][step] for key in keys}
    logs = model.train_on_batch(inputs, labels, return_dict=True)
    results.update({f"{key} at step {step}": value for key, value in logs.items()})
for name in ("student", "teacher"):
    for i, weight in enumerate(getattr(model, name).weights):
        results[f"{name}_{i}"] = ops.convert_to_numpy(weight)
np.savez(sys.argv[1], **results)
"""

PREDICT = """
import sys
import keras
import keras_imas
import numpy as np

data = np.load("data.npz")
network = keras_imas.models.deeplab_v3_plus(
    4, backbone="mobilenet_v2", weights=None, channels=16
)
shapes = np.random.default_rng(1)
values = []
for weight in network.weights:
    # Close to the identity where that is possible: random depth would amplify noise.
    near = 1.0 if weight.name in ("gamma", "moving_variance") else 0.0
    noise = shapes.normal(0, 0.1, weight.shape)
    values.append(near + (abs(noise) if near else noise))
network.set_weights(values)
images = data["labeled"][0]
np.savez(sys.argv[1], odd=network.predict(images), even=network.predict(images[:, 1:]))
"""


def write_data(path):
    """Writes weights, of which none stays zero but for rounding, batches and draws."""
    rng = np.random.default_rng(0)
    weights = {
        f"{name}_{i}": abs(rng.normal(0, 0.5, shape)) if i % 5 in (1, 4) else value
        for name in ("student", "teacher")
        for i, shape in enumerate(WEIGHTS)
        for value in [rng.normal(0, 1.0 if i > 10 else 0.3, shape)]
    }
    blocks = rng.uniform(0, 255, (STEPS, 6, 5, 5, 3)).repeat(4, 2).repeat(4, 3)
    images = blocks[:, :, :HEIGHT, :WIDTH].astype("float32")
    labels = rng.integers(0, CLASSES, (STEPS, 2, HEIGHT, WIDTH)).astype("int32")
    labels[:, :, :3] = 255
    valid = np.ones((STEPS, 4, HEIGHT, WIDTH), "float32")
    valid[:, 0, -5:] = 0
    np.savez(
        path,
        labeled=images[:, :2],
        unlabeled=images[:, 2:],
        unlabeled_strong=255 - images[:, 2:],
        unlabeled_valid=valid,
        labels=labels,
        boxes=np.array(
            [[0, 1, 9, 16], [2, 0, 15, 7], [5, 3, 16, 12], [0, 0, 8, 8]], "int32"
        ),
        coin=np.array([0.0, 0.999], "float32"),
        shuffle=np.array([0.9, 0.1, 0.5, 0.3], "float32"),
        **weights,
    )
    return weights


def run_everywhere(program, folder):
    """Returns what the program saves, by backend."""
    processes = {}
    for backend in INSTALLED:
        processes[backend] = subprocess.Popen(
            [sys.executable, "-c", program, f"{backend}.npz"],
            cwd=folder,
            env={
                **os.environ,
                "KERAS_BACKEND": backend,
                "PYTHONPATH": str(ROOT),
                "TF_CPP_MIN_LOG_LEVEL": "3",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    errors = {b: process.communicate()[1] for b, process in processes.items()}
    for backend, process in processes.items():
        assert process.returncode == 0, f"{backend}: {errors[backend][-4000:]}"
    return {backend: dict(np.load(folder / f"{backend}.npz")) for backend in INSTALLED}


def assert_alike(results):
    for (one, left), (two, right) in itertools.combinations(results.items(), 2):
        assert set(left) == set(right)
        for key, value in left.items():
            difference = np.abs(value - right[key]).max() / np.abs(value).max()
            assert difference <= 1e-4, f"{key}: {difference} ({one}, {two})"


@pytest.mark.full
@pytest.mark.skipif(len(INSTALLED) < 2, reason="needs two backends")
def test_backends_train_alike(tmp_path):
    start = write_data(tmp_path / "data.npz")
    results = run_everywhere(TRAIN, tmp_path)
    assert_alike(results)
    for values in results.values():
        for step in range(STEPS):
            assert 0.05 < values[f"hardness at step {step}"] < 0.95
            assert values[f"consistency_loss at step {step}"] > 0.01
        for name, weight in start.items():
            assert np.abs(values[name] - weight).max() > 1e-4, name


@pytest.mark.full
@pytest.mark.skipif(len(INSTALLED) < 2, reason="needs two backends")
def test_backends_segment_alike(tmp_path):
    write_data(tmp_path / "data.npz")
    results = run_everywhere(PREDICT, tmp_path)
    assert_alike(results)
    assert results["tensorflow"]["even"].shape == (2, 16, 19, 4)
