"""What the networks of a run make of its unlabeled images."""

import contextlib
import dataclasses
import os

import numpy as np

from keras_imas.inference.predictor import Predictor
from keras_imas.report.gallery import make_gallery, wrong_share
from keras_imas.report.images_of_run import images_of_run
from keras_imas.report.label_next import images_to_label
from keras_imas.report.reading import names_to_positions, read_some
from keras_imas.runs.prediction_options import prediction_options, reading_of
from keras_imas.runs.saved_networks import load_networks


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What was found by looking at images of a run.

    Attributes:
        gallery: Dict from "hardest" and "easiest", as far as there are such images, to
            lists of dicts as of `keras_imas.report.gallery.make_gallery`, the hardest
            and the easiest first.
        next: List of dicts, best first: `"rank"`, `"image"`, `"file"`, `"hardness"`,
            `"novelty"`, `"picture"`.
        errors: Dict from image to the share of its pixels that the teacher gets wrong,
            where label maps are known.
        missing: What could not be looked at, and why: list of sentences.
    """

    gallery: dict
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
            Where it is 0 and so is `truths`, no network is loaded.
        count: Number of images to label next. Defaults to `50`.
        candidates: The hardest images, of which these are chosen; at least as many as
            these. Defaults to `500`.
        truths: Images to compare with their label maps, where they have one. Defaults
            to `200`.
        width: Width of pictures in pixels; none is scaled up. Defaults to `320`.
        verbose: See `keras_imas.progress.progress_style`. Defaults to `"auto"`.

    Returns:
        `Inspection`.
    """
    with contextlib.ExitStack() as stack:
        directory = os.path.abspath(run.directory)
        try:
            images = stack.enter_context(images_of_run(run))
        except ValueError as error:
            return Inspection({}, [], {}, [f"The images are not shown: {error}"])
        missing, predictors, truth = [], {}, None
        if gallery or truths:
            predictors = _predictors(run, directory, images.unlabeled, missing)
        if "teacher" in predictors:
            truth = _truth(run, images, missing)
        hardest = run.hardness.hardest_first()
        each = min(gallery, len(hardest) // 2)
        shown = {"hardest": hardest[:each], "easiest": hardest[::-1][:each]}
        tiles = make_gallery(
            run,
            images.unlabeled,
            truth,
            [*shown["hardest"], *shown["easiest"]],
            predictors,
            width=width,
            verbose=verbose,
        )
        chosen = images_to_label(
            run, images, count, candidates, width=width, verbose=verbose
        )
        errors = {}
        if truth is not None and truths:
            errors = _errors(run, truth, predictors["teacher"], truths, verbose)
        bad = (
            images.labeled.bad
            | images.unlabeled.bad
            | (truth.bad if truth is not None else {})
        )
        missing += [f"Left out: {reason}" for reason in bad.values()]
    by_kind = {}
    for tile in tiles:  # some of those to be shown may be missing
        kind = "hardest" if tile["image"] in map(str, shown["hardest"]) else "easiest"
        by_kind.setdefault(kind, []).append(tile)
    return Inspection(by_kind, chosen, errors, missing)


def _predictors(run, directory, unlabeled, missing):
    """Return those of teacher and student that there are, and say which are not."""
    networks = _networks(directory)
    for name, when in (
        ("teacher", "after the first evaluation or at the end"),
        ("student", "at the end"),
    ):
        if name not in networks:
            missing.append(
                f"There is no {name} yet, so nothing of it is shown: it is saved {when}"
            )
    options = prediction_options(unlabeled, **reading_of(run.facts["recipe"]))
    return {name: Predictor(model, **options) for name, model in networks.items()}


def _truth(run, images, missing):
    """Return the unlabeled images that have a mask, or `None`, and say why."""
    try:
        truth = images.source.truth(images.unlabeled, run.facts["recipe"]["seed"])
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        missing.append(f"Predictions are not compared with masks: {reason}")
        return None
    return truth if truth is None else dataclasses.replace(truth, on_bad_image="skip")


def _networks(directory):
    """Return teacher and student, the last or, in an unfinished run, the best."""
    found = {}
    for name in ("teacher", "student"):
        for kind in ("last", "best"):
            path = os.path.join(directory, f"{name}_{kind}.keras")
            if os.path.isfile(path) and name not in found:
                found[name] = next(iter(load_networks([path]).values()))
    return found


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
