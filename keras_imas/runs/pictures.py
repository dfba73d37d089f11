"""Pictures of a run: predictions beside the truth, easy and hard images."""

import itertools
import os

import numpy as np

from keras_imas.inference import drawing
from keras_imas.inference.predictor import Predictor
from keras_imas.inference.score_hardness import score_hardness
from keras_imas.runs.prediction_options import prediction_options, reading_of


def save_pictures(model, recipe, parts, output_dir, *, verbose="auto"):
    """Draw what the networks of a run make of its images.

    Writes `hardness.png`, and with validation images `predictions.png`.

    Args:
        model: Trained `keras_imas.IMAS`.
        recipe: `keras_imas.runs.recipe.Recipe`.
        parts: `keras_imas.runs.parts.Parts`.
        output_dir: Directory to write into.
        verbose: See `keras_imas.progress.progress_style`. Defaults to `"auto"`.
    """
    options = prediction_options(
        parts.unlabeled or parts.labeled, **reading_of(vars(recipe))
    )
    predictors = {
        name: Predictor(getattr(model, name), **options)
        for name in ("student", "teacher")
    }
    if parts.validation is not None:
        drawn = predictions(predictors, parts.validation, parts.colors)
        drawn.save(os.path.join(output_dir, "predictions.png"))
    if parts.unlabeled is None:
        return
    save_hardness(
        model,
        predictors,
        parts.unlabeled,
        os.path.join(output_dir, "hardness.png"),
        parts.colors,
        verbose=verbose,
    )


def predictions(predictors, validation, colors, *, count=4):
    """Draw images beside the truth and what student and teacher predict.

    Args:
        predictors: Dict of a `keras_imas.inference.Predictor` for `"student"` and
            `"teacher"`.
        validation: Labeled `keras_imas.data.Examples`.
        colors: RGB color of each class.
        count: Number of images. Defaults to `4`.

    Returns:
        `PIL.Image.Image`.
    """
    names = ["student", "teacher"]
    rows = []
    for example in _some(validation, count):
        image = example["image"]
        predicted = [next(predictors[n]([image])).argmax(axis=-1) for n in names]
        label_maps = [example["label_map"], *predicted]
        rows.append(
            [image.astype("uint8"), *(drawing.colorize(x, colors) for x in label_maps)]
        )
    return drawing.grid(rows, ["image", "truth", *names])


def save_hardness(
    model,
    predictors,
    unlabeled,
    filepath,
    colors,
    *,
    verbose="auto",
    count=4,
    at_most=256,
):
    """Draw the easiest and the hardest unlabeled images with their hardness.

    Args:
        model: `IMAS`.
        predictors: As in `predictions`.
        unlabeled: `keras_imas.data.Examples`.
        filepath: Path of the picture.
        colors: RGB color of each class.
        verbose: See `keras_imas.progress.progress_style`. Defaults to `"auto"`.
        count: Number of easiest and of hardest images. Defaults to `4`.
        at_most: Images to score; of more, an even selection. Defaults to `256`.
    """
    wanted = _spread(len(unlabeled), at_most)
    scored = []

    def images():
        for index, example in unlabeled.pick(wanted):
            scored.append(index)
            yield example["image"]

    hardness = score_hardness(
        model, images(), count=len(wanted), verbose=verbose, predictors=predictors
    )
    order = np.argsort(hardness, kind="stable")
    count = min(count, len(order))
    teacher = predictors["teacher"]
    easiest, hardest = order[:count], order[::-1][:count]
    # Read in one pass: a `tf.data` source has no other way to an image.
    shown = {scored[position] for position in (*easiest, *hardest)}
    examples = dict(unlabeled.pick(shown))
    rows, captions = [], []
    for title, chosen in (("easiest", easiest), ("hardest", hardest)):
        images, predicted, names = [], [], []
        for position in chosen:
            example = examples[scored[position]]
            image = example["image"]
            label_map = next(teacher([image])).argmax(axis=-1)
            images.append(image.astype("uint8"))
            predicted.append(drawing.colorize(label_map, colors))
            names.append(example["name"])
        rows += [images, predicted]
        captions += [
            [f"{title}: hardness {hardness[position]:.2f}" for position in chosen],
            [f"{name}, teacher" for name in names],
        ]
    drawing.grid(rows, captions=captions).save(filepath)


def _some(examples, count):
    """Return at most so many examples: spread, or the first that can be read."""
    spread = [each for _, each in examples.pick(_spread(len(examples), count))]
    if spread:
        return spread
    every = examples.pick(range(len(examples)))
    return [each for _, each in itertools.islice(every, count)]


def _spread(count, at_most):
    """Return at most so many indices below `count`, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, at_most)).astype(int))
