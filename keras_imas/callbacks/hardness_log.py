"""A table of the hardness of each image in each epoch."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_imas.backends.devices import process_part, scope_of
from keras_imas.data.examples import Examples
from keras_imas.files.user_path import user_path
from keras_imas.files.whole_file import check_writable, whole_file
from keras_imas.scoring import SCORES
from keras_imas.typing import Logs, StrPath


class HardnessLog(keras.callbacks.Callback):
    """Write how hard each unlabeled image was in each epoch, and why.

    The table has a row for each image and epoch: `epoch`, from 1; `image`, its name;
    `hardness`; `student_confidence` and `teacher_confidence`, the share of pixels that
    are sure (ρ); `student_iou` and `teacher_iou`, the IoU between the two, weighted by
    the classes of either. It is a Parquet file, for `pandas.read_parquet` and the like,
    written anew after each epoch, so that it can be read during training. Where
    it exists, the rows of earlier epochs are kept, and those of the epochs that are
    trained now are replaced: to add to a table, pass `initial_epoch` to `fit`.

    The values gather on the device and are read once an epoch. Batches must have
    `"unlabeled_index"`, as those of `keras_imas.data` do.

    Args:
        filepath: Where to write; ends in `.parquet`.
        images: What `"unlabeled_index"` counts: the unlabeled
            `keras_imas.data.Examples`, or the images' names, or their number.

    Raises:
        ValueError: If `filepath` does not end in `.parquet`, or, where training begins,
            can't be written, or holds a table that is damaged or another.

    Attributes:
        names: The images' names.
        hardness: float32 array of the hardness of the images that the last epoch saw.

    Example:
        >>> HardnessLog("hardness.parquet", ["a", "b"]).names
        ['a', 'b']
    """

    def __init__(
        self, filepath: StrPath, images: Examples | Sequence[str] | int
    ) -> None:
        super().__init__()
        self.filepath = user_path(filepath)
        if not self.filepath.endswith(".parquet"):
            raise ValueError(
                "`filepath` must end in .parquet, the format that is written. "
                f"Received: filepath={self.filepath!r}"
            )
        self.names = names_of(images)
        self.hardness = None
        self._table = None
        self._epochs = 0
        self._told = False

    def set_model(self, model: keras.Model) -> None:
        """Make room on the device, before the step is compiled.

        Args:
            model: `IMAS`.
        """
        super().set_model(model)
        if process_part()[0] == 0:
            check_writable("filepath", self.filepath)
            self._table = self._read()
        with scope_of(model):
            model.image_scores.track(len(self.names))
        model.train_function = None  # one that was traced before knows nothing of it

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Read the epoch's values, and write the table with them.

        Args:
            epoch: The epoch, from 0.
            logs: Not used.
        """
        scores = self.model.image_scores
        seen = np.flatnonzero(scores.counts())
        if not len(seen):
            return
        means = scores.means()
        self.hardness = means["hardness"][seen]
        if process_part()[0] == 0:
            self._append(epoch + 1, seen, means)
        # Afterwards, as a signal may come in between.
        scores.clear()

    def leave(self, error: BaseException | None = None) -> None:
        """Leave the model as it was.

        Args:
            error: What `fit` has raised. Defaults to `None`: nothing.
        """
        if self.model is None:  # the error came before the training
            return
        self.model.image_scores.tracks = False
        self.model.train_function = None

    def get_state(self) -> dict[str, Any]:
        """Return what a resumed run must know, as JSON has it."""
        return {"epochs": self._epochs}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from a state, and warn if rows that were written are gone.

        Args:
            state: What `get_state` returned.
        """
        self._epochs = state["epochs"]
        if self._epochs and self._table is None and not self._told:
            self._told = True
            print(
                f"Warning: {self.filepath!r} is not there any more: the hardness of "
                f"the first {self._epochs} epochs is lost",
                file=sys.stderr,
                flush=True,
            )

    def _read(self):
        import pyarrow
        import pyarrow.parquet

        if not os.path.exists(self.filepath):
            return None
        try:
            table = pyarrow.parquet.read_table(self.filepath)
        except (pyarrow.ArrowException, OSError) as error:
            raise ValueError(
                f"`filepath` is damaged: {self.filepath!r}: {error}. Remove it, and a "
                "new one is written"
            ) from error
        columns = ["epoch", "image", *SCORES]
        if table.column_names != columns:
            raise ValueError(
                f"`filepath` holds another table: {self.filepath!r} must have the "
                f"columns {', '.join(columns)}. Received: "
                f"{', '.join(table.column_names)}. Choose another path"
            )
        return table

    def _append(self, epoch, seen, means):
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet

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
        self._table, self._epochs = rows, epoch
        # The folder too, if it was removed while training: the table is whole.
        os.makedirs(os.path.dirname(os.path.abspath(self.filepath)), exist_ok=True)
        with whole_file(self.filepath) as part:
            pyarrow.parquet.write_table(rows, part, compression="zstd")


def names_of(images):
    """Return the names by which the log tells images apart.

    Args:
        images: See `HardnessLog`.

    Returns:
        List of strings; their numbers where there are no names.

    Example:
        >>> names_of(2)
        ['#0', '#1']
    """
    names = getattr(images, "names", images)
    if names is None or isinstance(names, int):
        names = [f"#{i}" for i in range(len(images) if names is None else names)]
    return list(names)
