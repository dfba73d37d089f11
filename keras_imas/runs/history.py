"""The history of a run: a line an epoch."""

import itertools
import json
import sys
import time

import keras

from keras_imas.files import standard_json
from keras_imas.files.whole_file import write_whole
from keras_imas.runs.results import rounded


class History(keras.callbacks.Callback):
    """Append the logs of each epoch to a file, one JSON object a line.

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
        self.start = start
        self._evaluation = evaluation
        self._epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        """Append a line.

        Args:
            epoch: The epoch, from 0.
            logs: Its logs.
        """
        line = {name: round(float(value), 6) for name, value in logs.items()}
        evaluation = self._evaluation
        if evaluation is not None and epoch in evaluation.epochs:
            line["iou"] = {
                name: rounded(confusion.iou)
                for name, confusion in evaluation.confusion.items()
            }
        with open(self.filepath, "a", encoding="utf-8") as file:
            file.write(standard_json.dumps({"epoch": epoch + 1, **line}) + "\n")
        self._epochs = epoch + 1

    def get_state(self):
        """Return what a resumed run must know, as JSON has it."""
        seconds = time.perf_counter() - self.start
        return {"epochs": self._epochs, "seconds": seconds}

    def set_state(self, state):
        """Go on from a state.

        Args:
            state: What `get_state` returned.
        """
        self._epochs = state["epochs"]
        self.start -= state["seconds"]
        with open(self.filepath, "a+", encoding="utf-8") as file:
            file.seek(0)
            lines = file.readlines()
        # Epochs that ended after the checkpoint will end again.
        lines = list(itertools.takewhile(_is_whole, lines[: self._epochs]))
        if len(lines) < self._epochs:
            print(
                f"Warning: {self.filepath} is damaged: of its first {self._epochs} "
                f"lines {len(lines)} are whole, and the others are left out",
                file=sys.stderr,
            )
        write_whole(self.filepath, "".join(lines))

    def clear(self):
        """Forget all epochs, as the run starts from its first step."""
        write_whole(self.filepath, "")


def _is_whole(line):
    try:
        return line.endswith("\n") and isinstance(json.loads(line), dict)
    except ValueError:
        return False
