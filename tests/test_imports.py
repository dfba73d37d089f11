import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

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

import atexit

@atexit.register
def tell():
    if "tensorflow" in sys.modules:
        print("TensorFlow was imported after all")
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

EVERY_MODULE = """
import pkgutil
import keras_imas
for found in pkgutil.walk_packages(keras_imas.__path__, "keras_imas."):
    if not found.name.startswith("keras_imas.backends.formulations."):
        __import__(found.name)
assert "tensorflow" not in sys.modules
from keras_imas.data import from_tfds
try:
    from_tfds("mnist", "train")
except ValueError as error:
    assert "pip install tensorflow tensorflow-datasets" in str(error), error
else:
    raise RuntimeError("sets of TFDS are read without it")
"""

PROGRAM = """
import os
import runpy
import sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

# What Windows lacks, or refuses, of what Python has on Unix.
HIDE_UNIX = """
import builtins
import os
import shutil
import sys
import torch  # which knows its system

shutil._use_fd_functions = False

for name in ("resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
kept = {"getcwd", "getcwdb", "getenv", "getpid", "getppid", "getlogin"}
kept |= {"get_terminal_size", "get_inheritable", "get_exec_path"}
for name in set(dir(os)) - kept:
    if name.startswith(("sched_", "fork", "mkfifo", "get")):
        delattr(os, name)
opened, opened_low = builtins.open, os.open

def open(file, *arguments, **options):
    if str(file).startswith(("/proc/self/status", "/proc/self/clear_refs")):
        raise FileNotFoundError(file)
    return opened(file, *arguments, **options)

def open_low(path, *arguments, **options):
    if os.path.isdir(path):
        raise PermissionError(path)
    return opened_low(path, *arguments, **options)

builtins.open, os.open = open, open_low
"""

LAZY = """
import sys
import keras_imas
loaded = {"keras_cv", "tensorflow_datasets"} & set(sys.modules)
assert not loaded, loaded
"""


def run(program, backend, *arguments, cwd=None):
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    process = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert process.returncode == 0, process.stderr[-4000:]
    return process.stdout


def on(*backends):
    return [pytest.param(b, marks=getattr(pytest.mark, f"{b}_only")) for b in backends]


@pytest.mark.parametrize("backend", on("jax", "torch"))
def test_trains_where_tensorflow_and_keras_cv_are_not_installed(backend):
    run(BLOCK + TRAIN, backend)


@pytest.mark.parametrize("backend", on("jax", "torch", "tensorflow"))
def test_import_leaves_keras_cv_and_datasets_alone(backend):
    run(LAZY, backend)


@pytest.mark.parametrize("backend", on("jax", "torch"))
def test_every_module_does_without_tensorflow(backend):
    run(BLOCK + EVERY_MODULE, backend)


@pytest.fixture
def photographs(tmp_path):
    """Six photographs of which two have masks, and two to validate on."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("val", 2)):
        for folder in (split, f"{split}_masks"):
            (tmp_path / folder).mkdir()
        for number in range(count):
            image = rng.integers(0, 256, (40, 56, 3), dtype="uint8")
            Image.fromarray(image).save(tmp_path / split / f"{number}.png")
            if number < 2:
                mask = Image.fromarray(image[..., 0] % 3)
                mask.save(tmp_path / f"{split}_masks" / f"{number}.png")
    return tmp_path


@pytest.mark.full
@pytest.mark.parametrize("backend", on("jax", "torch"))
def test_programs_do_without_tensorflow(backend, photographs):
    def start(path, *arguments):
        program = BLOCK + PROGRAM
        said = run(program, backend, ROOT / path, *arguments, cwd=photographs)
        assert "TensorFlow was imported after all" not in said
        return said

    assert "device pipeline" in use_programs(start, photographs)


@pytest.mark.full
@pytest.mark.parametrize("backend", on("tensorflow", "torch"))
def test_programs_do_without_what_windows_lacks(backend, photographs):
    def start(path, *arguments):
        program = HIDE_UNIX + PROGRAM
        return run(program, backend, ROOT / path, *arguments, cwd=photographs)

    use_programs(start, photographs)


def use_programs(start, photographs):
    """Check a folder, train on it, evaluate and predict; what training said."""
    labels = ("--num_classes=3", "--verbose=0")
    train = ("--images=train", "--masks=train_masks")
    val = ("--val_images=val", "--val_masks=val_masks")
    said = start("scripts/check_dataset.py", "--dataset=folder", *train, labels[0])
    assert "labeled" in said
    said = start(
        "examples/train_folder.py", *train, *val, *labels, "--weights=none",
        "--crop_size=33", "--epochs=1", "--labeled_batch_size=2", "--warmup_steps=0",
        "--unlabeled_batch_size=2", "--output_dir=out",
    )  # fmt: skip
    assert "mIoU of the teacher" in said
    start(
        "scripts/evaluate.py", "--images=val", "--masks=val_masks", "--verbose=0",
        "--model=out/teacher_last.keras", "--output_dir=evaluation",
    )  # fmt: skip
    start(
        "scripts/predict.py", "--model=out", "--input=val", "--output=masks",
        "--verbose=0",
    )  # fmt: skip
    assert (photographs / "masks" / "masks" / "0.png").exists()
    return said
