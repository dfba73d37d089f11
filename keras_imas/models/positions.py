"""Where a patch lies in the image: what a vision transformer is told of it."""

import math

import keras
import numpy as np
from keras import ops


def resize_bicubic(images, height, width, *, antialias=False):
    """Resize by cubic convolution, as PyTorch's `interpolate(mode="bicubic")` does.

    Pixels are squares, so that edges stay where they are, and corners' centers do not.
    As two products with interpolation matrices, in float32: the size may be a tensor.

    Args:
        images: Tensor `(h, w, channels)` of known height and width.
        height: New height in pixels, an integer or a scalar tensor.
        width: New width in pixels, likewise.
        antialias: Whether the kernel widens where an axis shrinks, so that all of the
            image counts. Defaults to `False`.

    Returns:
        float32 tensor `(height, width, channels)`.

    Example:
        >>> resized = resize_bicubic(ops.ones((3, 3, 1)), 1, 2)
        >>> ops.convert_to_numpy(resized).round(4).ravel().tolist()
        [1.0, 1.0]
    """
    old_height, old_width, channels = images.shape
    images = ops.cast(images, "float32")
    rows = _interpolation(old_height, height, antialias)
    columns = _interpolation(old_width, width, antialias)
    images = ops.matmul(rows, ops.reshape(images, (old_height, -1)))
    images = ops.reshape(images, (height, old_width, channels))
    return ops.matmul(columns, images)


def _interpolation(old, new, antialias):
    """Return the matrix `(new, old)` that interpolates along one axis."""
    scale = old / ops.cast(new, "float32")
    position = (ops.cast(ops.arange(0, new), "float32") + 0.5) * scale - 0.5
    if antialias:
        distance = position[:, None] - ops.arange(0, old, dtype="float32")
        weights = _cubic(distance / ops.maximum(scale, 1.0), a=-0.5)
        return weights / ops.sum(weights, axis=1, keepdims=True)
    # Two pixels beyond either end, which are those at the ends again.
    taps = np.arange(-2, old + 2)
    ends = np.clip(taps, 0, old - 1)[:, None] == np.arange(old)
    distance = position[:, None] - ops.convert_to_tensor(taps, "float32")
    return ops.matmul(_cubic(distance, a=-0.75), ops.cast(ends, "float32"))


def _cubic(distance, a):
    """Return Keys' kernel of cubic convolution, of slope `a` at distance 1."""
    x = ops.abs(distance)
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    far = a * (((x - 5.0) * x + 8.0) * x - 4.0)
    return ops.where(x <= 1.0, near, ops.where(x < 2.0, far, 0.0))


@keras.saving.register_keras_serializable(package="keras_imas")
class Tokens(keras.layers.Layer):
    """Line up patches behind a class token and registers, and add their positions.

    Positions are learned for a square grid of patches. For a grid of another height or
    width they are resized by `resize_bicubic`, as `transformers` does. The original
    DINOv2 resizes by the factor `(patches + 0.1) / grid`, which moves them by a
    fraction of a patch.

    Args:
        registers: Number of register tokens. Defaults to `0`.
        grid: Side of the square of learned positions, in patches. Defaults to `None`:
            none are learned.
        antialias: See `resize_bicubic`. Defaults to `False`.
        **kwargs: See `keras.layers.Layer`.

    Example:
        >>> layer = Tokens(registers=4, grid=3)
        >>> tuple(layer(ops.zeros((1, 2, 5, 8))).shape)
        (1, 15, 8)
    """

    def __init__(self, registers=0, grid=None, antialias=False, **kwargs):
        super().__init__(**kwargs)
        self.registers = registers
        self.grid = grid
        self.antialias = antialias

    def build(self, input_shape):
        """Make the tokens and positions.

        Args:
            input_shape: `(B, h, w, channels)`.
        """

        def weight(name, count):
            return self.add_weight(
                name=name,
                shape=(1, count, input_shape[-1]),
                initializer=keras.initializers.TruncatedNormal(stddev=0.02),
                autocast=False,  # positions are resized in float32
            )

        self.class_token = weight("class_token", 1)
        if self.registers:
            self.register_tokens = weight("register_tokens", self.registers)
        if self.grid:
            # The first is the class token's.
            self.positions = weight("positions", 1 + self.grid**2)

    def call(self, patches):
        """Return the tokens.

        Args:
            patches: Tensor `(B, h, w, channels)`.

        Returns:
            Tensor `(B, 1 + registers + h * w, channels)`.
        """
        batch_size, height, width, channels = ops.shape(patches)
        class_token = ops.convert_to_tensor(self.class_token)
        if self.grid:
            positions = self._positions(patches)
            patches = patches + ops.cast(positions, patches.dtype)
            class_token = class_token + self.positions[:, :1]
        first = [class_token]
        if self.registers:
            first.append(ops.convert_to_tensor(self.register_tokens))
        first = ops.cast(ops.concatenate(first, axis=1), patches.dtype)
        first = ops.broadcast_to(first, (batch_size, first.shape[1], channels))
        patches = ops.reshape(patches, (-1, height * width, channels))
        return ops.concatenate([first, patches], axis=1)

    def _positions(self, patches):
        """Return the positions `(h, w, channels)` of a map of patches."""
        height, width = ops.shape(patches)[1:3]
        grid, channels = self.grid, patches.shape[-1]
        positions = ops.reshape(self.positions[:, 1:], (grid, grid, channels))
        if tuple(patches.shape[1:3]) == (grid, grid):
            return positions
        return resize_bicubic(positions, height, width, antialias=self.antialias)

    def compute_output_shape(self, input_shape):
        """Return `(B, 1 + registers + h * w, channels)`."""
        batch_size, height, width, channels = input_shape
        known = None not in (height, width)
        count = 1 + self.registers + height * width if known else None
        return (batch_size, count, channels)

    def get_config(self):
        """Return the arguments of the constructor."""
        return {
            **super().get_config(),
            "registers": self.registers,
            "grid": self.grid,
            "antialias": self.antialias,
        }


@keras.saving.register_keras_serializable(package="keras_imas")
class RotaryPositions(keras.layers.Layer):
    """Compute by which angles DINOv3 turns the queries and keys of each patch.

    Half of the angles go by the height of a patch's center, half by its width, both in
    [-1, 1] over the image, whatever its size. Tokens before the patches are not turned.

    Args:
        size: Channels of a head, a multiple of 4.
        first: Number of tokens before the patches. Defaults to `1`.
        base: Ratio of the shortest wave to the longest one, about. Defaults to `100.0`.
        **kwargs: See `keras.layers.Layer`.

    Example:
        >>> tuple(RotaryPositions(8)(ops.zeros((1, 2, 5, 32))).shape)
        (2, 11, 1, 4)
    """

    def __init__(self, size, first=1, base=100.0, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.first = first
        self.base = base

    def call(self, patches):
        """Return cosines and sines of the angles.

        Args:
            patches: Tensor `(B, h, w, channels)`.

        Returns:
            Tensor `(2, first + h * w, 1, size / 2)`.
        """
        _, height, width, _ = ops.shape(patches)
        frequency = self.base ** -np.arange(0, 1, 4 / self.size)
        frequency = ops.convert_to_tensor(2 * math.pi * frequency, "float32")
        rows, columns = (
            _centers(side)[:, None] * frequency for side in (height, width)
        )
        shape = (height, width, self.size // 4)
        angles = [
            ops.broadcast_to(rows[:, None], shape),
            ops.broadcast_to(columns[None], shape),
        ]
        angles = ops.concatenate(angles, axis=-1)
        angles = ops.reshape(angles, (height * width, self.size // 2))
        angles = ops.pad(angles, ((self.first, 0), (0, 0)))[:, None]
        return ops.cast(
            ops.stack([ops.cos(angles), ops.sin(angles)]), self.compute_dtype
        )

    def compute_output_shape(self, input_shape):
        """Return `(2, first + h * w, 1, size / 2)`."""
        _, height, width, _ = input_shape
        known = None not in (height, width)
        count = self.first + height * width if known else None
        return (2, count, 1, self.size // 2)

    def get_config(self):
        """Return the arguments of the constructor."""
        return {
            **super().get_config(),
            "size": self.size,
            "first": self.first,
            "base": self.base,
        }


def _centers(count):
    """Return the centers of so many patches along an axis, in [-1, 1]."""
    steps = ops.cast(ops.arange(0, count), "float32") + 0.5
    return 2.0 * steps / ops.cast(count, "float32") - 1.0
