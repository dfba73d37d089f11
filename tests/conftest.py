import importlib.util
import json
import os
import pathlib

# Eager JAX compiles every operation for every shape: most of a JAX run's time.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

# TensorFlow must not be loaded before these. PyTorch's builds for GPUs bring Triton,
# import it at their first optimizer, and would crash there.
if importlib.util.find_spec("torch"):
    import torch  # noqa: F401
if importlib.util.find_spec("triton"):
    import triton  # noqa: F401

import hypothesis
import keras
import numpy as np
import pytest

SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared"
BACKENDS = ("tensorflow", "jax", "torch")
# What no backend computes, or not differently: the core tier runs it on TensorFlow.
SAME_ON_ALL = (
    "commands/",
    "data/",
    "files/",
    "backends/test_freed_memory.py",
    "runs/test_compared_runs.py",
    "runs/test_model_card.py",
    "runs/test_paired_difference.py",
    "runs/test_suggestions.py",
    "test_benchmark.py",
    "test_check_dataset.py",
    "test_cures.py",
    "test_documents.py",
    "test_examples.py",
    "test_hostile.py",
    "test_make_splits.py",
    "test_release.py",
    "test_troubleshooting.py",
    "test_typing.py",
)
NOT_SAME_ON_ALL = "data/device/"


def pytest_addoption(parser):
    parser.addoption(
        "--full", action="store_true", help="Run the tests marked `full` too."
    )


def pytest_configure(config):
    # Eager JAX compiles again for each shape that is drawn.
    few = keras.backend.backend() == "jax" and not config.getoption("--full")
    hypothesis.settings.register_profile(
        "keras_imas",
        deadline=None,
        derandomize=True,
        database=None,
        max_examples=8 if few else 25,
    )
    hypothesis.settings.load_profile("keras_imas")


def pytest_collection_modifyitems(config, items):
    for item in items:
        if "full" in item.keywords and not config.getoption("--full"):
            item.add_marker(pytest.mark.skip(reason="slow: runs with --full"))
        path = item.path.relative_to(pathlib.Path(__file__).parent).as_posix()
        same = path.startswith(SAME_ON_ALL) and not path.startswith(NOT_SAME_ON_ALL)
        other = keras.backend.backend() != "tensorflow"
        if same and other and not config.getoption("--full"):
            reason = "as on TensorFlow: runs with --full"
            item.add_marker(pytest.mark.skip(reason=reason))
        needed = [b for b in BACKENDS if f"{b}_only" in item.keywords]
        if needed and keras.backend.backend() not in needed:
            item.add_marker(pytest.mark.skip(reason=f"needs the {needed[0]} backend"))


@pytest.fixture(autouse=True)
def seed():
    """Seeds Python, NumPy and the backend before each test."""
    keras.utils.set_random_seed(0)
    return 0


@pytest.fixture(scope="session")
def shared():
    if not SHARED.is_dir():
        pytest.skip("needs reference data, which only developers have")
    return SHARED


@pytest.fixture(scope="session")
def goldens(shared):
    """What the published program computed; `goldens["cases"]` is the json."""
    folder = shared / "goldens"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    with np.load(folder / "imas_reference.npz") as arrays:
        values = dict(arrays)
    values["cases"] = json.loads((folder / "imas_reference.json").read_text())
    return values


@pytest.fixture(params=["numpy", "list", *BACKENDS])
def as_input(request):
    """A function that turns a NumPy array into each kind of input a user may have."""
    kind = request.param
    if kind == "numpy":
        return np.asarray
    if kind == "list":
        return list
    module = pytest.importorskip("jax.numpy" if kind == "jax" else kind)
    convert = {"tensorflow": "convert_to_tensor", "jax": "asarray", "torch": "tensor"}
    return getattr(module, convert[kind])
