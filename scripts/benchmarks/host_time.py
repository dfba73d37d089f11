"""The host's time for a step on tiny crops, where hardly anything is to be computed."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import keras  # noqa: E402
import numpy as np  # noqa: E402
from absl import app, flags  # noqa: E402
from benchmarks.turns import (  # noqa: E402
    machine,
    median_and_quartiles,
    ratio,
    save_json,
)

import keras_imas  # noqa: E402
from keras_imas.models import BACKBONES  # noqa: E402

FLAGS = flags.FLAGS
flags.DEFINE_enum("backbone", "mobilenet_v2", BACKBONES, "Encoder.")
flags.DEFINE_integer("crop_size", 33, "Side of the crops in pixels.", 1)
flags.DEFINE_integer("steps", 5, "Steps of a round.", 1)
flags.DEFINE_integer("rounds", 9, "Rounds, in which both take turns.", 1)
flags.DEFINE_string("beside", None, "Another checkout of the repository, to compare.")
flags.DEFINE_boolean("serve", False, "Take the steps of a round for each line read.")
flags.DEFINE_string("json", None, "File to write all numbers to.")


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Too many arguments: {' '.join(argv[1:])}")
    if FLAGS.serve:
        serve()
        return
    here = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    roots = {"here": here} | ({"beside": FLAGS.beside} if FLAGS.beside else {})
    servers = {name: start(root) for name, root in roots.items()}
    times = {name: [] for name in servers}
    for number in range(FLAGS.rounds):
        for name in list(servers)[:: -1 if number % 2 else 1]:
            servers[name].stdin.write("\n")
            servers[name].stdin.flush()
            times[name].append(float(servers[name].stdout.readline()))
    for server in servers.values():
        server.stdin.close()
        server.wait()
    save_json(FLAGS.json, __name__, seconds=times)
    print(f"{machine()}; {FLAGS.backbone}, crops of {FLAGS.crop_size}")
    print("\n| | processor seconds a step | ratio (95 %) |\n|---|---:|---:|")
    for name, seconds in times.items():
        relative = ratio(seconds, times[list(times)[-1]])
        print(f"| {name} | {median_and_quartiles(seconds)} | {relative} |")


def start(root):
    """Start a process that serves the package of a checkout."""
    return subprocess.Popen(
        [sys.executable, *sys.argv, "--serve"],
        env={**os.environ, "PYTHONPATH": os.path.abspath(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def serve():
    """Print the processor seconds of a step, for each line that is read."""
    size, classes = FLAGS.crop_size, 19
    network = keras_imas.models.deeplab_v3_plus(
        classes, backbone=FLAGS.backbone, weights=None, auxiliary_head=True
    )
    model = keras_imas.IMAS(network, seed=0)
    schedule = keras_imas.optimizers.PolynomialDecay(0.01, 1000)
    model.compile(keras_imas.optimizers.SGD(schedule, momentum=0.9, l2=1e-4))
    rng = np.random.default_rng(0)
    shape = (2, size, size, 3)
    names = ("labeled", "unlabeled", "unlabeled_strong")
    images = [rng.uniform(0, 255, shape).astype("float32") for _ in names]
    batch = {
        name: keras.ops.convert_to_tensor(image)
        for name, image in zip(names, images, strict=True)
    }
    labels = keras.ops.zeros(shape[:3], "int32")
    for _ in range(3):  # compiles
        model.train_on_batch(batch, labels)
    for _ in sys.stdin:
        begun = time.process_time()
        for _ in range(FLAGS.steps):
            model.train_on_batch(batch, labels)
        print((time.process_time() - begun) / FLAGS.steps, flush=True)
