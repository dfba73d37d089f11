"""Train on PASCAL VOC 2012, with the labels of SBD where they are there.

    python examples/train_voc.py --data_dir=VOCdevkit/VOC2012 --labeled=labeled.txt \
      --weights=resnet50.pth --flagfile=examples/flagfiles/voc_classic_92_r50.flags

The defaults are the paper's. Lists hold an id a line, such as 2007_000032.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app, flags  # noqa: E402

from keras_imas import experiment, recipe  # noqa: E402
from keras_imas.data import splits, voc  # noqa: E402
from keras_imas.recipe import Recipe  # noqa: E402

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "data_dir", None, "Directory of JPEGImages, SegmentationClass[Aug] and ImageSets."
)
flags.DEFINE_string(
    "train",
    None,
    "List of all training images, those of SBD included: 10,582 in the published runs. "
    "Default: ImageSets/Segmentation/train_aug.txt.",
)
flags.DEFINE_string(
    "labeled", None, "List of labeled images; without it --labeled_count are drawn."
)
flags.DEFINE_integer(
    "labeled_count", 662, "Number of labeled images, drawn by --seed.", lower_bound=1
)
flags.DEFINE_enum(
    "protocol",
    "blended",
    ["blended", "classic"],
    "Where they are drawn from: blended: --train; classic: VOC's own "
    "ImageSets/Segmentation/train.txt.",
)
flags.DEFINE_string("unlabeled", None, "List of unlabeled images; default: all others.")
flags.DEFINE_string(
    "select_on",
    None,
    "List of training images to choose the best epoch on; they are neither labeled nor "
    "unlabeled. Without it the best epoch is that on val, as published.",
)
flags.DEFINE_string(
    "val", None, "List of validation images; default: ImageSets/Segmentation/val.txt."
)
flags.DEFINE_string("output_dir", None, "New directory; default: runs/voc-METHOD-N.")
flags.DEFINE_boolean("dry_run", False, "Print what a run would do and cost, and stop.")
flags.DEFINE_integer("verbose", 1, "1: progress bar, 2: a line an epoch, 0: neither.")
flags.mark_flag_as_required("data_dir")

Recipe(
    backbone="resnet50_deep_stem",
    multi_grid=(1, 2, 4),
    sync_batch_norm=True,
    crop_size=513,
    labeled_batch_size=16,
    unlabeled_batch_size=16,
    epochs=80,
    learning_rate=0.001,
    decoder_multiplier=10.0,
    weight_decay=1e-4,
    confidence_threshold=0.95,
    background_class=0,
    pairing_group_size=4,
).define_flags()
flags.adopt_module_key_flags(recipe)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {' '.join(argv[1:])}")
    chosen = Recipe.from_flags()
    experiment.run(
        chosen,
        **read_voc(chosen.seed),
        class_names=voc.CLASSES,
        colors=voc.COLORS,
        output_dir=FLAGS.output_dir
        or experiment.unused_directory(f"runs/voc-{chosen.method}"),
        settings=recipe.given_flags(),
        dry_run=FLAGS.dry_run,
        verbose=FLAGS.verbose,
    )


def read_voc(seed):
    lists = os.path.join(FLAGS.data_dir, "ImageSets", "Segmentation")

    def read(names, labeled=True):
        return voc.read(FLAGS.data_dir, names, labeled=labeled)

    train = FLAGS.train or os.path.join(lists, "train_aug.txt")
    select_on = FLAGS.select_on and read(FLAGS.select_on)
    held_out = select_on.names if select_on else ()
    labeled = FLAGS.labeled
    if not labeled:
        classic = os.path.join(lists, "train.txt")
        free = read(classic if FLAGS.protocol == "classic" else train, labeled=False)
        free = splits.rest(free.names, held_out)
        if FLAGS.labeled_count > len(free):
            raise app.UsageError(
                f"--labeled_count={FLAGS.labeled_count}, and there are {len(free)} "
                "images to draw from."
            )
        labeled = splits.draw(free, FLAGS.labeled_count / len(free), seed)
    labeled = read(labeled)
    unlabeled = FLAGS.unlabeled or splits.rest(
        read(train, labeled=False).names, labeled.names, held_out
    )
    return {
        "labeled": labeled,
        "unlabeled": read(unlabeled, labeled=False),
        "validation": read(FLAGS.val or os.path.join(lists, "val.txt")),
        "select_on": select_on,
    }


if __name__ == "__main__":
    app.run(main)
