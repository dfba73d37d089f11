"""Labels from June, photographs until October: what unlabeled images can add.

    keras-imas demo
    keras-imas demo --tour

Draws landscapes from above: 16 from June with labels, 200 from June to October
without. Trains one small network twice, supervised and with iMAS, and compares both in
June, August and October. Takes two minutes on two slow cores, and downloads nothing.
--tour shows a finished run within seconds.
"""

import csv
import os
import pathlib
import sys

import keras
from absl import flags
from keras import layers

import keras_imas
from keras_imas.augment.strong_views import labeled_view, strong_view
from keras_imas.command_line.own_command import as_started
from keras_imas.data import landscapes
from keras_imas.inference.comparison import (
    comparison_picture,
    score_networks,
)
from keras_imas.inference.drawing import class_table
from keras_imas.report.tour import show_tour
from keras_imas.runs.flags import define_path
from keras_imas.runs.new_directory import claim_directory, unused_directory

FLAGS = flags.FLAGS
FIRST = {"Flags": ("tour", "steps", "seed", "output", "labeled_views")}


def define():
    """Define its flags."""
    flags.DEFINE_integer("seed", 100, "Seed of the landscapes and of the training.", 0)
    flags.DEFINE_integer(
        "steps",
        1200,
        "Training steps of each method, rounded up to whole epochs of 50.",
        1,
    )
    define_path(
        "output",
        None,
        "New directory. Defaults to runs/demo-N, or runs/tour-N with --tour.",
    )
    flags.DEFINE_boolean(
        "tour",
        False,
        "Show a finished run: predictions, hardness, which images to label.",
    )
    flags.DEFINE_boolean(
        "labeled_views",
        False,
        "Also train supervised with other colors of the labeled images: photometric, "
        "and those of the strong view.",
    )


CLASSES = landscapes.CLASSES
# The view of the labeled images, by method.
METHODS = {
    "supervised": "weak",
    "photometric": "photometric",
    "strong colors": "strong",
    "iMAS": "weak",
}


def _make_student():
    """Make a small network; any Keras model from images to logits would do."""

    def convolve(x, filters, size=3, strides=1):
        x = layers.Conv2D(filters, size, strides, padding="same", use_bias=False)(x)
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))

    def enlarge(x, beside, filters):
        x = layers.UpSampling2D(interpolation="bilinear")(convolve(x, filters, 1))
        return convolve(layers.Add()([x, beside]), filters)

    images = keras.Input((None, None, 3))
    half = convolve(layers.Rescaling(1 / 127.5, -1)(images), 16, strides=2)
    quarter = convolve(convolve(half, 32, strides=2), 32)
    eighth = convolve(convolve(quarter, 64, strides=2), 64)
    features = enlarge(enlarge(eighth, quarter, 32), half, 16)
    logits = layers.Conv2D(len(CLASSES), 1)(features)
    return keras.Model(images, layers.UpSampling2D(interpolation="bilinear")(logits))


def _train(method, labeled, unlabeled):
    """Train a network by a method; all methods see the same labeled images."""
    keras.utils.set_random_seed(FLAGS.seed)
    model = keras_imas.IMAS(
        _make_student(),
        confidence_threshold=0.9,
        unlabeled_weight=1.0,
        ema_decay=0.99,
        supervised_only_steps=FLAGS.steps // 4,
        cutmix_view="strong",
        seed=FLAGS.seed,
    )
    epoch = len(unlabeled) // 4  # an epoch passes over the unlabeled images once
    epochs = -(-FLAGS.steps // epoch)
    rate = keras_imas.optimizers.PolynomialDecay(0.05, epochs * epoch)
    model.compile(keras_imas.optimizers.SGD(rate, momentum=0.9, l2=1e-4))
    crops = dict(
        crop_size=48,
        scale_range=(0.8, 1.25),
        labeled_strong=labeled_view(METHODS[method], "jitter"),
        seed=FLAGS.seed,
    )
    if method == "iMAS":
        batches = keras_imas.data.semi_supervised(
            labeled, unlabeled, strong=strong_view("jitter"), **crops
        )
    else:
        batches = keras_imas.data.supervised(labeled, steps_per_epoch=epoch, **crops)

    def report(number, logs):
        hardness = f", hardness {logs['hardness']:.2f}" if "hardness" in logs else ""
        done = f"{(number + 1) * epoch:5} of {epochs * epoch} steps"
        print(f"{done}: loss {logs['supervised_loss']:.2f}{hardness}", flush=True)

    print(f"\n{method}", flush=True)
    progress = keras.callbacks.LambdaCallback(on_epoch_end=report)
    model.fit(batches, epochs=epochs, callbacks=[progress], verbose=0, shuffle=False)
    return model


def _compare(models, seconds, output):
    """Score networks on each season, print it, and write a table and a picture."""
    rows = []
    print("\nmIoU of 24 other places, from 0 to 1")
    for season, when in landscapes.MONTHS.items():
        images, truth = landscapes.load(
            24, seed=landscapes.seed_of("test", FLAGS.seed), season=when
        )
        predicted, confusion = score_networks(models, images, truth, len(CLASSES))
        means = {name: counts.mean_iou for name, counts in confusion.items()}
        print(f"{season:>8}:", *(f" {name} {mean:.2f}" for name, mean in means.items()))
        for name, counts in confusion.items():
            iou = dict(zip(CLASSES, counts.iou.round(4).tolist(), strict=True))
            row = {"seed": FLAGS.seed, "method": name, "season": season}
            row |= {"miou": round(means[name], 4), **iou, **seconds[name]}
            rows.append(row | {"backend": keras.backend.backend()})
    print(f"\nIoU of each class in {season}\n")
    print(class_table(CLASSES, {name: c.iou for name, c in confusion.items()}))
    with open(output / "results.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    shown = {f"{name}: mIoU {means[name]:.2f}": predicted[name][:4] for name in models}
    picture = comparison_picture(
        images[:4],
        truth[:4],
        shown,
        landscapes.COLORS,
        class_names=CLASSES,
        heading=season,
    )
    picture.save(output / "demo.png")


def main(argv):
    """Train and compare, or show the tour.

    Args:
        argv: Command line, of which absl has taken the flags.
    """
    name = "tour" if FLAGS.tour else "demo"
    output = pathlib.Path(FLAGS.output or unused_directory(f"runs/{name}"))
    try:
        claim_directory(output)
    except FileExistsError:
        sys.exit(f"Error: {output} is there already. Choose another --output")
    if FLAGS.tour:
        show_tour(output / "tour.png")
        print(
            f"\nThe picture is {output / 'tour.png'}. To train both networks yourself:"
        )
        print(as_started("  keras-imas demo"))
        return
    seed = FLAGS.seed
    labeled = landscapes.load(
        16, seed=landscapes.seed_of("labeled", seed), season=landscapes.MONTHS["June"]
    )
    unlabeled, _ = landscapes.load(
        200, seed=landscapes.seed_of("unlabeled", seed), season=(0.0, 1.0)
    )
    print("16 landscapes from June with labels, 200 from June to October without")
    models, seconds = {}, {}
    for method in METHODS if FLAGS.labeled_views else ("supervised", "iMAS"):
        before = os.times()
        models[method] = _train(method, labeled, unlabeled)
        after = os.times()
        seconds[method] = {
            "user_s": round(after.user - before.user),
            "system_s": round(after.system - before.system),
        }
        models[method].teacher.save(output / f"{method}.keras")
    models["iMAS"].student.save(output / "iMAS student.keras")
    _compare(models, seconds, output)
    print(
        f"\nThe picture is {output / 'demo.png'}, networks and numbers are beside it."
    )
    print("Your own photographs: put all into one folder, masks of a few into another,")
    print("and give the number of classes:")
    command = "keras-imas train folder --images=photos --masks=masks --num_classes=11"
    print(f"  {as_started(command)}")
