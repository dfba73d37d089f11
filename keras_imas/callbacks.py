"""Callbacks: the student beside the teacher, hardness by image, the time it takes."""

import contextlib
import importlib.util
import os
import time

import keras
import numpy as np

from keras_imas.distribution import process_part
from keras_imas.evaluation import evaluate
from keras_imas.inference import Predictor
from keras_imas.scoring import SCORES


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


def save_atomically(model, filepath):
    """Save a model so that a file of that name is always a whole one.

    Args:
        model: `keras.Model`.
        filepath: Path that ends in `.keras`.
    """
    part = f"{os.path.splitext(filepath)[0]}.part.keras"
    model.save(part)
    os.replace(part, filepath)


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
        strategy = getattr(model, "distribute_strategy", None)
        with strategy.scope() if strategy else contextlib.nullcontext():
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
