"""Whether a network ends in a softmax, where logits are wanted."""

import keras

from keras_imas.arguments import check_channels
from keras_imas.models.logits import list_outputs

# Layers that leave it open what comes before them.
_PASSING = (
    "Activation",
    "Cropping2D",
    "Dropout",
    "Identity",
    "Permute",
    "Reshape",
    "Resize",
    "ResizeLike",
    "Resizing",
    "SpatialDropout2D",
    "UpSampling2D",
    "ZeroPadding2D",
)
_NAMED = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid"}


def final_activation(network):
    """Tell which activation makes probabilities of a network's main output.

    Args:
        network: Built Keras model from images to logits.

    Returns:
        `"softmax"`, `"log_softmax"`, `"sigmoid"` or `"hard_sigmoid"`; `None` where it
        is none of them, or unknown, as in a subclassed model.

    Example:
        >>> layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
        >>> final_activation(keras.Sequential(layers))
        >>> layers += [keras.layers.Softmax(), keras.layers.UpSampling2D()]
        >>> final_activation(keras.Sequential(layers))
        'softmax'
    """
    output = main_output(network)
    return None if output is None else _before(output)


def check_returns_logits(name, network):
    """Refuse a network of one channel, or one that ends in probabilities.

    Args:
        name: The argument's name.
        network: Built Keras model from images to logits.

    Raises:
        ValueError: If its main output has one channel, or goes through a softmax or
            sigmoid.

    Example:
        >>> layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
        >>> check_returns_logits("student", keras.Sequential(layers))
    """
    output = main_output(network)
    if output is not None:
        check_channels(name, output.shape[-1])
    activation = final_activation(network)
    if activation is not None:
        raise ValueError(
            f"`{name}` must return logits, to which softmax is applied here. Received: "
            f"a network that ends in {activation}. Take it off: by "
            "`network.layers[-1].activation = keras.activations.linear`, or with "
            "`keras.Model(network.inputs, network.layers[-2].output)` where it is a "
            "layer of its own"
        )


def main_output(network):
    """Return a network's main output, symbolic.

    Args:
        network: Built Keras model.

    Returns:
        `keras.KerasTensor`; `None` of a subclassed model.

    Example:
        >>> layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
        >>> main_output(keras.Sequential(layers)).shape
        (None, 8, 8, 2)
    """
    outputs = getattr(network, "outputs", None)
    if outputs and not isinstance(network, keras.Sequential):
        outputs = list_outputs(network.output)  # a dict has names here alone
    return outputs[0] if outputs else None


def _before(tensor):
    """Follow a symbolic tensor back to what made its values."""
    while hasattr(tensor, "_keras_history"):
        operation, number, _ = tensor._keras_history
        if isinstance(operation, keras.Model):
            return final_activation(operation)
        kind = type(operation).__name__
        if kind in _NAMED:
            return _NAMED[kind]
        activation = getattr(operation, "activation", None)
        name = getattr(activation, "__name__", type(activation).__name__).lower()
        if name in ("softmax", "log_softmax", "sigmoid", "hard_sigmoid"):
            return name
        inputs = operation._inbound_nodes[number].input_tensors
        if kind not in _PASSING or name not in ("linear", "nonetype"):
            return None
        tensor = inputs[0]
    return None
