"""What the networks of a run make of its unlabeled images."""

import base64
import contextlib
import dataclasses
import io
import os

import keras
import numpy as np
from PIL import Image

from keras_imas.callbacks.hardness_log import names_of
from keras_imas.data import as_examples
from keras_imas.inference import drawing
from keras_imas.inference.predictor import Predictor
from keras_imas.report.label_next import label_next, thumbnail_features
from keras_imas.runs.saved_networks import load_networks
from keras_imas.runs.sources import SOURCES


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What was found by looking at images of a run.

    Attributes:
        gallery: List of dicts, the easiest images first: `"image"`, its name;
            `"hardness"`; `"pictures"`, a dict from title to an encoded picture.
        next: List of dicts, best first: `"rank"`, `"image"`, `"file"`, `"hardness"`,
            `"novelty"`, `"picture"`.
        errors: Dict from image to the share of its pixels that the teacher gets wrong,
            where label maps are known.
        missing: What could not be looked at, and why: list of sentences.
    """

    gallery: list
    next: list
    errors: dict
    missing: list


def inspect(
    run, *, gallery=6, count=50, candidates=500, truths=200, width=200, verbose="auto"
):
    """Look at the images of a run that has written its hardness.

    Args:
        run: `keras_imas.runs.Run` with hardness.
        gallery: Number of easiest and of hardest images to show. Defaults to `6`.
        count: Number of images to label next. Defaults to `50`.
        candidates: The hardest images, of which these are chosen. Defaults to `500`.
        truths: Images to compare with their label maps, where they have one. Defaults
            to `200`.
        width: Width of pictures in pixels. Defaults to `200`.
        verbose: 1 or `"auto"` for progress bars. Defaults to `"auto"`.

    Returns:
        `Inspection`.
    """
    missing = []
    hardness = run.hardness.recent()
    order = np.argsort(hardness, kind="stable")
    gallery = min(gallery, len(order) // 2)
    shown = [*order[:gallery], *order[len(order) - gallery :]]
    # Paths in the run's flags are relative to where it was started.
    where = run.facts.get("working_directory", ".")
    directory = os.path.abspath(run.directory)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(contextlib.chdir(where))
            source, parts = _read_source(run)
        except (ValueError, OSError, LookupError) as error:
            missing.append(f"The images are not shown: {error}")
            return Inspection([], [], {}, missing)
        unlabeled = parts["unlabeled"]
        positions = {name: i for i, name in enumerate(names_of(unlabeled))}
        lost = [name for name in run.hardness.images if name not in positions]
        if lost:
            missing.append(
                f"The images are not shown: {lost[0]!r}, whose hardness was logged, is "
                "not among the unlabeled images any more"
            )
            return Inspection([], [], {}, missing)
        positions = np.array([positions[name] for name in run.hardness.images])

        networks = _networks(directory)
        for name, when in (
            ("teacher", "after the first evaluation or at the end"),
            ("student", "at the end"),
        ):
            if name not in networks:
                missing.append(
                    f"There is no {name} yet, so that nothing of it is shown: it is "
                    f"saved {when}"
                )
        predictors = {
            name: Predictor(network, **_prediction(run, unlabeled))
            for name, network in networks.items()
        }
        tiles = _gallery(run, unlabeled, positions, shown, predictors, width, verbose)
        hardest = order[::-1][:candidates]
        chosen = _label_next(run, parts, positions, hardest, count, width // 2, verbose)
        errors = {}
        if "teacher" in predictors and truths:
            truth = source.truth(unlabeled, run.facts["recipe"]["seed"])
            if truth is not None:
                errors = _errors(run, truth, predictors["teacher"], truths, verbose)
    return Inspection(tiles, chosen, errors, missing)


def rank_correlation(first, second):
    """Return Spearman's correlation of two lists of numbers, of ranks without ties.

    Args:
        first: `(N,)`.
        second: `(N,)`.

    Returns:
        A number in [-1, 1]; NaN for fewer than 3 pairs.

    Example:
        >>> rank_correlation([1, 2, 30, 31], [0.1, 0.3, 0.4, 0.2])
        0.4
    """
    if len(first) < 3:
        return float("nan")
    ranks = [np.argsort(np.argsort(values)) for values in (first, second)]
    return round(float(np.corrcoef(*ranks)[0, 1]), 10)


def _read_source(run):
    settings = run.facts.get("settings") or {}
    if settings.get("dataset") not in SOURCES:
        raise ValueError(
            "the run was not made by a program, and where its images are is not known"
        )
    kind = SOURCES[settings["dataset"]]
    values = {
        field.name: _as(field.type, settings[field.name])
        for field in dataclasses.fields(kind)
        if field.name in settings
    }
    source = kind(**{name: value for name, value in values.items() if name != "cache"})
    parts = source.parts(run.facts["recipe"]["seed"])
    return source, {
        name: as_examples(part) for name, part in parts.items() if part is not None
    }


def _as(kind, value):
    """Return the value of a flag as its field has it."""
    if kind is not tuple:
        return value
    return tuple(int(v) if v.lstrip("-").isdigit() else v for v in map(str, value))


def _networks(directory):
    """Return teacher and student, the last or, in a run that goes on, the best."""
    found = {}
    for name in ("teacher", "student"):
        for kind in ("last", "best"):
            path = os.path.join(directory, f"{name}_{kind}.keras")
            if os.path.isfile(path) and name not in found:
                found[name] = next(iter(load_networks([path]).values()))
    return found


def _prediction(run, examples):
    recipe = run.facts["recipe"]
    if recipe["window"]:
        return {"window": recipe["window"]}
    return {"size_multiple": recipe["size_multiple"] or examples.size_multiple()}


def _looked_at(examples, indices, what, verbose):
    """Yield `(index, example)` with a progress bar."""
    bar = None
    if verbose in (1, "auto"):
        print(what, flush=True)
        bar = keras.utils.Progbar(len(set(indices)), unit_name="image")
    for index, example in examples.pick(indices):
        yield int(index), example
        if bar:
            bar.add(1)


def _gallery(run, unlabeled, positions, shown, predictors, width, verbose):
    colors = run.facts["colors"]
    threshold = run.facts["recipe"]["confidence_threshold"]
    hardness = run.hardness.recent()
    pictures = {}
    wanted = [int(positions[image]) for image in shown]
    for index, example in _looked_at(unlabeled, wanted, "Gallery", verbose):
        image = np.asarray(example["image"])
        found = {"image": image}
        labels = {}
        for name, predictor in predictors.items():
            probabilities = next(predictor([image]))
            labels[name] = probabilities.argmax(axis=-1)
            found[name] = drawing.colorize(labels[name], colors)
            if name == "teacher":
                sure = probabilities.max(axis=-1)
                pseudo = np.where(sure >= threshold, labels[name], -1)
                found[f"pseudo label (≥ {threshold:g})"] = drawing.colorize(
                    pseudo, colors
                )
                found["confidence"] = np.repeat(255 * sure[..., None], 3, axis=-1)
        if len(labels) == 2:
            differ = labels["teacher"] != labels["student"]
            red = np.where(differ[..., None], [220, 0, 0], 0.35 * image + 0.65 * 255)
            found["disagreement"] = red
        pictures[index] = {title: _encoded(p, width) for title, p in found.items()}
    return [
        {
            "image": str(run.hardness.images[image]),
            "hardness": float(hardness[image]),
            "pictures": pictures[int(positions[image])],
        }
        for image in shown
        if int(positions[image]) in pictures  # the others can't be read
    ]


def _label_next(run, parts, positions, hardest, count, width, verbose):
    unlabeled = parts["unlabeled"]
    hardness = run.hardness.recent()
    features, pictures = {}, {}
    wanted = [int(positions[image]) for image in hardest]
    for index, example in _looked_at(unlabeled, wanted, "Label next", verbose):
        features[index] = thumbnail_features(example["image"])
        pictures[index] = _encoded(example["image"], width)
    readable = [image for image in hardest if int(positions[image]) in features]
    labeled = dataclasses.replace(parts["labeled"], labeled=False)
    seen = _looked_at(labeled, range(len(labeled)), "Labeled images", verbose)
    order, novelty = label_next(
        hardness[readable],
        np.array([features[int(positions[image])] for image in readable]),
        [thumbnail_features(example["image"]) for _, example in seen],
        count,
    )
    rows = []
    for rank, (place, new) in enumerate(zip(order, novelty, strict=True), 1):
        image = readable[place]
        position = int(positions[image])
        rows.append(
            {
                "rank": rank,
                "image": str(run.hardness.images[image]),
                "file": unlabeled.files[position] if unlabeled.files else "",
                "hardness": round(float(hardness[image]), 4),
                "novelty": round(float(new), 4),
                "picture": pictures[position],
            }
        )
    return rows


def _errors(run, truth, teacher, at_most, verbose):
    """Return the share of wrong pixels of some images by name."""
    names = names_of(truth)
    logged = set(run.hardness.images)
    known = [i for i, name in enumerate(names) if name in logged]
    spread = np.linspace(0, len(known) - 1, min(at_most, len(known))).astype(int)
    wanted = [known[i] for i in spread]
    errors = {}
    for index, example in _looked_at(truth, wanted, "True errors", verbose):
        labels = np.asarray(example["label_map"])
        valid = labels != run.facts["ignore_class"]
        if valid.any():
            predicted = next(teacher([example["image"]])).argmax(axis=-1)
            errors[names[index]] = float((predicted != labels)[valid].mean())
    return errors


def _encoded(image, width):
    """Return a picture as the address of an `<img>` that holds it."""
    picture = Image.fromarray(np.clip(np.asarray(image), 0, 255).astype("uint8"))
    height = max(round(picture.height * width / picture.width), 1)
    buffer = io.BytesIO()
    picture.resize((width, height)).save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
