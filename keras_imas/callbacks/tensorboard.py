"""What TensorBoard shows of a run."""

import importlib.util

import keras
import numpy as np


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
