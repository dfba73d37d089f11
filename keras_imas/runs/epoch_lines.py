"""A line for people after each epoch."""

import time

import keras

from keras_imas.callbacks.time_estimate import format_duration
from keras_imas.progress import progress_style


class EpochLines(keras.callbacks.Callback):
    """Print after each epoch how well the networks do, and how long it will take.

    Where there is no progress bar, also print a line within an epoch now and then.

    Args:
        verbose: See `keras_imas.progress.progress_style`. Defaults to `"auto"`.
        every: Seconds from one line within an epoch to the next. Defaults to `30.0`.

    Example:
        >>> EpochLines().every
        30.0
    """

    def __init__(self, verbose="auto", every=30.0):
        super().__init__()
        self.every = every
        self._style = progress_style(verbose)

    def on_train_begin(self, logs=None):
        """Start the clock.

        Args:
            logs: Not used.
        """
        self._start, self._epochs = time.monotonic(), 0
        self._compiles = True

    def on_epoch_begin(self, epoch, logs=None):
        """Note the time.

        Args:
            epoch: The epoch, from 0.
            logs: Not used.
        """
        self._told = time.monotonic()
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Print a line, if it is time and there is no progress bar.

        Args:
            batch: The step in the epoch, from 0.
            logs: The logs.
        """
        now = time.monotonic()
        if self._style != 2 or now - self._told < self.every:
            return
        self._told = now
        steps = self.params["steps"]
        loss = "" if "loss" not in logs else f": loss {logs['loss']:.3f}"
        print(
            f"{self._name()}, step {batch + 1:,} of {steps:,}{loss}.",
            flush=True,
        )

    def on_epoch_end(self, epoch, logs=None):
        """Print the epoch's line.

        Args:
            epoch: The epoch, from 0.
            logs: Its logs.
        """
        if not self._style:
            return
        now = time.monotonic()
        self._epochs += 1
        each = (now - self._start) / self._epochs
        if self._compiles:  # the first epoch, which tells little of the others
            self._start, self._epochs = now, 0
            self._compiles = False
        left = (self.params["epochs"] - epoch - 1) * each
        until = f"; about {format_duration(left)} left" if left else ""
        print(f"{self._name()}: {', '.join(_told(logs))}{until}.", flush=True)

    def _name(self):
        return f"Epoch {self._epoch + 1} of {self.params['epochs']}"


def _told(logs):
    """Return what a person wants to know of an epoch's logs."""
    found = []
    if "val_mean_iou" in logs:
        found.append(
            f"mIoU {logs['val_mean_iou']:.3f} of the teacher, "
            f"{logs['val_student_mean_iou']:.3f} of the student"
        )
    if "loss" in logs:
        found.append(f"loss {logs['loss']:.3f}")
    if "hardness" in logs:
        found.append(f"mean hardness {logs['hardness']:.2f}")
        found.append(f"pseudo labels on {logs['pseudo_label_ratio']:.0%} of the pixels")
    return found
