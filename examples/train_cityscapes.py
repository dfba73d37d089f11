"""Train on Cityscapes, or on the built-in scenes where Cityscapes is not at hand.

    python examples/train_cityscapes.py
    python examples/train_cityscapes.py --data_dir=cityscapes --weights=resnet50.pth \
      --flagfile=examples/flagfiles/cityscapes_1_16_os16.flags

With --data_dir (the directory of leftImg8bit and gtFine) the defaults are the paper's;
without it they are made for a few minutes on two cores, and --help does not show them.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app, flags  # noqa: E402

from keras_imas import experiment, recipe  # noqa: E402
from keras_imas.data import cityscapes, scenes, splits  # noqa: E402
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
    "select_on",
    None,
    "List of training images to choose the best epoch on, likewise; they are neither "
    "labeled nor unlabeled. Without it the best epoch is that on val, as published.",
)
flags.DEFINE_string(
    "output_dir", None, "New directory; default: runs/cityscapes-METHOD-N."
)
flags.DEFINE_boolean("dry_run", False, "Print what a run would do and cost, and stop.")
flags.DEFINE_integer("verbose", 1, "1: progress bar, 2: a line an epoch, 0: neither.")

Recipe(
    backbone="resnet50_deep_stem",
    multi_grid=(1, 2, 4),
    auxiliary_head=True,
    sync_batch_norm=True,
    crop_size=769,
    labeled_batch_size=16,
    unlabeled_batch_size=16,
    epochs=240,
    background_class=0,
    pairing_group_size=4,
    ohem_min_kept=100_000,
    ohem_group_size=4,
    window=769,
).define_flags()
flags.adopt_module_key_flags(recipe)

SCENES = Recipe(
    weights="none",
    crop_size=97,
    steps=300,
    warmup_steps=60,
    learning_rate=0.1,
    confidence_threshold=0.9,
    unlabeled_weight=1.0,
    ema_decay=0.99,
    weight_decay=1e-4,
    evaluate_every=1,
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
        **sources,
        class_names=cityscapes.CLASSES,
        colors=cityscapes.COLORS,
        output_dir=FLAGS.output_dir
        or experiment.unused_directory(f"runs/cityscapes-{chosen.method}"),
        settings=recipe.given_flags(),
        dry_run=FLAGS.dry_run,
        verbose=FLAGS.verbose,
    )


def read_scenes(seed):
    images, label_maps = scenes.load(264, seed=2 * seed)
    return {
        "labeled": (images[:24], label_maps[:24]),
        "unlabeled": images[24:],
        "validation": scenes.load(48, seed=2 * seed + 1),
    }


def read_cityscapes(seed):
    def read(names=None, labeled=True):
        return cityscapes.read(FLAGS.data_dir, names=names, labeled=labeled)

    everything = read(labeled=False).names
    select_on = FLAGS.select_on and read(FLAGS.select_on)
    free = splits.rest(everything, select_on.names if select_on else ())
    labeled = read(FLAGS.labeled or splits.draw(free, FLAGS.labeled_share, seed))
    unlabeled = FLAGS.unlabeled or splits.rest(free, labeled.names)
    return {
        "labeled": labeled,
        "unlabeled": read(unlabeled, labeled=False),
        "validation": cityscapes.read(FLAGS.data_dir, "val"),
        "select_on": select_on,
    }


if __name__ == "__main__":
    app.run(main)
