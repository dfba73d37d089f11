"""Callbacks: evaluation, hardness by image, the time a run takes, checkpoints."""

import contextlib
import importlib.util
import math
import os
import re
import sys
import time

import keras
import numpy as np
from keras import ops

from keras_imas.checkpoint import Checkpoints
from keras_imas.determinism import global_draws, set_global_draws
from keras_imas.distribution import (
    assign_replica_values,
    process_part,
    replica_values,
    scope_of,
)
from keras_imas.evaluation import ConfusionMatrix, evaluate
from keras_imas.inference import Predictor
from keras_imas.scoring import SCORES
from keras_imas.stopping import Interrupted, StopSignals


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
        predictors: Dict of a `Predictor` for `"teacher"` and `"student"`, in training.

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
        self.predictors = {
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
            for network, predictor in self.predictors.items():
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
                save_atomically(self.predictors["teacher"].segmenter, self.filepath)

    def get_state(self):
        """Return what a resumed run must know, as JSON has it."""
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "epochs": self.epochs,
            "counts": {
                network: confusion.counts.tolist()
                for network, confusion in self.confusion.items()
            },
        }

    def set_state(self, state):
        """Go on from a state.

        Args:
            state: What `get_state` returned.
        """
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.epochs = list(state["epochs"])
        for network, counts in state["counts"].items():
            confusion = ConfusionMatrix(self.num_classes, self.ignore_class)
            confusion.counts += np.array(counts, "int64")
            self.confusion[network] = confusion


def save_atomically(model, filepath):
    """Save a model so that a file of that name is always a whole one.

    Args:
        model: `keras.Model`.
        filepath: Path that ends in `.keras`.
    """
    part = f"{os.path.splitext(filepath)[0]}.part.keras"
    try:
        model.save(part)
        os.replace(part, filepath)
    except BaseException:
        if os.path.exists(part):  # such as half of one, on a full disk
            os.remove(part)
        raise


class HardnessLog(keras.callbacks.Callback):
    """Write how hard each unlabeled image was in each epoch, and why.

    The table has a row for each image and epoch: `epoch`, from 1; `image`, its name;
    `hardness`; `student_confidence` and `teacher_confidence`, the share of pixels that
    are sure (ρ); `student_iou` and `teacher_iou`, the IoU between the two, weighted by
    the classes of either. It is a Parquet file, for `pandas.read_parquet` and the like,
    written anew after each epoch, so that it can be read while training goes on. Where
    it exists, the rows of earlier epochs are kept.

    The values gather on the device and are read once an epoch. Batches must have
    `"unlabeled_index"`, as those of `keras_imas.data` do.

    Args:
        filepath: Where to write; ends in `.parquet`.
        images: What `"unlabeled_index"` counts: the unlabeled
            `keras_imas.data.Examples`, or the images' names, or their number.

    Attributes:
        names: The images' names.
        hardness: float32 array of the hardness of the images that the last epoch saw.

    Example:
        >>> HardnessLog("hardness.parquet", ["a", "b"]).names
        ['a', 'b']
    """

    def __init__(self, filepath, images):
        super().__init__()
        self.filepath = os.fspath(filepath)
        names = getattr(images, "names", images)
        if names is None or isinstance(names, int):
            names = [f"#{i}" for i in range(len(images) if names is None else names)]
        self.names = list(names)
        self.hardness = None
        self._table = None

    def set_model(self, model):
        """Make room on the device, before the step is compiled.

        Args:
            model: `IMAS`.
        """
        super().set_model(model)
        with scope_of(model):
            model.image_scores.track(len(self.names))
        model.train_function = None  # one that was traced before knows nothing of it

    def on_epoch_end(self, epoch, logs=None):
        """Read the epoch's values, and write the table with them.

        Args:
            epoch: The epoch, from 0.
            logs: Not used.
        """
        scores = self.model.image_scores
        seen = np.flatnonzero(scores.counts())
        means = scores.means()
        self.hardness = means["hardness"][seen]
        scores.clear()
        if len(seen) and process_part()[0] == 0:
            self._append(epoch + 1, seen, means)

    def on_train_end(self, logs=None):
        """Leave the model as it was.

        Args:
            logs: Not used.
        """
        self.model.image_scores.tracks = False
        self.model.train_function = None

    def _append(self, epoch, seen, means):
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet

        if self._table is None and os.path.exists(self.filepath):
            self._table = pyarrow.parquet.read_table(self.filepath)
        columns = {
            "epoch": pyarrow.array(np.full(len(seen), epoch, "int32")),
            "image": pyarrow.DictionaryArray.from_arrays(
                seen.astype("int32"), pyarrow.array(self.names)
            ),
            # Four decimals are enough, and take a third of the room.
            **{name: means[name][seen].round(4) for name in SCORES},
        }
        rows = pyarrow.table(columns)
        if self._table is not None:
            earlier = pyarrow.compute.less(self._table["epoch"], epoch)
            rows = pyarrow.concat_tables([self._table.filter(earlier), rows])
        self._table = rows
        part = f"{self.filepath}.part"
        pyarrow.parquet.write_table(rows, part, compression="zstd")
        os.replace(part, self.filepath)


class TensorBoard(keras.callbacks.TensorBoard):
    """Show a run in TensorBoard: its numbers, hardness, and predictions in colors.

    Keras' callback, and beside its scalars a histogram of the hardness of each epoch
    and, after each evaluation, images beside what the networks make of them. It comes
    after the callbacks whose results it shows. Needs the package `tensorboard`.

    Args:
        log_dir: Directory to write into.
        hardness_log: `HardnessLog` of the run. Defaults to `None`: no histogram.
        evaluation: `Evaluation` of the run. Defaults to `None`: no images.
        draw: Function from `evaluation.predictors` to a picture, such as a
            `PIL.Image.Image`. Defaults to `None`: no images.
        **options: See `keras.callbacks.TensorBoard`.

    Raises:
        ImportError: If TensorBoard is not installed.
    """

    def __init__(
        self, log_dir, *, hardness_log=None, evaluation=None, draw=None, **options
    ):
        if not importlib.util.find_spec("tensorboard"):
            raise ImportError(
                'It needs TensorBoard: pip install "keras-imas[tensorboard]"'
            )
        super().__init__(log_dir, **{"write_graph": False, **options})
        self.hardness_log = hardness_log
        self.evaluation = evaluation
        self.draw = draw

    def on_epoch_end(self, epoch, logs=None):
        """Write the epoch.

        Args:
            epoch: The epoch, from 0.
            logs: The epoch's logs.
        """
        super().on_epoch_end(epoch, logs)
        with self._train_writer.as_default():
            log = self.hardness_log
            if log is not None and log.hardness is not None:
                self.summary.histogram("hardness", log.hardness, step=epoch)
            evaluation = self.evaluation
            if self.draw is not None and epoch in evaluation.epochs:
                picture = np.asarray(self.draw(evaluation.predictors))
                self.summary.image("predictions", picture[None], step=epoch)


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
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        """Note the epoch.

        Args:
            epoch: The epoch, from 0.
            logs: Not used.
        """
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
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


class Checkpoint(keras.callbacks.Callback):
    """Save all that a run is, so that started again it goes on where it was.

    `IMAS.fit` resumes from the newest checkpoint in the directory, in the middle of an
    epoch too: with both networks, the optimizer, the state of all draws, the epoch's
    logs so far, the history, and at the same place in the data. To the same bits, where
    the backend repeats itself at all (see docs/reliability.md) and the data come from
    `keras_imas.data`; other data begin anew in the epoch that was cut short.

    At a SIGTERM or SIGINT the step is finished, all is saved, and `fit` raises
    `keras_imas.stopping.Interrupted`, which ends a program with status 75. A checkpoint
    that can't be written, as the disk is full, is left out with a warning.

    Of the other callbacks those with `get_state`, which returns a dict as JSON has it,
    and `set_state` go on where they were; `keras_imas.callbacks.Evaluation` does.

    Args:
        directory: Directory of the checkpoints, of this run alone.
        every: From one checkpoint to the next: `"10min"`, `"30s"`, `"2h"`, or a number
            of steps; and after an epoch that is the best so far. 0: only at the end and
            where a signal stops the run. Defaults to `"10min"`.
        keep: How many to keep. Defaults to `2`.
        configuration: Dict, as JSON has it, of what a resumed run must agree in.
            Defaults to `None`: only the networks' variables are compared.
        signals: `keras_imas.stopping.StopSignals` in force. Defaults to `None`: its
            own, while `fit` runs.

    Raises:
        ValueError: If `every` is none of these, or `keep` is less than 1.

    Example:
        >>> import tempfile
        >>> from keras_imas import IMAS
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
        self, directory, *, every="10min", keep=2, configuration=None, signals=None
    ):
        super().__init__()
        self.every = every
        self._seconds, self._steps = _interval(every)
        self._at_all = self._steps or self._seconds < math.inf
        self.checkpoints = Checkpoints(
            directory, keep=keep, configuration=configuration
        )
        self._given_signals = signals
        self._signals = self._restored = self._draws = None
        self.callbacks = None

    def restore(self, model):
        """Put a model into the state of the newest checkpoint, if there is one.

        Args:
            model: Compiled `keras_imas.IMAS`.

        Returns:
            Dict of the state: `epoch` and `step` to go on at, both from 0, the number
            of `steps` of an epoch, ...; `None` where there is no checkpoint.

        Raises:
            ValueError: If there is none that can be used for this model.
        """
        self.checkpoints.clean()
        newest = self.checkpoints.newest()
        self._restored = None
        if newest is None:
            return None
        _, arrays, state = newest
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        for name in ("model", "optimizer"):
            _assign(_variables(model)[name], name, arrays, self.checkpoints.directory)
        self._restored = (arrays, state)
        return state

    def on_train_begin(self, logs=None):
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
        for callback, its_state in zip(
            self._stateful(), state["callbacks"], strict=True
        ):
            callback.set_state(its_state)

    def on_epoch_begin(self, epoch, logs=None):
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
        (arrays, state), self._restored = self._restored, None
        self._at = state["step"]
        amid = self._at and self._at < state["steps"]
        if amid:
            model = self.model
            metrics = _variables(model)["metrics"]
            with scope_of(model):
                _assign(metrics, "metrics", arrays, self.checkpoints.directory)
        self._draws = {
            name.removeprefix("draws/"): value
            for name, value in arrays.items()
            if name.startswith("draws/")
        }
        if not amid:
            self._set_draws()

    def on_train_batch_begin(self, batch, logs=None):
        """Put the random generators into the restored state.

        Args:
            batch: Not used.
            logs: Not used.
        """
        # Not before, as PyTorch draws where it begins to read data.
        self._set_draws()

    def keep_draws(self):
        """Let the next epoch draw from here on, whatever is drawn until then."""
        self._draws = global_draws()

    def _set_draws(self):
        draws, self._draws = self._draws, None
        if draws:
            set_global_draws(draws)

    def on_train_batch_end(self, batch, logs=None):
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
            self._pending = self._state(self._epoch, step, logs), global_draws()
        if self._signals.requested:
            self.save(self._state(self._epoch, step, logs))
            raise Interrupted()
        if last:  # evaluation may take long, and what is to be saved is known
            self._signals.defer(False)
        elif steps is not None and self._due():
            self.save(self._state(self._epoch, step, logs))

    def on_epoch_end(self, epoch, logs=None):
        """Save if it is time.

        Args:
            epoch: The epoch, from 0.
            logs: The epoch's logs.
        """
        with self._signals.finishing():
            self._pending = self._state(epoch + 1, 0), global_draws()
            finished = epoch + 1 == self.params["epochs"] or self.model.stop_training
            # So that a best network on disk is the one that a resumed run knows of.
            best = any(getattr(c, "best_epoch", None) == epoch for c in self.callbacks)
            if finished or self._due() or best and self._at_all:
                self.save(*self._pending)

    def on_train_end(self, logs=None):
        """Leave signals to others again.

        Args:
            logs: Not used.
        """
        self.leave()

    def leave(self, error=None):
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

    def save(self, state, draws=None):
        """Write a checkpoint, or a warning where that is not possible.

        Args:
            state: The state besides the variables.
            draws: That of the global random generators. Defaults to `None`: as it is.
        """
        # From before, so that what was done while it was written is counted.
        self._last_time, self._since = time.monotonic(), 0
        model = self.model
        step = int(ops.convert_to_numpy(model.step))
        if self._saved == step:
            return
        with scope_of(model):
            arrays = {
                f"{name}/{number:05}/{variable.path}": replica_values(variable)
                for name, variables in _variables(model).items()
                for number, variable in enumerate(variables)
            }
        draws = global_draws() if draws is None else draws
        arrays |= {f"draws/{name}": value for name, value in draws.items()}
        try:
            self.checkpoints.save(step, arrays, state)
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

    def _state(self, epoch, step, logs=None):
        history, steps = self._model.history, self.params["steps"]
        return {
            "epoch": epoch,
            # Data of unknown length can only begin an epoch anew.
            "step": 0 if steps is None else step,
            "steps": steps,
            "logs": {name: float(value) for name, value in (logs or {}).items()},
            "epochs": list(history.epoch),
            "history": {
                name: [float(value) for value in values]
                for name, values in history.history.items()
            },
            "callbacks": [callback.get_state() for callback in self._stateful()],
        }

    def _stateful(self):
        return [c for c in self.callbacks if hasattr(c, "get_state")]


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


def _variables(model):
    return {
        "model": model.variables,
        "optimizer": model.optimizer.variables,
        "metrics": model.metrics_variables,
    }


def _assign(variables, name, arrays, directory):
    """Assign what was saved to variables, if these are the same ones."""
    saved = {key: value for key, value in arrays.items() if key.startswith(f"{name}/")}
    if len(saved) != len(variables):
        raise ValueError(
            f"The checkpoint in {directory!r} is of another {name}: it has "
            f"{len(saved)} variables, this one {len(variables)}"
        )
    for variable, (_, value) in zip(variables, sorted(saved.items()), strict=True):
        dtype = np.dtype(keras.backend.standardize_dtype(variable.dtype))
        try:
            assign_replica_values(
                variable, value.view(dtype) if value.dtype != dtype else value
            )
        except ValueError as error:
            raise ValueError(
                f"The checkpoint in {directory!r} is of another {name}: {error}"
            ) from error
