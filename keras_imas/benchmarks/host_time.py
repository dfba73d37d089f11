"""The host's time for a step on tiny crops, where hardly anything is to be computed.

    keras-imas benchmark host-time --beside=DIR

With --beside as a ratio to another checkout's time; the two take turns.
"""

import os
import subprocess
import sys

from absl import flags

from keras_imas.benchmarks.turns import (
    machine,
    median_and_quartiles,
    ratio,
    save_json,
)
from keras_imas.models import BACKBONES

FLAGS = flags.FLAGS


def define():
    """Define its flags."""
    flags.DEFINE_enum("backbone", "mobilenet_v2", BACKBONES, "Encoder.")
    flags.DEFINE_integer("crop_size", 33, "Side of the crops in pixels.", 1)
    flags.DEFINE_integer("steps", 5, "Steps of a round.", 1)
    flags.DEFINE_integer("rounds", 9, "Rounds, in which both take turns.", 1)
    flags.DEFINE_string(
        "beside", None, "Another checkout of the repository, to compare."
    )
    flags.DEFINE_string("json", None, "File to write all numbers to.")


def main(argv):
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
        [
            *(sys.executable, "-P"),  # whose package is that of `PYTHONPATH`
            os.path.join(os.path.dirname(__file__), "host_time_server.py"),
            *(FLAGS.backbone, str(FLAGS.crop_size), str(FLAGS.steps)),
        ],
        env={**os.environ, "PYTHONPATH": os.path.abspath(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
