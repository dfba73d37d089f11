"""Add up windows of an image on the device, in place."""

import functools

import keras
import numpy as np
from keras import ops


class WindowSum:
    """Add up windows of an image on the device, in place.

    Args:
        shape: `(height, width, channels)` of the sum; each window lies within it.

    Example:
        >>> total = WindowSum((2, 3, 1))
        >>> windows = ops.ones((1, 2, 2, 1))
        >>> total.add(windows, 0, (0, 0))
        >>> total.add(windows, 0, (0, 1))
        >>> ops.convert_to_numpy(total.value)[..., 0].tolist()
        [[1.0, 2.0, 1.0], [1.0, 2.0, 1.0]]
    """

    def __init__(self, shape):
        if keras.backend.backend() != "tensorflow":
            self._sum = ops.zeros(shape, "float32")
        elif "CPU" in ops.zeros(()).device:
            # NumPy adds in one pass, where TensorFlow takes four.
            self._sum = np.zeros(shape, "float32")
        else:
            import tensorflow as tf

            self._sum = tf.Variable(ops.zeros(shape, "float32"))

    def add(self, windows, index, corner):
        """Add a window.

        Args:
            windows: float32 tensor `(B, h, w, channels)`.
            index: Which of them.
            corner: `(top, left)`, where it lies.
        """
        if keras.backend.backend() == "jax":
            self._sum = _added()(self._sum, windows, index, *corner)
            return
        (top, left), (height, width) = corner, windows.shape[1:3]
        part = self._sum[top : top + height, left : left + width]
        if isinstance(part, np.ndarray):
            part += ops.convert_to_numpy(windows)[index]
        elif keras.backend.backend() == "tensorflow":
            part.assign(part + windows[index])
        else:
            part += windows[index]

    @property
    def value(self):
        """The sum so far."""
        return ops.convert_to_tensor(self._sum)


@functools.cache
def _added():
    import jax

    def add(total, windows, index, top, left):
        start, window = (top, left, 0), windows[index]
        part = jax.lax.dynamic_slice(total, start, window.shape)
        return jax.lax.dynamic_update_slice(total, part + window, start)

    return jax.jit(add, donate_argnums=0)
