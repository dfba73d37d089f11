"""The types that the annotations of public functions name."""

import os
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import keras

# A tensor of the backend that runs: of TensorFlow, JAX or PyTorch, or symbolic.
Tensor: TypeAlias = Any

# An array, a tensor of any of the three, or nested lists of numbers.
ArrayLike: TypeAlias = Any

# Images, with or without label maps, as `keras_imas.data.as_examples` takes them:
# `Examples`, arrays, or a `tf.data.Dataset`.
Source: TypeAlias = Any

# A `tf.data.Dataset`, a `keras.utils.PyDataset`, or what else `fit` takes.
Batches: TypeAlias = Any

StrPath: TypeAlias = str | os.PathLike[str]

# Names, or the path of a text file with one a line.
Names: TypeAlias = Sequence[str] | StrPath

# `(height, width)` in pixels.
Size: TypeAlias = tuple[int, int]

# `(height, width, 3)`; `None` for any.
InputShape: TypeAlias = tuple[int | None, int | None, int]

# `(red, green, blue)`, 0..255.
Color: TypeAlias = Sequence[float]

# A number that stays, or one that changes with the steps.
Scheduled: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule

# See `keras_imas.progress.progress_style`.
Verbose: TypeAlias = int | Literal["auto"]

# What Keras passes to callbacks.
Logs: TypeAlias = dict[str, Any]
