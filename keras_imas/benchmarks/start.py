"""What the first minute takes: importing, and the first step of a training.

    keras-imas benchmark start --rounds=3

Each round is a fresh process: it imports Keras, then `keras_imas`, draws the demo's
landscapes, and takes two steps of a DeepLabV3+ over MobileNetV2, of which the first
compiles. Files are warm: the first process of all is left out.
"""

import json
import os
import subprocess
import sys

from absl import flags

from keras_imas.benchmarks.turns import machine, median_and_quartiles, save_json

FLAGS = flags.FLAGS


def define():
    """Define its flags."""
    flags.DEFINE_integer("rounds", 3, "Processes to start.", 1)
    flags.DEFINE_string("json", None, "File to write all numbers to.")


def main(argv):
    rounds = [start() for _ in range(FLAGS.rounds + 1)][1:]
    times = {name: [seconds[name] for seconds in rounds] for name in rounds[0]}
    save_json(FLAGS.json, __name__, seconds=times)
    print(f"{machine()}\n\n| | seconds, median (quartiles) |\n|---|---:|")
    for name, seconds in times.items():
        print(f"| {name} | {median_and_quartiles(seconds)} |")


def start():
    """Return the seconds of each part, in a process of its own."""
    program = os.path.join(os.path.dirname(__file__), "start_once.py")
    process = subprocess.run(
        [sys.executable, "-P", program], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(process.stdout.splitlines()[-1])
