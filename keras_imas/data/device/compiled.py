"""Compiles what the device computes of a batch."""

import keras


def compiled(function):
    """Return a function compiled, where the backend does that.

    Args:
        function: function of tensors.

    Returns:
        The function.
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
