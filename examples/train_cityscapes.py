"""Train on Cityscapes, or on the built-in scenes where Cityscapes is not at hand.

    python examples/train_cityscapes.py
    python examples/train_cityscapes.py --data_dir=cityscapes --labeled_share=0.0625

With --data_dir (the directory of leftImg8bit and gtFine) the defaults are the paper's;
without it they are made for a few minutes on two cores, and --help does not show them.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
from absl import app, flags  # noqa: E402

from keras_imas import experiment, recipe  # noqa: E402
from keras_imas.data import cityscapes, scenes  # noqa: E402
from keras_imas.recipe import Recipe  # noqa: E402

FLAGS = flags.FLAGS
flags.DEFINE_string("data_dir", None, "Directory of leftImg8bit and gtFine.")
flags.DEFINE_float(
    "labeled_share",
    1 / 16,
    "Share of the training images that is labeled, drawn by --seed.",
    lower_bound=0.0,
    upper_bound=1.0,
)
flags.DEFINE_string(
    "labeled", None, "List of labeled images instead: leftImg8bit names, one a line."
)
flags.DEFINE_string("unlabeled", None, "List of unlabeled images, likewise.")
flags.DEFINE_string(
    "output_dir", None, "New directory; default: runs/cityscapes-METHOD-N."
)
flags.DEFINE_integer("verbose", 1, "1: progress bar, 2: a line an epoch, 0: neither.")

Recipe(
    crop_size=769,
    labeled_batch_size=16,
    unlabeled_batch_size=16,
    epochs=240,
    background_class=0,
    pairing_group_size=4,
    ohem_min_kept=400_000,
).define_flags()
flags.adopt_module_key_flags(recipe)

SCENES = Recipe(
    weights="none",
    crop_size=97,
    steps=420,
    warmup_steps=80,
    learning_rate=0.05,
    confidence_threshold=0.9,
    unlabeled_weight=1.0,
    ema_decay=0.99,
    weight_decay=1e-4,
    evaluate_every=2,
)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {' '.join(argv[1:])}")
    if FLAGS.data_dir is None:
        chosen = Recipe.from_flags(SCENES)
        print(
            "No --data_dir: training on the built-in street scenes, drawn now.",
            flush=True,
        )
        sources = read_scenes(chosen.seed)
    else:
        chosen = Recipe.from_flags()
        sources = read_cityscapes(chosen.seed)
    experiment.run(
        chosen,
        *sources,
        class_names=cityscapes.CLASSES,
        colors=cityscapes.COLORS,
        output_dir=FLAGS.output_dir
        or experiment.unused_directory(f"runs/cityscapes-{chosen.method}"),
        verbose=FLAGS.verbose,
    )


def read_scenes(seed):
    images, label_maps = scenes.load(264, seed=2 * seed)
    labeled = images[:24], label_maps[:24]
    return labeled, images[24:], scenes.load(48, seed=2 * seed + 1)


def read_cityscapes(seed):
    labeled, unlabeled = FLAGS.labeled, FLAGS.unlabeled
    if not (labeled and unlabeled):
        everything = cityscapes.read(FLAGS.data_dir, labeled=False).names
        if not labeled:
            order = np.random.default_rng(seed).permutation(len(everything))
            count = max(round(FLAGS.labeled_share * len(everything)), 1)
            labeled = [everything[index] for index in sorted(order[:count])]
    labeled = cityscapes.read(FLAGS.data_dir, names=labeled)
    unlabeled = unlabeled or [n for n in everything if n not in set(labeled.names)]
    return (
        labeled,
        cityscapes.read(FLAGS.data_dir, names=unlabeled, labeled=False),
        cityscapes.read(FLAGS.data_dir, "val"),
    )


if __name__ == "__main__":
    app.run(main)
