"""Runs of the small training as processes, and whether two have come to the same."""

import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import time
import zipfile

import h5py
import keras
import numpy as np

TRAINING = pathlib.Path(__file__).with_name("training.py")
PACKAGE = pathlib.Path(__file__).resolve().parents[2]
# PyTorch promises less than the other two.
TOLERANCE = 1e-6 if keras.backend.backend() == "torch" else 0.0
DEADLINE = 300  # seconds


def start(directory, *options):
    """Start a run into a directory; what it prints goes to a file beside."""
    directory = pathlib.Path(directory)
    paths = [str(PACKAGE), os.environ.get("PYTHONPATH", "")]
    with open(directory.with_suffix(".log"), "w") as log:
        return subprocess.Popen(
            [sys.executable, TRAINING, directory, *options],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )


def printed(directory):
    """Return what the last process of a run has printed."""
    return pathlib.Path(directory).with_suffix(".log").read_text(errors="replace")


def finish(directory, *options):
    """Run to the end; return the seconds since it made its directory."""
    process = start(directory, *options)
    if not until(directory / "run.json", process):
        raise RuntimeError(printed(directory))
    begun = time.perf_counter()
    if process.wait(DEADLINE):
        raise RuntimeError(printed(directory))
    return time.perf_counter() - begun


def expected(torture, *options):
    """Return an undisturbed run and its seconds; runs of the same options share it."""
    # How often it saves is no matter to what comes out.
    options = [option for option in options if not option.startswith("--every")]
    directory = torture.directory / "-".join(["expected", *options])
    if directory not in _SECONDS:
        _SECONDS[directory] = finish(directory, *options)
    return directory, _SECONDS[directory]


_SECONDS = {}


def finished(directory):
    """Return whether a run is finished."""
    path = directory / "run.json"
    return path.exists() and json.loads(path.read_text())["finished"]


def until(path, process):
    """Wait for a path; return whether it appeared before the process ended."""
    path = pathlib.Path(path)
    while not path.exists():
        if process.poll() is not None:
            return path.exists()
        time.sleep(0.005)
    return True


def weights(path):
    """Return the arrays of a `.keras` file, read without Keras."""
    arrays = {}

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            arrays[name] = item[()]

    with zipfile.ZipFile(path) as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content) as file:
        file.visititems(add)
    return arrays


def difference(directory, expected):
    """Return the largest difference between any two weights of two runs."""
    largest = 0.0
    for name in ("teacher_last", "student_last", "teacher_best"):
        ours, theirs = (weights(d / f"{name}.keras") for d in (directory, expected))
        if ours.keys() != theirs.keys():
            return float("inf")
        for key, value in theirs.items():
            distance = np.abs(ours[key].astype("float64") - value.astype("float64"))
            largest = max(largest, float(distance.max(initial=0.0)))
    return largest


def same_history(directory, expected):
    """Return whether two runs have logged the same for each epoch."""
    ours, theirs = ((d / "history.jsonl").read_text() for d in (directory, expected))
    return ours == theirs


def listing(directory):
    """List all files below a directory, with their sizes."""
    files = (p for p in pathlib.Path(directory).rglob("*") if p.is_file())
    return sorted((str(path), path.stat().st_size) for path in files)


@contextlib.contextmanager
def quiet():
    """Hide what is written to stderr."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield


def verdict(directories, expected):
    """Return what was lost, in words, and whether nothing was."""
    largest = max(difference(directory, expected) for directory in directories)
    logs = sum(not same_history(directory, expected) for directory in directories)
    passed = largest <= TOLERANCE and (not logs or TOLERANCE > 0)
    what = "nothing: the final weights are equal bit by bit"
    if largest:
        what = f"weights end within {largest:.1e}"
    if logs:
        what += f"; {logs} of {len(directories)} logs differ"
    return what, passed
