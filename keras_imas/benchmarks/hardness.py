"""What hardness costs, beside one softmax and argmax over the same logits.

    keras-imas benchmark hardness --size=769 --batch_size=16

Both read the same random logits, and take turns.
"""

import numpy as np
from absl import flags
from keras import ops

import keras_imas
from keras_imas.benchmarks.parts import compiled
from keras_imas.benchmarks.turns import (
    machine,
    median_and_quartiles,
    ratio,
    save_json,
    take_turns,
)

FLAGS = flags.FLAGS


def define():
    """Define its flags."""
    flags.DEFINE_integer("batch_size", 16, "Images.", 1)
    flags.DEFINE_integer("size", 769, "Side of the images in pixels.", 1)
    flags.DEFINE_integer("num_classes", 19, "Number of classes.", 1)
    flags.DEFINE_integer("rounds", 9, "Rounds, in which both take turns.", 1)
    flags.DEFINE_string("json", None, "File to write all numbers to.")


def main(argv):
    shape = (FLAGS.batch_size, FLAGS.size, FLAGS.size, FLAGS.num_classes)
    rng = np.random.default_rng(0)
    student, teacher = (
        ops.convert_to_tensor(rng.standard_normal(shape, "float32")) for _ in range(2)
    )

    def plain(logits):
        probabilities = ops.softmax(logits, axis=-1)
        return ops.max(probabilities, axis=-1), ops.argmax(probabilities, axis=-1)

    takers = {
        "hardness": compiled(keras_imas.hardness, student, teacher),
        "softmax and argmax": compiled(plain, student),
    }
    for take in takers.values():
        take()  # compiles
    print(f"{machine()}; logits {shape}")
    times = take_turns(takers, FLAGS.rounds)
    save_json(FLAGS.json, __name__, seconds=times)
    print("\n| | seconds, median (quartiles) | ratio (95 %) |\n|---|---:|---:|")
    for name, seconds in times.items():
        relative = ratio(seconds, times["softmax and argmax"])
        print(f"| {name} | {median_and_quartiles(seconds)} | {relative} |")
