"""Tell where unlabeled images never count."""

import warnings

import keras
import numpy as np


class UnlabeledUse(keras.callbacks.Callback):
    """Warn of a training whose unlabeled images don't count, as soon as it is known.

    Before the first step, by the warm-up, λ and its ramp-up; after an epoch in which no
    pixel was sure enough to be a pseudo label, once.

    Args:
        steps: Number of steps at the end of the training; `None` if it is unknown.
        unlabeled: Whether the data have unlabeled images; `None` if the first step
            will tell.

    Example:
        >>> UnlabeledUse(100, True).steps
        100
    """

    def __init__(self, steps, unlabeled):
        super().__init__()
        self.steps = steps
        self.unlabeled = unlabeled
        self._told = False

    def on_train_begin(self, logs=None):
        """Look at the schedule.

        Args:
            logs: Not used.
        """
        if self.unlabeled:
            self._look()

    def on_train_batch_end(self, batch, logs=None):
        """Look at the schedule, where only now the batches are known.

        Args:
            batch: Not used.
            logs: The epoch's logs so far.
        """
        if self.unlabeled is None:
            self.unlabeled = "pseudo_label_ratio" in (logs or {})
            if self.unlabeled:
                self._look()

    def on_epoch_end(self, epoch, logs=None):
        """Look at the share of pseudo labels.

        Args:
            epoch: The epoch, from 0.
            logs: The epoch's logs.
        """
        ratio = (logs or {}).get("pseudo_label_ratio")
        warm_up = getattr(self.model, "supervised_only_steps", 0)
        if ratio is None or self._told:
            return
        step = int(keras.ops.convert_to_numpy(self.model.step))
        if step > warm_up and (float(ratio) == 0 or self._all_hardest(logs)):
            self._told = True
            threshold = getattr(self.model, "confidence_threshold", None)
            warnings.warn(
                f"In epoch {epoch + 1} the teacher was not confident about any pixel: "
                f"none reached `confidence_threshold={threshold}`, so no unlabeled "
                "image counted. Train longer on labeled images first "
                "(`supervised_only_steps`, in the programs --warmup_steps), or "
                "lower the threshold",
                stacklevel=2,
            )

    def _all_hardest(self, logs):
        """Whether pixels count by thresholds of their classes, and no image does."""
        by_class = getattr(self.model, "class_thresholds", False)
        weighted = getattr(self.model, "hardness_weighting", False)
        return by_class and weighted and float(logs.get("hardness", 0)) == 1

    def _look(self):
        message = unlabeled_problem(
            self.steps,
            warm_up=getattr(self.model, "supervised_only_steps", 0),
            weight=getattr(self.model, "unlabeled_weight", 1.0),
        )
        if message:
            warnings.warn(message, stacklevel=2)


def unlabeled_problem(steps, *, warm_up, weight):
    """Say why unlabeled images will not count as they are meant to.

    Args:
        steps: Number of training steps; `None` if it is unknown.
        warm_up: Number of supervised ones at the start.
        weight: λ: a number, or a function of the steps since the warm-up.

    Returns:
        A sentence; empty where nothing is wrong.

    Example:
        >>> unlabeled_problem(300, warm_up=500, weight=3.0)[:44]
        'No unlabeled image will count: the warm-up, '
        >>> unlabeled_problem(300, warm_up=100, weight=3.0)
        ''
    """
    if steps is not None and warm_up >= steps:
        return (
            f"No unlabeled image will count: the warm-up, `supervised_only_steps="
            f"{warm_up}`, is as long as the training of {steps:,} steps. Train longer "
            "or warm up for fewer steps"
        )
    if not callable(weight):
        if weight:
            return ""
        return (
            f"No unlabeled image will count: `unlabeled_weight={weight}` is the weight "
            "of their loss"
        )
    if steps is None:
        return ""
    left = steps - warm_up
    within = max(_at(weight, step) for step in np.linspace(0, left - 1, 65, dtype=int))
    after = max(_at(weight, left * factor) for factor in (1, 2, 5, 10, 100))
    if not within:
        return (
            "No unlabeled image will count: the schedule `unlabeled_weight` is 0 for "
            f"all of the {left:,} steps after the warm-up"
        )
    if after > 1.01 * within + left**-1 * after:
        return (
            f"The ramp-up of `unlabeled_weight` is longer than the training: it comes "
            f"to {within:.3g} within {left:,} steps, of {after:.3g} later"
        )
    return ""


def has_unlabeled(data):
    """Tell whether batches have unlabeled images.

    Args:
        data: What `fit` reads.

    Returns:
        A boolean; `None` if it can't be known without reading.

    Example:
        >>> has_unlabeled({"labeled": 0}), has_unlabeled([])
        (False, None)
    """
    spec = getattr(data, "element_spec", None)
    inputs = spec[0] if isinstance(spec, tuple) else data
    return "unlabeled" in inputs if isinstance(inputs, dict) else None


def _at(weight, step):
    return float(keras.ops.convert_to_numpy(weight(int(step))))
