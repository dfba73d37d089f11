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
# What no backend computes, or not differently, and the one that tests it in the core
# tier: so chosen that the backends take as long.
SAME_ON_ALL = {
    "commands/": "jax",
    "data/": "tensorflow",
    "data/test_semi_supervised.py": "jax",
    "files/": "jax",
    "backends/test_freed_memory.py": "tensorflow",
    "report/test_study.py": "jax",
    "runs/test_compared_runs.py": "jax",
    "runs/test_model_card.py": "jax",
    "runs/test_paired_difference.py": "jax",
    "runs/test_study.py": "jax",
    "runs/test_study_refusals.py": "jax",
    "runs/test_suggestions.py": "jax",
    "test_benchmark.py": "tensorflow",
    "test_check_dataset.py": "jax",
    "test_cures.py": "tensorflow",
    "test_demo.py": "tensorflow",
    "test_documents.py": "jax",
    "test_examples.py": "tensorflow",
    "test_hostile.py": "tensorflow",
    "test_make_splits.py": "jax",
    "test_release.py": "jax",
    "test_troubleshooting.py": "jax",
    "test_typing.py": "jax",
}
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
        parts = [part for part in SAME_ON_ALL if path.startswith(part)]
        if path.startswith(NOT_SAME_ON_ALL) or config.getoption("--full"):
            parts = []
        tested_on = SAME_ON_ALL.get(max(parts, key=len, default=None))
        if tested_on and keras.backend.backend() != tested_on:
            reason = f"as on {tested_on}: runs with --full"
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
