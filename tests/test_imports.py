import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]

# PyTorch looks for TensorFlow with `find_spec`, so a finder that raises won't do.
BLOCK = """
import sys
from importlib.machinery import PathFinder

class Blocked(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras_cv", "tensorflow_datasets"):
            return None
        return super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Blocked
try:
    import tensorflow
except ImportError:
    pass
else:
    raise RuntimeError("TensorFlow is not blocked")
"""

TRAIN = """
import keras
import numpy as np
import keras_imas

inputs = keras.Input((16, 16, 3))
x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
x = keras.layers.BatchNormalization(momentum=0.9)(x)
model = keras_imas.IMAS(keras.Model(inputs, keras.layers.Conv2D(3, 1)(x)), seed=0)
metric = keras_imas.metrics.MeanIoU(num_classes=3, ignore_class=255)
model.compile(optimizer=keras.optimizers.SGD(0.01), metrics=[metric])

rng = np.random.default_rng(0)
images = rng.uniform(0, 255, (4, 16, 16, 3)).astype("float32")
labels = rng.integers(0, 3, (4, 16, 16)).astype("int32")
labels[:, 0] = 255
data = {
    "labeled": images,
    "unlabeled": images[::-1],
    "unlabeled_strong": 255 - images[::-1],
}
before = [np.array(w) for w in model.student.get_weights()]
history = model.fit(data, labels, batch_size=2, epochs=1, shuffle=False, verbose=0)
assert np.isfinite(history.history["loss"]).all()
assert any(np.any(a != b) for a, b in zip(before, model.student.get_weights()))
values = model.evaluate(images, labels, batch_size=2, verbose=0, return_dict=True)
assert 0 <= values["mean_iou"] <= 1
logits = model.predict(images, batch_size=2, verbose=0)
assert logits.shape == (4, 16, 16, 3)
np.testing.assert_allclose(
    logits, model.teacher.predict(images, batch_size=2, verbose=0), atol=1e-4
)
assert "tensorflow" not in sys.modules
"""

LAZY = """
import sys
import keras_imas
loaded = {"keras_cv", "tensorflow_datasets"} & set(sys.modules)
assert not loaded, loaded
"""


def run(program, backend):
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    process = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr[-4000:]


def on(*backends):
    return [pytest.param(b, marks=getattr(pytest.mark, f"{b}_only")) for b in backends]


@pytest.mark.parametrize("backend", on("jax", "torch"))
def test_trains_where_tensorflow_and_keras_cv_are_not_installed(backend):
    run(BLOCK + TRAIN, backend)


@pytest.mark.parametrize("backend", on("jax", "torch", "tensorflow"))
def test_import_leaves_keras_cv_and_datasets_alone(backend):
    run(LAZY, backend)
