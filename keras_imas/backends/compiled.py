"""Compile functions of tensors."""

import functools

import keras


def compiled(function, *, xla=False):
    """Return a function that is compiled when it is first called, once.

    On PyTorch it stays as it is, but runs without gradients.

    Args:
        function: Function of tensors.
        xla: Whether TensorFlow compiles it by XLA, as JAX does: once for each shape.
            Defaults to `False`.

    Returns:
        Function of the same arguments.

    Example:
        >>> float(compiled(keras.ops.square)(keras.ops.array(3.0)))
        9.0
    """
    once = functools.cache(functools.partial(_compile, function, xla))
    return functools.wraps(function)(lambda *args: once()(*args))


def _compile(function, xla):
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.jit(function)
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False, jit_compile=xla or None)
    import torch

    return torch.no_grad()(function)
