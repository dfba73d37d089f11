"""A digest of a network, by which two networks are told apart."""

import hashlib

import numpy as np
from keras import ops

from keras_imas.files import standard_json


def network_digest(network):
    """Return a digest of what a network is made of and of its weights.

    Networks of the same layers and weights have the same digest, whatever their names
    are and wherever they were loaded from.

    Args:
        network: Built Keras model.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> import keras
        >>> def network(bias):
        ...     initializer = keras.initializers.Constant(bias)
        ...     layer = keras.layers.Conv2D(2, 1, bias_initializer=initializer)
        ...     layer.build((None, 8, 8, 0))
        ...     return keras.Sequential([keras.Input((8, 8, 0)), layer])
        >>> network_digest(network(0)) == network_digest(network(0))
        True
        >>> network_digest(network(0)) == network_digest(network(1))
        False
    """
    digest = hashlib.sha256()
    try:
        made_of = network.get_config()
    except NotImplementedError:  # a subclassed model: its weights must do
        made_of = type(network).__name__
    digest.update(standard_json.dumps(_without_names(made_of), default=_text).encode())
    for variable in network.weights:
        values = np.ascontiguousarray(ops.convert_to_numpy(variable))
        digest.update(f"{values.shape} {values.dtype}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def _without_names(value):
    """Leave out names, which Keras counts up in a process, and the graph by them."""
    if isinstance(value, dict):
        left_out = ("name", "keras_history", "input_layers", "output_layers")
        return {
            str(key): _without_names(item)
            for key, item in value.items()
            if key not in left_out and not str(key).startswith("shared_object")
        }
    if isinstance(value, list | tuple):
        return [_without_names(item) for item in value]
    return value


def _text(value):
    return type(value).__name__
