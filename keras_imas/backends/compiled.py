"""Compile functions of tensors."""

import keras


def compiled(function):
    """Return a function compiled; on PyTorch as it is, but without gradients.

    Args:
        function: Function of tensors.

    Returns:
        Function of the same arguments.

    Example:
        >>> float(compiled(keras.ops.square)(keras.ops.array(3.0)))
        9.0
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.jit(function)
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False)
    import torch

    return torch.no_grad()(function)
