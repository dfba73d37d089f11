"""Checkpoints to resume a training from."""

import contextlib
import math
import os
import re
import sys
import time
from typing import Any

import keras
from keras import ops

from keras_imas.backends.determinism import global_draws, set_global_draws
from keras_imas.backends.devices import scope_of
from keras_imas.files.user_path import user_path
from keras_imas.files.whole_file import check_writable
from keras_imas.training import callback_states, model_state
from keras_imas.training.checkpoint_store import Checkpoints
from keras_imas.training.stop_signals import Interrupted, StopSignals
from keras_imas.training.training_settings import check_settings, learning_rate
from keras_imas.typing import Logs, StrPath


class Checkpoint(keras.callbacks.Callback):
    """Save the state of a run, so that it resumes when you rerun it.

    `IMAS.fit` resumes from the newest checkpoint in the directory, in the middle of an
    epoch too: with both networks, the optimizer, the state of all draws, the epoch's
    logs so far, the history, and at the same place in the data. The result is the same
    to the bit where the backend is deterministic (see docs/explanations/exactness.md).
    A `tf.data.Dataset` or a `DataLoader` of your own is read again from the start of
    the epoch up to that place, without training.

    At a SIGTERM or SIGINT the step is finished, all is saved, and `fit` raises
    `keras_imas.training.stop_signals.Interrupted`, which ends a program with status 75.
    A checkpoint that can't be written, as the disk is full, is left out with a warning.

    Keras' own callbacks resume where they were. Of others those do that have
    `get_state`, which returns a dict as JSON has it, and `set_state`.

    What a resumed training must agree in is saved as well: optimizer, loss, the model's
    arguments, steps of an epoch and, from `keras_imas.data`, files and crops. Only
    `epochs` may grow.

    Args:
        directory: Directory of the checkpoints, of this run alone.
        every: From one checkpoint to the next: `"10min"`, `"30s"`, `"2h"`, or a number
            of steps; and after an epoch that is the best so far. 0: only at the end and
            where a signal stops the run. Defaults to `"10min"`.
        keep: How many to keep. Defaults to `2`.
        configuration: Dict, as JSON has it, of what a resumed run must agree in.
            Defaults to `None`: only the networks' variables are compared.
        signals: `keras_imas.training.stop_signals.StopSignals` in force. Defaults to
            `None`: its own, while `fit` runs.

    Raises:
        ValueError: If `directory` is a file, `every` is none of these, or `keep` is
            less than 1; where training begins, if `directory` can't be written.

    Example:
        >>> import tempfile
        >>> from keras_imas import IMAS
        >>> import numpy as np
        >>> def train(epochs):
        ...     network = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
        ...     model = IMAS(keras.Sequential(network))
        ...     model.compile(keras.optimizers.SGD(1e-3))
        ...     checkpoint = Checkpoint(directory)
        ...     images, labels = np.zeros((2, 8, 8, 3)), np.zeros((2, 8, 8), int)
        ...     history = model.fit(
        ...         {"labeled": images}, labels, verbose=0,
        ...         epochs=epochs, callbacks=[checkpoint],
        ...     )
        ...     return len(history.history["loss"]), int(model.step)
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     train(2), train(3)
        ((2, 2), (3, 3))
    """

    def __init__(
        self,
        directory: StrPath,
        *,
        every: int | str = "10min",
        keep: int = 2,
        configuration: dict[str, Any] | None = None,
        signals: StopSignals | None = None,
    ) -> None:
        super().__init__()
        directory = user_path(directory)
        if os.path.exists(directory) and not os.path.isdir(directory):
            raise ValueError(
                "`directory` must be a directory, and is a file. Received: "
                f"directory={directory!r}"
            )
        self.every = every
        self._seconds, self._steps = _interval(every)
        self._at_all = self._steps or self._seconds < math.inf
        self.checkpoints = Checkpoints(
            directory, keep=keep, configuration=configuration
        )
        self._given_signals = signals
        self._signals = None
        self._draws: dict | None = None
        self._settings: dict[str, Any] | None = None
        self._restored: tuple[dict, dict] | None = None
        self.callbacks = None

    def restore(
        self, model: keras.Model, settings: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Put a model into the state of the newest checkpoint, if there is one.

        Args:
            model: Compiled `keras_imas.IMAS`.
            settings: What
                `keras_imas.training.training_settings.training_settings` returns.

        Returns:
            Dict of the state: `epoch` and `step` to resume at, both from 0, the number
            of `steps` of an epoch, ...; `None` where there is no checkpoint.

        Raises:
            ValueError: If there is none that can be used for this model.
        """
        directory = self.checkpoints.directory
        check_writable("directory", os.path.join(directory, "step"))
        self.checkpoints.clean()
        newest = self.checkpoints.newest()
        self._restored, self._settings = None, settings
        if newest is None:
            return None
        _, arrays, state = newest
        rates = state["learning_rate"], learning_rate(model)
        check_settings(state["settings"], settings, rates, directory)
        self._settings = state["settings"]
        model.build_optimizer()
        model_state.restore(model, arrays, ("model", "optimizer"), directory)
        self._restored = (arrays, state)
        states = state["callbacks"]
        for callback, its_state, _ in callback_states.matched(self.callbacks, states):
            callback_states.prepare(callback, its_state)
        if not callback_states.same_kinds(self.callbacks, states):
            print(
                f"Warning: the callbacks are not those of the checkpoint in "
                f"{directory!r}, which holds the state of "
                f"{', '.join(kind for kind, _ in states) or 'none'}. Others start anew",
                file=sys.stderr,
                flush=True,
            )
        return state

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Put the history and the other callbacks into the restored state.

        Args:
            logs: Not used.

        Raises:
            ValueError: If it is not `keras_imas.IMAS` that is trained.
        """
        if self.callbacks is None:
            raise ValueError("`Checkpoint` is for the `fit` of `keras_imas.IMAS` alone")
        self._signals = self._given_signals or StopSignals().__enter__()
        self._last_time, self._since = time.monotonic(), 0
        self._pending = self._saved = None
        if self._restored is None:
            return
        state = self._restored[1]
        history = self._model.history
        history.epoch = list(state["epochs"])
        history.history.update(state["history"])
        self._restore_callbacks()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Put the epoch's logs so far into the restored state.

        Args:
            epoch: The epoch, from 0.
            logs: Not used.
        """
        self._epoch, self._at, self._pending = epoch, 0, None
        self._signals.defer(True)
        self._set_draws()
        if self._restored is None:
            return
        arrays, state = self._restored
        self._at = state["step"]
        amid = self._at and (state["steps"] is None or self._at < state["steps"])
        if self._at:
            # What callbacks do where an epoch begins was done before the checkpoint.
            self._restore_callbacks()
            with scope_of(self.model):
                model_state.restore(
                    self.model, arrays, model_state.PARTS, self.checkpoints.directory
                )
        self._restored = None
        self._draws = {
            name.removeprefix("draws/"): value
            for name, value in arrays.items()
            if name.startswith("draws/")
        }
        if not amid:
            self._set_draws()

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Put the random generators into the restored state.

        Args:
            batch: Not used.
            logs: Not used.
        """
        # Not before, as PyTorch draws where it begins to read data.
        self._set_draws()

    def keep_draws(self) -> None:
        """Let the next epoch draw from here on, whatever is drawn until then."""
        self._draws = global_draws()

    def _set_draws(self):
        draws, self._draws = self._draws, None
        if draws:
            set_global_draws(draws)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Save if it is time, or a signal has come.

        Args:
            batch: The step in the epoch, from 0.
            logs: The epoch's logs so far.
        """
        step, steps = batch + 1, self.params["steps"]
        self._since += step - self._at
        self._at = step
        last = steps is not None and step >= steps
        if last:
            self._pending = self._end_of_steps(step, logs)
        if self._signals.requested:
            self.save(self._state(self._epoch, step, logs))
            raise Interrupted()
        if last:  # evaluation may take long, and what is to be saved is known
            self._signals.defer(False)
        elif self._due():
            self.save(self._state(self._epoch, step, logs))

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save if it is time.

        Args:
            epoch: The epoch, from 0.
            logs: The epoch's logs.
        """
        with self._signals.finishing():
            self._pending = self._state(epoch + 1, 0), global_draws(), {}
            finished = epoch + 1 == self.params["epochs"] or self.model.stop_training
            # So that a best network on disk is the one that a resumed run knows of.
            best = any(getattr(c, "best_epoch", None) == epoch for c in self.callbacks)
            if finished or self._due() or best and self._at_all:
                self.save(*self._pending)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Leave signals to others again.

        Args:
            logs: Not used.
        """
        self.leave()

    def leave(self, error: BaseException | None = None) -> None:
        """Leave signals to others, and save where one has cut an epoch's end short.

        Args:
            error: What `fit` has raised. Defaults to `None`: nothing.
        """
        signals, self._signals = self._signals, None
        if signals is None:
            return
        try:
            if isinstance(error, Interrupted) and self._pending:
                with contextlib.suppress(Interrupted), signals.finishing():
                    self.save(*self._pending)
        finally:
            signals.defer(False)
            if signals is not self._given_signals:
                signals.__exit__()

    def save(
        self,
        state: tuple[dict[str, Any], dict[str, Any]],
        draws: Any = None,
        arrays: dict[str, Any] | None = None,
    ) -> None:
        """Write a checkpoint, or a warning where that is not possible.

        Args:
            state: The state besides the variables, and arrays of the callbacks.
            draws: That of the global random generators. Defaults to `None`: as it is.
            arrays: Dict of arrays that take the place of variables' values. Defaults to
                `None`: none do.
        """
        # From before, so that what was done while it was written is counted.
        self._last_time, self._since = time.monotonic(), 0
        model = self.model
        step = int(ops.convert_to_numpy(model.step))
        if self._saved == step:
            return
        facts, of_callbacks = state
        everything = model_state.arrays_of(model) | of_callbacks | (arrays or {})
        draws = global_draws() if draws is None else draws
        everything |= {f"draws/{name}": value for name, value in draws.items()}
        try:
            self.checkpoints.save(step, everything, facts)
            self._saved = step
        except OSError as error:
            steps = self.checkpoints.steps()
            last = f"that of step {steps[-1]:,}" if steps else "none"
            print(
                f"\nWarning: no checkpoint of step {step:,} was written: {error}. The "
                f"last good one is {last}",
                file=sys.stderr,
                flush=True,
            )

    def _due(self):
        if self._steps:
            return self._since >= self._steps
        return time.monotonic() - self._last_time >= self._seconds

    def _end_of_steps(self, step, logs):
        """Return what `save` takes, of the last step of an epoch.

        What callbacks change at the end of an epoch, which then is done anew, is kept.
        """
        kept = model_state.changed_at_end_of_epoch(self.model)
        return self._state(self._epoch, step, logs), global_draws(), kept

    def _state(self, epoch, step, logs=None):
        history = self._model.history
        states, arrays = callback_states.states_of(self.callbacks)
        return {
            "epoch": epoch,
            "step": step,
            "steps": self.params["steps"],
            "logs": {name: float(value) for name, value in (logs or {}).items()},
            "epochs": list(history.epoch),
            "history": {
                name: [float(value) for value in values]
                for name, values in history.history.items()
            },
            "callbacks": states,
            "stopped": bool(self.model.stop_training),
            "settings": self._settings,
            "learning_rate": learning_rate(self.model),
        }, arrays

    def _restore_callbacks(self):
        arrays, state = self._restored
        states = state["callbacks"]
        for found in callback_states.matched(self.callbacks, states, arrays):
            callback_states.set_state(*found)


def _interval(every):
    """Return seconds and steps; one of them says nothing."""
    text = str(every).strip()
    if re.fullmatch(r"\d+", text):
        steps = int(text)
        return math.inf, steps
    found = re.fullmatch(r"(\d+(?:\.\d*)?)\s*(s|min|h)", text)
    if not found or not float(found[1]):
        raise ValueError(
            '`every` must be a time, such as "10min", "30s" or "2h", or a number of '
            f"steps. Received: every={every!r}"
        )
    return float(found[1]) * {"s": 1, "min": 60, "h": 3600}[found[2]], 0
