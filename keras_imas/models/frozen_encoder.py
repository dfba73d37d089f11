"""Train the head of a network alone."""

import re

import keras

from keras_imas.models.deeplab_v3_plus import HEAD


def freeze_encoder(network: keras.Model, head: str = HEAD) -> None:
    """Keep all of a network as it is but for its head, when it is trained.

    Batch normalization of the encoder normalizes by its moving statistics, and does not
    move them. Loaded anew, or by `network.trainable = True`, the whole trains again.

    Args:
        network: Built Keras model.
        head: Pattern (a regular expression, searched in variables' paths) of what is
            the head's. Defaults to that of `keras_imas.models`' networks.

    Raises:
        ValueError: If no variable is the head's, or all are.

    Example:
        >>> import keras
        >>> layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="stem")]
        >>> layers.append(keras.layers.Conv2D(2, 1, name="classifier"))
        >>> network = keras.Sequential(layers)
        >>> freeze_encoder(network)
        >>> [layer.name for layer in network.layers if layer.trainable_variables]
        ['classifier']
    """

    def of_head(layer):
        return any(re.search(head, variable.path) for variable in layer.weights)

    layers = [x for x in network._flatten_layers(include_self=False) if x.weights]
    encoder = [layer for layer in layers if not of_head(layer)]
    if not encoder or len(encoder) == len(layers):
        raise ValueError(
            "To freeze the encoder, the names of the head's layers must tell it from "
            "the encoder: they begin with aspp, decoder, classifier or auxiliary. "
            f"Received: {network.name!r}, of whose {len(layers)} layers with weights "
            f"{len(layers) - len(encoder)} are the head's"
        )
    for layer in encoder:
        layer.trainable = False
