"""What TensorBoard shows of a run."""

import importlib.util
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_imas.callbacks.evaluation import Evaluation
from keras_imas.callbacks.hardness_log import HardnessLog
from keras_imas.files.user_path import user_path
from keras_imas.typing import Logs, StrPath


class TensorBoard(keras.callbacks.TensorBoard):
    """Add to Keras' `TensorBoard` the hardness, and predictions in colors.

    By default it is Keras' own without the graph. Beside its scalars there is a
    histogram of the hardness of each epoch and, after each evaluation, images beside
    what the networks make of them. It comes after the callbacks whose results it shows.
    Needs the package `tensorboard`.

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
        self,
        log_dir: StrPath,
        *,
        hardness_log: HardnessLog | None = None,
        evaluation: Evaluation | None = None,
        draw: Callable[[dict[str, Any]], Any] | None = None,
        **options: Any,
    ) -> None:
        if not importlib.util.find_spec("tensorboard"):
            raise ImportError(
                'It needs TensorBoard: pip install "keras-imas[tensorboard]"'
            )
        super().__init__(user_path(log_dir), **{"write_graph": False, **options})
        self.hardness_log = hardness_log
        self.evaluation = evaluation
        self.draw = draw

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
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
            draw = self.draw if evaluation is not None else None
            if draw is not None and epoch in evaluation.epochs:
                picture = np.asarray(draw(evaluation.predictors))
                self.summary.image("predictions", picture[None], step=epoch)
