"""Evaluation of teacher and student while they train."""

import os
import warnings
from typing import Any

import keras
import numpy as np

from keras_imas.arguments import check_positive
from keras_imas.evaluation import ConfusionMatrix, evaluate, remarks
from keras_imas.files.removed import check_present
from keras_imas.files.user_path import user_path
from keras_imas.files.whole_file import check_writable, whole_file
from keras_imas.inference.predictor import Predictor
from keras_imas.typing import Batches, Logs, StrPath


class Evaluation(keras.callbacks.Callback):
    """Evaluate teacher and student every few epochs; keep the best teacher on disk.

    Adds `val_mean_iou`, `val_pixel_accuracy` and `val_loss` (cross-entropy) of the
    teacher to the epoch's logs, and `val_student_...` of the student, for callbacks
    that come after this one; those of `select_on` are named `select_...`. Warns if all
    labeled pixels are of one class, or no pixel has a label.

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

    Raises:
        ValueError: If an argument is out of range, or, where training begins,
            `filepath` can't be written.

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
        data: Batches,
        num_classes: int,
        *,
        ignore_class: int | None = 255,
        every: int = 1,
        filepath: StrPath | None = None,
        select_on: Batches | None = None,
        **prediction: Any,
    ) -> None:
        super().__init__()
        check_positive(every=every, num_classes=num_classes)
        if filepath is not None:
            filepath = user_path(filepath)
            if not filepath.endswith(".keras"):
                raise ValueError(
                    "`filepath` must end in .keras, the format that is written. "
                    f"Received: filepath={filepath!r}"
                )
        self.data = {"val_": data}
        if select_on is not None:
            self.data["select_"] = select_on
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        self.every = every
        self.filepath = filepath
        self.prediction = prediction
        self.best = float("-inf")
        self.best_epoch: int | None = None
        self.epochs = []
        self.confusion = {}
        self._told = set()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Wrap the two networks for evaluation.

        Args:
            logs: Not used.
        """
        if self.filepath is not None:
            check_writable("filepath", self.filepath)
        self.predictors = {
            "teacher": Predictor(self.model.teacher, **self.prediction),
            "student": Predictor(self.model.student, **self.prediction),
        }

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
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
            self._tell_of_labels(where, confusion)
        self.epochs.append(epoch)
        selecting = "select_" if "select_" in self.data else "val_"
        if logs[f"{selecting}mean_iou"] > self.best:
            self.best, self.best_epoch = logs[f"{selecting}mean_iou"], epoch
            if self.filepath is not None:
                # The folder too, if it was removed while training.
                os.makedirs(
                    os.path.dirname(os.path.abspath(self.filepath)), exist_ok=True
                )
                with whole_file(self.filepath) as part:
                    self.predictors["teacher"].segmenter.save(part)

    def _tell_of_labels(self, where, confusion):
        """Warn once where the labels can't tell how good a network is."""
        if where in self._told or confusion.labeled.sum() > 1:
            return
        self._told.add(where)
        names = [f"class {number}" for number in range(self.num_classes)]
        warnings.warn(f"{where}mean_iou: {remarks(confusion, names)[0]}", stacklevel=2)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """See that the best teacher is where it was saved.

        Args:
            logs: Not used.

        Raises:
            FileNotFoundError: If it was removed while training.
        """
        if self.filepath is not None and self.best_epoch is not None:
            best = f"The best teacher, of epoch {self.best_epoch + 1},"
            check_present(best, self.filepath)

    @property
    def log_names(self) -> list[str]:
        """Name of what it adds to the logs of some epochs."""
        return [
            f"{where}{network}{value}"
            for where in self.data
            for network in ("", "student_")
            for value in ("loss", "mean_iou", "pixel_accuracy")
        ]

    def get_state(self) -> dict[str, Any]:
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

    def set_state(self, state: dict[str, Any]) -> None:
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
