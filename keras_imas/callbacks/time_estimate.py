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
        self._seen = 0
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Note the epoch.

        Args:
            epoch: The epoch, from 0.
            logs: Not used.
        """
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Look at the clock.

        Args:
            batch: The step in the epoch, from 0.
            logs: Not used.
        """
        self._seen += 1
        if self._seen == self.warm_up:
            self._start = time.perf_counter()
        if self._seen == self.warm_up + self.steps:
            seconds = (time.perf_counter() - self._start) / self.steps
            total = self.params["epochs"] * self.params["steps"]
            done = self._epoch * self.params["steps"] + batch + 1
            if done > self._seen:  # the run was resumed
                total -= done - self._seen
            print(
                f"\n{total:,} steps at {seconds:.2f} s: training takes about "
                f"{format_duration(seconds * total)}, plus evaluation."
            )
            self.measured(seconds)

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
