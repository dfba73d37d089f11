"""Callbacks: the student beside the teacher, the best teacher, the time a run takes."""

import os
import time

import keras

from keras_imas.inference import segmenter


class Evaluation(keras.callbacks.Callback):
    """Evaluate teacher and student every few epochs; keep the best teacher on disk.

    Adds `val_loss` and `val_<metric>` of the teacher, and `val_student_loss` and
    `val_student_<metric>`, to the epoch's logs, for callbacks that come after this one.

    Args:
        data: Dataset of `(images, label_maps)`.
        metric: A `keras.metrics.Metric` on `(label_maps, logits)`, to be maximized;
            its `get_config` makes one for each network.
        every: Epochs from one evaluation to the next; the last epoch always counts.
            Defaults to `1`.
        filepath: Where to save the best teacher; ends in `.keras`. Defaults to `None`:
            it is not saved.

    Example:
        >>> from keras_imas.metrics import MeanIoU
        >>> Evaluation([], MeanIoU(19, ignore_class=255)).best
        -inf
    """

    def __init__(self, data, metric, *, every=1, filepath=None):
        super().__init__()
        self.data = data
        self.metric = metric
        self.every = every
        self.filepath = filepath
        self.best = float("-inf")
        self.best_epoch = None
        self.metrics = {}

    def on_train_begin(self, logs=None):
        """Wrap the two networks for evaluation.

        Args:
            logs: Not used.
        """
        self._networks = {}
        for name in ("teacher", "student"):
            network = segmenter(getattr(self.model, name))
            metric = self.metric.__class__.from_config(self.metric.get_config())
            network.compile(loss=self.model.loss, metrics=[metric])
            self._networks[name] = network
            self.metrics[name] = metric

    def on_epoch_end(self, epoch, logs=None):
        """Evaluate both networks, and save the teacher if it is the best so far.

        Args:
            epoch: The epoch, from 0.
            logs: The epoch's logs; extended.
        """
        if (epoch + 1) % self.every and epoch + 1 != self.params["epochs"]:
            return
        name = self.metric.name
        for network, prefix in (("teacher", "val_"), ("student", "val_student_")):
            results = self._networks[network].evaluate(
                self.data, verbose=0, return_dict=True
            )
            logs.update({prefix + key: value for key, value in results.items()})
        if logs[f"val_{name}"] > self.best:
            self.best, self.best_epoch = logs[f"val_{name}"], epoch
            if self.filepath is not None:
                save_atomically(self._networks["teacher"], self.filepath)


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
