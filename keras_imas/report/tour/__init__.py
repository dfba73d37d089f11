"""A finished run of the demo: what its networks make of landscapes they never saw.

The networks are those of `python examples/demo.py --seed=100`, as TensorFlow trained
them; any backend reads them.
"""

import pathlib

import keras
import numpy as np

from keras_imas.data import landscapes
from keras_imas.inference.comparison import (
    comparison_picture,
    score_networks,
    stack_pictures,
)
from keras_imas.inference.drawing import colorize, grid
from keras_imas.report.label_next import label_next, thumbnail_features
from keras_imas.scoring import hardness

SEED = 100
PLACES = 24
THRESHOLD = 0.9  # by which the demo trains


def load_tour():
    """Load the networks of the finished run.

    Returns:
        Dict from `"supervised"`, `"iMAS"` (its teacher) and `"iMAS student"` to a Keras
        model from images `(B, H, W, 3)`, 0..255, to logits `(B, H, W, 5)`.

    Example:
        >>> load_tour()["iMAS"].output_shape
        (None, None, None, 5)
    """
    directory = pathlib.Path(__file__).parent
    return {
        name: keras.saving.load_model(directory / f"{name}.keras", compile=False)
        for name in ("supervised", "iMAS", "iMAS student")
    }


def show_tour(path):
    """Print what the finished run can do, and draw it.

    First the predictions, then the hardness of images without labels, then which of
    them to label next.

    Args:
        path: File of the picture.
    """
    networks = load_tour()
    student = networks.pop("iMAS student")
    print("A finished run of the demo: 16 landscapes from June have labels, 200 from")
    print("June to October have none. What its networks make of new landscapes:\n")
    sheets = [_predictions(networks), *_unlabeled(student, networks["iMAS"])]
    stack_pictures(sheets).save(path)


def _predictions(networks):
    """Print how well the networks do in each month, and draw three landscapes."""
    print("1. Predictions. Mean IoU (1 is perfect) of 24 places in each month:")
    seed = landscapes.seed_of("test", SEED)
    for month, season in landscapes.MONTHS.items():
        images, truth = landscapes.load(PLACES, seed=seed, season=season)
        predicted, confusion = score_networks(
            networks, images, truth, len(landscapes.CLASSES)
        )
        means = {name: counts.mean_iou for name, counts in confusion.items()}
        print(f"{month:>10}:", *(f" {name} {x:.2f}" for name, x in means.items()))
    shown = {
        f"{name}, mIoU of 24: {means[name]:.2f}": predicted[name][:3] for name in means
    }
    return comparison_picture(
        images[:3],
        truth[:3],
        shown,
        landscapes.COLORS,
        class_names=landscapes.CLASSES,
        heading="1. October",
    )


def _unlabeled(student, teacher):
    """Print hardness by month and what to label next, and draw both."""
    months = landscapes.MONTHS
    names = [f"{month}, place {n}" for month in months for n in range(PLACES)]
    seed = landscapes.seed_of("unlabeled", SEED)
    images = np.concatenate(
        [
            landscapes.load(PLACES, seed=seed, season=season)[0]
            for season in months.values()
        ]
    )
    logits = [x.predict(images, batch_size=8, verbose=0) for x in (student, teacher)]
    scores = keras.ops.convert_to_numpy(
        hardness(*logits, confidence_threshold=THRESHOLD)
    )
    print("\n2. Hardness, from 0 (student and teacher are sure and agree) to 1. Mean:")
    for month, of_month in zip(months, np.split(scores, len(months)), strict=True):
        print(f"{month:>10}: {of_month.mean():.2f}")
    print(
        "   Both can be sure, agree and be wrong, as in October: hardness misses that."
    )

    seed = landscapes.seed_of("labeled", SEED)
    labeled, _ = landscapes.load(16, seed=seed, season=months["June"])
    order, novelty = label_next(
        scores,
        [thumbnail_features(image) for image in images],
        [thumbnail_features(image) for image in labeled],
        count=4,
    )
    print(
        "\n3. Label next: the hardest that are unlike those labeled or listed before:"
    )
    for place, new in zip(order, novelty, strict=True):
        print(f"   {names[place]}: hardness {scores[place]:.2f}, novelty {new:.2f}")

    maps = [x.argmax(-1) for x in logits]
    agreed = np.where(maps[0] == maps[1], maps[1], len(landscapes.COLORS))
    ranked = np.argsort(scores)[np.linspace(0, len(scores) - 1, 4).astype(int)]
    for chosen, title in (
        (ranked, "2. From the easiest to the hardest"),
        (order, "3. Label next"),
    ):
        captions = [f"{names[i]}: hardness {scores[i]:.2f}" for i in chosen]
        painted = [colorize(agreed[i], landscapes.COLORS) for i in chosen]
        yield grid(
            [images[chosen], painted],
            [title],
            [captions, ["black: they differ", "", "", ""]],
            tile_width=240,
        )
