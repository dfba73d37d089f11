"""A finished run of the demo: what its networks make of landscapes they never saw.

The networks are those of `python examples/demo.py --seed=100`, as TensorFlow trained
them; any backend reads them.
"""

import pathlib

import keras
import numpy as np
from PIL import Image

from keras_imas.data import landscapes
from keras_imas.inference.comparison import comparison_picture, score_networks
from keras_imas.inference.drawing import grid
from keras_imas.report.label_next import label_next, thumbnail_features
from keras_imas.scoring import hardness

SEED = 100
MONTHS = {"June": (0.0, 0.05), "August": (0.45, 0.55), "October": (0.9, 1.0)}
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
    print(
        "A finished run: labels from June, images without labels from June to October"
    )
    sheets = [_predictions(networks), _unlabeled(student, networks["iMAS"])]
    _stack(sheets).save(path)


def _predictions(networks):
    """Print how well the networks do in October, and draw four landscapes."""
    images, truth = landscapes.load(24, seed=10 * SEED + 2, season=MONTHS["October"])
    classes = len(landscapes.CLASSES)
    predicted, confusion = score_networks(networks, images, truth, classes)
    means = {name: counts.mean_iou for name, counts in confusion.items()}
    print("\n1. October, which no label shows. mIoU of 24 places:")
    print("  ", *(f" {name} {mean:.2f}" for name, mean in means.items()))
    shown = {f"{name}: mIoU {means[name]:.2f}": predicted[name][:3] for name in means}
    return comparison_picture(
        images[:3], truth[:3], shown, landscapes.COLORS, heading="1. October"
    )


def _unlabeled(student, teacher):
    """Print hardness by month and what to label next, and draw both."""
    seed = 10 * SEED + 1
    months = [month for month in MONTHS for _ in range(24)]
    images = np.concatenate(
        [landscapes.load(24, seed=seed, season=season)[0] for season in MONTHS.values()]
    )
    logits = [network.predict(images, verbose=0) for network in (student, teacher)]
    scores = keras.ops.convert_to_numpy(
        hardness(*logits, confidence_threshold=THRESHOLD)
    )
    print("\n2. Hardness: how much student and teacher disagree, from 0 to 1. Mean of")
    for month, of_month in zip(MONTHS, np.split(scores, len(MONTHS)), strict=True):
        print(f"   {month:>8} {of_month.mean():.2f}")

    labeled, _ = landscapes.load(16, seed=10 * SEED, season=MONTHS["June"])
    order, _ = label_next(
        scores,
        [thumbnail_features(image) for image in images],
        [thumbnail_features(image) for image in labeled],
        count=4,
    )
    print("\n3. Label next, hard and unlike each other:")
    for place in order:
        print(f"   place {place % 24} in {months[place]}, hardness {scores[place]:.2f}")
    ranked = np.argsort(scores)[np.linspace(0, len(scores) - 1, 4).astype(int)]
    rows = [
        (ranked, "2. from the easiest to the hardest"),
        (order, "3. label next"),
    ]
    return _stack(
        [
            grid(
                [images[chosen]],
                [title],
                [[f"{months[i]}, hardness {scores[i]:.2f}" for i in chosen]],
                tile_width=240,
            )
            for chosen, title in rows
        ]
    )


def _stack(sheets, gap=12):
    """Put pictures below each other."""
    height = sum(sheet.height + gap for sheet in sheets) - gap
    stack = Image.new("RGB", (max(sheet.width for sheet in sheets), height), "white")
    top = 0
    for sheet in sheets:
        stack.paste(sheet, (0, top))
        top += sheet.height + gap
    return stack
