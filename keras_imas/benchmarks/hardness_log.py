"""What the table of every image's hardness costs: its size, and writing it.

    keras-imas benchmark hardness-log --images=20000 --epochs=200

Times are the seconds of all cores together that an epoch's end takes.
"""

import pathlib
import tempfile
import time

import keras
import numpy as np
from absl import flags

import keras_imas
from keras_imas.benchmarks.turns import machine, save_json

FLAGS = flags.FLAGS


def define():
    """Define its flags."""
    flags.DEFINE_integer("images", 20_000, "Unlabeled images.", 1)
    flags.DEFINE_integer("epochs", 200, "Epochs.", 1)
    flags.DEFINE_string("json", None, "File to write all numbers to.")


def main(argv):
    with tempfile.TemporaryDirectory() as folder:
        seconds, sizes = measure(pathlib.Path(folder, "hardness.parquet"))
    save_json(FLAGS.json, __name__, seconds=seconds, bytes=sizes)
    print(f"{machine()}; random scores of {FLAGS.images:,} images an epoch\n")
    print("| epoch | core-seconds to write | MB |\n|---:|---:|---:|")
    for epoch in sorted({1, FLAGS.epochs // 2, FLAGS.epochs} - {0}):
        print(f"| {epoch} | {seconds[epoch - 1]:.3f} | {sizes[epoch - 1] / 1e6:.3f} |")


def measure(path):
    """Return the seconds of all cores that each epoch's end takes, and the bytes."""
    model = keras_imas.IMAS(
        keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)])
    )
    log = keras_imas.callbacks.HardnessLog(path, FLAGS.images)
    log.set_model(model)
    means = model.image_scores
    rng = np.random.default_rng(0)
    seconds, sizes = [], []
    for epoch in range(FLAGS.epochs):
        # In the place of a training's steps.
        scores = rng.random((len(means.value_names), FLAGS.images), "float32")
        values = dict(zip(means.value_names, scores, strict=True))
        means.update_state(np.arange(FLAGS.images), values)
        start = time.process_time()
        log.on_epoch_end(epoch)
        seconds.append(time.process_time() - start)
        sizes.append(path.stat().st_size)
    return seconds, sizes
