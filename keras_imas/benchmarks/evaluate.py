"""What evaluation by a sliding window costs, beside bare passes over the windows.

    keras-imas benchmark evaluate --window=769

Both run the windows of one image a round, and take turns.
"""

import keras
import numpy as np
from absl import flags
from keras import ops

from keras_imas import evaluation
from keras_imas.backends.gpu import set_up_gpu
from keras_imas.backends.gradients import without_gradients
from keras_imas.benchmarks.memory import device
from keras_imas.benchmarks.parts import compiled
from keras_imas.benchmarks.turns import (
    machine,
    median_and_quartiles,
    ratio,
    save_json,
    take_turns,
)
from keras_imas.inference.predictor import Predictor, window_starts
from keras_imas.models import BACKBONES, deeplab_v3_plus
from keras_imas.models.logits import run_network
from keras_imas.runs.recipe import PRECISIONS

FLAGS = flags.FLAGS


def define():
    """Define its flags."""
    flags.DEFINE_enum("backbone", "mobilenet_v2", BACKBONES, "Encoder.")
    flags.DEFINE_integer("height", 1024, "Height of the images in pixels.", 1)
    flags.DEFINE_integer("width", 2048, "Width of the images in pixels.", 1)
    flags.DEFINE_integer("window", 769, "Side of the windows in pixels.", 1)
    flags.DEFINE_integer("num_classes", 19, "Number of classes.", 2)
    flags.DEFINE_integer("batch_size", 1, "Windows to run at once.", 1)
    flags.DEFINE_enum("precision", "float32", PRECISIONS, "Keras' policy.")
    flags.DEFINE_integer(
        "rounds", 7, "Rounds, of one image, in which both take turns.", 1
    )
    flags.DEFINE_string("json", None, "File to write all numbers to.")


def main(argv):
    keras.config.set_dtype_policy(FLAGS.precision)
    set_up_gpu()
    rng = np.random.default_rng(0)
    size = (1, FLAGS.height, FLAGS.width)
    images = rng.uniform(0, 255, (*size, 3)).astype("float32")
    label_maps = rng.integers(0, FLAGS.num_classes, size)
    network = deeplab_v3_plus(FLAGS.num_classes, backbone=FLAGS.backbone, weights=None)
    predictor = Predictor(network, window=FLAGS.window, batch_size=FLAGS.batch_size)
    count = np.prod([len(window_starts(side, FLAGS.window)) for side in size[1:]])
    batches = -(-count // FLAGS.batch_size)
    windows = rng.uniform(0, 255, (FLAGS.batch_size, FLAGS.window, FLAGS.window, 3))
    windows = windows.astype("float32")

    def logits(windows):
        with without_gradients():
            return run_network(network, windows)[0]

    # The logits stay where they are computed: prediction copies them, or less.
    bare = compiled(logits, ops.convert_to_tensor(windows))

    def evaluate():
        evaluation.evaluate(predictor, [(images, label_maps)], FLAGS.num_classes)

    def forward():
        for _ in range(batches):
            bare()

    takers = {"evaluation": evaluate, "bare passes": forward}
    for take in takers.values():
        take()  # compiles
    print(
        f"{machine()}, {FLAGS.precision}, {device()}; "
        f"{FLAGS.backbone}, images of {FLAGS.height}×{FLAGS.width}, "
        f"{count} windows of {FLAGS.window}², {FLAGS.batch_size} at once, "
        f"{FLAGS.num_classes} classes"
    )
    times = take_turns(takers, FLAGS.rounds)
    save_json(FLAGS.json, __name__, seconds=times)
    print(
        "\n| | seconds an image, median (quartiles) | images/s | throughput beside the "
        "bare passes (95 %) |\n|---|---:|---:|---:|"
    )
    for name, seconds in times.items():
        relative = ratio(times["bare passes"], seconds)
        print(
            f"| {name} | {median_and_quartiles(seconds)} | "
            f"{1 / np.median(seconds):.3f} | {relative} |"
        )
