"""Callbacks: evaluation, hardness by image, time, input, checkpoints, TensorBoard."""

from keras_imas.callbacks.evaluation import Evaluation
from keras_imas.callbacks.hardness_log import HardnessLog
from keras_imas.callbacks.input_speed import InputSpeed
from keras_imas.callbacks.tensorboard import TensorBoard
from keras_imas.callbacks.time_estimate import TimeEstimate
from keras_imas.training.checkpoint import Checkpoint

__all__ = [
    "Checkpoint",
    "Evaluation",
    "HardnessLog",
    "InputSpeed",
    "TensorBoard",
    "TimeEstimate",
]
