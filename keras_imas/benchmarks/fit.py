"""What training by `fit` takes, beside its step alone and its pipeline alone.

    keras-imas benchmark fit --backbone=mobilenet_v2 --crop_size=257

Training from files, beside steps on a batch that is there already, and beside reading
alone.
"""

import os
import pathlib
import tempfile
import time

import keras
import numpy as np
from absl import app, flags
from keras import ops
from PIL import Image

from keras_imas import data
from keras_imas.benchmarks.turns import machine, ratio, save_json
from keras_imas.data.speed import batch_seconds, stage_seconds
from keras_imas.models import BACKBONES
from keras_imas.runs.recipe import Recipe

FLAGS = flags.FLAGS


def define():
    """Define its flags."""
    flags.DEFINE_enum("backbone", "mobilenet_v2", BACKBONES, "Encoder.")
    flags.DEFINE_integer("crop_size", 257, "Side of the crops in pixels.", 1)
    flags.DEFINE_integer("batch_size", 4, "Labeled, and unlabeled, images.", 2)
    flags.DEFINE_string("images_dir", None, "Read these images; default: drawn scenes.")
    flags.DEFINE_string("masks_dir", None, "Their masks, PNG of the same names.")
    flags.DEFINE_integer("height", 360, "Height of the drawn scenes in pixels.", 8)
    flags.DEFINE_integer("width", 480, "Width of the drawn scenes in pixels.", 8)
    flags.DEFINE_integer("steps", 12, "Steps of each in a round.", 1)
    flags.DEFINE_integer("rounds", 5, "Rounds, in which all take turns.", 1)
    flags.DEFINE_string("json", None, "File to write all numbers to.")


def main(argv):
    if bool(FLAGS.images_dir) != bool(FLAGS.masks_dir):
        raise app.UsageError("--images_dir and --masks_dir go together.")
    with tempfile.TemporaryDirectory() as folder:
        images, masks = FLAGS.images_dir, FLAGS.masks_dir
        if not images:
            images, masks = draw_files(pathlib.Path(folder))
        measure(images, masks)


def measure(images, masks):
    """Time `fit`, its step and its pipeline in turns, and print them."""
    examples = data.from_folder(images, masks)
    count = FLAGS.batch_size * FLAGS.steps
    half = len(examples) // 2
    labeled = data.from_folder(images, masks, examples.names[:half])
    unlabeled = data.from_folder(images, names=examples.names[half:])
    batches = data.semi_supervised(
        labeled,
        unlabeled,
        crop_size=FLAGS.crop_size,
        labeled_batch_size=FLAGS.batch_size,
        unlabeled_batch_size=FLAGS.batch_size,
    ).repeat()
    recipe = Recipe(backbone=FLAGS.backbone, weights="none", learning_rate=1e-5)
    model = recipe.model(
        recipe.student(19), steps_per_epoch=FLAGS.steps, epochs=FLAGS.rounds
    )
    inputs, label_map = next(iter(batches))
    inputs = {
        name: ops.convert_to_tensor(np.asarray(value)) for name, value in inputs.items()
    }
    label_map = ops.convert_to_tensor(np.asarray(label_map))

    def fit(batches):
        clock = Clock()
        model.fit(
            batches,
            steps_per_epoch=FLAGS.steps + Clock.WARM_UP,
            verbose=0,
            callbacks=[clock],
        )
        return clock.seconds()

    def step():
        start = time.perf_counter()
        for _ in range(FLAGS.steps):
            # The logs are fetched in `fit` too, to show them.
            model.train_on_batch(inputs, label_map, return_dict=True)
        return (time.perf_counter() - start) / FLAGS.steps

    def pipeline():
        return batch_seconds(batches, count=FLAGS.steps, limit=60.0)

    held = batches.take(2).cache().repeat()
    takers = {
        "fit": lambda: fit(batches),
        "fit, batches held in memory": lambda: fit(held),
        "step alone": step,
        "pipeline alone": pipeline,
    }
    times = {name: [] for name in takers}
    progress = keras.utils.Progbar(FLAGS.rounds, unit_name="round")
    for number in range(-1, FLAGS.rounds):
        for name, take in takers.items():
            seconds = take()
            if number >= 0:  # the first round compiles
                times[name].append(seconds)
        progress.update(number + 1)
    print(
        f"\n{machine()}; {FLAGS.backbone}, {FLAGS.batch_size} + {FLAGS.batch_size} "
        f"crops of {FLAGS.crop_size}² from {len(examples)} files of "
        f"{os.path.splitext(examples.files[0])[1]}, {count} images of each a round"
    )
    print("\n| | seconds a step | images/s | speed beside the step (95 %) |")
    print("|---|---:|---:|---:|")
    for name, seconds in times.items():
        print(
            f"| {name} | {np.median(seconds):.3f} | "
            f"{2 * FLAGS.batch_size / np.median(seconds):.1f} | "
            f"{ratio(times['step alone'], seconds)} |"
        )
    stages = stage_seconds(unlabeled, crop_size=FLAGS.crop_size)
    save_json(FLAGS.json, __name__, seconds=times, stage_seconds=stages)
    costs = ", ".join(f"{name} {1e3 * s:.1f} ms" for name, s in stages.items())
    print(f"\nAn unlabeled image costs on one core: {costs}.")


class Clock(keras.callbacks.Callback):
    """Time the steps of `fit` after the first few, which start the pipeline."""

    WARM_UP = 4

    def on_train_batch_end(self, batch, logs=None):
        """Look at the clock."""
        for value in logs.values():
            float(value)  # so that no step is still under way
        if batch == self.WARM_UP - 1:
            self._start = time.perf_counter()
        self._end = time.perf_counter()

    def seconds(self):
        """Return the seconds a step."""
        return (self._end - self._start) / FLAGS.steps


def draw_files(folder):
    """Draw scenes and save them, as JPEG and PNG."""
    images, masks = folder / "images", folder / "masks"
    images.mkdir()
    masks.mkdir()
    for number in range(6 * FLAGS.batch_size):
        image, label_map = data.scenes.draw(number, FLAGS.height, FLAGS.width)
        Image.fromarray(image).save(images / f"{number:03d}.jpg", quality=90)
        Image.fromarray(label_map).save(masks / f"{number:03d}.png")
    return str(images), str(masks)
