"""A training of many steps, watched from outside: memory, open files, its logs.

The network is tiny and the crops are small, so that it takes minutes: what could leak,
the data pipeline, the steps, the evaluations and what is written, is that of any run.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
from tortures.torture import Row

_STEPS = 5000
_MIB_PER_1000_STEPS = 2.0  # allowed: allocators settle slowly


def run(torture):
    """Yield a row for memory, one for open files and one for the logs."""
    room = torture.room("long_run")
    steps = torture.times(_STEPS)
    output = room / "run"
    with open(room / "screen.txt", "wb") as screen:
        process = subprocess.Popen(
            [sys.executable, __file__, str(output), str(steps)],
            stdout=screen,
            stderr=subprocess.STDOUT,
        )
        samples = _watch(process, output / "history.jsonl")
    text = (room / "screen.txt").read_text(errors="replace")
    if process.returncode != 0 or len(samples) < 4:
        yield Row("a long run", steps, f"the run: {text[-500:]}", False)
        return
    done, memory, files = np.array(samples, float).T
    settled = done > done[-1] / 4
    slope = np.polyfit(done[settled], memory[settled], 1)[0] * 1000
    yield Row(
        "a long run: memory",
        steps,
        f"{slope:+.2f} MiB per 1,000 steps, at {memory[-1]:.0f} MiB",
        bool(torture.quick or slope < _MIB_PER_1000_STEPS),
    )
    grown = int(files[settled][-1] - files[settled][0])
    yield Row(
        "a long run: open files",
        steps,
        f"{grown:+d} files, at {files[-1]:.0f}",
        grown <= 1,
    )
    lines = (output / "history.jsonl").read_text().splitlines()
    finite = all(np.isfinite(list(json.loads(line).values())).all() for line in lines)
    longest = max(map(len, text.replace("\r", "\n").replace("\b", "").split("\n")))
    yield Row(
        "a long run: logs",
        steps,
        f"nothing: {len(lines)} epochs in history.jsonl, of {len(lines[-1])} bytes; "
        f"{len(text) / 1024:.0f} KiB on the screen, no line over {longest} characters",
        finite and len(lines) == len(samples),
    )


def _watch(process, history):
    """Return `(steps, MiB, open files)` of a process after each of its epochs."""
    samples = []
    while process.poll() is None:
        time.sleep(0.05)
        if not history.exists():
            continue
        lines = history.read_text().splitlines()
        if len(lines) > len(samples):
            try:
                samples.append((len(lines) * _STEPS_PER_EPOCH, *_usage(process.pid)))
            except FileNotFoundError:  # it has just ended
                break
    process.wait()
    return samples


def _usage(pid):
    """Return the resident MiB and the number of open files of a process, on Linux."""
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return memory, len(os.listdir(f"/proc/{pid}/fd"))


_UNLABELED, _BATCH = 48, 2
_STEPS_PER_EPOCH = _UNLABELED // _BATCH


def train(output, steps):
    """Train on the built-in scenes, as the demo does, in small."""
    import keras

    from keras_imas import experiment
    from keras_imas.data import scenes
    from keras_imas.recipe import Recipe

    layers = keras.layers
    inputs = keras.Input((None, None, 3))
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    x = layers.Conv2D(8, 3, strides=2, padding="same")(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    student = keras.Model(inputs, layers.Conv2D(len(scenes.CLASSES), 1)(x))
    pictures, label_maps = scenes.load(_UNLABELED + 12, height=48, width=96)
    experiment.run(
        Recipe(
            steps=steps,
            crop_size=33,
            labeled_batch_size=_BATCH,
            unlabeled_batch_size=_BATCH,
            evaluate_every=10,
        ),
        (pictures[:8], label_maps[:8]),
        pictures[12:],
        (pictures[8:12], label_maps[8:12]),
        class_names=scenes.CLASSES,
        output_dir=output,
        student=student,
        verbose=2,
    )


if __name__ == "__main__":
    train(sys.argv[1], int(sys.argv[2]))
