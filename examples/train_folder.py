"""Train on your own photographs: a few with masks, many without.

    python examples/train_folder.py --images=photos --masks=masks --num_classes=11

Every image with a mask of the same name is labeled, all others are unlabeled; or say
which are which by lists of names: --labeled=labeled.txt --unlabeled=unlabeled.txt.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app, flags  # noqa: E402

from keras_imas import data, experiment, recipe  # noqa: E402
from keras_imas.data import splits  # noqa: E402
from keras_imas.recipe import Recipe  # noqa: E402

FLAGS = flags.FLAGS
flags.DEFINE_string("images", None, "Folder of images, searched recursively.")
flags.DEFINE_string("masks", None, "Folder of masks: NAME.png, a class id a pixel.")
flags.DEFINE_string("labeled", None, "List of labeled images, a name a line.")
flags.DEFINE_string("unlabeled", None, "List of unlabeled images, a name a line.")
flags.DEFINE_string(
    "val_images", None, "Folder of validation images; no evaluation without."
)
flags.DEFINE_string("val_masks", None, "Folder of their masks.")
flags.DEFINE_string(
    "val", None, "List of validation images; all of the folder without."
)
flags.DEFINE_string(
    "select_on",
    None,
    "List of images with masks to choose the best epoch on; they are neither labeled "
    "nor unlabeled. Without it the validation images choose.",
)
flags.DEFINE_integer("num_classes", None, "Number of classes.", lower_bound=1)
flags.DEFINE_list("class_names", None, "Their names, separated by commas.")
flags.DEFINE_integer("ignore_class", 255, "Label of pixels that don't count.")
flags.DEFINE_list("image_size", None, "Resize images when read: height,width.")
flags.DEFINE_string("output_dir", None, "New directory; default: runs/folder-METHOD-N.")
flags.DEFINE_boolean("dry_run", False, "Print what a run would do and cost, and stop.")
flags.DEFINE_integer("verbose", 1, "1: progress bar, 2: a line an epoch, 0: neither.")
# Small data wants a warm-up, a higher threshold and a smaller weight than the paper's.
Recipe(
    warmup_steps=500, confidence_threshold=0.9, unlabeled_weight=1.0, weight_decay=1e-4
).define_flags()
flags.adopt_module_key_flags(recipe)
flags.mark_flags_as_required(["images", "masks", "num_classes"])
flags.register_multi_flags_validator(
    ["val_images", "val_masks", "val"],
    lambda given: (
        bool(given["val_images"]) == bool(given["val_masks"])
        and bool(given["val_images"]) >= bool(given["val"])
    ),
    "--val_images and --val_masks go together, and --val goes with them",
)
flags.register_multi_flags_validator(
    ["class_names", "num_classes"],
    lambda given: len(given["class_names"] or ()) in (0, given["num_classes"]),
    "--class_names must be as many as --num_classes",
)
flags.register_validator(
    "image_size",
    lambda size: size is None or len(size) == 2 and all(x.isdigit() for x in size),
    "must be height,width, such as 180,240",
)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {' '.join(argv[1:])}")
    chosen = Recipe.from_flags()
    size = FLAGS.image_size and tuple(map(int, FLAGS.image_size))

    def read(images, masks=None, names=None):
        return data.from_folder(images, masks, names, image_size=size)

    select_on = FLAGS.select_on and read(FLAGS.images, FLAGS.masks, FLAGS.select_on)
    free = ()
    if not (FLAGS.labeled and FLAGS.unlabeled):
        held_out = select_on.names if select_on else ()
        free = splits.rest(read(FLAGS.images).names, held_out)
    labeled = FLAGS.labeled or [
        name
        for name in free
        if os.path.isfile(os.path.join(FLAGS.masks, f"{name}.png"))
    ]
    labeled = read(FLAGS.images, FLAGS.masks, labeled)
    unlabeled = FLAGS.unlabeled or splits.rest(free, labeled.names)
    validation = None
    if FLAGS.val_images:
        validation = read(FLAGS.val_images, FLAGS.val_masks, FLAGS.val)
    experiment.run(
        chosen,
        labeled,
        read(FLAGS.images, None, unlabeled),
        validation,
        select_on=select_on,
        class_names=FLAGS.class_names or list(map(str, range(FLAGS.num_classes))),
        ignore_class=FLAGS.ignore_class,
        output_dir=FLAGS.output_dir
        or experiment.unused_directory(f"runs/folder-{chosen.method}"),
        settings=recipe.given_flags(),
        dry_run=FLAGS.dry_run,
        verbose=FLAGS.verbose,
    )


if __name__ == "__main__":
    app.run(main)
