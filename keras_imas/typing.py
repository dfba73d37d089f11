"""The types that the annotations of public functions name."""

import os
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import keras

Tensor: TypeAlias = Any
"""A tensor of the backend that runs: of TensorFlow, JAX or PyTorch, or symbolic."""

ArrayLike: TypeAlias = Any
"""An array, a tensor of any of the three, or nested lists of numbers."""

Source: TypeAlias = Any
"""Images, with or without label maps, as `keras_imas.data.as_examples` takes them:
`Examples`, arrays, or a `tf.data.Dataset`."""

Batches: TypeAlias = Any
"""A `tf.data.Dataset`, a `keras.utils.PyDataset`, or what else `fit` takes."""

StrPath: TypeAlias = str | os.PathLike[str]
"""The path of a file or folder."""

Names: TypeAlias = Sequence[str] | StrPath
"""Names, or the path of a text file with one a line."""

Size: TypeAlias = tuple[int, int]
"""`(height, width)` in pixels."""

InputShape: TypeAlias = tuple[int | None, int | None, int]
"""`(height, width, 3)`; `None` for any."""

Color: TypeAlias = Sequence[float]
"""`(red, green, blue)`, 0..255."""

Scheduled: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule
"""A number that stays, or one that changes with the steps."""

Verbose: TypeAlias = int | Literal["auto"]
"""See `keras_imas.progress.progress_style`."""

Logs: TypeAlias = dict[str, Any]
"""What Keras passes to callbacks."""
