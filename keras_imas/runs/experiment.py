"""One comparable training run, from data sets to pictures: what the examples run."""

import dataclasses
import json
import os
import shutil
import sys
import time

import keras
import numpy as np

from keras_imas.backends.devices import check_batch, device_count, process_part
from keras_imas.callbacks import (
    Checkpoint,
    Evaluation,
    HardnessLog,
    InputSpeed,
    TensorBoard,
)
from keras_imas.callbacks.evaluation import save_atomically
from keras_imas.callbacks.time_estimate import format_duration
from keras_imas.inference import drawing
from keras_imas.inference.predictor import Predictor
from keras_imas.models.logits import segmenter
from keras_imas.runs import pictures, provenance, run_directory
from keras_imas.runs.dry_run import describe
from keras_imas.training.stop_signals import StopSignals

_MAX_WARNINGS = 20
# What a run that goes on may have otherwise than before.
_OF_NO_MATTER = (
    "cache",
    "checkpoint_every",
    "dry_run",
    "follow_links",
    "keep",
    "max_pixels",
    "max_skipped_steps",
    "new",
    "tensorboard",
    "output_dir",
    "strategy",
    "verbose",
)


def run(
    recipe,
    labeled,
    unlabeled,
    validation=None,
    *,
    class_names,
    output_dir,
    select_on=None,
    colors=None,
    ignore_class=255,
    student=None,
    settings=None,
    checkpoint_every="10min",
    keep=2,
    tensorboard=False,
    dry_run=False,
    verbose="auto",
):
    """Train, evaluate and report: a whole run of one method.

    To train on several devices, call it in
    `keras_imas.backends.devices.strategy_scope`.

    Called again in the same way after it was killed, it goes on from its last
    checkpoint; SIGTERM or SIGINT make it save one and raise
    `keras_imas.training.stop_signals.Interrupted`. Where several processes train
    together there are no checkpoints.

    Writes into `output_dir`: `run.json` (recipe, versions, revision, checksum of the
    split; at the end the results), `history.jsonl` (a line an epoch),
    `teacher_last.keras`, `student_last.keras`, `hardness.parquet` (see
    `keras_imas.callbacks.HardnessLog`), `hardness.png` (the easiest and the hardest
    unlabeled images); with validation data also `teacher_best.keras` and
    `predictions.png`.

    Args:
        recipe: `keras_imas.runs.recipe.Recipe`.
        labeled: Labeled images, see `keras_imas.data.as_examples`.
        unlabeled: Unlabeled images, see `keras_imas.data.as_examples`.
        validation: Labeled images to evaluate on. Defaults to `None`: no evaluation.
        class_names: Names of the classes, in the order of their ids.
        output_dir: Directory to write into; made here, it must be empty or absent, or
            hold an unfinished run of the same arguments.
        select_on: Labeled images that tell which epoch is best. Defaults to `None`: the
            validation images, so that the best epoch's numbers flatter.
        colors: RGB color of each class, 0..255. Defaults to `None`: made up.
        ignore_class: Label of pixels that don't count. Defaults to `255`.
        student: Built Keras model from images to logits. Defaults to `None`: the
            DeepLabV3+ of the recipe.
        settings: Dict of anything else that tells how the run was made, for `run.json`;
            the programs pass their flags. Defaults to `None`.
        checkpoint_every: From one checkpoint to the next, see
            `keras_imas.callbacks.Checkpoint`. Defaults to `"10min"`.
        keep: Number of checkpoints to keep while it runs. Defaults to `2`.
        tensorboard: Whether to write `tensorboard/` for it too. Defaults to `False`.
        dry_run: Whether to build everything, print what a run would do and cost, and
            stop. Nothing is written. Defaults to `False`.
        verbose: As in `keras.Model.fit`. Defaults to `"auto"`.

    Returns:
        Dict of results, as in `run.json`; `None` after a dry run.

    Raises:
        ValueError: If the data don't fit, before training starts, or `output_dir`
            holds checkpoints of which none can be used.
        FileExistsError: If `output_dir` holds something else, or another process is
            writing there.
        keras_imas.training.health.NonFiniteError: If the loss or the gradient goes bad.

    Example:
        >>> import tempfile
        >>> from keras_imas.data import scenes
        >>> from keras_imas.runs.recipe import Recipe
        >>> images, label_maps = scenes.load(6, height=32, width=64)
        >>> network = keras.Sequential([
        ...     keras.Input((None, None, 3)), keras.layers.Conv2D(19, 3, padding="same")
        ... ])
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     results = run(
        ...         Recipe(steps=1, crop_size=33, learning_rate=1e-5),
        ...         (images[:2], label_maps[:2]),
        ...         images[2:],
        ...         class_names=scenes.CLASSES,
        ...         output_dir=directory,
        ...         student=network,
        ...         verbose=0,
        ...     )
        ...     sorted(os.listdir(directory))  # doctest: +ELLIPSIS
        1 epochs ...
        ['hardness.parquet', 'hardness.png', 'history.jsonl', 'run.json',
         'student_last.keras', 'teacher_last.keras']
    """
    from keras_imas import data

    start = time.perf_counter()
    # What can't be is refused before data are read.
    Checkpoint(output_dir, every=checkpoint_every, keep=keep)
    keras.utils.set_random_seed(recipe.seed)
    num_classes = len(class_names)
    colors = drawing.default_colors(num_classes) if colors is None else colors
    if select_on is not None and validation is None:
        raise ValueError(
            "`select_on` chooses among the evaluations of `validation`, which is "
            "missing. Pass validation images, or leave `select_on` out"
        )
    given = {
        "labeled": labeled,
        "unlabeled": unlabeled,
        "validation": validation,
        "select_on": select_on,
    }
    parts = {k: data.as_examples(part) for k, part in given.items() if part is not None}
    data.splits.check_separate(**parts)
    found = data.check(
        parts,
        num_classes,
        ignore_class,
        class_names=class_names,
        images=data.preflight.SOME_IMAGES,
    )
    for warning in found.warnings[:_MAX_WARNINGS]:
        print(f"Warning: {warning}", file=sys.stderr)
    if len(found.warnings) > _MAX_WARNINGS:
        print(f"... and {len(found.warnings) - _MAX_WARNINGS} more", file=sys.stderr)
    found.raise_errors()
    labeled, unlabeled = parts["labeled"], parts["unlabeled"]
    validation, select_on = parts.get("validation"), parts.get("select_on")

    if recipe.epoch_over == "labeled":
        steps_per_epoch = len(labeled) // recipe.labeled_batch_size
    else:
        steps_per_epoch = len(unlabeled) // recipe.unlabeled_batch_size
    steps_per_epoch = max(steps_per_epoch, 1)
    replicas = device_count()
    _check_batches(recipe, replicas)
    epochs = recipe.epochs or -(-recipe.steps // steps_per_epoch)

    def make_batches():
        return training_batches(
            recipe, labeled, unlabeled, steps_per_epoch, num_classes, ignore_class
        )

    batches = make_batches()
    configuration = {
        "recipe": comparable(dataclasses.asdict(recipe)),
        "settings": comparable(settings),
        "backend": keras.backend.backend(),
        "replicas": replicas,
        "class_names": list(class_names),
        "ignore_class": ignore_class,
        "split": _split_checksum(parts),
        **{name: len(examples) for name, examples in parts.items()},
        "epochs": epochs,
        "steps_per_epoch": steps_per_epoch,
    }

    def build():
        network = recipe.student(num_classes) if student is None else student
        model = recipe.model(
            network,
            steps_per_epoch=steps_per_epoch,
            epochs=epochs,
            ignore_class=ignore_class,
        )
        model.image_names = {"labeled": labeled.names, "unlabeled": unlabeled.names}
        print(
            f"{epochs} epochs of {steps_per_epoch} steps: {recipe.method} on "
            f"{len(labeled)} labeled and {len(unlabeled)} unlabeled images, "
            f"{network.count_params():,} parameters, {keras.backend.backend()} backend"
            + (f", {replicas} replicas." if replicas > 1 else ".")
        )
        return model

    if dry_run:
        crops = None
        if student is None:
            size = (recipe.crop_size, recipe.crop_size, 3)
            crops = recipe.student(num_classes, input_shape=size, weights=False)
        describe(
            recipe,
            build(),
            batches,
            steps=epochs * steps_per_epoch,
            parts=parts,
            network=crops,
        )
        return None

    with (
        StopSignals() as signals,
        run_directory.claimed(output_dir, configuration) as unfinished,
    ):
        results = {
            "recipe": dataclasses.asdict(recipe),
            "command": sys.argv,
            "working_directory": os.getcwd(),
            "settings": settings,
            "backend": keras.backend.backend(),
            "replicas": replicas,
            "versions": provenance.versions(),
            "git_revision": provenance.git_revision(),
            "split": configuration["split"],
            **{name: len(examples) for name, examples in parts.items()},
            "steps": epochs * steps_per_epoch,
            "class_names": list(class_names),
            "colors": np.asarray(colors).tolist(),
            "ignore_class": ignore_class,
            "configuration": configuration,
            "finished": False,
        }
        supervised = recipe.method == "supervised"
        speed = InputSpeed(
            make_batches,
            labeled if supervised else unlabeled,
            crop_size=recipe.crop_size,
            strong=False if supervised else None,
        )
        callbacks = [speed]
        hardness_log = None
        if not supervised:
            table = os.path.join(output_dir, "hardness.parquet")
            hardness_log = HardnessLog(table, unlabeled)
            callbacks.append(hardness_log)
        evaluation = None
        if validation is not None:
            evaluation = Evaluation(
                data.evaluation(validation),
                num_classes,
                ignore_class=ignore_class,
                every=recipe.evaluate_every,
                filepath=os.path.join(output_dir, "teacher_best.keras"),
                select_on=None if select_on is None else data.evaluation(select_on),
                **_prediction(recipe, validation),
            )
            callbacks.append(evaluation)
        if tensorboard:
            callbacks.append(
                TensorBoard(
                    os.path.join(output_dir, "tensorboard"),
                    hardness_log=hardness_log,
                    evaluation=evaluation,
                    draw=evaluation
                    and (lambda found: pictures.predictions(found, validation, colors)),
                )
            )
        log = _Log(os.path.join(output_dir, "history.jsonl"), start, evaluation)
        callbacks.append(log)
        checkpoint = None
        if process_part()[1] == 1:
            checkpoint = Checkpoint(
                os.path.join(output_dir, "checkpoints"),
                every=checkpoint_every,
                keep=keep,
                configuration=configuration,
                signals=signals,
            )
            callbacks.append(checkpoint)
        if unfinished is not None:
            steps = checkpoint.checkpoints.steps() if checkpoint else []
            print(
                f"{output_dir} holds an unfinished run of this configuration, which "
                + (
                    "goes on."
                    if steps
                    else "has no checkpoint and starts from its first step."
                ),
                flush=True,
            )
            results["resumed"] = [*unfinished.get("resumed", ()), *(steps or [0])[-1:]]
            if not steps:
                log.clear()
        run_directory.write(output_dir, results)

        model = build()
        history = model.fit(
            batches, epochs=epochs, callbacks=callbacks, verbose=verbose, shuffle=False
        )
        for name in ("teacher", "student"):
            network = segmenter(getattr(model, name))
            save_atomically(network, os.path.join(output_dir, f"{name}_last.keras"))
        if evaluation is not None:
            results |= _accuracy(evaluation, history.history, class_names)
        # Now, so that pictures that fail lose nothing.
        run_directory.write(output_dir, results)
        _save_pictures(recipe, model, parts, output_dir, colors, verbose)
        results |= _skipped(parts)
        seconds = time.perf_counter() - log.start
        results["minutes"] = round(seconds / 60, 1)
        results["finished"] = True
        signals.defer(True)  # too late to stop: started again it would be refused
        run_directory.write(output_dir, results)
        if checkpoint is not None:
            shutil.rmtree(checkpoint.checkpoints.directory, ignore_errors=True)
    print(f"Took {format_duration(seconds)}; models and pictures are in {output_dir}")
    return results


def comparable(settings):
    """Leave out of settings what a run that goes on may have otherwise.

    Args:
        settings: Dict from name to value, or `None`.

    Returns:
        Dict, or `None`.

    Example:
        >>> comparable({"steps": 5, "verbose": 2})
        {'steps': 5}
    """
    if settings is None:
        return None
    return {name: v for name, v in settings.items() if name not in _OF_NO_MATTER}


def training_batches(
    recipe, labeled, unlabeled, steps_per_epoch, num_classes, ignore_class
):
    """Make the batches of a recipe's method.

    Args:
        recipe: `keras_imas.runs.recipe.Recipe`.
        labeled: Labeled `keras_imas.data.Examples`.
        unlabeled: `keras_imas.data.Examples`.
        steps_per_epoch: Steps an epoch, for the supervised method.
        num_classes: Number of classes.
        ignore_class: Label of pixels that don't count.

    Returns:
        `tf.data.Dataset`, see `keras_imas.data.semi_supervised`.
    """
    from keras_imas import data

    weak = dict(
        crop_size=recipe.crop_size,
        scale_range=(recipe.scale_min, recipe.scale_max),
        num_classes=num_classes,
        ignore_class=ignore_class,
        seed=recipe.seed,
        part=process_part(),
    )
    if recipe.method == "supervised":
        return data.supervised(
            labeled,
            batch_size=recipe.labeled_batch_size,
            steps_per_epoch=steps_per_epoch,
            **weak,
        )
    return data.semi_supervised(
        labeled,
        unlabeled,
        labeled_batch_size=recipe.labeled_batch_size,
        unlabeled_batch_size=recipe.unlabeled_batch_size,
        **weak,
    )


def claim_directory(path):
    """Make a directory; refuse one that already holds something.

    Args:
        path: The directory.

    Raises:
        FileExistsError: If it exists and is not empty, or is a file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     claim_directory(os.path.join(parent, "run"))
    """
    if os.path.exists(path) and (not os.path.isdir(path) or os.listdir(path)):
        raise FileExistsError(
            f"The output directory {path!r} is not empty, and nothing is overwritten. "
            "Choose another `--output_dir`, or remove it"
        )
    os.makedirs(path, exist_ok=True)


def unused_directory(prefix):
    """Return `prefix-1`, or the first `prefix-N` that does not exist yet.

    Args:
        prefix: Beginning of the path.

    Returns:
        The path; nothing is made.

    Example:
        >>> unused_directory("/nowhere/run")
        '/nowhere/run-1'
    """
    number = 1
    while os.path.exists(f"{prefix}-{number}"):
        number += 1
    return f"{prefix}-{number}"


def _accuracy(evaluation, logs, class_names):
    """Print the table of classes and return the numbers of a run."""
    best = 0
    if evaluation.best_epoch is not None:  # as it is where no pixel has a label
        best = evaluation.epochs.index(evaluation.best_epoch)
    results = {"best_epoch": evaluation.epochs[best] + 1, "per_class": {}}
    for network, prefix in (("teacher", "val_"), ("student", "val_student_")):
        values = logs[f"{prefix}mean_iou"]
        confusion = evaluation.confusion[network]
        results[f"{network}_last"] = round(values[-1], 4)
        results[f"{network}_best"] = round(max(values), 4)
        results[f"{network}_selected"] = round(values[best], 4)
        results[f"{network}_pixel_accuracy"] = round(confusion.pixel_accuracy, 4)
        results["per_class"][network] = dict(
            zip(class_names, _rounded(confusion.iou), strict=True)
        )
    columns = {name: matrix.iou for name, matrix in evaluation.confusion.items()}
    print("\nIoU on the validation images after the last epoch")
    print(drawing.class_table(class_names, columns))
    for network in ("teacher", "student"):
        print(
            f"mIoU of the {network}: last {results[f'{network}_last']:.3f}, "
            f"best {results[f'{network}_best']:.3f} (chosen on these very images)"
        )
    if "select_" in evaluation.data:
        print(
            f"At epoch {results['best_epoch']}, the best on the images to select on: "
            f"teacher {results['teacher_selected']:.3f}, "
            f"student {results['student_selected']:.3f}"
        )
    return results


def _check_batches(recipe, replicas):
    """Raise where the batches of a recipe can't be divided among replicas.

    On JAX the groups may lie on several devices, as the step sees the whole batch.
    """
    grouped = keras.backend.backend() == "tensorflow"
    ohem_group = recipe.ohem_group_size if grouped and recipe.ohem_min_kept else None
    pairing_group = recipe.pairing_group_size if grouped else None
    check_batch("labeled_batch_size", recipe.labeled_batch_size, replicas, ohem_group)
    check_batch(
        "unlabeled_batch_size", recipe.unlabeled_batch_size, replicas, pairing_group
    )


def _split_checksum(parts):
    names = {name: part.names for name, part in parts.items()}
    return None if None in names.values() else provenance.split_checksum(**names)


def _prediction(recipe, examples):
    """Return the options of `Predictor` for whole images or windows."""
    if recipe.window:
        return {"window": recipe.window, "flip": recipe.flip}
    multiple = recipe.size_multiple or examples.size_multiple()
    return {"size_multiple": multiple, "flip": recipe.flip}


def _save_pictures(recipe, model, parts, output_dir, colors, verbose):
    predictors = {
        name: Predictor(getattr(model, name), **_prediction(recipe, parts["unlabeled"]))
        for name in ("student", "teacher")
    }
    if "validation" in parts:
        drawn = pictures.predictions(predictors, parts["validation"], colors)
        drawn.save(os.path.join(output_dir, "predictions.png"))
    pictures.save_hardness(
        model,
        predictors,
        parts["unlabeled"],
        os.path.join(output_dir, "hardness.png"),
        colors,
        verbose=verbose,
    )


def _skipped(parts):
    """Print which images could not be read, and return them for `run.json`."""
    skipped = {name: part.bad for name, part in parts.items() if part.bad}
    if not skipped:
        return {}
    count = sum(map(len, skipped.values()))
    print(f"{count} images could not be read and were skipped:")
    for name, bad in skipped.items():
        print("\n".join(f"  {name}: {reason}" for reason in bad.values()))
    return {"skipped": skipped}


def _rounded(iou):
    return [None if np.isnan(value) else round(float(value), 4) for value in iou]


class _Log(keras.callbacks.Callback):
    """Append each epoch's logs to a file, a JSON a line; know when the run began.

    Args:
        filepath: The file.
        start: When the run began, of `time.perf_counter`.
        evaluation: The run's `Evaluation`, whose IoU by class go along, or `None`.
    """

    def __init__(self, filepath, start, evaluation):
        super().__init__()
        self.filepath = filepath
        self.start = start
        self._evaluation = evaluation
        self._epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        line = {name: round(float(value), 6) for name, value in logs.items()}
        evaluation = self._evaluation
        if evaluation is not None and epoch in evaluation.epochs:
            line["iou"] = {
                name: _rounded(confusion.iou)
                for name, confusion in evaluation.confusion.items()
            }
        with open(self.filepath, "a") as file:
            file.write(json.dumps({"epoch": epoch + 1, **line}) + "\n")
        self._epochs = epoch + 1

    def get_state(self):
        seconds = time.perf_counter() - self.start
        return {"epochs": self._epochs, "seconds": seconds}

    def set_state(self, state):
        self._epochs = state["epochs"]
        self.start -= state["seconds"]
        # Epochs that ended after the checkpoint will end again.
        with open(self.filepath, "a+") as file:
            file.seek(0)
            lines = file.readlines()[: self._epochs]
        with open(f"{self.filepath}.part", "w") as file:
            file.writelines(lines)
        os.replace(f"{self.filepath}.part", self.filepath)

    def clear(self):
        with open(self.filepath, "w"):
            pass
