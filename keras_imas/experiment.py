"""One comparable training run, from data sets to pictures: what the examples run."""

import dataclasses
import json
import os
import time

import keras
import numpy as np

from keras_imas import report
from keras_imas.callbacks import (
    Evaluation,
    TimeEstimate,
    format_duration,
    save_atomically,
)
from keras_imas.imas import IMAS
from keras_imas.inference import score_hardness, segmenter
from keras_imas.losses import OHEMCrossentropy
from keras_imas.metrics import MeanIoU
from keras_imas.models import deeplab_v3_plus
from keras_imas.optimizers import SGD


def run(
    recipe,
    labeled,
    unlabeled,
    validation=None,
    *,
    class_names,
    output_dir,
    colors=None,
    ignore_class=255,
    student=None,
    verbose="auto",
):
    """Train, evaluate and report: a whole run of one method.

    Writes into `output_dir`: `history.jsonl` (a line an epoch), `teacher_last.keras`,
    `hardness.png` (the easiest and the hardest unlabeled images), `run.json` (the
    recipe and the results); with validation data also `teacher_best.keras` and
    `predictions.png`.

    Args:
        recipe: `keras_imas.recipe.Recipe`.
        labeled: Labeled images, see `keras_imas.data.as_examples`.
        unlabeled: Unlabeled images, see `keras_imas.data.as_examples`.
        validation: Labeled images to evaluate on. Defaults to `None`: no evaluation.
        class_names: Names of the classes, in the order of their ids.
        output_dir: Directory to write into; made here, it must be empty or absent.
        colors: RGB color of each class, 0..255. Defaults to `None`: made up.
        ignore_class: Label of pixels that don't count. Defaults to `255`.
        student: Built Keras model from images to logits. Defaults to `None`: the
            DeepLabV3+ of the recipe.
        verbose: As in `keras.Model.fit`. Defaults to `"auto"`.

    Returns:
        Dict of results, as in `run.json`.

    Raises:
        ValueError: If the data don't fit, before training starts.
        FileExistsError: If `output_dir` holds something.

    Example:
        >>> import tempfile
        >>> from keras_imas.data import scenes
        >>> from keras_imas.recipe import Recipe
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
        ['hardness.png', 'history.jsonl', 'run.json', 'teacher_last.keras']
    """
    from keras_imas import data

    start = time.perf_counter()
    keras.utils.set_random_seed(recipe.seed)
    num_classes = len(class_names)
    colors = report.default_colors(num_classes) if colors is None else colors
    labeled, unlabeled = data.as_examples(labeled), data.as_examples(unlabeled)
    data.check_labels(labeled, num_classes, ignore_class)
    if validation is not None:
        validation = data.as_examples(validation)
        data.check_labels(validation, num_classes, ignore_class)

    steps_per_epoch = max(len(unlabeled) // recipe.unlabeled_batch_size, 1)
    epochs = recipe.epochs or -(-recipe.steps // steps_per_epoch)
    total = epochs * steps_per_epoch
    batches = training_batches(
        recipe, labeled, unlabeled, steps_per_epoch, num_classes, ignore_class
    )
    claim_directory(output_dir)

    if student is None:
        student = deeplab_v3_plus(
            num_classes,
            backbone=recipe.backbone,
            output_stride=recipe.output_stride,
            weights=None if recipe.weights == "none" else recipe.weights,
        )
    adaptive = recipe.method == "imas"
    model = IMAS(
        student,
        confidence_threshold=recipe.confidence_threshold,
        unlabeled_weight=recipe.unlabeled_weight,
        ema_decay=recipe.ema_decay,
        ema_copy_steps=steps_per_epoch,
        supervised_only_steps=recipe.warmup_steps,
        background_class=None
        if recipe.background_class < 0
        else recipe.background_class,
        ignore_class=ignore_class,
        pairing_group_size=recipe.pairing_group_size or None,
        adaptive_intensity=adaptive,
        adaptive_cutmix=adaptive,
        hardness_weighting=adaptive,
        seed=recipe.seed,
    )
    schedule = keras.optimizers.schedules.PolynomialDecay(
        recipe.learning_rate, total, end_learning_rate=0.0, power=recipe.power
    )
    loss = None
    if recipe.ohem_min_kept:
        loss = OHEMCrossentropy(
            min_kept=recipe.ohem_min_kept, ignore_class=ignore_class
        )
    model.compile(SGD(schedule, recipe.momentum, l2=recipe.weight_decay), loss)
    print(
        f"{epochs} epochs of {steps_per_epoch} steps: {recipe.method} on "
        f"{len(labeled)} labeled and {len(unlabeled)} unlabeled images, "
        f"{student.count_params():,} parameters, {keras.backend.backend()} backend."
    )

    callbacks = [TimeEstimate()]
    evaluation = None
    if validation is not None:
        evaluation = Evaluation(
            data.evaluation(validation),
            MeanIoU(num_classes, ignore_class=ignore_class),
            every=recipe.evaluate_every,
            filepath=os.path.join(output_dir, "teacher_best.keras"),
        )
        callbacks.append(evaluation)
    callbacks.append(_log_to(os.path.join(output_dir, "history.jsonl")))
    history = model.fit(
        batches, epochs=epochs, callbacks=callbacks, verbose=verbose, shuffle=False
    )

    save_atomically(
        segmenter(model.teacher), os.path.join(output_dir, "teacher_last.keras")
    )
    results = {
        "recipe": dataclasses.asdict(recipe),
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "labeled": len(labeled),
        "unlabeled": len(unlabeled),
        "steps": total,
    }
    if evaluation is not None:
        results |= _accuracy(evaluation, history.history, class_names)
        save_predictions(
            model, validation, os.path.join(output_dir, "predictions.png"), colors
        )
    save_hardness(
        model, unlabeled, os.path.join(output_dir, "hardness.png"), colors, verbose
    )
    seconds = time.perf_counter() - start
    results["minutes"] = round(seconds / 60, 1)
    with open(os.path.join(output_dir, "run.json"), "w") as file:
        json.dump(results, file, indent=1)
    print(f"Took {format_duration(seconds)}; models and pictures are in {output_dir}")
    return results


def training_batches(
    recipe, labeled, unlabeled, steps_per_epoch, num_classes, ignore_class
):
    """Make the batches of a recipe's method.

    Args:
        recipe: `keras_imas.recipe.Recipe`.
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


def save_predictions(model, validation, filepath, colors, count=4):
    """Draw images beside their truth and what student and teacher make of them.

    Args:
        model: `IMAS`.
        validation: Labeled `keras_imas.data.Examples`.
        filepath: Where to write the picture.
        colors: RGB color of each class.
        count: Number of images. Defaults to `4`.
    """
    networks = [segmenter(network) for network in (model.student, model.teacher)]
    rows = []
    for example in _read(validation, _spread(len(validation), count)):
        image = example["image"]
        predicted = [n.predict_on_batch(image[None])[0].argmax(-1) for n in networks]
        label_maps = [example["label_map"], *predicted]
        rows.append(
            [image.astype("uint8"), *(report.colorize(x, colors) for x in label_maps)]
        )
    report.grid(rows, ["image", "truth", "student", "teacher"]).save(filepath)


def save_hardness(
    model, unlabeled, filepath, colors, verbose="auto", count=4, at_most=256
):
    """Draw the easiest and the hardest unlabeled images with their hardness.

    Args:
        model: `IMAS`.
        unlabeled: `keras_imas.data.Examples`.
        filepath: Where to write the picture.
        colors: RGB color of each class.
        verbose: 1 or `"auto"` for a progress bar. Defaults to `"auto"`.
        count: Number of easiest and of hardest images. Defaults to `4`.
        at_most: Images to score; more are thinned out evenly. Defaults to `256`.
    """
    scored = _spread(len(unlabeled), at_most)
    hardness = score_hardness(
        model,
        (example["image"] for example in _read(unlabeled, scored)),
        count=len(scored),
        verbose=verbose,
    )
    order = np.argsort(hardness, kind="stable")
    count = min(count, len(order))
    teacher = segmenter(model.teacher)
    easiest, hardest = order[:count], order[::-1][:count]
    # Read in one pass: a `tf.data` source has no other way to an image.
    shown = np.unique(scored[np.concatenate([easiest, hardest])])
    examples = dict(zip(shown, _read(unlabeled, shown), strict=True))
    rows, captions = [], []
    for title, chosen in (("easiest", easiest), ("hardest", hardest)):
        images, predicted, names = [], [], []
        for position in chosen:
            example = examples[scored[position]]
            image = example["image"]
            label_map = teacher.predict_on_batch(image[None])[0].argmax(-1)
            images.append(image.astype("uint8"))
            predicted.append(report.colorize(label_map, colors))
            names.append(example["name"].decode())
        rows += [images, predicted]
        captions += [
            [f"{title}: hardness {hardness[position]:.2f}" for position in chosen],
            [f"{name}, teacher" for name in names],
        ]
    report.grid(rows, captions=captions).save(filepath)


def _accuracy(evaluation, history, class_names):
    """Print the table of classes and return the numbers of a run."""
    name = evaluation.metric.name
    results = {"best_epoch": evaluation.best_epoch + 1, "per_class": {}}
    for network, key in (
        ("teacher", f"val_{name}"),
        ("student", f"val_student_{name}"),
    ):
        values = history[key]
        results[f"{network}_last"] = round(float(values[-1]), 4)
        results[f"{network}_best"] = round(float(max(values)), 4)
        per_class = evaluation.metrics[network].per_class()
        results["per_class"][network] = {
            name: None if np.isnan(iou) else round(float(iou), 4)
            for name, iou in zip(class_names, per_class, strict=True)
        }
    columns = {n: metric.per_class() for n, metric in evaluation.metrics.items()}
    print("\nIoU on the validation images after the last epoch")
    print(report.class_table(class_names, columns))
    for network in ("teacher", "student"):
        print(
            f"mIoU of the {network}: last {results[f'{network}_last']:.3f}, "
            f"best {results[f'{network}_best']:.3f}"
        )
    return results


def _log_to(filepath):
    """Return a callback that appends each epoch's logs to a file, a JSON a line."""

    def append(epoch, logs):
        numbers = {name: round(float(value), 6) for name, value in logs.items()}
        with open(filepath, "a") as file:
            file.write(json.dumps({"epoch": epoch + 1, **numbers}) + "\n")

    return keras.callbacks.LambdaCallback(on_epoch_end=append)


def _spread(count, at_most):
    """Return at most so many indices below `count`, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, at_most)).astype(int))


def _read(examples, indices):
    """Read single examples, as dicts of NumPy arrays."""
    wanted = set(indices)
    for index, record in enumerate(examples.records):
        if index in wanted:
            example = examples.read(
                *(record if isinstance(record, tuple) else [record])
            )
            yield {key: value.numpy() for key, value in example.items()}
