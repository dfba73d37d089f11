"""One training run, from images to pictures, as the programs do it."""

import os
import shutil
import sys
import time

import keras

from keras_imas.callbacks import Checkpoint
from keras_imas.callbacks.time_estimate import format_duration
from keras_imas.command_line.own_command import as_started
from keras_imas.files.removed import Removed
from keras_imas.files.user_path import user_path
from keras_imas.files.whole_file import whole_file
from keras_imas.models.logits import segmenter
from keras_imas.progress import progress_style
from keras_imas.runs import pictures, results, run_directory
from keras_imas.runs.dry_run import describe
from keras_imas.runs.model_card import save_model_card
from keras_imas.runs.parts import Parts
from keras_imas.runs.plan import Plan
from keras_imas.runs.read_run import read_history
from keras_imas.runs.watchers import Watchers
from keras_imas.training.stop_signals import StopSignals


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
    pipeline="auto",
    allow_shared=False,
    student=None,
    settings=None,
    suggestions=None,
    checkpoint_every="10min",
    keep=2,
    tensorboard=False,
    dry_run=False,
    verbose="auto",
):
    """Train, evaluate and report: a whole run of one method.

    To train on several devices, call it in
    `keras_imas.backends.devices.strategy_scope`.

    Call it again with the same arguments after it was killed, and it resumes from its
    last checkpoint. At SIGTERM or SIGINT it saves a checkpoint and raises
    `keras_imas.training.stop_signals.Interrupted`. Several processes that train
    together save no checkpoints.

    Writes into `output_dir`: `run.json` (recipe, versions, revision, checksum of the
    split; at the end the results), `history.jsonl` (a line an epoch),
    `teacher_last.keras`, `student_last.keras`, `hardness.parquet` (see
    `keras_imas.callbacks.HardnessLog`), `hardness.png` (the easiest and the hardest
    unlabeled images), `MODEL_CARD.md` (data, scores, limits); with validation data also
    `teacher_best.keras` and `predictions.png`.

    Args:
        recipe: `keras_imas.runs.recipe.Recipe`.
        labeled: Labeled images, see `keras_imas.data.as_examples`.
        unlabeled: Unlabeled images, see `keras_imas.data.as_examples`.
        validation: Labeled images to evaluate on. Defaults to `None`: no evaluation.
        class_names: Names of the classes, in the order of their ids.
        output_dir: Directory to write into: absent, empty, or that of an unfinished run
            of the same arguments.
        select_on: Labeled images that choose the best epoch. Defaults to `None`: the
            validation images, so that the best epoch's numbers flatter.
        colors: RGB color of each class, 0..255. Defaults to `None`: made up.
        ignore_class: Label of pixels that don't count. Defaults to `255`.
        pipeline: What reads the images and makes their views, see
            `keras_imas.data.pipelines.choose_pipeline`. Defaults to `"auto"`.
        allow_shared: Whether labeled images may be among the unlabeled ones too.
            Defaults to `False`.
        student: Built Keras model from images to logits. Defaults to `None`: the
            DeepLabV3+ of the recipe.
        settings: Dict of how the run was started, for `run.json`; the programs pass
            their flags. Defaults to `None`.
        suggestions: List of `keras_imas.runs.suggestions.Suggestion`, for `run.json`.
            Defaults to `None`.
        checkpoint_every: How often to save a checkpoint, see
            `keras_imas.callbacks.Checkpoint`. Defaults to `"10min"`.
        keep: Number of checkpoints to keep while it runs. Defaults to `2`.
        tensorboard: Whether to write logs for TensorBoard, into `tensorboard/`.
            Defaults to `False`.
        dry_run: Whether to print what the run would do and cost, and stop. Nothing is
            written. Defaults to `False`.
        verbose: See `keras_imas.progress.progress_style`. Defaults to `"auto"`.

    Returns:
        Dict of results, as in `run.json`; `None` after a dry run.

    Raises:
        ValueError: If the data don't fit, before training starts, or none of the
            checkpoints in `output_dir` can be used.
        FileExistsError: If `output_dir` holds something else, or another process writes
            there.
        keras_imas.files.removed.Removed: If the directory was removed while training;
            what was known then is written there anew.
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
        ['MODEL_CARD.md', 'hardness.parquet', 'hardness.png', 'history.jsonl',
         'run.json', 'student_last.keras', 'teacher_last.keras']
    """
    start = time.perf_counter()
    output_dir = user_path(output_dir)
    # Made only so that wrong arguments are refused before data are read.
    Checkpoint(output_dir, every=checkpoint_every, keep=keep)
    keras.utils.set_random_seed(recipe.seed)
    parts = Parts.of(
        labeled=labeled,
        unlabeled=unlabeled,
        validation=validation,
        select_on=select_on,
        class_names=class_names,
        colors=colors,
        ignore_class=ignore_class,
        pipeline=pipeline,
        allow_shared=allow_shared,
    )
    parts.check()
    plan = Plan.of(recipe, parts, student=student, settings=settings)
    for warning in plan.warnings():
        print(f"Warning: {warning}", file=sys.stderr, flush=True)
    batches = plan.batches()  # before anything is written, as they may be refused too
    if dry_run:
        describe(plan)
        return None
    with (
        StopSignals() as signals,
        run_directory.claimed(output_dir, plan.configuration()) as unfinished,
    ):
        watchers = Watchers.of(
            plan,
            output_dir,
            start=start,
            signals=signals,
            checkpoint_every=checkpoint_every,
            keep=keep,
            tensorboard=tensorboard,
            verbose=verbose,
        )
        facts = plan.facts()
        if suggestions:
            facts["suggestions"] = [vars(suggestion) for suggestion in suggestions]
        if unfinished is not None:
            facts["resumed"] = _resume(unfinished, watchers, output_dir)
        model = plan.model()
        run_directory.write(output_dir, facts)
        logs = _fit(model, plan, batches, watchers, output_dir, verbose)
        facts = _report(plan, model, logs, watchers, facts, output_dir, verbose)
        watchers.history.check_folder()
        save_model_card(output_dir, facts, read_history(output_dir))
        signals.defer(True)  # too late to stop: started again it would be refused
        run_directory.write(output_dir, facts)
        if watchers.checkpoint is not None:
            directory = watchers.checkpoint.checkpoints.directory
            shutil.rmtree(directory, ignore_errors=True)
    seconds = time.perf_counter() - watchers.history.start
    ranked = "" if plan.supervised else ", with the images to label next,"
    print(
        f"Took {format_duration(seconds)}; models and pictures are in {output_dir}\n"
        f"A page about the run{ranked} is made by\n"
        + as_started(f"  keras-imas report {output_dir}")
    )
    return facts


def _resume(unfinished, watchers, output_dir):
    """Print how an unfinished run is resumed, and return the steps of all resumptions.

    Without a checkpoint it starts again, and so does its history.
    """
    steps = watchers.checkpoint.checkpoints.steps() if watchers.checkpoint else []
    if steps:
        how = "resumes."
    else:
        how = "has no checkpoint and starts from its first step."
        watchers.history.clear()
    print(
        f"{output_dir} holds an unfinished run of this configuration, which {how}",
        flush=True,
    )
    return [*unfinished.get("resumed", ()), *(steps or [0])[-1:]]


def _fit(model, plan, batches, watchers, output_dir, verbose):
    """Train, save both networks, and return the logs."""
    removed = None
    try:
        model.fit(
            batches,
            epochs=plan.epochs,
            callbacks=watchers.callbacks,
            verbose=int(progress_style(verbose) == 1),
            shuffle=False,
        )
    except Removed as error:  # at the end: the networks are trained
        removed = error
    os.makedirs(output_dir, exist_ok=True)
    for name in ("teacher", "student"):
        with whole_file(os.path.join(output_dir, f"{name}_last.keras")) as part:
            segmenter(getattr(model, name)).save(part)
    if removed is not None:
        raise removed
    return model.history.history


def _report(plan, model, logs, watchers, facts, output_dir, verbose):
    """Print and draw the results of a run, and return them for `run.json`."""
    if watchers.evaluation is not None:
        names = plan.parts.class_names
        facts = facts | results.accuracy(watchers.evaluation, logs, names)
    # Now, so that pictures that fail lose nothing.
    run_directory.write(output_dir, facts)
    pictures.save_pictures(model, plan.recipe, plan.parts, output_dir, verbose=verbose)
    minutes = (time.perf_counter() - watchers.history.start) / 60
    return {
        **facts,
        **results.skipped(plan.parts.skipped()),
        "minutes": round(minutes, 1),
        "finished": True,
    }
