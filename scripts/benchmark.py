"""Measure what the package costs here.

    python scripts/benchmark.py step [--backbone=resnet50] [--precision=mixed_bfloat16]
    python scripts/benchmark.py host_time [--beside=DIR]
    python scripts/benchmark.py hardness [--size=769] [--batch_size=16]
    python scripts/benchmark.py hardness_log [--images=20000] [--epochs=200]
    python scripts/benchmark.py evaluate [--window=769]
    python scripts/benchmark.py fit [--backbone=mobilenet_v2] [--crop_size=257]
    python scripts/benchmark.py growth [--plot=growth.png]
    python scripts/benchmark.py scaling [--devices=1,8,64,512]
    python scripts/benchmark.py networks [--crop_size=129] [--num_classes=19]
    python scripts/benchmark.py data [--presets=cityscapes,voc] [--json=data.json]

step: the time and memory of a training step of iMAS, beside its floor: a supervised
step of the same network over as many images, and the two inference passes that score.
They take turns. The method's own parts, each alone, come along. --pytorch adds a step
in plain PyTorch, of the paper's network; --preset=gpu is the paper's size, for a GPU.

host_time: the processor time of a step on crops so small that hardly anything is to be
computed, with --beside as a ratio to another checkout's; in turns.

hardness: the score of a batch of logits, beside one softmax and argmax over them.

hardness_log: the size of hardness.parquet, the table of every image's hardness, and the
seconds of all cores together that writing it takes at the end of an epoch.

evaluate: evaluation by a sliding window, beside the bare passes over as many windows.

fit: training by `fit` from files, beside steps on a batch that is there already, and
beside the input pipeline alone.

growth: time and memory of a step against crop, classes and batch, beside the floor's.

scaling: what to expect of many devices, on paper: a model, with its assumptions.

networks: for each encoder of `keras_imas.models`, the parameters of its DeepLabV3+, the
multiply-adds of an image of 513 x 513 pixels, and the time of a training step of iMAS
on 2 labeled and 2 unlabeled crops, as a ratio to the first encoder and in seconds of
all cores together, which other jobs on the machine disturb less than the clock's.

data: for images of the size of Cityscapes and of VOC, the images a second and core of
the pipelines, labeled and unlabeled (weak and strong view), beside a plain loader of
the same steps that is written with Pillow, and the share of each stage. The two take
turns, on the same cores.

All flags: python scripts/benchmark.py step --help, and so on.
"""

import importlib
import sys

# Imported when named: each has its flags, and the processes that `data` starts import
# this file.
COMMANDS = (
    "step",
    "host_time",
    "hardness",
    "hardness_log",
    "evaluate",
    "fit",
    "growth",
    "scaling",
    "networks",
    "data",
)


def main():
    from absl import app

    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        *names, last = COMMANDS
        sys.exit(f"{__doc__}\nSay what to measure: {', '.join(names)} or {last}.")
    command = importlib.import_module(f"benchmarks.{sys.argv[1]}")
    app.run(command.main, argv=[sys.argv[0], *sys.argv[2:]])


if __name__ == "__main__":
    main()
