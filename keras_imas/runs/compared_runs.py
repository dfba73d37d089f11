"""Several runs of one recipe: methods side by side, and folds of the labeled images."""

import dataclasses
import gc
import os

import numpy as np

from keras_imas import data, evaluation
from keras_imas.command_line.own_command import as_started
from keras_imas.inference.drawing import class_table
from keras_imas.inference.predictor import Predictor
from keras_imas.runs import experiment, run_directory, saved_networks
from keras_imas.runs.paired_difference import have_labels, paired_difference
from keras_imas.runs.parts import Parts
from keras_imas.runs.plan import Plan
from keras_imas.runs.prediction_options import prediction_options, reading_of
from keras_imas.runs.results import rounded

# The run on all labeled images, after the folds.
ALL = "all"


def run(
    recipe, images, *, output_dir, compare=False, folds=0, dry_run=False, **options
):
    """Train several times under one schedule, and compare.

    With `compare` the recipe is trained by its method and supervised. With `folds` each
    method is trained that many times, each time without a part of the labeled images,
    which it is scored on; then the better method is trained on all of them. Scores are
    those of the last teacher, and the better method has the higher mean IoU of the
    classes that the scored images have labels of.

    Each run has a directory of its own below `output_dir`, and an interrupted
    comparison resumes as a run does. `run.json` of `output_dir` holds the comparison,
    and what takes the directory of a run takes that of the better method from it.

    Args:
        recipe: `keras_imas.runs.recipe.Recipe`.
        images: Dict of the arguments of `keras_imas.runs.experiment.run` that say what
            to train on.
        output_dir: Directory to write into: absent, empty, or that of an unfinished
            comparison of the same arguments.
        compare: Whether to train supervised as well. Defaults to `False`.
        folds: Number of parts of the labeled images. Defaults to `0`: the validation
            images are scored.
        dry_run: See `keras_imas.runs.experiment.run`. Defaults to `False`.
        **options: Further arguments of `keras_imas.runs.experiment.run`.

    Returns:
        Dict of results, as in `run.json`; `None` after a dry run.

    Raises:
        ValueError: If there is nothing to score on, or nothing to compare; see also
            `keras_imas.runs.experiment.run`.
        FileExistsError: If `output_dir` holds something else.
    """
    settings = options.get("settings")
    parts = Parts.of(**{"validation": None, "select_on": None, **images})
    _check(recipe, parts, compare, folds)
    methods = ("supervised", recipe.method) if compare else (recipe.method,)
    trainings = {
        os.path.join(fold, method): (method, given)
        for fold, given in _folds(parts, folds, recipe.seed)
        for method in methods
    }
    print(f"{len(trainings) + bool(folds)} runs: {', '.join(trainings)}", flush=True)
    if dry_run:
        method, given = next(reversed(trainings.values()))
        print("Of the last of these:")
        _train(recipe, method, given, output_dir, dry_run=True, **options)
        return None
    plan = Plan.of(recipe, parts, settings=settings)
    configuration = {**plan.configuration(), "compare": compare, "folds": folds}
    with run_directory.claimed(output_dir, configuration):
        facts = {**plan.facts(), "configuration": configuration}
        run_directory.write(output_dir, facts)
        counts = {method: [] for method in methods}
        for name, (method, given) in trainings.items():
            directory = os.path.join(output_dir, name)
            print(f"\n{name}", flush=True)
            _train(recipe, method, given, directory, **options)
            counts[method] += _counts(recipe, given, directory)
        confusion = _confusion(counts, parts)
        facts |= _compared(counts, confusion, parts, folds)
        network = facts["better"]
        if folds:
            network = ALL
            print(f"\n{ALL}: {facts['better']} on all labeled images", flush=True)
            _train(
                recipe,
                facts["better"],
                dataclasses.replace(parts, validation=None, select_on=None),
                os.path.join(output_dir, ALL),
                **options,
            )
        facts |= {"network": network, "finished": True}
        run_directory.write(output_dir, facts)
    _say(facts, confusion, parts, output_dir)
    return facts


def _check(recipe, parts, compare, folds):
    """Refuse what can't be compared or scored."""
    if compare and recipe.method == "supervised":
        raise ValueError(
            "`compare` trains supervised beside another method. Received: "
            'method="supervised". Pass --method=imas or --method=uniform'
        )
    if not folds and parts.validation is None:
        raise ValueError(
            "`compare` needs labeled images to score on: pass validation images "
            "(--val_images and --val_masks; of TFDS --val), or --folds=5 to hold out a "
            "fifth of the labeled images at a time"
        )
    if not folds:
        return
    if parts.validation is not None:
        raise ValueError(
            "`folds` is for data without validation images. Leave out the validation "
            "images, or `folds`"
        )
    if parts.allow_shared:
        raise ValueError(
            "`folds` and `labeled_as_unlabeled` can't go together: what is held out "
            "would be among the unlabeled images"
        )
    if not 2 <= folds <= len(parts.labeled):
        raise ValueError(
            "`folds` must be from 2 to the number of labeled images, "
            f"{len(parts.labeled)}. Received: {folds}"
        )


def _folds(parts, folds, seed):
    """Return pairs of a directory and `Parts`, one for each part to hold out."""
    if not folds:
        return [("", parts)]
    order = np.random.default_rng(seed).permutation(len(parts.labeled))
    return [
        (
            f"fold-{fold + 1}",
            dataclasses.replace(
                parts,
                labeled=data.subset(parts.labeled, np.delete(order, held_out)),
                validation=data.subset(parts.labeled, order[held_out]),
            ),
        )
        for fold, held_out in enumerate(np.array_split(np.arange(len(order)), folds))
    ]


def _train(recipe, method, parts, directory, **options):
    """Train by a method, if that has not been done."""
    before = run_directory.read(directory)
    if before and before.get("finished"):
        print(f"{directory} is finished.", flush=True)
        return
    gc.collect()  # the last run's networks
    experiment.run(
        dataclasses.replace(recipe, method=method),
        **vars(parts),
        output_dir=directory,
        **options,
    )


def _counts(recipe, parts, directory):
    """Return the pixels of each validation image by class and prediction."""
    path = os.path.join(directory, "teacher_last.keras")
    (teacher,) = saved_networks.load_networks([path]).values()
    examples = parts.validation
    predictor = Predictor(
        teacher,
        **prediction_options(examples, **reading_of(dataclasses.asdict(recipe))),
    )
    return [
        evaluation.evaluate(
            predictor, [batch], parts.num_classes, ignore_class=parts.ignore_class
        )[0].counts
        for batch in data.evaluation(examples, pipeline=parts.pipeline)
    ]


def _confusion(counts, parts):
    """Return the `ConfusionMatrix` of each method, over all scored images."""
    found = {}
    for method, of_images in counts.items():
        found[method] = evaluation.ConfusionMatrix(
            parts.num_classes, parts.ignore_class
        )
        found[method].counts += np.sum(of_images, axis=0)
    return found


def _compared(counts, confusion, parts, folds):
    """Return the scores of the methods, for `run.json`."""
    # Over the same classes for each: a method may predict others that nobody labeled.
    means = {method: matrix.mean_iou_labeled for method, matrix in confusion.items()}
    images = len(next(iter(counts.values())))
    facts = {
        "folds": folds,
        "scored_images": images,
        "mean_iou": {
            method: round(matrix.mean_iou, 4) for method, matrix in confusion.items()
        },
        "mean_iou_labeled": {name: round(mean, 4) for name, mean in means.items()},
        "per_class": {
            method: evaluation.by_class(parts.class_names, rounded(matrix.iou))
            for method, matrix in confusion.items()
        },
        "better": max(means, key=means.get),
    }
    if len(counts) == 2 and have_labels(counts["supervised"]).sum() > 1:
        supervised, other = counts.values()
        found = paired_difference(other, supervised, ignore_class=parts.ignore_class)
        facts["difference"] = {
            **{k: round(v, 4) for k, v in dataclasses.asdict(found).items()},
            "verdict": found.verdict,
        }
    return facts


_VERDICTS = {
    1: "The unlabeled images helped.",
    -1: "The unlabeled images did not help: training without them is better.",
    0: "These images do not show whether the unlabeled images helped.",
}


def _say(facts, confusion, parts, output_dir):
    """Print the scores, and what they mean."""
    columns = {method: matrix.iou for method, matrix in confusion.items()}
    print(
        f"\nIoU of the last teacher on {facts['scored_images']} "
        + (
            "labeled images, each held out once"
            if facts["folds"]
            else "validation images"
        )
    )
    labeled = next(iter(confusion.values())).labeled
    print(class_table(parts.class_names, columns, labeled))
    for method, matrix in confusion.items():
        for sentence in evaluation.remarks(matrix, parts.class_names):
            print(f"{method}: {sentence}")
    if len(columns) == 2 and "difference" not in facts:
        print(
            "It takes two images with labels to tell whether the unlabeled images "
            "helped."
        )
    if "difference" in facts:
        _, method = facts["mean_iou"]
        found = facts["difference"]
        print(
            f"mIoU of {method} over supervised: {found['mean']:+.3f}, 95 % interval "
            f"{found['low']:+.3f} to {found['high']:+.3f} (labeled classes; bootstrap "
            "over the images; another seed would change both scores too)\n"
            f"{_VERDICTS[found['verdict']]}"
        )
    if not facts["folds"] and len(columns) == 2:
        runs = " ".join(os.path.join(output_dir, method) for method in columns)
        print("A page about both:\n" + as_started(f"  keras-imas report {runs}"))
    print(f"Predictions are made by {os.path.join(output_dir, facts['network'])}:")
    command = f"keras-imas predict --model={output_dir} --input=photos --output=found"
    print(as_started(f"  {command}"))
