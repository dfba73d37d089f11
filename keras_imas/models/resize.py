"""Bilinear resizing with aligned corners, at sizes known only at run time."""

import keras
from keras import ops

from keras_imas.backends.formulations import faster


def resize_bilinear(images, height, width):
    """Resize so that the corners' centers stay where they are.

    As two products with interpolation matrices: the gradient is two products as well,
    and the size may be a tensor, which `keras.ops.image.resize` does not take; nor has
    that the aligned corners of the paper's network.

    Args:
        images: Floating tensor `(B, h, w, channels)`.
        height: New height in pixels, an integer or a scalar tensor.
        width: New width in pixels, likewise.

    Returns:
        Tensor `(B, height, width, channels)` of the same dtype.

    Example:
        >>> import numpy as np
        >>> row = ops.reshape(ops.array([0.0, 4.0]), (1, 1, 2, 1))
        >>> ops.convert_to_numpy(resize_bilinear(row, 1, 5))[0, 0, :, 0].tolist()
        [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    _, old_height, old_width, channels = ops.shape(images)
    interpolation = faster("interpolation") or _interpolation
    rows = interpolation(old_height, height, images)
    columns = interpolation(old_width, width, images)
    # Products of matrices as they lie in memory: an einsum would transpose.
    images = ops.matmul(columns, ops.reshape(images, (-1, old_width, channels)))
    images = ops.reshape(images, (-1, old_height, width * channels))
    return ops.reshape(ops.matmul(rows, images), (-1, height, width, channels))


def _interpolation(old, new, images):
    """Return the matrix `(new, old)` that interpolates linearly along one axis."""
    steps = ops.cast(ops.maximum(new - 1, 1), "float32")
    scale = ops.cast(old - 1, "float32") / steps
    position = ops.cast(ops.arange(0, new), "float32") * scale
    distance = position[:, None] - ops.cast(ops.arange(0, old), "float32")[None, :]
    return ops.cast(ops.maximum(1.0 - ops.abs(distance), 0.0), images.dtype)


@keras.saving.register_keras_serializable(package="keras_imas")
class ResizeLike(keras.layers.Layer):
    """Resize images to the height and width of others, whatever these are.

    A layer, so that networks for any image size can be functional graphs.

    Example:
        >>> layer = ResizeLike()
        >>> tuple(layer([ops.zeros((1, 4, 4, 8)), ops.zeros((1, 16, 12, 3))]).shape)
        (1, 16, 12, 8)
    """

    def call(self, inputs):
        """Resize the first of two tensors to the size of the second.

        Args:
            inputs: `[images, like]`, `(B, h, w, channels)` and `(B, H, W, any)`.

        Returns:
            Tensor `(B, H, W, channels)`.
        """
        images, like = inputs
        shape = ops.shape(like)
        return resize_bilinear(images, shape[1], shape[2])

    def compute_output_shape(self, input_shape):
        """Return `(B, H, W, channels)`."""
        images, like = input_shape
        return (images[0], like[1], like[2], images[3])


@keras.saving.register_keras_serializable(package="keras_imas")
class Enlarge(keras.layers.Layer):
    """Resize images to a multiple of their height and width.

    Args:
        factor: The multiple. Defaults to `2`.
        **kwargs: See `keras.layers.Layer`.

    Example:
        >>> tuple(Enlarge(2)(ops.zeros((1, 4, 3, 8))).shape)
        (1, 8, 6, 8)
    """

    def __init__(self, factor=2, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, images):
        """Resize the images.

        Args:
            images: Tensor `(B, h, w, channels)`.

        Returns:
            Tensor `(B, factor * h, factor * w, channels)`.
        """
        _, height, width, _ = ops.shape(images)
        return resize_bilinear(images, self.factor * height, self.factor * width)

    def compute_output_shape(self, input_shape):
        """Return `(B, factor * h, factor * w, channels)`."""
        batch_size, *sides, channels = input_shape
        sides = [None if side is None else self.factor * side for side in sides]
        return (batch_size, *sides, channels)

    def get_config(self):
        """Return the arguments of the constructor."""
        return {**super().get_config(), "factor": self.factor}
