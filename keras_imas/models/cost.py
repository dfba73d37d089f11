"""What a network costs: multiply-adds, and numbers kept for the backward pass."""

import keras
import numpy as np
from keras import layers

from keras_imas.models.vision_transformer import SelfAttention


def multiply_adds(network):
    """Count the multiply-adds of one image.

    Those of convolutions, dense layers and attention.

    Args:
        network: Functional `keras.Model` with an input of known height and width.

    Returns:
        An integer.

    Example:
        >>> images = keras.Input((8, 8, 3))
        >>> outputs = layers.Conv2D(4, 3, padding="same")(images)
        >>> multiply_adds(keras.Model(images, outputs)) == 8 * 8 * 3 * 3 * 3 * 4
        True
    """
    total = 0
    for layer in _layers(network):
        if isinstance(layer, layers.DepthwiseConv2D | layers.Conv2D):
            total += np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:3])
        elif isinstance(layer, layers.Dense):
            total += np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:-1])
        elif isinstance(layer, layers.Conv2DTranspose):
            total += np.prod(layer.kernel.shape) * np.prod(layer.input.shape[1:3])
        elif isinstance(layer, SelfAttention):
            _, tokens, width = layer.output.shape
            total += 2 * tokens**2 * width
    return int(total)


def activations(network):
    """Count the numbers in the outputs of all layers for one image.

    Training keeps about that many for the backward pass.

    Args:
        network: Functional `keras.Model` with an input of known height and width.

    Returns:
        An integer.

    Example:
        >>> images = keras.Input((8, 8, 3))
        >>> outputs = layers.Conv2D(4, 3, padding="same")(images)
        >>> activations(keras.Model(images, outputs))
        256
    """
    outputs = [
        output
        for layer in _layers(network)
        if not isinstance(layer, layers.InputLayer)
        for output in keras.tree.flatten(layer.output)
    ]
    return int(sum(np.prod(output.shape[1:]) for output in outputs))


def _layers(network):
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer
