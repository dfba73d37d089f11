"""How time and memory of a step grow with crop, classes and batch.

    keras-imas benchmark growth --plot=growth.png

Each number is measured in a process of its own.
"""

import json
import subprocess
import sys

import numpy as np
from absl import app, flags

from keras_imas.benchmarks import memory
from keras_imas.benchmarks.turns import machine, save_json
from keras_imas.models import BACKBONES
from keras_imas.report.study import pyplot

FLAGS = flags.FLAGS
SMALLEST = {"crop_size": 257, "num_classes": 19, "batch_size": 2}
PASSES = ("step", "floor")


def define():
    """Define its flags."""
    flags.DEFINE_enum("backbone", "mobilenet_v2", BACKBONES, "Encoder.")
    flags.DEFINE_list("crop_size", [257, 385, 513, 641, 769], "Sides of the crops.")
    flags.DEFINE_list("num_classes", [2, 19, 75, 150], "Numbers of classes.")
    flags.DEFINE_list("batch_size", [2, 4, 8, 16], "Labeled, and unlabeled, images.")
    flags.DEFINE_string("json", None, "File to write all numbers to.")
    flags.DEFINE_string(
        "plot", None, "Picture to draw of them (PNG; needs Matplotlib)."
    )


def main(argv):
    if not memory.is_known():
        raise app.UsageError("Peak memory is not known on this system.")
    if FLAGS.plot:
        pyplot()  # before all is measured
    print(
        f"{machine()}; {FLAGS.backbone}; unless varied: crops of 257², 19 classes, "
        "2 + 2 images"
    )
    results = {}
    for name in SMALLEST:
        results[name] = [measure(name, int(value)) for value in FLAGS[name].value]
        print_table(name, results[name])
    save_json(FLAGS.json, __name__, **results)
    if FLAGS.plot:
        draw(results)


def measure(name, value):
    """Return time and memory of step and floor, each in a process of its own."""
    given = {**SMALLEST, name: value}
    found = {"value": value, "millions": pixels(given) / 1e6}
    for part in PASSES:
        process = subprocess.run(
            [
                sys.executable,
                *("-m", "keras_imas", "benchmark", "step"),
                f"--backbone={FLAGS.backbone}",
                f"--only={part}",
                "--rounds=2",
                *(f"--{flag}={number}" for flag, number in given.items()),
            ],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found[part] = json.loads(process.stdout.splitlines()[-1])
        found[part]["seconds"] = min(found[part]["seconds"])
    return found


def pixels(given):
    """Return the number of pixels that pass through the student in a step."""
    return 3 * given["batch_size"] * given["crop_size"] ** 2


def print_table(name, rows):
    print(
        f"\n| {name.replace('_', ' ')} | seconds a step | µs a pixel | beside the "
        "floor | memory, GiB | beside the floor |\n|---:|---:|---:|---:|---:|---:|"
    )
    for row in rows:
        step, floor = (row[part] for part in PASSES)
        print(
            f"| {row['value']} | {step['seconds']:.2f} | "
            f"{step['seconds'] / row['millions']:.2f} | "
            f"{step['seconds'] / floor['seconds']:.2f} | {step['peak'] / 2**30:.2f} | "
            f"{step['peak'] / floor['peak']:.2f} |",
            flush=True,
        )
    if name == "num_classes":
        for part in PASSES:
            slope = np.polyfit(
                [row["value"] for row in rows], [row[part]["peak"] for row in rows], 1
            )[0]
            print(
                f"\nA class adds {slope / 4e6 / rows[0]['millions']:.1f} float32 "
                f"numbers a pixel of the student's to the memory of the {part}."
            )


def draw(results):
    figure, axes = pyplot().subplots(2, len(results), figsize=(11, 6), sharey="row")
    for column, (name, rows) in zip(axes.T, results.items(), strict=True):
        side = name == "crop_size"
        values = [row["millions"] if side else row["value"] for row in rows]
        label = "million pixels" if side else name.replace("_", " ")
        for axis, key, unit in (
            (column[0], "seconds", 1.0),
            (column[1], "peak", 2**30),
        ):
            for part in PASSES:
                axis.plot(
                    values, [row[part][key] / unit for row in rows], "o-", label=part
                )
            axis.set(xlim=0, ylim=0, xlabel=label)
    axes[0, 0].set_ylabel("seconds")
    axes[1, 0].set_ylabel("GiB")
    axes[0, 0].legend()
    figure.tight_layout()
    figure.savefig(FLAGS.plot, dpi=110)
