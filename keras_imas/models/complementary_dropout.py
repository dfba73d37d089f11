"""Complementary dropout: two views that see different features of one image."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from keras_imas.typing import Tensor

_step = threading.local()


@keras.saving.register_keras_serializable(package="keras_imas")
class ComplementaryDropout(keras.layers.Layer):
    """Marks the place between encoder and head where a step drops features.

    It returns its features as they are, but within `dropped_features`, where it
    multiplies each channel of each image by a number. `keras_imas.IMAS` does so with
    `complementary_dropout=True`, in the student's training pass alone. The layer has no
    weights.

    A network has one such layer, which takes all the features that the head takes:

        features = encoder(images)
        outputs = head(ComplementaryDropout()(features))

    Args:
        **kwargs: See `keras.layers.Layer`.

    Attributes:
        channels: Number of channels of the widest features.

    Example:
        >>> layer = ComplementaryDropout()
        >>> features = ops.ones((1, 4, 4, 2))
        >>> with dropped_features(ops.array([[2.0, 0.0]])):
        ...     ops.convert_to_numpy(layer(features))[0, 0, 0].tolist()
        [2.0, 0.0]
        >>> ops.convert_to_numpy(layer(features))[0, 0, 0].tolist()
        [1.0, 1.0]
    """

    def build(self, input_shape: Any) -> None:
        """Note the number of channels.

        Args:
            input_shape: Shape of the features, or a list of shapes.
        """
        shapes = input_shape if _is_list_of_shapes(input_shape) else [input_shape]
        self.channels = max(shape[-1] for shape in shapes)
        self.built = True

    def call(self, features: Any) -> Any:
        """Return the features, times the mask of `dropped_features`.

        Args:
            features: Tensor `(B, ..., C)` or list of such tensors: maps or tokens, the
                channels last. Features of as many channels lose the same channels.

        Returns:
            As `features`.
        """
        mask = getattr(_step, "mask", None)
        if mask is None:
            return features
        if isinstance(features, list | tuple):
            return [_masked(x, mask) for x in features]
        return _masked(features, mask)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the features.

        Args:
            input_shape: It.
        """
        return input_shape


@contextlib.contextmanager
def dropped_features(mask: Tensor | None) -> Iterator[None]:
    """Have each `ComplementaryDropout` multiply channels, in a context.

    Args:
        mask: Tensor `(B, C)`, a factor for each channel of each image of the batch;
            features of fewer channels take the first ones. `None`: do nothing.
    """
    _step.mask = mask
    try:
        yield
    finally:
        _step.mask = None


def dropped_channels(network: keras.Model) -> int:
    """Return the number of channels that a network's `ComplementaryDropout` drops of.

    Args:
        network: Built Keras model.

    Returns:
        An integer; 0 where the network has no such layer.

    Example:
        >>> dropped_channels(keras.Sequential([keras.Input((8, 8, 3))]))
        0
    """
    layers = network._flatten_layers()
    found = [layer for layer in layers if isinstance(layer, ComplementaryDropout)]
    return max((layer.channels for layer in found), default=0)


def check_has_place(student: keras.Model) -> None:
    """Refuse a student without a place to drop features.

    Args:
        student: Built Keras model.

    Raises:
        ValueError: If it has no `ComplementaryDropout`.
    """
    if not dropped_channels(student):
        raise ValueError(
            "`complementary_dropout=True` needs a student with a "
            "`keras_imas.models.ComplementaryDropout` between encoder and head: "
            "`head(ComplementaryDropout()(encoder(images)))`; "
            "`deeplab_v3_plus(..., complementary_dropout=True)` has it. Received: "
            f"{student.name!r}, without one"
        )


def _masked(features, mask):
    mask = ops.cast(mask[:, : features.shape[-1]], features.dtype)
    between = (1,) * (len(features.shape) - 2)
    return features * ops.reshape(mask, (-1, *between, features.shape[-1]))


def _is_list_of_shapes(shape):
    return isinstance(shape[0], list | tuple)
