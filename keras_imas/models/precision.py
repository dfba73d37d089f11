"""In which precision a network computes, whatever it was built in."""

import keras

_MIXED = ("mixed_float16", "mixed_bfloat16")


def precision(network: keras.Model) -> str:
    """Tell in which precision the layers with weights compute.

    The policy of the whole does not tell: Keras doesn't save it.

    Args:
        network: Built Keras model.

    Returns:
        `"mixed_float16"` or `"mixed_bfloat16"` where a layer has that policy, else
        `"float32"`.

    Example:
        >>> layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
        >>> precision(keras.Sequential(layers))
        'float32'
    """
    found = {
        layer.dtype_policy.name
        for layer in network._flatten_layers(include_self=False)
        if layer.weights
    }
    return next((policy for policy in _MIXED if policy in found), "float32")


def set_precision(network: keras.Model, policy: str) -> None:
    """Let a network compute in another precision; its weights stay as they are.

    Layers that compute in float32 within mixed precision go on to. So do outputs
    without weights, such as resized logits, as in the networks of `keras_imas.models`.

    Args:
        network: Built Keras model.
        policy: `"float32"`, `"mixed_bfloat16"` or `"mixed_float16"`.

    Example:
        >>> layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
        >>> network = keras.Sequential(layers)
        >>> set_precision(network, "mixed_bfloat16")
        >>> precision(network)
        'mixed_bfloat16'
    """
    before = precision(network)
    if policy == before:
        return
    outputs = {
        id(tensor._keras_history.operation)
        for tensor in keras.tree.flatten(getattr(network, "outputs", None) or [])
    }
    for layer in network._flatten_layers():
        stays = id(layer) in outputs and not layer.weights
        if layer.dtype_policy.name == before and not stays:
            layer.dtype_policy = policy
