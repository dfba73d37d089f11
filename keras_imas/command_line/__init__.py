"""The command `keras-imas`: the words that it knows, and what runs for each.

`keras_imas_command` runs this file without its package, whose import brings Keras.
"""

import importlib
import importlib.metadata
import os
import sys
from typing import NamedTuple


class Command(NamedTuple):
    """What runs for the words of a command.

    Attributes:
        module: Module of `keras_imas`, such as `"commands.demo"`.
        summary: What it does, in a line.
        program: The same as a program of the checkout; `None` where there is none.
    """

    module: str
    summary: str
    program: str | None = None


GROUPS = {
    "See it work": {
        "demo": Command(
            "commands.demo",
            "Train on drawn landscapes and compare, in two minutes",
            "examples/demo.py",
        ),
    },
    "Prepare your data": {
        "check": Command(
            "commands.check",
            "List everything that is wrong with a data set",
            "scripts/check_dataset.py",
        ),
        "splits": Command(
            "commands.splits",
            "Draw which images are labeled and which are not",
            "scripts/make_splits.py",
        ),
    },
    "Train": {
        "train folder": Command(
            "commands.train_folder",
            "Your photographs: a few with masks, many without",
            "examples/train_folder.py",
        ),
        "train cityscapes": Command(
            "commands.train_cityscapes",
            "Cityscapes, or built-in street scenes without it",
            "examples/train_cityscapes.py",
        ),
        "train voc": Command(
            "commands.train_voc", "PASCAL VOC 2012", "examples/train_voc.py"
        ),
        "train camvid": Command(
            "commands.train_camvid", "CamVid", "examples/train_camvid.py"
        ),
        "train tfds": Command(
            "commands.train_tfds",
            "A set of TensorFlow Datasets",
            "examples/train_tfds.py",
        ),
    },
    "Use what was trained": {
        "evaluate": Command(
            "commands.evaluate",
            "Score a network on images with masks",
            "scripts/evaluate.py",
        ),
        "predict": Command(
            "commands.predict", "Write masks of photographs", "scripts/predict.py"
        ),
        "report": Command(
            "commands.report",
            "Make a page about a run, or about several",
            "scripts/report.py",
        ),
        "label-next": Command(
            "commands.label_next", "List the images of a run to label next"
        ),
        "hardness": Command(
            "commands.hardness",
            "Rank photographs by two checkpoints of any network",
            "examples/hardness_of_your_model.py",
        ),
        "export": Command(
            "commands.export",
            "Export to SavedModel, ONNX, LiteRT and OpenVINO",
            "scripts/export.py",
        ),
    },
    "Measure": {
        "study": Command(
            "commands.study", "Run a grid of trainings", "scripts/study.py"
        ),
        "study-report": Command(
            "commands.study_report",
            "Compare the trainings of a study",
            "scripts/study_report.py",
        ),
        "env": Command("commands.env", "Print versions and devices, for a bug report"),
    },
}
BENCHMARKS = {
    "benchmark step": Command(
        "benchmarks.step", "A training step, compared with its bare network passes"
    ),
    "benchmark start": Command(
        "benchmarks.start", "Importing, and the first step of a training"
    ),
    "benchmark fit": Command(
        "benchmarks.fit", "Training from files, compared with its step and its reading"
    ),
    "benchmark data": Command(
        "benchmarks.data", "Reading and augmenting, compared with a Pillow loader"
    ),
    "benchmark evaluate": Command(
        "benchmarks.evaluate", "Evaluation, compared with its bare network passes"
    ),
    "benchmark networks": Command(
        "benchmarks.networks", "Each encoder: parameters, multiply-adds, a step"
    ),
    "benchmark growth": Command(
        "benchmarks.growth", "A step against crop, classes and batch"
    ),
    "benchmark scaling": Command(
        "benchmarks.scaling", "Many devices, on paper: a model"
    ),
    "benchmark hardness": Command(
        "benchmarks.hardness", "The score of a batch, compared with one softmax"
    ),
    "benchmark hardness-log": Command(
        "benchmarks.hardness_log", "The table of every image's hardness"
    ),
    "benchmark host-time": Command(
        "benchmarks.host_time", "The host's share of a step on tiny crops"
    ),
}
COMMANDS = {
    words: command
    for group in (*GROUPS.values(), BENCHMARKS)
    for words, command in group.items()
}


def main(entry="keras-imas"):
    """Run the command that was typed.

    Args:
        entry: What was typed before its words. Defaults to `"keras-imas"`.
    """
    try:
        _main(entry)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it has seen enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _main(entry):
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "-help", "--help", "--helpfull", "help"):
        print(_screen(entry, GROUPS))
        print(f"\n{entry} benchmark lists what can be measured on this machine.")
        return
    if arguments[0] in ("--version", "version"):
        print(importlib.metadata.version("keras-imas"))
        return
    for count in (2, 1):
        words = " ".join(arguments[:count])
        if words in COMMANDS:
            sys.argv = [f"{entry} {words}", *arguments[count:]]
            # Before TensorFlow is imported.
            os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
            running = importlib.import_module("keras_imas.commands.running")
            running.load(words)
            running.run(words)
            return
    kinds = {
        heading: {w: c for w, c in group.items() if w.split()[0] == arguments[0]}
        for heading, group in {**GROUPS, "Benchmarks": BENCHMARKS}.items()
    }
    kinds = {heading: group for heading, group in kinds.items() if group}
    if kinds and arguments[1:2] in ([], ["-h"], ["--help"], ["--helpfull"]):
        print(_screen(entry, kinds))
        return
    from keras_imas.near_miss import did_you_mean

    typed = [word for word in arguments[:2] if not word.startswith("-")]
    sentence = f"there is no command {' '.join(typed) or arguments[0]!r}"
    for words in (" ".join(typed), *typed[:1]):
        suggestion = did_you_mean(words, COMMANDS)
        if suggestion:
            break
    listing = f"{entry} {arguments[0]}" if kinds else entry
    sys.exit(f"Error: {sentence}{suggestion}\n{listing} --help lists the commands.")


def _screen(entry, groups):
    """Return a screen of commands by groups, a line each."""
    lines = [
        "Semantic segmentation from a few labeled images and many unlabeled ones.",
        "",
        f"  {entry} COMMAND [--flag=value ...]",
        f"  {entry} COMMAND --help",
    ]
    for heading, group in groups.items():
        lines += ["", heading]
        width = max(17, *map(len, group))
        lines += [
            f"  {words:{width}} {command.summary}" for words, command in group.items()
        ]
    return "\n".join(lines)
