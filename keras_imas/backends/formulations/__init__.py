"""Faster formulations of what the layers of a network compute, equal up to rounding.

Keras computes some layers by operations that a backend is slow at: see the modules of
the backends for which, and docs/explanations/performance.md for what it costs.
"""

import contextlib
import importlib
import types

import keras


@contextlib.contextmanager
def accelerated(network):
    """Have Keras' own layers in a network compute the same, but faster, in a context.

    A layer that Keras does not define, or in a form that is not known here, computes as
    always. Nothing stays changed: the network is saved and exported as it was.

    Args:
        network: Keras model or layer.

    Yields:
        The network.

    Example:
        >>> import numpy as np
        >>> network = keras.layers.Conv2D(2, 3, padding="same", dilation_rate=6)
        >>> images = np.random.default_rng(0).normal(size=(1, 8, 8, 3))
        >>> plain = keras.ops.convert_to_numpy(network(images))
        >>> with accelerated(network):
        ...     fast = keras.ops.convert_to_numpy(network(images))
        >>> bool(np.abs(fast - plain).max() < 1e-5)
        True
    """
    formulations = _of_backend().FORMULATIONS
    replaced = []
    # The attributes of the instance, without Keras' book-keeping of attributes. One
    # that is there is the user's, or of an outer context.
    for layer in network._flatten_layers():
        name, function = formulations.get(type(layer), (None, None))
        if name and name not in vars(layer):
            vars(layer)[name] = types.MethodType(function, layer)
            replaced.append((layer, name))
    try:
        yield network
    finally:
        for layer, name in replaced:
            vars(layer).pop(name, None)


def faster(name):
    """Return a backend's own form of what is not of a layer.

    Args:
        name: Name of the function.

    Returns:
        The function; `None` where Keras' operations serve the backend as well.

    Example:
        >>> faster("add") is None
        True
    """
    return getattr(_of_backend(), name, None)


def _of_backend():
    return importlib.import_module(f"{__name__}.{keras.backend.backend()}")
