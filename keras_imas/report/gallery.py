"""Pictures of the easiest and the hardest images, and what networks make of them."""

import numpy as np

from keras_imas.report.data_uri import label_map_uri, photograph_uri
from keras_imas.report.reading import names_to_positions, read_some

_RED = (220, 0, 0)


def make_gallery(run, unlabeled, truth, shown, predictors, *, width, verbose):
    """Draw images, their label maps where known, and what the networks predict.

    Args:
        run: `keras_imas.runs.Run` with hardness.
        unlabeled: The run's unlabeled `keras_imas.data.Examples`.
        truth: Those of them that have a label map, or `None`.
        shown: Names of images, in the order to show them in.
        predictors: Dict from `"teacher"` and `"student"`, as far as they are there, to
            a `keras_imas.inference.Predictor`.
        width: Width of the pictures in pixels.
        verbose: See `keras_imas.progress.progress_style`.

    Returns:
        List of dicts: `"image"`, its name; `"hardness"`; `"error"`, the share of its
        pixels that the teacher gets wrong, or `None`; `"pictures"` and `"details"`,
        dicts from title to the address of a picture. Images that can't be read are
        left out.
    """
    hardness = dict(zip(run.hardness.images, run.hardness.recent(), strict=True))
    known = {} if truth is None else names_to_positions(truth)
    tiles = {}
    for source, names, title in (
        (truth, [name for name in shown if name in known], "Gallery, with masks"),
        (unlabeled, [name for name in shown if name not in known], "Gallery"),
    ):
        if not names:
            continue
        positions = names_to_positions(source)
        wanted = {positions[name]: name for name in names}
        for index, example in read_some(source, wanted, title, verbose):
            name = wanted[index]
            tiles[name] = {
                "image": str(name),
                "hardness": float(hardness[name]),
                **_pictures(run, example, predictors, width),
            }
    return [tiles[name] for name in shown if name in tiles]


def _pictures(run, example, predictors, width):
    colors = run.facts["colors"]
    recipe = run.facts["recipe"]
    threshold = recipe["confidence_threshold"]
    # By class, less sure ones count, too.
    kind = "sure pseudo label" if recipe.get("class_thresholds") else "pseudo label"
    image = np.asarray(example["image"])
    probabilities = {name: next(p([image])) for name, p in predictors.items()}
    labels = {name: found.argmax(axis=-1) for name, found in probabilities.items()}

    def painted(label_map):
        return label_map_uri(label_map, colors, width)

    def marked(where):
        red = np.where(where[..., None], _RED, 0.35 * image + 0.65 * 255)
        return photograph_uri(red, width)

    pictures, details = {"image": photograph_uri(image, width)}, {}
    truth = example.get("label_map")
    if truth is not None:
        pictures["truth"] = painted(truth)
    if "teacher" in labels:
        pictures["teacher"] = painted(labels["teacher"])
        sure = probabilities["teacher"].max(axis=-1)
        pseudo_labels = np.where(sure >= threshold, labels["teacher"], -1)
        details[f"{kind} (≥ {threshold:g})"] = painted(pseudo_labels)
        gray = np.repeat(255 * sure[..., None], 3, axis=-1)
        details["confidence"] = photograph_uri(gray, width)
    if "student" in labels:
        details["student"] = painted(labels["student"])
    if len(labels) == 2:
        disagreement = marked(labels["teacher"] != labels["student"])
        (pictures if truth is None else details)["disagreement"] = disagreement
    error = None
    if truth is not None and "teacher" in labels:
        error = wrong_share(labels["teacher"], truth, run.facts["ignore_class"])
        wrong = (labels["teacher"] != truth) & (truth != run.facts["ignore_class"])
        pictures["teacher's errors"] = marked(wrong)
    return {"error": error, "pictures": pictures, "details": details}


def wrong_share(predicted, truth, ignore_class):
    """Return the share of the labeled pixels of an image that are wrong.

    Args:
        predicted: Class ids `(H, W)`.
        truth: Label map `(H, W)`.
        ignore_class: Label of pixels that don't count.

    Returns:
        A number in [0, 1], or `None` where no pixel counts.

    Example:
        >>> wrong_share(np.array([[0, 1, 1]]), np.array([[0, 0, 255]]), 255)
        0.5
    """
    valid = truth != ignore_class
    return float((predicted != truth)[valid].mean()) if valid.any() else None
