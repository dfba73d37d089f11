"""The history of a run: a line an epoch."""

import itertools
import json
import os
import sys
import time

import keras

from keras_imas.files import standard_json
from keras_imas.files.removed import Removed
from keras_imas.files.whole_file import write_whole
from keras_imas.runs.results import rounded


class History(keras.callbacks.Callback):
    """Write the logs of each epoch to a file, one JSON object a line.

    All lines are written anew, so that none is lost where the file was removed.

    Args:
        filepath: Path of the file.
        start: When the run began, of `time.perf_counter`.
        evaluation: `keras_imas.callbacks.Evaluation` whose IoU of each class is written
            too, or `None`.

    Attributes:
        start: When the run would have begun, had it not been interrupted.
    """

    def __init__(self, filepath, start, evaluation):
        super().__init__()
        self.filepath = filepath
        self._folder = os.path.dirname(os.path.abspath(filepath))
        self.start = start
        self._evaluation = evaluation
        self._lines = []
        self._removed = False

    def on_epoch_end(self, epoch, logs=None):
        """Add a line.

        Args:
            epoch: The epoch, from 0.
            logs: Its logs.
        """
        self._look()
        line = {name: round(float(value), 6) for name, value in logs.items()}
        evaluation = self._evaluation
        if evaluation is not None and epoch in evaluation.epochs:
            line["iou"] = {
                name: rounded(confusion.iou)
                for name, confusion in evaluation.confusion.items()
            }
        self._lines.append(standard_json.dumps({"epoch": epoch + 1, **line}) + "\n")
        os.makedirs(self._folder, exist_ok=True)
        write_whole(self.filepath, "".join(self._lines))

    def on_train_end(self, logs=None):
        """See that the folder was there all the time.

        Args:
            logs: Not used.

        Raises:
            keras_imas.files.removed.Removed: If it was removed while training.
        """
        self.check_folder()

    def check_folder(self):
        """Raise if the folder was removed while training, and not all is there.

        Raises:
            keras_imas.files.removed.Removed: If it was.
        """
        self._look()
        if self._removed:
            raise Removed(
                f"The folder {self._folder!r} was removed or emptied while training. "
                "It holds what was written since: the history, the table of "
                "hardness and the networks of the last epoch"
            )

    def _look(self):
        if self._lines and not os.path.exists(self.filepath) and not self._removed:
            self._removed = True
            print(
                f"Warning: {self._folder} was removed or emptied while training. The "
                "run writes there again what it has in memory",
                file=sys.stderr,
                flush=True,
            )

    def get_state(self):
        """Return what a resumed run must know, as JSON has it."""
        seconds = time.perf_counter() - self.start
        return {"epochs": len(self._lines), "seconds": seconds}

    def set_state(self, state):
        """Go on from a state.

        Args:
            state: What `get_state` returned.
        """
        epochs = state["epochs"]
        self.start -= state["seconds"]
        with open(self.filepath, "a+", encoding="utf-8") as file:
            file.seek(0)
            lines = file.readlines()
        # Epochs that ended after the checkpoint will end again.
        self._lines = list(itertools.takewhile(_is_whole, lines[:epochs]))
        if len(self._lines) < epochs:
            print(
                f"Warning: {self.filepath} is damaged: of its first {epochs} lines "
                f"{len(self._lines)} are intact, and the others are left out",
                file=sys.stderr,
            )
        write_whole(self.filepath, "".join(self._lines))

    def clear(self):
        """Forget all epochs, as the run starts from its first step."""
        self._lines = []
        write_whole(self.filepath, "")


def _is_whole(line):
    try:
        return line.endswith("\n") and isinstance(json.loads(line), dict)
    except ValueError:
        return False
