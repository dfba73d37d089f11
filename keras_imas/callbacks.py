"""Callbacks: the student beside the teacher, the best teacher, the time a run takes."""

import os
import time

import keras

from keras_imas.evaluation import evaluate
from keras_imas.inference import Predictor


class Evaluation(keras.callbacks.Callback):
    """Evaluate teacher and student every few epochs; keep the best teacher on disk.

    Adds `val_mean_iou`, `val_pixel_accuracy` and `val_loss` (cross-entropy) of the
    teacher to the epoch's logs, and `val_student_...` of the student, for callbacks
    that come after this one; those of `select_on` are named `select_...`.

    Args:
        data: Batches of `(images, label_maps)`, see `keras_imas.data.evaluation`.
        num_classes: Number of classes.
        ignore_class: Label of pixels that don't count. Defaults to `255`.
        every: Epochs from one evaluation to the next; the last epoch always counts.
            Defaults to `1`.
        filepath: Where to save the best teacher; ends in `.keras`. Defaults to `None`:
            it is not saved.
        select_on: Data that tells which epoch is best, held out from what is reported.
            Defaults to `None`: `data`, so that the best epoch's numbers flatter.
        **prediction: See `keras_imas.inference.Predictor`: `window`, `flip`, ...

    Attributes:
        best: Mean IoU of the best teacher, on the data that select.
        best_epoch: Its epoch, from 0.
        epochs: List of the epochs, from 0, after which there was an evaluation.
        confusion: Dict of the last `ConfusionMatrix` of `"teacher"` and `"student"`.

    Example:
        >>> Evaluation([], num_classes=19, window=769).best
        -inf
    """

    def __init__(
        self,
        data,
        num_classes,
        *,
        ignore_class=255,
        every=1,
        filepath=None,
        select_on=None,
        **prediction,
    ):
        super().__init__()
        self.data = {"val_": data}
        if select_on is not None:
            self.data["select_"] = select_on
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        self.every = every
        self.filepath = filepath
        self.prediction = prediction
        self.best = float("-inf")
        self.best_epoch = None
        self.epochs = []
        self.confusion = {}

    def on_train_begin(self, logs=None):
        """Wrap the two networks for evaluation.

        Args:
            logs: Not used.
        """
        self._predictors = {
            "teacher": Predictor(self.model.teacher, **self.prediction),
            "student": Predictor(self.model.student, **self.prediction),
        }

    def on_epoch_end(self, epoch, logs=None):
        """Evaluate both networks, and save the teacher if it is the best so far.

        Args:
            epoch: The epoch, from 0.
            logs: The epoch's logs; extended.
        """
        if (epoch + 1) % self.every and epoch + 1 != self.params["epochs"]:
            return
        for where, data in self.data.items():
            for network, predictor in self._predictors.items():
                confusion, loss = evaluate(
                    predictor, data, self.num_classes, ignore_class=self.ignore_class
                )
                prefix = where + ("student_" if network == "student" else "")
                logs[f"{prefix}loss"] = loss
                logs[f"{prefix}mean_iou"] = confusion.mean_iou
                logs[f"{prefix}pixel_accuracy"] = confusion.pixel_accuracy
                if where == "val_":
                    self.confusion[network] = confusion
        self.epochs.append(epoch)
        selecting = "select_" if "select_" in self.data else "val_"
        if logs[f"{selecting}mean_iou"] > self.best:
            self.best, self.best_epoch = logs[f"{selecting}mean_iou"], epoch
            if self.filepath is not None:
                save_atomically(self._predictors["teacher"].segmenter, self.filepath)


def save_atomically(model, filepath):
    """Save a model so that a file of that name is always a whole one.

    Args:
        model: `keras.Model`.
        filepath: Path that ends in `.keras`.
    """
    part = f"{os.path.splitext(filepath)[0]}.part.keras"
    model.save(part)
    os.replace(part, filepath)


class TimeEstimate(keras.callbacks.Callback):
    """Print, after the first steps, how long the training will take.

    Args:
        warm_up: Steps not counted, as compilation falls into them. Defaults to `3`.
        steps: Steps to measure. Defaults to `10`.

    Example:
        >>> TimeEstimate().warm_up
        3
    """

    def __init__(self, warm_up=3, steps=10):
        super().__init__()
        self.warm_up = warm_up
        self.steps = steps
        self._seen = 0

    def on_train_batch_end(self, batch, logs=None):
        """Look at the clock.

        Args:
            batch: Not used.
            logs: Not used.
        """
        self._seen += 1
        if self._seen == self.warm_up:
            self._start = time.perf_counter()
        if self._seen == self.warm_up + self.steps:
            seconds = (time.perf_counter() - self._start) / self.steps
            total = self.params["epochs"] * self.params["steps"]
            print(
                f"\n{total:,} steps at {seconds:.2f} s: training takes about "
                f"{format_duration(seconds * total)}, plus evaluation."
            )
            self.measured(seconds)

    def measured(self, seconds):
        """Do more with what was measured; nothing here.

        Args:
            seconds: Time of a step in seconds.
        """


def format_duration(seconds):
    """Return a duration in words.

    Args:
        seconds: The duration in seconds.

    Returns:
        A string.

    Example:
        >>> format_duration(59), format_duration(150), format_duration(7300)
        ('59 s', '2.5 min', '2.0 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


class InputSpeed(TimeEstimate):
    """A `TimeEstimate` that says as well if training waits for its input.

    Where the step is measured, it runs the input pipeline alone for a few batches. If a
    step of `fit` takes hardly longer than that, the pipeline is what it waits for, and
    what each stage of it costs is printed, and what to do about it.

    Args:
        batches: Batches like those that `fit` reads, but another dataset.
        examples: Images whose stages are measured.
        crop_size: Side of the crops in pixels.
        strong: See `keras_imas.data.speed.stage_seconds`. Defaults to `None`.
        share: Of the time of a step, what the pipeline alone may take for a batch.
            Defaults to `0.9`.
        **measurement: See `TimeEstimate`.

    Attributes:
        waits: Whether training waits for its input; `None` until it is known.

    Example:
        >>> InputSpeed([], [], crop_size=129).waits is None
        True
    """

    def __init__(
        self, batches, examples, *, crop_size, strong=None, share=0.9, **measurement
    ):
        super().__init__(**measurement)
        self.batches = batches
        self.examples = examples
        self.crop_size = crop_size
        self.strong = strong
        self.share = share
        self.waits = None

    def measured(self, seconds):
        """Compare the pipeline with the step.

        Args:
            seconds: Time of a step in seconds.
        """
        from keras_imas.data.speed import batch_seconds, stage_seconds

        alone = batch_seconds(self.batches)
        if alone is None:  # a handful of batches
            return
        self.waits = alone > self.share * seconds
        if not self.waits:
            return
        stages = stage_seconds(
            self.examples, crop_size=self.crop_size, strong=self.strong
        )
        slowest = max(stages, key=stages.get)
        costs = ", ".join(f"{name} {1e3 * s:.1f} ms" for name, s in stages.items())
        print(
            f"Training waits for its input: the pipeline alone takes {alone:.3f} s a "
            f"batch, a step of training {seconds:.3f} s. An image costs, on one of "
            f"{os.cpu_count()} cores: {costs}. {_REMEDIES[slowest]}, or train on a "
            "machine with more cores."
        )


_REMEDIES = {
    "read and decode": "Keep decoded images, by --cache=memory or --cache=DIR, or make "
    "smaller copies of large ones",
    "weak view": "Take smaller crops, or a smaller --scale_max",
    "strong view": "Take smaller crops, or pass a cheaper `strong=`",
}
