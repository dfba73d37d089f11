"""What the networks of a run make of its unlabeled images."""

import contextlib
import dataclasses
import os

import numpy as np

from keras_imas.data import as_examples
from keras_imas.inference.predictor import Predictor
from keras_imas.report.data_uri import photograph_uri
from keras_imas.report.gallery import make_gallery, wrong_share
from keras_imas.report.label_next import label_next, thumbnail_features
from keras_imas.report.reading import names_to_positions, read_some
from keras_imas.runs.prediction_options import prediction_options, reading_of
from keras_imas.runs.saved_networks import load_networks
from keras_imas.runs.sources import SOURCES


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What was found by looking at images of a run.

    Attributes:
        gallery: List of dicts, as of `keras_imas.report.gallery.make_gallery`: the
            hardest images, the hardest first, then as many of the easiest, the easiest
            first.
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
    run, *, gallery=6, count=50, candidates=500, truths=200, width=320, verbose="auto"
):
    """Look at the images of a run that has written its hardness.

    Args:
        run: `keras_imas.runs.Run` with hardness.
        gallery: Number of easiest and of hardest images to show. Defaults to `6`.
        count: Number of images to label next. Defaults to `50`.
        candidates: The hardest images, of which these are chosen. Defaults to `500`.
        truths: Images to compare with their label maps, where they have one. Defaults
            to `200`.
        width: Width of pictures in pixels; none is scaled up. Defaults to `320`.
        verbose: See `keras_imas.progress.progress_style`. Defaults to `"auto"`.

    Returns:
        `Inspection`.
    """
    missing = []
    directory = os.path.abspath(run.directory)
    # Paths in the run's flags are relative to where it was started.
    where = run.facts.get("working_directory", ".")
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(contextlib.chdir(where))
            source, parts = _read_source(run)
        except (ValueError, OSError, LookupError) as error:
            missing.append(f"The images are not shown: {error}")
            return Inspection([], [], {}, missing)
        unlabeled = parts["unlabeled"]
        positions = names_to_positions(unlabeled)
        lost = [name for name in run.hardness.images if name not in positions]
        if lost:
            missing.append(
                f"The images are not shown: {lost[0]!r}, whose hardness was logged, is "
                "not among the unlabeled images any more"
            )
            return Inspection([], [], {}, missing)

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
        recipe = run.facts["recipe"]
        options = prediction_options(unlabeled, **reading_of(recipe))
        predictors = {n: Predictor(model, **options) for n, model in networks.items()}
        # One that can't be decoded must not end the report.
        unlabeled = dataclasses.replace(unlabeled, on_bad_image="skip")
        truth = None
        if "teacher" in predictors:
            try:
                truth = source.truth(unlabeled, recipe["seed"])
            except (ValueError, OSError) as error:
                reason = " ".join(str(error).split())
                missing.append(f"Predictions are not compared with masks: {reason}")
        if truth is not None:
            truth = dataclasses.replace(truth, on_bad_image="skip")
        order = np.argsort(run.hardness.recent(), kind="stable")
        hardest_first = run.hardness.images[order[::-1]].tolist()
        each = min(gallery, len(order) // 2)
        tiles = make_gallery(
            run,
            unlabeled,
            truth,
            hardest_first[:each] + hardest_first[::-1][:each],
            predictors,
            width=width,
            verbose=verbose,
        )
        chosen = _label_next(
            run, parts, positions, hardest_first[:candidates], count, width, verbose
        )
        errors = {}
        if truth is not None and truths:
            errors = _errors(run, truth, predictors["teacher"], truths, verbose)
        bad = unlabeled.bad | (truth.bad if truth is not None else {})
        missing += [f"Left out: {reason}" for reason in bad.values()]
    return Inspection(tiles, chosen, errors, missing)


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
    """Return teacher and student, the last or, in an unfinished run, the best."""
    found = {}
    for name in ("teacher", "student"):
        for kind in ("last", "best"):
            path = os.path.join(directory, f"{name}_{kind}.keras")
            if os.path.isfile(path) and name not in found:
                found[name] = next(iter(load_networks([path]).values()))
    return found


def _label_next(run, parts, positions, hardest, count, width, verbose):
    unlabeled = parts["unlabeled"]
    hardness = dict(zip(run.hardness.images, run.hardness.recent(), strict=True))
    wanted = {positions[name]: name for name in hardest}
    features, pictures = {}, {}
    for index, example in read_some(unlabeled, wanted, "Label next", verbose):
        features[wanted[index]] = thumbnail_features(example["image"])
        pictures[wanted[index]] = photograph_uri(example["image"], width)
    readable = [name for name in hardest if name in features]
    labeled = dataclasses.replace(parts["labeled"], labeled=False)
    seen = read_some(labeled, range(len(labeled)), "Labeled images", verbose)
    order, novelty = label_next(
        [hardness[name] for name in readable],
        np.array([features[name] for name in readable]),
        [thumbnail_features(example["image"]) for _, example in seen],
        count,
    )
    rows = []
    for rank, (place, new) in enumerate(zip(order, novelty, strict=True), 1):
        name = readable[place]
        rows.append(
            {
                "rank": rank,
                "image": str(name),
                "file": unlabeled.files[positions[name]] if unlabeled.files else "",
                "hardness": round(float(hardness[name]), 4),
                "novelty": round(float(new), 4),
                "picture": pictures[name],
            }
        )
    return rows


def _errors(run, truth, teacher, at_most, verbose):
    """Return the share of wrong pixels of some images by name."""
    logged = set(run.hardness.images)
    known = [
        (index, name)
        for name, index in names_to_positions(truth).items()
        if name in logged
    ]
    spread = np.linspace(0, len(known) - 1, min(at_most, len(known))).astype(int)
    wanted = dict(known[i] for i in spread)
    errors = {}
    for index, example in read_some(truth, wanted, "True errors", verbose):
        predicted = next(teacher([example["image"]])).argmax(axis=-1)
        labels = np.asarray(example["label_map"])
        error = wrong_share(predicted, labels, run.facts["ignore_class"])
        if error is not None:
            errors[wanted[index]] = error
    return errors
