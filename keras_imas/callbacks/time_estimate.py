"""How long a training will take."""

import time

import keras

from keras_imas.typing import Logs


class TimeEstimate(keras.callbacks.Callback):
    """Print, after the first steps, how long the training will take.

    Args:
        warm_up: Steps not counted, as compilation falls into them. Defaults to `3`.
        steps: Steps to measure. Defaults to `10`.

    Example:
        >>> TimeEstimate().warm_up
        3
    """

    def __init__(self, warm_up: int = 3, steps: int = 10) -> None:
        super().__init__()
        self.warm_up = warm_up
        self.steps = steps
        self._seen = self._first = 0
        self._began: tuple[int, float] | None = None
        self._told = False
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Note the epoch.

        Args:
            epoch: The epoch, from 0.
            logs: Not used.
        """
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Note the step: a call of the device may take several.

        Args:
            batch: The step in the epoch, from 0.
            logs: Not used.
        """
        self._first = batch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Look at the clock.

        Args:
            batch: The last step of the call in the epoch, from 0.
            logs: Not used.
        """
        self._seen += batch + 1 - self._first
        self._first = batch + 1
        if self._began is None:
            if self._seen >= self.warm_up:
                self._began = self._seen, time.perf_counter()
            return
        seen, start = self._began
        if self._told or self._seen < seen + self.steps:
            return
        self._told = True
        seconds = (time.perf_counter() - start) / (self._seen - seen)
        print(f"\n{self._sentence(seconds, batch + 1)}")
        self.measured(seconds)

    def _sentence(self, seconds, step):
        if self.params["steps"] is None:
            return f"A step takes {seconds:.2f} s."
        total = self.params["epochs"] * self.params["steps"]
        done = self._epoch * self.params["steps"] + step
        if done > self._seen:  # the run was resumed
            total -= done - self._seen
        return (
            f"{total:,} steps at {seconds:.2f} s: training takes about "
            f"{format_duration(seconds * total)}, plus evaluation."
        )

    def measured(self, seconds: float) -> None:
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
