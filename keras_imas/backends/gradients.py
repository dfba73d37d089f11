"""Passes that need no gradient."""

import contextlib

import keras


def without_gradients():
    """Return a context in which nothing is kept for a gradient.

    PyTorch keeps the features of each layer otherwise, until the step ends. In the
    compiled steps of TensorFlow and JAX `keras.ops.stop_gradient` on the result does.

    Returns:
        Context manager.

    Example:
        >>> with without_gradients():
        ...     total = keras.ops.sum(keras.ops.ones((3,)))
        >>> float(total)
        3.0
    """
    if keras.backend.backend() != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()
